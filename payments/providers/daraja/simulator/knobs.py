"""What can be turned on the simulated Daraja as a whole; a scenario turns one prompt only."""

from __future__ import annotations

import random
from dataclasses import dataclass, field


@dataclass
class Knobs:
    """
    The settings of one engine.

    pending_as is how the query says "not yet": "500" (classic), "4999" (sandbox since 2026) or
    "400" (too early). query_limit_per_minute None is off. latency_ms is the mean time push and
    query take, hang_share the part of pushes that hang though they were taken. names are the
    businesses a handset shows, by shortcode. c2b_once lets a shortcode register its addresses once,
    as production does; c2b_product is the version the apps have ("v1", "v2" or "" for both).
    c2b_validates asks the business before it takes a payment (off, as at Safaricom) and waits
    validation_wait_s; msisdn_form is "hash", "mask", "plain" or "" for what the registered version
    has; payer_names is "first", "all" or "none" of payer_name's. stk_sends_c2b tells a paid prompt
    at the C2B addresses too. tills are store numbers by till. Results come after result_after_s;
    an operator is locked after lock_after wrong credentials; a payment that was taken back has
    the status reversed_status. pull_empty is how the pull says "none": "1001" (2026), "list" or
    "text"; pull_spaced answers a registration with the keys of 2020.
    """

    token_life_s: int = 3599
    new_token_kills_old: bool = True
    expires_in_number: bool = False
    empty_400: bool = False
    pending_as: str = "500"
    query_limit_per_minute: int | None = None
    answer_after_s: float = 2.0
    prompt_life_s: float = 60.0
    latency_ms: float = 0.0
    hang_share: float = 0.0
    names: dict[str, str] = field(default_factory=dict)
    c2b_once: bool = False
    c2b_product: str = ""
    c2b_validates: bool = False
    validation_wait_s: float = 8.0
    msisdn_form: str = ""
    payer_name: str = "Jabali Wa Wakesho"
    payer_names: str = "first"
    stk_sends_c2b: bool = False
    tills: dict[str, str] = field(default_factory=dict)
    result_after_s: float = 2.0
    lock_after: int = 3
    reversed_status: str = "Reversed"
    pull_empty: str = "1001"
    pull_spaced: bool = False

    def delay_s(self, rng: random.Random) -> float:
        """Return how long the next answer takes: the mean latency, half more or less."""
        return rng.uniform(0.5, 1.5) * self.latency_ms / 1000 if self.latency_ms else 0.0

    def turn(self, **values: object) -> None:
        """
        Set knobs by name.

        :raises KeyError: when there is no such knob.
        """
        for name, value in values.items():
            if name not in vars(self):
                raise KeyError(name)
            setattr(self, name, value)
