"""
Watching for suspicious patterns (requirements.md S3-40): told once, reminded daily, closed by quiet.

A pattern is an open notice; the unique index keeps it to one. It closes by itself once a day went
by without another case. Whoever knows the reason mutes it, with that reason: it is then neither
shown nor mailed until its time is over, and the same pattern opens no second one meanwhile.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from django.db.models import Q

from audit import recording
from audit.actions import AuditAction
from audit.actors import Actor
from payments.errors import InvalidInput, InvalidTransition
from payments.models import Notice
from payments.services import notices
from payments.services.configs import check_reason
from payments.services.suspicion_rules import BY_NAME, HABIT, RULES, WATCHED, Rule

QUIET = timedelta(days=1)
REMIND_EVERY = timedelta(days=1)
LONGEST_MUTE_H = 24 * 30
_AMOUNTS = ("amount", "usual")
_MUTED = ("muted_until", "muted_by")


@dataclass(frozen=True)
class Sighting:
    """A pattern seen in one shop: subject names it again, newest is its last case."""

    rule: Rule
    shop_id: uuid.UUID
    environment: str
    subject: str
    seen: int
    newest: datetime
    details: dict[str, Any]

    @property
    def notice_subject(self) -> str:
        return f"{self.environment} {self.rule.name} {self.subject}"[:64]

    def as_data(self) -> dict[str, Any]:
        return {
            **self.details,
            "rule": self.rule.name,
            "environment": self.environment,
            "seen": self.seen,
            "last_seen": self.newest.isoformat(),
        }


def watch(*, now: datetime) -> int:
    """Look for every pattern once; return how many notices opened, moved on or closed."""
    told = sum(_tell(sighting, now=now) for rule in RULES for sighting in look(rule, now=now))
    return told + close_quiet(now=now)


def look(rule: Rule, *, now: datetime) -> list[Sighting]:
    """Ask one rule over all shops."""
    asked = {
        "since": now - rule.window,
        "now": now,
        "habit_since": now - HABIT,
        "threshold": rule.threshold,
        **rule.limits,
    }
    with connection.cursor() as cursor:
        cursor.execute(rule.sql, asked)
        rows = cursor.fetchall()
    return [
        Sighting(rule, shop_id, environment, subject, seen, newest, _json(details))
        for shop_id, environment, subject, seen, newest, details in rows
    ]


def close_quiet(*, now: datetime) -> int:
    """Close patterns of which a day brought no new case; a muted one stays until it may speak."""
    rows = Notice.objects.filter(heard(now), code__in=WATCHED, closed_at=None)
    quiet = [row.pk for row in rows if last_seen(row) <= now - QUIET]
    return Notice.objects.filter(pk__in=quiet, closed_at=None).update(closed_at=now)


def heard(now: datetime) -> Q:
    """Leave out notices that are muted now."""
    return Q(muted_until=None) | Q(muted_until__lte=now)


@transaction.atomic
def mute(*, notice: Notice, hours: int, reason: str, actor: Actor, now: datetime) -> Notice:
    """
    Say nothing of a notice for some hours; 0 lets it speak again.

    :raises InvalidInput: without a reason, or for too long.
    :raises InvalidTransition: when it is closed.
    """
    check_reason(reason)
    if not 0 <= hours <= LONGEST_MUTE_H:
        detail = f"Give 0 to {LONGEST_MUTE_H} hours."
        raise InvalidInput(detail, errors=[("hours", "out_of_range", detail)])
    row: Notice = Notice.objects.select_for_update(of=("self",)).get(pk=notice.pk)
    if row.closed_at is not None:
        raise InvalidTransition("The warning is over.")
    before = recording.state_of(row, _MUTED)
    row.muted_until = now + timedelta(hours=hours) if hours else None
    row.muted_by = actor.label[:254] if hours else ""
    row.save(update_fields=[*_MUTED])
    recording.record_change(
        AuditAction.NOTICE_MUTED,
        row,
        shop_id=row.shop_id,
        before=before,
        actor=actor,
        now=now,
        reason=reason,
    )
    return row


def last_seen(notice: Notice) -> datetime:
    """Return when the newest case was; for what is not a pattern, when it was opened."""
    text = notice.data.get("last_seen")
    return datetime.fromisoformat(text) if text else notice.opened_at


def rule_of(notice: Notice) -> Rule | None:
    return BY_NAME.get(notice.data.get("rule", ""))


def explained(notice: Notice) -> str:
    """Say in a sentence what was seen; "" for notices that are no pattern."""
    rule = rule_of(notice)
    if rule is None:
        return ""
    amounts = {name: _shillings(notice.data[name]) for name in _AMOUNTS if name in notice.data}
    return str(rule.says % {**notice.data, **amounts})


def _tell(sighting: Sighting, *, now: datetime) -> bool:
    """Open a notice, or note on the open one that it goes on; tell whether anything changed."""
    subject = sighting.notice_subject
    opened = notices.open_notice(
        shop_id=sighting.shop_id,
        config=None,
        code=sighting.rule.code,
        subject=subject,
        data={**sighting.as_data(), "reminded_at": now.isoformat()},
        now=now,
    )
    return opened is not None or _go_on(sighting, now=now)


@transaction.atomic
def _go_on(sighting: Sighting, *, now: datetime) -> bool:
    rows = Notice.objects.select_for_update(of=("self",))
    row = rows.filter(
        shop=sighting.shop_id,
        config=None,
        code=sighting.rule.code,
        subject=sighting.notice_subject,
        closed_at=None,
    ).first()
    if row is None or last_seen(row) >= sighting.newest:
        return False
    row.data = {**row.data, **sighting.as_data()}
    reminded_at = datetime.fromisoformat(row.data["reminded_at"])
    if reminded_at <= now - REMIND_EVERY:
        # A new rung is a new mail (notice_mails.py).
        row.data |= {"rung": now.date().isoformat(), "reminded_at": now.isoformat()}
    row.save(update_fields=["data"])
    return True


def _shillings(amount: str) -> str:
    return f"{Decimal(amount):,.2f}".removesuffix(".00")


def _json(value: Any) -> dict[str, Any]:
    return dict(json.loads(value) if isinstance(value, str) else value)
