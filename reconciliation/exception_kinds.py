from __future__ import annotations

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class ItemKind(TextChoices):
    """What an item of the queue of exceptions is."""

    REVIEW = "review", _("Doubt")
    RECEIPT = "receipt", _("Money without an owner")
    REFUND = "refund", _("Refund")
