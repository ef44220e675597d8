"""The form of one explained code: what it means, what to do now, who does it, who says so."""

from __future__ import annotations

from dataclasses import dataclass

from payments.choices import Fault, Finality, NextStep, WhoActs


@dataclass(frozen=True)
class Message:
    """One sentence or two for a cashier's screen, in English and Swahili."""

    en: str
    sw: str


@dataclass(frozen=True)
class Source:
    """Where a row comes from: document, section, date (as exact as it is known)."""

    document: str
    section: str
    date: str

    def __str__(self) -> str:
        return ", ".join(part for part in (self.document, self.section, self.date) if part)


@dataclass(frozen=True)
class ResultCode:
    """
    One code explained, or (code None) a payment that has none.

    finality is final only where this request can never be paid any more (or is paid); fault and
    finality are None where there is nothing to judge yet. retry_after is in seconds.
    """

    code: str | None
    finality: Finality | None
    fault: Fault | None
    message: Message
    next_step: NextStep
    who_acts: WhoActs
    retry_after: int | None
    source: Source
    provider: str = "mpesa"
