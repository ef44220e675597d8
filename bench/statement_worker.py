"""A worker of its own for B11: `python -m bench.statement_worker ID` reads and applies a statement."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import django
from django.utils import timezone

_FOREVER_S = 3600.0


def main(statement_id: str) -> None:
    """Print seconds and megabytes as JSON; peak is what the work took above a worker at rest."""
    django.setup()
    from audit.actors import Actor  # noqa: PLC0415 - the settings must be there first
    from reconciliation.models import StatementImport  # noqa: PLC0415
    from reconciliation.statements import importing, working  # noqa: PLC0415

    statement = StatementImport.objects.defer("file", "read_lines").get(pk=statement_id)
    idle = _mb("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    began = time.perf_counter()
    working.work(clock=timezone.now, busy_s=_FOREVER_S)
    read_at = time.perf_counter()
    importing.start_applying(statement=statement, actor=Actor.system("bench"), now=timezone.now())
    working.work(clock=timezone.now, busy_s=_FOREVER_S)
    ended = time.perf_counter()
    found = {"read_s": read_at - began, "apply_s": ended - read_at, "mb": _mb("VmHWM") - idle}
    sys.stdout.write(json.dumps(found))


def _mb(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


if __name__ == "__main__":
    main(sys.argv[1])
