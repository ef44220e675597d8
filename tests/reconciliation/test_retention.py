"""Retention: the bounds, what obeys them, what stays, and who may change them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from audit.models import AuditEntry
from payments.errors import InvalidInput
from payments.models import (
    Attempt,
    Event,
    Evidence,
    IdempotencyKey,
    Payment,
    ProviderCallback,
    ReceiptCheck,
    WebhookDelivery,
)
from payments.services import callbacks, checkout_ids
from payments.services.money_audit import audit_money
from reconciliation import purging, retention
from reconciliation.choices import DataKind
from reconciliation.models import RetentionRule, Run, StatementImport, SweepState
from tests import world
from tests.backoffice import browse, ours, root, support
from tests.payments.services import webhook_world

__all__ = ["browse", "ours", "root", "support"]
pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
PAGE = "/admin/retention/"


def keep(kind, days):
    RetentionRule.objects.update_or_create(kind=kind, defaults={"days": days})


class TestTheTerms:
    def test_are_of_every_kind(self):
        assert set(retention.TERMS) == set(DataKind.values)

    @pytest.mark.parametrize("kind", DataKind.values)
    def test_have_a_default_within_their_bounds(self, kind):
        term = retention.TERMS[kind]

        assert term.least <= retention.default_of(kind) <= term.most

    def test_take_the_environments_word_for_bodies(self, db, settings):
        settings.RAW_BODY_RETENTION_DAYS = 45

        assert retention.days_of(DataKind.RAW_BODIES) == 45

    @pytest.mark.parametrize("days", [6, 366, 0, -1])
    def test_refuse_days_out_of_bounds(self, db, days, actor, now):
        with pytest.raises(InvalidInput):
            retention.change_rule(kind="raw_bodies", days=days, reason="less", actor=actor, now=now)

        assert not RetentionRule.objects.exists()

    @pytest.mark.parametrize("days", [7, 365])
    def test_are_changed_on_the_trail(self, db, days, actor, now):
        retention.change_rule(kind="raw_bodies", days=days, reason="law", actor=actor, now=now)

        assert retention.days_of("raw_bodies") == days
        entry = AuditEntry.objects.get(action="retention.changed")
        assert (entry.shop, entry.reason) == (None, "law")
        assert entry.changes == [{"field": "days", "old": 90, "new": days}]


class TestWhatGoes:
    def test_is_a_body_after_its_days_and_not_before(self, ours, now):
        keep("raw_bodies", 10)
        ProviderCallback.objects.update(received_at=now - 10 * DAY + timedelta(hours=1))
        assert purging.purge_raw_bodies(now=now) == 0
        ProviderCallback.objects.update(received_at=now - 11 * DAY)
        rows = ProviderCallback.objects.order_by("pk")
        kept = list(rows.values_list("digest", "size", "status"))

        assert purging.purge_raw_bodies(now=now) == 3
        assert purging.purge_raw_bodies(now=now) == 0

        assert not any(row.body for row in ProviderCallback.objects.all())
        assert list(rows.values_list("digest", "size", "status")) == kept

    def test_is_no_body_that_was_not_applied(self, ours, now):
        ProviderCallback.objects.update(received_at=now - 400 * DAY, status="new")

        assert purging.purge_raw_bodies(now=now) == 0

    @pytest.mark.parametrize(
        ("status", "gone"),
        [("applied", True), ("refused", True), ("discarded", True), ("read", False)],
    )
    def test_is_a_file_that_came_to_an_end(self, ours, now, status, gone):
        row = StatementImport(
            shop=ours.shop,
            environment="sandbox",
            config=ours.configs["shop"],
            status=status,
            filename="a.csv",
            digest="d",
            size=1,
            uploaded_by="a",
            uploaded_at=now - 31 * DAY,
            applied_at=now - 31 * DAY if status == "applied" else None,
            lines_total=7,
        )
        row.file = "secret names"
        row.save()

        assert purging.purge_statement_files(now=now) == int(gone)

        row.refresh_from_db()
        assert bool(row.file) is not gone
        assert row.lines_total == 7

    def test_is_a_check_a_run_and_a_key_past_their_days(self, ours, now):
        old = world.check_of(ours)
        ReceiptCheck.objects.filter(pk=old.pk).update(at=now - 366 * DAY)
        new = world.check_of(ours)
        Run.objects.create(
            kind="pull", environment="sandbox", outcome="done", started_at=now - 366 * DAY
        )
        going = Run.objects.create(kind="pull", environment="sandbox", started_at=now - 366 * DAY)
        for name, age in (("old", 8), ("young", 6)):
            IdempotencyKey.objects.create(
                shop=ours.shop,
                environment="sandbox",
                key=name,
                fingerprint="f",
                created_at=now - age * DAY,
            )

        assert purging.purge_receipt_checks(now=now) == 1
        assert purging.purge_runs(now=now) == 1
        assert purging.purge_idempotency_keys(now=now) == 1

        assert list(ReceiptCheck.objects.all()) == [new]
        assert list(Run.objects.all()) == [going]
        assert IdempotencyKey.objects.get().key == "young"

    def test_is_a_delivery_that_came_to_an_end(self, ours, now):
        endpoint, _secret = webhook_world.add(ours.shop, "https://till.example/hook", now=now)
        [event] = webhook_world.happen(ours.shop, "payment.completed", now=now)

        def deliver(status, age, **more):
            WebhookDelivery.objects.all().delete()
            return WebhookDelivery.objects.create(
                shop=ours.shop,
                endpoint=endpoint,
                event=event,
                seq=event.seq,
                type=event.type,
                status=status,
                created_at=now - age * DAY,
                **more,
            )

        deliver("delivered", 29)
        assert purging.purge_webhook_deliveries(now=now) == 0
        deliver("pending", 31, next_try_at=now)
        assert purging.purge_webhook_deliveries(now=now) == 0
        deliver("failed", 31)
        assert purging.purge_webhook_deliveries(now=now) == 1
        assert not WebhookDelivery.objects.exists()
        assert Event.objects.filter(pk=event.pk).exists()


class TestPhoneNumbers:
    @pytest.fixture
    def old(self, ours, now):
        """All payments but the one at "elsewhere" are past their time."""
        rows = Payment.objects.exclude(pk=ours.payments["elsewhere"].pk)
        rows.update(created_at=now - 401 * DAY)
        return ours.payments["here"]

    def test_go_and_leave_mask_and_index(self, ours, old, now, monkeypatch):
        monkeypatch.setattr(purging, "SLICE", 1)
        before = world.money_now()
        index, mask = old.phone_index, old.phone_masked

        assert purging.forget_phone_numbers(now=now) == 2
        assert purging.forget_phone_numbers(now=now) == 0

        old.refresh_from_db()
        assert not old.phone
        assert (old.phone_index, old.phone_masked) == (index, mask)
        assert Payment.objects.get(pk=ours.payments["elsewhere"].pk).phone
        assert world.money_now() == before
        assert audit_money() == []

    def test_stay_with_a_payment_that_is_open(self, ours, now):
        attempt = world.prompt(ours, "shop", checkout_id="ws_CO_1", now=now)
        Payment.objects.filter(pk=attempt.payment_id).update(created_at=now - 401 * DAY)

        assert purging.forget_phone_numbers(now=now) == 0

    def test_go_from_the_ids_of_prompts_too(self, old, now):
        whole = Attempt.objects.get(payment=old).checkout_request_id

        purging.forget_phone_numbers(now=now)

        left = Attempt.objects.get(payment=old).checkout_request_id
        assert left == checkout_ids.hidden(whole)
        assert whole[-9:] not in left
        assert left[:-9] == whole[:-9]
        assert not ProviderCallback.objects.filter(checkout_request_id=whole).exists()

    def test_do_not_keep_a_late_callback_from_its_payment(self, ours, old, now):
        callback = ours.callbacks["here"]
        again = callback.body.reveal_bytes().replace(b'"ResultCode": 0', b'"ResultCode": 1032')
        heard = Evidence.objects.filter(payment=old).count()
        purging.forget_phone_numbers(now=now)

        row_id = callbacks.receive(
            kind="stk",
            subject_id=callback.subject_id,
            body=again,
            content_type="application/json",
            source_ip="196.201.214.200",
            now=now,
        )
        callbacks.apply_rows([row_id], now=now)

        assert ProviderCallback.objects.get(pk=row_id).status == "applied"
        assert Evidence.objects.filter(payment=old).count() == heard + 1

    def test_of_another_prompt_are_not_taken_for_it(self, old):
        whole = Attempt.objects.get(payment=old).checkout_request_id
        other = f"{whole[:-1]}{(int(whole[-1]) + 1) % 10}"

        assert checkout_ids.is_same(checkout_ids.hidden(whole), whole)
        assert not checkout_ids.is_same(checkout_ids.hidden(whole), other)
        assert not checkout_ids.is_same(whole, other)

    def test_leave_the_payment_to_be_found_by_the_whole_id(self, ours, old, browse, now):
        whole = Attempt.objects.get(payment=old).checkout_request_id
        purging.forget_phone_numbers(now=now)

        page = browse(ours.users["admin"]).get(
            "/admin/payments/payment/", {"q": whole, "environment": "sandbox"}, follow=True
        )

        assert str(old.pk) in page.text


class TestThePage:
    def test_shows_what_is_kept_and_what_went(self, root, browse, now):
        keep("phone_numbers", 500)
        SweepState.objects.create(name="purge_runs", finished_at=now, moved=4711)

        shown = browse(root).get(PAGE).text

        for text in ("500 days", "400 days", "30 - 3650", "4,711"):
            assert text in shown

    def test_changes_with_a_reason(self, root, browse):
        client = browse(root)
        page = f"{PAGE}?kind=receipt_checks"
        assert client.get(page).status_code == 200

        assert client.post(page, {"days": 100}).status_code == 200
        assert not RetentionRule.objects.exists()
        assert client.post(page, {"days": 100, "reason": "law"}).status_code == 302

        assert retention.days_of("receipt_checks") == 100

    @pytest.mark.parametrize("days", ["29", "1096", "", "many", "9" * 30])
    def test_refuses_bad_days_on_the_field(self, root, browse, days):
        page = browse(root).post(f"{PAGE}?kind=receipt_checks", {"days": days, "reason": "x"})

        assert page.status_code == 200
        assert page.context_data["form"].errors["days"]
        assert not RetentionRule.objects.exists()

    def test_knows_no_other_kind(self, root, browse):
        assert browse(root).get(f"{PAGE}?kind=payments").status_code == 404

    def test_is_for_whoever_runs_the_platform(self, ours, support, browse):
        for user in (support, *(ours.users[name] for name in ("admin", "manager", "cashier"))):
            for method in ("get", "post"):
                answer = getattr(browse(user), method)(f"{PAGE}?kind=runs", {"days": 99})
                assert answer.status_code == 403

    def test_needs_few_statements(self, root, browse, django_assert_max_num_queries):
        client = browse(root)
        client.get(PAGE)
        with django_assert_max_num_queries(15):
            client.get(PAGE)
