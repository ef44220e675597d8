"""The passes of questions about prompts, on record: one row a pass and world, if anything was asked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from reconciliation.choices import RunKind, RunOutcome
from reconciliation.models import Run


def note_pass(
    asked: Mapping[str, int], settled: Mapping[str, int], *, took_s: float, now: datetime
) -> None:
    """Write down how many attempts were asked about, by environment, and how many payments moved."""
    finished_at = now + timedelta(seconds=took_s)
    Run.objects.bulk_create(
        Run(
            kind=RunKind.QUERIES,
            environment=environment,
            outcome=RunOutcome.DONE,
            asked=count,
            found=settled.get(environment, 0),
            changed=settled.get(environment, 0),
            started_at=now,
            finished_at=finished_at,
        )
        for environment, count in asked.items()
        if count
    )
