"""Configs and payments as the tests of the services make them."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from payments.choices import Provider, VersionStatus
from payments.models import Attempt, CredentialVersion, Payment
from payments.services import configs
from payments.services.config_rules import ConfigFields

FITTING = {
    Provider.MPESA_PAYBILL: {"shortcode": "600100", "account_prefix": "DUKA"},
    Provider.MPESA_TILL: {"shortcode": "174379", "store_number": "600996"},
    Provider.AIRTEL_MONEY: {"shortcode": "MERCHANT-7"},
    Provider.BANK_TRANSFER: {"shortcode": "247247", "account_number": "0110012345678"},
    Provider.CARD: {"shortcode": "0001234567"},
}


def create(shop, actor, now, provider=Provider.MPESA_TILL, credentials=None, **more):
    fields = ConfigFields(**{"name": "A", "provider": provider, **FITTING[provider], **more})
    return configs.create_config(
        shop=shop,
        environment="sandbox",
        fields=fields,
        credentials=credentials,
        actor=actor,
        now=now,
    )


def update(config, actor, now, credentials=None, **changes):
    return configs.update_config(
        config=config, changes=changes, credentials=credentials, actor=actor, now=now
    )


def pay(config, now, **more):
    """Put a payment with one attempt under the config, as if it had been made."""
    payment = Payment.objects.create(
        shop=config.shop,
        environment=config.environment,
        config=config,
        provider=config.provider,
        account_reference="K7Q2M9",
        **{"amount": Decimal(100), "expires_at": now + timedelta(minutes=5), **more},
    )
    version = config.versions.get(status=VersionStatus.CURRENT)
    Attempt.objects.create(
        shop=config.shop,
        payment=payment,
        config=config,
        version=version,
        number=1,
        requested_at=now,
    )
    return payment


def revealed(config):
    version = CredentialVersion.objects.get(config=config, status=VersionStatus.CURRENT)
    return {name: sealed.reveal() for name, sealed in version.secrets.items()}
