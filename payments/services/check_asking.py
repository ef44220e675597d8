"""
Looking further for a receipt that is not in the ledger: our own inbox, then Safaricom.

A confirmation may lie unread in the inbox; else Safaricom is asked what became of the receipt, at
most once a minute, through one of the shop's numbers; or for all that came of late, where a number
of the shop's is registered for that. The answer comes later, to an address of its
own, and enters the ledger by the door of all arrivals; whoever looks again finds it there.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from uuid import UUID

from django.db import DatabaseError
from django.db.models import Max

from audit.actors import Actor
from payments.choices import (
    FAMILY_OF,
    CallbackKind,
    CallbackStatus,
    ConfigStatus,
    NoticeCode,
    Provider,
    ProviderFamily,
)
from payments.errors import PaymentsError
from payments.models import (
    Notice,
    PaymentConfig,
    ProviderCallback,
    ProviderRequest,
    ReceiptCheck,
)
from payments.providers.daraja.receipt_dates import day_of
from payments.providers.daraja.sms import EAT, Kind
from payments.receipt_choices import RequestKind, RequestStatus
from payments.services import callbacks, requests
from tenants.models import Branch

logger = logging.getLogger(__name__)

PURPOSE = "check"
#: Why a receipt is not seen yet: what came of late is listed with the next pull, which is due now.
PULLING = "pulling"
#: A result took about 85 s in the sandbox (daraja.md 2.6); after that nobody waits at a counter.
WAITS_FOR = timedelta(minutes=3)
# Nobody stands at a counter with a payment of last year: the query budget is for those who do.
_OLDEST = timedelta(days=92)
# What a pull of the last hour can still find.
_PULLED = timedelta(hours=1)
_LOCK_WAIT_MS = 500
_MOST_CALLBACKS = 20
_MPESA = [kind for kind in Provider if FAMILY_OF[kind] == ProviderFamily.MPESA]
_OPEN = frozenset({RequestStatus.CREATED, RequestStatus.ACCEPTED, RequestStatus.UNKNOWN})
_NO_SUCH_RECEIPT = "2032"
_OF_KIND = {Kind.PAID: Provider.MPESA_TILL, Kind.PAID_ACCOUNT: Provider.MPESA_PAYBILL}


def mpesa_configs(*, shop_id: UUID, environment: str) -> list[PaymentConfig]:
    """Return the shop's M-Pesa accounts that Safaricom tells us about, switched off ones too."""
    rows = PaymentConfig.objects.not_deleted().filter(
        shop=shop_id, environment=environment, provider__in=_MPESA
    )
    return list(rows.order_by("-is_active", "-is_default", "priority", "created_at"))


def read_inbox(configs: list[PaymentConfig], *, now: datetime) -> int:
    """Apply confirmations of these accounts that nobody has read yet; return how many there were."""
    ids = ProviderCallback.objects.filter(
        status=CallbackStatus.NEW,
        kind=CallbackKind.C2B,
        subject_id__in=[config.pk for config in configs],
    ).values_list("pk", flat=True)[:_MOST_CALLBACKS]
    waiting = list(ids)
    if not waiting:
        return 0
    try:
        callbacks.apply_rows(waiting, now=now, lock_wait_ms=_LOCK_WAIT_MS)
    except DatabaseError:
        logger.info("confirmations left to the applier", extra={"count": len(waiting)})
    return len(waiting)


def ask(
    configs: list[PaymentConfig],
    *,
    number: str,
    kind: str,
    branch: Branch | None,
    actor: Actor,
    now: datetime,
) -> ProviderRequest | None:
    """
    Ask Safaricom about a receipt through the most likely account; return the request, if any.

    Whoever asks again a minute later asks through the next account. No budget, no initiator and no
    answer are no errors: nothing is known, as before.
    """
    if not _is_recent(number, now=now):
        return None
    able = [c for c in configs if c.has_api and c.is_active and requests.has_initiator(c)]
    if not able:
        return None
    asked = _asked_at(able, number)
    able.sort(key=lambda config: _order(config, asked, kind=kind, branch=branch))
    try:
        return requests.ask_status(
            config=able[0], receipt_number=number, purpose=PURPOSE, actor=actor, now=now
        )
    except PaymentsError as error:
        logger.info("not asked about a receipt", extra={"why": type(error).__name__})
        return latest(shop_id=able[0].shop_id, environment=able[0].environment, number=number)


def will_be_pulled(configs: list[PaymentConfig], *, number: str, now: datetime) -> bool:
    """
    Tell whether the sweep that pulls may find a receipt soon: its number's money is listed to us.

    The row of the check asks for it (reconciliation/pull_accounts.py): nobody waits for a pull here.
    """
    day = day_of(number)
    is_new = day is None or day >= (now - _PULLED).astimezone(EAT).date()
    able = [
        c for c in configs if c.pull_enabled and c.has_api and c.status == ConfigStatus.VERIFIED
    ]
    if not (is_new and able):
        return False
    refused = Notice.objects.filter(
        config__in=able, code=NoticeCode.PULL_REFUSED, closed_at=None
    ).values_list("config", flat=True)
    return {config.pk for config in able} > set(refused)


def is_pulled_for(*, shop_id: UUID, environment: str, index: str, now: datetime) -> bool:
    """Tell whether a pull was asked for because of this code, a moment ago."""
    rows = ReceiptCheck.objects.filter(shop=shop_id, environment=environment, code_index=index)
    return rows.filter(why=PULLING, at__gt=now - WAITS_FOR).exists()


def latest(*, shop_id: UUID, environment: str, number: str) -> ProviderRequest | None:
    """Return the newest question about a receipt."""
    rows = ProviderRequest.objects.filter(
        shop=shop_id, environment=environment, receipt_number=number, kind=RequestKind.STATUS
    )
    return rows.order_by("-requested_at").first()


def is_waiting(request: ProviderRequest | None, *, now: datetime) -> bool:
    """Tell whether an answer may still come while somebody stands at the counter."""
    return (
        request is not None and request.status in _OPEN and request.requested_at > now - WAITS_FOR
    )


def is_unknown_to_safaricom(request: ProviderRequest | None) -> bool:
    """Tell whether Safaricom said that there is no such receipt, or none of this shop."""
    if request is None:
        return False
    # Of another's money nothing is kept (request_results.py), and it is as absent as none.
    is_anothers = request.status == RequestStatus.SUCCEEDED and not request.result
    return is_anothers or request.result_code == _NO_SUCH_RECEIPT


def _is_recent(number: str, *, now: datetime) -> bool:
    """Tell whether the number names a day not long ago; what names none may be a sandbox's."""
    day = day_of(number)
    return day is None or day >= (now.astimezone(EAT) - _OLDEST).date()


def _asked_at(configs: list[PaymentConfig], number: str) -> dict[UUID, datetime]:
    rows = ProviderRequest.objects.filter(
        config__in=configs, receipt_number=number, kind=RequestKind.STATUS
    )
    return dict(rows.order_by().values_list("config").annotate(at=Max("requested_at")))


def _order(
    config: PaymentConfig, asked: dict[UUID, datetime], *, kind: str, branch: Branch | None
) -> tuple[float, bool, bool]:
    """Put first what was asked longest ago or never, then the message's kind, then the branch's."""
    at = asked.get(config.pk)
    is_others = branch is not None and config.branch_id not in {None, branch.pk}
    is_other_kind = kind in _OF_KIND and config.provider != _OF_KIND[Kind(kind)]
    return (at.timestamp() if at else 0.0, is_other_kind, is_others)
