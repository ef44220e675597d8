from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.core import mail

from payments.choices import NoticeCode
from payments.models import Notice
from payments.services import notice_mails, rotation_schedule
from tenants.models import Membership, User

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 20, 12, tzinfo=ZoneInfo("Africa/Nairobi"))


@pytest.fixture
def owner(shop):
    user = User.objects.create_user(email="mwenye@duka.test", password="x" * 12)
    Membership.objects.create(shop=shop, user=user, role="admin")
    return user


def expires_in(till, days):
    till.credentials_expire_on = (NOON + timedelta(days=days)).date()
    till.save(update_fields=["credentials_expire_on"])


class TestRemind:
    def test_says_nothing_before_the_first_rung(self, till):
        expires_in(till, 15)

        assert rotation_schedule.remind(now=NOON) == 0
        assert not Notice.objects.exists()

    def test_opens_one_notice_and_raises_it_rung_by_rung(self, till):
        expires_in(till, 14)
        rungs = []

        for day in range(15):
            now = NOON + timedelta(days=day)
            rotation_schedule.remind(now=now)
            rotation_schedule.remind(now=now + timedelta(hours=1))
            rungs.append(Notice.objects.get().data["rung"])

        assert rungs == [14] * 11 + [3] * 2 + [1] * 2

    def test_tells_rotation_and_expiry_apart(self, till):
        till.rotation_scheduled_at = NOON + timedelta(days=2)
        till.save(update_fields=["rotation_scheduled_at"])
        expires_in(till, 10)

        assert rotation_schedule.remind(now=NOON) == 2

        found = {row.code: row.data["rung"] for row in Notice.objects.all()}
        assert found == {NoticeCode.ROTATION_DUE: 3, NoticeCode.CREDENTIALS_EXPIRE: 14}

    def test_forgets_a_date_that_was_moved(self, till):
        expires_in(till, 3)
        rotation_schedule.remind(now=NOON)
        expires_in(till, 300)

        rotation_schedule.remind(now=NOON)

        assert Notice.objects.get().closed_at == NOON


class TestMails:
    def test_go_to_the_admins_once_a_rung(self, till, owner):
        expires_in(till, 14)

        for day in range(14):
            now = NOON + timedelta(days=day)
            for _sweep in range(2):
                rotation_schedule.remind(now=now)
                notice_mails.send_due(now=now)

        assert [message.bcc for message in mail.outbox] == [[owner.email]] * 3
        assert "Main till" in mail.outbox[0].body

    def test_reach_nobody_else(self, till, shop, neighbour, owner):
        for where, role in ((shop, "manager"), (neighbour, "admin")):
            user = User.objects.create_user(email=f"{role}@duka.test", password="x" * 12)
            Membership.objects.create(shop=where, user=user, role=role)

        assert notice_mails.admins_of(shop.pk) == [owner.email]

    def test_are_tried_again_where_the_mail_server_fails(self, till, owner, monkeypatch):
        expires_in(till, 3)
        rotation_schedule.remind(now=NOON)

        def refuse(self, *args, **kwargs):
            raise OSError("no mail server")

        with monkeypatch.context() as patch:
            patch.setattr("django.core.mail.EmailMessage.send", refuse)
            assert notice_mails.send_due(now=NOON) == 0
        assert notice_mails.send_due(now=NOON) == 1
