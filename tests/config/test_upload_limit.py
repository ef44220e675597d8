"""What announces itself as far too large is refused before it is read."""

from __future__ import annotations

import pytest
from django.test import Client, RequestFactory
from django.urls import reverse

from config.middleware import UploadLimit

MB = 1024**2
URL = "/admin/login/"


def announce(length):
    """Send a request whose body must not be touched."""
    seen = []
    request = RequestFactory().post(URL)
    request.META["CONTENT_LENGTH"] = length
    request._stream = None
    response = UploadLimit(seen.append)(request)
    return response, bool(seen)


class TestUploadLimit:
    def test_refuses_two_hundred_megabytes_unread(self):
        response, was_let_in = announce(str(200 * MB))

        assert (response.status_code, was_let_in) == (413, False)
        assert "25 MB" in response.content.decode()

    @pytest.mark.parametrize("length", ["", "0", "17", str(26 * MB), "-1", "many", "²"])
    def test_lets_everything_else_in(self, length):
        assert announce(length)[1]

    def test_stands_before_whatever_reads_the_body(self, db):
        response = Client().generic(
            "POST", reverse("admin:login"), b"x", CONTENT_LENGTH=str(200 * MB)
        )

        assert response.status_code == 413
