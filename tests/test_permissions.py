"""
The access matrix, walked over every route of the API and every page of the back office.

What a role may is written down twice on purpose: in tenants/roles.py, and here as the design's
table. A view that names no action, or an address without a sample, fails.
"""

from __future__ import annotations

import logging
from datetime import date, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.models import AuditEntry
from payments.models import AccessToken, CallbackSource
from reconciliation.models import SweepState, Tariff
from tenants import services as tenants
from tenants.admin_base import PlatformModelAdmin, ShopScopedModelAdmin
from tenants.models import ApiKey, User
from tenants.roles import MATRIX, Action, Role, may
from tests import world
from tests.client import ApiClient
from tests.routes import (
    METHODS,
    SAMPLES,
    admin_pages,
    admin_path,
    api_routes,
    calls,
    model_admins,
    path_for,
    send,
    subject_of,
)

pytestmark = pytest.mark.django_db

# safety.md section 7, row by row: admin, manager, cashier, support, super admin.
DESIGN = {
    "view_configs": "yes yes no status_only yes",
    "manage_configs": "yes no no no with_reason",
    "suspend_configs": "yes no no yes yes",
    "restore_configs": "yes no no no yes",
    "reveal_secrets": "no no no no no",
    "view_audit": "yes yes no masked yes",
    "take_payments": "yes yes own_branches no sandbox_only",
    "list_payments": "yes yes own_branches_today masked masked",
    "reveal_phone": "yes no no no no",
    "claim_receipts": "yes yes yes no no",
    "record_manual": "yes yes yes no no",
    "void_manual": "yes no no no no",
    "resolve_reviews": "yes yes no no no",
    "ask_provider": "yes yes limited yes yes",
    "export": "yes masked no no no",
    "manage_shop": "yes no no no with_reason",
    "manage_webhooks": "yes no no no with_reason",
    "view_events": "yes yes no no yes",
    "view_stats": "yes yes own_branches masked masked",
    "set_status": "no no no no no",
    # Not in the design's table: who sees the inbox, who runs the platform, what any key may ask.
    "view_inbox": "yes yes no masked masked",
    "operate_platform": "no no no no yes",
    # Support comes into a shop by the shop's own word (N17).
    "view_support": "yes yes no yes yes",
    "grant_support": "yes no no no no",
    "ask_refund": "yes yes no no no",
    "approve_refund": "yes no no no no",
    "view_balance": "yes no no no no",
    "identify": "yes yes yes yes yes",
}
# What each route asks for; a changed line here is a changed contract.
ACTIONS = {
    ("me", "GET"): "identify",
    ("events", "GET"): "view_events",
    ("result-codes", "GET"): "identify",
    ("result-codes/<str:code>", "GET"): "identify",
    ("payments/active-config", "GET"): "view_events",
    ("payments/configs", "GET"): "view_configs",
    ("payments/configs", "POST"): "manage_configs",
    ("payments/configs/<uuid:config_id>", "GET"): "view_configs",
    ("payments/configs/<uuid:config_id>", "PUT"): "manage_configs",
    ("payments/configs/<uuid:config_id>", "PATCH"): "manage_configs",
    ("payments/configs/<uuid:config_id>", "DELETE"): "manage_configs",
    ("payments/configs/<uuid:config_id>/activate", "POST"): "manage_configs",
    ("payments/configs/<uuid:config_id>/deactivate", "POST"): "manage_configs",
    ("payments/configs/<uuid:config_id>/set-default", "POST"): "manage_configs",
    ("payments/configs/<uuid:config_id>/suspend", "POST"): "suspend_configs",
    ("payments/configs/<uuid:config_id>/restore", "POST"): "restore_configs",
    ("payments/configs/<uuid:config_id>/verify", "POST"): "manage_configs",
    ("payments/configs/<uuid:config_id>/register-urls", "POST"): "manage_webhooks",
    ("payments/configs/<uuid:config_id>/rotate", "POST"): "manage_configs",
    ("payments/configs/<uuid:config_id>/versions", "GET"): "view_configs",
    ("payments/configs/<uuid:config_id>/verification-logs", "GET"): "view_configs",
    ("payments/configs/<uuid:config_id>/audit-log", "GET"): "view_audit",
    ("payments/configs/<uuid:config_id>/account-rules", "GET"): "view_configs",
    ("payments/configs/<uuid:config_id>/account-rules", "PUT"): "manage_configs",
    ("payments/stats", "GET"): "view_stats",
    ("payments/readiness", "GET"): "view_stats",
    ("payments", "GET"): "list_payments",
    ("payments", "POST"): "take_payments",
    ("payments/<uuid:payment_id>", "GET"): "list_payments",
    ("payments/<uuid:payment_id>/timeline", "GET"): "view_stats",
    ("payments/<uuid:payment_id>/retry", "POST"): "take_payments",
    ("payments/<uuid:payment_id>/check", "POST"): "ask_provider",
    ("receipts", "GET"): "view_stats",
    ("receipts/check", "POST"): "claim_receipts",
    ("receipts/claim", "POST"): "claim_receipts",
    ("receipts/<uuid:receipt_id>/allocate", "POST"): "resolve_reviews",
    ("payments/<uuid:payment_id>/void", "POST"): "void_manual",
    ("reviews", "GET"): "list_payments",
    ("reviews/<uuid:review_id>/resolve", "POST"): "resolve_reviews",
    ("webhook-endpoints", "GET"): "manage_webhooks",
    ("webhook-endpoints", "POST"): "manage_webhooks",
    ("webhook-endpoints/<uuid:endpoint_id>", "GET"): "manage_webhooks",
    ("webhook-endpoints/<uuid:endpoint_id>", "PATCH"): "manage_webhooks",
    ("webhook-endpoints/<uuid:endpoint_id>", "DELETE"): "manage_webhooks",
    ("webhook-endpoints/<uuid:endpoint_id>/rotate-secret", "POST"): "manage_webhooks",
    ("webhook-endpoints/<uuid:endpoint_id>/test", "POST"): "manage_webhooks",
    ("webhook-endpoints/<uuid:endpoint_id>/deliveries", "GET"): "manage_webhooks",
    ("webhook-deliveries/<uuid:delivery_id>/resend", "POST"): "manage_webhooks",
    ("payments/manual", "GET"): "list_payments",
    ("payments/manual", "POST"): "record_manual",
}
NO_SUCH_ID = "00000000-0000-4000-8000-000000000000"
KEYS = ("admin", "manager", "cashier", "branch_cashier")
PEOPLE = ("admin", "manager", "cashier", "branch_cashier", "branch_admin", "support", "super_admin")
# Pages of libraries know no matrix: whoever runs the platform may open them, nobody else.
OURS = (PlatformModelAdmin, ShopScopedModelAdmin)
ADMINS = sorted(model_admins())
OUR_ADMINS = [name for name in ADMINS if isinstance(model_admins()[name], OURS)]
# One for each way a key stops to count; the other bad ones are tried on one route.
WORST_KEYS = ("no key", "revoked", "expired", "the other world")


