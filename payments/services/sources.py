"""Which addresses callbacks are believed from: a list an operator edits."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from payments.choices import Environment
from payments.models import CallbackSource


def is_listed(source_ip: str | None, environment: str) -> bool:
    """Tell whether callbacks from this address are believed; in sandbox all are."""
    return environment != Environment.PRODUCTION or is_within(source_ip, listed_networks())


def listed_networks() -> list[str]:
    """Return the networks callbacks are believed from."""
    rows = CallbackSource.objects.filter(is_active=True)
    return list(rows.values_list("network", flat=True))


def is_within(source_ip: str | None, networks: Iterable[str]) -> bool:
    """Tell whether an address lies in one of the networks; no address lies in none."""
    if not source_ip:
        return False
    address = ipaddress.ip_address(source_ip)
    # A server that listens on [::] sees IPv4 callers as ::ffff:196.201.214.200.
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address in ipaddress.ip_network(network) for network in networks)
