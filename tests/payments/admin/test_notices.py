"""Warnings in the back office: explained, muted with a reason, off the first page while muted."""

from __future__ import annotations

from datetime import timedelta

import pytest

from audit.models import AuditEntry
from payments.models import Notice

pytestmark = pytest.mark.django_db


@pytest.fixture
def warning(ours, now):
    """One phone failed five times; the details name two payments of the shop."""
    payments = [str(ours.payments[place].pk) for place in ("here", "elsewhere")]
    return Notice.objects.create(
        shop=ours.shop,
        code="failures_of_phone",
        subject="sandbox failures_of_phone 3fa2",
        opened_at=now - timedelta(hours=1),
        data={
            "rule": "failures_of_phone",
            "environment": "sandbox",
            "seen": 5,
            "phone": "2547*****678",
            "payments": payments,
            "last_seen": now.isoformat(),
        },
    )


def page_of(notice, name="change"):
    return f"/admin/payments/notice/{notice.pk}/{name}/"


class TestThePage:
    def test_says_what_was_seen_and_what_to_do(self, ours, browse, warning):
        page = browse(ours.users["manager"]).get(page_of(warning))

        assert "5 prompts to 2547*****678 failed or expired within an hour." in page.text
        assert "Ask at the till who types this number in." in page.text
        for place in ("here", "elsewhere"):
            assert str(ours.payments[place].pk) in page.text

    def test_shows_no_payment_of_another_shop(self, ours, theirs, browse, warning):
        other = theirs.payments["here"]
        warning.data["payments"].append(str(other.pk))
        warning.save()

        assert str(other.pk) not in browse(ours.users["admin"]).get(page_of(warning)).text

    def test_is_not_for_cashiers_or_neighbours(self, ours, theirs, browse, warning):
        for who in (ours.users["cashier"], ours.users["branch_admin"], theirs.users["admin"]):
            assert browse(who).get(page_of(warning)).status_code in {403, 404}
            assert browse(who).get(page_of(warning, "mute")).status_code in {403, 404}

    def test_of_a_config_leads_there(self, ours, browse, now):
        notice = Notice.objects.create(
            shop=ours.shop, config=ours.configs["shop"], code="token_war", opened_at=now
        )

        assert "Open the payment config" in browse(ours.users["admin"]).get(page_of(notice)).text

    def test_of_money_taken_back_names_it(self, ours, browse, now):
        notice = Notice.objects.create(
            shop=ours.shop, config=ours.configs["shop"], code="reversed", subject="UKK5P70VVL",
            opened_at=now, data={"receipt": "UKK5P70VVL", "amount": "3200.00"},
        )  # fmt: skip
        client, says = (
            browse(ours.users["admin"]),
            "KES 3,200 of receipt UKK5P70VVL was taken back.",
        )

        assert says in client.get(page_of(notice)).text
        assert says in client.get("/admin/payments/notice/").text

    def test_lists_by_state(self, ours, browse, warning, now):
        client = browse(ours.users["admin"])

        def listed(state):
            return str(warning.pk) in client.get(f"/admin/payments/notice/?state={state}").text

        assert (listed("open"), listed("muted"), listed("over")) == (True, False, False)
        Notice.objects.update(muted_until=now + timedelta(days=1))
        assert (listed("open"), listed("muted"), listed("over")) == (False, True, False)
        Notice.objects.update(closed_at=now)
        assert (listed("open"), listed("muted"), listed("over")) == (False, False, True)


class TestMuting:
    def test_takes_it_off_the_first_page_until_it_speaks_again(self, ours, browse, warning):
        client = browse(ours.users["manager"])
        assert "5 prompts to 2547*****678" in client.get("/admin/").text

        client.post(page_of(warning, "mute"), {"hours": "24", "reason": "Training day"})

        warning.refresh_from_db()
        assert warning.muted_by == ours.users["manager"].email
        assert "5 prompts to 2547*****678" not in client.get("/admin/").text
        assert AuditEntry.objects.get(action="notice.muted").reason == "Training day"

        client.post(f"/admin/payments/notice/{warning.pk}/do/unmute/", {"reason": "Over"})
        assert "5 prompts to 2547*****678" in client.get("/admin/").text

    @pytest.mark.parametrize("given", [{"hours": "24"}, {"hours": "5000", "reason": "x"}, {}])
    def test_asks_for_a_time_and_a_reason(self, ours, browse, warning, given):
        answer = browse(ours.users["admin"]).post(page_of(warning, "mute"), given)

        assert answer.status_code == 200
        warning.refresh_from_db()
        assert warning.muted_until is None

    def test_mutes_notices_of_configs_too(self, ours, browse, now):
        client = browse(ours.users["admin"])
        notice = Notice.objects.create(
            shop=ours.shop, config=ours.configs["shop"], code="token_war", opened_at=now
        )
        said = "Another system uses the same Daraja app"
        assert said in client.get("/admin/").text

        client.post(page_of(notice, "mute"), {"hours": "4", "reason": "Known"})

        assert said not in client.get("/admin/").text


class TestTheFirstPage:
    def test_shows_patterns_to_nobody_support_was_not_let_in_by(self, browse, support, warning):
        assert "2547*****678" not in browse(support).get("/admin/").text

    def test_shows_them_to_no_cashier(self, ours, browse, warning):
        assert "2547*****678" not in browse(ours.users["cashier"]).get("/admin/").text
