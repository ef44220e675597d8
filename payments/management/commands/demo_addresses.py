from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from payments.errors import PaymentsError
from payments.services.demo_addresses import register_demo_urls


class Command(BaseCommand):
    help = "Register the demo shops' C2B addresses with the simulator; print who they are as JSON."

    def handle(self, *_args: Any, **_options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("The demo shops exist under DEBUG only.")
        try:
            known = register_demo_urls(now=timezone.now())
        except PaymentsError as error:
            raise CommandError(error.detail) from error
        self.stdout.write(json.dumps(known))
