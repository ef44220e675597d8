"""
Addresses of shops' own systems: added, changed, switched, given a new secret, deleted.

A secret is shown once, by the function that makes it. An address is told of what happens from the
moment it is added or switched on again; what happened before is read with GET /events.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.views.decorators.debug import sensitive_variables

from audit import recording
from audit.actions import AuditAction
from audit.actors import Actor
from payments.choices import NoticeCode
from payments.errors import InvalidInput, NotFound
from payments.models import EventCounter, WebhookDelivery, WebhookEndpoint
from payments.services.notices import close_shop_notices
from payments.services.webhook_urls import check_url
from payments.webhook_choices import (
    EVENT_TYPES,
    DeliveryProblem,
    DeliveryStatus,
    DisabledReason,
)
from tenants.models import Shop

MAX_ENDPOINTS = 10
OLD_SECRET_LASTS = timedelta(hours=24)
_SECRET_BYTES = 32
_KEPT = ("environment", "types", "is_active", "disabled_reason")


@sensitive_variables("secret")
@transaction.atomic
def create_endpoint(
    *,
    shop: Shop,
    environment: str,
    url: str,
    types: Iterable[str] = (),
    actor: Actor,
    now: datetime,
) -> tuple[WebhookEndpoint, str]:
    """
    Add an address and return it with its secret.

    :raises InvalidInput: for an address or a type that may not be, or one address too many.
    """
    check_url(url, environment=environment)
    Shop.objects.select_for_update(of=("self",), no_key=True).get(pk=shop.pk)
    check_room(shop, environment)
    secret = _new_secret()
    endpoint = WebhookEndpoint(
        shop=shop,
        environment=environment,
        url=url,
        types=_checked_types(types),
        secret=secret,
        last_seq=_newest_seq(shop.pk, environment),
        created_at=now,
        created_by=actor.label[:254],
    )
    endpoint.save(force_insert=True)
    _record(AuditAction.WEBHOOK_CREATED, endpoint, {}, actor=actor, now=now)
    return endpoint, secret


@transaction.atomic
def update_endpoint(
    *,
    endpoint: WebhookEndpoint,
    url: str | None = None,
    types: Iterable[str] | None = None,
    is_active: bool | None = None,
    actor: Actor,
    now: datetime,
) -> WebhookEndpoint:
    """
    Change an address; what is None stays.

    :raises InvalidInput: for an address or a type that may not be.
    :raises NotFound: when it was deleted meanwhile.
    """
    endpoint = lock(endpoint)
    before = _state_of(endpoint)
    is_moved = url is not None and url != endpoint.url
    if url is not None and is_moved:
        check_url(url, environment=endpoint.environment)
        endpoint.url = url
    if types is not None:
        endpoint.types = _checked_types(types)
    endpoint.save(update_fields=["url", "types"])
    if is_active is not None and is_active != endpoint.is_active:
        _switch(endpoint, is_active, now=now)
    if is_moved or _state_of(endpoint) != before:
        _record(AuditAction.WEBHOOK_UPDATED, endpoint, before, actor=actor, now=now)
    return endpoint


@sensitive_variables("secret")
@transaction.atomic
def rotate_secret(
    *, endpoint: WebhookEndpoint, actor: Actor, now: datetime
) -> tuple[WebhookEndpoint, str]:
    """Give an address a new secret and return it; the old one signs beside it for a day."""
    endpoint = lock(endpoint)
    secret = _new_secret()
    # Sealed for another column: what is moved is opened and sealed anew.
    endpoint.old_secret = endpoint.secret.reveal()
    endpoint.old_secret_until = now + OLD_SECRET_LASTS
    endpoint.secret = secret
    endpoint.save(update_fields=["secret", "old_secret", "old_secret_until"])
    recording.record(
        AuditAction.WEBHOOK_SECRET_ROTATED,
        endpoint,
        shop_id=endpoint.shop_id,
        actor=actor,
        now=now,
        changes=[{"field": "old secret signs until", "old": None, "new": _until(endpoint)}],
    )
    return endpoint, secret


@transaction.atomic
def delete_endpoint(*, endpoint: WebhookEndpoint, actor: Actor, now: datetime) -> None:
    """Delete an address: its secrets are forgotten, its deliveries stay as history."""
    endpoint = lock(endpoint)
    before = _state_of(endpoint)
    switch_off(endpoint, DisabledReason.BY_HAND, now=now)
    endpoint.deleted_at, endpoint.secret, endpoint.old_secret = now, "", ""
    endpoint.save(update_fields=["deleted_at", "secret", "old_secret"])
    _record(AuditAction.WEBHOOK_DELETED, endpoint, before, actor=actor, now=now)


def lock(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    """
    Return the row as it is now, locked.

    :raises NotFound: when it was deleted.
    """
    rows = WebhookEndpoint.objects.select_for_update(of=("self",), no_key=True)
    found: WebhookEndpoint | None = rows.filter(pk=endpoint.pk, deleted_at=None).first()
    if found is None:
        raise NotFound("There is no such webhook.")
    return found


def switch_off(endpoint: WebhookEndpoint, reason: str, *, now: datetime) -> None:
    """Send nothing more to a locked address; what waits has failed and may be sent again by hand."""
    endpoint.is_active, endpoint.disabled_reason, endpoint.disabled_at = False, reason, now
    endpoint.failing_since = None
    endpoint.save(update_fields=["is_active", "disabled_reason", "disabled_at", "failing_since"])
    waiting = WebhookDelivery.objects.filter(endpoint=endpoint, status=DeliveryStatus.PENDING)
    waiting.update(
        status=DeliveryStatus.FAILED, next_try_at=None, problem=DeliveryProblem.SWITCHED_OFF
    )
    _close_notices(endpoint, now=now)


def _switch(endpoint: WebhookEndpoint, is_active: bool, *, now: datetime) -> None:
    if not is_active:
        switch_off(endpoint, DisabledReason.BY_HAND, now=now)
        return
    endpoint.is_active, endpoint.disabled_reason, endpoint.disabled_at = True, "", None
    # Not what was missed: old news that comes as new could release goods a second time.
    endpoint.last_seq = _newest_seq(endpoint.shop_id, endpoint.environment)
    endpoint.save(update_fields=["is_active", "disabled_reason", "disabled_at", "last_seq"])
    _close_notices(endpoint, now=now)


def _close_notices(endpoint: WebhookEndpoint, *, now: datetime) -> None:
    for code in (NoticeCode.WEBHOOK_FAILING, NoticeCode.WEBHOOK_GONE):
        close_shop_notices(shop_id=endpoint.shop_id, code=code, subject=str(endpoint.pk), now=now)


def check_room(shop: Shop, environment: str) -> None:
    """Refuse one webhook too many."""
    there = WebhookEndpoint.objects.filter(shop=shop, environment=environment, deleted_at=None)
    if there.count() >= MAX_ENDPOINTS:
        detail = f"There are {MAX_ENDPOINTS} webhooks already; delete one first."
        raise InvalidInput(detail, errors=[("url", "too_many", detail)])


def _checked_types(types: Iterable[str]) -> list[str]:
    wanted = set(types)
    if unknown := sorted(wanted - set(EVENT_TYPES)):
        detail = f"There are no events of the type {unknown[0][:64]}."
        raise InvalidInput(detail, errors=[("types", "unknown", detail)])
    return [each for each in EVENT_TYPES if each in wanted]


def _newest_seq(shop_id: Any, environment: str) -> int:
    rows = EventCounter.objects.filter(shop=shop_id, environment=environment)
    return rows.values_list("last_seq", flat=True).first() or 0


def _new_secret() -> str:
    return f"whsec_{base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()}"


def _state_of(endpoint: WebhookEndpoint) -> dict[str, Any]:
    return {"url": endpoint.shown_url, **recording.state_of(endpoint, _KEPT)}


def _until(endpoint: WebhookEndpoint) -> str | None:
    until = endpoint.old_secret_until
    return until.isoformat() if until else None


def _record(
    action: str, endpoint: WebhookEndpoint, before: dict[str, Any], *, actor: Actor, now: datetime
) -> None:
    recording.record(
        action,
        endpoint,
        shop_id=endpoint.shop_id,
        actor=actor,
        now=now,
        changes=recording.changes_between(before, _state_of(endpoint)),
        previous_state=before,
    )
