"""
Why this config: the steps of a resolution, in words, and the record of them a payment keeps.

A step is written down when a payment is taken; what was tried, and why it moved on from there, is
written beside it. The record is data, never an instruction: nothing reads it to decide.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from payments.errors import (
    AmountOutOfRange,
    DailyLimitReached,
    MonthlyLimitReached,
    NoActiveConfig,
    PaymentsError,
    ProviderUnavailable,
)
from payments.models import Attempt, PaymentConfig

Record = list[dict[str, Any]]


class Why(TextChoices):
    """Why a config was chosen or passed over."""

    CHOSEN = "chosen", _("Chosen")
    LOWER_PRIORITY = "lower_priority", _("Next in line")
    NO_API = "no_api", _("It asks nobody: its money is known by hand or by statement only")
    NO_ADAPTER = "no_adapter", _("Malipo cannot ask this provider yet")
    NOT_VERIFIED = "not_verified", _("Not verified")
    SUSPENDED = "suspended", _("Suspended")
    INACTIVE = "inactive", _("Switched off")
    OTHER_PURPOSE = "other_purpose", _("Serves other purposes")
    AMOUNT_BELOW_MINIMUM = "amount_below_minimum", _("The amount is too small for it")
    AMOUNT_ABOVE_MAXIMUM = "amount_above_maximum", _("The amount is too large for it")
    DAILY_LIMIT_REACHED = "daily_limit_reached", _("Its daily limit is reached")
    MONTHLY_LIMIT_REACHED = "monthly_limit_reached", _("Its monthly limit is reached")
    # Everything else fits, but its last calls failed: it is left alone for a while.
    BREAKER_OPEN = "breaker_open", _("Left alone: its last calls failed")


_USABLE = frozenset({Why.CHOSEN, Why.LOWER_PRIORITY})
_AMOUNT_REASONS = frozenset({Why.AMOUNT_BELOW_MINIMUM, Why.AMOUNT_ABOVE_MAXIMUM})


@dataclass(frozen=True)
class ResolutionStep:
    """One config that came into question; level is branch or shop, why one of Why."""

    config: PaymentConfig
    level: str
    chosen: bool
    why: str
    # Seconds until an open breaker lets one payment through to see.
    retry_after: int | None = None

    def as_data(self) -> dict[str, Any]:
        return {
            "config": str(self.config.pk),
            "name": self.config.name,
            "level": self.level,
            "chosen": self.chosen,
            "why": str(self.why),
        }


@dataclass(frozen=True)
class Resolution:
    """Every config that came into question, in the order in which they are tried."""

    steps: Sequence[ResolutionStep]

    @property
    def candidates(self) -> list[PaymentConfig]:
        """The usable configs, the chosen one first."""
        return [step.config for step in self.steps if step.why in _USABLE]

    @property
    def chosen(self) -> PaymentConfig | None:
        return next((step.config for step in self.steps if step.chosen), None)

    def as_data(self) -> list[dict[str, Any]]:
        return [step.as_data() for step in self.steps]

    def raise_if_empty(self) -> None:
        """
        Say what stands in the way where no config can take the payment.

        The nearest miss is told: a limit is only looked at where everything else fitted.

        :raises PaymentsError: ProviderUnavailable, DailyLimitReached, MonthlyLimitReached,
            AmountOutOfRange or NoActiveConfig, with the steps as data.
        """
        if not self.candidates:
            raise _missed(self)


def written(record: Record, config_id: uuid.UUID, **more: Any) -> Record:
    """Return a payment's record with more said about one config."""
    return [{**step, **more} if step.get("config") == str(config_id) else step for step in record]


def moves_on(attempts: Iterable[Attempt]) -> Iterator[tuple[Attempt, Attempt]]:
    """Pair each refused attempt with the one at the next config that followed by itself."""
    for refused, following in itertools.pairwise(sorted(attempts, key=lambda row: row.number)):
        if refused.round == following.round:
            yield refused, following


def _missed(resolution: Resolution) -> PaymentsError:
    reasons = {step.why for step in resolution.steps}
    steps = resolution.as_data()
    if Why.BREAKER_OPEN in reasons:
        waits = [step.retry_after for step in resolution.steps if step.retry_after]
        return ProviderUnavailable(retry_after=min(waits, default=None), resolution=steps)
    if Why.DAILY_LIMIT_REACHED in reasons:
        return DailyLimitReached(resolution=steps)
    if Why.MONTHLY_LIMIT_REACHED in reasons:
        return MonthlyLimitReached(resolution=steps)
    if reasons & _AMOUNT_REASONS:
        return AmountOutOfRange(errors=[_range_error(resolution)], resolution=steps)
    return NoActiveConfig(resolution=steps)


def _range_error(resolution: Resolution) -> tuple[str, str, str]:
    configs = [step.config for step in resolution.steps if step.why in _AMOUNT_REASONS]
    lowest = min(config.min_amount for config in configs)
    highest = max(config.max_amount for config in configs)
    return "amount", AmountOutOfRange.code, f"Give {lowest} to {highest}."
