"""
No secret leaves, whatever happens (safety.md I18).

One long story is told with planted secrets: a config made, broken, verified and refused; payments
that succeed, fail, hang and end in errors of ours; people looking at every page. Then everything
that was written, sent, logged, kept or reported is searched for the secrets, in every form.
"""

from __future__ import annotations

import base64
import json
import logging
import sys
import traceback
from contextlib import contextmanager
from datetime import timedelta

import pytest
from axes.models import AccessAttempt
from celery.signals import before_task_publish
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.cache import cache
from django.db import connection
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone
from django.views.debug import ExceptionReporter
from django.views.decorators.debug import sensitive_variables

from config import logs
from payments.models import AccessToken, Payment, PaymentConfig, ProviderCallback
from payments.providers.daraja.simulator.scenarios import SCENARIOS
from payments.services.connections import connect
from reconciliation import tasks
from reconciliation.sweeps import SWEEPS
from tenants.models import User
from tenants.roles import Role
from tests import world
from tests.canary import Canaries, forms_of, texts_in
from tests.client import ApiClient
from tests.committed import delete_our_rows
from tests.daraja import FakeDaraja
from tests.routes import model_admins

pytestmark = pytest.mark.django_db

SECRETS = {
    "consumer_key": "CanaryKey/7Qx9+Zp2Lm4=Rt8vB1",
    "consumer_secret": "CanarySecret+3Wn6/Yk5&Hd0?Js7",
    "passkey": "CanaryPasskey%1Fg8&Cx4/Ub9+Ta2",
}
WRONG = {
    "consumer_key": "badCanaryKey/5Ee2+Oo8Ii1Uu3",
    "consumer_secret": "badCanarySecret+9Aa7/Ll6Nn4",
    "passkey": "badCanaryPasskey%2Gg5Vv1Mm8",
}
PASSWORD = "CanaryPassword-6Kk2Dd9Ff4"
PHONES = {"0722514837": "254722514837", "+254 110-638 492": "254110638492"}
# What ends up in the log in production.
_CONFIGURED = logs.configure(level="DEBUG", as_json=True)["formatters"]["structured"]
FORMATTER = _CONFIGURED["()"](**{k: v for k, v in _CONFIGURED.items() if k != "()"})
# All that the simulator can do to us, but the one whose callback comes before the answer.
STORIES = sorted(SCENARIOS.keys() - {"early"})


class Story:
    """What happened, and every word that was said meanwhile."""

    def __init__(self, corner, daraja):
        self.corner, self.daraja = corner, daraja
        self.canaries = Canaries()
        self.answers: list[tuple[str, str, object]] = []
        self.records: list[logging.LogRecord] = []
        self.messages: list[object] = []
        self.errors: list[tuple] = []
        self.payments: list[str] = []
        self.keys: dict[str, ApiClient] = {}

    def call(self, who, method, path, body=None, **headers):
        response = self.keys[who].send(method, path, body, **headers)
        self.answers.append((who, f"{method} {path}", response))
        return response

    def look(self, who, browser, url, data=None):
        response = browser.post(url, data) if data is not None else browser.get(url)
        self.answers.append((who, url, response))
        return response


class Ear(logging.Handler):
    """Hears every logger at every level."""

    def __init__(self, story):
        super().__init__(level=logging.NOTSET)
        self.story = story

    def emit(self, record):
        self.story.records.append(record)
        if record.exc_info and record.exc_info[0]:
            self.story.errors.append(record.exc_info)


@contextmanager
def committed(blocker):
    """Commit for real, because the provider is called in threads; take all of it away at the end."""
    with blocker.unblock():
        try:
            yield
        finally:
            for model in (LogEntry, Session, AccessAttempt):
                model.objects.all().delete()
            delete_our_rows()


