"""
Asking a provider what became of a prompt, within the budget of its Daraja app.

The answer enters through the one door. An answer that is none says nothing of the payment: the
attempt stays as it is and is asked again at its next time.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings

from audit.actors import Actor
from payments.choices import AttemptStatus, EvidenceSource
from payments.errors import PaymentsError, ProviderBusy, RateLimited
from payments.models import AccessToken, Attempt, Payment
from payments.providers.base import Outcome
from payments.services import breakers, callbacks, upstream
from payments.services.connections import connect
from payments.services.evidence import Applied, NewEvidence, apply_batch, apply_evidence
from tenants import throttling
from tenants.roles import Action, Grant, grant

logger = logging.getLogger(__name__)

_PAUSE = timedelta(seconds=60)
_TILLS_PAUSE = timedelta(seconds=10)
PROVIDER = Actor.provider("Safaricom")


def ask_now(*, payment: Payment, actor: Actor, now: datetime) -> Payment:
    """
    Ask about a payment because a person wants to know; return it as it then stands.

    A provider that does not answer changes nothing and is no error: the payment tells what is known.

    :raises RateLimited: when the app's query budget is spent, or a cashier's share of it.
    :raises ProviderUnavailable: when this process is at its cap of calls.
    """
    attempt = _askable(payment)
    if attempt is not None:
        if grant(actor.role, Action.ASK_PROVIDER) is Grant.LIMITED:
            _hold_back(attempt, now=now)
        take_budget(attempt, now=now)
        with upstream.upstream_slot():
            ask(attempt=attempt, actor=actor, now=now)
    payment.refresh_from_db()
    return payment


def ask(*, attempt: Attempt, actor: Actor, now: datetime) -> Applied | None:
    """
    Query the provider about one attempt and apply what it says; None when it said nothing.

    The caller has taken the budget and holds an upstream slot.
    """
    outcome = query(attempt, now=now)
    if outcome is None:
        return None
    return apply_answer(attempt=attempt, outcome=outcome, actor=actor, now=now)


def apply_answer(*, attempt: Attempt, outcome: Outcome, actor: Actor, now: datetime) -> Applied:
    """Apply what a query was answered, after the callbacks that are stored already."""
    callbacks.apply_stored_for(attempt.pk, now=now)
    return apply_evidence(_as_evidence(attempt, outcome, actor=actor, now=now), now=now)


def apply_answers(
    answered: Sequence[tuple[Attempt, Outcome]], *, actor: Actor, now: datetime
) -> list[Applied | None]:
    """
    Apply what many queries were answered, in one transaction; answer in the order given.

    Where one of them spoils the set, each is applied alone, and None tells which could not be.
    """
    callbacks.apply_stored_for_all([attempt.pk for attempt, _outcome in answered], now=now)
    batch = [_as_evidence(*each, actor=actor, now=now) for each in answered]
    try:
        return list(apply_batch(batch, now=now)) if batch else []
    except Exception:
        logger.warning("a set of answers could not be applied", exc_info=True)
        return [_apply_alone(each, now=now) for each in batch]


def query(attempt: Attempt, *, now: datetime, known: AccessToken | None = None) -> Outcome | None:
    """
    Ask with the credential version the attempt was made with; None for no usable answer.

    known is the token of its app where the caller has just read it.
    """
    try:
        connection = connect(config=attempt.config, version=attempt.version, now=now, known=known)
        return connection.query_payment(attempt.checkout_request_id or "", now=now)
    except ProviderBusy:
        pause(attempt.version.app_fingerprint, now=now)
    except PaymentsError as error:
        logger.warning(
            "the provider did not answer a query",
            extra={"attempt": str(attempt.pk), "error": error.__class__.__name__},
        )
        breakers.note_unanswered(config=attempt.config, error=error, now=now)
    return None


def take_budget(attempt: Attempt, *, now: datetime) -> None:
    """
    Take one query from the budget of the attempt's Daraja app.

    :raises RateLimited: with the seconds until there is room again.
    """
    wait_s = try_budget(attempt.version.app_fingerprint, now=now)
    if wait_s:
        raise RateLimited("The query budget of this account is spent.", retry_after=wait_s)


def _hold_back(attempt: Attempt, *, now: datetime) -> None:
    """
    Let tills ask about a payment now and then, and spend half of the app's budget at most.

    The sweeps need the rest: what nobody stands waiting for is settled by it.

    :raises RateLimited: with the seconds until the till may ask again.
    """
    key, pause_s = f"check:{attempt.payment_id}", int(_TILLS_PAUSE.total_seconds())
    again = throttling.take(key, limit=1, now=now, window_s=pause_s)
    if not again.allowed:
        raise RateLimited("This payment was asked about just now.", retry_after=again.reset_s)
    fingerprint = attempt.version.app_fingerprint
    app = AccessToken.objects.filter(pk=fingerprint).first()
    share = throttling.take(f"checks:{fingerprint}", limit=max(1, _limit_of(app) // 2), now=now)
    if not share.allowed:
        raise RateLimited("The tills asked often this minute.", retry_after=share.reset_s)


def _limit_of(app: AccessToken | None) -> int:
    return (app and app.query_budget_per_minute) or settings.QUERY_BUDGET_PER_MINUTE


def try_budget(fingerprint: str, *, now: datetime) -> int:
    """Take one query from an app's budget; return 0, or the seconds to wait."""
    return try_budget_of(AccessToken.objects.filter(pk=fingerprint).first(), fingerprint, now=now)


def try_budget_of(app: AccessToken | None, fingerprint: str, *, now: datetime) -> int:
    """Do the same for an app that was just read, or has no token yet."""
    if app and app.query_paused_until and app.query_paused_until > now:
        return int((app.query_paused_until - now).total_seconds()) + 1
    allowance = throttling.take(f"query:{fingerprint}", limit=_limit_of(app), now=now)
    return 0 if allowance.allowed else allowance.reset_s


def pause(fingerprint: str, *, now: datetime) -> None:
    """Leave one app alone for a minute: it answered 429, spike arrest or quota."""
    logger.warning("query budget paused", extra={"app": fingerprint[:8]})
    AccessToken.objects.filter(pk=fingerprint).update(query_paused_until=now + _PAUSE)


def _as_evidence(attempt: Attempt, outcome: Outcome, *, actor: Actor, now: datetime) -> NewEvidence:
    return NewEvidence(
        payment_id=attempt.payment_id,
        attempt_id=attempt.pk,
        source=EvidenceSource.STK_QUERY,
        outcome=outcome,
        actor=actor,
        heard_at=now,
    )


def _apply_alone(evidence: NewEvidence, *, now: datetime) -> Applied | None:
    try:
        return apply_evidence(evidence, now=now)
    except Exception:
        logger.exception("an answer was not applied", extra={"attempt": str(evidence.attempt_id)})
        return None


def _askable(payment: Payment) -> Attempt | None:
    """Return the latest attempt that has an id to ask about and did not succeed yet."""
    rows = payment.attempts.filter(checkout_request_id__isnull=False)
    # One whose end was hidden is too old to be asked about, and says nothing to Safaricom.
    rows = rows.exclude(checkout_request_id__contains="*")
    rows = rows.exclude(status__in=[AttemptStatus.REFUSED, AttemptStatus.SUCCEEDED])
    return rows.select_related("config", "version").order_by("-number").first()
