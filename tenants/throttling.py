"""
Limits that hold under parallelism and without Redis: one statement, counted in PostgreSQL.

A window opens with the first use and lasts a minute; the row lock of the upsert makes parallel
takers queue, so no more than the limit ever pass in one window.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import connection
from django.utils import timezone
from rest_framework.throttling import BaseThrottle

if TYPE_CHECKING:
    from rest_framework.request import Request
    from rest_framework.views import APIView

WINDOW_S = 60
_TAKE = """
    INSERT INTO tenants_ratewindow AS w (key, started_at, used) VALUES (%(key)s, %(now)s, 1)
    ON CONFLICT (key) DO UPDATE SET
        started_at = CASE WHEN w.started_at <= %(past)s THEN excluded.started_at ELSE w.started_at END,
        used = CASE WHEN w.started_at <= %(past)s THEN 1 ELSE w.used + 1 END
    RETURNING used, started_at
"""


@dataclass(frozen=True)
class Allowance:
    """What is left of a limit; reset_s counts the seconds until a new window opens."""

    allowed: bool
    limit: int
    remaining: int
    reset_s: int


def take(key: str, *, limit: int, now: datetime, window_s: int = WINDOW_S) -> Allowance:
    """Count one use of key and tell whether it is within limit a window; 0 means no limit."""
    if limit <= 0:
        return Allowance(allowed=True, limit=0, remaining=0, reset_s=0)
    with connection.cursor() as cursor:
        past = now - timedelta(seconds=window_s)
        cursor.execute(_TAKE, {"key": key, "now": now, "past": past})
        used, started_at = cursor.fetchone()
    reset_s = max(1, math.ceil((started_at - now).total_seconds()) + window_s)
    return Allowance(used <= limit, limit, max(0, limit - used), min(reset_s, window_s))


class ApiKeyThrottle(BaseThrottle):
    """The per-key limit of the API; its state goes into the RateLimit headers of every answer."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        if request.auth is None:
            return True
        allowance = take(
            f"api:{request.auth.pk}",
            limit=settings.API_RATE_PER_KEY_PER_MINUTE,
            now=timezone.now(),
        )
        request._request.rate_allowance = allowance  # noqa: SLF001 - read by the header middleware
        self._reset_s = allowance.reset_s
        return allowance.allowed

    def wait(self) -> float:
        return float(self._reset_s)
