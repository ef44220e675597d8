"""
What people do with a statement: upload it, look at what it would do, apply or discard it.

The work itself is done in the background (reading_jobs, applying). Nothing reaches the books before
a person pressed apply.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import asdict
from datetime import datetime

from django.conf import settings
from django.db import IntegrityError, transaction

from audit.actions import AuditAction
from audit.actors import Actor
from audit.recording import record
from payments.errors import InvalidTransition, PaymentsError
from payments.models import PaymentConfig
from reconciliation.choices import StatementStatus
from reconciliation.models import StatementImport
from reconciliation.statements import cells, opening
from reconciliation.statements.taking import HEAVY

_ENDED_BADLY = (StatementStatus.REFUSED, StatementStatus.DISCARDED)
_MAY_BE_DISCARDED = (StatementStatus.UPLOADED, StatementStatus.READING, StatementStatus.READ)


class UploadedBefore(PaymentsError):
    """The same file was uploaded for this payment config before."""

    def __init__(self, earlier: StatementImport) -> None:
        super().__init__()
        self.earlier = earlier


def upload(
    *, config: PaymentConfig, filename: str, raw: bytes, actor: Actor, now: datetime
) -> StatementImport:
    """
    Keep a file, sealed, for a worker to read.

    :raises StatementRefused: when it is nothing that should be opened.
    :raises UploadedBefore: when it is there already.
    """
    opening.inspect(raw, max_bytes=settings.STATEMENT_MAX_MB * 1024**2)
    digest = hashlib.sha256(raw).hexdigest()
    statement = StatementImport(
        shop_id=config.shop_id,
        environment=config.environment,
        config=config,
        filename=cells.text(filename, 200) or "statement",
        digest=digest,
        size=len(raw),
        uploaded_by=actor.label[:254],
        actor=asdict(actor),
        uploaded_at=now,
    )
    statement.file = zlib.compress(raw)
    try:
        with transaction.atomic():
            _refuse_known(config, digest)
            statement.save(force_insert=True)
            _record(AuditAction.STATEMENT_UPLOADED, statement, actor=actor, now=now)
    except IntegrityError:
        # Somebody else uploaded it at the same moment.
        _refuse_known(config, digest)
        raise
    return statement


def start_applying(*, statement: StatementImport, actor: Actor, now: datetime) -> StatementImport:
    """
    Let a statement that was read be applied, by a worker.

    :raises InvalidTransition: when it is not, or no longer, waiting for that.
    """
    with transaction.atomic():
        row = _locked(statement)
        _expect(row, (StatementStatus.READ,))
        row.status, row.taken_at, row.actor = StatementStatus.APPLYING, None, asdict(actor)
        row.save(update_fields=["status", "taken_at", "actor"])
    return row


def discard(*, statement: StatementImport, actor: Actor, now: datetime) -> StatementImport:
    """
    Throw a statement away that was not applied; its file goes, that it was there stays.

    :raises InvalidTransition: once it is being applied.
    """
    with transaction.atomic():
        row = _locked(statement)
        _expect(row, _MAY_BE_DISCARDED)
        row.status, row.file, row.read_lines = StatementStatus.DISCARDED, "", ""
        row.save(update_fields=["status", "file", "read_lines"])
        _record(AuditAction.STATEMENT_DISCARDED, row, actor=actor, now=now)
    return row


def actor_of(statement: StatementImport) -> Actor:
    """Return who uploaded the statement, or who let it be applied."""
    return Actor(**statement.actor) if statement.actor else Actor.system("statements")


def _refuse_known(config: PaymentConfig, digest: str) -> None:
    rows = StatementImport.objects.filter(config=config, digest=digest).defer(*HEAVY)
    earlier = rows.exclude(status__in=_ENDED_BADLY).first()
    if earlier is not None:
        raise UploadedBefore(earlier)


def _locked(statement: StatementImport) -> StatementImport:
    rows = StatementImport.objects.select_for_update(of=("self",)).defer(*HEAVY)
    row: StatementImport = rows.select_related("config").get(pk=statement.pk)
    return row


def _expect(row: StatementImport, statuses: tuple[StatementStatus, ...]) -> None:
    if row.status not in statuses:
        raise InvalidTransition("The statement is past that by now.")


def _record(
    action: AuditAction, statement: StatementImport, *, actor: Actor, now: datetime
) -> None:
    facts = {"file": statement.filename, "bytes": statement.size, "digest": statement.digest}
    changes = [{"field": name, "old": None, "new": value} for name, value in facts.items()]
    record(action, statement, shop_id=statement.shop_id, actor=actor, now=now, changes=changes)
