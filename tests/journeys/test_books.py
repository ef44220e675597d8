"""
All books together: lost callbacks, lying queries and late customers, until the statement has said.

The statement is made of the simulator's own ledger, as Safaricom's is of Safaricom's.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from payments.models import Receipt, Review
from payments.services import money_audit, pull_registration
from reconciliation import matching
from reconciliation.models import StatementImport
from reconciliation.statements import importing
from tenants import services as tenants
from tenants.models import User
from tenants.roles import Role
from tests.journeys.shopfloor import (
    Till,
    attempt_of,
    make_due,
    moves_of,
    open_reviews,
    row_of,
    sweep,
    sweep_all,
)
from tests.reconciliation import statement_maker as maker

ZERO = Decimal("0.00")
MINUTE, HOUR = 60, 3600


@pytest.fixture
def cashier(cashier_key, paybill, api):
    """A cashier of a shop with one paybill."""
    return Till(api(cashier_key))


@pytest.fixture
def owner(shop):
    """The shop's owner at a browser."""
    user = User.objects.create_user("owner@duka.test", None)
    tenants.grant_role(user=user, shop=shop, role=Role.ADMIN)
    browser = Client()
    browser.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return browser


@pytest.fixture
def statement(paybill, daraja, actor, clock):
    """Upload the day's statement, let it be read and applied; others are lines nobody else told."""

    def bring(*others, without=""):
        theirs = daraja.engine.transactions.of(paybill.shortcode)
        entries = [_entry(one) for one in theirs if one.receipt_number != without]
        entries = sorted([*entries, *others], key=lambda entry: entry.at)
        made = maker.Book(paybill.shortcode, [each for one in entries for each in _charged(one)])
        row = importing.upload(
            config=paybill,
            filename="statement.xlsx",
            raw=maker.xlsx(made),
            actor=actor,
            now=clock.now,
        )
        sweep("process_statements")
        row.refresh_from_db()
        assert row.status == "read", row.problems
        importing.start_applying(statement=row, actor=actor, now=clock.now)
        sweep("process_statements")
        assert StatementImport.objects.get(pk=row.pk).status == "applied"

    return bring


def _entry(one):
    return maker.Entry(
        one.receipt_number,
        one.at.replace(microsecond=0),
        one.amount,
        account=one.reference,
        msisdn=one.msisdn,
        name=one.name,
    )


def _charged(entry):
    return entry, maker.charge(entry, Decimal("1.50"))


def compared(paybill, shop):
    """Return what the three-way match says of today: number and sum by state."""
    day = timezone.now().astimezone(maker.NAIROBI).date()
    wanted = matching.scope(shop=shop, environment="sandbox", since=day, until=day, config=paybill)
    return {
        state: (tally.count, tally.amount)
        for row in matching.match_days(wanted)
        for state, tally in row.tallies.items()
    }


def queue(owner):
    """Return the page of what a person must decide."""
    return owner.get("/admin/reconciliation/exceptionitem/", {"environment": "sandbox"}).text


class TestAnHourWithoutCallbacks:
    def test_pull_and_statement_bring_all_books_together(
        self, cashier, paybill, shop, daraja, actor, clock, statement
    ):
        """Pull lists what customers paid at a phone; a standing order is on the statement alone."""
        pull_registration.register_pull(
            config=paybill, nominated_number="0722000000", actor=actor, now=clock.now
        )
        daraja.set_default("handset")
        prompted = []
        for number in range(5):
            prompted.append(
                cashier.sell(phone_number=f"07220000{number:02}", amount=str(100 + number))
            )
            daraja.press(f"2547220000{number:02}")
            clock.forward(MINUTE)
        daraja.set_default("unreachable")
        refused = [
            cashier.sell(phone_number=f"07330000{number:02}", amount="70") for number in (1, 2)
        ]
        by_hand, standing_order = refused
        clock.forward(MINUTE)
        daraja.pay_c2b("600100", 70, reference=by_hand["account_reference"])
        ordered = maker.payment("TKS0000001", clock.now.replace(microsecond=0), Decimal(70))
        ordered = replace(
            ordered, reason="Standing Order Pay Bill", account=standing_order["account_reference"]
        )
        assert len(daraja.due_callbacks()) >= 6, "all of them are lost"
        daraja.break_next("query", "busy", times=1000)
        clock.forward(45 * MINUTE)

        sweep("pull_recent")
        after_pull = [row_of(sale).status for sale in (*prompted, by_hand, standing_order)]
        statement(ordered)

        assert after_pull[:6] == ["completed"] * 6
        assert after_pull[6] in {"pending", "expired", "failed"}
        assert {row_of(sale).status for sale in (*prompted, *refused)} == {"completed"}
        assert compared(paybill, shop) == {
            "matched": (7, Decimal("650.00")),
            "charge": (7, Decimal("10.50")),
        }
        theirs = {one.receipt_number: one.amount for one in daraja.ledger.money}
        assert dict(Receipt.objects.values_list("number", "amount")) == {
            **theirs,
            "TKS0000001": Decimal(70),
        }
        assert not Review.objects.filter(resolved_at=None).exists()


