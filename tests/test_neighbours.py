"""
The walls between shops, branches and worlds: what is not yours does not exist.

A neighbour's answer about somebody's row equals the answer about a row that never was, to the
byte but for the id; no list, filter, search box or drop-down shows that anybody else is there.
"""

from __future__ import annotations

import logging
import re
from datetime import timedelta
from urllib.parse import quote

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.models import AuditEntry
from payments.models import Attempt, Payment
from tenants import services as tenants
from tenants.admin_base import ShopScopedModelAdmin
from tenants.models import User
from tenants.roles import Role
from tests import world
from tests.client import ApiClient
from tests.routes import SAMPLES, api_routes, calls, model_admins, path_for, send, subject_of

pytestmark = pytest.mark.django_db

NO_SUCH_ID = "00000000-0000-4000-8000-000000000000"
WITH_ID = [
    (route, method)
    for route, method in calls()
    if SAMPLES[route].of in {"config", "payment", "receipt", "review", "webhook", "delivery"}
]
WITHOUT_ID = [route for route, method in calls() if method == "GET" and "<" not in route]
SCOPED = sorted(n for n, each in model_admins().items() if isinstance(each, ShopScopedModelAdmin))
OURS = sorted(n for n, each in model_admins().items() if hasattr(each, "object_actions"))
_BY_WORLD = (
    "payments_payment",
    "payments_review",
    "payments_receipt",
    "payments_unallocatedreceipt",
)
_CHANGING = (
    # What differs between any two answers: ids, tokens, nonces.
    re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
    re.compile(r"[0-9a-f]{32}"),
    re.compile(r'name="csrfmiddlewaretoken" value="[^"]*"'),
    re.compile(r'nonce="[^"]*"'),
)


@pytest.fixture(scope="module")
def ours(django_db_setup, django_db_blocker):
    with world.kept(django_db_blocker):
        corner = world.furnish(name="Kwetupale", number=60, now=timezone.now())
        world.let_support_in(corner, now=timezone.now())
        yield corner


@pytest.fixture(scope="module")
def theirs(ours):
    """The neighbour, who looks over the wall."""
    corner = world.furnish(name="Jiranipale", number=70, now=timezone.now())
    world.let_support_in(corner, now=timezone.now())
    return corner


@pytest.fixture(autouse=True)
def quiet():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def nothing_moves(ours, theirs):
    """Whoever only knocks changes nothing, on either side."""
    before = world.money_now()
    yield
    assert world.money_now() == before


def same_answer(one, other):
    return (one.status_code, plain(one)) == (other.status_code, plain(other))


def plain(response):
    text = response.content.decode()
    for pattern in _CHANGING:
        text = pattern.sub("*", text)
    return text


def leaks(response, corner, *asked):
    """Return the marks of a shop in an answer, apart from what was asked for by its name."""
    text = response.content.decode() + str(dict(response.headers))
    for term in map(str, asked):
        for echo in (term, quote(term), quote(quote(term))):
            text = text.replace(echo, "")
    return {mark for mark in corner.marks() if mark in text}


@pytest.fixture(scope="module")
def outsiders(ours, theirs):
    """Keys to which our rows of the branch "here", in the sandbox, do not exist."""
    elsewhere, shop = ours.branches["elsewhere"], ours.shop
    keys = {
        "the neighbour": world.issue(theirs.shop, "admin"),
        "the neighbour's branch": world.issue(theirs.shop, "admin", branch=theirs.branches["here"]),
        "the other world": world.issue(shop, "admin", environment="production"),
        "the other branch": world.issue(shop, "admin", branch=elsewhere),
        "the other branch's till": world.issue(shop, "cashier", branch=elsewhere),
    }
    return {name: ApiClient(text) for name, text in keys.items()}


