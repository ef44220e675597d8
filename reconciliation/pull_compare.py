"""
What Safaricom lists against what we have, both ways.

A row we do not have, or have otherwise, enters the ledger by the door all money comes through. A
receipt of ours that two passes in a row of its time do not list is a person's to look at; it blocks
nothing, because a list can be short. Where a pass lists nothing of ours at all, the list itself is
in doubt, and nothing is said of single receipts.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models.functions import Coalesce

from audit.actors import Actor
from payments.choices import EvidenceSource, ReceiptChannel, ReceiptStatus, ReviewCode
from payments.models import PaymentConfig, Receipt, Review
from payments.providers.base import ArrivedMoney, PulledPage, TakenBack
from payments.services import arrival_rows, arrivals, radar, reviews
from payments.services.arrivals import ForeignReceipt
from reconciliation import pull_clock, runs
from reconciliation.choices import RunKind, RunOutcome
from reconciliation.models import Run
from reconciliation.pull_accounts import Account

logger = logging.getLogger(__name__)

# Before that Safaricom's own list may lag behind its callbacks.
SETTLED_AFTER = timedelta(minutes=30)
_LOOKED_BACK = timedelta(hours=49)
# A pass keeps the numbers it has seen; beyond these the list is no longer compared the other way.
MOST_SEEN = 20_000
_MOST_MISSING = 200


def is_repeat(run: Run, page: PulledPage) -> bool:
    """Tell whether a page holds nothing that earlier pages did not: then the offset is ignored."""
    seen = set(run.detail.get("seen", []))
    numbers = _numbers(page)
    is_old = bool(numbers) and numbers <= seen
    if is_old:
        runs.note(run, "repeats")
    return is_old


def take_page(run: Run, account: Account, page: PulledPage, *, actor: Actor, now: datetime) -> None:
    """Enter what a page tells that we do not know, and note what could not be used."""
    known = _known(account, (money.receipt_number for money in page.money))
    before = _reviews_open(account)
    shift = _shift(run, page, known)
    for money in page.money:
        row = known.get(money.receipt_number)
        if row is None or not _says_the_same(row, money):
            own = shift or pull_clock.shift_of_row(money.paid_at, since=run.since, until=run.until)  # type: ignore[arg-type]
            told = pull_clock.put_right(money, own)
            run.changed += _enter(run, account, told, actor=actor, now=now)
    later = [*run.detail.get("untied", []), *(_as_json(back) for back in page.taken_back)]
    run.detail["untied"] = _take_back(run, account, later, actor=actor, now=now)
    run.reviews += max(_reviews_open(account) - before, 0)
    _end_doubts(known.values(), actor=actor, now=now)
    _note_seen(run, page, known)


def settle(run: Run, account: Account, *, actor: Actor, now: datetime) -> None:
    """At the end of a pass: what reversals name nobody, and what of ours is not listed."""
    if untied := run.detail.pop("untied", []):
        runs.note(run, "untied", count=len(untied))
    seen = set(run.detail.pop("seen", []))
    if run.found > MOST_SEEN:
        runs.note(run, "too_many", count=MOST_SEEN)
        return
    ours = _expected(run, account, now=now)
    missing = [row for row in ours if row.number not in seen]
    if missing and len(missing) == len(ours) and not run.detail.get("has_ours"):
        runs.note(run, "none_ours", count=len(ours))
        return
    earlier = _missed_before(run, account, now=now)
    for row in missing:
        if str(row.pk) in earlier:
            run.reviews += _doubt(row, now=now)
    run.detail["missing"] = [str(row.pk) for row in missing[:_MOST_MISSING]]


def _known(account: Account, numbers: Iterable[str]) -> dict[str, Receipt]:
    """Return what the shop's ledger has under these numbers; who typed one knows nothing."""
    rows = Receipt.objects.filter(
        shop=account.config.shop_id,
        environment=account.config.environment,
        family=account.config.family,
        number__in=list(numbers),
    )
    rows = rows.exclude(channel=ReceiptChannel.MANUAL)
    return {row.number: row for row in rows.select_related("payment")}


def _says_the_same(row: Receipt, money: ArrivedMoney) -> bool:
    return row.amount == money.amount


def _shift(run: Run, page: PulledPage, known: dict[str, Receipt]) -> timedelta:
    """Return by how much the rows' times are early; what one page has shown holds for the next."""
    pairs = [
        (row.paid_at, money.paid_at)
        for money in page.money
        if (row := known.get(money.receipt_number)) and row.channel != ReceiptChannel.PULL
    ]
    shift = pull_clock.shift_from(pairs)
    if shift is not None:
        run.detail["hours_early"] = shift // timedelta(hours=1)
    return timedelta(hours=int(run.detail.get("hours_early", 0)))


