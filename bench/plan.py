"""How long and how much: one plan for a real run, one for a smoke test."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """Seconds end in _s; everything else is a count."""

    rounds: int = 3
    load_s: float = 4.0
    connections: int = 16
    payments_a_round: int = 3_000
    shops: int = 50
    many_shops: int = 10_000
    calls: int = 400
    in_flight: int = 300
    idle_s: float = 6.0
    busy_s: float = 18.0
    upstream_s: float = 2.0
    callbacks_per_s: float = 40.0
    statement_lines: int = 50_000
    swept_attempts: int = 10_000
    swept_shops: int = 1_000
    sweep_upstream_s: float = 0.2
    few_payments: int = 10_000
    many_payments: int = 1_000_000
    page_calls: int = 12
    keeps_pages: bool = False
    # What the product itself sets: when a till is answered, when a call is given up.
    answer_within_s: float = 6.0
    give_up_s: float = 20.0


WHOLE = Plan()
QUICK = Plan(
    rounds=1,
    load_s=1.0,
    payments_a_round=400,
    shops=5,
    many_shops=1_000,
    calls=100,
    in_flight=60,
    idle_s=3.0,
    busy_s=6.0,
    upstream_s=0.5,
    statement_lines=4_000,
    swept_attempts=800,
    swept_shops=20,
    few_payments=500,
    many_payments=2_000,
    page_calls=1,
    give_up_s=8.0,
)
