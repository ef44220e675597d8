from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from payments.services import tallies


class Command(BaseCommand):
    help = "Add up all payments anew for the pages of numbers: after loaddata, or a restored table."

    def handle(self, *_args: Any, **_options: Any) -> None:
        tallies.rebuild()
        self.stdout.write("The sums agree with the payments.")
