from __future__ import annotations

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Environment(TextChoices):
    """Which of a provider's two worlds: rows of one never meet rows of the other."""

    SANDBOX = "sandbox", _("Sandbox")
    PRODUCTION = "production", _("Production")
