"""Bad input: answered as the contract says, kept where it must be, and nothing moves."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import uuid

import pytest
from django.core.wsgi import get_wsgi_application
from django.test import Client, override_settings
from django.utils import timezone

from payments.callback_urls import callback_path
from payments.models import Payment, ProviderCallback
from tests import payloads, world
from tests.client import ApiClient
from tests.poison import LOOKALIKES, POISON
from tests.routes import SAMPLES, api_routes, calls, path_for, subject_of

pytestmark = pytest.mark.django_db

KINDS = sorted(path.name for path in payloads.FOLDER.iterdir())
RECORDED = [
    pytest.param(body, id=f"{kind}/{name}")
    for kind in KINDS
    for name, body in payloads.bodies(kind)
]
WRITES = [(route, method) for route, method in calls() if method in {"POST", "PUT", "PATCH"}]
LISTS = ["payments", "payments/configs", "payments/manual", "receipts", "result-codes", "reviews"]
LISTS += ["webhook-endpoints"]
SALE = {"amount": "20", "phone_number": "0799000111"}
LARGEST_CALLBACK = 65_536
LARGEST_BODY = 16_384


@pytest.fixture(scope="module")
def corner(django_db_setup, django_db_blocker):
    with world.kept(django_db_blocker):
        yield world.furnish(name="Duka", number=60, now=timezone.now())


@pytest.fixture(scope="module")
def attempt(corner):
    """A prompt that waits for its customer."""
    checkout_id = world.checkout_id_of("Duka", "waiting")
    return world.prompt(corner, "here", checkout_id=checkout_id, now=timezone.now(), sale="-2")


@pytest.fixture(scope="module")
def admin(corner):
    return ApiClient(world.issue(corner.shop, "admin"))


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """No tracebacks, and no second thread that could not see this test's rows anyway."""
    monkeypatch.setattr("payments.api.callbacks.applier.ring", lambda: None)
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def nothing_moves(corner, attempt):
    before = list(Payment.objects.order_by("pk").values_list("pk", "status", "version"))
    yield
    assert list(Payment.objects.order_by("pk").values_list("pk", "status", "version")) == before


def knock(path, body, *, content_type="application/json", **environ):
    """Post to a callback address as a provider does."""
    client = Client(raise_request_exception=False)
    environ = {"REMOTE_ADDR": "196.201.214.200", **environ}
    return client.generic("POST", path, body, content_type=content_type, **environ)


def is_kept(body, count=1):
    """Tell whether the inbox holds these bytes, sealed, with their digest."""
    rows = ProviderCallback.objects.filter(digest=hashlib.sha256(body).hexdigest())
    return len(rows) == count and all(
        (row.body.reveal_bytes() if row.body else b"") == body and row.size == len(body)
        for row in rows
    )


def is_problem(response, status, code=None):
    """Tell whether an answer is a whole problem document, whose header agrees with its body."""
    body = response.json()
    return (
        response.status_code == body["status"] == status
        and response["Content-Type"] == "application/problem+json"
        and {"type", "title", "code", "detail", "errors", "message"} <= body.keys()
        and all(body["message"][language] for language in ("en", "sw"))
        and body["type"].endswith(body["code"])
        and str(body.get("retry_after", "")) == response.headers.get("Retry-After", "")
        and code in {None, body["code"]}
    )


