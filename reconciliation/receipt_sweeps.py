"""Sweeps over money nobody asked for, and over what Safaricom answers later (sweeps.py)."""

from __future__ import annotations

from datetime import datetime

from payments.services import (
    arrivals,
    rechecks,
    request_silence,
    review_acts,
    strangers,
    suspicions,
)


def close_silent_requests(*, now: datetime) -> int:
    """Call unknown what Safaricom never answered; return how many requests and refunds."""
    return request_silence.close_silent(now=now)


def recheck_receipts(*, now: datetime) -> int:
    """Ask again about large, flagged and held receipts; return how many were asked about."""
    return rechecks.look_again(now=now)


def settle_held_receipts(*, now: datetime) -> int:
    """Let receipts go that no prompt can be waiting for any more; return how many."""
    return arrivals.settle_held(now=now)


def ask_about_strangers(*, now: datetime) -> int:
    """Ask about money that an unlisted address told of; return how many questions or answers."""
    return strangers.ask_about(now=now)


def close_refunded_reviews(*, now: datetime) -> int:
    """Close reviews whose refund is done, or open them again where it came to nothing."""
    return review_acts.settle_refunded(now=now)


def watch_patterns(*, now: datetime) -> int:
    """Look for suspicious patterns; return how many warnings opened, went on or closed."""
    return suspicions.watch(now=now)


RECEIPT_SWEEPS = (
    settle_held_receipts,
    ask_about_strangers,
    close_silent_requests,
    recheck_receipts,
    close_refunded_reviews,
    watch_patterns,
)
