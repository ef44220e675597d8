"""
Tell whether another system fetches tokens for the same Daraja app.

Each new token kills the one before (safety.md R3), so two systems on one app go on killing each
other's. The sign: a token of ours that should live on is refused, and the next one works. Where
the next one is refused as well it is no war: the app lacks the product, or the environment is wrong.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db.models import F, Min, Q

from payments.choices import NoticeCode, VersionStatus
from payments.models import AccessToken, CredentialVersion, Notice, PaymentConfig, TokenRefusal
from payments.services import notices

logger = logging.getLogger(__name__)

SIGNS = 3
WITHIN = timedelta(hours=1)
QUIET_AFTER = timedelta(hours=24)
# A token this near its end may be refused for its age: clocks differ.
_MARGIN = timedelta(seconds=60)


def age_if_killed(*, fingerprint: str, refused: str, now: datetime) -> int | None:
    """
    Return the age in seconds of a refused token that should have lived on, else None.

    Once a token: of many threads that run into the same dead one, only the first is told.
    """
    row = AccessToken.objects.filter(pk=fingerprint).first()
    if row is None or row.obtained_at is None or row.expires_at is None:
        return None
    if row.expires_at - now < _MARGIN or row.token.reveal() != refused:
        return None
    # The same instant: the one before was refused and this one fetched in its place.
    first = Q(refused_at=None) | Q(refused_at__lte=F("obtained_at"))
    same = AccessToken.objects.filter(first, pk=fingerprint, obtained_at=row.obtained_at)
    if not same.update(refused_at=now):
        return None
    return max(0, round((now - row.obtained_at).total_seconds()))


def note_killed(*, fingerprint: str, age_s: int, now: datetime) -> bool:
    """Write down that a fresh token was killed; tell whether that makes it a war."""
    TokenRefusal.objects.create(app_fingerprint=fingerprint, at=now, token_age_s=age_s)
    lately = TokenRefusal.objects.filter(app_fingerprint=fingerprint, at__gt=now - WITHIN)
    count = lately.count()
    if count < SIGNS:
        return False
    logger.warning("another system fetches tokens", extra={"app": fingerprint[:8]})
    for config in configs_of_app(fingerprint):
        _tell(config, fingerprint, count, now=now)
    return True


def close_quiet(*, now: datetime) -> int:
    """Close the notices of apps that were left in peace for a day; return how many."""
    past = now - QUIET_AFTER
    open_ones = Notice.objects.filter(code=NoticeCode.TOKEN_WAR, closed_at=None)
    loud = set(TokenRefusal.objects.filter(at__gt=past).values_list("app_fingerprint", flat=True))
    quiet = [row.pk for row in open_ones if row.data.get("app") not in loud]
    closed = Notice.objects.filter(pk__in=quiet, closed_at=None).update(closed_at=now)
    # The next war has a first time of its own.
    TokenRefusal.objects.filter(at__lte=past).exclude(app_fingerprint__in=loud).delete()
    return closed


def configs_of_app(fingerprint: str) -> list[PaymentConfig]:
    versions = CredentialVersion.objects.filter(
        app_fingerprint=fingerprint, status=VersionStatus.CURRENT
    )
    return list(PaymentConfig.objects.not_deleted().filter(pk__in=versions.values("config")))


def _tell(config: PaymentConfig, fingerprint: str, count: int, *, now: datetime) -> None:
    first = TokenRefusal.objects.filter(app_fingerprint=fingerprint).aggregate(at=Min("at"))["at"]
    data = {
        "app": fingerprint,
        "first_seen": first.isoformat(),
        "last_seen": now.isoformat(),
        "count": count,
        "what_to_do": "Create a separate Daraja app for this system.",
    }
    opened = notices.open_notice(
        shop_id=config.shop_id, config=config, code=NoticeCode.TOKEN_WAR, data=data, now=now
    )
    if opened is None:
        same = Notice.objects.filter(config=config, code=NoticeCode.TOKEN_WAR, closed_at=None)
        for notice in same:
            same.filter(pk=notice.pk).update(data={**notice.data, **data})
