"""Who has a claim on a config's number, as far as it concerns the config's own shop."""

from __future__ import annotations

from django.db.models import QuerySet

from payments.choices import Environment
from payments.models import PaymentConfig, ShortcodeClaim


def claims_on(config: PaymentConfig) -> QuerySet[ShortcodeClaim]:
    return ShortcodeClaim.objects.filter(
        environment=config.environment, family=config.family, shortcode=config.shortcode
    )


def is_taken(config: PaymentConfig) -> bool:
    """Tell whether another shop has the shortcode and does not share it."""
    if config.environment != Environment.PRODUCTION:
        return False
    others = claims_on(config).exclude(shop=config.shop_id)
    return others.exists() and not others.filter(is_shared=True).exists()