def _enter(run: Run, account: Account, money: ArrivedMoney, *, actor: Actor, now: datetime) -> int:
    """Enter one row; what cannot be entered is counted and stops no other."""
    channel = ReceiptChannel.PULL
    try:
        config = _config_of(account, money, now=now)
        told = replace(money, shortcode=config.shortcode)
        taken = arrivals.enter(told, config=config, channel=channel, actor=actor, now=now)
    except ForeignReceipt:
        _count(run, "foreign")
        return 0
    except Exception:
        logger.exception("a pulled row was not entered", extra={"run": str(run.pk)})
        _count(run, "unreadable")
        return 0
    return int(taken.is_news)


def _config_of(account: Account, money: ArrivedMoney, *, now: datetime) -> PaymentConfig:
    """Return the config whose money it is: one store number may serve several tills."""
    configs = PaymentConfig.objects.not_deleted().filter(pk__in=account.config_ids)
    others = list(configs.exclude(shortcode=account.config.shortcode).select_related("shop"))
    candidates: list[PaymentConfig] = [account.config, *others] if others else []
    waiting = None
    for config in candidates:
        channel = ReceiptChannel.PULL
        row = arrival_rows.new_row(money, config=config, channel=channel, now=now)
        place = arrivals.place_of(row, now=now)
        if place.owner:
            return config
        if place.status == ReceiptStatus.HELD:
            waiting = waiting or config
    return waiting or account.config


def _take_back(
    run: Run, account: Account, rows: list[dict[str, Any]], *, actor: Actor, now: datetime
) -> list[dict[str, Any]]:
    """Mark what went back as reversed; return the rows whose receipt is not known, or not yet."""
    originals = _known(account, (row["original"] for row in rows))
    for row in rows:
        if original := originals.get(row["original"]):
            source = EvidenceSource.PULL
            run.changed += radar.note_reversal(original, source=source, actor=actor, now=now)
    return [row for row in rows if row["original"] not in originals]


def _as_json(back: TakenBack) -> dict[str, Any]:
    return {"number": back.receipt_number, "original": back.original_number}


def _expected(run: Run, account: Account, *, now: datetime) -> list[Receipt]:
    """Find the receipts of ours that a list of the pass's time must have."""
    assert run.since is not None and run.until is not None  # noqa: S101, PT018 - _begin wrote them
    rows = Receipt.objects.filter(
        shop=account.config.shop_id,
        config__in=account.config_ids,
        family=account.config.family,
        status=ReceiptStatus.CREDITED,
        # Nothing is on the ledger before it was paid; the index knows when it came.
        created_at__range=(run.since, now - SETTLED_AFTER),
    ).exclude(channel=ReceiptChannel.MANUAL)
    at = Coalesce("paid_at", "created_at")
    inside = (run.since + pull_clock.SLACK, run.until - SETTLED_AFTER)
    return list(rows.alias(at=at).filter(at__range=inside).select_related("payment"))


def _missed_before(run: Run, account: Account, *, now: datetime) -> set[str]:
    """Return the receipts that an earlier pass did not list either."""
    rows = Run.objects.filter(
        config__in=account.config_ids,
        kind=RunKind.PULL,
        outcome=RunOutcome.DONE,
        started_at__gt=now - _LOOKED_BACK,
        detail__has_key="missing",
    ).exclude(pk=run.pk)
    return {each for missing in rows.values_list("detail__missing", flat=True) for each in missing}


@transaction.atomic
def _doubt(receipt: Receipt, *, now: datetime) -> int:
    code, subject = ReviewCode.NOT_AT_SAFARICOM, str(receipt.pk)
    known = Review.objects.filter(code=code, subject=subject).exists()
    if not known:
        reviews.open_about(receipt, code, subject=subject, now=now)
    return int(not known)


def _end_doubts(rows: Iterable[Receipt], *, actor: Actor, now: datetime) -> None:
    """Close the doubts about receipts that are listed after all."""
    subjects = [str(row.pk) for row in rows]
    code = ReviewCode.NOT_AT_SAFARICOM
    open_ones = Review.objects.filter(code=code, subject__in=subjects, resolved_at=None)
    for subject in open_ones.values_list("subject", flat=True):
        with transaction.atomic():
            reason = "Safaricom lists the receipt now."
            reviews.close_about(code, subject=subject, actor=actor, reason=reason, now=now)


def _note_seen(run: Run, page: PulledPage, known: dict[str, Receipt]) -> None:
    if page.unreadable:
        _count(run, "unreadable", page.unreadable)
    if known:
        run.detail["has_ours"] = True
    if run.found <= MOST_SEEN:
        run.detail["seen"] = sorted({*run.detail.get("seen", []), *_numbers(page)})


def _numbers(page: PulledPage) -> set[str]:
    came = {money.receipt_number for money in page.money}
    return came | {back.receipt_number for back in page.taken_back}


def _count(run: Run, name: str, more: int = 1) -> None:
    problems = dict(run.detail.get("problems", []))
    runs.note(run, name, count=problems.get(name, {}).get("count", 0) + more)


def _reviews_open(account: Account) -> int:
    config = account.config
    rows = Review.objects.filter(shop=config.shop_id, environment=config.environment)
    return int(rows.filter(resolved_at=None).count())
