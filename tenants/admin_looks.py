"""How values look in the back office: badges carry words, not only colour."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

NONE = "–"  # noqa: RUF001 - a dash, as in a printed table


def badge(text: Any, tone: str = "quiet") -> SafeString:
    """Draw a badge; tones are good, bad, warn, wait and quiet."""
    return format_html('<span class="badge badge-{}">{}</span>', tone, text)


def yes_no(value: bool, *, yes: Any = None, no: Any = None) -> SafeString:
    return badge(yes or _("Yes"), "good") if value else badge(no or _("No"), "quiet")


def shillings(amount: Decimal | int | None) -> str:
    """Write an amount with its thousands apart; cents only where there are some."""
    if amount is None:
        return NONE
    amount = Decimal(amount)
    places = 0 if amount == amount.to_integral_value() else 2
    return number_format(amount, decimal_pos=places, use_l10n=True, force_grouping=True)


def code(text: str) -> SafeString | str:
    return format_html("<code>{}</code>", text) if text else NONE
