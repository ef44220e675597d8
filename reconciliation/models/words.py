"""How rows write a moment in their names."""

from __future__ import annotations

from datetime import datetime

from django.utils.formats import date_format
from django.utils.timezone import localtime


def in_nairobi(moment: datetime) -> str:
    """Write it as the pages do: in the shops' time, in the reader's order."""
    return date_format(localtime(moment), "SHORT_DATETIME_FORMAT")
