from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from payments.errors import CannotOpen
from payments.providers.daraja.security import fingerprint, security_credential

PASSWORD = "Canary#1"
LONG_AGO = datetime(2014, 11, 12, tzinfo=UTC)


def certificate_of(key, encoding=serialization.Encoding.PEM):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "apicrypt.example")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 7, LONG_AGO, LONG_AGO)
    return builder.sign(key, hashes.SHA256()).public_bytes(encoding)


@pytest.fixture(scope="module")
def key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class TestSecurityCredential:
    @pytest.mark.parametrize("encoding", ["PEM", "DER"])
    def test_opens_with_the_key_of_the_certificate_long_after_its_date(
        self, key, encoding, tmp_path
    ):
        file = tmp_path / "own.cer"
        file.write_bytes(certificate_of(key, getattr(serialization.Encoding, encoding)))

        credential = security_credential(
            PASSWORD, environment="sandbox", certificate_file=str(file)
        )

        opened = key.decrypt(base64.b64decode(credential, validate=True), padding.PKCS1v15())
        assert opened.decode() == PASSWORD

    @pytest.mark.parametrize("environment", ["sandbox", "production"])
    def test_has_344_characters_and_is_never_the_same_twice(self, environment):
        made = {security_credential(PASSWORD, environment=environment) for _ in range(3)}

        assert len(made) == 3
        assert {(len(one), one[-2:]) for one in made} == {(344, "==")}

    @pytest.mark.parametrize(
        "content", [None, b"", b"-----BEGIN CERTIFICATE-----\nxx", b"\x30\x82"]
    )
    def test_says_which_file_is_no_certificate(self, content, tmp_path):
        file = tmp_path / "own.cer"
        if content is not None:
            file.write_bytes(content)

        with pytest.raises(CannotOpen, match=r"own\.cer"):
            security_credential(PASSWORD, environment="sandbox", certificate_file=str(file))

    def test_takes_no_other_key_than_rsa(self, tmp_path):
        file = tmp_path / "curve.pem"
        file.write_bytes(certificate_of(ec.generate_private_key(ec.SECP256R1())))

        with pytest.raises(CannotOpen, match="RSA"):
            security_credential(PASSWORD, environment="sandbox", certificate_file=str(file))


class TestFingerprint:
    # As published by those who use them daily; many repositories ship others.
    @pytest.mark.parametrize(
        ("environment", "begins", "ends"),
        [("sandbox", "A5:42:C3:C6:", ":66:F0"), ("production", "94:17:91:52:", ":C1:6B")],
    )
    def test_is_that_of_safaricoms_own(self, environment, begins, ends):
        shown = fingerprint(environment=environment)

        assert shown.startswith(begins)
        assert shown.endswith(ends)
        assert len(shown) == 95
