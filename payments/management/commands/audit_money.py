from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from payments.services.money_audit import PROMISES, audit_money


class Command(BaseCommand):
    help = "Check in SQL that no promise about money is broken; names each row that breaks one."

    def handle(self, *_args: Any, **_options: Any) -> None:
        breaches = audit_money()
        for breach in breaches:
            self.stderr.write(f"{breach.code} {breach.row}: {breach.says}")
        if breaches:
            raise CommandError(f"{len(breaches)} rows break a promise.")
        self.stdout.write(f"{len(PROMISES)} promises hold.")
