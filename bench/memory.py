"""B12: what all processes of an installation hold when they rest after a load."""

from __future__ import annotations

import os
import time
from pathlib import Path

from bench.results import Goal, Row
from bench.stage import Stage

_REST_S = 12.0
_CELERY = ["-m", "celery", "-A", "config"]
_WORKER = ["worker", "-P", "threads", "-c", "4", "--without-gossip", "--without-mingle"]
_NAMES = ("web", "worker", "beat", "sweep")


def resting(stage: Stage) -> list[Row]:
    """Add up web, worker and beat; without Redis the sweep loop stands for the latter two."""
    stage.web()
    if os.environ.get("REDIS_URL"):
        stage.run_beside("worker", [*_CELERY, *_WORKER])
        stage.run_beside("beat", [*_CELERY, "beat", "--pidfile="])
    else:
        stage.run_beside("sweep", ["manage.py", "sweep", "--loop"])
    time.sleep(_REST_S)
    stage.check()
    sizes = {name: _family_mb(pid) for name, pid in stage.processes().items() if name in _NAMES}
    named = ", ".join(f"{name} {size:.0f}" for name, size in sizes.items())
    return [Row("B12", "Memory at rest", named, "", sum(sizes.values()), Goal("≤", 450, " MB"))]


def _family_mb(pid: int) -> float:
    """Add up a process and its children, pages they share counted once."""
    return _own_mb(pid) + sum(_family_mb(child) for child in _children(pid))


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


def _own_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
