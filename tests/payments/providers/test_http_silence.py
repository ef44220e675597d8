from __future__ import annotations

import time

import pytest

from payments.errors import OutcomeUnknown
from payments.providers import http
from tests.payments.providers.http_peer import OK, call, drips, peer, resets, sends


class TestSendWithoutAnswer:
    @pytest.mark.parametrize(
        "behave",
        [
            resets,
            lambda sock: "hang up",
            sends(b"\x00\xff nonsense\r\n\r\n"),
            sends(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}"),
            sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
            sends(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"),
            sends(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n"),
            lambda sock: time.sleep(0.8),
        ],
        ids="reset close nonsense cut-off bad-chunk bad-gzip headers silence".split(),  # noqa: SIM905
    )
    def test_leaves_the_outcome_unknown(self, behave):
        with peer(behave) as server:
            with pytest.raises(OutcomeUnknown) as caught:
                http.send(call(server.base_url))

            assert len(server.requests) == 1
        assert caught.value.may_have_reached_customer

    def test_leaves_the_outcome_unknown_when_reset_after_the_headers(self):
        def behave(sock):
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{")
            return resets(sock)

        with peer(behave) as server, pytest.raises(OutcomeUnknown):
            http.send(call(server.base_url))

    def test_leaves_the_outcome_unknown_when_a_kept_connection_dies(self):
        def behave(sock):
            if len(server.requests) == 2:
                return resets(sock)
            return sock.sendall(OK)

        with peer(behave) as server:
            http.send(call(server.base_url))
            with pytest.raises(OutcomeUnknown):
                http.send(call(server.base_url))

            # Once: a second try could ask the customer twice.
            assert len(server.requests) == 2
            assert http.send(call(server.base_url)).status == 200

    def test_says_when_no_customer_could_be_reached(self):
        with peer(resets) as server, pytest.raises(OutcomeUnknown) as caught:
            http.send(call(server.base_url, may_reach_customer=False))

        assert not caught.value.may_have_reached_customer

    @pytest.mark.parametrize(
        "head",
        [
            b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n270f\r\n",
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nX-Slow: ",
            b"HTTP/1.",
            b"",
        ],
        ids="length chunked until-close header status-line first-byte".split(),  # noqa: SIM905
    )
    def test_ends_a_dripping_answer_at_the_deadline(self, head):
        with peer(drips(head)) as server:
            started = time.monotonic()
            with pytest.raises(OutcomeUnknown):
                http.send(call(server.base_url, total_timeout_s=0.25))

            assert 0.2 < time.monotonic() - started < 0.5

    def test_ends_a_stream_of_provisional_answers_at_the_deadline(self):
        behave = drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n")

        with peer(behave) as server, pytest.raises(OutcomeUnknown):
            http.send(call(server.base_url, total_timeout_s=0.25))

    @pytest.mark.parametrize("size", [65_536, 65_537])
    def test_reads_up_to_64_kib(self, size):
        raw = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b" " * size
        with peer(sends(raw)) as server:
            if size <= 65_536:
                assert len(http.send(call(server.base_url)).body) == size
            else:
                with pytest.raises(OutcomeUnknown):
                    http.send(call(server.base_url))

    def test_stops_reading_an_endless_answer(self):
        head = b"HTTP/1.1 200 OK\r\n\r\n"
        with peer(drips(head, b" " * 65_536, pause_s=0)) as server:
            started = time.monotonic()
            with pytest.raises(OutcomeUnknown):
                http.send(call(server.base_url, total_timeout_s=5.0))

        assert time.monotonic() - started < 1.0

    def test_is_well_again_after_a_failure(self):
        def behave(sock):
            if len(server.requests) == 1:
                time.sleep(0.3)
            return sock.sendall(OK)

        with peer(behave) as server:
            with pytest.raises(OutcomeUnknown):
                http.send(call(server.base_url, total_timeout_s=0.1))

            assert http.send(call(server.base_url)).body == b"{}"
