"""Quiet to strangers: a neighbour's receipt and one that never was are answered alike, byte by byte."""

from __future__ import annotations

import json
import re
import uuid
from urllib.parse import urlsplit

import pytest
from django.test import Client

from payments import callback_urls
from payments.models import PaymentConfig, ProviderRequest, Receipt
from tests.conftest import DARAJA_SECRETS
from tests.daraja import SAFARICOM_ADDRESS
from tests.payloads import body_of
from tests.payments.services.arrival_world import ask, body
from tests.payments.services.request_world import WITH_INITIATOR

pytestmark = pytest.mark.django_db
RECORDED = body_of("txn_status_result", "01-completed-production-2024")
UNKNOWN = body_of("txn_status_result", "03-not-found-2032-2026")


@pytest.fixture
def received(shop, make_config, daraja):
    """Our receipt, that Safaricom knows too."""
    paybill = make_config(
        shop, name="Ours", provider="mpesa_paybill", shortcode="600100", credentials=WITH_INITIATOR
    )
    daraja.know_urls("600100", paybill.pk)
    number = daraja.pay_c2b("600100", 150, reference="KIOSK", client=Client())
    return Receipt.objects.get(number=number)


@pytest.fixture(params=["initiator", "none"])
def theirs(request, neighbour, make_config):
    """The neighbour's paybill, with somebody who may ask Safaricom, or without."""
    secrets = WITH_INITIATOR if request.param == "initiator" else DARAJA_SECRETS
    app = {"consumer_key": "canary-theirs-key-abcd"}
    return make_config(
        neighbour,
        name="Theirs",
        provider="mpesa_paybill",
        shortcode="600200",
        credentials=secrets | app,
    )


@pytest.fixture
def stranger(api, neighbour_key, theirs):
    return api(neighbour_key)


def invented(number: str) -> str:
    """Return a number of the same day that was never given out."""
    return f"{number[:3]}ZZZ9Z99"


def told(response) -> tuple[int, str, list[str]]:
    """Return all of an answer but its own id and time."""
    text = re.sub(r'"request_id": ?"[^"]+"', '"request_id":"*"', response.content.decode())
    return response.status_code, text, sorted(response.headers)


class TestAChecksAnswer:
    @pytest.mark.parametrize("more", [{}, {"amount": "150"}, {"phone_last3": "678"}])
    def test_is_the_same(self, stranger, received, more):
        ours, nobodys = (
            stranger.post("/receipts/check", {"receipt_number": number, **more})
            for number in (received.number, invented(received.number))
        )

        assert told(ours) == told(nobodys)
        assert ours.json()["answer"] == "not_seen_yet"

    def test_is_the_same_once_safaricom_answered(self, stranger, theirs, received, daraja):
        numbers = (received.number, invented(received.number))
        for number in numbers:
            stranger.post("/receipts/check", {"receipt_number": number})
        daraja.deliver(Client())

        ours, nobodys = (
            stranger.post("/receipts/check", {"receipt_number": number}) for number in numbers
        )

        assert told(ours) == told(nobodys)
        received.refresh_from_db()
        assert (received.shop_id != theirs.shop_id, received.status) == (True, "unallocated")

    def test_is_the_same_where_safaricom_tells_of_the_others_money(
        self, stranger, theirs, received, daraja
    ):
        """Should it answer an operator about money that was never his."""
        numbers = (received.number, invented(received.number))
        for number in numbers:
            stranger.post("/receipts/check", {"receipt_number": number})
        for asked in ProviderRequest.objects.filter(config=theirs):
            is_ours = asked.receipt_number == received.number
            told_of = json.loads(RECORDED if is_ours else UNKNOWN)
            told_of["Result"]["ConversationID"] = asked.conversation_id
            raw = json.dumps(told_of).replace("SFT31A0001", asked.receipt_number)
            raw = raw.replace("000000 - agg", "600100 - Duka")
            tell(callback_urls.callback_path("r", asked.pk), raw)
            asked.refresh_from_db()
            assert asked.answered_at, asked.result_desc
            assert "10.00" not in str(asked.result)

        ours, nobodys = (
            stranger.post("/receipts/check", {"receipt_number": number}) for number in numbers
        )

        assert told(ours) == told(nobodys)
        assert Receipt.objects.count() == 1

    @pytest.mark.parametrize("status", ["held", "credited", "reversed", "in_review"])
    def test_is_the_same_whatever_became_of_it(self, stranger, received, status):
        Receipt.objects.filter(pk=received.pk).update(status=status)

        ours, nobodys = (
            stranger.post("/receipts/check", {"receipt_number": number})
            for number in (received.number, invented(received.number))
        )

        assert told(ours) == told(nobodys)


def test_a_claims_answer_is_the_same(stranger, received):
    ours, nobodys = (
        stranger.post(
            "/receipts/claim",
            {"receipt_number": number, "order_ref": "S-1", "amount": "150"},
            **{"Idempotency-Key": f"claim-{number}"},
        )
        for number in (received.number, invented(received.number))
    )

    assert told(ours) == told(nobodys)
    assert ours.status_code == 404


class TestAQuestionsAnswer:
    @pytest.fixture(autouse=True)
    def refusing(self, theirs):
        PaymentConfig.objects.filter(pk=theirs.pk).update(refuses_unknown_accounts=True)

    def asked(self, config, now, **more):
        validation, _confirmation = callback_urls.c2b_urls(config.pk)
        return tell(urlsplit(validation).path, json.dumps(body(config, now=now, **more)))

    def test_is_the_same_for_a_receipt_that_came_to_others(self, theirs, received, now):
        ours, nobodys = (
            self.asked(theirs, now, TransID=number)
            for number in (received.number, invented(received.number))
        )

        assert told(ours) == told(nobodys)

    def test_is_the_same_for_an_account_of_others(self, theirs, received, now):
        """What another shop asked for is no account of this one."""
        reference = ask(received.config, now=now).account_reference
        other = ("B" if reference[0] == "A" else "A") + reference[1:]

        ours, nobodys = (
            self.asked(theirs, now, BillRefNumber=typed) for typed in (reference, other)
        )

        assert told(ours) == told(nobodys)
        assert ours.json()["ResultCode"] == "C2B00012"

    def test_is_refused_alike_at_an_address_that_never_was(self, theirs, received, now):
        for config_id in (received.config_id, uuid.uuid4()):
            path = f"/cb/c/{config_id.hex}/{'0' * 32}/v"
            assert tell(path, "{}").status_code == 404


def tell(path, content):
    return Client().post(
        path, content, content_type="application/json", REMOTE_ADDR=SAFARICOM_ADDRESS
    )
