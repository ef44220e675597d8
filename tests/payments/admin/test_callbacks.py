from __future__ import annotations

import json

import pytest
from django.urls import reverse

from audit.actions import AuditAction
from audit.models import AuditEntry
from payments.admin.bodies import masked
from payments.models import ProviderCallback
from payments.services import callbacks
from tenants.ids import new_id
from tests.world import checkout_id_of

pytestmark = pytest.mark.django_db
INBOX = "/admin/payments/providercallback/"


def page(callback):
    return reverse("admin:payments_providercallback_change", args=[callback.pk])


def button(callback, method="apply_again"):
    return reverse("admin:payments_providercallback_do", args=[callback.pk, method])


@pytest.fixture
def dead(ours):
    callback = ours.callbacks["here"]
    callback.status = "dead"
    callback.save(update_fields=["status"])
    return callback


class TestInbox:
    def test_shows_rows_without_a_shop_to_the_platform_alone(self, ours, root, browse):
        stray = ProviderCallback(subject_id=new_id(), kind="stk", digest="0" * 64, size=2)
        stray.body = b"{}"
        stray.save()

        assert browse(root).get(page(stray)).status_code == 200
        assert browse(ours.users["admin"]).get(page(stray)).status_code == 404

    def test_shows_no_neighbours_row(self, ours, theirs, browse):
        client = browse(ours.users["admin"])

        assert "baraka" not in client.get(INBOX).content.decode().lower()
        assert client.get(page(theirs.callbacks["here"])).status_code == 404

    def test_finds_by_the_whole_checkout_id(self, ours, browse):
        client = browse(ours.users["admin"])

        answer = client.get(INBOX, {"q": checkout_id_of(ours.name, "here")})

        assert list(answer.context["cl"].result_list) == [ours.callbacks["here"]]

    def test_reads_a_page_in_a_fixed_number_of_queries(
        self, ours, browse, django_assert_max_num_queries
    ):
        ProviderCallback.objects.bulk_create(
            ProviderCallback(
                subject_id=new_id(), kind="stk", digest="0" * 64, size=2, shop=ours.shop
            )
            for _ in range(40)
        )

        client = browse(ours.users["admin"])

        with django_assert_max_num_queries(10):
            answer = client.get(INBOX)

        assert len(answer.context["cl"].result_list) == 43


class TestBody:
    def test_hides_numbers_wherever_they_stand(self):
        raw = json.dumps(
            {
                "PhoneNumber": 254712345678,
                "MSISDN": "0712345678",
                "text": "from +254112345678 to 07123",
                "CheckoutRequestID": "ws_CO_191220191020363925",
                "FirstName": "Wanjiru",
                "Amount": 712,
            }
        ).encode()

        shown, _note = masked(raw, whole_ids=False)

        assert "712345678" not in shown
        assert "112345678" not in shown
        assert "2547*****678" in shown
        assert "ws_CO_191220191*" in shown
        assert "Wanjiru" not in shown
        assert '"Amount": 712' in shown

    @pytest.mark.parametrize(
        "raw",
        [
            b"",
            b"\xff\xfe",
            b"[" * 60_000,
            b"9" * 5_000,
            b'{"a": NaN}',
            b"<script>alert(1)</script>",
            "\u202e{}".encode(),
            b"\x00\x1b[31m",
        ],
    )
    def test_shows_what_is_unreadable_as_harmless_text(self, raw):
        shown, note = masked(raw, whole_ids=False)

        assert len(shown) < 9_000
        assert note
        assert not set(shown) & {"\x00", "\x1b", "\u202e"}

    def test_is_escaped_on_the_page(self, ours, browse):
        callback = ours.callbacks["here"]
        callback.body = b"<script>alert(1)</script>"
        callback.save(update_fields=["body"])

        text = browse(ours.users["admin"]).get(page(callback)).content.decode()

        assert "<script>alert(1)" not in text
        assert "&lt;script&gt;alert(1)" in text

    def test_says_when_it_is_gone_or_does_not_open(self, ours, browse):
        client, callback = browse(ours.users["admin"]), ours.callbacks["here"]
        ProviderCallback.objects.filter(pk=callback.pk).update(body="")
        gone = client.get(page(callback)).content.decode()

        # A body sealed for another row does not open here.
        other = ours.callbacks["live"].body.token
        ProviderCallback.objects.filter(pk=callback.pk).update(body=other)
        moved = client.get(page(callback)).content.decode()

        assert "The body is gone" in gone
        assert "does not open" in moved


class TestApplyAgain:
    def test_needs_a_reason_and_goes_through_the_service(self, ours, dead, browse):
        client = browse(ours.users["manager"])

        client.post(button(dead), {"reason": ""})
        dead.refresh_from_db()
        before = dead.status
        client.post(button(dead), {"reason": "Safaricom confirmed by phone"})

        dead.refresh_from_db()
        assert before == "dead"
        assert dead.status == "duplicate"
        entry = AuditEntry.objects.get(action=AuditAction.CALLBACK_REAPPLIED)
        assert (entry.shop, entry.object_id) == (ours.shop, str(dead.pk))
        assert entry.reason == "Safaricom confirmed by phone"
        assert entry.previous_state["status"] == "dead"

    def test_is_the_shops_word_where_a_stranger_called(self, ours, dead, root, browse):
        ProviderCallback.objects.filter(pk=dead.pk).update(status="quarantined")
        client = browse(root)

        assert client.post(button(dead), {"reason": "x"}).status_code == 403
        client.post(button(dead, "apply_dead"), {"reason": "x"})

        assert ProviderCallback.objects.get(pk=dead.pk).status == "quarantined"

    @pytest.mark.parametrize("method", ["apply_again", "apply_dead"])
    def test_is_not_for_a_neighbour_nor_a_cashier(
        self, ours, theirs, dead, browse, method, monkeypatch
    ):
        called = []
        monkeypatch.setattr(callbacks, "apply_again", lambda **_: called.append(1))

        foreign = browse(theirs.users["admin"]).post(button(dead, method), {"reason": "x"})
        cashier = browse(ours.users["cashier"]).post(button(dead, method), {"reason": "x"})

        assert foreign.status_code == 404
        assert cashier.status_code in {403, 404}
        assert called == []


class TestNamesInResults:
    """Answers to requests name their items by Key, and both parties by their names."""

    @pytest.mark.parametrize(
        ("item", "hidden"),
        [
            ({"Key": "DebitPartyName", "Value": "254708374149 - Jane Wanjiku"}, "Wanjiku"),
            ({"Key": "ReceiverPartyPublicName", "Value": "0708374149 - Jane Wanjiku"}, "Wanjiku"),
            ({"Key": "CreditPartyPublicName", "Value": "600100 - Duka"}, "600100 - Duka"),
            ({"Name": "Balance", "Value": 88_417}, "88417"),
            ({"Key": "DebitAccountCurrentBalance", "Value": "88417.00"}, "88417"),
            ({"Name": "Jane Wanjiku", "Msisdn": "x"}, "Wanjiku"),
        ],
    )
    def test_are_hidden(self, item, hidden):
        shown, _note = masked(json.dumps({"ResultParameter": [item]}).encode(), whole_ids=True)

        assert hidden not in shown
        assert "*****" in shown

    def test_and_what_an_item_is_called_stays(self):
        raw = json.dumps([{"Key": "ReceiptNo", "Value": "TKL1AB2CD3"}]).encode()

        shown, _note = masked(raw, whole_ids=True)

        assert "ReceiptNo" in shown
        assert "TKL1AB2CD3" in shown
