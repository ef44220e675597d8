"""The pages of statements: upload, see, apply, and nobody who may not."""

from __future__ import annotations

import html
import io
import zipfile

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from payments.models import Receipt
from reconciliation.models import StatementImport, StatementLine
from reconciliation.statements import working
from tests.reconciliation import statement_maker as maker
from tests.reconciliation.statements import desk
from tests.reconciliation.statements.desk import NOW

pytestmark = pytest.mark.django_db

LIST = reverse("admin:reconciliation_statementimport_changelist")
ADD = reverse("admin:reconciliation_statementimport_add")


def page_of(statement):
    return reverse("admin:reconciliation_statementimport_change", args=[statement.pk])


def do(statement, method):
    return reverse("admin:reconciliation_statementimport_do", args=[statement.pk, method])


def work():
    working.process_statements(now=NOW)


def text(response):
    return html.unescape(response.content.decode())


@pytest.fixture
def config(ours):
    return ours.configs["here"]


@pytest.fixture
def manager(ours, browse):
    return browse(ours.users["manager"])


@pytest.fixture
def send(manager, config):
    """Choose a file on the page and press upload."""

    def upload(raw, *, name="statement.xlsx", to=config, by=manager):
        file = SimpleUploadedFile(name, raw)
        return by.post(ADD, {"config": to.pk, "file": file})

    return upload


class TestUpload:
    def test_leads_from_file_to_preview_to_books(self, send, manager, config):
        made = maker.book(config.shortcode, count=4)
        answer = send(maker.xlsx(made))
        statement = StatementImport.objects.get()
        assert (answer.status_code, answer.url) == (302, page_of(statement))
        assert "waits to be read" in text(manager.get(page_of(statement)))

        work()
        preview = text(manager.get(page_of(statement)))
        assert "All balances agree" in preview
        assert "Only Safaricom has it" in preview
        assert "TKA0000000" in preview
        assert not StatementLine.objects.exists()

        assert manager.get(do(statement, "apply")).status_code == 200
        manager.post(do(statement, "apply"))
        assert "being applied" in text(manager.get(page_of(statement)))
        work()
        result = text(manager.get(page_of(statement)))
        assert "Its lines are in the books." in result
        assert "/numbers/books/?shop=" in result
        assert reverse("admin:payments_receipt_change", args=[_receipt().pk]) in result

    def test_says_on_its_own_page_why_a_file_is_not_opened(self, send):
        answer = send(b"\x89PNG\r\n\x1a\n\x00\x00" + bytes(900), name="statement.xlsx")

        assert "neither an Excel file nor a CSV" in text(answer)
        assert not StatementImport.objects.exists()

    def test_says_how_much_is_too_much(self, send, settings):
        settings.STATEMENT_MAX_MB = 1

        assert "larger than 1 MB" in text(send(b"x" * (1024**2 + 1)))

    def test_of_the_same_file_leads_to_the_earlier_one(self, send, config):
        raw = maker.xlsx(maker.book(config.shortcode))
        send(raw)

        answer = text(send(raw))

        assert page_of(StatementImport.objects.get()) in answer
        assert "uploaded before" in answer

    def test_of_nothing_asks_for_a_file(self, manager, config):
        assert manager.post(ADD, {"config": config.pk}).status_code == 200
        assert not StatementImport.objects.exists()

    def test_offers_no_config_of_another_shop(self, send, theirs, manager):
        raw = maker.xlsx(maker.book(theirs.configs["here"].shortcode))

        assert send(raw, to=theirs.configs["here"]).status_code == 200
        assert not StatementImport.objects.exists()
        assert theirs.name not in text(manager.get(ADD))

    @pytest.mark.parametrize("who", ["cashier", "branch_cashier"])
    def test_is_closed_to(self, ours, browse, who):
        assert browse(ours.users[who]).get(ADD).status_code == 403

    def test_of_a_branch_admin_is_for_his_branch(self, ours, browse):
        page = text(browse(ours.users["branch_admin"]).get(ADD))

        assert str(ours.configs["here"].pk) in page
        assert str(ours.configs["elsewhere"].pk) not in page
        assert str(ours.configs["shop"].pk) not in page


def _receipt():
    return Receipt.objects.get(number="TKA0000000")


class TestARefusedStatement:
    def test_lists_every_fault_with_its_line(self, send, manager, config):
        made = maker.book(config.shortcode, count=6, with_charges=False)
        made.spoil.append(lambda rows: rows[2].update({"Paid In": "<b>1</b>"}))
        send(maker.text(made), name="statement.csv")
        work()

        page = manager.get(page_of(StatementImport.objects.get()))

        assert "Refused" in text(page)
        assert "“<b>1</b>” is no amount." in text(page)
        assert "<b>1</b>" not in page.content.decode()
        assert '<td data-label="Line">10</td>' in page.content.decode()

    def test_says_whose_statement_it_is(self, send, manager):
        send(maker.xlsx(maker.book("600999")))
        work()

        assert "the statement of 600999" in text(
            manager.get(page_of(StatementImport.objects.get()))
        )


def _html_table():
    return b"<html><table><tr><td>Receipt No.</td></tr></table></html>"


def _unknown_columns():
    return maker.text(maker.book()).replace(b"Receipt No.", b"Nambari ya risiti")


def _zip_bomb():
    """Forty megabytes of nothing beside a statement, in forty kilobytes."""
    out = io.BytesIO(maker.xlsx(maker.book()))
    with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/image1.png", bytes(40 * 1024**2))
    return out.getvalue()