@pytest.fixture(scope="module")
def story(django_db_setup, django_db_blocker):
    """Tell the whole story once; the tests only look at what it left."""
    patch = pytest.MonkeyPatch()
    with (
        committed(django_db_blocker),
        FakeDaraja(clock=timezone.now, base_url="http://daraja.test") as daraja,
    ):
        told = Story(world.furnish(name="Duka", number=60, now=timezone.now()), daraja)
        ear, levels = Ear(told), {}
        loggers = [
            logging.root,
            *(logging.getLogger(name) for name in logging.root.manager.loggerDict),
        ]
        for logger in loggers:
            levels[logger] = logger.level
            logger.setLevel(logging.DEBUG)
        logging.root.addHandler(ear)
        patch.setattr("payments.api.callbacks.applier.ring", lambda: None)
        # Whoever broke down while fetching a token is not waited for.
        patch.setattr("payments.services.tokens._LONGEST_WAIT_S", 0.1)
        before_task_publish.connect(
            hear_message := lambda **kw: told.messages.append(kw), weak=False
        )
        try:
            tell(told, patch)
            yield told
        finally:
            before_task_publish.disconnect(hear_message)
            logging.root.removeHandler(ear)
            for logger, level in levels.items():
                logger.setLevel(level)
            patch.undo()


def tell(story, patch):
    shop = story.corner.shop
    for name, secret in {**SECRETS, **{f"wrong {n}": s for n, s in WRONG.items()}}.items():
        story.canaries.plant(name, secret)
    story.canaries.plant("password", PASSWORD)
    for msisdn in PHONES.values():
        story.canaries.plant_phone(msisdn)
    for endpoint in story.corner.webhooks.values():
        story.canaries.plant("webhook secret", endpoint.secret.reveal().removeprefix("whsec_"))
    for role in (Role.ADMIN, Role.MANAGER, Role.CASHIER):
        key = world.issue(shop, role)
        story.canaries.plant(f"{role} key", key.rpartition("_")[2])
        story.keys[role.value] = ApiClient(key)
    story.keys["a thief"] = ApiClient(world.issue(shop, "admin")[:-1] + "x")
    note_tokens(story, patch)
    config = set_up(story)
    take_payments(story)
    break_down(story, patch, config)
    sweep(story)
    visit(story)
    for token in AccessToken.objects.exclude(token=""):
        story.canaries.plant("access token", token.token.reveal())


def note_tokens(story, patch):
    """Plant each access token the provider gives out, the killed ones too."""
    handle = story.daraja.engine.handle

    def listening(method, path, *args):
        answer = handle(method, path, *args)
        if path.startswith("/oauth") and answer.status == 200:
            given = json.loads(answer.body or b"{}").get("access_token", "")
            if len(given) >= 16:
                story.canaries.plant("access token", given)
        return answer

    patch.setattr(story.daraja.engine, "handle", listening)


def set_up(story):
    """Make the config in every right and wrong way, and leave it active."""
    PaymentConfig.objects.filter(shop=story.corner.shop, environment="sandbox").update(
        is_active=False
    )
    body = {
        "name": "Canary",
        "provider": "mpesa_paybill",
        "shortcode": "174379",
        "credentials": WRONG,
    }
    made = story.call("admin", "POST", "/payments/configs", body)
    assert made.status_code == 201
    path = f"/payments/configs/{made.json()['id']}"
    story.call("admin", "POST", f"{path}/verify", {})
    story.call("admin", "PATCH", path, {"credentials": {**SECRETS, "passkey": 7}})
    story.call("admin", "PATCH", path, {"credentials": {**SECRETS, "pass_key": SECRETS["passkey"]}})
    story.call("admin", "PATCH", path, {"credentials": SECRETS["passkey"]})
    story.call("admin", "POST", "/payments/configs", {**body, "passkey": SECRETS["passkey"]})
    story.call(
        "admin",
        "POST",
        "/payments/configs",
        b'{"credentials": {"passkey": "%s"' % SECRETS["passkey"].encode(),
    )
    story.call("manager", "PATCH", path, {"credentials": SECRETS})
    story.call("admin", "PATCH", path, {"credentials": SECRETS})
    story.daraja.break_next("oauth", "html")
    story.call("admin", "POST", f"{path}/verify", {})
    verified = story.call("admin", "POST", f"{path}/verify", {})
    assert verified.json()["config"]["status"] == "verified", verified.json()["logs"]
    for act in ("activate", "set-default", "deactivate", "activate"):
        assert story.call("admin", "POST", f"{path}/{act}", {}).status_code == 200
    story.call("admin", "PATCH", path, {"credentials": SECRETS})
    turned = {
        name: story.canaries.plant(f"new {name}", f"{each}-Turned5")
        for name, each in SECRETS.items()
    }
    for credentials in (WRONG, turned, {"passkey": 7}, {"pass_key": SECRETS["passkey"]}):
        given = {"credentials": credentials, "reason": "walls"}
        story.call("admin", "POST", f"{path}/rotate", given)
    for history in ("verification-logs", "versions", "audit-log"):
        story.call("admin", "GET", f"{path}/{history}")
    return PaymentConfig.objects.get(pk=made.json()["id"])


