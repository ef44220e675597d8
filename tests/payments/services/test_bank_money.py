"""Money on a bank account: through the bank's paybill, or told of by the bank."""

from __future__ import annotations

import json
import uuid
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from payments import callback_urls
from payments.errors import ReceiptAlreadyUsed
from payments.models import ProviderCallback, Receipt, Review
from payments.receipt_choices import RuleKind
from payments.references import new_reference
from payments.services import callbacks, config_secrets, manual
from payments.services.account_rule_changes import NewRule, save_rules
from payments.services.money_audit import audit_money
from tests import payloads
from tests.daraja import SAFARICOM_ADDRESS
from tests.payments.services.arrival_world import ACTOR, RECEIPT, ask, body, confirm, say, yes

pytestmark = pytest.mark.django_db
ACCOUNT = "0110012345678"
STRANGER = "203.0.113.9"


@pytest.fixture(autouse=True)
def audited(db):
    yield
    assert audit_money() == []


@pytest.fixture
def make_bank(shop, make_config, actor, now):
    def make(of=shop, account_number=ACCOUNT, **more):
        config = make_config(
            of,
            name="Bank",
            provider="bank_transfer",
            shortcode="247247",
            account_number=account_number,
            has_api=False,
            credentials={},
            **more,
        )
        config_secrets.stage_nothing(config=config, actor=actor, now=now)
        return config

    return make


@pytest.fixture
def bank(make_bank):
    return make_bank()


def notice(**changed):
    told = json.loads(payloads.body_of("bank_ipn", "03-kcb-buni-ipn"))
    told |= {"creditAccountIdentifier": ACCOUNT, **changed}
    return json.dumps(told).encode()


def coop(**changed):
    told = {
        "AcctNo": ACCOUNT, "Amount": "150.0", "Currency": "KES", "EventType": "CREDIT",
        "Narration": "X", "TransactionDate": "2023-11-06+03:00", "TransactionId": "S55558888",
    }  # fmt: skip
    return json.dumps({**told, **changed}).encode()


def tell(config, told, *, source=SAFARICOM_ADDRESS):
    path = callback_urls.callback_path("b", config.pk)
    answer = Client().post(path, told, content_type="application/json", REMOTE_ADDR=source)
    assert answer.status_code == 200
    return ProviderCallback.objects.latest("received_at")


