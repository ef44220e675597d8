"""A person's own filters of a list, by names of his: kept, shown as chips, thrown away."""

from __future__ import annotations

import uuid
from datetime import datetime
from urllib.parse import parse_qsl, urlencode

from payments.errors import InvalidInput
from reconciliation.models import SavedFilter
from tenants.models import User

MOST_SAVED = 20
_LONGEST = 500
# A page is not part of a filter.
_LEFT_OUT = frozenset({"p", "csrfmiddlewaretoken"})


def save(*, user: User, page: str, name: str, query: str, now: datetime) -> SavedFilter:
    """
    Keep what is asked of a page under a name; the same name again takes the newer one.

    :raises InvalidInput: without a name, for nothing to filter by, or for too many.
    """
    name, query = " ".join(name.split())[:60], tidied(query)
    if not name or not name.isprintable():
        _refuse("name", "Give the filter a name.")
    if not query:
        _refuse("query", "Choose something to filter by first.")
    mine = SavedFilter.objects.filter(user=user, page=page)
    if mine.exclude(name=name).count() >= MOST_SAVED:
        _refuse("name", "Twenty filters at most: delete one first.")
    made = {"query": query, "created_at": now}
    return SavedFilter.objects.update_or_create(user=user, page=page, name=name, defaults=made)[0]


def of(user: User, page: str) -> list[SavedFilter]:
    return list(SavedFilter.objects.filter(user=user, page=page))


def delete(*, user: User, page: str, filter_id: uuid.UUID) -> bool:
    """Throw one's own filter away; False where there is none."""
    count, _rows = SavedFilter.objects.filter(user=user, page=page, pk=filter_id).delete()
    return bool(count)


def tidied(query: str) -> str:
    """Return a query without what is empty, what is no filter, and what a link must not carry."""
    if len(query) > _LONGEST:
        _refuse("query", "The filter is too long.")
    pairs = [
        (name, value) for name, value in parse_qsl(query) if name not in _LEFT_OUT and value.strip()
    ]
    return urlencode(pairs)


def _refuse(name: str, detail: str) -> None:
    raise InvalidInput(detail, errors=[(name, "invalid", detail)])
