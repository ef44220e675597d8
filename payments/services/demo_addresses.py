"""Let the demo shops hear of money nobody asked for: their C2B addresses, at the simulator."""

from __future__ import annotations

from datetime import datetime

from payments.choices import Provider
from payments.models import PaymentConfig
from payments.services.c2b_urls import register_urls
from payments.services.demo import ACTOR, SHOPS


def register_demo_urls(*, now: datetime) -> dict[str, dict[str, str]]:
    """
    Register every demo config's addresses and return who is who: names by number, stores by till.

    :raises VerificationFailed: when the simulator does not take them.
    """
    numbers = {demo.shortcode for shop in SHOPS for demo in shop.configs}
    slugs = [shop.slug for shop in SHOPS]
    configs = PaymentConfig.objects.filter(shop__slug__in=slugs, shortcode__in=numbers)
    names: dict[str, str] = {}
    tills: dict[str, str] = {}
    for config in configs.select_related("shop", "branch"):
        register_urls(config=config, response_type="Completed", actor=ACTOR, now=now)
        place = f" {config.branch.name}" if config.branch else ""
        names[config.shortcode] = f"{config.shop.name}{place}"
        if config.provider == Provider.MPESA_TILL:
            tills[config.shortcode] = config.store_number
    return {"names": names, "tills": tills}
