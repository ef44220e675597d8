"""Start-up refuses keys that are missing, malformed, short or used twice, and names the variable."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from pathlib import Path

import environ
import pytest
from django.core.exceptions import ImproperlyConfigured
from environ.fileaware_mapping import FileAwareMapping

from config import keys

ROOT = Path(__file__).resolve().parents[2]
RINGS = ("FIELD_ENCRYPTION_KEYS", "CALLBACK_MAC_KEYS")
SINGLES = ("BLIND_INDEX_KEY", "AUDIT_CHAIN_KEY")


def encoded(byte: int, size: int = 32) -> str:
    return base64.b64encode(bytes([byte]) * size).decode()


@pytest.fixture
def env(monkeypatch):
    for name in ("SECRET_KEY", *RINGS, *SINGLES):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"{name}_FILE", raising=False)
    env = environ.FileAwareEnv()
    env.ENVIRON = FileAwareMapping(cache=False)
    return env


class TestReadKey:
    @pytest.mark.parametrize("name", SINGLES)
    @pytest.mark.parametrize(
        "value",
        ["", "  ", "short", encoded(1, 31), encoded(1, 33), encoded(1)[:-2], "!" * 44, "é" * 44],
    )
    def test_refuses_and_names_the_variable(self, env, monkeypatch, name, value):
        monkeypatch.setenv(name, value)

        with pytest.raises(ImproperlyConfigured, match=name):
            keys.read_key(env, name, debug=False)

    def test_reads_both_alphabets(self, env, monkeypatch):
        key = bytes(range(224, 256))
        for text in (base64.b64encode(key), base64.urlsafe_b64encode(key)):
            monkeypatch.setenv("BLIND_INDEX_KEY", text.decode())
            assert keys.read_key(env, "BLIND_INDEX_KEY", debug=False) == key

    def test_reads_from_a_file(self, env, monkeypatch, tmp_path):
        (tmp_path / "key").write_text(f"{encoded(7)}\n")
        monkeypatch.setenv("BLIND_INDEX_KEY_FILE", str(tmp_path / "key"))

        assert keys.read_key(env, "BLIND_INDEX_KEY", debug=False) == b"\x07" * 32

    def test_never_repeats_the_value(self, env, monkeypatch):
        monkeypatch.setenv("BLIND_INDEX_KEY", "canary-value")

        with pytest.raises(ImproperlyConfigured) as refusal:
            keys.read_key(env, "BLIND_INDEX_KEY", debug=False)

        assert "canary" not in str(refusal.value)


class TestReadRing:
    @pytest.mark.parametrize("name", RINGS)
    @pytest.mark.parametrize(
        "value",
        [
            "",
            encoded(1),
            f":{encoded(1)}",
            f"A:{encoded(1)}",
            f"a b:{encoded(1)}",
            f"a.b:{encoded(1)}",
            f"a:{encoded(1, 16)}",
            "a:",
            f"a:{encoded(1)},",
            f"a:{encoded(1)},a:{encoded(2)}",
            f"a:{encoded(1)},b:{encoded(1)}",
        ],
    )
    def test_refuses_and_names_the_variable(self, env, monkeypatch, name, value):
        monkeypatch.setenv(name, value)

        with pytest.raises(ImproperlyConfigured, match=name):
            keys.read_ring(env, name, debug=False)

    def test_keeps_the_order(self, env, monkeypatch):
        monkeypatch.setenv("CALLBACK_MAC_KEYS", f"b:{encoded(2)}, a:{encoded(1)}")

        ring = keys.read_ring(env, "CALLBACK_MAC_KEYS", debug=False)

        assert list(ring) == ["b", "a"]


class TestReadSecretKey:
    @pytest.mark.parametrize("value", ["", "x" * 49])
    def test_refuses_and_names_the_variable(self, env, monkeypatch, value):
        monkeypatch.setenv("SECRET_KEY", value)

        with pytest.raises(ImproperlyConfigured, match="SECRET_KEY"):
            keys.read_secret_key(env, debug=False)


class TestRefuseReuse:
    def test_names_both_variables(self):
        with pytest.raises(ImproperlyConfigured, match=r"AUDIT_CHAIN_KEY.*BLIND_INDEX_KEY"):
            keys.refuse_reuse({"BLIND_INDEX_KEY": [b"x"], "AUDIT_CHAIN_KEY": [b"x"]})

    def test_allows_keys_of_their_own(self):
        keys.refuse_reuse({"BLIND_INDEX_KEY": [b"x"], "AUDIT_CHAIN_KEY": [b"y", b"z"]})


class TestDevelopment:
    def test_keys_exist_under_debug_only_and_differ(self, env):
        read = {name: keys.read_key(env, name, debug=True) for name in SINGLES}
        rings = {name: keys.read_ring(env, name, debug=True) for name in RINGS}

        values = [*read.values(), *(key for ring in rings.values() for key in ring.values())]
        assert len(set(values)) == 4


class TestStartUp:
    @pytest.mark.parametrize("missing", ["SECRET_KEY", *RINGS, *SINGLES])
    def test_stops_and_names_what_is_missing(self, missing):
        given = {
            "SECRET_KEY": "s" * 50,
            "FIELD_ENCRYPTION_KEYS": f"a:{encoded(1)}",
            "CALLBACK_MAC_KEYS": f"a:{encoded(2)}",
            "BLIND_INDEX_KEY": encoded(3),
            "AUDIT_CHAIN_KEY": encoded(4),
        }
        environment = {"PATH": os.environ["PATH"], "DEBUG": "0", **given} | {missing: ""}

        done = subprocess.run(
            [sys.executable, "-c", "import config.settings"],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

        assert done.returncode != 0
        last = done.stderr.strip().splitlines()[-1]
        assert missing in last
