"""A till: Django's test client with a key, JSON in and out, through the whole middleware chain."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.test import Client

from tenants.models import ApiKey

BASE = "/api/v1"


@dataclass(frozen=True)
class IssuedKey:
    """A key as it was shown once, and its row."""

    row: ApiKey
    text: str


class ApiClient:
    """Calls paths below /api/v1 with a key; a body of bytes is sent as it is."""

    def __init__(self, key: IssuedKey | str | None = None) -> None:
        self.key = key.text if isinstance(key, IssuedKey) else key
        self.client = Client(raise_request_exception=False)

    def get(self, path: str, query: dict[str, Any] | None = None, **headers: str) -> Any:
        return self.client.get(BASE + path, query or {}, headers=self._headers(headers))

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.send("POST", path, body, **headers)

    def put(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.send("PUT", path, body, **headers)

    def patch(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.send("PATCH", path, body, **headers)

    def delete(self, path: str, **headers: str) -> Any:
        return self.send("DELETE", path, **headers)

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content_type: str = "application/json",
        **headers: str,
    ) -> Any:
        raw = (
            b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        )
        return self.client.generic(
            method, BASE + path, raw, content_type=content_type, headers=self._headers(headers)
        )

    def _headers(self, more: dict[str, str]) -> dict[str, str]:
        authorization = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        return authorization | {name.replace("_", "-"): value for name, value in more.items()}