class TestNotice:
    def test_enters_the_ledger_once(self, bank):
        rows = [tell(bank, notice()), tell(bank, notice())]

        receipt = Receipt.objects.get()
        assert [row.status for row in rows] == ["applied", "duplicate"]
        assert (receipt.number, receipt.amount) == ("FT00026252", Decimal("100.00"))
        assert (receipt.shop_id, receipt.family, receipt.status) == (
            bank.shop_id,
            "bank",
            "unallocated",
        )
        assert (receipt.account_reference, receipt.payer_initials) == ("INV-0042", "J. W.")

    def test_is_labelled_by_the_rules(self, bank, actor, now):
        rules = [NewRule(RuleKind.PREFIX, "INV-*", label="Invoices")]
        save_rules(config=bank, rules=rules, actor=actor, now=now)

        tell(bank, notice())

        assert Receipt.objects.get().label == "Invoices"

    def test_of_coop_keeps_the_reference_we_made(self, bank):
        ours = new_reference()

        tell(bank, coop(Narration=f"MOBILE~{ours}~JABALI WAKESHO"))

        receipt = Receipt.objects.get()
        assert (receipt.account_reference, receipt.amount) == (ours, Decimal("150.00"))
        assert receipt.reason == "no_such_reference"

    def test_of_another_account_is_put_aside(self, bank):
        row = tell(bank, notice(creditAccountIdentifier=f"{ACCOUNT}9"))

        assert (row.status, Receipt.objects.count()) == ("quarantined", 0)
        assert Review.objects.get().callback_id == row.pk

    def test_that_tells_of_no_money_coming_in_is_kept_and_moves_nothing(self, bank):
        debit = {"AcctNo": ACCOUNT, "EventType": "DEBIT", "TransactionId": "S1", "Amount": "5.0"}

        row = tell(bank, json.dumps(debit).encode())

        assert (row.status, row.problem) == ("applied", "It tells of no money coming in.")
        assert row.body.reveal_bytes()
        assert not Receipt.objects.exists()
        assert not Review.objects.exists()

    @pytest.mark.parametrize(
        "told", [b"[]", b"", b'{"AcctNo": "1"}'], ids=["list", "empty", "half"]
    )
    def test_that_cannot_be_read_is_kept_for_a_person(self, bank, told):
        row = tell(bank, told)

        assert row.status == "dead"
        assert Review.objects.get().code == "DEAD_CALLBACK"

    def test_from_a_stranger_is_not_believed_until_a_person_vouches(self, make_bank, now):
        live = make_bank(environment="production")

        row = tell(live, notice(), source=STRANGER)

        assert (row.status, Receipt.objects.count()) == ("quarantined", 0)
        assert Review.objects.get().code == "UNLISTED_SOURCE"
        callbacks.apply_again(callback=row, actor=ACTOR, now=now)
        assert Receipt.objects.get().number == "FT00026252"

    def test_is_money_the_books_answer_for(self, bank, paybill):
        tell(bank, notice())
        tell(bank, b"[]")
        assert audit_money() == []

        Review.objects.all().delete()
        ProviderCallback.objects.filter(status="applied").update(result_desc="FT0000LOST")

        assert {breach.code for breach in audit_money()} == {"I2", "I5"}
        assert sum(breach.code == "I5" for breach in audit_money()) == 2
        ProviderCallback.objects.all().delete()

    def test_needs_the_right_address(self, bank, paybill):
        right = callback_urls.callback_path("b", bank.pk)
        other = callback_urls.callback_path("c", bank.pk)
        wrong = right.replace("/b/", "/b/", 1)[:-1] + ("0" if right[-1] != "0" else "1")

        assert Client().post(wrong, b"{}", content_type="application/json").status_code == 404
        assert (
            Client()
            .post(other.replace("/cb/c/", "/cb/b/"), b"{}", content_type="application/json")
            .status_code
            == 404
        )
        assert Client().get(right).status_code == 405

    def test_at_an_address_of_another_provider_is_put_aside(self, paybill):
        assert tell(paybill, notice()).status == "dead"
        assert not Receipt.objects.exists()


class TestPaybillOfTheBank:
    def pay(self, bank, now, typed, **more):
        told = body(bank, now=now, BillRefNumber=typed, **more)
        row_id = confirm(bank, told, now=now)
        return ProviderCallback.objects.get(pk=row_id)

    @pytest.mark.parametrize(
        ("typed", "reference"),
        [
            (ACCOUNT, ""),
            (f" {ACCOUNT} ", ""),
            (f"{ACCOUNT}#INV-42", "INV-42"),
            (f"{ACCOUNT} inv 42", "INV 42"),
        ],
        ids=["account", "blanks", "hash", "space"],
    )
    def test_is_ours_with_our_account(self, bank, now, typed, reference):
        assert self.pay(bank, now, typed).status == "applied"
        assert Receipt.objects.get().account_reference == reference

    @pytest.mark.parametrize(
        "typed",
        ["", "INV-42", f"{ACCOUNT}9", f"9{ACCOUNT}", "110012345678"],
        ids=["none", "other", "longer", "before", "no-zero"],
    )
    def test_is_not_ours_with_another(self, bank, now, typed):
        assert self.pay(bank, now, typed).status == "quarantined"
        assert not Receipt.objects.exists()

    def test_of_a_neighbour_at_the_same_bank_is_his(self, bank, make_bank, neighbour, now):
        theirs = make_bank(neighbour, account_number="0110099999999")

        assert self.pay(bank, now, "0110099999999").status == "quarantined"
        assert self.pay(theirs, now, "0110099999999").status == "applied"
        assert Receipt.objects.get().shop_id == neighbour.pk


