"""
Where a server of ours may knock for somebody else.

A shop names an address and we call it: without a look at it, the call could go to the database, to
a neighbour in the same network or to the cloud's metadata. The name is resolved once, every address
of it must be public, and the connection is made to the address that was looked at, so that a name
which means something else a moment later wins nothing.
"""

from __future__ import annotations

import ipaddress
import socket

# Names that exist at home only.
_LOCAL = ("localhost", ".localhost", ".local", ".lan", ".home", ".internal")
# What this language's own list of public addresses lets pass, or did in some version: networks for
# special purposes and documentation, and 168.63.129.16, the metadata of every machine at one big
# provider though public by its number.
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(each)
    for each in ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32", "2001::/23", "3fff::/20")
)
# In which addresses of IPv4 are wrapped.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# All of IPv6 that was ever given away; whatever lies outside is nobody's public address.
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class HostUnknown(Exception):
    """The name means no address."""


class AddressRefused(Exception):
    """The name means an address that is not on the public internet."""


def looks_public(host: str) -> bool:
    """Tell whether a host could be public, without asking anybody."""
    try:
        return is_public(ipaddress.ip_address(host))
    except ValueError:
        return "." in host and not any(host.endswith(name) for name in _LOCAL)


def address_of(host: str, port: int, *, allow_private: bool) -> str:
    """
    Resolve a host and return the address to connect to.

    :raises HostUnknown: when the name means nothing.
    :raises AddressRefused: when any address of it is not public, and must be.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise HostUnknown from error
    addresses = [str(row[4][0]) for row in found]
    if not allow_private and not all(_is_public_text(address) for address in addresses):
        raise AddressRefused
    return addresses[0]


def is_public(address: _Address) -> bool:
    """Tell whether an address is one of the public internet, whatever it is wrapped in."""
    if isinstance(address, ipaddress.IPv6Address):
        if inner := _wrapped_in(address):
            return is_public(inner)
        if address not in _GLOBAL_UNICAST:
            return False
    is_special = address.is_multicast or any(address in network for network in _NOT_PUBLIC)
    return address.is_global and not is_special


def _wrapped_in(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


def _is_public_text(text: str) -> bool:
    try:
        return is_public(ipaddress.ip_address(text))
    except ValueError:
        return False
