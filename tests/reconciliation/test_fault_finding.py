"""From a phone, a receipt, a reference or an amount to the cause, in at most three steps."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.db.models import Q
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audit.actions import AuditAction
from audit.models import AuditEntry
from payments.choices import ReviewCode
from payments.fields import blind_index
from payments.models import Attempt, Payment, ProviderCallback, Receipt, ReceiptCheck, Review
from payments.services import checkout_ids, matching
from payments.services.receipt_checks import code_index
from reconciliation import causes, fault_finding
from reconciliation.fault_finding import MOST_FOUND, Sight, find, read
from tests import world

pytestmark = pytest.mark.django_db
FIND = "/admin/find/"
KINDS = ("phone", "receipt", "order", "account", "checkout", "amount", "id")


def term_of(corner, kind, place="here"):
    payment = corner.payments[place]
    return {
        "phone": "0" + payment.phone.reveal()[3:],
        "receipt": payment.receipt_number.lower(),
        "order": payment.order_ref,
        "account": payment.account_reference,
        "checkout": world.checkout_id_of(corner.name, place),
        "amount": "KES 150.00",
        "id": str(payment.pk),
    }[kind]


@pytest.fixture
def sight(ours):
    return Sight(ours.shop, payments=Q(), receipts=Q(), sees_whole_shop=True)


@pytest.fixture
def look(sight, now):
    def one(text, **when):
        return find(read(text, **when), sight=sight, now=now + timedelta(seconds=1))

    return one


class TestReading:
    @pytest.mark.parametrize(
        ("text", "kind"),
        [
            ("0712345678", "phone"), ("+254 712-345-678", "phone"), ("tkl1ab2cd3", "receipt"),
            ("ws_CO_1", "checkout"), ("150", "amount"), ("KES 1,500.50", "amount"),
            ("ksh 20/=", "amount"), ("ORDER-1", "reference"), ("1,50", "reference"),
        ],
    )  # fmt: skip
    def test_tells_what_it_most_probably_is(self, text, kind):
        assert read(text).kind == kind

    @pytest.mark.parametrize(
        ("text", "amount"),
        [("KES 1,500.50", "1500.50"), ("20/-", "20"), ("1,234,567", "1234567"), ("0712345678", None),
         ("1500.505", None), ("-5", None), ("", None)],
    )  # fmt: skip
    def test_reads_amounts_exactly(self, text, amount):
        assert read(text).amount == (None if amount is None else Decimal(amount))


class TestFinding:
    @pytest.mark.parametrize("kind", KINDS)
    def test_finds_by_whatever_there_is(self, ours, theirs, look, kind):
        found = look(term_of(ours, kind))

        assert ours.payments["here"] in found.payments
        assert {payment.shop_id for payment in found.payments} == {ours.shop.pk}

    @pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "amount"])
    def test_finds_nothing_of_a_neighbour(self, ours, theirs, look, kind):
        found = look(term_of(theirs, kind))

        assert found.count == 0
        assert not found.callbacks

    def test_finds_a_prompt_whose_number_was_let_go(self, ours, look):
        attempt = Attempt.objects.get(payment=ours.payments["here"])
        checkout_ids.hide([attempt])

        assert look(term_of(ours, "checkout")).payments == [ours.payments["here"]]

    @pytest.mark.parametrize("hashed", [False, True])
    def test_finds_money_by_hand_by_its_payer(self, ours, look, hashed):
        digest = hashlib.sha256(b"254733000111").hexdigest()
        index = matching.hash_index(digest) if hashed else blind_index("phone", "254733000111")
        Receipt.objects.filter(pk=ours.unallocated["here"].pk).update(payer_index=index)

        assert look("0733000111").receipts == [ours.unallocated["here"]]

    @pytest.mark.parametrize("text", ["75.50", "Zawadi here", "ZAWADI HERE"])
    def test_finds_money_without_an_owner(self, ours, look, text):
        assert ours.unallocated["here"] in look(text).receipts

    def test_gives_a_receipt_once_with_its_payment(self, ours, look):
        found = look(term_of(ours, "receipt"))

        assert (found.payments, found.receipts) == ([ours.payments["here"]], [])

    def test_looks_for_an_amount_in_the_last_days_or_on_the_day(self, ours, look, now):
        then = now - timedelta(days=fault_finding.DAYS_OF_AMOUNTS + 1)
        Payment.objects.update(created_at=then)

        assert look("150").payments == []
        day = then.astimezone(fault_finding.midnight(now.date()).tzinfo).date()
        assert set(look("150", day=day).payments) == set(ours.payments.values())

    def test_finds_manual_payments_by_their_amount(self, ours, look, now):
        row = Payment.objects.create(
            shop=ours.shop, environment="production", origin="manual", method="cash",
            status="completed", amount=Decimal("77.70"), created_at=now, expires_at=now,
            completed_at=now,
        )  # fmt: skip

        assert look("77.70").payments == [row]

    def test_shows_the_newest_first_and_stops(self, ours, look, now):
        for minutes in range(MOST_FOUND + 5):
            Payment.objects.create(
                shop=ours.shop, environment="sandbox", config=ours.configs["here"],
                account_reference="RENT", amount=5, created_at=now - timedelta(minutes=minutes),
                expires_at=now, status="failed",
            )  # fmt: skip

        found = look("RENT").payments

        assert len(found) == MOST_FOUND
        times = [payment.created_at for payment in found]
        assert times == sorted(times, reverse=True)
        assert times[0] == now

    def test_says_what_else_was_seen_of_it(self, ours, look, now):
        ReceiptCheck.objects.create(
            shop=ours.shop, environment="sandbox", answer="looks_fake",
            code_index=code_index("TKLZZZZZZZ"), asked_by="c", at=now,
        )  # fmt: skip
        ProviderCallback.objects.filter(pk=ours.callbacks["here"].pk).update(status="quarantined")

        found = look("tklzzzzzzz")

        assert found.count == 0
        assert len(found.checks) == 1
        assert found.callbacks == [ours.callbacks["here"]]

    @pytest.mark.parametrize("kind", KINDS)
    def test_reads_through_indexes_alone(self, ours, look, kind):
        """With scans forbidden the planner still has an index for each look at a ledger."""
        with CaptureQueriesContext(
            connection,
        ) as asked:
            look(term_of(ours, kind))
            look("nothing of the kind")
        for query in asked.captured_queries:
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL enable_seqscan = off")
                cursor.execute("EXPLAIN " + query["sql"])
                plan = "\n".join(row[0] for row in cursor.fetchall())
            for table in ("payment", "receipt", "attempt", "providercallback", "receiptcheck"):
                assert f"Seq Scan on payments_{table} " not in plan, plan

    def test_asks_a_fixed_number_of_times(self, ours, look, django_assert_max_num_queries):
        with django_assert_max_num_queries(16):
            look("150")


class TestCauses:
    def test_are_what_the_till_is_told(self, ours, now):
        attempt = world.prompt(ours, "here", checkout_id="ws_CO_1", now=now, sale="-2")
        Payment.objects.filter(pk=attempt.payment_id).update(status="failed", result_code="1032")

        cause = causes.of_payment(Payment.objects.get(pk=attempt.payment_id))

        assert "cancel" in cause.sentence.lower()
        assert (cause.code, cause.is_bad) == ("1032", True)

    def test_are_told_in_swahili(self, ours, now):
        from django.utils import translation  # noqa: PLC0415

        attempt = world.prompt(ours, "here", checkout_id="ws_CO_1", now=now, sale="-2")
        with translation.override("sw"):
            cause = causes.of_payment(attempt.payment)

        assert "mteja" in cause.sentence.lower()

    def test_name_doubts_callbacks_and_the_account(self, ours, now):
        payment = ours.payments["live"]
        Review.objects.create(
            shop=ours.shop, environment="production", payment=payment, blocking=True,
            code=ReviewCode.AMOUNT_MISMATCH, opened_at=now,
        )  # fmt: skip
        ProviderCallback.objects.filter(payment=payment).update(
            status="quarantined", problem="the amount differs"
        )
        payment.config.is_active = False
        payment.config.save()
        payment.refresh_from_db()

        cause = causes.of_payment(payment)

        told = " ".join(cause.doubts)
        assert "release" in cause.sentence
        assert cause.is_bad
        assert "holds the goods" in told
        assert "the amount differs" in told
        assert "switched off" in told

    @pytest.mark.parametrize("status", ["unallocated", "held", "in_review", "credited", "reversed"])
    def test_are_known_for_every_receipt(self, ours, status):
        receipt = ours.unallocated["here"]
        receipt.status = status

        assert causes.of_receipt(receipt).sentence


def find_on_page(client, text, **more):
    return client.post(FIND, {"q": text, **more})


class TestThePage:
    @pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "amount"])
    def test_leads_from_what_one_has_to_the_cause_at_once(self, ours, browse, kind):
        text = find_on_page(browse(ours.users["manager"]), term_of(ours, kind)).content.decode()

        assert "Test payment" in text
        assert "What to do now" in text

    def test_leads_from_an_amount_over_the_candidates(self, ours, browse):
        client = browse(ours.users["manager"])

        listed = find_on_page(client, "150").context["candidates"]["rows"]
        told = client.get(listed[0]["url"])

        assert len(listed) == len(world.PLACES)
        assert told.context["told"]["cause"].sentence

    def test_leads_to_money_without_an_owner(self, ours, browse):
        client = browse(ours.users["manager"])

        answer = find_on_page(client, ours.unallocated["here"].number)

        acts = {act["url"] for act in answer.context["told"]["acts"]}
        own = reverse("admin:payments_receipt_change", args=[ours.unallocated["here"].pk])
        assert own in acts
        assert client.get(f"{FIND}?receipt={ours.unallocated['here'].pk}").status_code == 200

    @pytest.mark.parametrize("text", ["TKLZZZZZZZ", "0799123456", "999", "nothing", "ws_CO_9"])
    def test_says_what_it_means_that_nothing_was_found(self, ours, browse, text):
        told = find_on_page(browse(ours.users["manager"]), text).context["nowhere"]

        assert told["meaning"]
        assert told["ask"]

    @pytest.mark.parametrize("post", ["admin", "manager", "cashier", "branch_cashier"])
    def test_offers_only_what_the_role_may_open(self, ours, browse, post):
        client = browse(ours.users[post])
        ProviderCallback.objects.filter(pk=ours.callbacks["here"].pk).update(status="dead")

        acts = find_on_page(client, term_of(ours, "order")).context["told"]["acts"]

        assert {client.get(act["url"]).status_code for act in acts} == {200}

    def test_offers_to_ask_safaricom_while_that_helps(self, ours, browse, now):
        world.prompt(ours, "here", checkout_id="ws_CO_1", now=now, sale="-2")

        answer = find_on_page(browse(ours.users["manager"]), "Zawadi-here-2")

        urls = [act["url"] for act in answer.context["told"]["acts"]]
        assert any("ask_again" in url for url in urls)

    def test_keeps_a_cashier_to_his_branch_and_today(self, ours, browse, now):
        client = browse(ours.users["branch_cashier"])

        assert find_on_page(client, term_of(ours, "order", "elsewhere")).context["nowhere"]
        assert find_on_page(client, term_of(ours, "order")).context["told"]
        Payment.objects.update(created_at=now - timedelta(hours=25))
        Receipt.objects.update(created_at=now - timedelta(hours=25))
        assert find_on_page(client, term_of(ours, "order")).context["nowhere"]
        assert find_on_page(client, ours.unallocated["here"].number).context["nowhere"]

    def test_shows_a_branch_no_traces_of_the_whole_shop(self, ours, browse):
        ProviderCallback.objects.filter(pk=ours.callbacks["elsewhere"].pk).update(status="dead")

        for post, sees in (("admin", True), ("branch_admin", False), ("cashier", False)):
            answer = find_on_page(browse(ours.users[post]), "nothing")
            assert bool(answer.context["nowhere"]["seen"]) is sees, post

    def test_shows_nothing_of_a_neighbour(self, ours, theirs, browse):
        client = browse(theirs.users["admin"])
        for kind in KINDS:
            term = term_of(ours, kind)
            text = find_on_page(client, term).content.decode().replace(term, "")
            assert ours.name not in text, kind
        for asked in (
            f"payment={ours.payments['here'].pk}",
            f"receipt={ours.unallocated['here'].pk}",
            f"shop={ours.shop.pk}",
            "payment=x",
        ):
            assert client.get(f"{FIND}?{asked}").status_code == 404, asked
        assert find_on_page(client, "150", shop=ours.shop.pk).status_code == 404

    def test_never_writes_a_number_on_the_page_or_in_an_address(self, ours, browse):
        payment = ours.payments["here"]

        answer = find_on_page(browse(ours.users["admin"]), term_of(ours, "phone"))

        text = answer.content.decode()
        assert payment.phone.reveal()[3:] not in text
        assert payment.phone_masked in text

    def test_is_masked_and_told_for_support(self, ours, theirs, support, browse, now):
        client = browse(support)
        empty = client.get(FIND).context["shops"]
        world.let_support_in(ours, now=now)

        shown = find_on_page(client, term_of(ours, "order"), shop=ours.shop.pk)

        assert empty == []
        assert shown.context["shops"] == [ours.shop]
        assert shown.context["told"]["cause"].sentence
        assert "J. W." not in find_on_page(client, "75.50", shop=ours.shop.pk).content.decode()
        reads = AuditEntry.objects.filter(action=AuditAction.SUPPORT_READ, shop=ours.shop)
        assert reads.filter(object_id=str(ours.payments["here"].pk)).exists()

    def test_works_for_whoever_runs_the_platform(self, ours, theirs, root, browse):
        client = browse(root)

        assert client.get(FIND).context["shop"] is None
        answer = find_on_page(client, term_of(theirs, "order"), shop=theirs.shop.pk)
        assert answer.context["told"]

    @pytest.mark.parametrize(
        "bad",
        [{"q": ""}, {"q": "x" * 65}, {"q": "1", "day": "31-12-2026"}, {"q": "1", "at": "25:00"},
         {"q": "1", "at": "10:00"}, {"q": "\x00"}, {}],
        ids=["empty", "long", "day", "time", "time alone", "null", "nothing"],
    )  # fmt: skip
    def test_takes_bad_input_for_what_it_is(self, ours, browse, bad):
        answer = browse(ours.users["manager"]).post(FIND, bad)

        assert answer.status_code == 200
        assert answer.context["form"].errors

    def test_slows_down_whoever_tries_numbers(self, ours, browse, monkeypatch):
        from reconciliation.admin import fault_finding as page  # noqa: PLC0415

        monkeypatch.setattr(page, "SEARCHES_PER_MINUTE", 2)
        client = browse(ours.users["cashier"])

        codes = [find_on_page(client, "150").status_code for _each in range(3)]

        assert codes == [200, 200, 429]

    def test_asks_a_fixed_number_of_times(self, ours, browse, django_assert_max_num_queries):
        client = browse(ours.users["manager"])
        find_on_page(client, "150")

        with django_assert_max_num_queries(55):
            find_on_page(client, term_of(ours, "order"))
