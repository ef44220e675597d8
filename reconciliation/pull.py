"""
Pull Transactions: a pass over what Safaricom has of one number, page by page, within the budget.

The pass is a row: what stops it (no budget left, a busy Safaricom, a process that died) only
postpones it, and it goes on at the row it had come to. pull_compare.py does what the pages say.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta

from django.db import transaction

from audit.actors import Actor
from payments.choices import NoticeCode
from payments.errors import (
    CannotOpen,
    CredentialsRefused,
    CredentialsRequired,
    NoActiveConfig,
    PaymentsError,
    ProductMissing,
    ProviderBusy,
    ProviderRefused,
    ProviderUnavailable,
    TokenRefused,
)
from payments.models import CredentialVersion
from payments.providers.base import PulledPage, PullQuestion
from payments.services import checking, notices, pull_registration, upstream
from payments.services.connections import connect, current_version
from reconciliation import pull_compare, runs
from reconciliation.choices import RunKind, RunOutcome
from reconciliation.models import Run
from reconciliation.pull_accounts import LEASE, Account

logger = logging.getLogger(__name__)

ACTOR = Actor.system("pull")
MOST_PAGES = 500
# A process at its cap of calls, or one Safaricom asked to slow down.
_PAUSE = timedelta(minutes=1)
_GIVEN_UP = timedelta(hours=3)
_NO_CREDENTIALS = (CannotOpen, CredentialsRefused, CredentialsRequired, NoActiveConfig)


class _Wait(Exception):
    """The pass goes on later, at this time."""

    def __init__(self, problem: str, until: datetime) -> None:
        super().__init__(problem)
        self.problem, self.until = problem, until


def waiting(*, now: datetime) -> list[Run]:
    """Take the passes that are to go on and put them out of other workers' hands."""
    with transaction.atomic():
        rows = Run.objects.select_for_update(of=("self",), skip_locked=True)
        due = rows.filter(kind=RunKind.PULL, outcome=RunOutcome.RUNNING, next_at__lte=now)
        found = list(due.select_related("config__shop").order_by("started_at"))
        Run.objects.filter(pk__in=[run.pk for run in found]).update(next_at=now + LEASE)
    return found


def go_on(run: Run, account: Account | None, *, now: datetime) -> Run:
    """
    Go on with a pass the caller has taken, as far as the budget lets it; never raises.

    account is None where its number is no longer asked about: then the pass is over.
    """
    began = time.monotonic()
    if account is None or run.started_at < now - _GIVEN_UP:
        runs.note(run, "gave_up")
    elif not pull_registration.is_alone(account.config):
        runs.note(run, "not_alone")
    else:
        outcome = _work(run, account, now=now)
        if outcome is None:
            return run
        return runs.finish(run, outcome=outcome, now=now + _since(began))
    return runs.finish(run, outcome=RunOutcome.FAILED, now=now)


def _work(run: Run, account: Account, *, now: datetime) -> RunOutcome | None:
    """Read pages to the end; return how the pass ended, None where it waits."""
    try:
        _pages(run, account, now=now)
        _close(run, account, now=now)
    except _Wait as wait:
        runs.note(run, wait.problem)
        run.next_at = wait.until
        run.save()
        return None
    except PaymentsError as error:
        _keep_problem(run, account, error, now=now)
        return RunOutcome.FAILED
    except Exception:
        logger.exception("a pull broke off", extra={"run": str(run.pk)})
        runs.note(run, "broke")
        return RunOutcome.FAILED
    return RunOutcome.DONE


def _pages(run: Run, account: Account, *, now: datetime) -> None:
    version = current_version(account.config)
    has_more = not run.detail.get("is_read")
    while has_more and run.asked < MOST_PAGES:
        page = _page(run, account, version, now=now)
        has_more = page.has_more and not pull_compare.is_repeat(run, page)
        pull_compare.take_page(run, account, page, actor=ACTOR, now=now)
        run.detail["is_read"] = not has_more
        # Written down before the next call: who goes on after us begins at this row.
        run.next_at = now + LEASE
        run.save()


def _page(run: Run, account: Account, version: CredentialVersion, *, now: datetime) -> PulledPage:
    """Ask for the page the pass has come to; raise _Wait where it is not the time."""
    assert run.since is not None and run.until is not None  # noqa: S101, PT018 - _begin wrote them
    if wait_s := checking.try_budget(version.app_fingerprint, now=now):
        raise _Wait("budget", now + timedelta(seconds=wait_s))
    question = PullQuestion(run.since, run.until, offset=int(run.detail.get("offset", 0)))
    try:
        with upstream.upstream_slot():
            connection = connect(config=account.config, version=version, now=now)
            run.asked += 1
            page = connection.pull(question, now=now)
    except ProviderUnavailable as error:
        raise _Wait("busy", now + _PAUSE) from error
    except ProviderBusy as error:
        checking.pause(version.app_fingerprint, now=now)
        raise _Wait("busy", now + _PAUSE) from error
    run.detail["offset"] = question.offset + page.rows
    run.found += page.rows
    return page


def _close(run: Run, account: Account, *, now: datetime) -> None:
    """Look at the whole of what was listed, and take down what was told of earlier failures."""
    for name in ("budget", "busy"):
        runs.forget(run, name)
    pull_compare.settle(run, account, actor=ACTOR, now=now)
    notices.close_notices(config=account.config, code=NoticeCode.PULL_REFUSED, now=now)


def _keep_problem(run: Run, account: Account, error: PaymentsError, *, now: datetime) -> None:
    """Say in plain words why the pass failed; a missing product is told to the shop, once."""
    if isinstance(error, (ProductMissing, TokenRefused)):
        runs.note(run, "no_product")
        notices.open_notice(
            shop_id=account.config.shop_id,
            config=account.config,
            code=NoticeCode.PULL_REFUSED,
            data={"error_code": error.error_code},
            now=now,
        )
    elif isinstance(error, _NO_CREDENTIALS):
        runs.note(run, "no_credentials")
    elif isinstance(error, ProviderRefused):
        runs.note(run, "refused", code=error.error_code or "?")
    else:
        runs.note(run, "no_answer")


def _since(began: float) -> timedelta:
    return timedelta(seconds=time.monotonic() - began)
