"""A person's data: all of it handed out, all of it erased, and not a shilling moved."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import Q

from audit.models import AuditEntry
from payments.errors import InvalidInput, InvalidPhoneNumber, InvalidTransition
from payments.fields import blind_index
from payments.models import (
    Attempt,
    Event,
    Evidence,
    IdempotencyKey,
    Notice,
    Payment,
    ProviderCallback,
    Receipt,
    Transition,
)
from payments.services import callbacks, stats
from payments.services.matching import hash_index
from payments.services.money_audit import audit_money
from reconciliation import person_erasure, person_export
from reconciliation.models import StatementImport, StatementLine
from reconciliation.persons import ERASED, Holdings, Person
from tests import world
from tests.backoffice import browse, ours, root, support, theirs

__all__ = ["browse", "ours", "root", "support", "theirs"]
pytestmark = pytest.mark.django_db
PHONE = "254712345678"
INDEX = ("phone", PHONE)
PAGE = "/admin/persons/"


def give_number(corner, places=("here",)):
    """Let the payments at these places be asked of the one number, as if they always were."""
    for place in places:
        payment = corner.payments[place]
        payment.phone = PHONE
        payment.save(update_fields=["phone"])
        Payment.objects.filter(pk=payment.pk).update(
            phone_index=blind_index(*INDEX),
            phone_masked="2547*****678",
            account_reference="0712345678",
            metadata={"client": {"tel": "+254 712 345 678", "name": "A"}, "n": 254712345678},
            note="call 0712-345-678",
        )
        Receipt.objects.filter(payment=payment).update(
            payer_index=blind_index(*INDEX), payer_masked="2547*****678", payer_initials="J. W."
        )
        Attempt.objects.filter(payment=payment).update(
            next_ask_at=None,
            checkout_request_id=f"ws_CO_{hashlib.md5(str(payment.pk).encode()).hexdigest()[:12]}712345678",  # noqa: S324
        )


@pytest.fixture
def person(ours, now):
    """Somebody with a payment, money by hand, a line of a statement, a key and a warning."""
    give_number(ours)
    payment, waits = ours.payments["here"], ours.unallocated["here"]
    Receipt.objects.filter(pk=waits.pk).update(
        payer_index=hash_index(hashlib.sha256(PHONE.encode()).hexdigest()),
        account_reference="254712345678",
    )
    statement = StatementImport(
        shop=ours.shop,
        environment="sandbox",
        config=ours.configs["here"],
        status="applied",
        filename="a.csv",
        digest="d",
        size=1,
        uploaded_by="a",
    )
    statement.file = "0712345678 JABALI"
    statement.save()
    StatementLine.objects.create(
        shop=ours.shop,
        environment="sandbox",
        config=ours.configs["here"],
        statement=statement,
        line_number=1,
        digest="l",
        receipt_number=waits.number,
        completed_at=now,
        paid_in=Decimal("75.50"),
        kind="payment",
        payer_index=blind_index(*INDEX),
        payer_masked="2547*****678",
        payer_initials="J. W.",
        details="Pay from 0712345678",
    )
    IdempotencyKey.objects.create(
        shop=ours.shop,
        environment="sandbox",
        key="k",
        fingerprint="f",
        payment=payment,
        body={"phone_number": "2547*****678", "amount": "150.00"},
    )
    Event.objects.filter(data__id=str(payment.pk)).update(
        data={"id": str(payment.pk), "phone_number": "2547*****678", "amount": "150.00"}
    )
    Notice.objects.create(
        shop=ours.shop,
        code="failures_of_phone",
        subject=f"sandbox failures_of_phone {blind_index(*INDEX)[:16]}",
        data={"phone": "2547*****678", "rule": "failures_of_phone", "seen": 5},
    )
    return Person.of(ours.shop, "0712 345 678")


def erase(person, actor, now, reason="asked to be forgotten"):
    return person_erasure.erase(person=person, reason=reason, actor=actor, now=now)


def every_value():
    """Return every text in the database that may hold a number, sealed ones apart."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
            " AND (table_name LIKE 'payments_%' OR table_name LIKE 'reconciliation_%'"
            " OR table_name LIKE 'audit_%')"
        )
        tables = [name for (name,) in cursor.fetchall()]
        found = {}
        for table in tables:
            cursor.execute(f"SELECT string_agg(t::text, ' ') FROM {table} t")  # noqa: S608
            found[table] = cursor.fetchone()[0] or ""
    return found