@pytest.fixture(scope="module")
def corner(django_db_setup, django_db_blocker):
    with world.kept(django_db_blocker):
        yield world.furnish(name="Duka", number=60, now=timezone.now())


@pytest.fixture(scope="module")
def keys(corner):
    branch = corner.branches["here"]
    found = {role: world.issue(corner.shop, role) for role in ("admin", "manager", "cashier")}
    found["branch_cashier"] = world.issue(corner.shop, "cashier", branch=branch)
    return {name: ApiClient(text) for name, text in found.items()}


@pytest.fixture(autouse=True)
def quiet():
    """Thousands of refusals are not worth their tracebacks."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


class TestTheMatrix:
    def test_is_the_designs(self):
        written = {
            action.value: " ".join(MATRIX[action][role].value for role in Role) for action in Action
        }

        assert written == DESIGN

    @pytest.mark.parametrize("role", ["", "owner", "ADMIN", "superuser"])
    def test_gives_an_unknown_role_nothing(self, role):
        assert not any(may(role, action) for action in Action)


class TestTheRoutes:
    def test_all_have_a_sample(self):
        assert api_routes().keys() == SAMPLES.keys()

    def test_all_name_the_action_of_every_method(self):
        named = {
            (route, method): str(action)
            for route, view in api_routes().items()
            for method, action in view.actions.items()
        }

        assert named == ACTIONS
        assert named.keys() == set(calls())

    @pytest.mark.parametrize(("route", "method"), calls())
    def test_follow_the_matrix(self, keys, corner, route, method, daraja):
        """Refused by role is 403, for what is there and for what is not; anything else is let in."""
        action = Action(ACTIONS[route, method])
        body = SAMPLES[route].bodies.get(method)
        for name in reversed(KEYS):
            role = Role.CASHIER if name == "branch_cashier" else Role(name)
            here = send(keys[name], method, path_for(route, subject_of(route, corner)), body)
            nowhere = send(keys[name], method, path_for(route, NO_SUCH_ID), body)

            if may(role, action):
                assert here.status_code in {200, 201, 204, 409}, (name, here.text)
                assert nowhere.status_code == 404 or "<" not in route, name
            else:
                assert (here.status_code, nowhere.status_code) == (403, 403), name
                assert here.json() == nowhere.json()
                assert here.json()["code"] == "permission_denied"

    @pytest.mark.parametrize("route", SAMPLES)
    def test_answer_405_to_every_other_method(self, keys, corner, route):
        handled = {method for each, method in calls() if each == route}
        path = path_for(route, subject_of(route, corner))
        for method in {*METHODS, "HEAD", "OPTIONS", "TRACE"} - handled:
            response = keys["cashier"].send(method, path)

            assert response.status_code == 405, method
            assert set(response["Allow"].split(", ")) == handled

    @pytest.mark.parametrize("route", SAMPLES)
    def test_open_to_no_key_that_does_not_count(self, bad_keys, corner, route):
        path = path_for(route, subject_of(route, corner))
        for method in (method for each, method in calls() if each == route):
            for name in WORST_KEYS:
                key = bad_keys[name]
                response = send(ApiClient(key), method, path, SAMPLES[route].bodies.get(method))

                assert response.status_code == 401, (method, name)
                assert response.json()["code"] == "not_authenticated"
                assert response["WWW-Authenticate"]

    def test_give_every_bad_key_the_same_answer(self, bad_keys):
        answers = {name: ApiClient(key).get("/me") for name, key in bad_keys.items()}

        assert {response.status_code for response in answers.values()} == {401}
        del answers["no key"]
        assert len({response.content for response in answers.values()}) == 1


@pytest.fixture(scope="module")
def bad_keys(corner):
    """Keys of an admin that do not count, each for one reason."""
    shop, now = corner.shop, timezone.now()
    good = world.issue(shop, "admin")
    revoked = world.issue(shop, "admin")
    tenants.revoke_api_key(key=world.row_of(revoked), now=now)
    closed_branch = tenants.add_branch(shop=shop, code="closed", name="Closed")
    closed_branch.is_active = False
    closed_branch.save()
    closed_shop = tenants.create_shop(name="Closed", slug="closed")
    of_closed_shop = world.issue(closed_shop, "admin")
    closed_shop.is_active = False
    closed_shop.save()
    return {
        "no key": None,
        "no such key": f"mlp_test_{'a' * 12}_{'0' * 64}",
        "a wrong secret": f"{good[:-1]}{'1' if good[-1] != '1' else '2'}",
        "the other world": good.replace("mlp_test_", "mlp_live_"),
        "upper case": good.upper(),
        "cut short": good[:-1],
        "revoked": revoked,
        "expired": world.issue(shop, "admin", expires_at=now - timedelta(seconds=1)),
        "a closed branch's": world.issue(shop, "admin", branch=closed_branch),
        "a closed shop's": of_closed_shop,
        "not ASCII": f"{good[:-1]}\u0660",
    }


class TestARoleNobodyKnows:
    def test_may_nothing(self, corner):
        key = world.issue(corner.shop, "cashier")
        ApiKey.objects.filter(pk=world.row_of(key).pk).update(role="owner")

        for route, method in calls():
            path = path_for(route, subject_of(route, corner))
            assert send(ApiClient(key), method, path).status_code == 403


@pytest.fixture(scope="module")
def people(corner):
    """Return a browser for everybody who may have a reason to knock."""
    world.let_support_in(corner, now=timezone.now())
    staff = {
        role.value: User.objects.create_user(f"{role.value}@malipo.test", None, platform_role=role)
        for role in (Role.SUPPORT, Role.SUPER_ADMIN)
    }
    nobody = User.objects.create_user("nobody@malipo.test", None)
    browsers = {}
    for name, user in {**corner.users, **staff, "nobody": nobody}.items():
        browsers[name] = Client()
        browsers[name].force_login(user)
    return {**browsers, "stranger": Client()}


@pytest.fixture(scope="module")
def rows(corner, people):
    """Return one row for each of our admins, of the branch "here" where it has one."""
    AccessToken.objects.create(app_fingerprint="f" * 64, environment="sandbox")
    SweepState.objects.create(name="expire_overdue")
    return {
        "tenants_shop": corner.shop,
        "tenants_branch": corner.branches["here"],
        "tenants_membership": corner.members["cashier"],
        "tenants_apikey": corner.key,
        "tenants_user": corner.users["cashier"],
        "payments_payment": corner.payments["here"],
        "payments_paymentconfig": corner.configs["here"],
        "payments_providercallback": corner.callbacks["here"],
        "payments_callbacksource": CallbackSource.objects.first(),
        "payments_accesstoken": AccessToken.objects.get(),
        "payments_review": corner.reviews["here"],
        "payments_notice": world.notice_of(corner),
        "tenants_shopsettings": corner.shop,
        "payments_receipt": corner.receipts["here"],
        "payments_receiptcheck": world.check_of(corner),
        "payments_unallocatedreceipt": corner.unallocated["here"],
        "payments_refund": world.refund_of(corner),
        "payments_providerrequest": world.request_of(corner),
        "payments_accountbalance": world.balance_of(corner),
        "payments_goliveapproval": world.approval_of(corner),
        "payments_webhookendpoint": corner.webhooks["here"],
        "payments_webhookdelivery": corner.deliveries["here"],
        "payments_shortcodeclaim": world.claim_of(corner),
        "reconciliation_statementimport": world.statement_of(corner),
        "reconciliation_shift": world.shift_of(corner),
        "reconciliation_run": world.run_of(corner),
        "reconciliation_configbearer": world.bearer_of(corner),
        "reconciliation_exceptionitem": corner.reviews["here"],
        "reconciliation_replay": world.replay_of(corner),
        # One that has not begun: the others are changed by nobody.
        "reconciliation_tariff": Tariff.objects.create(
            provider="mpesa_till", bearer="merchant", effective_from=date(2099, 1, 1)
        ),
        "reconciliation_sweepstate": SweepState.objects.get(),
        "tenants_supportaccess": corner.access,
        "audit_auditentry": AuditEntry.objects.filter(shop=corner.shop).first(),
    }


def role_of(name):
    """Return a person's role, and whether it is bound to a branch."""
    return (Role(name.removeprefix("branch_")), name.startswith("branch_"))


