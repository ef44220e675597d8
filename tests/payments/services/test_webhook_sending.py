"""Where webhooks may go: no address of ours or our neighbours', however it is written or wrapped."""

from __future__ import annotations

import ipaddress
import socket

import pytest

from payments.errors import InvalidInput
from payments.models import WebhookEndpoint
from payments.providers import http
from payments.services import public_addresses
from payments.services.public_addresses import AddressRefused, HostUnknown, address_of, is_public
from payments.services.webhook_sending import scrubbed, send
from payments.services.webhook_urls import check_url
from tests.payments.providers.http_peer import OK, peer, sends
from tests.payments.providers.test_http_tls import certificate, tls
from tests.payments.services.webhook_world import receiver

__all__ = ["certificate", "tls"]
PRIVATE = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",  # noqa: S104
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "169.254.170.2",
    "100.64.0.1",
    "100.100.100.200",
    "192.0.0.192",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "168.63.129.16",
    "::",
    "::1",
    "::127.0.0.1",
    "fe80::1",
    "fec0::1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "2001:db8::1",
    "3fff::1",
    "2001::7f00:1",
]
PUBLIC = ["1.1.1.1", "196.201.214.200", "2606:4700::1111", "64:ff9b::101:101", "::ffff:1.1.1.1"]
# Ways to write this machine that only a resolver understands.
DISGUISED = ["localhost", "127.1", "0x7f.1", "2130706433", "0177.0.0.1"]


def resolve_to(monkeypatch, *addresses):
    """Let every name mean these addresses, and count how often somebody asks."""
    asked = []

    def getaddrinfo(host, port, *_args, **_more):
        asked.append(host)
        return [
            (socket.AF_INET6 if ":" in each else socket.AF_INET, 1, 6, "", (each, port))
            for each in addresses
        ]

    monkeypatch.setattr(public_addresses.socket, "getaddrinfo", getaddrinfo)
    return asked


class TestAddresses:
    @pytest.mark.parametrize("text", PRIVATE)
    def test_of_no_public_network_are_refused(self, text):
        assert not is_public(ipaddress.ip_address(text))
        with pytest.raises(AddressRefused):
            address_of(text, 443, allow_private=False)

    @pytest.mark.parametrize("text", PUBLIC)
    def test_of_the_internet_are_taken(self, text):
        assert is_public(ipaddress.ip_address(text))

    @pytest.mark.parametrize("host", DISGUISED)
    def test_of_this_machine_are_refused_however_written(self, host):
        with pytest.raises((AddressRefused, HostUnknown)):
            address_of(host, 443, allow_private=False)

    def test_must_all_be_public(self, monkeypatch):
        resolve_to(monkeypatch, "1.1.1.1", "10.0.0.1")

        with pytest.raises(AddressRefused):
            address_of("two.example.test", 443, allow_private=False)

    def test_may_be_private_where_the_operator_says_so(self):
        assert address_of("127.0.0.1", 443, allow_private=True) == "127.0.0.1"

    def test_of_no_host_are_unknown(self):
        with pytest.raises(HostUnknown):
            address_of("a" * 300, 443, allow_private=False)


class TestUrls:
    @pytest.mark.parametrize(
        ("url", "code"),
        [
            ("http://example.com/hook", "not_https"),
            ("ftp://example.com/hook", "not_https"),
            ("javascript:alert(1)", "invalid"),
            ("https://user:secret@example.com/", "has_login"),
            ("https://user@example.com/", "has_login"),
            ("https://@example.com/", "has_login"),
            ("https://example.com/#part", "invalid"),
            ("https://exa mple.com/", "invalid"),
            ("https://example.com/\r\nX: y", "invalid"),
            ("https://example.com\\@10.0.0.1/", "invalid"),
            ("https://éxample.com/", "invalid"),
            ("https://", "invalid"),
            ("https:///path", "invalid"),
            ("//example.com/", "not_https"),
            ("example.com", "invalid"),
            ("https://example.com:0/", "invalid"),
            ("https://example.com:99999/", "invalid"),
            ("https://example.com:x/", "invalid"),
            ("https://[::1/", "invalid"),
            ("https://[::1]/", "not_public"),
            ("https://localhost/", "not_public"),
            ("https://db.internal/", "not_public"),
            ("https://intranet/", "not_public"),
            ("https://10.0.0.1/", "not_public"),
            ("https://169.254.169.254/latest/meta-data", "not_public"),
            (f"https://example.com/{'x' * 500}", "invalid"),
        ],
    )
    def test_that_may_not_be_are_named(self, settings, url, code):
        settings.WEBHOOK_ALLOW_PRIVATE = False
        with pytest.raises(InvalidInput) as refused:
            check_url(url, environment="production")

        assert [(field, said) for field, said, _detail in refused.value.errors] == [("url", code)]

    @pytest.mark.parametrize(
        "url",
        ["https://example.com", "https://example.com:8443/a/b?c=d&e=%20", "https://1.1.1.1/"],
    )
    def test_that_may_be_are_taken(self, settings, url):
        settings.WEBHOOK_ALLOW_PRIVATE = False
        check_url(url, environment="production")

    def test_of_the_sandbox_may_be_without_tls(self, settings):
        settings.WEBHOOK_ALLOW_PRIVATE = False
        check_url("http://example.com/hook", environment="sandbox")


