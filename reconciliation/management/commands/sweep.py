from __future__ import annotations

import signal
import threading
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import close_old_connections
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from reconciliation.running import is_switched_off, run_sweep

# Servers of others are waited for there; payments must not wait for them.
_ASIDE = frozenset({"deliver_webhooks"})


class Command(BaseCommand):
    help = "Do all periodic work without Celery: what is due now (--once), or for ever (--loop)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        how = parser.add_mutually_exclusive_group(required=True)
        how.add_argument("--once", action="store_true", help="run every sweep once and return")
        how.add_argument("--loop", action="store_true", help="run each sweep at its interval")
        parser.add_argument("--now", help="RFC 3339; DEBUG only: take this for now")

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["once"]:
            self._once(_clock(options["now"]))
        elif options["now"]:
            raise CommandError("--now goes with --once.")
        else:
            self._loop()

    def _once(self, now: datetime) -> None:
        for name in settings.CELERY_BEAT_SCHEDULE:
            self.stdout.write(f"{name}: {run_sweep(name, now=now)}")

    def _loop(self) -> None:
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        names = set(settings.CELERY_BEAT_SCHEDULE)
        aside = threading.Thread(target=_run_until, args=[stop, names & _ASIDE], daemon=True)
        aside.start()
        _run_until(stop, names - _ASIDE)
        aside.join()


def _run_until(stop: threading.Event, names: set[str]) -> None:
    """Run sweeps at their intervals, in their order, until told to stop."""
    schedule = {
        name: entry for name, entry in settings.CELERY_BEAT_SCHEDULE.items() if name in names
    }
    due = dict.fromkeys(schedule, timezone.now())
    while not stop.wait(1):
        for name, entry in schedule.items():
            if due[name] <= timezone.now():
                due[name] = timezone.now() + entry["schedule"]
                if not is_switched_off(name):
                    run_sweep(name, now=timezone.now())
        close_old_connections()


def _clock(given: str | None) -> datetime:
    if not given:
        return timezone.now()
    if not settings.DEBUG:
        raise CommandError("--now works under DEBUG only.")
    try:
        now = parse_datetime(given)
    except ValueError:
        now = None
    if now is None or now.tzinfo is None:
        raise CommandError("Write --now as RFC 3339, with a zone.")
    return now
