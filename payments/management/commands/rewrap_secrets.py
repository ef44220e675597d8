from __future__ import annotations

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from audit import recording
from audit.actions import AuditAction
from audit.actors import Actor
from payments.fields import field_ring
from payments.services import rewrapping


class Command(BaseCommand):
    help = (
        "Seal everything that is sealed with the first key of FIELD_ENCRYPTION_KEYS. May be stopped"
        " and started again at any time, and run several times at once, while payments are taken."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--batch", type=int, default=rewrapping.BATCH, help="rows at a time")

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        self.stdout.write(f"Sealing with key {field_ring().writing_key_id}.")
        found = [
            self._rewrap(column, batch=max(1, options["batch"]))
            for column in rewrapping.sealed_columns()
        ]
        _record(found)
        if any(each.broken or each.left for each in found):
            raise CommandError("Some rows were not rewrapped; their old key is still needed.")
        self.stdout.write("Everything is sealed with the writing key.")

    def _rewrap(self, column: rewrapping.SealedColumn, *, batch: int) -> rewrapping.Rewrapped:
        total, done = rewrapping.to_do(column), 0

        def tell(rows: int) -> None:
            nonlocal done
            done += rows
            self.stdout.write(f"  {column.name}: {done} of {total}")

        found = rewrapping.rewrap(column, batch=batch, progress=tell)
        for row in sorted(found.broken):
            self.stderr.write(f"  {column.name}: row {row} does not open")
        self.stdout.write(f"{column.name}: {found.rewrapped} rewrapped, {found.left} left")
        return found


def _record(found: list[rewrapping.Rewrapped]) -> None:
    """Put it on the platform's trail, where anything was done."""
    changes = [
        {"field": each.column.name, "old": None, "new": each.rewrapped}
        for each in found
        if each.rewrapped
    ]
    if changes:
        key = {"field": "key", "old": None, "new": field_ring().writing_key_id}
        recording.record(
            AuditAction.SECRETS_REWRAPPED,
            None,
            shop_id=None,
            actor=Actor.system("rewrap_secrets"),
            now=timezone.now(),
            changes=[key, *changes],
        )
