from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from payments.models import ProviderRequest, Receipt, ReceiptCheck, Refund, Review
from payments.services.timeline import timeline_of
from tests import world

pytestmark = pytest.mark.django_db


@pytest.fixture
def corner(now):
    return world.furnish(name="Zawadi", number=61, now=now)


def kinds(payment, role="manager"):
    return [entry["kind"] for entry in timeline_of(payment=payment, role=role)]


class TestTimeline:
    def test_tells_a_paid_prompt_in_order(self, corner):
        entries = timeline_of(payment=corner.payments["here"], role="manager")

        assert [entry["at"] for entry in entries] == sorted(entry["at"] for entry in entries)
        assert {"attempt", "callback", "evidence", "receipt", "transition", "review"} <= {
            entry["kind"] for entry in entries
        }

    def test_tells_who_asked_what_and_what_came_of_it(self, corner, now):
        payment, receipt = corner.payments["here"], corner.receipts["here"]
        config = corner.configs["here"]
        before = kinds(payment)
        ProviderRequest.objects.create(
            shop=corner.shop, environment="sandbox", kind="status", status="succeeded",
            config=config, version=config.versions.get(), receipt=receipt,
            receipt_number=receipt.number, conversation_id="AG_1", asked_by="m@x.test",
            requested_at=now, answered_at=now + timedelta(seconds=3), result_code="0",
        )  # fmt: skip
        Refund.objects.create(
            shop=corner.shop, environment="sandbox", payment=payment, receipt=receipt,
            amount=Decimal(150), reason="wrong shoes", asked_by_label="m@x.test", asked_at=now,
            decided_by_label="a@x.test", decided_at=now, ended_at=now, status="done",
        )  # fmt: skip
        ReceiptCheck.objects.create(
            shop=corner.shop, environment="sandbox", receipt=receipt, answer="already_used",
            asked_by="c@x.test", at=now,
        )  # fmt: skip
        Receipt.objects.filter(pk=receipt.pk).update(claimed_at=now, claimed_by="c@x.test")
        Review.objects.filter(payment=payment).update(resolved_at=now, resolved_by="m@x.test")

        after = kinds(payment)

        more = {kind: after.count(kind) - before.count(kind) for kind in set(after)}
        assert more.items() >= {
            ("request", 2), ("refund", 3), ("check", 1), ("receipt", 1), ("review", 1),
        }  # fmt: skip

    @pytest.mark.parametrize(("role", "whole"), [("admin", True), ("manager", False)])
    def test_shows_the_end_of_checkout_ids_to_the_admin_alone(self, corner, role, whole):
        told = str(timeline_of(payment=corner.payments["here"], role=role))

        assert (world.checkout_id_of(corner.name, "here") in told) is whole

    def test_is_read_in_a_fixed_number_of_queries(self, corner, django_assert_max_num_queries):
        with django_assert_max_num_queries(11):
            timeline_of(payment=corner.payments["here"], role="admin")
