from __future__ import annotations

import logging
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from payments.errors import OutcomeUnknown, ProviderUnreachable
from payments.providers import http
from tests.payments.providers.http_peer import OK, SECRET, call, peer, resets, sends


class TestSend:
    def test_returns_the_answer(self):
        with peer(sends(OK)) as server:
            answer = http.send(call(server.base_url))

        assert (answer.status, answer.body) == (200, b"{}")
        assert 0 <= answer.elapsed_ms < 500

    def test_sends_what_it_is_given_and_little_else(self):
        with peer(sends(OK)) as server:
            http.send(call(server.base_url))

        request = server.requests[0].lower()
        assert request.startswith(b"post /push http/1.1\r\n")
        assert b"authorization: bearer s3cr3t-canary\r\n" in request
        assert b"accept-encoding: identity\r\n" in request
        assert b"cookie" not in request

    @pytest.mark.parametrize("status", [201, 400, 401, 404, 429, 500, 503])
    def test_returns_errors_like_any_answer(self, status):
        raw = b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status
        with peer(sends(raw)) as server:
            answer = http.send(call(server.base_url))

        assert (answer.status, answer.body) == (status, b"")

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_follows_no_redirect(self, status):
        with peer(sends(OK)) as other:
            raw = b"HTTP/1.1 %d X\r\nContent-Length: 0\r\nLocation: %s/x\r\n\r\n" % (
                status,
                other.base_url.encode(),
            )
            with peer(sends(raw)) as server:
                answer = http.send(call(server.base_url))

            assert answer.status == status
            assert other.requests == []

    def test_keeps_no_cookie(self):
        raw = OK.replace(b"\r\n", b"\r\nSet-Cookie: visid=1; Path=/\r\n", 1)
        with peer(sends(raw)) as server:
            http.send(call(server.base_url))
            http.send(call(server.base_url))

        assert b"visid" not in server.requests[1]

    def test_uses_no_proxy_from_the_environment(self, monkeypatch):
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
        with peer(sends(OK)) as server:
            assert http.send(call(server.base_url)).status == 200

    def test_reuses_a_connection(self):
        with peer(sends(OK)) as server:
            for _ in range(5):
                http.send(call(server.base_url))

        assert server.connections == 1

    def test_takes_no_connection_that_has_idled_too_long(self, monkeypatch):
        monkeypatch.setattr(http, "IDLE_LIMIT_S", 0.0)
        with peer(sends(OK)) as server:
            http.send(call(server.base_url))
            http.send(call(server.base_url))

        assert server.connections == 2

    def test_serves_many_threads_at_once(self):
        with peer(sends(OK)) as server, ThreadPoolExecutor(32) as pool:
            calls = [call(server.base_url, total_timeout_s=5.0) for _ in range(200)]
            answers = list(pool.map(http.send, calls))

        assert {answer.status for answer in answers} == {200}
        assert len(server.requests) == 200
        assert server.connections <= 32


class TestSendWithoutConnection:
    def test_knows_that_nothing_was_sent_to_a_closed_port(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]

        with pytest.raises(ProviderUnreachable) as caught:
            http.send(call(f"http://127.0.0.1:{port}"))

        assert not caught.value.may_have_reached_customer

    def test_knows_that_nothing_was_sent_to_a_name_nobody_has(self):
        with pytest.raises(ProviderUnreachable):
            http.send(call("http://nobody.invalid", connect_timeout_s=2.0, total_timeout_s=2.0))

    def test_knows_that_nothing_was_sent_without_a_tls_handshake(self):
        with peer(sends(OK)) as server, pytest.raises(ProviderUnreachable):
            http.send(call(server.base_url.replace("http:", "https:")))

    def test_knows_that_nothing_was_sent_while_the_handshake_hangs(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            url = f"https://127.0.0.1:{listener.getsockname()[1]}"
            started = time.monotonic()
            with pytest.raises(ProviderUnreachable):
                http.send(call(url, connect_timeout_s=0.2))

        assert time.monotonic() - started < 0.6

    def test_sends_nothing_after_the_deadline(self):
        with peer(sends(OK)) as server:
            with pytest.raises(ProviderUnreachable):
                http.send(call(server.base_url, connect_timeout_s=0.3, total_timeout_s=1e-9))

            assert server.requests == []


class TestSecrecy:
    def test_logs_operation_status_and_duration_alone(self, caplog):
        caplog.set_level(logging.DEBUG)
        with peer(sends(OK.replace(b"{}", b"<>"))) as server:
            http.send(call(server.base_url))
        with peer(resets) as server, pytest.raises(OutcomeUnknown):
            http.send(call(server.base_url))

        ours = [r.getMessage() for r in caplog.records if r.name == http.logger.name]
        assert ours[0].startswith("provider call test.push: 200, ")
        assert ours[1].startswith("provider call test.push: none, ")
        assert SECRET not in caplog.text
        assert "<>" not in caplog.text

    def test_drags_no_header_along_in_an_error(self):
        with peer(resets) as server, pytest.raises(OutcomeUnknown) as caught:
            http.send(call(server.base_url))

        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None
        assert SECRET not in f"{caught.value!r} {caught.value.data}"

    def test_shows_no_header_in_a_repr(self):
        shown = repr(call("http://127.0.0.1")) + repr(http.Answer(200, SECRET.encode(), 1))

        assert SECRET not in shown
