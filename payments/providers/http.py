"""
Ask a provider over HTTP, and know for certain whether anything was sent.

`requests` calls both "could not connect" and "reset after sending" a ConnectionError, and its
time-outs are per read, so a server that drips a byte a second holds a thread for hours. Therefore
the connections here watch themselves: they note when the first byte leaves, and every read gets
only what is left of the total deadline, headers included. No retries, no redirects, no proxies, no
cookies, at most 64 KiB of answer. Bodies and headers are never logged.
"""

from __future__ import annotations

import http.client
import io
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3
from django.views.decorators.debug import sensitive_variables
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from payments.errors import OutcomeUnknown, ProviderError, ProviderUnreachable

logger = logging.getLogger(__name__)

MAX_ANSWER_BYTES = 65_536
# As many as a web process has threads (performance.md).
POOL_SIZE = 200
# A peer that drops an idle connection just as we write to it leaves the outcome unknown, so we drop
# it first. Shorter than any gateway's keep-alive we know of.
IDLE_LIMIT_S = 15.0
_CHUNK_BYTES = 8_192
_FAILURES = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)


@dataclass(frozen=True)
class Call:
    """One HTTP request; its repr shows neither headers nor body."""

    operation: str
    method: str
    base_url: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(default=None, repr=False)
    connect_timeout_s: float = 3.0
    total_timeout_s: float = 20.0
    may_reach_customer: bool = True
    # Where the connection goes instead of asking once more what the name means; TLS and the Host
    # header keep the name. For addresses of others, which were looked at before.
    connect_to: str = ""
    # Whoever needs only the beginning of an answer reads no more than that.
    enough_bytes: int = 0


@dataclass(frozen=True)
class Answer:
    """What came back, whatever it is; elapsed_ms counts from before the connection."""

    status: int
    body: bytes = field(repr=False)
    elapsed_ms: int


@sensitive_variables()
def send(call: Call) -> Answer:
    """
    Send call once and return the answer, redirects and errors included.

    :raises ProviderUnreachable: when provably no byte of the request left.
    :raises OutcomeUnknown: when bytes left and no whole answer came within the deadline and size.
    """
    started_at = time.monotonic()
    _exchange.begin(deadline=started_at + call.total_timeout_s, connect_to=call.connect_to)
    answer: Answer | None = None
    failure: ProviderError | None = None
    try:
        answer = _exchange_once(call, started_at)
    except _FAILURES as error:
        failure = _failure_of(call, error)
    finally:
        _log(call, answer, started_at)
    if answer is None:
        # Raised out here so that no chained exception drags the Authorization header along.
        raise failure or _unknown(call, "The answer is too large.")
    return answer


def _exchange_once(call: Call, started_at: float) -> Answer | None:
    """Return the answer, or None where it is larger than we read."""
    with (
        _session_of(call) as session,
        session.request(
            call.method,
            f"{call.base_url.rstrip('/')}{call.path}",
            headers=dict(call.headers),
            data=call.body,
            timeout=(min(call.connect_timeout_s, call.total_timeout_s), call.total_timeout_s),
            allow_redirects=False,
            stream=True,
        ) as response,
    ):
        body = bytearray()
        for chunk in response.iter_content(_CHUNK_BYTES):
            body += chunk
            if call.enough_bytes and len(body) >= call.enough_bytes:
                break
            if len(body) > MAX_ANSWER_BYTES:
                return None
        return Answer(response.status_code, bytes(body), _elapsed_ms(started_at))


def _failure_of(call: Call, error: Exception) -> ProviderError:
    cause = type(error).__name__
    if _exchange.is_unsent or (not _exchange.bytes_sent and _is_connect_timeout(error)):
        return ProviderUnreachable(f"No connection: {cause}.")
    return _unknown(call, f"No whole answer: {cause}.")


def _is_connect_timeout(error: Exception) -> bool:
    # Where a fake stands in for the wire our connections never ran; only this word is proof then.
    return isinstance(error, requests.ConnectTimeout)


def _unknown(call: Call, detail: str) -> OutcomeUnknown:
    error = OutcomeUnknown(detail)
    error.may_have_reached_customer = call.may_reach_customer
    return error


def _log(call: Call, answer: Answer | None, started_at: float) -> None:
    status = answer.status if answer else "none"
    logger.info("provider call %s: %s, %s ms", call.operation, status, _elapsed_ms(started_at))


def _elapsed_ms(started_at: float) -> int:
    return round((time.monotonic() - started_at) * 1000)


class _Exchange(threading.local):
    """What this thread's request has done so far on the wire."""

    deadline: float = 0.0
    connect_to: str = ""
    connecting: bool = False
    bytes_sent: bool = False

    def begin(self, *, deadline: float, connect_to: str) -> None:
        self.deadline = deadline
        self.connect_to = connect_to
        self.connecting = self.bytes_sent = False

    @property
    def is_unsent(self) -> bool:
        return self.connecting and not self.bytes_sent

    def remaining_s(self) -> float:
        remaining = self.deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError("the total deadline has passed")
        return remaining


_exchange = _Exchange()


class _DeadlineReader(io.RawIOBase):
    """A socket's reading end of which each read gets what is left of the deadline."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        self._raw = raw
        self._sock = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        # Per read, because a time-out of the socket's starts anew with every byte that drips in.
        self._sock.settimeout(_exchange.remaining_s())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _DeadlineResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_DeadlineReader(self.fp.detach(), sock))


class _WatchedConnection(HTTPConnection):
    response_class = _DeadlineResponse
    _last_used_at = 0.0

    def connect(self) -> None:
        _exchange.connecting = True
        super().connect()

    def _new_conn(self) -> socket.socket:
        name = self.host
        self.host = _exchange.connect_to or name
        try:
            return super()._new_conn()
        finally:
            self.host = name

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        self.sock.settimeout(_exchange.remaining_s())
        # Before the write: of a write that fails half-way nobody knows how far it came.
        _exchange.bytes_sent = True
        self._last_used_at = time.monotonic()
        super().send(data)

    @property
    def is_connected(self) -> bool:
        is_idle = time.monotonic() - self._last_used_at > IDLE_LIMIT_S
        return super().is_connected and not is_idle


class _WatchedHTTPSConnection(_WatchedConnection, HTTPSConnection):
    pass


class _WatchedPool(HTTPConnectionPool):
    ConnectionCls = _WatchedConnection


class _WatchedHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedHTTPSConnection


class _WatchedAdapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {
            "http": _WatchedPool,
            "https": _WatchedHTTPSPool,
        }


_sessions: dict[tuple[int, str], requests.Session] = {}
_sessions_lock = threading.Lock()


@contextmanager
def _session_of(call: Call) -> Iterator[requests.Session]:
    """Yield a session; one to an address of others is kept for nobody else."""
    if not call.connect_to:
        yield _session_for(call.base_url)
        return
    with _new_session() as session:
        yield session


def _session_for(base_url: str) -> requests.Session:
    # The process id: a socket shared by parent and forked child would mix two shops' answers.
    key = (os.getpid(), base_url)
    with _sessions_lock:
        if key not in _sessions:
            _sessions[key] = _new_session()
        return _sessions[key]


def _new_session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers = requests.structures.CaseInsensitiveDict(
        {"User-Agent": "malipo", "Accept": "application/json", "Accept-Encoding": "identity"}
    )
    adapter = _WatchedAdapter(pool_connections=1, pool_maxsize=POOL_SIZE, max_retries=0)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session