@pytest.mark.usefixtures("nothing_moves")
class TestRowsOfTheApi:
    @pytest.mark.parametrize(("route", "method"), WITH_ID)
    def test_do_not_exist_for_others(self, outsiders, ours, route, method):
        body = SAMPLES[route].bodies.get(method)
        for name, client in outsiders.items():
            there = send(client, method, path_for(route, subject_of(route, ours)), body)
            nowhere = send(client, method, path_for(route, NO_SUCH_ID), body)

            assert there.status_code in {403, 404}, name
            assert same_answer(there, nowhere), name
            assert leaks(there, ours) == set(), name

    @pytest.mark.parametrize(("route", "method"), WITH_ID)
    def test_of_production_do_not_exist_for_test_keys(self, ours, route, method):
        client = ApiClient(world.issue(ours.shop, "admin"))
        body = SAMPLES[route].bodies.get(method)

        there = send(client, method, path_for(route, subject_of(route, ours, "live")), body)

        assert there.status_code == 404
        assert same_answer(there, send(client, method, path_for(route, NO_SUCH_ID), body))

    @pytest.mark.parametrize("route", [route for route, method in WITH_ID if method == "GET"])
    def test_exist_for_their_owner(self, ours, route):
        """Or the tests above would pass because nothing is ever found."""
        client = ApiClient(world.issue(ours.shop, "admin"))

        assert client.get(path_for(route, subject_of(route, ours))).status_code == 200

    def test_of_yesterday_do_not_exist_for_a_cashier(self, ours):
        payment = ours.payments["here"]
        Payment.objects.filter(pk=payment.pk).update(
            created_at=yesterday(), version=payment.version
        )
        till = ApiClient(world.issue(ours.shop, "cashier"))
        manager = ApiClient(world.issue(ours.shop, "manager"))

        assert till.get(f"/payments/{payment.pk}").status_code == 404
        assert same_answer(till.get(f"/payments/{payment.pk}"), till.get(f"/payments/{NO_SUCH_ID}"))
        assert str(payment.pk) not in till.get("/payments").text
        assert manager.get(f"/payments/{payment.pk}").status_code == 200


@pytest.mark.usefixtures("nothing_moves")
class TestListsOfTheApi:
    @pytest.mark.parametrize("route", WITHOUT_ID)
    def test_show_nobody_else(self, outsiders, ours, route):
        for name in ("the neighbour", "the neighbour's branch"):
            response = outsiders[name].get(f"/{route}")

            assert response.status_code in {200, 403, 404}, name
            assert leaks(response, ours) == set(), name

    @pytest.mark.parametrize("route", ["payments", "payments/configs"])
    def test_keep_to_the_branch_and_the_world(self, outsiders, ours, route):
        rows = {"payments": ours.payments, "payments/configs": ours.configs}[route]
        shown = {
            name: {row["id"] for row in outsiders[name].get(f"/{route}").json()["results"]}
            for name in ("the other branch", "the other world")
        }

        assert shown["the other branch"] == {str(rows["elsewhere"].pk)}
        assert shown["the other world"] == {str(rows["live"].pk)}

    @pytest.mark.parametrize("route", [route for route in WITHOUT_ID if route != "result-codes"])
    def test_refuse_to_name_another_shop(self, outsiders, ours, route):
        client = outsiders["the neighbour"]
        for name, value in (("shop", ours.shop.pk), ("environment", "production")):
            response = client.get(f"/{route}", {name: value})

            assert response.status_code == 400, (route, name)
            assert [error["field"] for error in response.json()["errors"]] == [name]

    def test_find_nothing_of_others(self, outsiders, ours):
        payment = ours.payments["here"]
        attempt = Attempt.objects.get(payment=payment)
        terms = {
            "receipt_number": payment.receipt_number,
            "order_ref": payment.order_ref,
            "account_reference": payment.account_reference,
            "checkout_request_id": attempt.checkout_request_id,
            "phone_number": payment.phone.reveal(),
            "config": payment.config_id,
            "branch": payment.branch_id,
        }
        owner = ApiClient(world.issue(ours.shop, "admin"))
        for name, term in terms.items():
            assert len(owner.get("/payments", {name: term}).json()["results"]) == 1, name
            for who in outsiders:
                response = outsiders[who].get("/payments", {name: term})

                assert response.json()["results"] == [], (who, name)

    @pytest.mark.parametrize(
        "route",
        ["payments/stats", "payments/readiness", "payments/active-config", "payments/configs"],
    )
    def test_know_no_branch_of_others(self, outsiders, ours, route):
        for name, client in outsiders.items():
            if client.get(f"/{route}").status_code == 403:
                continue
            if name == "the other world":  # its key is of the whole shop, this branch too
                continue
            there = client.get(f"/{route}", {"branch": str(ours.branches["here"].pk)})
            nowhere = client.get(f"/{route}", {"branch": NO_SUCH_ID})

            assert same_answer(there, nowhere), name
            assert leaks(there, ours, ours.branches["here"].pk) == set(), name

    @pytest.mark.parametrize("route", ["payments", "payments/configs"])
    def test_take_no_branch_of_others_in_a_body(self, outsiders, ours, route):
        body = SAMPLES[route].bodies["POST"]
        client = outsiders["the neighbour"]

        there = send(client, "POST", f"/{route}", {**body, "branch": str(ours.branches["here"].pk)})
        nowhere = send(client, "POST", f"/{route}", {**body, "branch": NO_SUCH_ID})

        assert there.status_code == 400
        assert same_answer(there, nowhere)

    def test_go_on_from_no_page_of_others(self, outsiders, ours):
        """A cursor is a time, not a right: it shows the neighbour's own rows and no other."""
        owner = ApiClient(world.issue(ours.shop, "admin"))
        cursor = owner.get("/payments", {"limit": 1}).json()["next"].partition("cursor=")[2]

        response = outsiders["the neighbour"].client.get(
            f"/api/v1/payments?cursor={cursor}",
            headers={"Authorization": f"Bearer {outsiders['the neighbour'].key}"},
        )

        assert response.status_code == 200
        assert leaks(response, ours) == set()

    def test_have_no_route_that_was_not_walked(self):
        walked = {route for route, _method in WITH_ID} | set(WITHOUT_ID)
        walked |= {"result-codes/<str:code>"}  # the same table for everybody
        walked |= {"receipts/claim", "receipts/check"}  # walked by TestReceipts

        assert walked == api_routes().keys()


