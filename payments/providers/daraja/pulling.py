"""The calls of Pull Transactions: registering an account, and asking for a page of its money."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.views.decorators.debug import sensitive_variables

from payments.providers import http
from payments.providers.base import PulledPage, PullQuestion, PullRegistration
from payments.providers.daraja import messages, pull
from payments.providers.daraja.calling import Caller


class PullCaller(Caller):
    """Asks by POST, or as pull_method says."""

    @sensitive_variables()
    def register_pull(self, registration: PullRegistration) -> str:
        """
        Register the account for pulling; return the code, also where it was registered before.

        :raises TokenRefused: also where the app lacks the product: Daraja says it no other way.
        :raises ProviderRefused: or a subclass, for any other no.
        :raises OutcomeUnknown: when the answer proves nothing; registering again does no harm.
        """
        body = pull.register_body(self._account, registration)
        answer = self._post("pull_register", pull.REGISTER_PATH, body, may_reach_customer=False)
        document = messages.read_object(answer.body) or {}
        if answer.status == 200 and (code := pull.read_registered(document)) is not None:
            return code
        raise pull.error_of(answer, document)

    @sensitive_variables()
    def pull(self, question: PullQuestion) -> PulledPage:
        """Ask for one page of what came to the account; raises as register_pull does."""
        fields = pull.query_fields(self._account, question)
        answer = self._ask_page(fields)
        document = messages.read_object(answer.body) or {}
        if answer.status == 200 and (page := pull.read_page(document, self._account.shortcode)):
            return page
        raise pull.error_of(answer, document)

    @sensitive_variables()
    def _ask_page(self, fields: Mapping[str, Any]) -> http.Answer:
        """Ask by POST as every client does, by GET as the portal's prose has it where that is no."""
        if self._pull_method != "GET":
            answer = self._post("pull", pull.QUERY_PATH, fields, may_reach_customer=False)
            if answer.status != pull.WRONG_METHOD:
                return answer
        path = f"{pull.QUERY_PATH}?{urlencode(fields)}"
        return self._call("pull", "GET", path, {"Authorization": f"Bearer {self._access_token}"})
