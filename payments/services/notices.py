"""What a shop must know until it is over: one open row per shop, config, code and subject."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from payments.choices import NoticeCode
from payments.models import Notice, PaymentConfig


def open_notice(
    *,
    shop_id: uuid.UUID,
    config: PaymentConfig | None,
    code: NoticeCode | str,
    subject: str = "",
    data: dict[str, Any] | None = None,
    now: datetime,
) -> Notice | None:
    """Open a notice and return it; None where the same one is open already, which stays as it is."""
    notice = Notice(
        shop_id=shop_id, config=config, code=code, subject=subject, data=data or {}, opened_at=now
    )
    return keep(notice)


def keep(notice: Notice) -> Notice | None:
    """Keep a new notice and return it; None where the same one is open already."""
    # The unique index decides, so that two workers who see the same thing tell it once.
    Notice.objects.bulk_create([notice], ignore_conflicts=True)
    return Notice.objects.filter(pk=notice.pk).first()


def close_notices(
    *,
    config: PaymentConfig,
    code: NoticeCode | str,
    subject: str | None = None,
    now: datetime,
) -> int:
    """Close a config's open notices of one code, or of one subject of it; return how many."""
    rows = Notice.objects.filter(config=config, code=code, closed_at=None)
    if subject is not None:
        rows = rows.filter(subject=subject)
    return rows.update(closed_at=now)


def close_shop_notices(
    *, shop_id: uuid.UUID, code: NoticeCode | str, subject: str, now: datetime
) -> int:
    """Close a shop's open notices about one subject that is no config; return how many."""
    rows = Notice.objects.filter(shop=shop_id, config=None, code=code, subject=subject)
    return rows.filter(closed_at=None).update(closed_at=now)


def version_subject(number: int) -> str:
    """Name a credential version as the subject of a notice."""
    return f"v{number}"
