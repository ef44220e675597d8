from __future__ import annotations

import csv
import io
import subprocess
import sys
import zipfile

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from audit import anchors, chain
from audit.actions import AuditAction
from audit.actors import Actor
from audit.models import AuditEntry
from audit.recording import record
from tenants import people
from tenants.signals import By
from tests.world import let_support_in

pytestmark = pytest.mark.django_db

LIST = "admin:audit_auditentry_changelist"
FORMULA = '=HYPERLINK("http://evil.test")'


def log(client, **query):
    return client.get(reverse(LIST), query)


def found(response):
    return {row.pk for row in response.context["cl"].result_list}


@pytest.fixture
def entry(ours, now):
    """An entry with a value that a spreadsheet would run."""
    admin = ours.users["admin"]
    return record(
        AuditAction.CONFIG_UPDATED,
        ours.configs["here"],
        shop_id=ours.shop.pk,
        actor=Actor(kind="user", id=str(admin.pk), label=admin.email, role="admin", ip="41.90.1.2"),
        now=now,
        changes=[
            {"field": "name", "old": "Till", "new": FORMULA},
            {"field": "contact", "old": None, "new": "payer@example.test"},
        ],
        previous_state={"name": "Till", "purposes": ["rent", "fees"]},
        reason="@SUM(A1)",
    )


def page(entry):
    return reverse("admin:audit_auditentry_change", args=[entry.pk])


class TestTheList:
    @pytest.mark.parametrize("post", ["admin", "manager"])
    def test_shows_own_entries_only(self, ours, theirs, entry, browse, post):
        rows = log(browse(ours.users[post])).context["cl"].result_list

        assert entry in rows
        assert {row.shop_id for row in rows} == {ours.shop.pk}

    @pytest.mark.parametrize("post", ["cashier", "branch_cashier"])
    def test_is_closed_to_cashiers(self, ours, entry, browse, post):
        client = browse(ours.users[post])

        assert log(client).status_code == 403
        assert client.get(page(entry)).status_code == 404
        assert client.get(reverse("admin:audit_auditentry_chains")).status_code == 403
        assert client.get(reverse("admin:audit_auditentry_export")).status_code == 403

    def test_filters_by_everything(self, ours, entry, browse):
        client = browse(ours.users["admin"])
        config, admin = ours.configs["here"], ours.users["admin"]
        people.end_membership(membership=ours.members["cashier"], by=By(admin))

        queries = {
            "shop__id__exact": ours.shop.pk,
            "action__exact": AuditAction.CONFIG_UPDATED,
            "actor": admin.pk,
            "kind": "payments.paymentconfig",
            "object": f"payments.paymentconfig:{config.pk}",
            "at__gte": f"{entry.at.date()} 00:00:00+03:00",
        }
        for name, value in queries.items():
            rows = log(client, **{name: value}).context["cl"].result_list
            assert entry in rows, name
        assert {row.object_id for row in log(client, object=queries["object"]).context["cl"].result_list} == {str(config.pk)}  # fmt: skip
        assert {row.action for row in log(client, action__exact="api_key.issued").context["cl"].result_list} == {"api_key.issued"}  # fmt: skip
        assert found(log(client, at__lt="2020-01-01 00:00:00+03:00")) == set()
        assert entry.pk not in found(log(client, actor="00000000-0000-4000-8000-000000000000"))

    @pytest.mark.parametrize(
        "kind",
        ["statementimport", "shift", "tariff", "retentionrule", "replay", "configbearer"],
    )
    def test_filters_by_kinds_of_every_floor(self, ours, entry, browse, kind):
        response = log(browse(ours.users["admin"]), kind=f"reconciliation.{kind}")

        assert found(response) == set()
        (kinds,) = [
            f
            for f in response.context["cl"].filter_specs
            if getattr(f, "parameter_name", "") == "kind"
        ]
        assert f"reconciliation.{kind}" in dict(kinds.lookup_choices)

    @pytest.mark.parametrize("term", ["SUM(A1", "Zawadi here", "admin@zawadi", "day", "number"])
    def test_is_searched(self, ours, entry, browse, term):
        asked = {"day": str(timezone.localdate(entry.at)), "number": str(entry.seq)}.get(term, term)

        assert entry.pk in found(log(browse(ours.users["admin"]), q=asked))

    @pytest.mark.parametrize("term", ["2020-01-01", "2026-02-31", "999999999", "%", "x" * 500])
    def test_finds_nothing_that_is_not_there(self, ours, entry, browse, term):
        assert found(log(browse(ours.users["admin"]), q=term)) == set()

    def test_is_where_an_objects_history_leads(self, ours, entry, browse):
        client, config = browse(ours.users["admin"]), ours.configs["here"]

        button = client.get(reverse("admin:payments_paymentconfig_change", args=[config.pk]))
        history = client.get(
            reverse("admin:payments_paymentconfig_history", args=[config.pk]), follow=True
        )

        assert reverse("admin:payments_paymentconfig_history", args=[config.pk]) in button.text
        assert {row.object_id for row in history.context["cl"].result_list} == {str(config.pk)}
        cashier = browse(ours.users["cashier"])
        url = reverse("admin:payments_payment_history", args=[ours.payments["here"].pk])
        assert cashier.get(url).status_code == 403

    def test_reads_in_a_fixed_number_of_queries(
        self, ours, entry, browse, django_assert_max_num_queries
    ):
        client = browse(ours.users["admin"])

        with django_assert_max_num_queries(12):
            log(client)


