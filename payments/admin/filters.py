from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from payments.choices import Environment
from payments.models import Payment, PaymentConfig
from payments.receipt_choices import PaymentOrigin
from payments.services import stats
from tenants.admin_access import Fence, rows_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import QuerySet
    from django.http import HttpRequest


class EnvironmentFilter(admin.SimpleListFilter):
    """One world at a time: play money never stands in a list with real money."""

    title = _("environment")
    parameter_name = "environment"

    def __init__(self, request: HttpRequest, params: Any, model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        self.chosen = super().value() or self._default(request, model_admin)

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(Environment.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(environment=self.chosen)

    def choices(self, changelist: Any) -> Iterator[dict[str, Any]]:
        for value, label in self.lookup_choices:
            yield {
                "selected": self.chosen == value,
                "query_string": changelist.get_query_string({self.parameter_name: value}),
                "display": label,
            }

    def _default(self, request: HttpRequest, model_admin: Any) -> str:
        fence = Fence(branch=None)
        rows = rows_for(request.user, model_admin.view_action, fence, now=timezone.now())
        return stats.default_environment(
            configs=PaymentConfig.objects.filter(rows), payments=Payment.objects.filter(rows)
        )


class MethodFilter(admin.ChoicesFieldListFilter):
    """How the money came, of what was written down by hand: few rows, and they have an index."""

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        found = super().queryset(request, queryset)
        return found.filter(origin=PaymentOrigin.MANUAL) if self.used_parameters else found


class OpenFilter(admin.SimpleListFilter):
    """Open reviews first: what is resolved is history."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("open", _("Open")), ("resolved", _("Resolved"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() is None:
            return queryset
        return queryset.filter(resolved_at__isnull=self.value() == "open")
