"""
Taking a payment: everything that can be decided is committed before the provider is called.

Refused for certain: the next config may be tried. Anything else after bytes were sent is unknown:
the attempt stays open, nobody asks the customer a second time, and the sweep asks the provider.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.views.decorators.debug import sensitive_variables

from audit.actors import Actor
from payments import msisdn as msisdns
from payments import references
from payments.choices import AttemptStatus, Submission
from payments.errors import BreakerOpen, RateLimited
from payments.fields import blind_index
from payments.models import Attempt, CredentialVersion, IdempotencyKey, Payment, PaymentConfig
from payments.services import (
    account_rules,
    breakers,
    decisions,
    expiry,
    guards,
    idempotency,
    prompting,
    routing,
    upstream,
)
from payments.services import attempts as attempt_rows
from payments.services.connections import current_version
from payments.services.decisions import Why
from payments.services.transitions import Change, record_creation
from tenants import throttling
from tenants.ids import new_id
from tenants.models import Branch, Shop
from tenants.prepared import Writer

logger = logging.getLogger(__name__)

_PAYMENTS = Writer(Payment)
_ATTEMPTS = Writer(Attempt)


# Of 31^7 references a shop with a million payments meets a taken one every 27,000 draws.
_REFERENCE_DRAWS = 3


@dataclass(frozen=True)
class NewPayment:
    """What a till asks for: whole shillings, a normalised MSISDN, and its own names for the sale."""

    amount: int
    msisdn: str = field(repr=False)
    order_ref: str = ""
    account_reference: str = ""
    description: str = ""
    provider: str | None = None
    purpose: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    second_sale: bool = False


def initiate_payment(
    *,
    shop: Shop,
    environment: str,
    branch: Branch | None,
    asked: NewPayment,
    idempotency_key: IdempotencyKey | None,
    actor: Actor,
    now: datetime,
) -> Payment:
    """
    Take a payment: choose a config, commit the payment, ask the provider, record the answer.

    Does not wait for the customer. The payment is returned as it was committed, whatever the
    provider says; read it again for what came of it.

    :raises PaymentsError: when nothing was stored: no config, limits, a live prompt, cool-down.
    """
    resolution = routing.resolve(
        shop_id=shop.pk,
        environment=environment,
        branch_id=branch.pk if branch else None,
        provider=asked.provider,
        amount=Decimal(asked.amount),
        purpose=asked.purpose,
        now=now,
    )
    resolution.raise_if_empty()
    upstream.take_slot()
    try:
        payment, attempt, others = _store_at_first_free(
            resolution,
            shop=shop,
            environment=environment,
            branch=branch,
            asked=asked,
            idempotency_key=idempotency_key,
            actor=actor,
            now=now,
        )
    except BaseException:
        upstream.free_slot()
        raise
    prompting.prompt(attempt=attempt, msisdn=asked.msisdn, others=others)
    return payment


def _store_at_first_free(
    resolution: routing.Resolution, **given: Any
) -> tuple[Payment, Attempt, Sequence[PaymentConfig]]:
    """
    Store at the first candidate whose breaker lets this payment through.

    Of the payments that come upon a breaker at the end of its time, one tries it; the others see
    here that they were second, and take the next candidate.

    :raises BreakerOpen: when no candidate lets it through; nothing was stored.
    """
    record, candidates = resolution.as_data(), resolution.candidates
    refusal: BreakerOpen | None = None
    for number, config in enumerate(candidates):
        try:
            payment, attempt = _store(config=config, resolution=record, **given)
        except BreakerOpen as error:
            refusal = error
            record = decisions.written(record, config.pk, tried=None, outcome=Why.BREAKER_OPEN)
        else:
            return payment, attempt, candidates[number + 1 :]
    raise refusal or BreakerOpen(resolution=record)


def _store(**given: Any) -> tuple[Payment, Attempt]:
    """Store, drawing another reference where the one drawn is taken."""
    for _draw in range(_REFERENCE_DRAWS - 1):
        with suppress(guards.ReferenceTaken):
            return _store_once(**given)
    return _store_once(**given)


def _store_once(
    *,
    shop: Shop,
    environment: str,
    branch: Branch | None,
    asked: NewPayment,
    config: PaymentConfig,
    resolution: decisions.Record,
    idempotency_key: IdempotencyKey | None,
    actor: Actor,
    now: datetime,
) -> tuple[Payment, Attempt]:
    """Commit payment, attempt and idempotency key together, under the locks that make one win."""
    payment = new_payment(
        shop=shop,
        environment=environment,
        branch=branch,
        config=config,
        asked=asked,
        actor=actor,
        now=now,
    )
    payment.resolution = resolution
    version = current_version(config)
    with transaction.atomic():
        guards.refuse_withdrawn_config(config)
        guards.lock_phone_and_order(payment)
        expiry.expire_in_the_way(payment, now=now)
        guards.refuse_second_prompt(payment, second_sale=asked.second_sale, now=now)
        routing.lock_limits(config)
        routing.check_limits(config, amount=payment.amount, now=now)
        take_rate(payment, now=now)
        breakers.admit(config=config, now=now)
        _insert(payment)
        attempt = add_attempt(payment, config=config, version=version, round_=1, now=now)
        record_creation(Change(payment, [attempt], [], actor), now=now)
        idempotency.bind(key=idempotency_key, payment=payment)
    return payment, attempt


@sensitive_variables()  # the number is an argument of Django's own frames below
def new_payment(
    *,
    shop: Shop,
    environment: str,
    branch: Branch | None,
    config: PaymentConfig,
    asked: NewPayment,
    actor: Actor,
    now: datetime,
) -> Payment:
    """
    Make a payment object, not yet saved, with the payer's number sealed.

    The shop's account rules label it, and give it a branch where the till is of none.
    """
    reference = asked.account_reference or references.new_reference(config.account_prefix)
    rule = account_rules.match(config, reference)
    payment = Payment(
        id=new_id(),
        shop=shop,
        environment=environment,
        branch=branch,
        config=config,
        provider=config.provider,
        amount=Decimal(asked.amount),
        phone=asked.msisdn,
        phone_index=phone_index(asked.msisdn),
        phone_masked=msisdns.mask(asked.msisdn),
        order_ref=asked.order_ref,
        account_reference=reference,
        is_reference_ours=not asked.account_reference,
        description=asked.description,
        purpose=asked.purpose,
        label=rule.label if rule else "",
        metadata=asked.metadata,
        version=1,
        created_by=actor.label[:254],
        created_at=now,
        expires_at=now + timedelta(seconds=settings.PAYMENT_EXPIRY_S),
    )
    if branch is None and rule is not None:
        payment.branch_id = rule.branch_id
    return payment


def phone_index(msisdn: str) -> str:
    """Return the blind index by which payments of a phone are found."""
    return blind_index("phone", msisdn)


def add_attempt(
    payment: Payment,
    *,
    config: PaymentConfig,
    version: CredentialVersion,
    round_: int,
    now: datetime,
) -> Attempt:
    """
    Add an attempt in the caller's transaction, before the provider sees anything.

    Its submission is unknown from the start: if this process dies in the call, that is the truth.
    """
    number = 1 if round_ == 1 else payment.attempts.count() + 1
    attempt = Attempt(
        shop_id=payment.shop_id,
        payment=payment,
        config=config,
        version=version,
        number=number,
        round=round_,
        status=AttemptStatus.CREATED,
        submission=Submission.UNKNOWN,
        requested_at=now,
        next_ask_at=attempt_rows.next_ask(now, now=now),
    )
    _ATTEMPTS.insert([attempt])
    return attempt


def take_rate(payment: Payment, *, now: datetime) -> None:
    """
    Count this prompt against its shop and its phone; refused prompts are not counted.

    :raises RateLimited: with the seconds until there is room again.
    """
    world = f"{payment.shop_id.hex}:{payment.environment}"
    limits = (
        (f"stk:shop:{world}", settings.STK_RATE_PER_SHOP_PER_MINUTE),
        # Per shop: what other shops ask this customer is not to be felt here.
        (f"phone:{world}:{payment.phone_index}", settings.STK_RATE_PER_PHONE_PER_MINUTE),
    )
    for key, limit in limits:
        allowance = throttling.take(key, limit=limit, now=now)
        if not allowance.allowed:
            raise RateLimited("Too many prompts in this minute.", retry_after=allowance.reset_s)


def _insert(payment: Payment) -> None:
    """Insert the payment; the partial unique indexes decide who came first."""
    try:
        _PAYMENTS.insert([payment])
    except IntegrityError as error:
        # Raised through the caller's transaction, which it ends: nothing of it is kept.
        raise guards.refusal_of(error) from error