class TestErasing:
    def test_leaves_no_trace_of_the_number(self, person, actor, now):
        erase(person, actor, now)

        for table, text in every_value().items():
            for trace in ("712345678", "712-345-678", "712 345 678", blind_index(*INDEX)):
                assert trace not in text, table
        assert not Payment.objects.get(pk=payment_of(person)).phone

    def test_says_what_went(self, person, actor, now):
        counts = erase(person, actor, now)

        assert counts["payments"] == counts["statement_lines"] == counts["answers"] == 1
        assert counts["receipts"] == 2
        entry = AuditEntry.objects.get(action="person.erased")
        assert (entry.shop, entry.reason) == (person.shop, "asked to be forgotten")
        assert entry.previous_state == {"person": blind_index(*INDEX)[:12]}

    def test_moves_no_money(self, ours, person, actor, now):
        before = self.books(ours, now)

        erase(person, actor, now)

        assert self.books(ours, now) == before
        assert audit_money() == []

    def books(self, corner, now):
        rows = Q(shop=corner.shop)
        return [
            world.money_now(),
            stats.numbers_of(rows, environment="sandbox", now=now, days=30),
            list(Receipt.objects.order_by("pk").values_list("number", "amount", "status")),
            list(StatementLine.objects.values_list("receipt_number", "paid_in", "state")),
            list(Evidence.objects.order_by("pk").values_list("digest", "amount", "verdict")),
            list(Transition.objects.order_by("pk").values_list("payment", "to_status")),
            list(ProviderCallback.objects.order_by("pk").values_list("digest", "status")),
        ]

    def test_drops_bodies_and_files_that_name_the_person(self, ours, person, actor, now):
        erase(person, actor, now)

        assert not ProviderCallback.objects.get(pk=ours.callbacks["here"].pk).body
        assert ProviderCallback.objects.get(pk=ours.callbacks["elsewhere"].pk).body
        assert not StatementImport.objects.get().file

    def test_drops_the_call_of_money_that_came_by_itself(self, ours, person, actor, now):
        waits = ours.unallocated["here"]

        def called(number):
            row_id = callbacks.receive(
                kind="c2b",
                subject_id=waits.config_id,
                body=json.dumps({"TransID": number, "MSISDN": PHONE}).encode(),
                content_type="",
                source_ip=None,
                now=now,
            )
            ProviderCallback.objects.filter(pk=row_id).update(shop=ours.shop, status="applied")
            return row_id

        his, anothers = called(waits.number), called("TKL0000001")

        erase(person, actor, now)

        assert not ProviderCallback.objects.get(pk=his).body
        assert ProviderCallback.objects.get(pk=anothers).body

    def test_leaves_everybody_else_alone(self, ours, theirs, person, actor, now):
        give_number(theirs)
        others = Payment.objects.exclude(pk=ours.payments["here"].pk).order_by("pk")
        before = list(others.values_list("pk", "phone", "phone_index", "phone_masked"))

        erase(person, actor, now)

        assert list(others.values_list("pk", "phone", "phone_index", "phone_masked")) == before
        assert Receipt.objects.get(payment=theirs.payments["here"]).payer_initials == "J. W."

    def test_finds_nothing_the_second_time(self, person, actor, now):
        erase(person, actor, now)

        assert set(erase(Person.of(person.shop, PHONE), actor, now).values()) == {0}

    def test_lets_a_late_callback_find_its_payment(self, ours, person, actor, now):
        attempt = Attempt.objects.get(payment=ours.payments["here"])
        body = {
            "Body": {
                "stkCallback": {
                    "CheckoutRequestID": attempt.checkout_request_id,
                    "ResultCode": 1032,
                    "ResultDesc": "late",
                }
            }
        }
        erase(person, actor, now)

        row_id = callbacks.receive(
            kind="stk",
            subject_id=attempt.pk,
            body=json.dumps(body).encode(),
            content_type="",
            source_ip=None,
            now=now,
        )
        callbacks.apply_rows([row_id], now=now)

        assert ProviderCallback.objects.get(pk=row_id).status == "applied"

    @pytest.mark.parametrize(
        ("what", "says"),
        [
            ("live", person_erasure.LIVE),
            ("asked", person_erasure.ASKED),
            ("held", person_erasure.UNDECIDED),
            ("refund", person_erasure.UNDECIDED),
        ],
    )
    def test_waits_for_what_is_open(self, ours, person, actor, now, what, says):
        if what == "live":
            attempt = world.prompt(ours, "here", checkout_id="ws_CO_9", now=now, sale=" 9")
            Payment.objects.filter(pk=attempt.payment_id).update(phone_index=blind_index(*INDEX))
        if what == "asked":
            Attempt.objects.update(next_ask_at=now + timedelta(hours=1))
        if what == "held":
            Receipt.objects.filter(pk=ours.unallocated["here"].pk).update(status="held")
        if what == "refund":
            world.refund_of(ours)
        before = every_value()

        with pytest.raises(InvalidTransition) as refused:
            erase(person, actor, now)

        assert refused.value.detail == says
        assert every_value() == before

    def test_needs_a_reason(self, person, actor, now):
        with pytest.raises(InvalidInput):
            erase(person, actor, now, reason=" ")


