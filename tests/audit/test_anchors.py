"""A tail cut off with its head, or an old copy put back, joins up: heads kept outside show it."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from audit import anchors, chain, checking
from audit.actions import AuditAction
from audit.actors import Actor
from audit.models import AuditEntry, AuditHead
from audit.recording import record
from reconciliation.sweeps import SWEEPS
from tenants.models import Shop

pytestmark = pytest.mark.django_db

TABLES = ("audit_auditentry", "audit_audithead")


@pytest.fixture
def place(settings, tmp_path):
    settings.AUDIT_ANCHOR_DIR = str(tmp_path / "outside")
    return tmp_path / "outside" / anchors.FILE_NAME


@pytest.fixture
def duka(db):
    """A shop that came by no service, so that its chain is empty."""
    return Shop.objects.create(name="Duka", slug="duka")


@pytest.fixture
def jirani(db):
    return Shop.objects.create(name="Jirani", slug="jirani")


@pytest.fixture
def grow(now):
    def grow(shop, count):
        for number in range(count):
            record(
                AuditAction.SHOP_UPDATED,
                shop,
                shop_id=shop.pk if shop else None,
                actor=Actor.system("tests"),
                now=now + timedelta(seconds=number),
                reason=f"No. {number}",
            )

    return grow


@pytest.fixture
def trail(place, duka, grow, now):
    """Three entries yesterday, six today, both heads kept."""
    grow(duka, 3)
    SWEEPS["anchor_audit"](now=now - timedelta(days=1))
    copy = copied()
    grow(duka, 3)
    SWEEPS["anchor_audit"](now=now)
    return copy


def copied():
    """Take a copy of both tables, as somebody with the database's password would."""
    found = {}
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"SELECT json_agg(t)::text FROM {table} t")  # noqa: S608
            found[table] = cursor.fetchone()[0]
    return found