def sees(model_admin, name):
    """Tell whether a person sees the row of the branch "here"."""
    role, is_bound = role_of(name)
    if isinstance(model_admin, PlatformModelAdmin):
        return role in {Role.SUPPORT, Role.SUPER_ADMIN} and may(role, model_admin.view_action)
    whole_shop = model_admin.fence.branch == ""
    return may(role, model_admin.view_action) and not (is_bound and whole_shop)


class TestTheBackOffice:
    def test_has_a_row_for_every_admin_of_ours(self, rows):
        assert set(OUR_ADMINS) == rows.keys()

    @pytest.mark.parametrize("name", ADMINS)
    def test_lists_follow_the_matrix(self, people, name):
        model_admin = model_admins()[name]
        for who in PEOPLE:
            role, _bound = role_of(who)
            status = people[who].get(reverse(f"admin:{name}_changelist")).status_code

            if not isinstance(model_admin, OURS):
                assert status == (200 if who == "super_admin" else 403), who
            elif isinstance(model_admin, PlatformModelAdmin):
                is_staff = role in {Role.SUPPORT, Role.SUPER_ADMIN}
                assert status == (
                    200 if is_staff and may(role, model_admin.view_action) else 403
                ), who
            else:
                assert status == (200 if may(role, model_admin.view_action) else 403), who

    @pytest.mark.parametrize("name", OUR_ADMINS)
    def test_adding_follows_the_matrix(self, people, name):
        model_admin = model_admins()[name]
        for who in PEOPLE:
            role, is_bound = role_of(who)
            action = model_admin.add_action
            allowed = action is not None and may(role, action)
            if isinstance(model_admin, ShopScopedModelAdmin):
                allowed = allowed and not (is_bound and not model_admin.fence.branch)
            else:
                allowed = allowed and role in {Role.SUPPORT, Role.SUPER_ADMIN}
            for method in ("get", "post"):
                status = getattr(people[who], method)(reverse(f"admin:{name}_add")).status_code

                assert status == (200 if allowed else 403), (who, method)

    @pytest.mark.parametrize("name", OUR_ADMINS)
    def test_pages_follow_the_matrix(self, people, rows, name):
        model_admin = model_admins()[name]
        pk = rows[name].pk
        before = world.money_now()
        for who in PEOPLE:
            role, _bound = role_of(who)
            visible = sees(model_admin, who)
            may_change = (
                visible and model_admin.change_action and may(role, model_admin.change_action)
            )
            page = people[who].get(reverse(f"admin:{name}_change", args=[pk]))
            form = people[who].post(reverse(f"admin:{name}_change", args=[pk]), {})
            gone = people[who].post(reverse(f"admin:{name}_delete", args=[pk]), {"post": "yes"})
            history = people[who].get(reverse(f"admin:{name}_history", args=[pk]))

            assert (page.status_code == 200) is visible, who
            assert page.status_code in {200, 403, 404}
            # A page without a form takes a POST for a look: nothing moves, see below.
            closed = {403, 404, 405} if model_admin.change_action else {200, 403, 404, 405}
            assert form.status_code in ({200, 302} if may_change else closed), who
            assert gone.status_code in {403, 404}, who
            may_know = visible and may(role, Action.VIEW_AUDIT)
            assert history.status_code in ({302} if may_know else {403, 404}), who
        assert world.money_now() == before

    @pytest.mark.parametrize(
        ("name", "action"),
        [
            (name, spec)
            for name, each in model_admins().items()
            for spec in getattr(each, "object_actions", ())
        ],
        ids=lambda value: getattr(value, "method", value),
    )
    def test_buttons_follow_the_matrix(self, people, rows, name, action):
        """The page that asks "are you sure" is open to whom the matrix lets press the button."""
        url = reverse(f"admin:{name}_do", args=[rows[name].pk, action.method])
        before = world.money_now()
        for who in PEOPLE:
            role, _bound = role_of(who)
            allowed = sees(model_admins()[name], who) and may(role, action.action)
            asked = people[who].get(url).status_code
            assert asked in ({200, 302} if allowed else {403, 404}), who
            if not allowed:
                assert people[who].post(url, {"reason": "walls"}).status_code in {403, 404}, who
        assert world.money_now() == before

    @pytest.mark.parametrize("name", ADMINS)
    def test_is_closed_to_strangers(self, people, rows, name):
        urls = [reverse(f"admin:{name}_{page}") for page in ("changelist", "add")]
        if name in rows:
            pk = rows[name].pk
            urls += [
                reverse(f"admin:{name}_{page}", args=[pk])
                for page in ("change", "delete", "history")
            ]
        for url in urls:
            for who in ("stranger", "nobody"):
                response = people[who].get(url)

                assert response.status_code == 302
                assert response["Location"].startswith(reverse("admin:login"))

    @pytest.mark.parametrize("name", sorted(admin_pages()))
    def test_sends_whoever_is_not_logged_in_to_the_door(self, keys, people, rows, name):
        """A device's key is no login: on a page of ours it gets what a stranger gets."""
        model = "_".join(name.split("_")[:2])
        url = admin_path(name, row=rows[model].pk if model in rows else NO_SUCH_ID)
        before = world.money_now()
        bearers = {
            who: Client(headers={"Authorization": f"Bearer {key.key}"}) for who, key in keys.items()
        }
        for who, client in {"stranger": people["stranger"], **bearers}.items():
            for method in METHODS:
                response = client.generic(method, url)

                assert response.status_code == 302, (who, method)
                assert response["Location"].startswith(reverse("admin:login")), (who, method)
                assert response.content == b""
        assert world.money_now() == before

    def test_shows_each_role_its_own_first_page(self, people):
        assert {
            who: people[who].get(reverse("admin:index")).status_code for who in PEOPLE
        } == dict.fromkeys(PEOPLE, 200)
        assert people["nobody"].get(reverse("admin:index")).status_code == 302