def payment_of(person):
    """Return the one payment of the fixture; by its shop, for its number is gone."""
    return Payment.objects.get(shop=person.shop, phone_masked=ERASED).pk


class TestExporting:
    def test_hands_out_all_of_it_with_a_plain_word(self, person, actor, now):
        found = person_export.export(person=person, reason="asked", actor=actor, now=now)

        rows = {section["name"]: len(section["rows"]) for section in found["sections"]}
        assert rows == {
            "payments": 1,
            "receipts": 2,
            "prompts": 1,
            "messages": 1,
            "receipt_checks": 0,
            "statement_lines": 1,
            "refunds": 0,
            "flags": 2,
        }
        assert all(section["what"] for section in found["sections"])
        entry = AuditEntry.objects.get(action="person.exported")
        assert entry.previous_state == {"person": blind_index(*INDEX)[:12]}
        assert PHONE not in str(entry.changes)

    def test_hands_out_nothing_of_another_shop(self, ours, theirs, person, actor, now):
        give_number(theirs)

        found = person_export.export(person=person, reason="asked", actor=actor, now=now)

        assert not {mark for mark in theirs.marks() if mark in str(found)}

    def test_needs_a_reason(self, person, actor, now):
        with pytest.raises(InvalidInput):
            person_export.export(person=person, reason="", actor=actor, now=now)

    @pytest.mark.parametrize("phone", ["", "12345", "0812345678", "07123456789"])
    def test_takes_kenyan_numbers_only(self, ours, phone):
        with pytest.raises(InvalidPhoneNumber):
            Person.of(ours.shop, phone)


def run(name, *args):
    out = StringIO()
    call_command(name, *args, stdout=out)
    return out.getvalue()


