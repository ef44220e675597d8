"""One statement each, and an answer of the size the product gives."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse

MAKE_TABLE = """
    CREATE TABLE IF NOT EXISTS bench_floor (id uuid PRIMARY KEY, body text NOT NULL, at timestamptz NOT NULL)
"""
_INSERT = "INSERT INTO bench_floor (id, body, at) VALUES (%s, %s, %s)"
_SELECT = """
    SELECT id, status, amount, phone_masked, account_reference, receipt_number, created_at
    FROM payments_payment WHERE id = %s
"""
_NAMES = ("id", "status", "amount", "phone", "reference", "receipt_number", "created_at")


def healthz(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok")


def insert(request: HttpRequest) -> JsonResponse:
    """Keep a body as text in one row."""
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, [uuid.uuid4(), request.body.decode(), datetime.now(UTC)])
    return JsonResponse({"ResultCode": 0, "ResultDesc": "Accepted"})


def select(request: HttpRequest, payment_id: uuid.UUID) -> JsonResponse:
    """Give a payment's row."""
    with connection.cursor() as cursor:
        cursor.execute(_SELECT, [payment_id])
        row = cursor.fetchone()
    return JsonResponse(dict(zip(_NAMES, row or (), strict=True)))
