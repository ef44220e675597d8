"""One payment's whole story: for people of the shop on a page, for Safaricom's support as text."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse

from audit.actions import AuditAction
from audit.actors import Actor
from audit.models import AuditEntry
from audit.recording import record
from payments.models import Attempt, Payment, ProviderCallback, ProviderRequest
from payments.services import callbacks
from reconciliation.transcript_text import as_text, export_transcript
from reconciliation.transcripts import MOST_BODIES, Viewer, transcript_of
from tenants.roles import Role
from tests import world
from tests.canary import Canaries
from tests.conftest import DARAJA_SECRETS

pytestmark = pytest.mark.django_db
ADMIN, SUPPORT = Viewer.of(Role.ADMIN), Viewer.of(Role.SUPPORT)


def page(payment):
    return f"{reverse('admin:reconciliation_transcript')}?payment={payment.pk}"


def kinds(transcript):
    return [step.kind for step in transcript.steps]


@pytest.fixture
def payment(ours):
    return ours.payments["here"]


class TestTheStory:
    def test_stands_in_order_with_the_time_between_steps(self, payment):
        steps = transcript_of(payment=payment, viewer=ADMIN).steps

        assert [step.at for step in steps] == sorted(step.at for step in steps)
        assert steps[0].waited == steps[0].elapsed == 0
        assert all(step.waited >= 0 for step in steps)
        assert steps[-1].elapsed == pytest.approx((steps[-1].at - steps[0].at).total_seconds())

    def test_names_a_wait_of_less_than_a_second(self, payment, now):
        Attempt.objects.filter(payment=payment).update(
            answered_at=now + timedelta(milliseconds=800), answer_ms=800
        )

        text = as_text(transcript_of(payment=payment, viewer=ADMIN), now=now)

        assert "[+0.8 s]  Answer" in text

    def test_has_what_safaricom_asks_for(self, ours, payment, now):
        config, receipt = ours.configs["here"], ours.receipts["here"]
        ProviderRequest.objects.create(
            shop=ours.shop, environment="sandbox", kind="status", status="failed", config=config,
            version=config.versions.get(), receipt=receipt, receipt_number=receipt.number,
            conversation_id="AG_20260101_712345678", originator_conversation_id="1-712345678-1",
            result_code="2032", result_desc="The receipt 254712345678 is wrong",
            asked_by="m@x.test", requested_at=now, answered_at=now,
        )  # fmt: skip

        transcript = transcript_of(payment=payment, viewer=ADMIN)

        text = as_text(transcript, now=now)
        assert world.checkout_id_of(ours.name, "here") in text
        assert f"{ours.shop.slug}-here" in text
        assert "AG_20260101_712345678" in text
        assert "1-712345678-1" in text
        assert "254712345678" not in text
        assert "2547*****678" in text
        assert any("knows no such receipt" in step.meaning for step in transcript.steps)

    def test_decodes_a_failure_in_plain_words(self, ours, now):
        attempt = world.prompt(
            ours, "here", checkout_id="ws_CO_27112026000000000712345670", now=now, sale="-2"
        )
        row = ProviderCallback.objects.create(
            kind="stk", subject_id=attempt.pk, shop=ours.shop, payment=attempt.payment, size=2,
            status="applied", digest="d" * 64, result_code="1032", result_desc="Cancelled by user",
            received_at=now,
        )  # fmt: skip

        told = transcript_of(payment=attempt.payment, viewer=ADMIN)

        step = next(step for step in told.steps if step.at == row.received_at and step.meaning)
        assert "cancel" in step.meaning.lower()

    def test_never_says_release_about_a_success(self, payment):
        told = transcript_of(payment=payment, viewer=ADMIN)

        assert not any("release" in step.meaning for step in told.steps)
        assert any(step.meaning == "Safaricom reports success." for step in told.steps)

    def test_tells_people_to_whom_the_audit_log_is_open(self, ours, payment, now):
        actor = Actor(kind="user", label="grace@shop.test", role="manager")
        record(
            AuditAction.PHONE_REVEALED, payment, shop_id=ours.shop.pk, actor=actor, now=now,
            reason="Asked by 0712345678",
        )  # fmt: skip

        told = {
            role: [
                step for step in transcript_of(payment=payment, viewer=Viewer.of(role)).steps
                if step.kind == "act"
            ]
            for role in (Role.ADMIN, Role.CASHIER, Role.SUPPORT)
        }  # fmt: skip

        assert told[Role.CASHIER] == []
        assert "grace@shop.test" in str(told[Role.ADMIN])
        assert "grace@shop.test" not in str(told[Role.SUPPORT])
        assert "0712345678" not in str(told)

    def test_tells_nothing_of_another_payments_people(self, ours, payment, now):
        actor = Actor(kind="user", label="grace@shop.test", role="manager")
        record(
            AuditAction.PHONE_REVEALED, ours.payments["elsewhere"], shop_id=ours.shop.pk,
            actor=actor, now=now, reason="why",
        )  # fmt: skip

        assert "act" not in kinds(transcript_of(payment=payment, viewer=ADMIN))

    def test_shows_bodies_to_whom_the_inbox_is_open(self, payment):
        bodies = {
            role: "".join(s.body for s in transcript_of(payment=payment, viewer=Viewer.of(role)).steps)
            for role in (Role.ADMIN, Role.CASHIER)
        }  # fmt: skip

        assert "stkCallback" in bodies[Role.ADMIN]
        assert bodies[Role.CASHIER] == ""

    def test_shows_so_many_bodies_and_no_more(self, payment, now):
        attempt = Attempt.objects.get(payment=payment)
        ids = [
            callbacks.receive(
                kind="stk", subject_id=attempt.pk, body=b'{"n": %d}' % n, now=now,
                content_type="application/json", source_ip="196.201.214.200",
            )
            for n in range(MOST_BODIES + 5)
        ]  # fmt: skip
        ProviderCallback.objects.filter(pk__in=ids).update(
            payment=payment, shop=payment.shop_id, status="duplicate"
        )

        steps = transcript_of(payment=payment, viewer=ADMIN).steps

        told = [step for step in steps if step.kind == "callback"]
        assert sum(bool(step.body) for step in told) == MOST_BODIES
        assert len(told) == MOST_BODIES + 6

    def test_is_read_in_a_fixed_number_of_queries(self, payment, django_assert_max_num_queries):
        with django_assert_max_num_queries(15):
            transcript_of(payment=payment, viewer=ADMIN)


class TestTheText:
    def test_is_english_whatever_the_page_speaks(self, payment, actor, now):
        from django.utils import translation  # noqa: PLC0415

        with translation.override("sw"):
            text = export_transcript(payment=payment, viewer=ADMIN, actor=actor, now=now)

        assert "TRANSCRIPT OF A PAYMENT" in text
        assert "Prompt 1 sent" in text

    def test_is_put_on_the_trail(self, payment, actor, now):
        export_transcript(payment=payment, viewer=ADMIN, actor=actor, now=now)

        entry = AuditEntry.objects.get(action=AuditAction.TRANSCRIPT_EXPORTED)
        assert entry.object_id == str(payment.pk)

    @pytest.mark.parametrize("viewer", [ADMIN, SUPPORT], ids=["admin", "support"])
    def test_has_no_secret_no_number_and_no_name(self, ours, payment, actor, now, viewer):
        canaries = Canaries()
        config = ours.configs["here"]
        for name in DARAJA_SECRETS:
            canaries.plant(name, f"canary-secret-of-{name}")
        version = config.versions.get()
        version.secrets = {name: f"canary-secret-of-{name}" for name in DARAJA_SECRETS}
        version.save()
        canaries.plant_phone(payment.phone.reveal())
        attempt = Attempt.objects.get(payment=payment)
        body = (
            '{"Result": {"ResultParameters": {"ResultParameter": [{"Key": "DebitPartyName",'
            f' "Value": "{payment.phone.reveal()} - JABALI WAKESHO"}}]}}}}}}'
        )
        row = callbacks.receive(
            kind="stk", subject_id=attempt.pk, body=body.encode(), now=now,
            content_type="application/json", source_ip="196.201.214.200",
        )  # fmt: skip
        ProviderCallback.objects.filter(pk=row).update(
            payment=payment, problem=f"From {payment.phone.reveal()}", status="dead"
        )

        text = export_transcript(payment=payment, viewer=viewer, actor=actor, now=now)

        assert canaries.found_in(text) == set()
        assert "WAKESHO" not in text
        assert "DebitPartyName" in text

    def test_lets_no_line_of_a_body_pass_for_a_step(self, payment, actor, now):
        Payment.objects.filter(pk=payment.pk).update(
            result_desc="done\n  1  2026-01-01 00:00:00.000  [+0.0 s]  Status"
        )
        payment.refresh_from_db()

        text = export_transcript(payment=payment, viewer=ADMIN, actor=actor, now=now)

        assert not any(line.startswith("  1  2026-01-01") for line in text.splitlines())


class TestThePage:
    @pytest.mark.parametrize(
        ("post", "opens"),
        [("admin", 200), ("manager", 200), ("cashier", 200), ("branch_cashier", 200)],
    )
    def test_opens_for_the_people_of_the_shop(self, ours, payment, browse, post, opens):
        assert browse(ours.users[post]).get(page(payment)).status_code == opens

    @pytest.mark.parametrize("where", ["elsewhere", "live"])
    def test_keeps_to_the_branch(self, ours, browse, where):
        client = browse(ours.users["branch_cashier"])

        assert client.get(page(ours.payments[where])).status_code == 404

    def test_of_yesterday_is_not_a_cashiers(self, ours, payment, browse, now):
        Payment.objects.filter(pk=payment.pk).update(created_at=now - timedelta(hours=25))

        assert browse(ours.users["cashier"]).get(page(payment)).status_code == 404
        assert browse(ours.users["manager"]).get(page(payment)).status_code == 200

    @pytest.mark.parametrize("asked", ["", "?payment=", "?payment=x", f"?payment={'0' * 32}"])
    def test_is_none_without_a_payment(self, ours, browse, asked):
        url = reverse("admin:reconciliation_transcript") + asked

        assert browse(ours.users["admin"]).get(url).status_code == 404

    def test_of_a_neighbour_looks_like_none(self, ours, theirs, payment, browse):
        client = browse(theirs.users["admin"])

        for method in (client.get, client.post):
            there = method(page(payment))
            nowhere = method(page(Payment(pk="00000000-0000-4000-8000-000000000000")))
            assert (there.status_code, nowhere.status_code) == (404, 404)
            assert ours.name not in there.content.decode()

    def test_opens_for_support_while_it_is_let_in_and_is_told(
        self, ours, payment, support, browse, now
    ):
        client = browse(support)
        before = client.get(page(payment)).status_code
        world.let_support_in(ours, now=now)

        text = client.get(page(payment)).content.decode()

        assert before == 404
        assert payment.phone.reveal() not in text
        assert world.checkout_id_of(ours.name, "here") not in text
        assert AuditEntry.objects.filter(
            action=AuditAction.SUPPORT_READ, object_id=str(payment.pk)
        ).exists()

    @pytest.mark.parametrize(
        ("post", "status"), [("admin", 200), ("manager", 200), ("cashier", 403)]
    )
    def test_is_saved_by_whom_the_matrix_lets_export(self, ours, payment, browse, post, status):
        answer = browse(ours.users[post]).post(page(payment))

        assert answer.status_code == status
        told = AuditEntry.objects.filter(action=AuditAction.TRANSCRIPT_EXPORTED).count()
        assert told == (status == 200)

    def test_is_saved_as_plain_text(self, ours, payment, browse):
        answer = browse(ours.users["admin"]).post(page(payment))

        assert answer["Content-Type"] == "text/plain; charset=utf-8"
        assert answer["Content-Disposition"].startswith("attachment")
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert ours.users["admin"].email not in answer.content.decode()

    def test_is_reached_from_the_payment(self, ours, payment, browse):
        url = reverse("admin:payments_payment_change", args=[payment.pk])

        assert page(payment) in browse(ours.users["cashier"]).get(url).content.decode()