@pytest.mark.usefixtures("nothing_moves")
class TestReceipts:
    def test_are_claimed_by_nobody_else(self, outsiders, ours):
        """Neither what waits nor what was used: both are as absent as a number made up."""
        for receipt in (ours.unallocated["here"], ours.receipts["here"]):
            asked = {"order_ref": "NEW-1", "amount": f"{receipt.amount:.2f}"}
            for name, client in outsiders.items():
                there, nowhere = (
                    client.post(
                        "/receipts/claim",
                        {**asked, "receipt_number": number},
                        **{"Idempotency-Key": "walls"},
                    )
                    for number in (receipt.number, "TKL0000000")
                )

                assert there.status_code == 404, name
                assert same_answer(there, nowhere), name

    def test_are_checked_by_nobody_else(self, outsiders, ours):
        """A number of the same day that never was gets the same answer."""
        number = ours.unallocated["here"].number
        for name, client in outsiders.items():
            there, nowhere = (
                client.post("/receipts/check", {"receipt_number": each})
                for each in (number, f"{number[:3]}ZZZZZZZ")
            )

            assert there.json()["receipt"] is None, name
            assert same_answer(there, nowhere), name

    def test_keep_to_the_branch_and_the_world(self, outsiders, ours):
        for name, place in (("the other branch", "elsewhere"), ("the other world", "live")):
            shown = outsiders[name].get("/receipts").json()["results"]

            assert {row["id"] for row in shown} == {
                str(ours.receipts[place].pk),
                str(ours.unallocated[place].pk),
            }

    def test_are_found_by_nobody_else(self, outsiders, ours):
        owner = ApiClient(world.issue(ours.shop, "admin"))
        receipt = ours.unallocated["here"]
        terms = {"receipt_number": receipt.number, "branch": ours.branches["here"].pk}
        for name, term in terms.items():
            assert owner.get("/receipts", {name: term}).json()["results"], name
            for who in outsiders:
                response = outsiders[who].get("/receipts", {name: term})

                assert response.json()["results"] == [], (who, name)


class TestIdempotencyKeys:
    def test_are_each_shops_own(self, ours, theirs, daraja):
        sale = {"amount": 20, "phone_number": "0799000111"}
        answers = [
            ApiClient(world.issue(corner.shop, "admin")).post(
                "/payments", sale, **{"Idempotency-Key": "the-same"}
            )
            for corner in (ours, theirs)
        ]

        assert [response.status_code for response in answers] == [201, 201]
        assert answers[0].json()["id"] != answers[1].json()["id"]
        assert "Idempotent-Replayed" not in answers[1]


