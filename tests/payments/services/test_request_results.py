"""Every recorded result, and what is concluded from it: the shop's money hangs on nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client

from payments.callback_urls import callback_path
from payments.models import (
    AccountBalance,
    PaymentConfig,
    ProviderCallback,
    ProviderRequest,
    Receipt,
    Review,
    VerificationLog,
)
from payments.receipt_choices import RequestKind
from payments.services import callbacks, other_callbacks, request_words, requests
from payments.services.money_audit import audit_money
from tests.payloads import bodies, body_of
from tests.payments.services.arrival_world import ask, say, yes
from tests.payments.services.request_world import WITH_INITIATOR

pytestmark = pytest.mark.django_db
# file: the request's status, its code, and what is on the ledger or among the balances after it.
RECORDED = {
    "txn_status_result/01-completed-production-2024.json": ("succeeded", "0", "SFT31A0001 10.00"),
    "txn_status_result/03-not-found-2032-2026.json": ("failed", "2032", ""),
    "reversal_result/01-success-official-2021.json": ("succeeded", "0", ""),
    "reversal_result/03-fail-r000002-2026.json": ("failed", "R000002", ""),
    "balance_result/01-success-2018-sandbox.json": (
        "succeeded",
        "0",
        "Charges Paid Account -660.00, Float Account 0.00,"
        " Organization Settlement Account 0.00, Utility Account 65602.00,"
        " Working Account 453845.00",
    ),
    "balance_result/03-fail-8006-locked-2026.json": ("failed", "8006", ""),
}
KINDS = {
    "txn_status_result": RequestKind.STATUS,
    "reversal_result": RequestKind.REVERSAL,
    "balance_result": RequestKind.BALANCE,
}


@pytest.fixture
def make_request(shop, make_config, actor, now):
    def make(kind, *, shortcode="000000", receipt_number=""):
        config = PaymentConfig.objects.filter(shop=shop, shortcode=shortcode).first()
        config = config or make_config(
            shop, provider="mpesa_paybill", shortcode=shortcode, credentials=WITH_INITIATOR
        )
        version = requests.version_with_initiator(config)
        about = requests.Subject(receipt_number)
        return requests._create(version, kind, about, "check", actor=actor, now=now)

    return make


@pytest.fixture
def make_log():
    def make(config):
        return VerificationLog.objects.create(
            shop=config.shop, config=config, type="stk", result="pending"
        )

    return make


def post(row, body):
    path = callback_path("r", row.pk)
    source = "196.201.214.200"
    Client().post(path, body, content_type="application/json", REMOTE_ADDR=source)
    row.refresh_from_db()
    return ProviderCallback.objects.order_by("-received_at", "-pk").first().status


def told():
    receipts = [f"{row.number} {row.amount}" for row in Receipt.objects.order_by("number")]
    rows = AccountBalance.objects.order_by("account")
    return ", ".join([*receipts, *(f"{row.account} {row.current}" for row in rows)])


class TestRecordedResults:
    def test_are_all_classified(self):
        found = {f"{kind}/{name}" for kind in KINDS for name, _body in bodies(kind)}

        assert found == RECORDED.keys()

    @pytest.mark.parametrize("name", RECORDED)
    def test_conclude(self, name, make_request):
        kind, _slash, file = name.partition("/")
        status, code, expected = RECORDED[name]
        receipt = {"txn_status_result": "SFT31A0001", "reversal_result": "SKC82PACB8"}
        row = make_request(KINDS[kind], receipt_number=receipt.get(kind, ""))

        assert post(row, body_of(kind, file.removesuffix(".json"))) == "applied"

        assert (row.status, row.result_code, told()) == (status, code, expected)
        assert row.answered_at
        # Who paid, and what the business holds, stay out of a row that managers read.
        kept = str(row.result)
        assert not any(each in kept for each in ("JABALI", "254700000142", "453845", "DOE"))

    @pytest.mark.parametrize("name", [name for name, row in RECORDED.items() if row[0] == "failed"])
    def test_are_explained_where_they_fail(self, name):
        assert request_words.explained(RECORDED[name][1])


class TestStatusAnswers:
    BODY = body_of("txn_status_result", "01-completed-production-2024")

    @pytest.mark.parametrize(
        ("change", "why"),
        [
            (("000000 - agg", "000001 - agg"), "another business was paid"),
            (("000000 - agg", "agg"), "nobody says who was paid"),
            (('"SFT31A0001"', '"SFT31A0002"'), "it speaks of another receipt"),
            (('"Completed"', '"Pending"'), "a receipt we do not hold is not settled"),
            (('"Value": 10\n', '"Value": "ten"\n'), "the amount is none"),
            (('"ResultCode": 0', '"ResultCode": 1'), "it failed"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_conclude_nothing_where(self, change, why, make_request):
        old, new = change
        assert old in self.BODY
        row = make_request(RequestKind.STATUS, receipt_number="SFT31A0001")

        post(row, self.BODY.replace(old, new))

        assert not Receipt.objects.exists(), why
        assert not Review.objects.exists()

    def test_never_bring_another_shops_receipt(self, make_request, neighbour, make_config, now):
        theirs = make_config(neighbour, provider="mpesa_paybill", shortcode="000000")
        held = Receipt.objects.create(
            shop=neighbour,
            environment="sandbox",
            family="mpesa",
            number="SFT31A0001",
            amount=Decimal(10),
            status="unallocated",
            channel="c2b",
            config=theirs,
        )
        row = make_request(RequestKind.STATUS, receipt_number="SFT31A0001")

        assert post(row, self.BODY.replace("Completed", "Reversed")) == "applied"
        assert post(row, self.BODY) == "duplicate"

        held.refresh_from_db()
        assert (held.status, Receipt.objects.count()) == ("unallocated", 1)

    @pytest.mark.parametrize(
        ("word", "becomes"),
        [
            *[(word, "reversed") for word in ("Reversed", "REVERSED", " Cancelled ", "declined")],
            *[
                (word, "unallocated")
                for word in ("Pending", "Authorized", "Kamili", "", "Completed")
            ],
        ],
    )
    def test_take_money_back_by_their_last_word_alone(self, make_request, word, becomes):
        post(make_request(RequestKind.STATUS, receipt_number="SFT31A0001"), self.BODY)

        again = make_request(RequestKind.STATUS, receipt_number="SFT31A0001")
        assert post(again, self.BODY.replace('"Completed"', f'"{word}"')) == "applied"

        assert Receipt.objects.get().status == becomes

    def test_keep_the_payer_as_initials_and_mask(self, make_request):
        row = make_request(RequestKind.STATUS, receipt_number="SFT31A0001")

        post(row, self.BODY)

        receipt = Receipt.objects.get()
        assert (receipt.payer_initials, receipt.channel) == ("J. W.", "pull")
        assert "254700000142" not in receipt.payer_masked
        assert receipt.payer_index

    def test_are_evidence_by_their_own_name(self, make_request, now):
        """A callback named the receipt and no amount; Safaricom's answer does."""
        row = make_request(RequestKind.STATUS, receipt_number="SFT31A0001")
        payment = ask(row.config, now=now, amount=10)
        say(payment, replace(yes("SFT31A0001"), amount=None), now=now)
        payment.refresh_from_db()
        assert payment.status == "pending"

        post(row, self.BODY)

        payment.refresh_from_db()
        assert (payment.status, payment.receipt_number) == ("completed", "SFT31A0001")
        told = payment.evidence.order_by("recorded_at").values_list("source", "amount")
        assert list(told) == [("stk_callback", None), ("transaction_status", Decimal(10))]
        assert audit_money() == []


