from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection, transaction
from django.utils import timezone

from audit import chain
from audit.actions import NEEDS_REASON, AuditAction
from audit.actors import Actor
from audit.models import AuditEntry, AuditHead
from audit.recording import ReasonMissing, changes_between, record, state_of
from tenants.models import Shop
from tests.committed import committed_db  # noqa: F401 - a fixture

THREADS, EACH = 16, 4


def write(shop, reason, **more):
    return record(
        AuditAction.SHOP_UPDATED,
        shop,
        shop_id=shop.pk,
        actor=Actor.system("tests"),
        now=timezone.now(),
        reason=reason,
        **more,
    )


class TestManyAtOnce:
    def test_leave_no_gap_and_no_second_number(self, committed_db):  # noqa: F811
        shop = Shop.objects.create(name="Duka", slug="duka")
        start = Barrier(THREADS)

        def work(number):
            start.wait(timeout=20)
            try:
                for turn in range(EACH):
                    with transaction.atomic():
                        write(shop, f"{number}.{turn}")
                        if turn == 1:  # one act in four comes to nothing
                            transaction.set_rollback(True)
            finally:
                connection.close()

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(work, range(THREADS)))

        seqs = list(AuditEntry.objects.order_by("seq").values_list("seq", flat=True))
        assert seqs == list(range(1, THREADS * (EACH - 1) + 1))
        assert AuditHead.objects.get().seq == seqs[-1]
        assert chain.verify_chain(shop.pk) is None


@pytest.mark.django_db
class TestRecord:
    def test_prefers_the_acts_reason_to_the_actors(self, shop):
        actor = Actor(kind="user", reason="His page asked")
        given = {"shop_id": shop.pk, "actor": actor, "now": timezone.now()}

        own = record(AuditAction.SHOP_UPDATED, shop, reason="The act's", **given)
        his = record(AuditAction.SHOP_UPDATED, shop, **given)

        assert (own.reason, his.reason) == ("The act's", "His page asked")

    @pytest.mark.parametrize("action", sorted(NEEDS_REASON))
    def test_takes_no_unexplained_act_of_a_person(self, shop, action):
        before, given = AuditEntry.objects.count(), {"shop_id": shop.pk, "now": timezone.now()}

        for reason in ("", "  "):
            with pytest.raises(ReasonMissing):
                record(action, shop, actor=Actor(kind="user", reason=reason), **given)
        record(action, shop, actor=Actor.system("tests"), **given)
        record(action, shop, actor=Actor(kind="user", reason="Why not"), **given)

        assert AuditEntry.objects.count() == before + 2

    def test_outlives_what_it_tells_of(self, shop):
        branch = Shop.objects.create(name="Short-lived", slug="gone")
        entry = record(
            AuditAction.SHOP_CREATED,
            branch,
            shop_id=shop.pk,
            actor=Actor.system("tests"),
            now=timezone.now(),
        )
        key = str(branch.pk)
        branch.delete()

        kept = AuditEntry.objects.get(pk=entry.pk)
        assert (kept.object_label, kept.object_id) == ("Short-lived", key)

    @pytest.mark.parametrize("odd", ["\u2028\u0000x".replace("\u0000", ""), "😀" * 100, "\\u0041"])
    def test_seals_any_text(self, shop, odd):
        write(shop, odd, changes=[{"field": odd, "old": {"a": [odd, 1.5, None]}, "new": odd}])

        assert chain.verify_chain(shop.pk) is None


class TestStates:
    def test_hide_what_bears_a_secrets_name(self, till):
        till.metadata = {"api_key": "hunter2", "note": "open", "deep": {"password": "x"}}

        state = state_of(till, ("metadata", "max_amount", "is_active"))

        assert state == {
            "metadata": {"api_key": "********", "note": "open", "deep": {"password": "********"}},
            "max_amount": "250000",
            "is_active": True,
        }

    def test_differ_by_field(self):
        assert changes_between({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4}) == [
            {"field": "b", "old": 2, "new": 3},
            {"field": "c", "old": None, "new": 4},
        ]
