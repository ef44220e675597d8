"""Planted secrets, and every form in which one could get out."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

#: Daraja's prompt ids end in nine digits of the payer's number; there, and only there, they may be.
CHECKOUT_ID = re.compile(r"ws_CO_[0-9A-Za-z_]+")


def forms_of(secret: str) -> set[str]:
    """
    Return the forms of a secret, raw and encoded.

    Base64 in its three alignments without the edges, so that the STK Password and the Basic header,
    which hold a secret between other bytes, are found too.
    """
    raw = secret.encode()
    forms = {secret, secret.upper(), secret.lower(), secret[::-1], raw.hex(), raw.hex().upper()}
    forms |= {quote(secret), quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]}
    for shift in range(3):
        cut = len(raw) - (len(raw) + shift) % 3
        encoded = base64.b64encode(b"\0" * shift + raw[:cut]).decode()
        core = encoded[4:] if shift else encoded
        forms |= {core, core.replace("+", "-").replace("/", "_")}
    return forms


def phone_forms_of(msisdn: str) -> set[str]:
    """Return the forms of a number: with its country, with a nought, bare, encoded."""
    national = msisdn[-9:]
    whole = {msisdn, f"+{msisdn}", f"0{national}", national}
    return whole | {form for text in (msisdn, f"0{national}") for form in forms_of(text)}


class Canaries:
    """Secrets by name, looked for in texts."""

    def __init__(self) -> None:
        self.forms: dict[str, set[str]] = {}

    def plant(self, name: str, secret: str) -> str:
        assert len(secret) >= 16, "too short to be told from chance"
        self.forms[name] = self.forms.get(name, set()) | forms_of(secret)
        return secret

    def plant_phone(self, msisdn: str) -> None:
        self.forms["phone"] = self.forms.get("phone", set()) | phone_forms_of(msisdn)

    def found_in(self, text: str, *, but: Iterable[str] = ()) -> set[str]:
        """Return the names of the secrets in a text; prompt ids do not count as numbers."""
        without_ids = CHECKOUT_ID.sub("", text)
        return {
            name
            for name, forms in self.forms.items()
            if name not in but
            and any(form in (without_ids if name == "phone" else text) for form in forms)
        }


def texts_in(value: object) -> Iterator[str]:
    """Walk anything a log record, a message or a report may hold."""
    if isinstance(value, bytes):
        yield value.decode("utf-8", errors="replace")
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from texts_in(key)
            yield from texts_in(each)
    elif isinstance(value, list | tuple | set):
        for each in value:
            yield from texts_in(each)
    else:
        yield f"{value} {value!r}"
