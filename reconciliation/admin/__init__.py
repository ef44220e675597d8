from __future__ import annotations

from reconciliation.admin import (
    dashboards,
    exceptions,
    fault_finding,
    matching,
    monitor,
    persons,
    replays,
    retention,
    runs,
    shifts,
    statements,
    sweeps,
    tariffs,
    transcripts,
)

__all__ = [
    "dashboards",
    "exceptions",
    "fault_finding",
    "matching",
    "monitor",
    "persons",
    "replays",
    "retention",
    "runs",
    "shifts",
    "statements",
    "sweeps",
    "tariffs",
    "transcripts",
]
