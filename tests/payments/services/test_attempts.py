from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from payments.services import attempts

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def climb(monkeypatch, jitter):
    """Climb the ladder, asking the moment it is due; return the ages at which was asked."""
    monkeypatch.setattr(attempts.random, "uniform", lambda low, high: jitter)
    ages, now = [], START
    while (due := attempts.next_ask(START, now=now)) is not None:
        assert due > now
        now = due
        ages.append((now - START).total_seconds())
    return ages


class TestNextAsk:
    @pytest.mark.parametrize("jitter", [0.8, 0.9, 1.0, 1.1, 1.199])
    def test_visits_every_rung_once_whatever_the_jitter(self, monkeypatch, jitter):
        ages = climb(monkeypatch, jitter)

        expected = [min(step * jitter, attempts.LADDER_S[-1]) for step in attempts.LADDER_S]
        assert ages == pytest.approx(expected, abs=2.1)
        assert len(ages) <= attempts.MAX_ASKS

    def test_ends_at_the_horizon(self, monkeypatch):
        assert climb(monkeypatch, 1.199)[-1] <= 72 * 3600
        assert attempts.next_ask(START, now=START + timedelta(hours=72)) is None

    def test_skips_what_was_slept_through(self):
        due = attempts.next_ask(START, now=START + timedelta(hours=2))

        assert timedelta(hours=4.8) <= due - START <= timedelta(hours=7.2)

    def test_spreads_the_asking(self):
        dues = {attempts.next_ask(START, now=START) for _ in range(20)}

        assert len(dues) > 1
        assert all(16 <= (due - START).total_seconds() <= 24 for due in dues)
