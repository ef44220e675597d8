"""The trail is bent in every way a superuser of the database can; verify names the first entry."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from django.db import connection
from django.db.utils import InternalError, ProgrammingError
from django.utils import timezone

from audit import chain, checking, verifier
from audit.actions import AuditAction
from audit.actors import Actor
from audit.models import AuditEntry, AuditHead
from audit.recording import changes_between, record
from tenants.models import Shop

pytestmark = pytest.mark.django_db

ACTOR = Actor(kind="user", id="7", label="njeri@duka.example", role="admin", ip="10.0.0.9")


@pytest.fixture
def shop(db):
    """A shop that came by no service, so that its chain is empty."""
    return Shop.objects.create(name="Duka", slug="duka")


@pytest.fixture
def neighbour(db):
    return Shop.objects.create(name="Jirani", slug="jirani")


@pytest.fixture
def trail(shop):
    return [
        record(
            AuditAction.CONFIG_UPDATED,
            shop,
            shop_id=shop.pk,
            actor=ACTOR,
            now=timezone.now(),
            changes=changes_between({"name": "Till"}, {"name": f"Till {number}"}),
            previous_state={"name": "Till", "priority": 0},
            reason='Because ñ 「quoted」 \u2028 \\ "',
        )
        for number in range(1, 7)
    ]


def bend(sql, *params):
    """Act as a superuser who switches the triggers off."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(sql, params)
        cursor.execute("SET LOCAL session_replication_role = origin")


def fault(shop):
    found = chain.verify_chain(shop.pk)
    return found and found.seq


class TestAChainThatNobodyTouched:
    def test_holds(self, trail, shop):
        assert chain.verify_chain(shop.pk) is None
        assert [entry.seq for entry in trail] == [1, 2, 3, 4, 5, 6]

    def test_of_a_shop_without_entries_holds(self, neighbour):
        assert chain.verify_chain(neighbour.pk) is None

    def test_of_the_platform_stands_beside_the_shops(self, trail):
        entry = record(
            AuditAction.SOURCE_CHANGED, None, shop_id=None, actor=ACTOR, now=timezone.now()
        )

        assert entry.seq == 1
        assert checking.check_all() == {}

    def test_holds_while_somebody_writes(self, trail, shop, monkeypatch):
        walk = chain._links

        def grow_meanwhile(entries, walked):
            record(AuditAction.SHOP_UPDATED, shop, shop_id=shop.pk, actor=ACTOR, now=timezone.now())
            yield from walk(list(entries)[: len(trail)], walked)
            record(AuditAction.SHOP_UPDATED, shop, shop_id=shop.pk, actor=ACTOR, now=timezone.now())

        monkeypatch.setattr(chain, "_links", grow_meanwhile)

        assert chain.verify_chain(shop.pk) is None

    def test_has_no_head_behind_its_end(self, trail, shop):
        AuditHead.objects.filter(shop=shop).update(seq=4, hash=trail[3].hash)

        assert fault(shop) == 5


class TestTheDatabase:
    @pytest.mark.parametrize(
        "sql",
        [
            "UPDATE audit_auditentry SET reason = 'x'",
            "DELETE FROM audit_auditentry",
        ],
    )
    def test_refuses_to_change_or_delete(self, trail, sql):
        with pytest.raises((InternalError, ProgrammingError)), connection.cursor() as cursor:
            cursor.execute(sql)


class TestTamperingIsFound:
    @pytest.mark.parametrize(
        ("sql", "first_bad"),
        [
            ("UPDATE audit_auditentry SET reason = 'no reason' WHERE seq = 3", 3),
            ("UPDATE audit_auditentry SET actor_label = 'x@y.example' WHERE seq = 2", 2),
            ("UPDATE audit_auditentry SET at = at - interval '1 day' WHERE seq = 4", 4),
            (
                "UPDATE audit_auditentry SET changes = "
                """'[{"field": "name", "old": "Till", "new": "Till"}]' WHERE seq = 5""",
                5,
            ),
            ("DELETE FROM audit_auditentry WHERE seq = 3", 3),
            ("DELETE FROM audit_auditentry WHERE seq > 4", 5),
            ("DELETE FROM audit_auditentry", 1),
            ("UPDATE audit_auditentry SET hash = repeat('a', 64) WHERE seq = 2", 2),
            ("UPDATE audit_auditentry SET seq = seq + 1000 WHERE seq > 3", 4),
        ],
    )
    def test_at_the_entry(self, trail, shop, sql, first_bad):
        bend(sql)

        assert fault(shop) == first_bad

    def test_when_two_entries_change_places(self, trail, shop):
        bend("UPDATE audit_auditentry SET seq = 900 WHERE seq = 2")
        bend("UPDATE audit_auditentry SET seq = 2 WHERE seq = 3")
        bend("UPDATE audit_auditentry SET seq = 3 WHERE seq = 900")

        assert fault(shop) == 2

    def test_when_an_entry_is_slipped_in_without_the_key(self, trail, shop):
        forged = AuditEntry.objects.get(seq=6)
        forged.pk, forged.seq, forged.previous_hash = None, 7, forged.hash
        forged.id = "01900000-0000-7000-8000-000000000001"
        forged.hash = verifier.link_hash(b"a guessed key", chain.as_link(forged))
        forged.save(force_insert=True)
        AuditHead.objects.filter(shop=shop).update(seq=7, hash=forged.hash)

        assert fault(shop) == 7

    def test_when_an_entry_is_moved_to_another_shop(self, trail, shop, neighbour):
        bend("UPDATE audit_auditentry SET shop_id = %s WHERE seq = 1", neighbour.pk)

        assert fault(shop) == 1
        assert fault(neighbour) == 1


class TestTheStandAloneVerifier:
    @pytest.fixture
    def export(self, trail, tmp_path):
        path = tmp_path / "chain.jsonl"
        rows = AuditEntry.objects.order_by("seq")
        path.write_text(
            "".join(json.dumps({**chain.as_link(r), "hash": r.hash}) + "\n" for r in rows)
        )
        return path

    def run(self, path, key):
        command = [sys.executable, "-I", verifier.__file__, str(path), "--key", key]
        return subprocess.run(  # noqa: S603 - our own script
            command, capture_output=True, text=True, check=False, cwd="/"
        )

    def test_finds_that_an_export_holds(self, export, shop):
        done = self.run(export, chain.chain_key(shop.pk).hex())

        assert (done.returncode, done.stdout) == (0, "6 entries hold.\n")

    def test_names_the_entry_that_was_changed(self, export, shop):
        export.write_text(export.read_text().replace("Till 4", "Till 9"))

        done = self.run(export, chain.chain_key(shop.pk).hex())

        assert done.returncode == 1
        assert done.stdout.startswith("Entry 4: ")

    def test_is_not_satisfied_with_another_chains_key(self, export, neighbour):
        assert self.run(export, chain.chain_key(neighbour.pk).hex()).returncode == 1
