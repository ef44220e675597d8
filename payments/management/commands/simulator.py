"""The command that runs the simulated Daraja, with its handset page, over HTTP."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from payments.providers.daraja.simulator.engine import Engine
from payments.providers.daraja.simulator.knobs import Knobs
from payments.providers.daraja.simulator.scenarios import SCENARIOS
from payments.providers.daraja.simulator.server import SimulatorServer


class Command(BaseCommand):
    """Never runs where DEBUG is off: whoever reaches it can make a prompt look paid."""

    help = "Run a simulated Daraja with a handset page (development only)."
    # It needs no database and must start while there is none.
    requires_system_checks: list[str] = []
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8001)
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--default-scenario", default="handset", choices=sorted(SCENARIOS))
        parser.add_argument("--seed", type=int, help="repeat the same ids and receipts")
        parser.add_argument("--latency", type=float, default=0, metavar="MS")
        parser.add_argument("--hang-share", type=float, default=0, metavar="0..1")
        parser.add_argument(
            "--name",
            action="append",
            default=[],
            metavar="SHORTCODE=NAME",
            help="the business a handset shows for a shortcode",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("The simulator runs only where DEBUG is on.")
        knobs = Knobs(
            latency_ms=options["latency"],
            hang_share=options["hang_share"],
            names=dict(pair.split("=", 1) for pair in options["name"] if "=" in pair),
        )
        engine = Engine(default=options["default_scenario"], knobs=knobs, seed=options["seed"])
        try:
            server = SimulatorServer(options["host"], options["port"], engine)
        except OSError as error:
            raise CommandError(f"Cannot listen: {error}") from error
        address = f"http://{options['host']}:{server.server_port}"
        self.stdout.write(f"Simulated Daraja and handset on {address}/", ending="\n")
        self.stdout.flush()
        server.run()