def take_payments(story):
    number = 0
    for scenario in STORIES:
        story.daraja.next(scenario)
        number = sell(story, number)
    story.daraja.kill_token()
    number = sell(story, number)
    for who in ("admin", "manager", "cashier"):
        story.call(who, "GET", "/payments")
        story.call(who, "GET", "/payments/stats")
        story.call(who, "GET", "/payments/readiness")
        story.call(who, "GET", "/events") if who != "cashier" else None
        story.call(who, "GET", "/payments/active-config") if who != "cashier" else None
        for payment in story.payments:
            story.call(who, "GET", f"/payments/{payment}")
            story.call(who, "GET", f"/payments/{payment}/timeline")
    for payment in story.payments:
        story.call("cashier", "POST", f"/payments/{payment}/check", {})
        story.call(
            "cashier", "POST", f"/payments/{payment}/retry", {}, Idempotency_Key=f"again-{payment}"
        )
    # A number in an address is in every access log that keeps addresses whole: ours must not.
    for query in ("", "&limit=0"):
        response = story.keys["cashier"].client.get(
            f"/api/v1/payments?phone_number=0722514837{query}",
            headers={"Authorization": f"Bearer {story.keys['cashier'].key}"},
        )
        assert response.status_code in {200, 400}
    story.call("a thief", "GET", "/me")


def sell(story, number):
    """Take one payment, hear what the provider says of it, and ask again with the same key."""
    phone = list(PHONES)[number % 2]
    sale = {"amount": 20 + number, "phone_number": phone, "order_ref": f"S-{number}"}
    Payment.objects.filter(status__in=["created", "pending"]).update(expires_at=timezone.now())
    for _time in range(2):
        response = story.call("cashier", "POST", "/payments", sale, Idempotency_Key=f"k-{number}")
    if response.status_code == 201:
        story.payments.append(response.json()["id"])
    for answer in story.daraja.deliver(Client()):
        story.answers.append(("safaricom", "callback", answer))
    return number + 1


def break_down(story, patch, config):
    """Let our own code fail where it holds secrets: every frame of it ends in a report."""
    places = {
        "requests.adapters.HTTPAdapter.send": lambda: None,
        "payments.services.tokens.adapter_for": lambda: None,
        "payments.services.connections.adapter_for": lambda: None,
        "payments.services.credentials.AccountDetails": lambda: None,
        "payments.services.prompting._request": lambda: None,
        "payments.services.config_secrets.masks_of": lambda: None,
        "payments.services.initiation.phone_index": lambda: None,
        "payments.fields.Keyring.seal": lambda: None,
        "payments.encryption.Keyring.seal": lambda: None,
    }
    for number, place in enumerate(places):
        with pytest.MonkeyPatch.context() as broken:
            try:
                broken.setattr(place, _explode)
            except (AttributeError, ImportError):
                continue
            AccessToken.objects.all().delete()
            sell(story, 50 + number)
            story.call("admin", "POST", f"/payments/configs/{config.pk}/verify", {})
            story.call(
                "admin",
                "POST",
                "/payments/configs",
                {
                    "name": "X",
                    "provider": "mpesa_paybill",
                    "shortcode": f"9{number}0011",
                    "credentials": SECRETS,
                },
            )
            try:
                connect(config=config, now=timezone.now())
            except Exception:  # noqa: BLE001 - whatever it is, its report is searched
                story.errors.append(sys.exc_info())