@pytest.mark.django_db
class TestSending:
    def endpoint(self, shop, url):
        return WebhookEndpoint(
            shop=shop, environment="sandbox", url=url, secret="whsec_" + "A" * 44
        )

    def test_never_reaches_a_private_address(self, settings, shop, now):
        """Also where the address is one that was taken before anybody looked at such things."""
        settings.WEBHOOK_ALLOW_PRIVATE = False
        with receiver() as there:
            endpoint = self.endpoint(shop, there.url)
            outcome = send(endpoint=endpoint, message_id="m", message={}, now=now)

            assert there.came == []
        assert outcome.problem == "address_refused"

    def test_goes_to_the_address_that_was_looked_at(self, settings, shop, now, monkeypatch):
        """A name that means something else the next moment is asked once only."""
        settings.WEBHOOK_ALLOW_PRIVATE = True
        with receiver() as there:
            port = there.url.partition("127.0.0.1:")[2].partition("/")[0]
            asked = resolve_to(monkeypatch, "127.0.0.1")
            endpoint = self.endpoint(shop, f"http://rebinds.example.test:{port}/hook?a=b")
            outcome = send(endpoint=endpoint, message_id="m", message={}, now=now)

            assert outcome.is_delivered
            assert "rebinds.example.test" not in asked[1:]
            headers, _body = there.came[0]
            assert headers["Host"] == f"rebinds.example.test:{port}"

    def test_names_a_host_nobody_knows(self, shop, now, monkeypatch):
        def fail(*_args, **_more):
            raise socket.gaierror

        monkeypatch.setattr(public_addresses.socket, "getaddrinfo", fail)
        endpoint = self.endpoint(shop, "https://nowhere.example.test/")

        assert send(endpoint=endpoint, message_id="m", message={}, now=now).problem == (
            "host_unknown"
        )

    def test_sends_no_secret(self, settings, shop, now):
        settings.WEBHOOK_ALLOW_PRIVATE = True
        with receiver() as there:
            send(endpoint=self.endpoint(shop, there.url), message_id="m", message={}, now=now)

            assert "whsec" not in str(there.came)


class TestTls:
    def test_is_checked_against_the_name_not_the_address(self, tls, certificate, monkeypatch):
        """The peer's certificate is for 127.0.0.1: good for that, and for no name that leads there."""
        made = http._new_session

        def trusting():
            session = made()
            session.verify = str(certificate)
            return session

        monkeypatch.setattr(http, "_new_session", trusting)
        with peer(sends(OK), tls) as server:
            port = server.base_url.rpartition(":")[2]

            def call(host):
                return http.Call(
                    operation="t",
                    method="POST",
                    base_url=f"https://{host}:{port}",
                    path="/",
                    headers={},
                    body=b"{}",
                    connect_to="127.0.0.1",
                )

            assert http.send(call("127.0.0.1")).status == 200
            with pytest.raises(http.ProviderUnreachable):
                http.send(call("hooks.example.test"))


class TestScrubbing:
    @pytest.mark.parametrize(
        ("said", "kept"),
        [
            (b"ok", "ok"),
            (b"\xff\x00\x1bx", "�  x"),
            (b"0712345678", "*******"),
            (b"+254 712 345 678", "*******"),
            (b"2547*****678", "*******"),
            (b"KES 1500.00 at 12:30", "KES 1500.00 at 12:30"),
        ],
    )
    def test_leaves_no_number_of_a_person(self, said, kept):
        assert scrubbed(said) == kept
