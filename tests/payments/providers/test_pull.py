"""Pull Transactions on the wire: what is asked, both methods, and every form of an answer."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import responses

from payments.errors import OutcomeUnknown, ProviderBusy, ProviderRefused, TokenRefused
from payments.providers.base import AccountDetails, PullQuestion, PullRegistration
from payments.providers.daraja import pull
from payments.providers.daraja.adapter import DarajaAdapter
from tests.daraja import FakeDaraja
from tests.payloads import body_of

URL = "https://daraja.wire"
NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
SECRETS = {"consumer_key": "key", "consumer_secret": "secret", "passkey": "pass"}
PAYBILL = {"provider": "mpesa_paybill", "shortcode": "600100"}
TILL = {"provider": "mpesa_till", "shortcode": "174379", "store_number": "600996"}
ASKED = PullQuestion(NOW - timedelta(hours=1), NOW)
ROW = {
    "transactionId": "UKK5P70VVL",
    "trxDate": "2026-11-20T11:30:00Z",
    "msisdn": 254712345678,
    "sender": "JABALI WAKESHO",
    "transactiontype": "c2b-pay-bill-debit",
    "billreference": "INV-7",
    "amount": "168.00",
    "organizationname": "Duka",
}


@pytest.fixture
def daraja():
    with FakeDaraja(clock=lambda: NOW, base_url=URL) as fake:
        yield fake


@pytest.fixture
def adapter(daraja):
    def make(method="POST", **account):
        details = {**PAYBILL, **account}
        who = AccountDetails(environment="sandbox", secrets=SECRETS, **details)
        how = {"base_url": URL, "connect_timeout_s": 1.0, "total_timeout_s": 2.0}
        token = DarajaAdapter(who, **how).fetch_access_token().access_token
        return DarajaAdapter(who, access_token=token, pull_method=method, **how)

    return make


@pytest.fixture
def answering():
    """Let the query be answered so, without a simulator; return what was asked."""
    with responses.RequestsMock() as mock:

        def answer(status, content, method="POST"):
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            mock.add(method, f"{URL}{pull.QUERY_PATH}", body=body, status=status)
            return mock.calls

        yield answer


def ask(question=ASKED, **account):
    details = {**PAYBILL, **account}
    who = AccountDetails(environment="sandbox", secrets=SECRETS, **details)
    how = {"base_url": URL, "connect_timeout_s": 1.0, "total_timeout_s": 2.0}
    return DarajaAdapter(who, access_token="token", **how).pull(question)


def page_of(*rows, **said):
    document = {"ResponseCode": "1000", "ResponseMessage": "Success", "Response": [list(rows)]}
    return pull.read_page(document | said, "600100")


class TestRegistering:
    def register(self, adapter):
        asked = PullRegistration("254722000000", "https://pay.test/cb")
        return adapter.register_pull(asked)

    @pytest.mark.parametrize("spaced", [False, True])
    def test_stands_the_first_time_and_again(self, adapter, daraja, spaced):
        daraja.engine.knobs.turn(pull_spaced=spaced)

        assert self.register(adapter()) == "1000"
        assert self.register(adapter()) == "1001"

    def test_reads_the_published_sample_with_spaces_in_its_keys(self):
        document = json.loads(body_of("pull_response", "03-register-spaced-keys"))

        assert pull.read_registered(document) == "1001"

    @pytest.mark.parametrize(
        "document",
        [
            {},
            {"ResponseStatus": "1001", "ResponseDescription": "Invalid number"},
            {"ResponseStatus": "2001", "ResponseDescription": "already"},
            {"ResponseStatus": True},
        ],
        ids=["nothing", "1001 for another reason", "another code", "no code"],
    )
    def test_takes_nothing_else_for_yes(self, document):
        assert pull.read_registered(document) is None

    def test_knows_a_till_by_its_store_number(self, adapter, daraja):
        self.register(adapter(**TILL))

        assert "600996" in daraja.engine._pulls.registered

    def test_says_a_missing_product_as_the_live_sandbox_does(self, adapter, daraja):
        recorded = json.loads(body_of("api_error", "11-401-pull-register-2026"))
        one = adapter()
        with responses.RequestsMock() as mock:
            mock.post(f"{URL}{pull.REGISTER_PATH}", json=recorded, status=401)

            with pytest.raises(TokenRefused) as caught:
                self.register(one)

        assert caught.value.error_code == "401.001"


class TestAsking:
    @pytest.mark.parametrize("method", ["POST", "GET"])
    def test_finds_what_was_paid_either_way(self, adapter, daraja, method):
        one = adapter(method)
        one.register_pull(PullRegistration("254722000000", "https://pay.test/cb"))
        number = daraja.pay_c2b("600100", "150", reference="INV-7")

        page = one.pull(PullQuestion(NOW - timedelta(hours=1), NOW + timedelta(seconds=1)))

        (money,) = page.money
        assert (money.receipt_number, money.amount) == (number, Decimal("150.00"))
        assert (money.account_reference, money.msisdn) == ("INV-7", "254712345678")
        assert (money.shortcode, money.paid_at) == ("600100", NOW)
        assert (page.rows, page.unreadable, page.has_more) == (1, 0, False)
        assert daraja.ledger.pulls[-1].method == method

    def test_asks_in_nairobis_time_from_a_row_on(self, answering):
        calls = answering(200, {"ResponseCode": "1001"})

        ask(PullQuestion(NOW - timedelta(hours=1), NOW, offset=200))

        assert json.loads(calls[0].request.body) == {
            "ShortCode": "600100",
            "StartDate": "2026-11-20 11:00:00",
            "EndDate": "2026-11-20 12:00:00",
            "OffSetValue": "200",
        }

    def test_asks_by_get_where_post_is_no_method(self, answering):
        answering(405, b"")
        answering(200, {"ResponseCode": "1000", "Response": [[ROW]]}, method="GET")

        assert ask().rows == 1

    def test_says_that_another_page_may_follow(self):
        rows = [{**ROW, "transactionId": f"UKK5P7{number:04}"} for number in range(100)]

        assert page_of(*rows).has_more
        assert not page_of(*rows[:99]).has_more


class TestNothingFound:
    @pytest.mark.parametrize("how", ["1001", "list", "text"])
    def test_is_an_empty_page_in_each_form(self, adapter, daraja, how):
        daraja.engine.knobs.turn(pull_empty=how)

        page = adapter().pull(ASKED)

        assert (page.money, page.rows, page.has_more) == ((), 0, False)

    @pytest.mark.parametrize(
        "said",
        [
            {"Response": "[[]]"},
            {"Response": []},
            {"Response": None},
            {"Response": ""},
            {"ResponseCode": "1001", "Response": [[]]},
            {"Response Code": "1001", "ResponseCode": "1001"},
        ],
        ids=str,
    )
    def test_is_read_from_any_of_them(self, said):
        document = {"ResponseCode": "1000", **said}

        assert pull.read_page(document, "600100") == pull.PulledPage()


class TestReadingRows:
    def test_reads_one_row_without_a_list_around_it(self):
        row = {"transactionId": "TKX0000001", "amount": "1,234.50", "trxDate": "20261102101300"}

        page = page_of(Response=row)

        assert [(each.receipt_number, each.amount) for each in page.money] == [
            ("TKX0000001", Decimal("1234.50"))
        ]

    def test_reads_the_published_sample(self):
        document = json.loads(body_of("pull_response", "01-query-nested-list"))

        page = pull.read_page(document, "600100")

        first = page.money[0]
        assert page.rows == 5
        assert (first.receipt_number, first.amount) == ("YZLYRESRG1", Decimal("168.00"))
        assert first.paid_at.isoformat() == "2020-08-05T10:13:00+03:00"
        assert first.account_reference == "37207636392"
        # Eight digits are nobody's number, so nobody's is kept.
        assert first.msisdn == ""
        assert sum(money.amount for money in page.money) == Decimal("2471.00")

    def test_takes_a_list_written_as_text(self):
        assert page_of(Response=json.dumps([[ROW]])).rows == 1

    def test_takes_keys_with_spaces_and_a_list_that_is_not_nested(self):
        row = {"Transaction Id": "UKK5P70VVL", "Amount": "1.00"}

        assert page_of(Response=[row]).money[0].receipt_number == "UKK5P70VVL"

    def test_reads_a_reversal_by_the_receipt_it_names(self, adapter, daraja):
        one = adapter()
        one.register_pull(PullRegistration("254722000000", "https://pay.test/cb"))
        number = daraja.pay_c2b("600100", "150", reference="INV-7")
        reversal = daraja.reverse(number)

        page = one.pull(PullQuestion(NOW - timedelta(hours=1), NOW + timedelta(seconds=1)))

        (back,) = page.taken_back
        assert (back.receipt_number, back.original_number) == (reversal, number)
        assert back.amount == Decimal("150.00")
        assert len(page.money) == 1

    def test_takes_its_own_number_where_a_reversal_names_none(self):
        page = page_of({**ROW, "amount": "-168.00", "billreference": ""})

        assert page.taken_back[0].original_number == "UKK5P70VVL"

    @pytest.mark.parametrize(
        "change",
        [
            {"transactionId": ""},
            {"transactionId": None},
            {"transactionId": "no receipt at all"},
            {"amount": "0.00"},
            {"amount": "1.005"},
            {"amount": "12e3"},
            {"amount": None},
            {"amount": True},
        ],
        ids=str,
    )
    def test_counts_what_it_cannot_read_and_guesses_nothing(self, change):
        page = page_of(ROW, {**ROW, **change})

        assert (len(page.money), page.rows, page.unreadable) == (1, 2, 1)

    @pytest.mark.parametrize("written", ["soon", None, 20200805, "2020-08-05"], ids=str)
    def test_keeps_money_whose_time_cannot_be_read(self, written):
        assert page_of({**ROW, "trxDate": written}).money[0].paid_at is None

    def test_passes_over_what_is_no_row(self):
        assert page_of(Response=["x", 1, None, [ROW, "y", [[[ROW]]]]]).rows == 1


class TestErrors:
    @pytest.mark.parametrize(
        ("status", "content", "kind"),
        [
            (400, {"errorCode": "400.001", "errorMessage": "Invalid ShortCode"}, ProviderRefused),
            (401, {"errorCode": "401.001", "errorMessage": "Error Occurred"}, TokenRefused),
            (429, {"fault": {"faultstring": "Spike arrest"}}, ProviderBusy),
            (500, {"errorCode": "500.003.02", "errorMessage": "Busy"}, ProviderBusy),
            (500, {"errorCode": "500.001", "errorMessage": "Internal"}, OutcomeUnknown),
            (503, b"<html>", OutcomeUnknown),
            (200, b"", OutcomeUnknown),
            (200, {"ResponseCode": "2001", "Response": []}, OutcomeUnknown),
            (200, {"ResponseCode": "1000", "Response": "none"}, OutcomeUnknown),
            (200, {"Response": [[ROW]]}, OutcomeUnknown),
        ],
        ids=lambda value: getattr(value, "__name__", str(value))[:40],
    )
    def test_are_never_taken_for_no_money(self, answering, status, content, kind):
        answering(status, content)

        with pytest.raises(kind):
            ask()
