from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.contrib import admin
from django.db.models import Q
from django.utils.dateparse import parse_date
from django.utils.translation import gettext_lazy as _

from audit.models import AuditEntry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import Model, QuerySet
    from django.http import HttpRequest

# Whoever acted before these is found by the search.
_RECENT = 1_000
_OUR_APPS = ("tenants", "payments", "reconciliation")
# Kept and changed on a page of another kind.
_WITHOUT_PAGES = frozenset({"reconciliation.retentionrule"})


class KindFilter(admin.SimpleListFilter):
    """What kind of thing it was done to; the kinds come from the models, not from the log."""

    title = _("kind of object")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        models = [model for label in _OUR_APPS for model in apps.get_app_config(label).get_models()]
        kept = [model._meta for model in models if _is_acted_on(model)]  # noqa: SLF001
        return [(kind.label_lower, kind.verbose_name) for kind in kept]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(object_type=self.value()) if self.value() else queryset


def _is_acted_on(model: type[Model]) -> bool:
    kind = model._meta.label_lower  # noqa: SLF001
    return admin.site.is_registered(model) or kind in _WITHOUT_PAGES


class ObjectFilter(admin.SimpleListFilter):
    """One object's story: its page leads here. The value is kind:id."""

    title = _("object")
    parameter_name = "object"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        kind, _colon, key = (request.GET.get(self.parameter_name) or "").partition(":")
        if not key:
            return []
        entries = model_admin.get_queryset(request).filter(object_type=kind, object_id=key)
        label = entries.order_by("-at").values_list("object_label", flat=True).first()
        return [(f"{kind}:{key}", model_admin.shown_to(request, label) if label else key)]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        kind, _colon, key = (self.value() or "").partition(":")
        return queryset.filter(object_type=kind, object_id=key) if key else queryset


class ActorFilter(admin.SimpleListFilter):
    """Who acted of late in the shops in sight."""

    title = _("actor")
    parameter_name = "actor"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterator[tuple[str, str]]:
        recent = model_admin.get_queryset(request).exclude(actor_id="").order_by("-at")
        actors = dict(recent.values_list("actor_id", "actor_label")[:_RECENT])
        for key, label in sorted(actors.items(), key=lambda row: row[1]):
            yield key, model_admin.shown_to(request, label)

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(actor_id=self.value()) if self.value() else queryset


def found_by(queryset: QuerySet[AuditEntry], term: str) -> QuerySet[AuditEntry]:
    """Narrow entries to a day, a number, or words of object, actor, reason and request id."""
    term = term.strip()[:100]
    try:
        day = parse_date(term)
    except ValueError:
        day = None
    if day is not None:
        return queryset.filter(at__date=day)
    if term.isascii() and term.isdigit() and len(term) < 10:
        return queryset.filter(Q(seq=int(term)) | Q(object_label__icontains=term))
    words = Q(object_id=term) | Q(request_id=term) | Q(object_label__icontains=term)
    return queryset.filter(words | Q(actor_label__icontains=term) | Q(reason__icontains=term))
