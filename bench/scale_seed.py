"""B9's helper: `python -m bench.scale_seed N` fills an empty database with the demo and N payments."""

from __future__ import annotations

import sys


def main(count: int) -> None:
    import django  # noqa: PLC0415

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415
    from django.utils import timezone  # noqa: PLC0415

    from config.devprocesses import say  # noqa: PLC0415
    from payments.services.demo import seed_demo  # noqa: PLC0415
    from payments.services.demo_history import SLICE, seed_payments  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    now = timezone.now()
    seed_demo(now=now)
    for done in seed_payments(count, now=now):
        if done % (10 * SLICE) == 0:
            say(f"[bench] seeded {done:,} of {count:,} payments")


if __name__ == "__main__":
    main(int(sys.argv[1]))
