"""What may stand as the address of a webhook."""

from __future__ import annotations

import re
from typing import NoReturn
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from payments.choices import Environment
from payments.errors import InvalidInput
from payments.models.webhooks import MAX_URL
from payments.services.public_addresses import looks_public

# Printable ASCII without spaces, quotation marks and what only a confused writer puts there.
_CHARACTERS = re.compile(r"[!#$%&'()*+,./0-9:;=?@A-Z\[\]_a-z~-]+")
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?)*")


def check_url(url: str, *, environment: str) -> None:
    """
    Refuse an address that webhooks of the environment may not go to; nobody is asked about it.

    :raises InvalidInput: with the field "url".
    """
    parts = _split(url)
    schemes = {"https"} if environment == Environment.PRODUCTION else {"https", "http"}
    if parts.scheme not in schemes:
        _refuse("not_https", f"Give an address that begins with {' or '.join(sorted(schemes))}.")
    if "@" in parts.netloc:
        _refuse("has_login", "Leave name and password out of the address: it is signed instead.")
    if "#" in url:
        _refuse("invalid", "Leave out what follows the # sign: it is never sent.")
    host = parts.hostname or ""
    if not settings.WEBHOOK_ALLOW_PRIVATE and not looks_public(host):
        _refuse("not_public", "Give a host on the public internet.")


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        _refuse("invalid", "This is no web address.")
    host = parts.hostname or ""
    is_fit = len(url) <= MAX_URL and _CHARACTERS.fullmatch(url) and port != 0
    if not is_fit or not (_NAME.fullmatch(host) or ":" in host):
        _refuse("invalid", "This is no web address.")
    return parts


def _refuse(code: str, detail: str) -> NoReturn:
    raise InvalidInput(detail, errors=[("url", code, detail)])
