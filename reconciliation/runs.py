"""
Passes of reconciliation on record: begun, gone on with, and finished, each in one row.

What went wrong is kept as words of PROBLEMS with their numbers, so that everybody reads it in his
own language; `problem` holds the same in English, for exports and logs.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from payments.models import PaymentConfig
from reconciliation.choices import RunKind, RunOutcome
from reconciliation.models import Run

PROBLEMS: dict[str, str] = {
    "busy": gettext_noop("Safaricom asked to slow down."),
    "budget": gettext_noop("The query budget of the Daraja app was spent; it goes on by itself."),
    "no_product": gettext_noop("The Daraja app does not have the Pull Transactions API."),
    "refused": gettext_noop("Safaricom refused: %(code)s."),
    "no_answer": gettext_noop("Safaricom gave no readable answer."),
    "no_credentials": gettext_noop("The payment config has no credentials that can be used."),
    "not_alone": gettext_noop("Another shop takes money with this number too: nothing is asked."),
    "broke": gettext_noop("The pass broke off. It is begun again by itself."),
    "gave_up": gettext_noop("The pass took too long and was given up. It is begun again."),
    "unreadable": gettext_noop("%(count)s rows could not be read."),
    "foreign": gettext_noop("%(count)s receipts are another account's."),
    "untied": gettext_noop("%(count)s reversals name no receipt we know."),
    "repeats": gettext_noop("Safaricom sent the same page again: it may hold back rows."),
    "none_ours": gettext_noop(
        "Safaricom lists none of the %(count)s receipts we know of: is the number registered for"
        " pulling by this app?"
    ),
    "too_many": gettext_noop("More than %(count)s rows: what is missing was not looked for."),
}


def begin(
    *,
    kind: RunKind,
    config: PaymentConfig | None = None,
    shop_id: uuid.UUID | None = None,
    environment: str,
    since: datetime | None = None,
    until: datetime | None = None,
    next_at: datetime | None = None,
    detail: dict[str, Any] | None = None,
    now: datetime,
) -> Run:
    """Write down that a pass begins; shop_id None is one over all shops."""
    return Run.objects.create(
        kind=kind,
        config=config,
        shop_id=config.shop_id if config else shop_id,
        environment=environment,
        since=since,
        until=until,
        next_at=next_at,
        detail=detail or {},
        started_at=now,
    )


def note(run: Run, name: str, **numbers: Any) -> None:
    """Keep a problem on an unsaved change of a run; the same words once, with the newest numbers."""
    known = [each for each in run.detail.get("problems", []) if each[0] != name]
    run.detail["problems"] = [*known, [name, numbers]]


def forget(run: Run, name: str) -> None:
    """Take a problem off a run: it is over."""
    problems = run.detail.get("problems", [])
    run.detail["problems"] = [each for each in problems if each[0] != name]


def finish(run: Run, *, outcome: RunOutcome = RunOutcome.DONE, now: datetime) -> Run:
    """Close a pass and save all of it."""
    run.outcome, run.finished_at, run.next_at = outcome, now, None
    run.problem = " ".join(problems_of(run, translated=False))[:300]
    run.save()
    return run


def problems_of(run: Run, *, translated: bool = True) -> list[str]:
    """Say what went wrong, one sentence each, in the reader's language."""
    said = []
    for name, numbers in run.detail.get("problems", []):
        words = PROBLEMS.get(name, name)
        said.append((_(words) if translated else words) % numbers)
    return said or ([run.problem] if run.problem else [])
