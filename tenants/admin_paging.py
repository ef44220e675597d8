from __future__ import annotations

from functools import cached_property

from django.core.paginator import Paginator

# Counting a million rows takes longer than showing fifty of them.
COUNTED_ROWS = 1_000


class CappedPaginator(Paginator):
    """Pages without a full count: beyond COUNTED_ROWS one narrows the search instead."""

    @cached_property
    def count(self) -> int:
        return self.object_list.order_by().values("pk")[: COUNTED_ROWS + 1].count()

    @property
    def is_capped(self) -> bool:
        return self.count > COUNTED_ROWS
