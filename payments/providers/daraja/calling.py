"""How a request leaves for Daraja: headers, deadline, and the secrets of one account."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.views.decorators.debug import sensitive_variables

from payments.errors import CredentialsRequired, ProviderUnreachable
from payments.providers import http
from payments.providers.base import AccountDetails
from payments.providers.daraja import error_codes

# A token reaches no customer, and a till waits for it: better refused than hanging.
TOKEN_TIMEOUT_S = 6.0


class Caller:
    """One account, its access token, and how long it waits for an answer."""

    def __init__(
        self,
        account: AccountDetails,
        *,
        access_token: str = "",
        base_url: str,
        connect_timeout_s: float,
        total_timeout_s: float,
        certificate_file: str = "",
        pull_method: str = "POST",
    ) -> None:
        self._account = account
        self._access_token = access_token
        self._base_url = base_url
        self._connect_timeout_s = connect_timeout_s
        self._total_timeout_s = total_timeout_s
        self._certificate_file = certificate_file
        self._pull_method = pull_method

    def _deadline_of(self, operation: str) -> float:
        if operation == "oauth":
            return min(self._total_timeout_s, TOKEN_TIMEOUT_S)
        return self._total_timeout_s

    def _secret(self, name: str) -> str:
        if not (value := self._account.secrets.get(name, "")):
            raise CredentialsRequired(f"The config has no {name}.")
        return value

    @sensitive_variables()
    def _post(
        self, operation: str, path: str, body: Mapping[str, Any], *, may_reach_customer: bool
    ) -> http.Answer:
        headers = {
            "Authorization": f"Bearer {self._access_token}",
            "Content-Type": "application/json",
        }
        raw = json.dumps(body).encode()
        return self._call(
            operation, "POST", path, headers, raw, may_reach_customer=may_reach_customer
        )

    @sensitive_variables()
    def _call(
        self,
        operation: str,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        *,
        may_reach_customer: bool = False,
    ) -> http.Answer:
        call = http.Call(
            operation=f"daraja.{operation}",
            method=method,
            base_url=self._base_url,
            path=path,
            headers=headers,
            body=body,
            connect_timeout_s=self._connect_timeout_s,
            total_timeout_s=self._deadline_of(operation),
            may_reach_customer=may_reach_customer,
        )
        try:
            return http.send(call)
        except ProviderUnreachable as error:
            error.data["result_code"] = error_codes.UNREACHABLE
            raise
