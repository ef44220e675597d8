"""A worker of its own for B5: `python -m bench.sweep_worker` asks about all that is due, once."""

from __future__ import annotations

import json
import sys
import time

import django
from django.utils import timezone


def main() -> None:
    """Print seconds, statements and payments moved as JSON."""
    django.setup()
    from bench import counting  # noqa: PLC0415 - the settings must be there first
    from reconciliation import sweeps  # noqa: PLC0415

    began, used = time.perf_counter(), time.process_time()
    with counting.statements() as seen:
        moved = sweeps.ask_due_attempts(now=timezone.now())
    took_s, cpu_s = time.perf_counter() - began, time.process_time() - used
    sys.stderr.write(f"[bench] {moved} moved in {took_s:.1f} s, {cpu_s:.1f} s of its processor\n")
    found = {"s": took_s, "statements": len(seen), "moved": moved}
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