def bend(*statements):
    """Act as a superuser who switches the triggers off."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET LOCAL session_replication_role = replica")
        for sql, *params in statements:
            cursor.execute(sql, params)
        cursor.execute("SET LOCAL session_replication_role = origin")


def put_back(copy):
    bend(
        *[(f"DELETE FROM {table}",) for table in TABLES],  # noqa: S608
        *[
            (f"INSERT INTO {t} SELECT * FROM json_populate_recordset(NULL::{t}, %s)", copy[t])  # noqa: S608
            for t in TABLES
        ],
    )


def fault(shop):
    found = checking.check_chain(shop.pk if shop else None)
    return found and found.seq


class TestChainsThatNobodyTouched:
    def test_hold_and_go_on_growing(self, trail, duka, jirani, grow):
        grow(duka, 2)

        assert checking.check_all() == {}
        assert fault(jirani) is None

    def test_are_kept_each_by_its_own_head(self, trail, duka, jirani, grow, place, now):
        grow(jirani, 1)
        grow(None, 2)

        assert SWEEPS["anchor_audit"](now=now) == 3
        lines = [json.loads(line) for line in place.read_text().splitlines()]
        assert {(line["shop"], line["seq"]) for line in lines[-3:]} == {
            (str(duka.pk), 6),
            (str(jirani.pk), 1),
            (None, 2),
        }
        assert set(lines[-1]) == {"shop", "seq", "hash", "at", "signature"}
        assert checking.check_all() == {}


class TestAThief:
    def test_who_cuts_the_tail_with_its_head_is_found(self, trail, duka):
        put_back(trail)
        inside = chain.verify_chain(duka.pk)

        assert inside is None
        assert fault(duka) == 4

    def test_who_cuts_a_tail_younger_than_the_last_head_is_found_by_the_head(self, trail, duka):
        bend(("DELETE FROM audit_auditentry WHERE seq = 6",))

        assert fault(duka) == 6

    def test_who_puts_an_old_copy_back_and_lets_it_grow_is_found(self, trail, duka, grow):
        put_back(trail)
        grow(duka, 9)
        inside = chain.verify_chain(duka.pk)

        assert inside is None
        assert fault(duka) == 4

    def test_who_empties_the_tables_is_found(self, trail, duka):
        bend(*[(f"TRUNCATE {table}",) for table in TABLES])
        inside = chain.verify_chain(duka.pk)

        assert inside is None
        assert fault(duka) == 1
        assert set(checking.check_all()) == {duka.pk}

    def test_who_swaps_two_shops_chains_is_found_in_both(self, trail, duka, jirani, grow):
        grow(jirani, 6)
        swap = "UPDATE {} SET shop_id = CASE shop_id WHEN %s THEN %s::uuid ELSE %s::uuid END"
        bend(
            ("ALTER TABLE audit_auditentry DROP CONSTRAINT audit_no_second_number",),
            (swap.format("audit_auditentry"), duka.pk, jirani.pk, duka.pk),
        )

        assert (fault(duka), fault(jirani)) == (1, 1)

    def test_who_doubles_an_entry_is_found_at_the_second(self, trail, duka):
        twin = AuditEntry.objects.get(seq=3)
        twin.id = "01900000-0000-7000-8000-000000000001"
        twin.seq = 7
        twin.save(force_insert=True)
        AuditHead.objects.filter(shop=duka).update(seq=7, hash=twin.hash)

        assert fault(duka) == 7

    @pytest.mark.parametrize(
        "bent",
        [
            {"seq": 3, "hash": "a" * 64},
            {"seq": 9},
            {"signature": "0" * 64},
            {"at": "2020-01-01T00:00:00+00:00"},
        ],
        ids=["another hash", "another number", "another signature", "another time"],
    )
    def test_who_writes_heads_of_his_own_is_found(self, trail, duka, place, bent):
        line = json.loads(place.read_text().splitlines()[-1]) | bent
        with place.open("a") as file:
            file.write(json.dumps(line) + "\n")

        assert fault(duka) == 7
        assert anchors.unreadable_lines() == [3]

    @pytest.mark.parametrize("text", ["{", "[]", "null", '{"shop": 1}', "\u2028", '"x"', "{}"])
    def test_who_writes_nonsense_breaks_nothing(self, trail, duka, place, text):
        with place.open("a") as file:
            file.write(text + "\n")

        assert fault(duka) is None
        assert bool(text.strip()) == (anchors.unreadable_lines() == [3])


class TestTheFileItself:
    def lose(self, place, how):
        lines = place.read_text().splitlines(keepends=True)
        if how == "gone":
            place.unlink()
        elif how == "with its directory":
            place.unlink()
            place.parent.rmdir()
        else:
            place.write_text({"empty": "", "cut": lines[0]}[how])

    @pytest.mark.parametrize(
        ("how", "state"),
        [("gone", "gone"), ("with its directory", "gone"), ("empty", "empty"), ("cut", "cut")],
    )
    def test_is_missed(self, trail, duka, place, how, state, now):
        self.lose(place, how)

        loss = anchors.first_loss()

        assert (loss.state, loss.shop_id, loss.seq) == (state, duka.pk, 6)
        assert loss.at == now
        assert checking.check_all() == {}

    def test_is_whole_as_long_as_it_has_the_last_head_of_each_chain(
        self, trail, duka, jirani, grow, now
    ):
        before = anchors.first_loss()
        grow(jirani, 2)
        grow(None, 1)
        SWEEPS["anchor_audit"](now=now)

        assert before is None
        assert anchors.first_loss() is None

    def test_is_missed_for_one_chain_alone(self, trail, duka, jirani, grow, place, now):
        grow(jirani, 2)
        SWEEPS["anchor_audit"](now=now + timedelta(hours=1))
        kept = [line for line in place.read_text().splitlines() if str(jirani.pk) not in line]
        place.write_text("\n".join(kept) + "\n")

        loss = anchors.first_loss()

        assert (loss.state, loss.shop_id) == ("cut", jirani.pk)

    def test_is_missed_where_forged_lines_fill_it(self, trail, duka, place):
        lines = place.read_text().splitlines()
        place.write_text(json.dumps(json.loads(lines[-1]) | {"signature": "0" * 64}) + "\n")

        assert anchors.first_loss().state == "empty"

    def test_does_not_hide_that_it_was_lost_by_the_next_day(self, trail, duka, place, grow, now):
        self.lose(place, "gone")
        grow(duka, 1)

        SWEEPS["anchor_audit"](now=now + timedelta(days=1))

        assert (anchors.first_loss().state, anchors.first_loss().seq) == ("cut", 6)

    def test_is_whole_again_once_its_copy_is_put_back(self, trail, duka, place, grow, now):
        copy = place.read_text()
        self.lose(place, "gone")
        SWEEPS["anchor_audit"](now=now + timedelta(days=1))

        place.write_text(copy + place.read_text())
        grow(duka, 1)
        SWEEPS["anchor_audit"](now=now + timedelta(days=2))

        assert anchors.first_loss() is None
        assert AuditHead.objects.get(shop=duka).anchored_seq == 7
        assert checking.check_all() == {}

    def test_is_begun_anew_by_an_act_on_the_trail(self, trail, duka, place, now):
        self.lose(place, "gone")

        call_command("verify_audit", heads_lost_because="The disk died", stdout=StringIO())

        entry = AuditEntry.objects.get(shop=None)
        assert (entry.action, entry.reason) == ("platform.changed", "The disk died")
        assert entry.changes[0]["old"]["seq"] == 6
        assert anchors.first_loss() is None
        SWEEPS["anchor_audit"](now=now + timedelta(days=1))
        assert anchors.first_loss() is None

    def test_says_nothing_where_nothing_was_ever_kept(self, place, duka, grow):
        grow(duka, 3)

        assert anchors.first_loss() is None


class TestWithoutADirectory:
    def test_nothing_is_written_or_asked(self, settings, duka, grow, now):
        settings.AUDIT_ANCHOR_DIR = ""
        grow(duka, 1)

        assert SWEEPS["anchor_audit"](now=now) == 0
        assert checking.check_all() == {}


class TestTheCommand:
    def run(self, **options):
        out, err = StringIO(), StringIO()
        try:
            call_command("verify_audit", stdout=out, stderr=err, **options)
        except CommandError as error:
            return str(error), err.getvalue()
        return out.getvalue(), err.getvalue()

    def test_says_that_all_hold(self, trail, duka, jirani, grow):
        grow(jirani, 1)

        assert self.run() == ("2 chains hold\n", "")
        assert self.run(shop="duka") == ("1 chains hold\n", "")

    def test_names_the_first_bad_entry(self, trail, duka, jirani, grow):
        grow(jirani, 1)
        bend(("UPDATE audit_auditentry SET reason = 'x' WHERE seq = 2",))

        said, named = self.run()

        assert said == "Does not hold: duka"
        assert named == "duka: entry 2: It was changed after it was written.\n"
        assert self.run(shop="jirani")[1] == ""

    def test_names_a_head_that_was_not_ours(self, trail, place):
        with place.open("a") as file:
            file.write("{}\n")

        assert self.run()[0] == "Does not hold: the kept heads"

    def test_tells_a_lost_file_from_a_bent_chain(self, trail, duka, place, now):
        place.unlink()

        said, named = self.run()

        at = now.isoformat(timespec="seconds")
        assert said == "Does not hold: the kept heads"
        assert named == (
            f"kept heads: The file of kept heads is gone. Missing: duka, entry 6, written {at}.\n"
        )

    def test_names_both_where_both_are_bent(self, trail, duka, place):
        place.write_text("")
        bend(("UPDATE audit_auditentry SET reason = 'x' WHERE seq = 2",))

        assert self.run()[0] == "Does not hold: duka, the kept heads"

    def test_warns_where_no_heads_are_kept(self, settings, duka, grow):
        settings.AUDIT_ANCHOR_DIR = ""
        grow(duka, 1)

        assert "AUDIT_ANCHOR_DIR is empty" in self.run()[0]

    def test_refuses_a_shop_that_is_not_there(self, db):
        assert self.run(shop="nowhere")[0] == "There is no shop 'nowhere'."
