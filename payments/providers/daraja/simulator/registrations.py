"""
The desk that registers C2B addresses: `POST /mpesa/c2b/v1|v2/registerurl`.

Rules: Daraja 3.0 portal, CustomerToBusiness: forbidden words in any case, ResponseType exact. The
sandbox registers again and again; with the knob c2b_once a shortcode registers once, as in
production.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from payments.providers.daraja.simulator import checks, wire
from payments.providers.daraja.simulator.calls import Call
from payments.providers.daraja.simulator.knobs import Knobs
from payments.providers.daraja.simulator.ledger import Ledger, UrlsAsked
from payments.providers.daraja.simulator.tokens import TokenDesk

FORBIDDEN = ("m-pesa", "mpesa", "safaricom", "exe", "cmd", "sql", "query")
PATHS = {f"/mpesa/c2b/{version}/registerurl": version for version in ("v1", "v2")}


@dataclass(frozen=True)
class Registration:
    """Where the payments of a business are told; response_type is what silence means."""

    version: str
    response_type: str
    validation_url: str
    confirmation_url: str


@dataclass
class RegisterDesk:
    """Registers addresses by shortcode and writes down who asked."""

    tokens: TokenDesk
    ids: wire.Ids
    ledger: Ledger
    knobs: Knobs
    registered: dict[str, Registration] = field(default_factory=dict)

    def clear(self) -> None:
        self.registered.clear()

    def answer(self, version: str, call: Call) -> wire.Answer:
        """Answer one registration at the path of this version."""
        fields: dict[str, Any] = {}
        app = ""
        try:
            app = self.tokens.authenticate(call.headers, call.now)
            self._check_product(version, call)
            fields = call.fields()
            checks.check_registration(fields, FORBIDDEN, request_id=call.request_id)
            answer = self._register(version, fields, call)
        except wire.Refusal as refusal:
            answer = refusal.answer
        self.ledger.urls.append(_row(app, version, fields, answer, call))
        return answer

    def _check_product(self, version: str, call: Call) -> None:
        if self.knobs.c2b_product not in ("", version):
            text = "Error Occurred - Invalid API call as no apiproduct match found"
            raise wire.Refusal(call.error(401, "401.003.01", text))

    def number_of(self, business: str) -> str:
        """Return the number whose addresses serve this paybill or till."""
        store_number = self.knobs.tills.get(business, business)
        return business if business in self.registered else store_number

    def _register(self, version: str, fields: dict[str, Any], call: Call) -> wire.Answer:
        shortcode = str(fields["ShortCode"])
        if self.knobs.c2b_once and shortcode in self.registered:
            return call.error(500, "500.003.1001", "Urls are already registered.")
        self.registered[shortcode] = Registration(
            version, fields["ResponseType"], fields["ValidationURL"], fields["ConfirmationURL"]
        )
        return wire.urls_registered(conversation_id=self.ids.new_request_id())


def _row(
    app: str, version: str, fields: dict[str, Any], answer: wire.Answer, call: Call
) -> UrlsAsked:
    return UrlsAsked(
        at=call.now,
        app=app,
        shortcode=str(fields.get("ShortCode", "")),
        version=version,
        response_type=str(fields.get("ResponseType", "")),
        confirmation_url=str(fields.get("ConfirmationURL", "")),
        validation_url=str(fields.get("ValidationURL", "")),
        registered=answer.status == 200,
        status=answer.status,
        error_code=wire.error_of(answer)[0],
    )
