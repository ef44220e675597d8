"""Two furnished shops, the platform's people and a browser: what tests of the admin share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest
from django.test import Client

from tenants.models import User
from tenants.roles import Role
from tests.world import Corner, furnish


@pytest.fixture
def ours(db: None, now: datetime) -> Corner:
    return furnish(name="Zawadi", number=61, now=now)


@pytest.fixture
def theirs(db: None, now: datetime) -> Corner:
    return furnish(name="Baraka", number=62, now=now)


@pytest.fixture
def support(db: None) -> User:
    return User.objects.create_user("s@malipo.test", None, platform_role=Role.SUPPORT)


@pytest.fixture
def root(db: None) -> User:
    return User.objects.create_user("r@malipo.test", None, platform_role=Role.SUPER_ADMIN)


@pytest.fixture
def browse() -> Callable[[User], Client]:
    """Open a browser in which this person is logged in."""

    def open_for(user: User) -> Client:
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return client

    return open_for
