"""What stands in the way of a payment, in English and Swahili, whoever asks."""

from __future__ import annotations

import pytest
from django.utils.translation import override

from payments.errors import (
    DailyLimitReached,
    MonthlyLimitReached,
    NoActiveConfig,
    PaymentsError,
    ProviderUnavailable,
)
from payments.models import Breaker, PaymentConfig
from payments.services import readiness

pytestmark = pytest.mark.django_db


def ask(shop, now):
    return readiness.readiness_of(
        shop_id=shop.pk, environment="sandbox", branch_id=None, provider=None, now=now
    )


def row(rows, code):
    return next(each for each in rows if each["code"] == code)


def test_names_what_blocks_in_both_languages(shop, till, now):
    PaymentConfig.objects.filter(pk=till.pk).update(is_active=False)

    found = ask(shop, now)

    assert not found["ready"]
    assert row(found["blockers"], "inactive")["messages"] == {
        "en": f"{till.name}: Switched off.",
        "sw": f"{till.name}: Imezimwa.",
    }
    first = found["blockers"][0]
    assert first["code"] == "no_active_config"
    assert first["message"] == first["messages"]["en"] == NoActiveConfig.__doc__


def test_names_what_should_be_looked_at_in_both_languages(shop, till, now):
    PaymentConfig.objects.filter(pk=till.pk).update(last_test_result="success")
    Breaker.objects.create(config=till, changed_at=now, concern="callbacks_missing")

    health = row(ask(shop, now)["warnings"], "config_health")

    assert "No callback comes" in health["messages"]["en"]
    assert health["messages"]["sw"] != health["messages"]["en"]


def test_answers_english_as_message_to_a_swahili_browser(shop, till, now):
    PaymentConfig.objects.filter(pk=till.pk).update(is_active=False)

    with override("sw"):
        found = ask(shop, now)

    assert row(found["blockers"], "inactive")["message"] == f"{till.name}: Switched off."


@pytest.mark.parametrize(
    "error", [NoActiveConfig, ProviderUnavailable, DailyLimitReached, MonthlyLimitReached]
)
def test_says_what_the_error_says(error: type[PaymentsError]):
    assert readiness._IN_THE_WAY[error.code] == error.__doc__
