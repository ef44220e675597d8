"""A refund with real commits and threads: two say yes at once, and Safaricom hears one order."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
from django.test import Client
from django.utils import timezone

from payments.choices import EvidenceSource
from payments.errors import InvalidTransition, PaymentsError
from payments.models import ProviderRequest, Receipt, Refund
from payments.receipt_choices import UnallocatedReason
from payments.services import radar, receipt_acts, refunds
from tests.journeys.shopfloor import at_once, sweep
from tests.payments.services.receipt_world import receipt_row
from tests.payments.services.request_world import WITH_INITIATOR, paid, person


@pytest.fixture
def receipt(shop, make_config, daraja, clock) -> Receipt:
    daraja.engine.knobs.result_after_s = 0.0
    paybill = make_config(
        shop, provider="mpesa_paybill", shortcode="600100", credentials=WITH_INITIATOR
    )
    return paid(paybill, daraja, amount=12_000, now=clock.now)


def state(receipt: Receipt) -> tuple[str, str]:
    receipt.refresh_from_db()
    assert receipt.payment is not None
    receipt.payment.refresh_from_db()
    return receipt.status, receipt.payment.status


def test_two_who_approve_at_once_send_one_order(shop, receipt, daraja, clock):
    manager, asks = person(shop, "manager", "wanjiru")
    refund = refunds.ask_refund(
        receipt=receipt, reason="Wrong size", user=manager, actor=asks, now=clock.now
    )
    admins = [person(shop, "admin", name) for name in ("otieno", "kamau", "achieng", "mutua")]

    def approve(user, actor):
        try:
            mine = Refund.objects.get(pk=refund.pk)
            refunds.approve(refund=mine, user=user, actor=actor, now=timezone.now())
        except InvalidTransition:
            return False
        return True

    said_yes = at_once([partial(approve, user, actor) for user, actor in admins])

    assert sorted(said_yes) == [False, False, False, True]
    assert len(daraja.ledger.requests) == ProviderRequest.objects.count() == 1
    daraja.deliver(Client())
    refund.refresh_from_db()
    assert (refund.status, *state(receipt)) == ("done", "reversed", "reversed")
    assert len(daraja.ledger.returned) == 1


def test_two_who_ask_at_once_make_one_refund(shop, receipt, clock):
    people = [person(shop, "manager", name) for name in ("wanjiru", "njoki", "baraka")]

    def ask(user, actor):
        try:
            refunds.ask_refund(
                receipt=Receipt.objects.get(pk=receipt.pk),
                reason="Wrong size",
                user=user,
                actor=actor,
                now=timezone.now(),
            )
        except InvalidTransition:
            return False
        return True

    asked = at_once([partial(ask, user, actor) for user, actor in people])

    assert sorted(asked) == [False, False, True]
    assert Refund.objects.count() == 1


def test_the_radar_sees_what_a_customer_took_back(receipt, daraja, clock):
    assert sweep("recheck_receipts") == 0
    clock.forward(600)
    daraja.engine.take_back(receipt.number, now=clock.now)
    assert state(receipt) == ("credited", "completed")

    clock.forward(301)
    assert sweep("recheck_receipts") == 1
    daraja.deliver(Client())

    assert state(receipt) == ("reversed", "reversed")
    clock.forward(timedelta(hours=30).total_seconds())
    assert sweep("recheck_receipts") == 0


CLAIMANTS = 6


def test_of_a_claim_and_a_refund_at_once_one_wins(shop, make_config, clock, daraja):
    """Nobody gets the goods and the money back, whoever is first."""
    paybill = make_config(
        shop, provider="mpesa_paybill", shortcode="600100", credentials=WITH_INITIATOR
    )
    user, actor = person(shop, "manager", "wanjiru")
    for number in range(CLAIMANTS):
        loose = receipt_row(paybill, now=clock.now, reason=UnallocatedReason.REFUND_NEEDED)

        def claim(loose=loose, number=number):
            return receipt_acts.claim(
                shop=shop,
                environment="sandbox",
                branch=None,
                receipt_number=loose.number,
                order_ref=f"ORDER-{number}",
                amount=loose.amount,
                idempotency_key=None,
                actor=actor,
                now=timezone.now(),
            )

        def ask(loose=loose):
            return refunds.ask_refund(
                receipt=loose, reason="Twice", user=user, actor=actor, now=timezone.now()
            )

        done = [each for each in at_once([partial(attempt, claim), partial(attempt, ask)]) if each]

        assert len(done) == 1
        loose.refresh_from_db()
        assert (loose.status == "credited") == (loose.refunds.count() == 0)


def test_claims_approvals_and_reversals_at_once_do_not_lock_each_other_out(
    shop, make_config, clock, daraja
):
    paybill = make_config(
        shop, provider="mpesa_paybill", shortcode="600100", credentials=WITH_INITIATOR
    )
    user, actor = person(shop, "manager", "wanjiru")
    second, seconds = person(shop, "admin", "otieno")
    for _round in range(CLAIMANTS):
        row = receipt_row(paybill, now=clock.now)
        receipt_acts.keep_as_sale(receipt=row, actor=actor, now=clock.now)
        row.refresh_from_db()
        asked = refunds.ask_refund(
            receipt=row, reason="Twice", user=user, actor=actor, now=clock.now
        )
        loose = receipt_row(paybill, now=clock.now)
        source = EvidenceSource.TRANSACTION_STATUS
        who = {"actor": actor, "now": clock.now}
        at_once(
            [
                partial(
                    attempt,
                    partial(
                        refunds.approve, refund=asked, user=second, actor=seconds, now=clock.now
                    ),
                ),
                partial(attempt, partial(radar.note_reversal, row, source=source, **who)),
                partial(attempt, partial(receipt_acts.release, receipt=row, reason="No", **who)),
                partial(attempt, partial(receipt_acts.keep_as_sale, receipt=loose, **who)),
                partial(attempt, partial(radar.note_reversal, loose, source=source, **who)),
            ]
        )
        assert {state(row)[0], loose_status(loose)} == {"reversed"}


def loose_status(receipt: Receipt) -> str:
    receipt.refresh_from_db()
    return receipt.status


def attempt(act):
    """Do it, or be refused; a deadlock is neither."""
    try:
        return act()
    except PaymentsError:
        return None
