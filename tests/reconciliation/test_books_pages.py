"""Books agree?, passes, tariffs and bearers in the back office, as each person sees them."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.urls import reverse

from audit.models import AuditEntry
from payments.models import PaymentConfig
from reconciliation import runs
from reconciliation.choices import RunKind, RunOutcome
from reconciliation.models import ConfigBearer, Run, Tariff
from tests.reconciliation.books import Books
from tests.world import let_support_in

pytestmark = pytest.mark.django_db
NUMBERS = "reconciliation_books"


@pytest.fixture
def books(ours, now):
    """The books of our branch "here", which has an unpaid line and nothing covered elsewhere."""
    return Books(ours.configs["here"], now)


def look(client, **asked):
    return client.get(reverse(f"admin:{NUMBERS}"), {"environment": "sandbox", **asked})


def text_of(answer):
    return b"".join(answer.streaming_content).decode()


class TestBooksAgree:
    def test_says_that_a_day_is_not_covered(self, ours, browse):
        answer = look(browse(ours.users["admin"]))

        assert answer.status_code == 200
        (row,) = {row["verdict"] for row in answer.context_data["days"] if "here" in row["config"]}
        assert "Look here" in row  # the world has money there that waits for a person
        assert "Statements cover 0 of" in answer.content.decode()

    def test_leads_from_a_day_to_its_lines(self, ours, books, browse):
        books.line(books.statement(), "TKA0000001", 75)
        client = browse(ours.users["admin"])

        days = look(client, config=str(books.config.pk)).context_data["days"]
        wrong = next(cell for row in days for cell in row["cells"] if cell["is_wrong"])
        lines = client.get(reverse(f"admin:{NUMBERS}") + wrong["url"])

        assert {row["number"] for row in lines.context_data["lines"]} >= {"TKA0000001"}
        assert "Only Safaricom has it" in lines.content.decode()

    def test_has_an_empty_state(self, ours, browse):
        client = browse(ours.users["admin"])

        days = look(client, since="2020-01-01", until="2020-01-07").content.decode()
        lines = look(client, since="2020-01-01", until="2020-01-07", lines="1").content.decode()

        assert "Nothing was paid in these days" in days
        assert "Nothing of this kind." in lines

    @pytest.mark.parametrize(
        "asked",
        [
            {"since": "2020-01-02", "until": "2020-01-01"},
            {"since": "2019-01-01", "until": "2020-01-01"},
            {"since": "yesterday", "until": "2020-01-01"},
            {"since": "2020-01-01", "until": "0000-00-00"},
            {"config": "no id"},
            {"config": "00000000-0000-4000-8000-000000000000"},
            {"since": "9999-12-31", "until": "9999-12-31"},
            {"since": "0001-01-01", "until": "0001-01-01"},
        ],
        ids=[
            "backwards",
            "too long",
            "a word",
            "no day",
            "no id",
            "nothing",
            "the end of time",
            "before time",
        ],
    )
    def test_tells_what_is_wrong_with_the_period(self, ours, browse, asked):
        answer = look(browse(ours.users["admin"]), **asked)

        assert answer.status_code == 200
        assert "errornote" in answer.content.decode()

    @pytest.mark.parametrize(
        "asked",
        [{"p": "-1"}, {"p": "x"}, {"p": "9" * 30}, {"state": "x"}, {"lines": "yes"}, {"p": "٣"}],
        ids=str,
    )
    def test_takes_nonsense_for_nothing(self, ours, browse, asked):
        assert look(browse(ours.users["admin"]), **asked).status_code == 200

    def test_shows_a_branch_its_own_lines_only(self, ours, books, browse):
        elsewhere = Books(ours.configs["elsewhere"], books.day)
        here, there = books.sale(11), elsewhere.sale(12)
        client = browse(ours.users["branch_cashier"])

        lines = look(client, lines="1").content.decode()

        assert here.number in lines
        assert there.number not in lines

    def test_shows_nothing_of_a_neighbour(self, ours, theirs, books, browse):
        books.sale()
        client = browse(theirs.users["admin"])

        page = look(client).content.decode() + look(client, lines="1").content.decode()

        assert not {mark for mark in ours.marks() if mark in page}
        assert look(client, shop=str(ours.shop.pk)).status_code == 404
        assert look(client, config=str(books.config.pk)).context_data["form"].errors

    def test_costs_a_few_statements(self, ours, books, browse, django_assert_max_num_queries):
        for hour in range(12):
            books.sale(100 + hour, at=books.at(hour))
        client = browse(ours.users["admin"])
        look(client)

        with django_assert_max_num_queries(40):
            look(client)

    def test_is_told_to_the_shop_when_support_looks(self, ours, support, browse, now):
        client = browse(support)
        assert look(client, shop=str(ours.shop.pk)).status_code == 404
        let_support_in(ours, now=now)

        assert look(client, shop=str(ours.shop.pk)).status_code == 200
        assert AuditEntry.objects.filter(action="support_access.read", shop=ours.shop).exists()


class TestTheFile:
    def test_has_days_or_lines_and_is_on_the_trail(self, ours, books, browse):
        sale = books.sale(100)
        books.line(books.statement(), sale.number, 100)
        client = browse(ours.users["admin"])

        days = text_of(look(client, format="csv"))
        lines = text_of(look(client, format="csv", lines="1"))

        assert '"agrees"' in days or '"differs"' in days
        assert f'"{sale.number}"' in lines
        assert '"matched"' in lines
        assert AuditEntry.objects.filter(action="payments.exported", shop=ours.shop).count() == 2

    def test_has_no_cell_a_spreadsheet_would_run(self, ours, books, browse):
        PaymentConfig.objects.filter(pk=books.config.pk).update(name="=HYPERLINK(1)")
        books.sale()

        lines = text_of(look(browse(ours.users["admin"]), format="csv", lines="1"))

        assert '"\'=HYPERLINK(1)"' in lines

    @pytest.mark.parametrize("post", ["cashier", "branch_cashier"])
    def test_is_not_for_everybody(self, ours, browse, post):
        client = browse(ours.users[post])

        assert look(client).context_data["csv"] == ""
        assert look(client, format="csv").status_code == 403

    def test_is_not_for_the_platform(self, ours, root, browse):
        client = browse(root)

        assert look(client, shop=str(ours.shop.pk), format="csv").status_code == 403


class TestPasses:
    @pytest.fixture
    def run(self, ours, now):
        run = runs.begin(
            kind=RunKind.PULL,
            config=ours.configs["here"],
            environment="sandbox",
            since=now - timedelta(hours=1),
            until=now,
            now=now,
        )
        run.asked, run.found, run.changed = 2, 150, 3
        runs.note(run, "refused", code="400.001")
        return runs.finish(run, outcome=RunOutcome.FAILED, now=now + timedelta(seconds=4))

    def page(self, client, environment="sandbox"):
        url = reverse("admin:reconciliation_run_changelist")
        return client.get(url, {"environment": environment} if environment else {}).content.decode()

    def test_are_listed_in_words(self, ours, run, browse):
        page = self.page(browse(ours.users["manager"]))

        assert "Safaricom refused: 400.001." in page
        assert "Pull transactions" in page
        assert "4 s" in page

    def test_of_all_shops_are_the_platforms(self, ours, run, root, browse, now):
        passed = Run.objects.create(
            kind=RunKind.QUERIES, environment="sandbox", asked=7, started_at=now, outcome="done"
        )
        url = reverse("admin:reconciliation_run_change", args=[passed.pk])

        assert browse(root).get(url).status_code == 200
        assert browse(ours.users["admin"]).get(url).status_code == 404

    def test_have_an_empty_state(self, theirs, browse):
        assert "Nothing was reconciled yet" in self.page(browse(theirs.users["admin"]), "")


def bands(*rows):
    """Return the fields of a form of bands."""
    fields = {"bands-TOTAL_FORMS": len(rows), "bands-INITIAL_FORMS": 0}
    for place, (smallest, charge, percent) in enumerate(rows):
        given = {"smallest": smallest, "charge": charge, "percent": percent}
        fields |= {f"bands-{place}-{name}": value for name, value in given.items()}
    return fields


class TestTariffs:
    URL = "admin:reconciliation_tariff_add"
    HEAD = {
        "provider": "mpesa_till",
        "bearer": "merchant",
        "effective_from": "2026-01-01",
        "source": "Tariff guide",
    }

    def test_are_added_with_their_bands(self, root, browse):
        given = {**self.HEAD, **bands(("0", "0", "0"), ("201", "0", "0.55"))}

        answer = browse(root).post(reverse(self.URL), given)

        assert answer.status_code == 302
        tariff = Tariff.objects.get()
        assert [band.percent for band in tariff.bands.all()] == [0, Decimal("0.55")]
        assert tariff.created_by == "r@malipo.test"
        assert AuditEntry.objects.filter(action="tariff.changed", shop=None).count() == 1

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            (bands(), "at least one band"),
            (bands(("500", "1", "0")), "begins at 0 or 1"),
            (bands(("0", "1", "0"), ("0", "2", "0")), "duplicate"),
            (bands(("0", "-1", "0")), "not negative"),
        ],
        ids=["no band", "a gap", "twice", "negative"],
    )
    def test_are_refused_in_plain_words(self, root, browse, given, said):
        answer = browse(root).post(reverse(self.URL), {**self.HEAD, **given})

        assert answer.status_code == 200
        assert said in answer.content.decode()
        assert not Tariff.objects.exists()

    def test_that_have_begun_are_read_only(self, root, browse):
        client = browse(root)
        client.post(reverse(self.URL), {**self.HEAD, **bands(("0", "5", "0"))})
        url = reverse("admin:reconciliation_tariff_change", args=[Tariff.objects.get().pk])

        page = client.get(url)
        answer = client.post(url, {**self.HEAD, **bands(("0", "9", "0"))})

        assert page.status_code == 200
        assert answer.status_code == 403
        assert Tariff.objects.get().bands.get().charge == 5
        assert (
            "In force"
            in client.get(reverse("admin:reconciliation_tariff_changelist")).content.decode()
        )

    def test_that_have_not_begun_may_be_corrected(self, root, browse):
        client, head = browse(root), {**self.HEAD, "effective_from": "2099-01-01"}
        client.post(reverse(self.URL), {**head, **bands(("0", "5", "0"))})
        tariff = Tariff.objects.get()
        kept = {
            "bands-INITIAL_FORMS": 1,
            "bands-0-id": tariff.bands.get().pk,
            "bands-0-tariff": tariff.pk,
        }
        url = reverse("admin:reconciliation_tariff_change", args=[tariff.pk])

        answer = client.post(url, {**head, **bands(("0", "7", "0")), **kept})

        assert answer.status_code == 302
        assert Tariff.objects.get().bands.get().charge == 7


class TestBearers:
    URL = "admin:reconciliation_configbearer_add"

    def say(self, client, config, **given):
        asked = {"config": config.pk, "bearer": "shared", "effective_from": "2026-01-01"}
        return client.post(reverse(self.URL), {**asked, **given})

    def test_are_a_shop_admins_word(self, ours, browse):
        answer = self.say(browse(ours.users["admin"]), ours.configs["here"])

        assert answer.status_code == 302
        row = ConfigBearer.objects.get()
        assert (row.shop, row.bearer, row.effective_from) == (
            ours.shop,
            "shared",
            date(2026, 1, 1),
        )

    def test_are_never_said_of_another_shops_config(self, ours, theirs, browse):
        client = browse(ours.users["admin"])

        answer = self.say(client, theirs.configs["here"])

        assert answer.status_code == 200
        assert not ConfigBearer.objects.exists()
        assert "Baraka" not in client.get(reverse(self.URL)).content.decode()

    def test_never_change_what_was(self, ours, browse):
        client = browse(ours.users["admin"])
        self.say(client, ours.configs["here"])

        answer = self.say(client, ours.configs["here"], bearer="customer")

        assert answer.status_code == 200
        assert "Choose a day after the last change" in answer.content.decode()
        assert ConfigBearer.objects.get().bearer == "shared"

    def test_ask_the_platform_why(self, ours, root, browse):
        client = browse(root)

        refused = self.say(client, ours.configs["here"])
        taken = self.say(client, ours.configs["here"], reason="Asked by phone")

        assert (refused.status_code, taken.status_code) == (200, 302)


class TestPullButtons:
    def test_register_and_say_so_on_the_configs_page(self, ours, browse, daraja):
        client, config = browse(ours.users["admin"]), ours.configs["here"]
        page = reverse("admin:payments_paymentconfig_change", args=[config.pk])
        button = reverse("admin:payments_paymentconfig_do", args=[config.pk, "register_pull"])

        assert button in client.get(page).content.decode()
        client.post(button, {"nominated_number": "0722000000"})

        config.refresh_from_db()
        assert config.pull_enabled
        assert button not in client.get(page).content.decode()
        assert "stop_pull" in client.get(page).content.decode()

    def test_tell_the_way_out(self, ours, browse, daraja):
        client, config = browse(ours.users["admin"]), ours.configs["here"]
        button = reverse("admin:payments_paymentconfig_do", args=[config.pk, "register_pull"])
        daraja.break_next("pull_register", "no_product", times=2)

        answer = client.post(button, {"nominated_number": "0722000000"}, follow=True)

        assert "Ask Safaricom to add Pull Transactions" in answer.content.decode()
        assert not PaymentConfig.objects.get(pk=config.pk).pull_enabled


def test_names_each_box_of_a_tariffs_bands(root, browse):
    text = browse(root).get("/admin/reconciliation/tariff/add/").text

    assert 'aria-label="from amount"' in text.lower()