class TestWhatDied:
    """Every dead row of a shop has a review with the row on it, once."""

    @pytest.mark.parametrize("kind", list(RequestKind))
    def test_unreadable(self, make_request, kind):
        row = make_request(kind, receipt_number="SFT31A0001")

        assert post(row, "[]") == "dead"

        review = Review.objects.get()
        assert (review.code, review.shop_id, review.payment) == ("DEAD_CALLBACK", row.shop_id, None)
        assert review.callback == ProviderCallback.objects.get()
        assert audit_money() == []

    @pytest.mark.parametrize("kind", [*RequestKind, "timeout", "proof", "c2b_ask"])
    def test_after_its_tries(self, make_request, make_log, monkeypatch, kind, now):
        request = make_request(kind if kind in RequestKind.values else RequestKind.BALANCE)
        subjects = {"proof": make_log(request.config).pk, "c2b_ask": request.config_id}
        row_id = callbacks.receive(
            kind=kind if kind not in RequestKind.values else "result",
            subject_id=subjects.get(kind, request.pk),
            body=b"{}",
            content_type="",
            source_ip=None,
            now=now,
        )

        def stumble(*_args, **_kwargs):
            raise ValueError("nobody thought of this")

        monkeypatch.setattr(other_callbacks, "settle", stumble)
        for round_ in range(callbacks.MAX_TRIES + 2):
            callbacks.apply_waiting(now=now + timedelta(hours=round_))

        row = ProviderCallback.objects.get(pk=row_id)
        assert (row.status, row.shop_id) == ("dead", request.shop_id)
        review = Review.objects.get()
        assert (review.code, review.callback, review.shop_id) == (
            "DEAD_CALLBACK",
            row,
            request.shop_id,
        )
        assert audit_money() == []

    def test_of_a_proof_of_control(self, make_request, make_log, now):
        log = make_log(make_request(RequestKind.BALANCE).config)
        row_id = callbacks.receive(
            kind="proof", subject_id=log.pk, body=b"[]", content_type="", source_ip=None, now=now
        )

        callbacks.apply_waiting(now=now)

        assert ProviderCallback.objects.get(pk=row_id).status == "dead"
        assert Review.objects.get().callback_id == row_id

    def test_without_a_review_is_a_broken_promise(self, make_request):
        post(make_request(RequestKind.BALANCE), "[]")
        Review.objects.all().delete()

        assert [breach.code for breach in audit_money()] == ["I2"]


class TestAddresses:
    def test_name_requests_that_exist(self, make_request):
        row = make_request(RequestKind.STATUS, receipt_number="SFT31A0001")
        ProviderRequest.objects.filter(pk=row.pk).delete()

        source = "196.201.214.200"
        path = callback_path("r", row.pk)
        Client().post(path, b"{}", content_type="application/json", REMOTE_ADDR=source)

        assert ProviderCallback.objects.get().status == "dead"
