"""
A database whose commits are real, for tests with threads.

Django's own way empties every table with TRUNCATE, a second and more for each test. Here the rows
are deleted, which takes milliseconds, and what the migrations put there stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, transaction

_OURS = ("tenants", "audit", "payments", "reconciliation")
_KEPT = frozenset({"payments_callbacksource"})


@pytest.fixture
def committed_db(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Let a test commit; delete the rows of our apps when it is over."""
    with django_db_blocker.unblock():
        try:
            yield
        finally:
            delete_our_rows()


def delete_our_rows() -> None:
    models = [model for label in _OURS for model in apps.get_app_config(label).get_models(True)]
    tables = {m._meta.db_table for m in models if m._meta.managed and not m._meta.proxy} - _KEPT
    with transaction.atomic(), connection.cursor() as cursor:
        # Neither foreign keys nor the triggers that guard the append-only tables.
        cursor.execute("SET LOCAL session_replication_role = replica")
        for table in sorted(tables):
            cursor.execute(f'DELETE FROM "{table}"')  # noqa: S608 - names from the models
    connection.close()
