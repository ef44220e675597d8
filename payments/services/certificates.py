"""Which certificates initiators' passwords are sealed with, to be compared with Safaricom's."""

from __future__ import annotations

from payments.choices import Environment
from payments.errors import CannotOpen
from payments.providers import registry


def fingerprints() -> dict[str, str]:
    """Return the SHA-256 of each environment's certificate, "" where it cannot be read."""
    return {str(environment): _fingerprint(environment) for environment in Environment}


def _fingerprint(environment: str) -> str:
    try:
        return registry.certificate_fingerprint(environment)
    except CannotOpen:
        return ""
