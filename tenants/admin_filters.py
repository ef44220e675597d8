from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.utils import timezone

from tenants.admin_access import fence_of, rows_for

if TYPE_CHECKING:
    from django.db.models import ForeignKey
    from django.http import HttpRequest

# A list longer than this is searched, not scrolled.
MOST_CHOICES = 100


class ScopedRelatedFilter(admin.RelatedFieldListFilter):
    """
    A filter that offers only the rows this person may see.

    Django's own offers every shop's; its "related only" counts them over the whole ledger.
    """

    def field_choices(
        self, field: ForeignKey, request: HttpRequest, model_admin: Any
    ) -> list[tuple[Any, str]]:
        related = field.remote_field.model
        rows = rows_for(
            request.user, model_admin.view_action, fence_of(related), now=timezone.now()
        )
        return [(row.pk, str(row)) for row in related.objects.filter(rows)[:MOST_CHOICES]]

    def has_output(self) -> bool:
        return len(self.lookup_choices) > 1