class TestWhatBadInputGets:
    """A clear word, with lines where there are lines, and nothing of it anywhere."""

    @pytest.fixture
    def untouched(self):
        before = desk.everything()
        yield
        assert desk.everything() == before

    @pytest.fixture
    def refused(self, send, manager, untouched):
        """Send a file, let it be read, and return the page with its faults."""

        def upload(raw):
            send(raw)
            work()
            statement = StatementImport.objects.get()
            assert (statement.status, statement.file.token) == ("refused", "")
            page = text(manager.get(page_of(statement)))
            assert "Refused. Nothing of it is in the books." in page
            assert manager.post(do(statement, "apply")).status_code in {302, 403, 404, 409}
            statement.refresh_from_db()
            assert statement.status == "refused"
            return page

        return upload

    def test_a_zip_bomb_is_not_even_kept(self, send, untouched):
        raw = _zip_bomb()
        assert len(raw) < 100_000

        assert "Unpacked, the file is far larger than any statement." in text(send(raw))
        assert not StatementImport.objects.exists()

    def test_two_hundred_megabytes_are_refused_before_they_are_read(self, manager, untouched):
        size = 200 * 1024**2

        answer = manager.post(
            ADD, b"x", content_type="multipart/form-data; boundary=x", CONTENT_LENGTH=str(size)
        )

        assert answer.status_code == 413
        assert "25 MB" in text(answer)
        assert not StatementImport.objects.exists()

    def test_another_numbers_statement_names_the_number(self, refused):
        page = refused(maker.xlsx(maker.book("600999")))

        assert "the statement of 600999, not of the chosen payment config" in page
        assert "Upload it again for the payment config whose number it names." in page

    @pytest.mark.parametrize("raw", [_html_table, _unknown_columns], ids=["HTML", "Swahili"])
    def test_unknown_columns_say_which_are_expected(self, refused, raw):
        assert "No line names the columns. Download the statement in English" in refused(raw())

    def test_a_missing_column_is_named(self, refused, config):
        columns = tuple(name for name in maker.COLUMNS if name != "Balance")
        page = refused(maker.xlsx(maker.book(config.shortcode), columns=columns))

        assert "The column “Balance” is missing." in page
        assert '<td data-label="Line">7</td>' in page

    def test_a_broken_balance_names_every_line(self, refused, config):
        made = maker.book(config.shortcode, count=30, with_charges=False)
        made.spoil.append(lambda rows: (rows[4].update({"Balance": "9.00"}), rows.pop(20)))

        page = refused(maker.xlsx(made))

        for line in (11, 12, 27):
            assert f'<td data-label="Line">{line}</td>' in page
        assert page.count("does not follow from the line before") == 3
        assert "Download the statement again from the portal" in page

    def test_formulas_and_markup_stay_words(self, send, manager, config):
        evil = '=HYPERLINK("http://x.test","<script>alert(1)</script>")'
        made = maker.book(config.shortcode, count=3, with_charges=False)
        names = ("Details", "Reason Type", "A/C No.", "Other Party Info", "Linked Transaction ID")
        made.spoil.append(lambda rows: [rows[0].update({name: evil}) for name in names])
        send(maker.xlsx(made))
        work()
        statement = StatementImport.objects.get()
        preview = manager.get(page_of(statement)).content.decode()
        manager.post(do(statement, "apply"))
        work()

        result = manager.get(page_of(statement)).content.decode()
        assert "<script>alert" not in preview + result
        assert "&lt;script&gt;" in preview
        line = StatementLine.objects.get(line_number=maker.first_line())
        assert (line.details, line.kind, line.state) == (evil, "other", "ignored")

    def test_a_formula_for_an_amount_names_its_line(self, refused, config):
        made = maker.book(config.shortcode, count=6, with_charges=False)
        made.spoil.append(lambda rows: rows[2].update({"Paid In": "=SUM(F8:F9)"}))

        page = refused(maker.xlsx(made))

        assert "“=SUM(F8:F9)” is no amount." in page
        assert '<td data-label="Line">10</td>' in page


class TestDiscard:
    def test_takes_it_away(self, send, manager, config):
        send(maker.xlsx(maker.book(config.shortcode)))
        work()
        statement = StatementImport.objects.get()

        manager.post(do(statement, "discard"))

        statement.refresh_from_db()
        assert statement.status == "discarded"
        assert "Discarded" in text(manager.get(page_of(statement)))


class TestTheList:
    def test_says_what_it_is_for_while_it_is_empty(self, manager):
        assert "No statement was uploaded yet" in text(manager.get(LIST))

    def test_takes_few_statements_and_opens_no_file(
        self, send, manager, config, django_assert_max_num_queries
    ):
        for seed in range(5):
            send(maker.xlsx(maker.book(config.shortcode, seed=seed)))
        with django_assert_max_num_queries(20) as seen:
            page = text(manager.get(LIST, {"environment": config.environment}))

        assert page.count("statement.xlsx") == 5
        assert not [query for query in seen if '"file"' in query["sql"]]

    def test_of_a_statement_takes_few(self, send, manager, config, django_assert_max_num_queries):
        send(maker.xlsx(maker.book(config.shortcode, count=30)))
        work()
        statement = StatementImport.objects.get()
        manager.post(do(statement, "apply"))
        work()

        with django_assert_max_num_queries(24):
            manager.get(page_of(statement))
