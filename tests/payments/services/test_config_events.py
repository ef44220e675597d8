from __future__ import annotations

import pytest

from payments.api.config_serializers import represent_config
from payments.models import Event
from payments.services import config_events, configs, verification

pytestmark = pytest.mark.django_db


def types(shop):
    return list(Event.objects.filter(shop=shop).order_by("seq").values_list("type", flat=True))


class TestDescribe:
    def test_says_what_the_api_says(self, till, daraja, actor, now):
        verification.verify_config(config=till, actor=actor, now=now)
        till.refresh_from_db()

        described, represented = config_events.describe(till), represent_config(till)

        assert described.keys() == represented.keys()
        texts = {name for name in described if not name.endswith("_at")}
        assert {name: described[name] for name in texts} == {
            name: represented[name] for name in texts
        }

    def test_says_why_a_config_is_not_well(self, till, now):
        till.last_test_result = "failed"

        assert config_events.describe(till)["health_reason"] == "last_test"


class TestTell:
    def test_follows_a_configs_life(self, shop, make_config, daraja, actor, now):
        config = make_config(shop, status="draft")

        verification.verify_config(config=config, actor=actor, now=now)
        configs.activate_config(config=config, actor=actor, now=now)
        configs.deactivate_config(config=config, actor=actor, now=now)
        config.refresh_from_db()
        configs.suspend_config(config=config, reason="Stolen", actor=actor, now=now)

        assert types(shop) == [
            "config.verified",
            "config.activated",
            "config.deactivated",
            "config.suspended",
        ]
        assert Event.objects.latest("seq").data["status"] == "suspended"
