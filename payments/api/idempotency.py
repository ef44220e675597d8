"""The Idempotency-Key header, for every request that could charge a customer."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, Protocol

from rest_framework.response import Response

from payments.errors import IdempotencyKeyReused, InvalidInput
from payments.models import IdempotencyKey, Payment
from payments.msisdn import mask_checkout_request_id
from payments.services import idempotency
from payments.services.idempotency import Replay
from tenants.roles import Role

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from django.db.models import QuerySet
    from rest_framework.request import Request

    from tenants.models import ApiKey, Shop

_KEY = re.compile(r"[!-~](?:[ -~]{0,253}[!-~])?", re.ASCII)
_Post = Callable[..., tuple[Payment, int]]


class IdempotencyKeyRequired(InvalidInput):
    """Send an Idempotency-Key of 1 to 255 printable ASCII characters."""

    code = "idempotency_key_required"


class PaymentView(Protocol):
    """What a view must have for its post to run once."""

    key: ApiKey
    shop: Shop
    environment: str
    now: datetime
    idempotency_key: IdempotencyKey

    def rows(self) -> QuerySet[Payment]: ...

    def payment(self, payment_id: uuid.UUID) -> Payment: ...

    def describe(self, payment: Payment) -> dict[str, Any]: ...


def idempotent(post: _Post) -> Callable[..., Response]:
    """
    Run a view's post once per key; post returns the payment and the status to answer.

    Whatever post raises stored nothing, so the key is given back.
    """

    @wraps(post)
    def run_once(view: PaymentView, request: Request, *args: Any, **kwargs: Any) -> Response:
        taken = _begin(view, request)
        if isinstance(taken, Replay):
            return _replay(view, taken)
        view.idempotency_key = taken
        try:
            payment, status_code = post(view, request, *args, **kwargs)
        except BaseException:
            idempotency.give_back(key=taken)
            raise
        body = view.describe(payment)
        idempotency.finish(key=taken, status_code=status_code, body=body, payment=payment)
        return Response(body, status=status_code)

    return run_once


def _begin(view: PaymentView, request: Request) -> IdempotencyKey | Replay:
    key = request.headers.get("Idempotency-Key", "")
    if not _KEY.fullmatch(key):
        raise IdempotencyKeyRequired
    return idempotency.begin(
        shop=view.shop,
        environment=view.environment,
        key=key,
        fingerprint=idempotency.fingerprint(request.method or "", request.path, request.data),
        now=view.now,
    )


def _replay(view: PaymentView, replay: Replay) -> Response:
    """Give the first answer again, to nobody who could not have seen the payment itself."""
    if replay.payment is None or not view.rows().filter(pk=replay.payment.pk).exists():
        raise IdempotencyKeyReused("The key was used for a payment you do not see.")
    body = replay.body
    if body is None:
        body = view.describe(view.payment(replay.payment.pk))
    elif view.key.role != Role.ADMIN:
        body = _without_phone_tails(body)
    headers = {"Idempotent-Replayed": "true"}
    return Response(body, status=replay.status_code or 201, headers=headers)


def _without_phone_tails(body: dict[str, Any]) -> dict[str, Any]:
    attempts = [
        {**attempt, "checkout_request_id": _masked(attempt["checkout_request_id"])}
        for attempt in body["attempts"]
    ]
    return {**body, "attempts": attempts}


def _masked(checkout_request_id: str | None) -> str | None:
    return checkout_request_id and mask_checkout_request_id(checkout_request_id)