def yesterday():
    return timezone.now() - timedelta(hours=25)


@pytest.fixture(scope="module")
def browser(theirs):
    """The neighbour's admin in the back office."""
    client = Client()
    client.force_login(theirs.users["admin"])
    return client


@pytest.fixture(scope="module")
def rows(ours):
    """One row of ours in every room, by admin."""
    return {
        "tenants_branch": ours.branches["here"],
        "tenants_membership": ours.members["cashier"],
        "tenants_apikey": ours.key,
        "payments_payment": ours.payments["here"],
        "payments_paymentconfig": ours.configs["here"],
        "payments_providercallback": ours.callbacks["here"],
        "payments_review": ours.reviews["here"],
        "payments_notice": world.notice_of(ours),
        "tenants_shopsettings": ours.shop,
        "payments_receipt": ours.receipts["here"],
        "payments_receiptcheck": world.check_of(ours),
        "payments_unallocatedreceipt": ours.unallocated["here"],
        "payments_refund": world.refund_of(ours),
        "payments_providerrequest": world.request_of(ours),
        "payments_accountbalance": world.balance_of(ours),
        "reconciliation_statementimport": world.statement_of(ours),
        "reconciliation_shift": world.shift_of(ours),
        "reconciliation_run": world.run_of(ours),
        "reconciliation_configbearer": world.bearer_of(ours),
        "reconciliation_exceptionitem": ours.reviews["here"],
        "reconciliation_replay": world.replay_of(ours),
        "payments_goliveapproval": world.approval_of(ours),
        "payments_webhookendpoint": ours.webhooks["here"],
        "payments_webhookdelivery": ours.deliveries["here"],
        "tenants_supportaccess": ours.access,
        "audit_auditentry": AuditEntry.objects.filter(shop=ours.shop).first(),
    }


def pages_of(name, pk):
    """Return every address of one row that answers GET, and those that take a POST."""
    pages = [reverse(f"admin:{name}_{page}", args=[pk]) for page in ("change", "history", "delete")]
    actions = getattr(model_admins()[name], "object_actions", ())
    return [*pages, *(reverse(f"admin:{name}_do", args=[pk, spec.method]) for spec in actions)]