class TestTheDetail:
    def test_shows_every_field_old_and_new(self, ours, entry, browse):
        text = browse(ours.users["manager"]).get(page(entry)).content.decode()

        assert "<del>Till</del>" in text
        assert "=HYPERLINK(&quot;http://evil.test&quot;)" in text
        assert "payer@example.test" in text
        assert "rent, fees" in text
        assert "41.90.1.2" in text
        assert entry.hash in text

    def test_masks_people_for_support(self, ours, entry, browse, support, now):
        let_support_in(ours, now=now)
        client = browse(support)

        for text in (client.get(page(entry)).text, log(client).text):
            assert "payer@example.test" not in text
            assert ours.users["admin"].email not in text
            assert "a***@zawadi.test" in text
            assert "41.90.1.2" not in text

    def test_takes_no_form_from_anybody(self, ours, entry, root, browse):
        for user in (ours.users["admin"], root):
            client = browse(user)
            client.post(page(entry), {"reason": "mine"})
            add = client.post(reverse("admin:audit_auditentry_add"), {"reason": "mine"})
            delete = reverse("admin:audit_auditentry_delete", args=[entry.pk])

            assert add.status_code == 403
            assert client.post(delete, {"post": "yes"}).status_code == 403
        assert AuditEntry.objects.get(pk=entry.pk).reason == "@SUM(A1)"


class TestTheCsv:
    def read(self, response):
        text = b"".join(response.streaming_content).decode()
        return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))

    def test_has_a_line_a_change_and_no_formula(self, ours, entry, browse):
        client = browse(ours.users["admin"])

        response = client.get(
            reverse("admin:audit_auditentry_export"), {"action__exact": entry.action}
        )
        rows = self.read(response)

        assert [row["new"] for row in rows] == [f"'{FORMULA}", "payer@example.test"]
        assert {row["reason"] for row in rows} == {"'@SUM(A1)"}
        assert {row["ip"] for row in rows} == {"41.90.1.2"}
        assert response["Content-Disposition"] == 'attachment; filename="audit.csv"'
        assert not [c for row in rows for c in row.values() if c[:1] in set("=+-@\t\r")]

    def test_is_masked_for_a_manager(self, ours, entry, browse):
        rows = self.read(
            browse(ours.users["manager"]).get(reverse("admin:audit_auditentry_export"))
        )

        assert rows
        assert {row["ip"] for row in rows} == {""}
        assert "payer@example.test" not in str(rows)

    def test_holds_own_entries_only_and_is_itself_an_entry(self, ours, theirs, browse):
        client = browse(ours.users["admin"])

        for query in ({}, {"shop__id__exact": theirs.shop.pk}, {"q": "Baraka"}):
            rows = self.read(client.get(reverse("admin:audit_auditentry_export"), query))
            assert {row["shop"] for row in rows} <= {"zawadi"}, query

        noted = AuditEntry.objects.filter(action=AuditAction.AUDIT_EXPORTED)
        assert {(each.shop_id, each.actor_label) for each in noted} == {
            (ours.shop.pk, ours.users["admin"].email)
        }

    def test_is_not_for_the_platform(self, ours, root, support, browse, now):
        let_support_in(ours, now=now)

        for user in (root, support):
            client = browse(user)
            assert client.get(reverse("admin:audit_auditentry_export")).status_code == 403
            assert "Export as CSV" not in log(client).text


def chain_page(name, slug):
    return reverse(f"admin:audit_auditentry_{name}", args=[slug])


