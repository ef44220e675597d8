"""
Make a full set of keys: for the demo, for tests, for trying production settings.

    python config/devkeys.py        prints NAME=value lines

Also a way to make the keys of a real installation; those belong into its secret store.
"""

from __future__ import annotations

import base64
import os
import secrets
import sys
from pathlib import Path

KEY_BYTES = 32
RINGS = ("FIELD_ENCRYPTION_KEYS", "CALLBACK_MAC_KEYS")
SINGLE_KEYS = ("BLIND_INDEX_KEY", "AUDIT_CHAIN_KEY")
SECRET_NAMES = ("SECRET_KEY", *RINGS, *SINGLE_KEYS)


def make_keys(key_id: str = "dev1") -> dict[str, str]:
    """Make fresh random values for every setting that is a secret; key_id names the rings' key."""
    keys = {"SECRET_KEY": secrets.token_urlsafe(64)}
    keys |= {name: f"{key_id}:{_random_key()}" for name in RINGS}
    keys |= {name: _random_key() for name in SINGLE_KEYS}
    return keys


def kept_keys(path: Path) -> dict[str, str]:
    """Read the keys kept in path, made there (mode 0600) at the first call."""
    if not path.exists():
        write_private(path, "".join(f"{name}={key}\n" for name, key in make_keys().items()))
    lines = path.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line)


def write_private(path: Path, text: str) -> None:
    """Write a file only we may read, whole or not at all."""
    aside = path.with_name(f"{path.name}.new")
    aside.unlink(missing_ok=True)
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    aside.replace(path)


def _random_key() -> str:
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


if __name__ == "__main__":
    sys.stdout.write("".join(f"{name}={value}\n" for name, value in make_keys("k1").items()))