@pytest.mark.usefixtures("nothing_moves")
class TestTheBackOffice:
    def test_has_a_row_in_every_room(self, rows):
        assert rows.keys() == set(SCOPED)

    @pytest.mark.parametrize("name", SCOPED)
    def test_has_no_row_of_others(self, browser, ours, rows, name):
        pairs = zip(pages_of(name, rows[name].pk), pages_of(name, NO_SUCH_ID), strict=True)
        for there, nowhere in pairs:
            for method in ("get", "post"):
                given = (
                    {"reason": "walls", "name": "Taken", "post": "yes"} if method == "post" else {}
                )
                answer = getattr(browser, method)(there, given)

                assert answer.status_code in {403, 404}, (method, there)
                assert same_answer(answer, getattr(browser, method)(nowhere, given))
                assert leaks(answer, ours, rows[name].pk) == set()

    @pytest.mark.parametrize("name", SCOPED)
    def test_has_its_own_rows(self, theirs, browser, name):
        """Or the test above would pass because nothing is ever found."""
        own = {
            "tenants_branch": theirs.branches["here"],
            "tenants_membership": theirs.members["cashier"],
            "tenants_apikey": theirs.key,
            "payments_payment": theirs.payments["here"],
            "payments_paymentconfig": theirs.configs["here"],
            "payments_providercallback": theirs.callbacks["here"],
            "payments_review": theirs.reviews["here"],
            "payments_notice": world.notice_of(theirs),
            "tenants_shopsettings": theirs.shop,
            "payments_receipt": theirs.receipts["here"],
            "payments_receiptcheck": world.check_of(theirs),
            "payments_unallocatedreceipt": theirs.unallocated["here"],
            "payments_refund": world.refund_of(theirs),
            "payments_providerrequest": world.request_of(theirs),
            "payments_accountbalance": world.balance_of(theirs),
            "reconciliation_statementimport": world.statement_of(theirs),
            "reconciliation_shift": world.shift_of(theirs),
            "reconciliation_run": world.run_of(theirs),
            "reconciliation_configbearer": world.bearer_of(theirs),
            "reconciliation_exceptionitem": theirs.reviews["here"],
            "reconciliation_replay": world.replay_of(theirs),
            "payments_goliveapproval": world.approval_of(theirs),
            "payments_webhookendpoint": theirs.webhooks["here"],
            "payments_webhookdelivery": theirs.deliveries["here"],
            "tenants_supportaccess": theirs.access,
            "audit_auditentry": AuditEntry.objects.filter(shop=theirs.shop).first(),
        }
        assert browser.get(reverse(f"admin:{name}_change", args=[own[name].pk])).status_code == 200

    @pytest.mark.parametrize("name", SCOPED)
    def test_lists_nobody_else(self, browser, ours, theirs, name):
        response = browser.get(reverse(f"admin:{name}_changelist"))

        assert response.status_code == 200
        assert leaks(response, ours) == set()
        assert leaks(response, theirs)

    @pytest.mark.parametrize("name", SCOPED)
    def test_filters_nobody_else_in(self, browser, ours, name):
        """Neither by a filter of the page nor by a look-up somebody made up."""
        place = ours.payments["here"]
        queries = {
            "shop__id__exact": ours.shop.pk,
            "shop": ours.shop.pk,
            "branch__id__exact": ours.branches["here"].pk,
            "config__id__exact": place.config_id,
            "shop__name__startswith": ours.name[:3],
            "payment__phone_index": place.phone_index,
            "created_at__year": timezone.now().year,
            "_to_field": "id",
            "id": place.pk,
        }
        for key, value in queries.items():
            response = browser.get(
                reverse(f"admin:{name}_changelist"), {key: value, "environment": "sandbox"}
            )

            assert response.status_code in {200, 302, 400}, key
            assert leaks(response, ours, value) == set(), key

    @pytest.mark.parametrize("name", SCOPED)
    def test_finds_nobody_else(self, browser, ours, name):
        place = ours.payments["here"]
        attempt = Attempt.objects.get(payment=place)
        terms = [ours.name, "admin@kwetupale.test", place.receipt_number, place.order_ref]
        terms += [place.account_reference, attempt.checkout_request_id, place.phone.reveal()]
        terms += [place.pk, ours.configs["here"].shortcode, ours.key.prefix, attempt.pk]
        for term in terms:
            response = browser.get(reverse(f"admin:{name}_changelist"), {"q": str(term)})

            assert response.status_code == 200
            assert leaks(response, ours, term) == set(), term
            # Reviews have no search box; what is typed into the address finds nothing else.
            assert response.context["cl"].result_count == (1 if name == "payments_review" else 0)

    @pytest.mark.parametrize("name", SCOPED)
    def test_offers_nobody_else(self, browser, ours, theirs, name):
        """In no drop-down of a form, whether a row is added or changed."""
        response = browser.get(reverse(f"admin:{name}_add"))

        assert response.status_code in {200, 403}
        assert leaks(response, ours) == set()

    @pytest.mark.parametrize(
        "name", ["tenants_branch", "tenants_apikey", "tenants_membership", "payments_paymentconfig"]
    )
    def test_adds_nothing_at_the_neighbours(self, browser, ours, theirs, name):
        given = {
            "shop": ours.shop.pk,
            "branch": ours.branches["here"].pk,
            "branches": ours.branches["here"].pk,
            "name": "Taken",
            "code": "taken",
            "email": "taken@example.test",
            "role": "admin",
            "environment": "sandbox",
            "provider": "mpesa_paybill",
            "shortcode": "445566",
            "priority": 0,
            "min_amount": 1,
            "max_amount": 10,
        }
        model = model_admins()[name].model
        before = model.objects.count()
        shops = [ours.shop] if name == "tenants_branch" else [ours.shop, theirs.shop]
        for shop in shops:  # the shop theirs, the branch ours: refused as well
            response = browser.post(reverse(f"admin:{name}_add"), {**given, "shop": shop.pk})

            assert response.status_code == 200
            assert response.context["adminform"].errors
        assert model.objects.count() == before

    def test_completes_no_name_of_others(self, browser, ours):
        for name in SCOPED:
            model_admin = model_admins()[name]
            for field in model_admin.model._meta.fields:
                if not field.is_relation:
                    continue
                asked = {
                    "app_label": model_admin.opts.app_label,
                    "model_name": model_admin.opts.model_name,
                    "field_name": field.name,
                    "term": ours.name[:4],
                }
                response = browser.get(reverse("admin:autocomplete"), asked)

                assert response.status_code in {200, 403, 404}
                assert leaks(response, ours) == set()

    def test_shows_nobody_else_on_the_first_page(self, browser, ours):
        for query in ({}, {"environment": "sandbox"}, {"environment": "production"}):
            assert leaks(browser.get(reverse("admin:index"), query), ours) == set()

    @pytest.mark.parametrize("post", ["branch_cashier", "branch_admin"])
    @pytest.mark.parametrize("name", SCOPED)
    def test_keeps_to_the_branch(self, ours, name, post):
        client = Client()
        client.force_login(ours.users[post])
        other = [ours.branches, ours.payments, ours.configs, ours.callbacks, ours.reviews]
        other += [ours.receipts, ours.unallocated]
        ids = {str(rows["elsewhere"].pk) for rows in other}

        query = {"environment": "sandbox"} if name in _BY_WORLD else {}

        response = client.get(reverse(f"admin:{name}_changelist"), query)

        assert response.status_code in {200, 403}
        assert {each for each in ids if each in response.text} == set()
        assert f"{ours.name} elsewhere" not in response.text

    @pytest.mark.parametrize(
        "name",
        [
            "payments_payment",
            "payments_paymentconfig",
            "payments_providercallback",
            "payments_review",
            "payments_receipt",
            "payments_unallocatedreceipt",
        ],
    )
    def test_has_no_row_of_the_other_branch(self, ours, name):
        client = Client()
        client.force_login(ours.users["branch_admin"])
        room = {
            "payments_payment": ours.payments,
            "payments_paymentconfig": ours.configs,
            "payments_providercallback": ours.callbacks,
            "payments_review": ours.reviews,
            "payments_receipt": ours.receipts,
            "payments_unallocatedreceipt": ours.unallocated,
        }[name]

        assert (
            client.get(reverse(f"admin:{name}_change", args=[room["here"].pk])).status_code == 200
        )
        for there in pages_of(name, room["elsewhere"].pk):
            assert client.get(there).status_code in {403, 404}, there
            assert client.post(there, {"reason": "walls"}).status_code in {403, 404}, there

    def test_gives_nobody_a_role_of_another_shop(self, ours, theirs):
        """An admin here who is a cashier there does there what cashiers do."""
        user = User.objects.create_user("both@example.test", None)
        tenants.grant_role(user=user, shop=theirs.shop, role=Role.ADMIN)
        tenants.grant_role(user=user, shop=ours.shop, role=Role.CASHIER)
        client = Client()
        client.force_login(user)

        def open_page(name, row):
            return client.get(reverse(f"admin:{name}_change", args=[row.pk])).status_code

        assert open_page("payments_payment", ours.payments["here"]) == 200
        assert open_page("payments_paymentconfig", theirs.configs["here"]) == 200
        assert open_page("payments_paymentconfig", ours.configs["here"]) == 404
        assert open_page("tenants_apikey", ours.key) == 404
        verify = reverse(
            "admin:payments_paymentconfig_do", args=[ours.configs["here"].pk, "deactivate"]
        )
        assert client.post(verify).status_code == 404
        assert leaks(client.get(reverse("admin:payments_paymentconfig_add")), ours) == set()

    def test_masks_the_payer_for_the_platform(self, ours):
        """Support helps without seeing who paid: no number, no tail of a checkout id, no secret."""
        support = User.objects.create_user("help@malipo.test", None, platform_role=Role.SUPPORT)
        client = Client()
        client.force_login(support)
        place = ours.payments["here"]

        pages = [
            client.get(reverse("admin:payments_payment_change", args=[place.pk])),
            client.get(
                reverse("admin:payments_providercallback_change", args=[ours.callbacks["here"].pk])
            ),
            client.get(reverse("admin:payments_payment_changelist"), {"environment": "sandbox"}),
        ]

        for page in pages:
            assert page.status_code == 200
            assert place.phone.reveal() not in page.text
            assert "123456789" not in page.text