class TestAQueryLies:
    def test_yes_is_held_once_the_statement_lacks_the_money(
        self, cashier, paybill, shop, daraja, clock, statement, owner
    ):
        daraja.next("cancel", callbacks=0, query="0")
        unpaid = cashier.sell(amount="90")
        daraja.next("paid_silently")
        paid = cashier.sell(amount="60", phone_number="0722000001")
        clock.forward(2 * MINUTE)
        for sale in (unpaid, paid):
            make_due(sale)
        sweep("ask_due_attempts")
        before = cashier.look(unpaid)
        clock.forward(HOUR)
        daraja.pay_c2b("600100", 500, phone="254700000009")
        clock.forward(MINUTE)

        statement()

        told = cashier.look(unpaid)
        assert (before["status"], before["receipt_number"]) == ("completed", None)
        assert (told["status"], told["paid"]) == ("completed", False)
        assert open_reviews(unpaid) == {"NOT_AT_SAFARICOM": True}
        assert cashier.look(paid)["paid"] is True
        assert open_reviews(paid) == {}
        assert compared(paybill, shop)["only_us"] == (1, Decimal("90.00"))
        assert compared(paybill, shop)["matched"] == (1, Decimal("60.00"))
        assert "Safaricom does not list the receipt" in queue(owner)
        review = Review.objects.get(resolved_at=None)
        page = owner.get(reverse("admin:reconciliation_exceptionitem_change", args=[review.pk]))
        assert page.status_code == 200

    def test_no_is_put_right_by_the_statement(
        self, cashier, paybill, shop, daraja, clock, statement
    ):
        daraja.next("query_lies", callbacks=0)
        sale = cashier.sell(amount="80")
        clock.forward(2 * MINUTE)
        make_due(sale)
        sweep("ask_due_attempts")
        before = cashier.look(sale)
        clock.forward(HOUR)

        statement()

        told = cashier.look(sale)
        assert (before["status"], before["paid"]) == ("failed", False)
        assert (told["status"], told["paid"]) == ("completed", True)
        assert told["receipt_number"] == daraja.ledger.money[0].receipt_number
        assert moves_of(sale) == ["created", "pending", "failed", "completed"]
        assert compared(paybill, shop)["matched"] == (1, Decimal("80.00"))

    def test_a_doubt_ends_when_a_later_statement_has_the_money(
        self, cashier, paybill, daraja, clock, statement
    ):
        """The first file lacked the line; nothing was lost and nothing stays held."""
        daraja.next("paid_silently")
        sale = cashier.sell(amount="60")
        clock.forward(2 * MINUTE)
        make_due(sale)
        sweep("ask_due_attempts")
        [lacking] = [one.receipt_number for one in daraja.ledger.money]
        clock.forward(HOUR)
        daraja.pay_c2b("600100", 500, phone="254700000009")
        statement(without=lacking)
        assert open_reviews(sale) == {"NOT_AT_SAFARICOM": True}

        statement()

        assert open_reviews(sale) == {}
        assert cashier.look(sale)["paid"] is True
        assert row_of(sale).receipt_number == lacking


class TestALateSuccess:
    def test_moves_every_number_by_its_amount_and_no_more(
        self, cashier, daraja, web, clock, owner, admin_key, api
    ):
        daraja.next("pay")
        cashier.sell(amount="150", phone_number="0722000001")
        daraja.deliver(web)
        daraja.next("late", callback_after_s=900)
        daraja.break_next("query", "busy", times=1000)
        sale = cashier.sell(amount="275")
        clock.forward(6 * MINUTE)
        sweep_all()
        before, shown_before = numbers(owner, api(admin_key))
        expired = row_of(sale).status
        audited_before = money_audit.audit_money()
        clock.forward(10 * MINUTE)

        daraja.deliver(web)
        after, shown_after = numbers(owner, api(admin_key))

        assert expired == "expired"
        assert (row_of(sale).status, row_of(sale).late) == ("completed", True)
        assert before["today"] == {"amount": "150.00", "count": 1}
        assert after["today"] == {"amount": "425.00", "count": 2}
        assert (shown_before, shown_after) == (
            (Decimal("150.00"), 1),
            (Decimal("425.00"), 2),
        )
        assert Decimal(after["month"]["amount"]) - Decimal(before["month"]["amount"]) == 275
        assert audited_before == money_audit.audit_money() == []
        assert open_reviews(sale) == {}
        assert attempt_of(sale).status == "succeeded"


def numbers(owner, admin):
    """Return what GET /payments/stats tells, after the overview said the same of today."""
    told = admin.get("/payments/stats").json()
    page = owner.get(reverse("admin:reconciliation_overview"), {"environment": "sandbox"})
    shown = page.context["numbers"].as_dict()
    assert {**shown, "last_sync_at": ""} == {**told, "last_sync_at": ""}
    taken = page.context["tally"].taken
    return told, (taken.amount, taken.count)
