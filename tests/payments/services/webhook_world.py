"""A shop's own system that is told of events: a real server, and the shop's webhook to it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from standardwebhooks import Webhook

from audit.actors import Actor
from payments.models import WebhookEndpoint
from payments.services import webhook_endpoints
from payments.services.events import NewEvent, record_events
from payments.services.webhook_rounds import Clock, claim, serve
from tenants.models import Shop

ACTOR = Actor.system("tests")


@dataclass
class Receiver:
    """What came, in order; answer decides what goes back: a status, and perhaps a body."""

    url: str = ""
    answer: Callable[[dict[str, Any]], Any] = lambda event: 200
    headers: dict[str, str] = field(default_factory=dict)
    came: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def events(self, secret: str) -> list[dict[str, Any]]:
        """Return what came, each checked as a receiver does with the library of the standard."""
        return [Webhook(secret).verify(body, headers) for headers, body in self.came]


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Open a server on this machine."""
    there = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            there.came.append((dict(self.headers.items()), body))
            given = there.answer({"path": self.path})
            status, text = given if isinstance(given, tuple) else (given, b"")
            self.send_response(status)
            for name, value in there.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    there.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield there
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def allow_this_machine(settings):
    settings.WEBHOOK_ALLOW_PRIVATE = True


@pytest.fixture
def there():
    with receiver() as each:
        yield each


def add(shop: Shop, url: str, *, now: datetime, **more: Any) -> tuple[WebhookEndpoint, str]:
    more.setdefault("environment", "sandbox")
    return webhook_endpoints.create_endpoint(shop=shop, url=url, actor=ACTOR, now=now, **more)


def happen(shop: Shop, *types: str, now: datetime, environment: str = "sandbox") -> list[Any]:
    """Let events happen, in this order."""
    new = [NewEvent(shop.pk, environment, each, {"type": each}) for each in types]
    return record_events(new, now=now)


def go(now: datetime) -> int:
    """Do one round in this thread, where the test's rows are seen."""
    clock = Clock(now)
    return sum(serve(endpoint, clock) for endpoint in claim(now=now))