@sensitive_variables()  # it is no frame of ours
def _explode(*_args, **_kwargs):
    raise RuntimeError("planted")


def sweep(story):
    for sweep_of in SWEEPS.values():
        sweep_of(now=timezone.now() + timedelta(minutes=3))
    tasks.ask_due_attempts.delay()
    tasks.reprocess_callbacks.delay()


def visit(story):
    """Let everybody look at every page of the back office, and fail at some."""
    staff = User.objects.create_user("root@malipo.test", PASSWORD, platform_role=Role.SUPER_ADMIN)
    login = Client()
    story.look(
        "stranger",
        login,
        reverse("admin:login"),
        {"username": staff.email, "password": PASSWORD + "!"},
    )
    story.look(
        "root", login, reverse("admin:login"), {"username": staff.email, "password": PASSWORD}
    )
    owner = Client()
    owner.force_login(story.corner.users["admin"])
    for who, browser in {"root": login, "owner": owner}.items():
        story.look(who, browser, reverse("admin:index"))
        for name, model_admin in model_admins().items():
            query = (
                "?environment=sandbox" if name in {"payments_payment", "payments_review"} else ""
            )
            story.look(who, browser, reverse(f"admin:{name}_changelist") + query)
            for row in model_admin.model._default_manager.all()[:25]:
                story.look(who, browser, reverse(f"admin:{name}_change", args=[row.pk]))
                story.look(who, browser, reverse(f"admin:{name}_history", args=[row.pk]))
    add = reverse("admin:payments_paymentconfig_add")
    secret = {f"secret_{name}": value for name, value in SECRETS.items()}
    story.look("owner", owner, add, {"shop": story.corner.shop.pk, "name": "", **secret})
    good = {
        "environment": "sandbox",
        "provider": "mpesa_paybill",
        "shortcode": "778899",
        "priority": 0,
        "min_amount": 1,
        "max_amount": 9,
    }
    story.look(
        "owner", owner, add, {"shop": story.corner.shop.pk, "name": "Made here", **good, **secret}
    )
    story.look("owner", owner, "/admin/nowhere/")
    owner.raise_request_exception = False
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr("payments.services.configs.create_config", _explode)
        story.look(
            "owner",
            owner,
            add,
            {"shop": story.corner.shop.pk, "name": "Y", **good, **secret},
        )


class TestTheSearch:
    """A search that finds nothing proves nothing before it has found something."""

    @pytest.mark.parametrize("secret", [*SECRETS.values(), PASSWORD])
    def test_finds_every_form(self, secret):
        canaries = Canaries()
        canaries.plant("it", secret)
        hidden = [
            f"x{secret}x",
            base64.b64encode(f"key:{secret}".encode()).decode(),
            base64.b64encode(f"{secret}:more".encode()).decode(),
            base64.b64encode(f"174379{secret}20261120101500".encode()).decode(),
            base64.urlsafe_b64encode(secret.encode()).decode(),
            secret.encode().hex(),
        ]

        assert [canaries.found_in(text) for text in hidden] == [{"it"}] * len(hidden)
        assert canaries.found_in("a text about something else") == set()

    def test_finds_numbers_but_in_prompt_ids(self):
        canaries = Canaries()
        canaries.plant_phone("254722514837")

        assert canaries.found_in("paid by 0722514837") == {"phone"}
        assert canaries.found_in("ws_CO_20112026101500722514837") == set()

    def test_tells_secrets_apart(self):
        assert len({form for secret in SECRETS.values() for form in forms_of(secret)}) > 20


