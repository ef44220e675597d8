"""
Every route of the API with what its tests need, and every admin page: read from the code.

SAMPLES must name each route; a new route without a sample fails, so that it cannot stay untried.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.contrib import admin
from django.urls import URLPattern, get_resolver, reverse

from tests.world import Corner, receipt_of

# Pages of the back office that take no login: to come in, to go, and to choose a language.
PUBLIC_PAGES = ("login", "logout", "invitation", "set_language", "jsi18n")
NOBODY = "00000000-0000-4000-8000-000000000000"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
CONFIG = "payments/configs/<uuid:config_id>"
PAYMENT = "payments/<uuid:payment_id>"
REVIEW = "reviews/<uuid:review_id>"
RECEIPT = "receipts/<uuid:receipt_id>"
WEBHOOK = "webhook-endpoints/<uuid:endpoint_id>"
DELIVERY = "webhook-deliveries/<uuid:delivery_id>"
_TILL = {"name": "New", "provider": "mpesa_paybill", "shortcode": "990011"}
_SALE = {"amount": "20", "phone_number": "0799000111", "order_ref": "NEW-1"}
_CASH = {"amount": "20.50", "method": "cash", "reason": "The till was offline"}
_WHY = {"reason": "walls"}
_HOOK = {"url": "https://walls.example.test/hook", "types": ["payment.completed"]}
_RULES = {"account_rules": [{"kind": "exact", "pattern": "WALL", "label": "Walls"}]}
# Used already by the payment of a shop called Duka: asked for again it is a 409.
_CLAIM = {"receipt_number": receipt_of("Duka", "here"), "order_ref": "NEW-1", "amount": "150"}
_SECRETS = {"credentials": {"consumer_key": "walls-consumer-key"}, **_WHY}


@dataclass(frozen=True)
class Sample:
    """What is asked for in a route's placeholders, and a good body for each method that takes one."""

    of: str = ""
    bodies: dict[str, Any] = field(default_factory=dict)


SAMPLES: dict[str, Sample] = {
    "me": Sample(),
    "events": Sample(),
    "result-codes": Sample(),
    "result-codes/<str:code>": Sample(of="code"),
    "payments/active-config": Sample(),
    "payments/configs": Sample(bodies={"POST": _TILL}),
    CONFIG: Sample(of="config", bodies={"PUT": _TILL, "PATCH": {"name": "Renamed"}}),
    f"{CONFIG}/activate": Sample(of="config"),
    f"{CONFIG}/deactivate": Sample(of="config"),
    f"{CONFIG}/set-default": Sample(of="config"),
    f"{CONFIG}/suspend": Sample(of="config", bodies={"POST": _WHY}),
    f"{CONFIG}/restore": Sample(of="config", bodies={"POST": _WHY}),
    f"{CONFIG}/verify": Sample(of="config"),
    f"{CONFIG}/rotate": Sample(of="config", bodies={"POST": _SECRETS}),
    f"{CONFIG}/versions": Sample(of="config"),
    f"{CONFIG}/register-urls": Sample(of="config"),
    f"{CONFIG}/verification-logs": Sample(of="config"),
    f"{CONFIG}/audit-log": Sample(of="config"),
    f"{CONFIG}/account-rules": Sample(of="config", bodies={"PUT": _RULES}),
    "payments/stats": Sample(),
    "payments/readiness": Sample(),
    "payments": Sample(bodies={"POST": _SALE}),
    "payments/manual": Sample(bodies={"POST": _CASH}),
    PAYMENT: Sample(of="payment"),
    f"{PAYMENT}/timeline": Sample(of="payment"),
    f"{PAYMENT}/retry": Sample(of="payment"),
    f"{PAYMENT}/check": Sample(of="payment"),
    "receipts": Sample(),
    "receipts/check": Sample(bodies={"POST": {"receipt_number": "UKK5P70VVL"}}),
    "receipts/claim": Sample(bodies={"POST": _CLAIM}),
    f"{RECEIPT}/allocate": Sample(of="receipt", bodies={"POST": {"payment": NOBODY}}),
    f"{PAYMENT}/void": Sample(of="payment", bodies={"POST": _WHY}),
    "reviews": Sample(),
    "webhook-endpoints": Sample(bodies={"POST": _HOOK}),
    WEBHOOK: Sample(of="webhook", bodies={"PATCH": {"types": ["payment.failed"]}}),
    f"{WEBHOOK}/rotate-secret": Sample(of="webhook"),
    f"{WEBHOOK}/test": Sample(of="webhook"),
    f"{WEBHOOK}/deliveries": Sample(of="webhook"),
    f"{DELIVERY}/resend": Sample(of="delivery"),
    f"{REVIEW}/resolve": Sample(of="review", bodies={"POST": {"resolution": "ignore", **_WHY}}),
}


def api_routes() -> dict[str, Any]:
    """Return each route of the API and the class of its view."""
    patterns = get_resolver("payments.api.urls").url_patterns
    assert all(isinstance(pattern, URLPattern) for pattern in patterns)
    return {str(pattern.pattern): pattern.callback.view_class for pattern in patterns}


def calls() -> list[tuple[str, str]]:
    """Return every (route, method) that a view handles."""
    return [
        (route, method)
        for route, view in api_routes().items()
        for method in METHODS
        if hasattr(view, method.lower())
    ]


def path_for(route: str, subject: Any) -> str:
    """Fill the route's one placeholder, if it has one."""
    head, _, rest = route.partition("<")
    return f"/{head}{subject}{rest.partition('>')[2]}" if rest else f"/{head}"


def subject_of(route: str, corner: Corner, place: str = "here") -> Any:
    """Return what of the shop stands in the route's placeholder."""
    kind = SAMPLES[route].of
    if kind == "code":
        return "1032"
    rooms = {"config": corner.configs, "payment": corner.payments, "receipt": corner.receipts}
    rooms |= {"review": corner.reviews, "webhook": corner.webhooks, "delivery": corner.deliveries}
    return rooms[kind][place].pk if kind else ""


def send(client: Any, method: str, path: str, body: Any = None) -> Any:
    """Call a route as a till would: a body where one is taken, and a key for what could charge."""
    given = None if method in {"GET", "DELETE"} else (body or {})
    return client.send(method, path, given, **{"Idempotency-Key": "walls"})


def model_admins() -> dict[str, admin.ModelAdmin]:
    """Return every registered admin by the start of its addresses' names."""
    return {
        f"{model._meta.app_label}_{model._meta.model_name}": model_admin
        for model, model_admin in admin.site._registry.items()
    }


def admin_pages() -> dict[str, tuple[str, ...]]:
    """Return every named page of the back office, and what its address asks for."""
    return {
        pattern.name: tuple(pattern.pattern.regex.groupindex)
        for pattern in _flat(admin.site.get_urls())
        if pattern.name and pattern.name not in PUBLIC_PAGES
    }


def admin_path(name: str, *, row: Any = NOBODY) -> str:
    """Fill the address of a page: row where it asks for one, and something where for more."""
    given = {"object_id": row, "app_label": "payments", "method": "verify"}
    asked = admin_pages()[name]
    return reverse(f"admin:{name}", kwargs={each: given.get(each, NOBODY) for each in asked})


def _flat(patterns: list[Any]) -> Iterator[Any]:
    for pattern in patterns:
        if isinstance(pattern, URLPattern):
            yield pattern
        else:
            yield from _flat(pattern.url_patterns)
