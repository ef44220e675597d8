from __future__ import annotations

from django.views.decorators.debug import sensitive_variables

from payments.errors import CredentialsRequired
from payments.fields import blind_index
from payments.models import CredentialVersion, PaymentConfig
from payments.providers.base import AccountDetails


@sensitive_variables()
def open_account(*, config: PaymentConfig, version: CredentialVersion) -> AccountDetails:
    """
    Open a version's secrets for one call to the provider.

    Called by services/tokens.py and services/connections.py alone; the answer is never stored.

    :raises CredentialsRequired: when the version holds no secrets.
    :raises CannotOpen: when a sealed secret does not open.
    """
    secrets = {name: sealed.reveal() for name, sealed in version.secrets.items()}
    if not secrets:
        raise CredentialsRequired("The payment config has no credentials.")
    return AccountDetails(
        provider=config.provider,
        environment=config.environment,
        shortcode=config.shortcode,
        store_number=config.store_number,
        secrets=secrets,
    )


def app_fingerprint(environment: str, consumer_key: str, consumer_secret: str) -> str:
    """
    Return the keyed hash that names a Daraja app.

    The secret is part of it, so that knowing another shop's consumer key lends nobody its token.
    """
    return blind_index("daraja-app", environment, consumer_key, consumer_secret)
