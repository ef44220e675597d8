from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse

from payments.models import Attempt, Payment, Review
from payments.services import checking
from tests.world import checkout_id_of, let_support_in, receipt_of

pytestmark = pytest.mark.django_db
LEDGER = "/admin/payments/payment/"
SANDBOX = {"environment": "sandbox"}


def orders(answer):
    return {payment.order_ref for payment in answer.context["cl"].result_list}


def page(payment):
    return reverse("admin:payments_payment_change", args=[payment.pk])


def ask(payment):
    return reverse("admin:payments_payment_do", args=[payment.pk, "ask_again"])


class TestLedger:
    def test_shows_own_rows_and_one_environment_at_a_time(self, ours, theirs, browse):
        client = browse(ours.users["manager"])

        real, played = client.get(LEDGER), client.get(LEDGER, SANDBOX)

        assert orders(real) == {"Zawadi-live"}
        assert orders(played) == {"Zawadi-here", "Zawadi-elsewhere"}

    def test_shows_a_branch_cashier_todays_payments_of_the_branch(self, ours, browse, now):
        client = browse(ours.users["branch_cashier"])

        today = client.get(LEDGER, SANDBOX)
        Payment.objects.update(created_at=now - timedelta(days=1))
        tomorrow = client.get(LEDGER, SANDBOX)

        assert orders(today) == {"Zawadi-here"}
        assert orders(tomorrow) == set()
        assert client.get(page(ours.payments["here"])).status_code == 404

    def test_shows_support_masked_rows_of_shops_that_let_it_in(
        self, ours, theirs, support, browse, now
    ):
        client, payment = browse(support), ours.payments["here"]
        before = orders(client.get(LEDGER, SANDBOX)), client.get(page(payment)).status_code
        let_support_in(ours, now=now)

        found = orders(client.get(LEDGER, SANDBOX))
        detail = client.get(page(payment)).content.decode()

        assert before == (set(), 404)
        assert "Zawadi-here" in found
        assert "Baraka-here" not in found
        assert payment.phone.reveal() not in detail
        assert payment.phone_masked in detail
        assert f"{checkout_id_of(ours.name, 'here')[:-9]}*********" in detail

    def test_shows_the_whole_checkout_id_to_the_shops_admin_alone(self, ours, browse):
        payment = ours.payments["here"]

        for post, shows in (("admin", True), ("manager", False), ("cashier", False)):
            text = browse(ours.users[post]).get(page(payment)).content.decode()
            assert (checkout_id_of(ours.name, "here") in text) is shows

    @pytest.mark.parametrize("kind", ["receipt", "order", "account", "checkout", "phone", "id"])
    def test_finds_by_whole_references_own_rows_only(self, ours, theirs, browse, kind):
        def term(corner):
            payment = corner.payments["here"]
            return {
                "receipt": receipt_of(corner.name, "here"),
                "order": payment.order_ref,
                "account": payment.account_reference,
                "checkout": checkout_id_of(corner.name, "here"),
                "phone": "0" + payment.phone.reveal()[3:],
                "id": str(payment.pk),
            }[kind]

        client = browse(ours.users["manager"])

        assert orders(client.get(LEDGER, {**SANDBOX, "q": term(ours)})) == {"Zawadi-here"}
        assert orders(client.get(LEDGER, {**SANDBOX, "q": term(theirs)})) == set()

    def test_finds_nothing_by_half_a_reference(self, ours, browse):
        client = browse(ours.users["manager"])

        assert orders(client.get(LEDGER, {**SANDBOX, "q": "Zawadi"})) == set()

    @pytest.mark.parametrize(
        "guess", ["phone_index__startswith", "config__versions__secrets__isnull", "phone__gt"]
    )
    def test_takes_no_look_up_that_is_not_a_filter_of_the_page(self, ours, browse, guess):
        answer = browse(ours.users["manager"]).get(LEDGER, {guess: "a"})

        assert answer.status_code == 400

    def test_offers_filters_of_own_rows_only(self, ours, theirs, browse):
        text = browse(ours.users["manager"]).get(LEDGER, SANDBOX).content.decode()

        assert "Zawadi elsewhere" in text
        assert "Baraka" not in text

    def test_takes_no_form(self, ours, browse):
        client, payment = browse(ours.users["admin"]), ours.payments["here"]

        client.post(page(payment), {"status": "failed", "amount": "1"})

        assert Payment.objects.get(pk=payment.pk).status == "completed"
        assert client.get(reverse("admin:payments_payment_add")).status_code == 403
        delete = reverse("admin:payments_payment_delete", args=[payment.pk])
        assert client.post(delete, {"post": "yes"}).status_code == 403

    def test_reads_a_page_in_a_fixed_number_of_queries(
        self, ours, browse, now, django_assert_max_num_queries
    ):
        client, first = browse(ours.users["admin"]), ours.payments["here"]
        fields = ("shop", "environment", "branch", "config", "provider", "amount", "expires_at")
        Payment.objects.bulk_create(
            Payment(
                **{name: getattr(first, name) for name in fields},
                account_reference=f"REF{number}",
                status="expired",
            )
            for number in range(40)
        )

        with django_assert_max_num_queries(16):
            answer = client.get(LEDGER, SANDBOX)

        assert len(answer.context["cl"].result_list) == 42


