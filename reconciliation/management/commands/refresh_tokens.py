from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from reconciliation.running import run_sweep


class Command(BaseCommand):
    help = "Renew the access tokens that have less than ten minutes left."

    def handle(self, *_args: Any, **_options: Any) -> None:
        fetched = run_sweep("refresh_tokens", now=timezone.now())
        self.stdout.write(f"{fetched} fetched")