@pytest.mark.usefixtures("nothing_moves")
class TestCallbacks:
    @pytest.mark.parametrize("body", RECORDED)
    def test_keep_every_recorded_body(self, attempt, body):
        """Also those of other services, and those about other prompts: none is about this one."""
        raw = body.encode()

        response = knock(callback_path("s", attempt.pk), raw)

        assert (response.status_code, response.json()) == (
            200,
            {"ResultCode": 0, "ResultDesc": "Accepted"},
        )
        assert is_kept(raw)

    @pytest.mark.parametrize("name", POISON)
    def test_keep_poison(self, attempt, name):
        body = POISON[name]
        response = knock(callback_path("s", attempt.pk), body)

        if len(body) > LARGEST_CALLBACK:
            assert is_problem(response, 413, "too_large")
            assert is_kept(body, 0)
        else:
            assert response.status_code == 200
            assert is_kept(body)

    @pytest.mark.parametrize(
        "content_type",
        [
            "",
            "text/plain",
            "multipart/form-data",
            "application/x-www-form-urlencoded",
            "\x00",
            "a" * 500,
        ],
    )
    def test_look_at_no_content_type(self, attempt, content_type):
        body = json.dumps({"n": content_type}).encode()

        assert (
            knock(callback_path("s", attempt.pk), body, content_type=content_type).status_code
            == 200
        )
        assert is_kept(body)

    def test_unpack_nothing(self, attempt):
        body = POISON["gzip"]

        assert (
            knock(callback_path("s", attempt.pk), body, HTTP_CONTENT_ENCODING="gzip").status_code
            == 200
        )
        assert is_kept(body)

    def test_keep_an_empty_body(self, attempt):
        assert knock(callback_path("s", attempt.pk), b"").status_code == 200
        assert is_kept(b"")

    def test_keep_each_of_many_equal_ones(self, attempt):
        for _time in range(3):
            assert knock(callback_path("s", attempt.pk), b"{}").status_code == 200

        assert is_kept(b"{}", 3)

    @pytest.mark.parametrize(("size", "status"), [(-1, 200), (0, 200), (1, 413), (100_000, 413)])
    def test_take_64_kibibytes(self, attempt, size, status):
        body = b"x" * (LARGEST_CALLBACK + size)

        assert knock(callback_path("s", attempt.pk), body).status_code == status
        assert is_kept(body, 1 if status == 200 else 0)

    def test_keep_what_nobody_asked_for(self):
        """An address with a good MAC for an attempt that is not there: kept, and about nobody."""
        response = knock(callback_path("s", uuid.uuid4()), b'{"Body": {}}')

        assert response.status_code == 200
        assert is_kept(b'{"Body": {}}')

    @pytest.mark.parametrize(
        "code",
        [
            False,
            None,
            [],
            {},
            [0],
            {"0": 0},
            0.5,
            -0.5,
            1e30,
            "00",
            "+0",
            "-0x",
            "0.",
            "0\x00",
            "zero",
            "\uff10",
            "\u0660",
            "0" * 40,
            "1032\x00",
            "1 032",
            "\u202e0",
            True,
            "",
            "null",
            "-",
            2**60,
        ],
        ids=repr,
    )
    def test_settle_nothing_by_a_code_nobody_knows(self, attempt, code):
        body = success_for(attempt, ResultCode=code)

        assert knock(callback_path("s", attempt.pk), json.dumps(body).encode()).status_code == 200

    @pytest.mark.parametrize(
        "literal",
        [
            "NaN",
            "Infinity",
            "1e999999999",
            "1e-400",
            "9" * 5_000,
            "-150",
            "[150]",
            "{}",
            "true",
            '"150 KES"',
            '"\\u0661\\u0665\\u0660"',
            '"\uff11\uff15\uff10"',
            '"1_50"',
            '"1e2"',
            "150.000001",
            "149.999999",
            "0",
            '"\\u0000"',
            "1.5e2000",
        ],
    )
    def test_complete_nothing_for_an_amount_that_is_none(self, attempt, literal):
        """
        What is no amount of 150.00 exactly completes nothing by itself, however it is written.

        150 and 150.00 and 1.5e2 would: they are that amount.
        """
        text = json.dumps(success_for(attempt)).replace("150", literal, 1)

        assert knock(callback_path("s", attempt.pk), text.encode()).status_code == 200

    @pytest.mark.parametrize("name", ["ResultCode", "CheckoutRequestID", "CallbackMetadata"])
    def test_believe_no_key_that_stands_twice(self, attempt, name):
        text = json.dumps(success_for(attempt))
        text = text.replace('{"MerchantRequestID"', f'{{"{name}": 1032, "MerchantRequestID"', 1)

        assert knock(callback_path("s", attempt.pk), text.encode()).status_code == 200
        assert is_kept(text.encode())


