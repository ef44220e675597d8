"""
Access tokens, one desk for all apps: `GET /oauth/v1/generate`.

Any key and secret that are not empty and do not begin with "bad" are an app; an app that was
registered must use its own secret. A new token kills the app's old one (Daraja 3.0 portal, FAQ of
the Authorization page) unless the knob says otherwise.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from payments.providers.daraja.simulator import faults, wire
from payments.providers.daraja.simulator.knobs import Knobs
from payments.providers.daraja.simulator.ledger import Ledger, TokenRequested


@dataclass
class TokenDesk:
    """Issues tokens and says whose a token is."""

    ids: wire.Ids
    ledger: Ledger
    knobs: Knobs
    _secrets: dict[str, str] = field(default_factory=dict)
    _living: dict[str, tuple[str, datetime]] = field(default_factory=dict)

    def register(self, consumer_key: str, consumer_secret: str) -> None:
        self._secrets[consumer_key] = consumer_secret

    def kill(self, app: str) -> None:
        self._living = {token: row for token, row in self._living.items() if row[0] != app}

    def kill_all(self) -> None:
        self._living.clear()

    def issue(
        self, headers: Mapping[str, str], query: Mapping[str, str], *, number: bool, now: datetime
    ) -> wire.Answer:
        """Answer a call for a token; number drifts expires_in to a JSON number."""
        app = self._app_of_basic(headers.get("authorization", ""))
        refusal = self._refusal(app, query.get("grant_type", ""))
        if refusal is not None:
            self.ledger.tokens.append(TokenRequested(now, app, False, refusal.status))
            return refusal
        token, expires_at = self._new_token(app, now)
        self.ledger.tokens.append(TokenRequested(now, app, True, 200, expires_at))
        life = self.knobs.token_life_s
        return wire.json_answer(
            200, {"access_token": token, "expires_in": life if number else str(life)}
        )

    def authenticate(self, headers: Mapping[str, str], now: datetime) -> str:
        """
        Return the app whose living token this request carries.

        :raises wire.Refusal: 404.001.04 without the header, 404.001.03 for any other token.
        """
        header = headers.get("authorization", "")
        if not header:
            raise wire.Refusal(self._error(404, "404.001.04", "Invalid Authentication Header"))
        scheme, _, token = header.partition(" ")
        app, expires_at = self._living.get(token.strip(), ("", now))
        if scheme.lower() != "bearer" or expires_at <= now:
            spoiled = faults.Spoiled(self.ids.new_request_id())
            raise wire.Refusal(faults.spoil("dead_token", spoiled))
        return app

    def _app_of_basic(self, header: str) -> str:
        """Return the app of a Basic header, "" for none that may have a token."""
        scheme, _, encoded = header.partition(" ")
        if scheme.lower() != "basic":
            return ""
        try:
            clear = base64.b64decode(encoded.strip(), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError, ValueError):
            return ""
        key, _, secret = clear.partition(":")
        return app_of(key) if self._is_good(key, secret) else ""

    def _is_good(self, key: str, secret: str) -> bool:
        if not key or not secret or key.startswith("bad") or secret.startswith("bad"):
            return False
        return self._secrets.get(key, secret) == secret

    def _refusal(self, app: str, grant_type: str) -> wire.Answer | None:
        if not app:
            if self.knobs.empty_400:
                return wire.Answer(400)
            return self._error(400, "400.008.01", "Invalid Authentication passed")
        if grant_type != "client_credentials":
            return self._error(400, "400.008.02", "Invalid grant type passed")
        return None

    def _new_token(self, app: str, now: datetime) -> tuple[str, datetime]:
        if self.knobs.new_token_kills_old:
            self.kill(app)
        token = self.ids.new_token()
        expires_at = now + timedelta(seconds=self.knobs.token_life_s)
        self._living[token] = (app, expires_at)
        return token, expires_at

    def _error(self, status: int, code: str, message: str) -> wire.Answer:
        return wire.error_answer(status, code, message, request_id=self.ids.new_request_id())


def app_of(consumer_key: str) -> str:
    """Return the name an app has in the ledger: a digest, so that no key is written down."""
    return hashlib.sha256(consumer_key.encode()).hexdigest()[:12]