class TestTheCommands:
    def test_export_to_a_file_for_one_reader(self, person, tmp_path):
        path = tmp_path / "person.json"

        said = run("export_person", "--shop", "zawadi", "--phone", PHONE, "--output", str(path))

        assert json.loads(path.read_text())["phone_number"] == PHONE
        assert path.stat().st_mode & 0o777 == 0o600
        assert "712345678" not in said

    def test_export_over_no_file(self, person, tmp_path):
        path = tmp_path / "person.json"
        path.write_text("mine")

        with pytest.raises(CommandError):
            run("export_person", "--shop", "zawadi", "--phone", PHONE, "--output", str(path))

        assert path.read_text() == "mine"

    def test_erase_after_a_dry_run(self, person):
        asked = ["--shop", "zawadi", "--phone", "0712345678", "--reason", "asked"]
        before = every_value()

        said = run("erase_person", *asked, "--dry-run")
        assert "1 payments" in said
        assert every_value() == before
        said += run("erase_person", *asked)

        assert said.endswith("Erased.\n")
        assert "712345678" not in said
        assert not Holdings(person).payment_ids

    @pytest.mark.parametrize(("shop", "phone"), [("nobody", PHONE), ("zawadi", "123")])
    def test_refuse_what_they_do_not_know(self, person, shop, phone):
        with pytest.raises(CommandError):
            run("erase_person", "--shop", shop, "--phone", phone, "--reason", "x")


class TestThePage:
    def post(self, client, person, **more):
        return client.post(PAGE, {"shop": person.shop.pk, "phone": "0712345678", **more})

    def test_shows_how_much_is_held(self, ours, person, browse):
        page = self.post(browse(ours.users["admin"]), person)

        assert dict(page.context_data["held"])["Payments"] == 1
        assert "no-store" in page["Cache-Control"]

    def test_hands_out_a_file(self, ours, person, browse):
        answer = self.post(browse(ours.users["admin"]), person, step="export", reason="asked")

        assert answer["Content-Disposition"].startswith("attachment")
        assert answer.json()["phone_number"] == PHONE

    def test_erases_and_shows_what_was_done(self, ours, person, browse):
        client = browse(ours.users["admin"])

        answer = self.post(client, person, step="erase", reason="asked")

        assert answer.status_code == 302
        assert blind_index(*INDEX)[:12] in client.get(PAGE).text
        assert not Holdings(person).payment_ids

    def test_asks_for_a_reason(self, ours, person, browse):
        for step in ("export", "erase"):
            page = self.post(browse(ours.users["admin"]), person, step=step)
            assert page.context_data["asked"].errors["reason"]

        assert not AuditEntry.objects.filter(action__startswith="person.").exists()
        assert Holdings(Person.of(ours.shop, PHONE)).payment_ids

    def test_says_what_is_in_the_way(self, ours, person, browse):
        Attempt.objects.update(next_ask_at="2030-01-01T00:00:00Z")

        page = self.post(browse(ours.users["admin"]), person)

        assert "for three days at most" in page.text
        answer = self.post(browse(ours.users["admin"]), person, step="erase", reason="asked")
        assert answer.status_code == 302
        assert Holdings(Person.of(ours.shop, PHONE)).payment_ids

    def test_refuses_what_is_no_number(self, ours, person, browse):
        page = browse(ours.users["admin"]).post(PAGE, {"shop": ours.shop.pk, "phone": "12"})

        assert page.context_data["form"].errors["phone"]

    @pytest.mark.parametrize("who", ["manager", "cashier"])
    def test_is_for_admins(self, ours, person, browse, who):
        client = browse(ours.users[who])

        assert client.get(PAGE).status_code == 403
        assert self.post(client, person, step="erase", reason="x").status_code == 403
        assert Holdings(person).payment_ids

    def test_is_not_for_support(self, support, person, browse):
        assert browse(support).get(PAGE).status_code == 403

    def test_lets_nobody_into_another_shop(self, theirs, person, browse):
        page = self.post(browse(theirs.users["admin"]), person, step="erase", reason="x")

        assert page.context_data["form"].errors["shop"]
        assert Holdings(person).payment_ids

    def test_is_not_for_the_admin_of_a_branch(self, ours, person, browse):
        client = browse(ours.users["branch_admin"])

        assert "Only an admin of a whole shop" in client.get(PAGE).text
        self.post(client, person, step="erase", reason="x")

        assert Holdings(person).payment_ids
