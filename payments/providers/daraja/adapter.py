"""
Our code that speaks to Daraja: which call, which headers, and what its answer proves.

Stateless: the account and the access token are handed in, nothing is kept. Every error raised by an
answer carries data["result_code"], the row of result_codes.py that explains it ("" where unknown).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.views.decorators.debug import sensitive_variables

from payments.choices import OutcomeVerdict, Provider
from payments.errors import CredentialsRefused, MissingStoreNumber
from payments.providers import http
from payments.providers.base import (
    AccessTokenGrant,
    AccountDetails,
    ArrivedMoney,
    BalanceQuestion,
    Outcome,
    PaymentAccepted,
    PaymentRequest,
    RequestAccepted,
    RequestResult,
    ReversalOrder,
    StatusQuestion,
    UrlRegistration,
)
from payments.providers.daraja import (
    arrivals,
    c2b,
    callbacks,
    messages,
    refusals,
    requests,
    results,
    security,
)
from payments.providers.daraja.pulling import PullCaller

_TOKEN_PATH = "/oauth/v1/generate?grant_type=client_credentials"  # noqa: S105 - an address
_PUSH_PATH = "/mpesa/stkpush/v1/processrequest"
_QUERY_PATH = "/mpesa/stkpushquery/v1/query"


class DarajaAdapter(PullCaller):
    """Safaricom's API for paybills and tills; sandbox, production and simulator alike."""

    capabilities = frozenset(
        {
            "fetch_access_token",
            "request_payment",
            "query_payment",
            "parse_callback",
            "register_urls",
            "ask_status",
            "order_reversal",
            "ask_balance",
            "register_pull",
            "pull",
            "parse_c2b",
            "parse_result",
        }
    )

    @sensitive_variables()
    def fetch_access_token(self) -> AccessTokenGrant:
        """
        Ask for a fresh access token; at Safaricom it kills the one before.

        :raises CredentialsRefused: on 400 in any form, the empty one too, and on 401.
        :raises ProviderError: with may_have_reached_customer false, for anything else.
        """
        key, secret = self._secret("consumer_key"), self._secret("consumer_secret")
        basic = base64.b64encode(f"{key}:{secret}".encode()).decode()
        answer = self._call("oauth", "GET", _TOKEN_PATH, {"Authorization": f"Basic {basic}"})
        document = messages.read_object(answer.body) or {}
        error = messages.read_error(document)
        # Wrong credentials are 400 at Daraja, with 400.008.01, with HTML or with no body at all.
        if answer.status in {400, 401}:
            raise CredentialsRefused(
                f"HTTP {answer.status} {error.error_code}".strip(),
                error_code=error.error_code,
                http_status=answer.status,
                result_code="400.008.01",
            )
        if answer.status == 429 or error.is_throttling:
            raise refusals.busy(answer.status, error)
        grant = messages.read_token(document) if answer.status == 200 else None
        if grant is None:
            raise refusals.unknown(answer, error, may_have_reached_customer=False)
        return grant

    @sensitive_variables()
    def request_payment(self, request: PaymentRequest) -> PaymentAccepted:
        """
        Send one STK push; return what Daraja accepted.

        :raises ProviderRefused: or a subclass, where the answer proves that no prompt was sent.
        :raises ProviderUnreachable: when nothing was sent.
        :raises OutcomeUnknown: whenever bytes were sent and the answer proves nothing.
        """
        body = messages.push_body(self._ready_account(), request)
        answer = self._post("stk_push", _PUSH_PATH, body, may_reach_customer=True)
        document = messages.read_object(answer.body) or {}
        if answer.status == 200 and (accepted := messages.read_accepted(document)):
            return accepted
        error = messages.read_error(document)
        refusal = refusals.refusal_of(answer.status, error) or refusals.refusal_at_the_door(
            answer.status, error
        )
        raise refusal or refusals.unknown(answer, error, may_have_reached_customer=True)

    @sensitive_variables()
    def query_payment(self, checkout_request_id: str, *, asked_at: datetime) -> Outcome:
        """
        Ask what became of a push; PENDING for every answer that does not settle it.

        :raises ProviderBusy: when this key must ask more slowly.
        :raises ProviderRefused: or a subclass, when Daraja will not answer this account.
        :raises OutcomeUnknown: when the answer is none (HTML, empty, 3xx, cut off).
        """
        body = messages.query_body(self._ready_account(), checkout_request_id, asked_at)
        answer = self._post("stk_query", _QUERY_PATH, body, may_reach_customer=False)
        document = messages.read_object(answer.body)
        if answer.status == 200 and document is not None:
            return messages.read_query_answer(document, checkout_request_id)
        return _query_error(answer, document, checkout_request_id)

    @sensitive_variables()
    def register_urls(self, registration: UrlRegistration) -> str:
        """
        Register the addresses of C2B payments; return Daraja's response code.

        :raises UrlsAlreadyRegistered: when the shortcode has some; production takes them once.
        :raises ProductMissing: when the app has the API's other version, or none of it.
        :raises ProviderRefused: for any other no.
        :raises OutcomeUnknown: when the answer proves nothing.
        """
        body = c2b.register_body(self._account, registration)
        path = c2b.REGISTER_PATHS[registration.version]
        answer = self._post("c2b_register", path, body, may_reach_customer=False)
        document = messages.read_object(answer.body) or {}
        if answer.status == 200 and (code := c2b.read_registered(document)) is not None:
            return code
        error = messages.read_error(document)
        if refusal := c2b.refusal_of(answer.status, document, error):
            raise refusal
        raise refusals.unknown(answer, error, may_have_reached_customer=False)

    @sensitive_variables()
    def ask_status(self, question: StatusQuestion) -> RequestAccepted:
        """
        Ask what became of a receipt; the answer comes to the question's addresses.

        :raises CredentialsRequired: when the config has no initiator.
        :raises ProviderRefused: or a subclass, when Daraja will not take the question.
        :raises OutcomeUnknown: when the answer proves nothing; asking again does no harm.
        """
        body = requests.status_body(self._account, self._initiator(), question)
        return self._request("status", requests.STATUS_PATH, body)

    @sensitive_variables()
    def order_reversal(self, order: ReversalOrder) -> RequestAccepted:
        """
        Order a receipt's money back.

        :raises CredentialsRequired: when the config has no initiator.
        :raises ProviderRefused: or a subclass, where the answer proves that nothing was ordered.
        :raises ProviderUnreachable: when nothing was sent.
        :raises OutcomeUnknown: whenever bytes were sent and the answer proves nothing. Ordering
            again could give the money back twice: only a status or a person may settle it.
        """
        body = requests.reversal_body(self._account, self._initiator(), order)
        return self._request("reversal", requests.REVERSAL_PATH, body, moves_money=True)

    @sensitive_variables()
    def ask_balance(self, question: BalanceQuestion) -> RequestAccepted:
        """Ask what the shortcode's accounts hold; raises as ask_status does."""
        body = requests.balance_body(self._account, self._initiator(), question)
        return self._request("balance", requests.BALANCE_PATH, body)

    @staticmethod
    def parse_c2b(body: bytes) -> ArrivedMoney:
        """
        Translate the body of a C2B validation or confirmation.

        :raises UnreadableBody: when it is not one.
        """
        return arrivals.parse_c2b(body)

    @staticmethod
    def parse_result(body: bytes) -> RequestResult:
        """
        Translate the result of an asynchronous request.

        :raises UnreadableBody: when it is not one.
        """
        return results.parse_result(body)

    @staticmethod
    def parse_callback(body: bytes) -> Outcome:
        """
        Translate the body of an STK callback.

        :raises UnreadableBody: when it is not one.
        """
        return callbacks.parse_callback(body)

    def _ready_account(self) -> AccountDetails:
        if self._account.provider == Provider.MPESA_TILL and not self._account.store_number:
            raise MissingStoreNumber
        self._secret("passkey")
        return self._account

    @sensitive_variables()
    def _initiator(self) -> requests.Initiator:
        name, password = self._secret("initiator_name"), self._secret("initiator_password")
        credential = security.security_credential(
            password,
            environment=self._account.environment,
            certificate_file=self._certificate_file,
        )
        return requests.Initiator(name, credential)

    @sensitive_variables()
    def _request(
        self, operation: str, path: str, body: Mapping[str, Any], *, moves_money: bool = False
    ) -> RequestAccepted:
        answer = self._post(operation, path, body, may_reach_customer=moves_money)
        document = messages.read_object(answer.body) or {}
        if answer.status == 200 and (accepted := requests.read_accepted(document)):
            return accepted
        error = messages.read_error(document)
        refusal = requests.refusal_of(answer.status, error, moves_money=moves_money)
        raise refusal or refusals.unknown(answer, error, may_have_reached_customer=moves_money)


def _query_error(
    answer: http.Answer, document: Mapping[str, Any] | None, checkout_request_id: str
) -> Outcome:
    error = messages.read_error(document or {})
    if error.is_throttling:
        raise refusals.busy(answer.status, error)
    if refusal := refusals.refusal_of(answer.status, error, refusals.REFUSALS):
        raise refusal
    # "Being processed", "does not Exist", an empty text (all 500), "Invalid CheckoutRequestID" (400
    # when asked too early): the request is not settled, and no text of theirs can fail it.
    if document is not None and answer.status in {400, 500}:
        return Outcome(OutcomeVerdict.PENDING, checkout_request_id=checkout_request_id)
    door = refusals.refusal_at_the_door(answer.status, error)
    # A 400 nobody can read may just as well be "asked too early".
    if door and answer.status != 400:
        raise door
    raise refusals.unknown(answer, error, may_have_reached_customer=False)
