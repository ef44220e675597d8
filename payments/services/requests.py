"""
Asking Safaricom what is answered later: what became of a receipt, money back, balances.

The row is committed before anything leaves, because its id is in the address of the answer: a
result may come before our own note that the request was taken, and after a process that died.
Nothing is sent a second time by itself. What was sent and not acknowledged has an unknown outcome
until somebody tells. request_sending.py sends, request_results.py hears.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import QuerySet

from audit import recording
from audit.actions import AuditAction
from audit.actors import Actor
from payments.choices import VersionStatus
from payments.errors import CredentialsRequired, RateLimited
from payments.models import (
    CredentialVersion,
    Payment,
    PaymentConfig,
    ProviderRequest,
    Receipt,
    VerificationLog,
)
from payments.receipt_choices import RequestKind
from payments.services import checking, locks, upstream
from payments.services.config_secrets import INITIATOR, current_of
from payments.services.request_sending import send_quietly

ASK_AGAIN_AFTER = timedelta(seconds=60)
NO_INITIATOR = (
    "No initiator is set: Safaricom answers only to the name and password of an API operator."
)


@dataclass(frozen=True)
class Subject:
    """What a request is about; everything may be empty."""

    receipt_number: str = ""
    receipt: Receipt | None = None
    payment: Payment | None = None
    amount: Decimal | None = None
    verification_log: VerificationLog | None = None


def has_initiator(config: PaymentConfig) -> bool:
    """Tell whether the config's credentials in use can ask for status, reversal and balance."""
    version = current_of(config)
    return version is not None and set(version.secrets) >= INITIATOR


def configs_with_initiator() -> QuerySet[PaymentConfig]:
    """Find the configs, of all shops, that can be asked; nothing is opened for that."""
    return PaymentConfig.objects.not_deleted().filter(
        pk__in=CredentialVersion.objects.filter(
            status=VersionStatus.CURRENT, masks__has_keys=sorted(INITIATOR)
        ).values("config")
    )


def ask_status(
    *,
    config: PaymentConfig,
    receipt_number: str,
    receipt: Receipt | None = None,
    payment: Payment | None = None,
    purpose: str,
    actor: Actor,
    now: datetime,
) -> ProviderRequest:
    """
    Ask what became of a receipt, at most once a minute; return the request, which tells how it went.

    Within that minute the request made first is returned. A refusal is on the row, not raised.

    :raises CredentialsRequired: when the config has no initiator.
    :raises RateLimited: when the app's query budget is spent.
    :raises ProviderUnavailable: when this process is at its cap of calls.
    """
    version = version_with_initiator(config)
    about = Subject(receipt_number, receipt, payment)
    with upstream.upstream_slot():
        with transaction.atomic():
            locks.lock(f"ask:{config.shop_id}:{config.environment}:{receipt_number}")
            if asked := _just_asked(config, RequestKind.STATUS, receipt_number, now=now):
                return asked
            _take_budget(version, now=now)
            row = _create(version, RequestKind.STATUS, about, purpose, actor=actor, now=now)
        return send_quietly(row, now=now)


def ask_balance(
    *, config: PaymentConfig, purpose: str, actor: Actor, now: datetime
) -> ProviderRequest:
    """Ask what the config's accounts hold; raises what ask_status raises."""
    version = version_with_initiator(config)
    with upstream.upstream_slot():
        with transaction.atomic():
            locks.lock(f"balance:{config.pk}")
            if asked := _just_asked(config, RequestKind.BALANCE, "", now=now):
                return asked
            _take_budget(version, now=now)
            row = _create(version, RequestKind.BALANCE, Subject(), purpose, actor=actor, now=now)
            act, shop_id = AuditAction.BALANCE_ASKED, config.shop_id
            recording.record(act, config, shop_id=shop_id, actor=actor, now=now)
        return send_quietly(row, now=now)


def create_balance_probe(
    *, version: CredentialVersion, log: VerificationLog, actor: Actor, now: datetime
) -> ProviderRequest:
    """Write down the doctor's question, made with the version under trial; it is sent after."""
    _refuse_without_initiator(version)
    about = Subject(verification_log=log)
    return _create(version, RequestKind.BALANCE, about, "doctor", actor=actor, now=now)


def create_reversal(
    *, receipt: Receipt, payment: Payment | None, actor: Actor, now: datetime
) -> ProviderRequest:
    """
    Write down an order to give a receipt's money back, in the approval's transaction.

    :raises CredentialsRequired: when the receipt's config has no initiator.
    """
    assert receipt.config is not None  # noqa: S101 - refunds.py looked
    version = version_with_initiator(receipt.config)
    about = Subject(receipt.number, receipt, payment, receipt.amount)
    return _create(version, RequestKind.REVERSAL, about, "refund", actor=actor, now=now)


def version_with_initiator(config: PaymentConfig) -> CredentialVersion:
    """Return the credentials in use; raise CredentialsRequired where no initiator is among them."""
    version = current_of(config)
    if version is None:
        raise CredentialsRequired("The payment config has no credentials in use.")
    _refuse_without_initiator(version)
    version.config = config
    return version


def _refuse_without_initiator(version: CredentialVersion) -> None:
    missing = sorted(INITIATOR - set(version.secrets))
    if missing:
        detail = "Give this credential."
        errors = [(f"credentials.{name}", "required", detail) for name in missing]
        raise CredentialsRequired(NO_INITIATOR, errors=errors)


def _just_asked(
    config: PaymentConfig, kind: str, receipt_number: str, *, now: datetime
) -> ProviderRequest | None:
    rows = ProviderRequest.objects.filter(
        shop=config.shop_id,
        environment=config.environment,
        kind=kind,
        receipt_number=receipt_number,
        requested_at__gt=now - ASK_AGAIN_AFTER,
    )
    if kind == RequestKind.BALANCE:
        rows = rows.filter(config=config, verification_log=None)
    found: ProviderRequest | None = rows.order_by("-requested_at").first()
    return found


def _take_budget(version: CredentialVersion, *, now: datetime) -> None:
    if wait_s := checking.try_budget(version.app_fingerprint, now=now):
        raise RateLimited("The query budget of this account is spent.", retry_after=wait_s)


def _create(
    version: CredentialVersion,
    kind: RequestKind,
    about: Subject,
    purpose: str,
    *,
    actor: Actor,
    now: datetime,
) -> ProviderRequest:
    config = version.config
    row: ProviderRequest = ProviderRequest.objects.create(
        shop_id=config.shop_id,
        environment=config.environment,
        kind=kind,
        config=config,
        version=version,
        receipt_number=about.receipt_number,
        receipt=about.receipt,
        payment=about.payment,
        verification_log=about.verification_log,
        amount=about.amount,
        purpose=purpose[:16],
        asked_by=actor.label[:254],
        requested_at=now,
    )
    return row
