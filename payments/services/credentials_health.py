"""
Are a config's credentials still good? What follows from refusal after refusal.

A refusal that counts is definite: the provider said the consumer key, secret or passkey is wrong
(CredentialsRefused). Silence, 5xx and dead tokens never count, nor does a version that is not in
use. Daraja also says no by a 400 without a word, and so do its outages: such a one counts only once
another app of the same environment was given a token since this one was first refused so, for then
it is this app and not Safaricom. One success forgets them all. In a new version's first hour ROLL_BACK_AFTER refusals put the
previous version back; otherwise SUSPEND_AFTER refusals without a success between suspend the config
(safety.md section 4), so that no till runs into it again; the job of config_expiry.py goes on
asking and calls them dead.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from audit.actions import AuditAction
from audit.actors import Actor
from payments.choices import FAMILY_OF, ConfigStatus, NoticeCode, VersionStatus
from payments.errors import CredentialsRefused, NotFound
from payments.models import AccessToken, CredentialVersion, PaymentConfig
from payments.services import config_secrets, config_trail, notices
from payments.services.config_moves import lock_config, move_config

logger = logging.getLogger(__name__)

ACTOR = Actor.system("credentials watch")
ROLL_BACK_AFTER = 3
SUSPEND_AFTER = 5
FIRST_HOUR = timedelta(hours=1)
# Daraja's code for it; where it comes, no other word is needed.
DEFINITE_CODE = "400.008.01"
# Counting on would only wear the row out.
_MOST_COUNTED = 1000


def note_success(*, version: CredentialVersion) -> None:
    """Forget the refusals of a version that was just accepted; free where there are none."""
    if version.refused_count:
        CredentialVersion.objects.filter(pk=version.pk).update(refused_count=0)
        version.refused_count = 0


def note_proven(*, config: PaymentConfig, version: CredentialVersion, now: datetime) -> None:
    """Forget refusals and their notices: a whole verification has shown the credentials good."""
    CredentialVersion.objects.filter(pk=version.pk).update(refused_count=0)
    notices.close_notices(config=config, code=NoticeCode.CREDENTIALS_REFUSED, now=now)


def note_refusal(*, version: CredentialVersion, error: CredentialsRefused, now: datetime) -> int:
    """
    Count a definite refusal of the version in use and act on it; return how many there are.

    0 where it does not count: it may be Safaricom's own trouble, or the version is not in use.
    """
    if is_vague(error) and not _is_this_app(version, now=now):
        logger.warning("refused without a reason", extra={"config": str(version.config_id)})
        return 0
    rows = CredentialVersion.objects.filter(pk=version.pk, status=VersionStatus.CURRENT)
    rows.filter(refused_count__lt=_MOST_COUNTED).update(refused_count=F("refused_count") + 1)
    seen = rows.select_related("config").defer("secrets").first()
    if seen is None:
        return 0
    version.refused_count = seen.refused_count
    try:
        _act_on(seen, now=now)
    except NotFound:  # the config was deleted meanwhile
        logger.info("refused after deletion", extra={"config": str(seen.config_id)})
    return int(seen.refused_count)


def note_initiator_refused(*, version: CredentialVersion, now: datetime) -> bool:
    """
    Put the version before back where a new one's initiator was refused; tell whether it was.

    Only in its first hour, only where the initiator came with it, and never back to credentials
    that were refused themselves. One refusal is enough: asked on, a wrong password locks him.
    """
    seen = CredentialVersion.objects.select_related("config").get(pk=version.pk)
    previous = version_before(seen)
    if not _is_new(seen, now=now) or previous is None or previous.refused_count:
        return False
    if not config_secrets.has_other_initiator(seen, previous):
        return False
    why = f"The initiator of version {seen.number} was refused in its first hour."
    return _roll_back(seen, why, now=now)


def version_before(version: CredentialVersion) -> CredentialVersion | None:
    """Return the version a new one took the place of, where there is one."""
    # Only downwards, so that two bad versions cannot hand the config to each other for ever.
    earlier = CredentialVersion.objects.filter(
        config=version.config_id, status=VersionStatus.ROTATED, number__lt=version.number
    )
    found: CredentialVersion | None = earlier.select_related("config").order_by("-number").first()
    return found


def is_vague(error: CredentialsRefused) -> bool:
    """Tell whether a no came without its code: 400, and no word or no JSON."""
    return error.http_status == 400 and error.error_code != DEFINITE_CODE


def _is_this_app(version: CredentialVersion, *, now: datetime) -> bool:
    """Tell whether another app was given a token since this one was first refused vaguely."""
    own = AccessToken.objects.filter(pk=version.app_fingerprint)
    own.filter(doubted_at=None).update(doubted_at=now)
    mine = own.only("environment", "doubted_at").first()
    if mine is None:
        return False
    given = AccessToken.objects.filter(
        environment=mine.environment, obtained_at__gt=mine.doubted_at
    ).exclude(pk=mine.pk)
    # Another provider's tokens say nothing of this one.
    family = [name for name, of in FAMILY_OF.items() if of == version.config.family]
    same = CredentialVersion.objects.filter(config__provider__in=family)
    return given.filter(pk__in=same.values("app_fingerprint")).exists()


def _act_on(version: CredentialVersion, *, now: datetime) -> None:
    why = f"Version {version.number} was refused {version.refused_count} times in its first hour."
    is_bad = _is_new(version, now=now) and version.refused_count >= ROLL_BACK_AFTER
    if is_bad and _roll_back(version, why, now=now):
        return
    if version.refused_count >= SUSPEND_AFTER:
        _suspend(version, now=now)


def _is_new(version: CredentialVersion, *, now: datetime) -> bool:
    return version.activated_at is not None and now - version.activated_at < FIRST_HOUR


@transaction.atomic
def _roll_back(version: CredentialVersion, why: str, *, now: datetime) -> bool:
    """Put the version before this one back in use; tell whether there is one."""
    config = lock_config(version.config)
    versions = CredentialVersion.objects.filter(config=config)
    previous = version_before(version)
    if previous is None:
        return False
    before = config_trail.state_of(config)
    current = versions.filter(pk=version.pk, status=VersionStatus.CURRENT)
    if not current.update(status=VersionStatus.REJECTED, retired_at=now):
        return True  # another worker has just done it
    versions.filter(pk=previous.pk).update(
        status=VersionStatus.CURRENT, retired_at=None, refused_count=0
    )
    PaymentConfig.objects.filter(pk=config.pk).update(updated_at=now)
    notices.open_notice(
        shop_id=config.shop_id,
        config=config,
        code=NoticeCode.ROLLED_BACK,
        subject=notices.version_subject(version.number),
        data={"version": version.number, "back_to": previous.number},
        now=now,
    )
    _record(AuditAction.CONFIG_ROLLED_BACK, config, before, why, now=now)
    logger.warning("a rotation was rolled back", extra={"config": str(config.pk)})
    return True


@transaction.atomic
def _suspend(version: CredentialVersion, *, now: datetime) -> None:
    config = lock_config(version.config)
    if config.status != ConfigStatus.VERIFIED:
        return
    before = config_trail.state_of(config)
    reason = f"Safaricom refused the credentials {version.refused_count} times in a row."
    move_config(config=config, to=ConfigStatus.SUSPENDED, now=now, suspended_reason=reason)
    notices.open_notice(
        shop_id=config.shop_id,
        config=config,
        code=NoticeCode.CREDENTIALS_REFUSED,
        data={"version": version.number, "in_use": True},
        now=now,
    )
    _record(AuditAction.CONFIG_SUSPENDED, config, before, reason, now=now)
    logger.warning("a config was suspended by refusals", extra={"config": str(config.pk)})


def _record(
    action: AuditAction,
    config: PaymentConfig,
    before: config_trail.State,
    reason: str,
    *,
    now: datetime,
) -> None:
    config_trail.record(action, config, before=before, actor=ACTOR, now=now, reason=reason)
