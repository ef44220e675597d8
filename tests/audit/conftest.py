from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from tenants.models import User
from tests.backoffice import ours, root, support, theirs

__all__ = ["browse", "ours", "root", "support", "theirs"]


@pytest.fixture
def browse() -> Callable[[User], Client]:
    """Open a browser in which this person is logged in."""

    def open_for(user: User) -> Client:
        client = Client(
            headers={"User-Agent": "Till/1", "X-Request-ID": "req-1"}, REMOTE_ADDR="41.90.1.2"
        )
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return client

    return open_for
