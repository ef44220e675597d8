"""What a test gives to a process of its own, so that it works on the test's database."""

from __future__ import annotations

from urllib.parse import quote

from django.db import connection


def database_url() -> str:
    """Name the test's database, be its server behind a port or behind a socket."""
    at = connection.settings_dict
    password = f":{quote(at['PASSWORD'], safe='')}" if at["PASSWORD"] else ""
    who = f"{quote(at['USER'], safe='')}{password}"
    # A socket's directory is no host name: django-environ hands it on as an option.
    if directory := at["OPTIONS"].get("host"):
        return f"postgresql://{who}@/{at['NAME']}?host={directory}&port={at['OPTIONS']['port']}"
    return f"postgresql://{who}@{at['HOST']}:{at['PORT']}/{at['NAME']}"