class TestDetail:
    def test_tells_the_story_in_order(self, ours, browse):
        answer = browse(ours.users["admin"]).get(page(ours.payments["here"]))

        kinds = [moment.kind for moment in answer.context["moments"]]
        times = [moment.at for moment in answer.context["moments"]]
        assert times == sorted(times)
        assert {"people", "call", "callback", "evidence", "transition", "review"} <= set(kinds)

    def test_names_no_next_step_where_nobody_has_one(self, ours, browse):
        payment = ours.payments["here"]
        Payment.objects.filter(pk=payment.pk).update(status="reversed")

        page_text = browse(ours.users["manager"]).get(page(payment)).content.decode()

        assert "Nothing (Nobody)" not in page_text
        assert "what-now" in page_text

    def test_warns_while_a_review_holds_the_goods(self, ours, browse):
        Review.objects.filter(pk=ours.reviews["here"].pk).update(blocking=True)

        text = browse(ours.users["cashier"]).get(page(ours.payments["here"])).content.decode()

        assert "Do not release the goods" in text

    def test_is_as_absent_for_a_neighbour_as_what_does_not_exist(self, ours, theirs, browse):
        client, foreign = browse(ours.users["admin"]), theirs.payments["here"]
        nothing = page(foreign).replace(str(foreign.pk)[:8], "00000000")

        assert client.get(page(foreign)).status_code == 404
        assert client.get(nothing).status_code == 404


class TestAskAgain:
    @pytest.fixture
    def asked(self, monkeypatch):
        calls = []

        def ask_now(*, payment, actor, now):
            calls.append((payment.pk, actor.label, actor.role))
            return payment

        monkeypatch.setattr(checking, "ask_now", ask_now)
        return calls

    @pytest.fixture
    def pending(self, ours):
        payment = ours.payments["here"]
        waiting = Payment(
            **{
                name: getattr(payment, name)
                for name in ("shop", "environment", "branch", "config", "provider", "amount")
            },
            account_reference="WAITING",
            status="pending",
            expires_at=payment.expires_at,
        )
        waiting.save(force_insert=True)
        return waiting

    def test_asks_by_post_alone_and_notes_who(self, ours, pending, asked, browse):
        client = browse(ours.users["manager"])

        client.get(ask(pending))
        before = list(asked)
        client.post(ask(pending), {})

        assert before == []
        assert asked == [(pending.pk, "manager@zawadi.test", "manager")]

    def test_is_not_for_a_neighbour(self, theirs, pending, asked, browse):
        answer = browse(theirs.users["admin"]).post(ask(pending), {})

        assert answer.status_code == 404
        assert asked == []

    def test_is_not_offered_for_a_completed_payment(self, ours, asked, browse):
        browse(ours.users["admin"]).post(ask(ours.payments["here"]), {})

        assert asked == []
        assert Attempt.objects.filter(asked_count__gt=0).count() == 0
