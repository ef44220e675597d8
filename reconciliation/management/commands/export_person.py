"""What a shop holds about a number, as a file for the person who asks."""

from __future__ import annotations

import json
import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from audit.actors import Actor
from reconciliation import person_export
from reconciliation.management.commands.erase_person import add_person, person_of


class Command(BaseCommand):
    help = "Write all a shop holds about a phone number to a file; prints no number."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_person(parser)
        parser.add_argument("--output", type=Path, required=True, help="a new file, JSON")
        parser.add_argument("--reason", default="asked for by the person")

    @sensitive_variables()
    def handle(self, *_args: Any, **options: Any) -> None:
        person = person_of(options)
        if options["output"].exists():
            raise CommandError("The file is there already.")
        found = person_export.export(
            person=person,
            reason=options["reason"],
            actor=Actor.system("export_person"),
            now=timezone.now(),
        )
        text = json.dumps(found, cls=DjangoJSONEncoder, indent=2, ensure_ascii=False)
        _write(options["output"], text)
        rows = sum(len(section["rows"]) for section in found["sections"])
        self.stdout.write(f"{rows} rows about person {person.mark} are in {options['output']}.")


def _write(path: Path, text: str) -> None:
    """Write a file that nobody else on the machine may read."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise CommandError("The file cannot be written.") from error
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(f"{text}\n")