class TestOneNumberOneCredit:
    """M-Pesa's own number, told through the bank, typed by hand, or told by another channel."""

    def typed(self, bank, now, method, *, number=RECEIPT):
        return manual.record(
            shop=bank.shop,
            environment="sandbox",
            branch=None,
            given=manual.ManualPayment(Decimal("150.00"), method, reference=number),
            idempotency_key=None,
            actor=ACTOR,
            now=now,
        )

    def told(self, config, now, **more):
        content = body(config, now=now, BillRefNumber=ACCOUNT, **more)
        return ProviderCallback.objects.get(pk=confirm(config, content, now=now))

    def test_of_mpesa_stays_mpesas_at_the_banks_paybill(self, bank, now):
        assert self.told(bank, now).status == "applied"
        assert Receipt.objects.get().family == "mpesa"

    def test_of_mpesa_is_mpesas_in_the_banks_notice(self, bank, now):
        content = json.loads(payloads.body_of("bank_ipn", "01-equity-jenga-ipn"))
        content["bank"]["account"] = ACCOUNT

        assert tell(bank, json.dumps(content).encode()).status == "applied"
        assert Receipt.objects.get().family == "mpesa"

    def test_of_the_bank_is_the_banks(self, bank):
        tell(bank, notice())

        assert Receipt.objects.get().family == "bank"

    @pytest.mark.parametrize("method", ["mpesa", "bank_transfer", "airtel_money"])
    def test_typed_before_it_is_told(self, bank, now, method):
        payment = self.typed(bank, now, method)

        self.told(bank, now)

        receipt = Receipt.objects.get()
        assert (receipt.payment_id, receipt.status) == (payment.pk, "credited")
        assert (receipt.family, receipt.channel) == ("mpesa", "c2b")
        assert [row.code for row in Review.objects.all()] == []

    @pytest.mark.parametrize("method", ["mpesa", "bank_transfer", "airtel_money"])
    def test_typed_after_it_is_told(self, bank, now, method):
        self.told(bank, now)

        payment = self.typed(bank, now, method)

        receipt = Receipt.objects.get()
        assert (receipt.payment_id, receipt.status) == (payment.pk, "credited")
        assert payment.origin == "receipt"
        with pytest.raises(ReceiptAlreadyUsed):
            self.typed(bank, now, method)

    @pytest.mark.parametrize("first", ["mpesa", "bank_transfer"])
    def test_typed_twice_is_refused_whatever_it_is_called(self, bank, now, first):
        self.typed(bank, now, first)

        with pytest.raises(ReceiptAlreadyUsed):
            self.typed(bank, now, {"mpesa": "bank_transfer"}.get(first, "mpesa"))

    @pytest.mark.parametrize("bank_first", [True, False])
    def test_told_at_two_accounts_of_a_shop(self, bank, paybill, now, bank_first):
        order = [bank, paybill] if bank_first else [paybill, bank]

        rows = [self.told(config, now) for config in order]

        assert [row.status for row in rows] == ["applied", "quarantined"]
        assert (Receipt.objects.count(), Review.objects.get().code) == (1, "DUPLICATE_RECEIPT")

    @pytest.mark.parametrize("bank_first", [True, False])
    def test_told_at_two_shops(self, bank, neighbour, make_config, now, bank_first):
        theirs = make_config(neighbour, provider="mpesa_paybill", shortcode="600200")
        order = [bank, theirs] if bank_first else [theirs, bank]

        rows = [self.told(config, now) for config in order]

        assert [row.status for row in rows] == ["applied", "quarantined"]
        assert Receipt.objects.get().shop_id == order[0].shop_id

    @pytest.mark.parametrize("prompt_first", [True, False])
    def test_told_of_a_prompt_and_at_the_bank(self, bank, paybill, now, prompt_first):
        payment = ask(paybill, now=now)
        steps = [lambda: say(payment, yes(), now=now), lambda: self.told(bank, now)]

        for step in steps if prompt_first else reversed(steps):
            step()

        receipt = Receipt.objects.get()
        assert receipt.payment_id == (payment.pk if prompt_first else None)
        assert Review.objects.get().code == "DUPLICATE_RECEIPT"

    def test_told_as_the_banks_and_as_mpesas(self, bank, now):
        """A bank that calls M-Pesa's number its own: the shop has the money once."""
        tell(bank, notice(transactionReference=RECEIPT, transactionAmount="150.00"))
        self.told(bank, now)

        assert Receipt.objects.get().number == RECEIPT

    def test_cannot_stand_twice_in_a_shop(self, bank, now):
        self.told(bank, now)
        twice = Receipt.objects.get()
        twice.pk, twice.family = uuid.uuid4(), "bank"

        with pytest.raises(IntegrityError), transaction.atomic():
            twice.save(force_insert=True)
