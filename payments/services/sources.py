"""Which addresses callbacks are believed from: a list an operator edits."""

from __future__ import annotations

import ipaddress

from payments.choices import Environment
from payments.models import CallbackSource


def is_listed(source_ip: str | None, environment: str) -> bool:
    """Tell whether callbacks from this address are believed; in sandbox all are."""
    if environment != Environment.PRODUCTION:
        return True
    if not source_ip:
        return False
    address = ipaddress.ip_address(source_ip)
    # A server that listens on [::] sees IPv4 callers as ::ffff:196.201.214.200.
    address = getattr(address, "ipv4_mapped", None) or address
    networks = CallbackSource.objects.filter(is_active=True).values_list("network", flat=True)
    return any(address in ipaddress.ip_network(network) for network in networks)
