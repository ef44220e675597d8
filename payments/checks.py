"""What must be right before the first request: Django's system checks, each with an id and a hint."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks
from django.db import connection

from payments.callback_urls import forbidden_words_in
from payments.services.certificates import fingerprints


@checks.register()
def check_public_base_url(**_kwargs: Any) -> list[checks.CheckMessage]:
    """Refuse an address Safaricom would refuse: callbacks are built from it."""
    url = urlsplit(settings.PUBLIC_BASE_URL)
    problems: list[checks.CheckMessage] = []
    if not url.netloc or url.path or url.query:
        problems.append(
            checks.Error(
                "PUBLIC_BASE_URL is not the address of a host.",
                hint="Write https://pay.example.co.ke, without a path.",
                id="payments.E001",
            )
        )
    if url.scheme != "https" and not settings.DEBUG:
        problems.append(
            checks.Error(
                "PUBLIC_BASE_URL is not https.",
                hint="Safaricom calls back over https only.",
                id="payments.E002",
            )
        )
    if words := forbidden_words_in(url.netloc):
        problems.append(
            checks.Error(
                f"PUBLIC_BASE_URL contains {', '.join(words)}, which Safaricom forbids.",
                hint="Use a host name without the words of payments/callback_urls.py.",
                id="payments.E003",
            )
        )
    return problems


@checks.register(checks.Tags.security, deploy=True)
def check_daraja_urls(**_kwargs: Any) -> list[checks.CheckMessage]:
    """Refuse a production address that is not encrypted, or is the sandbox's."""
    problems: list[checks.CheckMessage] = []
    if not settings.DARAJA_PRODUCTION_URL.startswith("https://"):
        problems.append(
            checks.Error(
                "DARAJA_PRODUCTION_URL is not https.",
                hint="Leave it out to use Safaricom's own.",
                id="payments.E004",
            )
        )
    if settings.DARAJA_PRODUCTION_URL == settings.DARAJA_SANDBOX_URL:
        problems.append(
            checks.Error(
                "DARAJA_PRODUCTION_URL and DARAJA_SANDBOX_URL are the same.",
                hint="Money and play money must not meet.",
                id="payments.E005",
            )
        )
    return problems


@checks.register(checks.Tags.security)
def check_certificates(**_kwargs: Any) -> list[checks.CheckMessage]:
    """Refuse a certificate no initiator's password can be sealed with."""
    return [
        checks.Error(
            f"DARAJA_CERTIFICATE_FILE_{environment.upper()} is no RSA certificate.",
            hint="Leave it out to use Safaricom's own.",
            id="payments.E007",
        )
        for environment, fingerprint in fingerprints().items()
        if not fingerprint
    ]


@checks.register(checks.Tags.database)
def check_durability(
    databases: list[str] | None = None, **_kwargs: Any
) -> list[checks.CheckMessage]:
    """Refuse a database that answers before it has written: 56 acknowledged rows were lost so."""
    if not databases or settings.DEBUG:
        return []
    with connection.cursor() as cursor:
        cursor.execute("SHOW synchronous_commit")
        mode = cursor.fetchone()[0]
    if mode != "off":
        return []
    return [
        checks.Error(
            "PostgreSQL runs with synchronous_commit=off.",
            hint="Set it to on: an acknowledged callback must survive a crash.",
            id="payments.E006",
        )
    ]
