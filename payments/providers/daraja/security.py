"""
The SecurityCredential: an initiator's password, sealed for Safaricom alone.

RSA PKCS#1 v1.5 (not OAEP) with Safaricom's public key, in base64 (Daraja 3.0 portal, Getting
Started). certificates/ holds both keys as published: sandbox CN apicrypt.safaricom.co.ke, SHA-256
A5:42:C3:…:66:F0, production CN apigee.apicaller.safaricom.co.ke, SHA-256 94:17:91:…:C1:6B. Both
certificates ran out years ago (2016, 2018) and both keys are in use: dates are not looked at, on
purpose. Encryption is salted, so the same password never gives the same credential twice.
"""

from __future__ import annotations

import base64
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from django.views.decorators.debug import sensitive_variables

from payments.choices import Environment
from payments.errors import CannotOpen

_FOLDER = Path(__file__).parent / "certificates"


@sensitive_variables()
def security_credential(password: str, *, environment: str, certificate_file: str = "") -> str:
    """
    Seal a password for the Safaricom of this environment; 344 characters with a key of 2048 bits.

    certificate_file replaces Safaricom's own certificate; PEM or DER.

    :raises CannotOpen: when that file holds no RSA certificate.
    """
    key = _public_key(_path_of(environment, certificate_file))
    return base64.b64encode(key.encrypt(password.encode(), padding.PKCS1v15())).decode()


def fingerprint(*, environment: str, certificate_file: str = "") -> str:
    """
    Return the SHA-256 of the certificate in use, as "A5:42:…", to compare with Safaricom's.

    :raises CannotOpen: when the file holds no RSA certificate.
    """
    path = _path_of(environment, certificate_file)
    _public_key(path)
    digest = _certificate(path).fingerprint(hashes.SHA256())
    return digest.hex(":").upper()


def _path_of(environment: str, certificate_file: str) -> Path:
    # Compared with the one that moves real money, as the address is (registry.py).
    is_production = environment == Environment.PRODUCTION
    own = _FOLDER / ("production.pem" if is_production else "sandbox.pem")
    return Path(certificate_file) if certificate_file else own


@cache
def _public_key(path: Path) -> rsa.RSAPublicKey:
    key = _certificate(path).public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        raise CannotOpen(f"{path.name} is a certificate of something else than RSA.")
    return key


@cache
def _certificate(path: Path) -> x509.Certificate:
    try:
        raw = path.read_bytes()
        is_pem = b"-----BEGIN" in raw
        return (
            x509.load_pem_x509_certificate(raw) if is_pem else x509.load_der_x509_certificate(raw)
        )
    except (OSError, ValueError) as error:
        raise CannotOpen(f"{path.name} is no certificate that can be read.") from error
