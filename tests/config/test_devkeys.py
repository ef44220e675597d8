from __future__ import annotations

import base64
import stat

from config.devkeys import SECRET_NAMES, kept_keys, make_keys


class TestMakeKeys:
    def test_makes_keys_of_the_right_length_and_none_twice(self):
        keys = make_keys("k1")

        encoded = [keys[name].removeprefix("k1:") for name in SECRET_NAMES[1:]]

        assert set(keys) == set(SECRET_NAMES)
        assert all(len(base64.b64decode(key, validate=True)) == 32 for key in encoded)
        assert len({*encoded}) == len(encoded)
        assert len(keys["SECRET_KEY"]) >= 50

    def test_never_makes_the_same_keys_again(self):
        assert not set(make_keys().values()) & set(make_keys().values())


class TestKeptKeys:
    def test_keeps_the_keys_of_the_first_call_closed_to_others(self, tmp_path):
        path = tmp_path / "keys.env"

        first = kept_keys(path)

        assert kept_keys(path) == first
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
