"""`python -m bench [--quick] [B1 B3 …]`: measure, and print the table."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import NoReturn

from bench import stage as stages
from bench.load import generator
from bench.plan import QUICK, WHOLE, Plan
from bench.results import Row, table
from config.devprocesses import say

WORKLOADS = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B9", "B10", "B11", "B12")


def main(arguments: list[str]) -> int:
    """Run what was asked for; only an error is a failure, a missed goal is a mark in the table."""
    names, plan = _parse(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    server_url = os.environ.get("DATABASE_URL")
    if not server_url:
        say("bench: set DATABASE_URL, or use `make bench`.")
        return 2
    try:
        with stages.own_database(server_url) as url:
            rows = _measure(names, plan, url)
    except KeyboardInterrupt:
        return 130
    except stages.BenchError as error:
        say(f"bench: {error}")
        return 1
    say(f"\n{table(rows)}\n\nLoad by {generator()}; medians of {plan.rounds} rounds in turns.")
    return 0


def _parse(arguments: list[str]) -> tuple[list[str], Plan]:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="B1", help=f"of {', '.join(WORKLOADS)}")
    parser.add_argument("--quick", action="store_true", help="a smoke test: one short round")
    parser.add_argument("--keep", action="store_true", help="keep B9's databases for the day")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(WORKLOADS):
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    chosen = [name for name in WORKLOADS if not options.names or name in options.names]
    return chosen, replace(QUICK if options.quick else WHOLE, keeps_pages=options.keep)


def _measure(names: list[str], plan: Plan, database_url: str) -> list[Row]:
    settings = stages.production_settings(database_url, plan=plan)
    os.environ.update(settings)
    with stages.Stage(settings, plan) as stage:
        workloads = _prepare(stage)
        rows: list[Row] = []
        for name in names:
            started = time.monotonic()
            found = workloads[name]()
            say(f"[bench] {name} took {time.monotonic() - started:.0f} s")
            for row in found:
                say(f"[bench]   {'  '.join(row.cells()[1:])}")
            rows.extend(found)
        return rows


def _prepare(stage: stages.Stage) -> dict[str, Callable[[], list[Row]]]:
    """Set up Django in this process, migrate, make the world; return the workloads by name."""
    import django  # noqa: PLC0415 - the settings read the environment that main has just made

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415

    from bench import (  # noqa: PLC0415
        callbacks,
        calls,
        memory,
        polls,
        prompts,
        questions,
        rewrapping,
        scale,
        statements,
        sweeping,
        world,
    )

    started = time.monotonic()
    call_command("migrate", verbosity=0)
    stalls = world.make_stalls(stage.plan.shops)
    say(f"[bench] prepared in {time.monotonic() - started:.0f} s")
    return {
        "B1": lambda: callbacks.storing(stage, stalls),
        "B2": lambda: callbacks.applying(stage, stalls),
        "B3": lambda: prompts.prompting(stage, stalls),
        "B4": lambda: polls.polling(stage, stalls),
        "B5": lambda: sweeping.sweeping(stage),
        "B6": lambda: calls.resolving(stage.plan),
        "B7": lambda: calls.sealing(stage.plan),
        "B8": lambda: rewrapping.rewrapping_all(stage.plan),
        "B9": lambda: scale.growing(stage),
        "B10": lambda: questions.asking(stage, stalls),
        "B11": lambda: statements.importing_statements(stage.plan),
        "B12": lambda: memory.resting(stage),
    }


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
