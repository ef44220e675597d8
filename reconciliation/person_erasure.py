"""
Erasing a person from one shop's books (Kenya Data Protection Act): who paid goes, what was paid stays.

Amounts, receipt numbers, statuses, evidence, moves and the trail are not touched, so that no sum
and no promise of audit_money changes. The ends of CheckoutRequestIDs are the payer's number: they
are hidden in a way that a late callback still finds its prompt (checkout_ids.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from django.db import models, transaction
from django.db.models import Q
from django.utils.translation import gettext_noop
from django.views.decorators.debug import sensitive_variables

from audit.actions import AuditAction
from audit.actors import Actor
from audit.recording import record
from payments.choices import ReceiptStatus
from payments.errors import InvalidTransition
from payments.models import Payment, Receipt
from payments.models.requests import OPEN_REFUNDS
from payments.services import checkout_ids
from payments.services.configs import check_reason
from payments.states import LIVE_STATUSES
from reconciliation.choices import StatementStatus
from reconciliation.persons import ERASED, Holdings, Person

LIVE = gettext_noop("A payment of this number is still open. Erase the person once it has ended.")
ASKED = gettext_noop(
    "Safaricom is still asked what became of a payment of this number, for three days at most. "
    "Erase the person after that."
)
UNDECIDED = gettext_noop(
    "Money of this number still waits to be assigned or given back. Decide that first."
)
_TEXTS_OF_PAYMENT = ("account_reference", "description", "label", "note", "metadata")
_TEXTS_OF_LINE = ("account_reference", "details")


def blocker_of(holdings: Holdings) -> str:
    """Say why the person cannot be erased yet; "" where nothing is in the way."""
    if holdings.payments.filter(status__in=LIVE_STATUSES).exists():
        return LIVE
    if holdings.attempts.filter(next_ask_at__isnull=False).exists():
        return ASKED
    held = holdings.receipts.filter(status=ReceiptStatus.HELD).exists()
    if held or holdings.refunds.filter(status__in=OPEN_REFUNDS).exists():
        return UNDECIDED
    return ""


def counts_of(holdings: Holdings) -> dict[str, int]:
    """Count what is held, by part."""
    return {
        "payments": len(holdings.payment_ids),
        "receipts": len(holdings.receipt_ids),
        "attempts": holdings.attempts.count(),
        "callbacks": len(holdings.callback_ids),
        "receipt_checks": holdings.checks.count(),
        "statement_lines": holdings.lines.count(),
        "events": holdings.events.count(),
        "answers": holdings.answers.count(),
        "warnings": holdings.warnings.count(),
    }


@sensitive_variables()
@transaction.atomic
def erase(*, person: Person, reason: str, actor: Actor, now: datetime) -> dict[str, int]:
    """
    Erase the person from the shop's books and return what was erased, by part.

    Erasing again finds nothing. References of orders that are the number itself stay: the shop
    gave them, and the database lets nobody change them.

    :raises InvalidInput: without a reason.
    :raises InvalidTransition: while a payment of his is open or may still change.
    """
    check_reason(reason)
    holdings = Holdings(person)
    # Payments before receipts, as everybody locks; then look again what is in the way.
    list(Payment.objects.select_for_update(of=("self",)).filter(pk__in=holdings.payment_ids))
    list(Receipt.objects.select_for_update(of=("self",)).filter(pk__in=holdings.receipt_ids))
    if blocker := blocker_of(holdings):
        raise InvalidTransition(blocker)
    counts = counts_of(holdings)
    for part in _PARTS:
        part(holdings)
    record(
        AuditAction.PERSON_ERASED,
        person.shop,
        shop_id=person.shop.pk,
        actor=actor,
        now=now,
        changes=[
            {"field": name, "old": count, "new": ERASED} for name, count in counts.items() if count
        ],
        previous_state={"person": person.mark},
        reason=reason,
    )
    return counts


def _callbacks(holdings: Holdings) -> None:
    # First: what the others are found by is gone afterwards.
    holdings.callbacks.update(body="", checkout_request_id="")


def _lines(holdings: Holdings) -> None:
    ended = (StatementStatus.APPLIED, StatementStatus.REFUSED, StatementStatus.DISCARDED)
    holdings.files.filter(status__in=ended).update(file="", read_lines="")
    rows = list(holdings.lines)
    _scrub(rows, _TEXTS_OF_LINE, holdings.person)
    for row in rows:
        row.payer_initials, row.payer_index, row.payer_masked = "", "", ERASED
    _write(rows, [*_TEXTS_OF_LINE, "payer_initials", "payer_index", "payer_masked"])


def _words(holdings: Holdings) -> None:
    """Take the number and its mask out of events, kept answers and warnings."""
    for rows, name in (
        (list(holdings.events), "data"),
        (list(holdings.answers), "body"),
        (list(holdings.warnings), "data"),
    ):
        for row in rows:
            setattr(row, name, _anonymous(getattr(row, name), holdings.person))
        _write(rows, [name])


def _attempts(holdings: Holdings) -> None:
    checkout_ids.hide(holdings.attempts)


def _receipts(holdings: Holdings) -> None:
    rows = list(holdings.receipts)
    _scrub(rows, ["account_reference"], holdings.person)
    for row in rows:
        row.payer_initials, row.payer_index, row.payer_masked = "", "", ERASED
    _write(rows, ["account_reference", "payer_initials", "payer_index", "payer_masked"])


def _payments(holdings: Holdings) -> None:
    rows = list(holdings.payments.defer("phone"))
    _scrub(rows, _TEXTS_OF_PAYMENT, holdings.person)
    _write(rows, list(_TEXTS_OF_PAYMENT))
    his = Q(pk__in=holdings.payment_ids)
    Payment.objects.filter(his).update(phone="", phone_index="", phone_masked=ERASED)


_PARTS: tuple[Callable[[Holdings], None], ...] = (
    _callbacks,
    _lines,
    _words,
    _attempts,
    _receipts,
    _payments,
)
# Keys of what tills and events are told that name who paid.
_NAMING = frozenset({"phone_number", "payer", "phone"})


def _anonymous(value: Any, person: Person) -> Any:
    if isinstance(value, dict):
        return {
            key: ERASED if key in _NAMING and each else _anonymous(each, person)
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [_anonymous(each, person) for each in value]
    return person.scrub(value)


def _scrub(rows: Iterable[models.Model], names: Iterable[str], person: Person) -> None:
    for row in rows:
        for name in names:
            setattr(row, name, person.scrub(getattr(row, name)))


def _write(rows: list[Any], names: list[str]) -> None:
    if rows:
        type(rows[0])._default_manager.bulk_update(rows, names, batch_size=500)  # noqa: SLF001
