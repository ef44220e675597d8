"""
Every route of the API with what its tests need, and every admin page: read from the code.

SAMPLES must name each route; a new route without a sample fails, so that it cannot stay untried.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.contrib import admin
from django.urls import URLPattern, get_resolver

from tests.world import Corner

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
CONFIG = "payments/configs/<uuid:config_id>"
PAYMENT = "payments/<uuid:payment_id>"
_TILL = {"name": "New", "provider": "mpesa_paybill", "shortcode": "990011"}
_SALE = {"amount": "20", "phone_number": "0799000111", "order_ref": "NEW-1"}
_WHY = {"reason": "walls"}
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
    "payments/stats": Sample(),
    "payments/readiness": Sample(),
    "payments": Sample(bodies={"POST": _SALE}),
    PAYMENT: Sample(of="payment"),
    f"{PAYMENT}/timeline": Sample(of="payment"),
    f"{PAYMENT}/retry": Sample(of="payment"),
    f"{PAYMENT}/check": Sample(of="payment"),
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
    rows = {"config": corner.configs, "payment": corner.payments}.get(kind)
    return rows[place].pk if rows else ""


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
