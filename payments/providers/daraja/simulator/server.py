"""
The HTTP face: Django's threading development server with a URL map of its own.

No middleware, no sessions, no database: the simulator must not lean on the house it tests. A
request that hangs holds its own thread only.
"""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn

from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.http import Http404, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase

from payments.providers.daraja.simulator.delivery import Courier
from payments.providers.daraja.simulator.engine import Engine

URLCONF = "payments.providers.daraja.simulator.urls"
#: Keys of the WSGI environment the views find their world under.
FACE_KEY, DROP_KEY = "simulator.face", "simulator.drop"


@dataclass(frozen=True)
class Face:
    """What a view needs: the engine, somebody who delivers, the time, and how to wait."""

    engine: Engine
    courier: Courier
    clock: Callable[[], datetime]
    wait: Callable[[float], None] = time.sleep


class SimulatorServer(ThreadedWSGIServer):
    """Serves one Face; server_port says where when it was started on port 0."""

    # 300 callers may connect at once in a benchmark.
    request_queue_size = 512

    def __init__(self, host: str, port: int, engine: Engine) -> None:
        super().__init__((host, port), _RequestHandler, ipv6=":" in host)
        courier = Courier(engine, _now)
        self.face = Face(engine, courier, _now)
        self.set_app(_Application())

    def run(self) -> None:
        """Serve until SIGTERM or Ctrl-C; stops at once, whoever still hangs."""
        signal.signal(signal.SIGTERM, _interrupt)
        try:
            self.face.courier.start()
            self.serve_forever(poll_interval=0.1)
        except KeyboardInterrupt:
            pass
        finally:
            self.face.courier.stop()
            self.server_close()


class _Application(WSGIHandler):
    """Django's WSGI handler without middleware and with our urls."""

    def load_middleware(self, is_async: bool = False) -> None:
        self._view_middleware: list[Any] = []
        self._template_response_middleware: list[Any] = []
        self._exception_middleware: list[Any] = []
        self._middleware_chain = self._answer

    def _answer(self, request: WSGIRequest) -> HttpResponseBase:
        request.urlconf = URLCONF
        try:
            # The last step of Django's own chain; the middleware would have stood before it.
            response: HttpResponseBase = self._get_response(request)  # type: ignore[attr-defined]
        except Http404:
            response = JsonResponse({"error": "no such page of the simulator"}, status=404)
        # A length lets callers keep their connection. Refusing is this server's trade: no log.
        if isinstance(response, HttpResponse):
            response["Content-Length"] = str(len(response.content))
        response._has_been_logged = True  # type: ignore[attr-defined]  # noqa: SLF001
        return response


class _RequestHandler(WSGIRequestHandler):
    # Small answers are written in two pieces; Nagle's algorithm would hold the second one back.
    disable_nagle_algorithm = True

    server: SimulatorServer
    request: socket.socket  # type: ignore[assignment]  # the stubs take it for Django's request

    def get_environ(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environ()
        environ[FACE_KEY] = self.server.face
        environ[DROP_KEY] = self._drop
        return environ

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing: the ledger says it all."""

    def _drop(self) -> NoReturn:
        self.close_connection = True
        self.request.shutdown(socket.SHUT_RDWR)
        # wsgiref takes this one as "the client went away" and writes no answer.
        raise ConnectionAbortedError


def _now() -> datetime:
    return datetime.now(UTC)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt
