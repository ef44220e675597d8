"""One request as every desk of the engine gets it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from payments.providers.daraja.simulator import checks, wire


@dataclass(frozen=True)
class Call:
    """One request, header names in lower case; request_id is what an error body will name."""

    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    now: datetime
    request_id: str

    def fields(self) -> checks.Fields:
        """
        Return the JSON object of the body.

        :raises wire.Refusal: when there is none.
        """
        content_type = self.headers.get("content-type", "")
        return checks.read_fields(self.body, content_type, request_id=self.request_id)

    def error(self, status: int, code: str, message: str) -> wire.Answer:
        return wire.error_answer(status, code, message, request_id=self.request_id)
