"""Keeping what arrives at a callback address: one prepared INSERT, before anybody looks inside."""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime

import psycopg
from django.db import connection

from payments.choices import CallbackStatus
from payments.fields import field_ring
from payments.models import ProviderCallback
from payments.services import inbox_rows
from payments.services.c2b_questions import Judgement
from tenants.ids import new_id

_STORE = """
    INSERT INTO payments_providercallback
        (id, kind, subject_id, body, digest, size, content_type, source_ip, received_at, shop_id,
         status, result_code, problem, next_try_at, settled_at, processing_ms, result_desc,
         checkout_request_id, merchant_request_id, tries)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, '', '', '', 0)
"""


def receive(
    *,
    kind: str,
    subject_id: uuid.UUID,
    body: bytes,
    content_type: str,
    source_ip: str | None,
    now: datetime,
    answer: Judgement | None = None,
) -> uuid.UUID:
    """
    Keep a callback's bytes, sealed, and return the id of its row; committed on return.

    With an answer it is settled: a question that was answered leaves nothing to be applied.

    One prepared INSERT on a kept connection: through the ORM it cost three times as much, and this
    is the path that must hold when Safaricom sends everything at once (performance.md, B1).

    :raises DatabaseError: when it could not be stored; then the provider must be told so.
    """
    row_id = new_id()
    context = (ProviderCallback._meta.db_table, "body", str(row_id))  # noqa: SLF001
    params = [
        row_id,
        kind,
        subject_id,
        field_ring().seal(body, context=context) if body else "",
        hashlib.sha256(body).hexdigest(),
        len(body),
        inbox_rows.printable(content_type)[:100],
        source_ip,
        now,
        *(_settled(answer, now=now) if answer else _to_be_applied(now=now)),
    ]
    connection.ensure_connection()
    # Django's own cursors bind on the client and cannot prepare; a plain one does both.
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(_STORE, params, prepare=True)
    return row_id


def _to_be_applied(*, now: datetime) -> tuple[object, ...]:
    return (None, str(CallbackStatus.NEW), "", "", now, None, None)


def _settled(answer: Judgement, *, now: datetime) -> tuple[object, ...]:
    status = str(CallbackStatus.APPLIED)
    return (answer.shop_id, status, str(answer.answer), answer.why[:300], None, now, 0)
