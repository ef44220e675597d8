"""A real peer behind a real socket, to misbehave as no mock can."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager

from payments.providers import http

SECRET = "s3cr3t-canary"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Peer:
    """A real socket server whose every request is answered by one function of the socket."""

    def __init__(self, behave, tls=None):
        self.behave = behave
        self.tls = tls
        self.requests = []
        self.connections = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        scheme = "https" if tls else "http"
        self.base_url = f"{scheme}://127.0.0.1:{self.listener.getsockname()[1]}"
        self.is_over = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while not self.is_over.is_set():
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        try:
            sock = self.tls.wrap_socket(sock, server_side=True) if self.tls else sock
        except OSError:
            return
        with sock:
            while request := self._read(sock):
                self.requests.append(request)
                try:
                    if self.behave(sock) == "hang up":
                        return
                except OSError:
                    return

    def _read(self, sock):
        received = b""
        try:
            while b"\r\n\r\n" not in received:
                if not (chunk := sock.recv(65_536)):
                    return b""
                received += chunk
        except OSError:
            return b""
        return received


@contextmanager
def peer(behave, tls=None):
    server = Peer(behave, tls)
    try:
        yield server
    finally:
        server.is_over.set()
        server.listener.close()


def sends(raw):
    return lambda sock: sock.sendall(raw)


def resets(sock):
    # Linger zero: the close becomes a reset, as a crashed gateway's does.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    return "hang up"


def drips(head, sign=b"x", pause_s=0.02):
    """Drip for a second: long past every deadline here, and over when a deadline is broken."""

    def behave(sock):
        ends_at = time.monotonic() + 1.0
        sock.sendall(head)
        while time.monotonic() < ends_at:
            sock.sendall(sign)
            time.sleep(pause_s)

    return behave


def call(base_url, **changes):
    known = {
        "operation": "test.push",
        "method": "POST",
        "base_url": base_url,
        "path": "/push",
        "headers": {"Authorization": f"Bearer {SECRET}"},
        "body": SECRET.encode(),
        "connect_timeout_s": 0.5,
        "total_timeout_s": 0.5,
    }
    return http.Call(**known | changes)
