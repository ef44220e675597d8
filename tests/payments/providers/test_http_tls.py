from __future__ import annotations

import ssl
import time
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from payments.errors import OutcomeUnknown, ProviderUnreachable
from payments.providers import http
from tests.payments.providers.http_peer import OK, call, drips, peer, resets, sends

NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A key and a certificate of its own for 127.0.0.1, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(NAME)
        .issuer_name(NAME)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "peer.pem"
    pem = serialization.Encoding.PEM
    path.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + signed.public_bytes(pem)
    )
    return path


@pytest.fixture
def tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def trust(server, certificate):
    http._session_for(server.base_url).verify = str(certificate)


class TestSendOverTls:
    def test_returns_the_answer_and_reuses_the_connection(self, tls, certificate):
        with peer(sends(OK), tls) as server:
            trust(server, certificate)
            answers = [http.send(call(server.base_url)) for _ in range(3)]

        assert [answer.body for answer in answers] == [b"{}"] * 3
        assert server.connections == 1

    def test_sends_nothing_to_a_stranger(self, tls):
        with peer(sends(OK), tls) as server:
            with pytest.raises(ProviderUnreachable):
                http.send(call(server.base_url))

            assert server.requests == []

    def test_leaves_the_outcome_unknown_once_the_request_left(self, tls, certificate):
        with peer(resets, tls) as server:
            trust(server, certificate)
            with pytest.raises(OutcomeUnknown):
                http.send(call(server.base_url))

            assert len(server.requests) == 1

    def test_ends_a_dripping_answer_at_the_deadline(self, tls, certificate):
        with peer(drips(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"), tls) as server:
            trust(server, certificate)
            started = time.monotonic()
            with pytest.raises(OutcomeUnknown):
                http.send(call(server.base_url, total_timeout_s=0.25))

        assert time.monotonic() - started < 0.5