def success_for(attempt, **more):
    items = [
        {"Name": "Amount", "Value": 150},
        {"Name": "MpesaReceiptNumber", "Value": "SJ12ABCDEF"},
    ]
    callback = {
        "MerchantRequestID": "m",
        "CheckoutRequestID": attempt.checkout_request_id,
        "ResultCode": 0,
        "ResultDesc": "ok",
        "CallbackMetadata": {"Item": items},
    }
    return {"Body": {"stkCallback": {**callback, **more}}}


class TestAGoodCallback:
    def test_completes_the_payment(self, attempt):
        """Or the tests above would pass because no callback is ever applied."""
        body = json.dumps(success_for(attempt)).encode()

        assert knock(callback_path("s", attempt.pk), body).status_code == 200
        assert Payment.objects.get(pk=attempt.payment_id).status == "completed"


@pytest.mark.usefixtures("nothing_moves")
class TestCallbackAddresses:
    def wrong_paths(self, attempt):
        good = callback_path("s", attempt.pk)
        subject, mac = good.split("/")[3:]
        other = uuid.uuid4().hex
        return {
            "an extra slash": f"{good}/",
            "two slashes": good.replace("/cb/", "/cb//"),
            "upper case": f"/cb/s/{subject.upper()}/{mac.upper()}",
            "an upper-case id": f"/cb/s/{subject.upper()}/{mac}",
            "an upper-case MAC": f"/cb/s/{subject}/{mac.upper()}",
            "a short MAC": good[:-1],
            "a long MAC": f"{good}0",
            "no MAC": f"/cb/s/{subject}",
            "an empty MAC": f"/cb/s/{subject}/",
            "a wrong MAC": f"/cb/s/{subject}/{'0' * 32}",
            "one digit off": good[:-1] + ("1" if good[-1] != "1" else "2"),
            "another's MAC": f"/cb/s/{other}/{mac}",
            "an id with dashes": f"/cb/s/{attempt.pk}/{mac}",
            "another kind": f"/cb/c/{subject}/{mac}",
            "a line feed": f"{good}%0A",
            "a NUL": f"{good}%00",
            "a dot": f"{good}/.",
            "full-width digits": good.replace("0", "%EF%BC%90"),
            "no kind": "/cb/",
            "nothing": "/cb",
        }

    def test_are_right_or_do_not_exist(self, attempt):
        answers = {
            name: knock(path, json.dumps(success_for(attempt)).encode())
            for name, path in self.wrong_paths(attempt).items()
        }

        assert {name: r.status_code for name, r in answers.items()} == dict.fromkeys(answers, 404)
        assert ProviderCallback.objects.filter(subject_id=attempt.pk).count() == 0

    def test_are_checked_before_anything_else(self, attempt, django_assert_num_queries):
        """A wrong MAC costs no query, whatever the method and however large the body."""
        for path in self.wrong_paths(attempt).values():
            if not path.startswith("/cb/"):
                continue
            with django_assert_num_queries(0):
                assert knock(path, b"x" * 100_000).status_code == 404
                assert Client().get(path).status_code == 404

    @pytest.mark.parametrize(
        "method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
    )
    def test_take_only_post(self, attempt, method):
        response = Client().generic(method, callback_path("s", attempt.pk))

        assert response.status_code == 405
        assert response["Allow"] == "POST"

    def test_take_a_query_nobody_asked_for(self, attempt):
        assert knock(f"{callback_path('s', attempt.pk)}?a=1", b'{"q": 1}').status_code == 200
        assert is_kept(b'{"q": 1}')


def raw_request(path, body, **environ):
    """Call the application as a server does, with headers no client library would send."""
    answer = {}
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "196.201.214.200",
        "CONTENT_TYPE": "application/json",
        "wsgi.input": io.BytesIO(body),
        "wsgi.url_scheme": "http",
        "wsgi.errors": io.StringIO(),
        **environ,
    }

    def start_response(status, headers, exc_info=None):
        answer.update(status=int(status.split()[0]), headers=dict(headers))

    with world.one_connection():
        chunks = get_wsgi_application()(environ, start_response)
        answer["body"] = b"".join(chunks)
        chunks.close()
    return answer


