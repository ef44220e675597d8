from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from payments.services.demo import seed_demo
from payments.services.demo_history import seed_payments


class Command(BaseCommand):
    help = "Make two demo shops with people, keys and configs; running it again changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument(
            "--payments", type=int, default=0, metavar="N", help="add N payments of the last year"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("seed_demo makes known passwords: it runs under DEBUG only.")
        now = timezone.now()
        seeded = seed_demo(now=now)
        for done in seed_payments(options["payments"], now=now):
            self.stderr.write(f"{done:,} of {options['payments']:,} payments")
        if options["json"]:
            self.stdout.write(json.dumps(seeded, indent=2))
            return
        for login in seeded["admin"]:
            self.stdout.write(f"{login['email']}  {login['password']}  {login['role']}")