class TestTheChain:
    def test_is_verified_by_a_button(self, ours, browse):
        client = browse(ours.users["manager"])
        verify = chain_page("verify", "zawadi")

        text = client.get(reverse("admin:audit_auditentry_chains")).text
        answer = client.post(verify, follow=True)

        assert verify in text
        assert "the whole chain holds" in answer.text
        assert client.get(verify).status_code == 405

    def test_names_the_first_entry_that_does_not_hold(self, ours, entry, browse):
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute("UPDATE audit_auditentry SET reason = '' WHERE id = %s", [entry.pk])
            cursor.execute("SET LOCAL session_replication_role = origin")

        answer = browse(ours.users["admin"]).post(chain_page("verify", "zawadi"), follow=True)

        assert f"entry {entry.seq} is the first that does not hold" in answer.text

    def test_is_taken_home_with_key_and_verifier(self, ours, entry, browse, tmp_path):
        response = browse(ours.users["admin"]).get(chain_page("download", "zawadi"))
        archive = zipfile.ZipFile(io.BytesIO(b"".join(response.streaming_content)))
        archive.extractall(tmp_path)
        key = (tmp_path / "key.txt").read_text().strip()
        command = [sys.executable, "-I", "verifier.py", "zawadi-audit.jsonl", "--key", key]

        holds = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)  # noqa: S603
        export = tmp_path / "zawadi-audit.jsonl"
        export.write_text(export.read_text().replace("@SUM(A1)", "No reason"))
        bent = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)  # noqa: S603

        count = AuditEntry.objects.filter(shop=ours.shop).count()
        assert (holds.returncode, holds.stdout) == (0, f"{count} entries hold.\n")
        assert key == chain.chain_key(ours.shop.pk).hex()
        assert (bent.returncode, bent.stdout.split(":")[0]) == (1, f"Entry {entry.seq}")
        newest = AuditEntry.objects.filter(shop=ours.shop).order_by("-seq").first()
        assert newest.action == AuditAction.AUDIT_EXPORTED

    @pytest.fixture
    def kept(self, settings, tmp_path, ours, theirs, now):
        """Heads kept outside the database: the file."""
        settings.AUDIT_ANCHOR_DIR = str(tmp_path / "outside")
        anchors.write_heads(now=now)
        return tmp_path / "outside" / anchors.FILE_NAME

    def test_tells_a_lost_file_from_a_bent_chain(self, ours, kept, browse):
        client = browse(ours.users["admin"])
        whole = client.post(chain_page("verify", "zawadi"), follow=True).text
        kept.write_text("")

        answer = client.post(chain_page("verify", "zawadi"), follow=True).text

        assert "was emptied" not in whole
        assert "the whole chain holds" in answer
        assert "The file of kept heads was emptied." in answer
        assert "a cut tail would not be noticed" in answer

    def test_is_taken_home_with_its_own_kept_heads(self, ours, theirs, kept, browse, tmp_path):
        response = browse(ours.users["admin"]).get(chain_page("download", "zawadi"))
        archive = zipfile.ZipFile(io.BytesIO(b"".join(response.streaming_content)))
        archive.extractall(tmp_path)
        heads, export = tmp_path / "heads.jsonl", tmp_path / "zawadi-audit.jsonl"
        key = (tmp_path / "key.txt").read_text().strip()

        def verify():
            command = [sys.executable, "-I", "verifier.py", export.name, "--key", key]
            command += ["--heads", heads.name]
            done = subprocess.run(  # noqa: S603
                command, cwd=tmp_path, capture_output=True, text=True, check=False
            )
            return done.returncode, done.stdout

        holds = verify()
        lines = export.read_text().splitlines(keepends=True)
        export.write_text("".join(lines[:2]))
        cut = verify()
        heads.write_text("[]\n")
        nonsense = verify()

        assert str(theirs.shop.pk) not in heads.read_text()
        assert holds[0] == 0
        assert cut[0] == 1
        assert cut[1].startswith("Entry 3: It is gone")
        assert nonsense[0] == 2

    @pytest.mark.parametrize("who", ["manager", "branch_admin", "cashier", "root", "support"])
    def test_is_given_to_the_shops_admin_alone(self, ours, root, support, browse, who, now):
        let_support_in(ours, now=now)
        client = browse({"root": root, "support": support, **ours.users}[who])

        answer = client.get(chain_page("download", "zawadi"))

        assert answer.status_code in {403, 404}
        assert not AuditEntry.objects.filter(action=AuditAction.AUDIT_EXPORTED).exists()

    def test_of_another_shop_or_the_platform_is_not_there(self, ours, theirs, browse):
        client = browse(ours.users["admin"])

        for slug in ("baraka", "platform", "no-such-shop"):
            assert client.post(chain_page("verify", slug)).status_code == 404
            assert client.get(chain_page("download", slug)).status_code == 404

    def test_of_the_platform_is_for_its_admins(self, ours, root, browse):
        client = browse(root)

        answer = client.post(chain_page("verify", "platform"), follow=True)

        assert "the whole chain holds" in answer.text
        assert client.get(chain_page("download", "platform")).status_code == 403
