"""Which scenario the next prompt of a phone gets."""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

from payments.providers.daraja.simulator.scenarios import (
    SCENARIOS,
    TEST_NUMBERS,
    Scenario,
    get_scenario,
)


class ScenarioChooser:
    """
    Holds the choices made from outside, in falling order of weight.

    The queue of next ones (for a phone or for any), the phone's own, the test number's, the default.
    """

    def __init__(self, default: str) -> None:
        self._first_default = self.default = get_scenario(default)
        self._next: deque[tuple[str, Scenario]] = deque()
        self._on: dict[str, Scenario] = {}
        self._spent: Counter[tuple[str, str]] = Counter()

    def set_default(self, name: str, **params: Any) -> None:
        self.default = get_scenario(name, params)

    def queue(self, name: str, *, msisdn: str = "", **params: Any) -> None:
        self._next.append((msisdn, get_scenario(name, params)))

    def set_on(self, msisdn: str, name: str, **params: Any) -> None:
        self._on[msisdn] = get_scenario(name, params)
        self._spent.clear()

    def take_off(self, msisdn: str) -> None:
        self._on.pop(msisdn, None)

    def queued(self) -> list[tuple[str, str]]:
        return [(msisdn, scenario.name) for msisdn, scenario in self._next]

    def clear(self) -> None:
        self.default = self._first_default
        for kept in (self._next, self._on, self._spent):
            kept.clear()

    def choose(self, msisdn: str) -> Scenario:
        """Return the scenario of this phone's new prompt; uses up what was queued for it."""
        queued = self._take_queued(msisdn)
        if queued is not None:
            return queued
        chosen = self._on.get(msisdn) or TEST_NUMBERS.get(msisdn) or self.default
        if chosen.times is None:
            return chosen
        self._spent[msisdn, chosen.name] += 1
        return chosen if self._spent[msisdn, chosen.name] <= chosen.times else SCENARIOS["pay"]

    def _take_queued(self, msisdn: str) -> Scenario | None:
        for place, (wanted, scenario) in enumerate(self._next):
            if wanted in ("", msisdn):
                del self._next[place]
                return scenario
        return None