class TestTheStory:
    def test_went_everywhere(self, story):
        """Or there was nothing to be found."""
        statuses = {(response.status_code) for _who, _what, response in story.answers}
        outcomes = set(
            Payment.objects.filter(pk__in=story.payments).values_list("status", flat=True)
        )

        assert {200, 201, 302, 400, 401, 403, 404, 409, 500} <= statuses
        assert {"completed", "failed"} <= outcomes
        assert len(story.errors) >= 10
        assert len(story.messages) == 2
        assert ProviderCallback.objects.filter(payment__in=story.payments).count() >= 5
        assert {"access token", "phone", "admin key"} <= story.canaries.forms.keys()

    def test_put_no_secret_in_an_answer(self, story):
        for who, what, response in story.answers:
            text = response.content.decode(errors="replace") + str(dict(response.headers))

            assert story.canaries.found_in(text) == set(), (who, what, response.status_code)

    def test_showed_cashiers_no_tail_of_a_number(self, story):
        tails = {msisdn[-9:] for msisdn in PHONES.values()}
        for who, what, response in story.answers:
            if who in {"cashier", "manager", "root"}:
                text = response.content.decode(errors="replace")
                assert {tail for tail in tails if tail in text} == set(), (who, what)

    def test_logged_no_secret(self, story):
        """As our own formatter writes it, and in the arguments another one might write."""
        assert len(story.records) > 100
        for record in story.records:
            text = "\n".join([FORMATTER.format(record), *texts_in([record.msg, record.args])])

            assert story.canaries.found_in(text) == set(), (record.name, record.getMessage()[:80])

    def test_sent_no_secret_to_a_worker_or_by_mail(self, story):
        assert story.canaries.found_in("\n".join(texts_in(story.messages))) == set()
        assert mail.outbox == [] if hasattr(mail, "outbox") else True

    def test_reported_no_secret(self, story):
        """No frame through which an error went shows one, whoever mails or prints the frames."""
        shown = {}
        for error in distinct(story.errors):
            for frame in ExceptionReporter(None, *error).get_traceback_frames():
                place = (frame["filename"].rpartition("/")[2], frame["function"])
                shown.setdefault(place, []).extend(
                    f"{name}={value}" for name, value in frame["vars"]
                )
        leaks = {place: story.canaries.found_in("\n".join(text)) for place, text in shown.items()}

        assert len(shown) > 30
        assert {place: names for place, names in leaks.items() if names} == {}

    def test_reported_no_key_of_a_caller(self, story):
        key = story.keys["admin"].key
        request = RequestFactory().get("/", headers={"Authorization": f"Bearer {key}"})
        text = ExceptionReporter(request, *story.errors[0]).get_traceback_text()

        assert story.canaries.found_in(text) == set()

    def test_kept_no_secret_in_cache_or_session(self, story):
        kept = [str(value) for value in getattr(cache, "_cache", {}).values()]
        kept += [str(session.get_decoded()) for session in Session.objects.all()]

        assert story.canaries.found_in("\n".join(kept)) == set()

    def test_stored_no_secret_in_the_clear(self, story):
        found, tails = {}, set()
        for table in connection.introspection.table_names():
            columns = [c.name for c in table_columns(table)]
            for column in columns:
                text = column_text(table, column)
                if leak := story.canaries.found_in(text):
                    found[f"{table}.{column}"] = leak
                if any(msisdn[-9:] in text for msisdn in PHONES.values()):
                    tails.add(f"{table}.{column}")

        assert found == {}
        # Where nine digits of a payer's number lie in the clear, inside Daraja's own prompt ids.
        assert tails <= {
            "payments_attempt.checkout_request_id",
            "payments_providercallback.checkout_request_id",
            "payments_event.data",
            "payments_idempotencykey.body",
        }


def distinct(errors):
    """Leave one error of each kind and way."""
    found = {}
    for error in errors:
        way = tuple(frame.name for frame in traceback.extract_tb(error[2]))
        found[error[0], way] = error
    return found.values()


def table_columns(table):
    with connection.cursor() as cursor:
        return connection.introspection.get_table_description(cursor, table)


def column_text(table, column):
    quoted = (connection.ops.quote_name(name) for name in (column, table))
    with connection.cursor() as cursor:
        cursor.execute("SELECT {}::text FROM {}".format(*quoted))  # noqa: S608
        return "\n".join(row[0] or "" for row in cursor.fetchall())
