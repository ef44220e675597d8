from __future__ import annotations

import argparse
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from payments.fields import field_ring
from payments.services import rewrapping


class Command(BaseCommand):
    help = (
        "Tell how many rows need each key of FIELD_ENCRYPTION_KEYS. With --retire ID: fail while"
        " that key is still needed, so that a script can ask before it takes the key away."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--retire", metavar="ID", help="ask whether this key may go")

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        found = rewrapping.usage_by_key()
        for key_id, columns in found.items():
            self.stdout.write(f"{key_id} ({_state(key_id)}): {sum(columns.values())} rows")
            for name, rows in sorted(columns.items()):
                self.stdout.write(f"  {name}: {rows}")
        if options["retire"]:
            self._retire(options["retire"], found)
        elif missing := found.keys() - settings.FIELD_ENCRYPTION_KEYS.keys():
            raise CommandError(f"Rows need keys that are gone: {', '.join(sorted(missing))}.")

    def _retire(self, key_id: str, found: dict[str, dict[str, int]]) -> None:
        if key_id not in found:
            raise CommandError(f"There is no key {key_id}.")
        if key_id == field_ring().writing_key_id:
            raise CommandError(f"{key_id} is the key that seals: put another one before it first.")
        if rows := sum(found[key_id].values()):
            raise CommandError(f"{rows} rows still need {key_id}: run rewrap_secrets first.")
        self.stdout.write(f"No row needs {key_id}: take it out of FIELD_ENCRYPTION_KEYS.")


def _state(key_id: str) -> str:
    if key_id not in settings.FIELD_ENCRYPTION_KEYS:
        return "MISSING"
    return "seals and opens" if key_id == field_ring().writing_key_id else "opens only"