@pytest.mark.usefixtures("nothing_moves")
class TestLengths:
    @pytest.mark.parametrize(
        ("length", "kept"),
        [
            (None, b""),
            ("", b""),
            ("-5", b""),
            ("abc", b""),
            ("5", b'{"n":'),
            ("9000", b'{"n": 1}'),
        ],
    )
    def test_that_lie_break_nothing(self, attempt, length, kept):
        given = {} if length is None else {"CONTENT_LENGTH": length}

        answer = raw_request(callback_path("s", attempt.pk), b'{"n": 1}', **given)

        assert answer["status"] == 200
        assert is_kept(kept)

    def test_beyond_the_limit_are_refused_unread(self, attempt):
        body = io.BytesIO(b"x")

        answer = raw_request(
            callback_path("s", attempt.pk), b"", **{"CONTENT_LENGTH": "65537", "wsgi.input": body}
        )

        assert (answer["status"], body.tell()) == (413, 0)

    @pytest.mark.parametrize(
        ("size", "status"), [(10, 200), (LARGEST_CALLBACK, 200), (LARGEST_CALLBACK + 1, 413)]
    )
    def test_are_not_needed_where_the_body_comes_in_chunks(self, attempt, size, status):
        body = b"c" * size

        answer = raw_request(
            callback_path("s", attempt.pk),
            body,
            **{"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True},
        )

        assert answer["status"] == status
        assert is_kept(body, 1 if status == 200 else 0)

    @pytest.mark.parametrize("length", ["-5", "abc", "", "99999999999999999999"])
    def test_that_lie_break_no_call(self, admin, length):
        answer = raw_request(
            "/api/v1/payments/configs",
            b"{}",
            CONTENT_LENGTH=length,
            HTTP_AUTHORIZATION=f"Bearer {admin.key}",
        )

        assert 400 <= answer["status"] < 500
        assert json.loads(answer["body"])["status"] == answer["status"]


@pytest.mark.usefixtures("nothing_moves")
class TestBodiesOfTheApi:
    @pytest.mark.parametrize(("route", "method"), WRITES)
    def test_of_poison_are_refused(self, admin, corner, route, method):
        before = world.money_now()
        path = path_for(route, subject_of(route, corner))
        for name, body in POISON.items():
            response = admin.send(method, path, body, Idempotency_Key="poison")

            assert response.status_code in {400, 413}, name
            assert is_problem(response, 413 if len(body) > LARGEST_BODY else 400), name
        assert world.money_now() == before

    @pytest.mark.parametrize(("route", "method"), WRITES)
    def test_are_json_of_a_fair_size(self, admin, corner, route, method):
        path = path_for(route, subject_of(route, corner))
        send = {"Idempotency_Key": "size"}
        padded = b"{" + b" " * (LARGEST_BODY - 1) + b"}"

        assert is_problem(admin.send(method, path, padded, **send), 413, "too_large")
        for content_type in (
            "text/plain",
            "application/xml",
            "multipart/form-data; boundary=x",
            "image/png",
        ):
            response = admin.send(method, path, b"{}", content_type=content_type, **send)
            assert is_problem(response, 415, "unsupported_media_type")

    @pytest.mark.parametrize(("route", "method"), WRITES)
    def test_have_no_field_nobody_knows(self, admin, corner, route, method):
        path = path_for(route, subject_of(route, corner))
        body = {**SAMPLES[route].bodies.get(method, {}), "amout": 1}

        response = admin.send(method, path, body, Idempotency_Key="unknown")

        assert is_problem(response, 400, "invalid")
        assert {(e["field"], e["code"]) for e in response.json()["errors"]} == {
            ("amout", "unknown_field")
        }

    def test_nest_no_deeper_than_sixteen(self, admin, daraja):
        response = admin.post("/payments", nested(17), Idempotency_Key="deep")

        assert is_problem(response, 400, "invalid")
        assert [error["code"] for error in response.json()["errors"]] == ["too_deep"]


def nested(depth):
    """Return a good sale that is nested so deep; its own object is the first level."""
    inner = "[" * (depth - 2) + "]" * (depth - 2)
    return f'{{"amount": 20, "phone_number": "0799000111", "metadata": {{"a": {inner}}}}}'.encode()


@pytest.mark.usefixtures("nothing_moves")
class TestASale:
    """The forms of safety.md section 9, one field at a time; whatever is wrong prompts nobody."""

    def refusal(self, admin, daraja, **fields):
        body = {**SALE, **fields}
        response = admin.post("/payments", body, Idempotency_Key="bad")
        assert response.status_code == 400, fields
        assert is_problem(response, 400)
        assert daraja.prompts_sent == 0
        return response.json()

    @pytest.mark.parametrize(
        "amount",
        [*LOOKALIKES, 0, -1, 1.5, 150.0, True, None, [], {}, [150], 10**6, 10**20],
        ids=repr,
    )
    def test_has_whole_shillings(self, admin, daraja, amount):
        answer = self.refusal(admin, daraja, amount=amount)

        assert answer["code"] == "invalid"
        assert [error["field"] for error in answer["errors"]] == ["amount"]

    @pytest.mark.parametrize("amount", [250_001, "999999"])
    def test_is_within_the_limits(self, admin, daraja, amount):
        assert self.refusal(admin, daraja, amount=amount)["code"] == "amount_out_of_range"

    @pytest.mark.parametrize(
        "phone",
        [
            "",
            " ",
            "0",
            "071234567",
            "07123456789",
            "0212345678",
            "0812345678",
            "254812345678",
            "2547123456789",
            "+1 415 555 2671",
            "00254712345678",
            "07123 4567a",
            "\uff10\uff17\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18",
            "\u0660\u0667\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668",
            "0712345678\u202e",
            "0712\u200b345678",
            "0712345678\x00",
            "0712.345.678",
            "(0712) 345678",
            "tel:0712345678",
            "0712345678;ext=1",
            "+0712345678",
            "712345678712345678",
            "0" * 40,
        ],
        ids=ascii,
    )
    def test_has_a_kenyan_number(self, admin, daraja, phone):
        assert self.refusal(admin, daraja, phone_number=phone)["code"] in {
            "invalid_phone_number",
            "invalid",
        }

    @pytest.mark.parametrize(
        "phone", [712345678, 254712345678, None, [], {"n": "0712345678"}, True]
    )
    def test_has_its_number_as_text(self, admin, daraja, phone):
        assert self.refusal(admin, daraja, phone_number=phone)["code"] == "invalid"

    @pytest.mark.parametrize(
        ("field", "values"),
        [
            (
                "order_ref",
                [
                    "a b",
                    "a" * 65,
                    "\u00e9",
                    "a\x00",
                    "<script>",
                    "a\n",
                    "\uff21",
                    7,
                    [],
                    {},
                    "a;b",
                    "=1+1",
                ],
            ),
            (
                "account_reference",
                [
                    "a" * 13,
                    "\u00e9" * 13,
                    "\u0416",
                    "\u00bd",
                    "\uff11",
                    "a\u0336",
                    "\u00df",
                    "a\x07",
                    7,
                    [],
                    "\u202eabc",
                    "a&b",
                ],
            ),
            ("description", ["a" * 14, "\u00e9" * 14, "\u0645", "\u00b2", "\u2764", "a\tb", 7, {}]),
            ("purpose", ["Rent", "a b", "a" * 33, 7, []]),
            ("provider", ["mpesa", "MPESA_TILL", 7, [], "", " mpesa_till"]),
            ("branch", ["x", 7, [], "", "0" * 32, "{00000000-0000-4000-8000-000000000000}"]),
            ("metadata", ["x", 7, [], {"a": "\x00"}, {"\u202e": 1}]),
            ("second_sale", ["true", 1, "yes", [], 0]),
            ("shop", ["x", 7, "00000000-0000-4000-8000-000000000000"]),
            ("environment", ["production", "x", 7, []]),
        ],
    )
    def test_has_fields_of_their_form(self, admin, daraja, field, values):
        for value in values:
            answer = self.refusal(admin, daraja, **{field: value})

            assert {error["field"].partition(".")[0] for error in answer["errors"]} == {field}, (
                value
            )

    @pytest.mark.parametrize("field", ["amount", "phone_number"])
    def test_misses_nothing(self, admin, daraja, field):
        body = {name: value for name, value in SALE.items() if name != field}
        response = admin.post("/payments", body, Idempotency_Key="missing")

        assert is_problem(response, 400)
        assert [error["field"] for error in response.json()["errors"]] == [field]
        assert daraja.prompts_sent == 0

    @pytest.mark.parametrize(
        "key", ["", " ", "k" * 256, "k\u00e9", "\u0661", " k", "k\tk"], ids=ascii
    )
    def test_has_a_key_of_its_own(self, admin, daraja, key):
        given = {"Idempotency-Key": key} if key else {}

        response = admin.post("/payments", SALE, **given)

        assert is_problem(response, 400)
        assert daraja.prompts_sent == 0

    def test_needs_the_key_first(self, admin):
        assert is_problem(admin.post("/payments", SALE), 400, "idempotency_key_required")


class TestAGoodSale:
    @pytest.mark.parametrize(
        "phone",
        [
            "0799000111",
            "0110000111",
            "799000111",
            "110000111",
            "254799000111",
            "254110000111",
            "+254799000111",
            "0799 000 111",
            "0799-000-111",
            " 0799000111 ",
            "+254 799-000 111",
        ],
    )
    def test_takes_every_form_of_a_number(self, admin, daraja, corner, phone):
        response = admin.post(
            "/payments", {"amount": 20, "phone_number": phone}, Idempotency_Key="good"
        )

        assert response.status_code == 201
        assert daraja.prompts_sent == 1
        digits = phone.replace(" ", "").replace("-", "")[-9:]
        assert Payment.objects.get(pk=response.json()["id"]).phone.reveal() == f"254{digits}"

    @pytest.mark.parametrize("amount", [1, "1", 20, "250000", 250_000])
    def test_takes_whole_shillings(self, admin, daraja, corner, amount):
        response = admin.post("/payments", {**SALE, "amount": amount}, Idempotency_Key="good")

        assert response.status_code == 201
        assert response.json()["amount"] == f"{amount}.00"

    def test_nests_sixteen_deep(self, admin, daraja, corner):
        assert admin.post("/payments", nested(16), Idempotency_Key="deep").status_code == 201

    def test_keeps_what_is_the_callers_own(self, admin, daraja, corner):
        more = {
            "order_ref": "Ab9._/-",
            "account_reference": "INV 7/2",
            "description": "Two sodas",
            "purpose": "rent",
            "metadata": {"note": "Asante sana \u2764", "e\u0301": [1, None, True], "n": 1.5},
        }

        body = admin.post("/payments", {**SALE, **more}, Idempotency_Key="own").json()

        assert {name: body[name] for name in more} == more

    def test_writes_accents_as_plain_letters(self, admin, daraja, corner):
        # Thirteen signs as Apple's keyboards send it: measured after folding, as Daraja counts.
        more = {
            "account_reference": "Cafe\u0301 Na\u00efrobi",
            "description": "Mama\u2019s \u201cch\u00e2i\u201d",
        }

        body = admin.post("/payments", {**SALE, **more}, Idempotency_Key="folded").json()

        assert (body["account_reference"], body["description"]) == (
            "Cafe Nairobi",
            'Mama\'s "chai"',
        )
        assert daraja.prompts_sent == 1
        found = admin.get("/payments", {"account_reference": more["account_reference"]}).json()
        assert [row["id"] for row in found["results"]] == [body["id"]]


class TestAddresses:
    @pytest.mark.parametrize("route", LISTS)
    @pytest.mark.parametrize(
        "limit",
        [
            "0",
            "201",
            "-1",
            "1.0",
            "1e2",
            "",
            " ",
            "abc",
            "\u0661",
            "\uff11",
            "1_0",
            "+5",
            "0x5",
            "9" * 400,
            "None",
            "5,5",
            "\x00",
        ],
        ids=ascii,
    )
    def test_have_a_limit_of_1_to_200(self, admin, corner, route, limit):
        assert is_problem(admin.get(f"/{route}", {"limit": limit}), 400, "invalid")

    @pytest.mark.parametrize("route", LISTS)
    @pytest.mark.parametrize("limit", ["1", "200"])
    def test_may_go_to_the_edge(self, admin, corner, route, limit):
        assert admin.get(f"/{route}", {"limit": limit}).status_code == 200

    @pytest.mark.parametrize("route", LISTS)
    @pytest.mark.parametrize(
        "cursor",
        [
            "x",
            "-1",
            "cD0=",
            "cD0yMDI2",
            "cD0yMDI2LTExLTIw",
            "bz05OTk5OTk5",
            "\u0661",
            "%",
            "=" * 9,
            "A" * 5_000,
            "\x00",
            "cD0A",
            "cj0xJnA9Jw==",
            "cD0yMDI2LTExLTIwVDAwOjAwOjAwLTIwOjM1",  # a time in a zone of twenty hours
        ],
        ids=lambda value: ascii(value[:12]),
    )
    def test_have_a_cursor_that_was_ours(self, admin, corner, route, cursor):
        response = admin.get(f"/{route}", {"cursor": cursor})

        assert is_problem(response, 400, "invalid")

    @pytest.mark.parametrize(
        "route", [route for route in SAMPLES if SAMPLES[route].of in {"config", "payment"}]
    )
    @pytest.mark.parametrize(
        "subject",
        [
            "1",
            "x",
            "0" * 32,
            "%00",
            "..",
            "%2e%2e%2fme",
            "' OR 1=1 --",
            "\u0660" * 36,
            "00000000-0000-4000-8000-00000000000G",
            "%F0%28",
        ],
        ids=ascii,
    )
    def test_have_ids_of_one_form(self, admin, route, subject):
        assert is_problem(admin.get(path_for(route, subject)), 404, "not_found")

    @pytest.mark.parametrize("code", ["%00", "x" * 3_000, "\u0660", "1032%0A", "..", "%FF", "0 "])
    def test_have_codes_that_are_known(self, admin, code):
        assert is_problem(admin.get(f"/result-codes/{code}"), 404, "not_found")

    @pytest.mark.parametrize("route", [route for route, method in calls() if method == "GET"])
    def test_have_no_parameter_nobody_knows(self, admin, corner, route):
        for query in ("colour=red", "%00=1", "limt=5", "\u202e=1", "limit[]=5"):
            response = admin.get(f"{path_for(route, subject_of(route, corner))}?{query}")

            assert is_problem(response, 400, "invalid"), query

    @pytest.mark.parametrize(
        ("name", "values"),
        [
            ("status", ["Completed", "x", "", "completed,failed", "\x00"]),
            ("provider", ["mpesa", "\x00"]),
            ("branch", ["x", "\x00", "0" * 32]),
            ("config", ["x", "%"]),
            (
                "created_after",
                [
                    "yesterday",
                    "2026-11-20",
                    "2026-11-20T10:00:00",
                    "0000-00-00T00:00:00Z",
                    "2026-13-01T00:00:00Z",
                    "9999-12-31T23:59:59-14:00",
                    "2026-11-20T25:00:00Z",
                    "2026-11-20T10:00:00+99:99",
                    "0001-01-01T00:00:00+10:00",
                    "\u0662",
                ],
            ),
            ("phone_number", ["x", "\x00", "0812345678", "9" * 400]),
            ("receipt_number", ["\x00", "a" * 33, "\u202e"]),
            ("order_ref", ["\x00", "a" * 65]),
            ("checkout_request_id", ["\x00", "a" * 65]),
            ("origin", ["PROMPT", "x", "\x00", ""]),
            ("account_reference", ["\x00", "a" * 13]),
            ("environment", ["x", "production"]),
            ("shop", ["x"]),
        ],
    )
    def test_have_filters_of_their_form(self, admin, corner, name, values):
        for value in values:
            response = admin.get("/payments", {name: value})

            assert is_problem(response, 400, "invalid"), value
            assert [error["field"] for error in response.json()["errors"]] == [name]

    @pytest.mark.parametrize("zone", ["+15:59", "-20:35", "+23:59", "Z", "+03:00"])
    def test_take_a_time_of_any_zone(self, admin, corner, zone):
        response = admin.get("/payments", {"created_after": f"2026-11-20T10:00:00{zone}"})

        assert response.status_code == 200

    def test_have_each_parameter_once(self, admin, corner):
        assert is_problem(admin.get("/payments?limit=5&limit=6"), 400, "invalid")

    @pytest.mark.parametrize("wait", ["-1", "26", "x", "1.5", "\u0661", ""])
    def test_wait_at_most_25_seconds(self, admin, corner, wait):
        payment = corner.payments["here"].pk

        assert is_problem(admin.get(f"/payments/{payment}", {"wait": wait}), 400, "invalid")


class TestEveryAnswer:
    @pytest.mark.parametrize("given", ["till-7.4711", "a", "A:b_c-d.1", "x" * 100])
    def test_echoes_a_harmless_request_id(self, admin, given):
        assert admin.get("/me", X_Request_ID=given)["X-Request-ID"] == given

    @pytest.mark.parametrize(
        "given",
        [
            "",
            "x" * 101,
            "a b",
            "a\tb",
            '"',
            "<b>",
            "a;b",
            "\u00e9",
            "\u0661",
            "a,b",
            "{x}",
            "%0d%0aSet-Cookie:a",
        ],
        ids=ascii,
    )
    def test_makes_another_for_a_harmful_one(self, admin, given):
        made = admin.get("/me", X_Request_ID=given)["X-Request-ID"]

        assert str(uuid.UUID(made)) == made

    @override_settings(API_RATE_PER_KEY_PER_MINUTE=7)
    def test_tells_the_rate(self, admin, corner):
        cashier = ApiClient(world.issue(corner.shop, "cashier"))
        stranger = ApiClient()
        answers = {
            "200": cashier.get("/me"),
            "403": cashier.get("/payments/configs"),
            "404": cashier.get(f"/payments/{uuid.uuid4()}"),
            "405": cashier.post("/me", {}),
            "415": cashier.post("/payments", b"", content_type="text/plain", Idempotency_Key="k"),
            "400": cashier.get("/payments?limit=0"),
            "no route": cashier.get("/nowhere"),
            "401": stranger.get("/me"),
        }

        assert {name: r["RateLimit-Limit"] for name, r in answers.items()} == dict.fromkeys(
            answers, "7"
        )
        left = [int(answers[name]["RateLimit-Remaining"]) for name in ("200", "403", "404", "405")]
        assert left == [6, 5, 4, 3]
        assert all(0 <= int(r["RateLimit-Reset"]) <= 60 for r in answers.values())

    @override_settings(API_RATE_PER_KEY_PER_MINUTE=2)
    def test_says_when_to_come_back(self, corner):
        till = ApiClient(world.issue(corner.shop, "cashier"))
        answers = [till.get("/me") for _time in range(3)]

        assert [r.status_code for r in answers] == [200, 200, 429]
        assert is_problem(answers[2], 429, "rate_limited")
        assert 1 <= int(answers[2]["Retry-After"]) <= 60
        assert answers[2]["Retry-After"] == answers[2]["RateLimit-Reset"]

    def test_is_a_problem_when_it_is_an_error_of_ours(self, admin, monkeypatch):
        for route in api_routes():
            monkeypatch.setattr(
                f"{api_routes()[route].__module__}.{api_routes()[route].__name__}.initial", _fail
            )
            response = admin.get(path_for(route, uuid.uuid4()))

            assert is_problem(response, 500, "unavailable")
            assert "canary" not in response.text

    def test_is_kept_in_no_cache_and_sets_no_cookie(self, admin):
        for response in (admin.get("/me"), ApiClient().get("/me"), admin.get("/nowhere")):
            assert "Set-Cookie" not in response
            assert "public" not in response.headers.get("Cache-Control", "")


def _fail(*_args, **_kwargs):
    raise RuntimeError("canary")
