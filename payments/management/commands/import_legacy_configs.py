"""Older systems' M-Pesa accounts become drafts: a JSON or CSV file, read whole or not at all."""

from __future__ import annotations

import csv
import io
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from audit.actors import Actor
from payments import strictjson
from payments.choices import Environment
from payments.services import legacy_configs
from tenants.models import Shop

MAX_BYTES = 16 * 1024 * 1024


class Command(BaseCommand):
    help = "Import M-Pesa accounts of older systems as drafts; says what it did, never a secret."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="a JSON list of objects, or CSV with a header")
        parser.add_argument("--shop", metavar="SLUG", help="whose they are; else each row's own")
        parser.add_argument(
            "--environment", choices=Environment.values, default=Environment.PRODUCTION.value
        )
        parser.add_argument(
            "--store-number",
            metavar="TILL=STORE",
            action="append",
            default=[],
            help="the store (head office) number of a till; may be repeated",
        )
        parser.add_argument("--dry-run", action="store_true", help="say what would be done")

    @sensitive_variables()
    def handle(self, *args: Any, **options: Any) -> None:
        reports = legacy_configs.import_rows(
            _rows_of(options["file"]),
            shop=_shop(options["shop"]),
            environment=options["environment"],
            store_numbers=dict(_pair(text) for text in options["store_number"]),
            dry_run=options["dry_run"],
            actor=Actor.system("import_legacy_configs"),
            now=timezone.now(),
        )
        for report in reports:
            self._say(report)
        self._conclude(reports, dry_run=options["dry_run"])

    def _say(self, report: legacy_configs.Report) -> None:
        where = " ".join(filter(None, [report.shop, report.shortcode])) or "?"
        self.stdout.write(f"{report.number}. {where}: {report.what}. {report.detail}".rstrip())
        for note in report.notes:
            self.stdout.write(f"   {note}")

    def _conclude(self, reports: list[legacy_configs.Report], *, dry_run: bool) -> None:
        whats = [report.what for report in reports]
        self.stdout.write(
            ", ".join(f"{whats.count(what)} {what}" for what in legacy_configs.OUTCOMES)
        )
        if legacy_configs.FAULTY in whats:
            raise CommandError("Nothing was changed: put the faulty rows right first.")
        if dry_run:
            self.stdout.write("A dry run: nothing was changed.")


def _shop(slug: str | None) -> Shop | None:
    if slug is None:
        return None
    shop = Shop.objects.filter(slug=slug).first()
    if shop is None:
        raise CommandError("There is no such shop.")
    return shop


def _pair(text: str) -> tuple[str, str]:
    till, separator, store = text.partition("=")
    if not (till and separator and store):
        raise CommandError("--store-number takes TILL=STORE.")
    return till.strip(), store.strip()


@sensitive_variables()
def _rows_of(path: Path) -> list[dict[str, Any]]:
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError("The file cannot be read as UTF-8 text.") from error
    is_json = text.lstrip()[:1] in {"[", "{"}
    rows = _json_rows(raw) if is_json else _csv_rows(text)
    if not rows:
        raise CommandError("The file has no rows.")
    return rows


def _json_rows(raw: bytes) -> list[dict[str, Any]]:
    try:
        found = strictjson.loads(raw, max_bytes=MAX_BYTES)
    except strictjson.InvalidJSON as error:
        raise CommandError(f"The file is not JSON we take: {error.reason}.") from None
    rows = found if isinstance(found, list) else [found]
    if not all(isinstance(row, dict) for row in rows):
        raise CommandError("Give a JSON list of objects.")
    return rows


def _csv_rows(text: str) -> list[dict[str, Any]]:
    try:
        rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    except csv.Error:
        raise CommandError("The file is not CSV we take.") from None
    return [_nested(row) for row in rows]


def _nested(row: dict[str, Any]) -> dict[str, Any]:
    """Put mpesaConfig.shortCode, as exports of documents write it, where it belongs."""
    nested: dict[str, Any] = {}
    for name, value in row.items():
        head, separator, rest = (name or "").partition(".")
        if separator:
            nested.setdefault(head, {})[rest] = value
        else:
            nested[name] = value
    return nested
