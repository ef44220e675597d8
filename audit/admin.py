from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import BooleanField, Value
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit import masking
from audit.actions import AuditAction
from audit.actors import ActorKind
from audit.admin_chains import ChainPages
from audit.admin_filters import ActorFilter, KindFilter, ObjectFilter, found_by
from audit.models import AuditEntry
from tenants.admin_access import Fence
from tenants.admin_base import ShopScopedModelAdmin, sees_several_shops
from tenants.admin_filters import ScopedRelatedFilter
from tenants.admin_looks import NONE, badge, code
from tenants.roles import Action, Role

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.urls import URLPattern


@admin.register(AuditEntry)
class AuditEntryAdmin(ChainPages, ShopScopedModelAdmin):
    """What was done, by whom and why: read only, down to the database."""

    view_action = Action.VIEW_AUDIT
    fence = Fence(branch="")
    change_list_template = "admin/audit/auditentry/change_list.html"
    list_filter = [
        ("shop", ScopedRelatedFilter),
        "action",
        ActorFilter,
        KindFilter,
        ObjectFilter,
        "at",
    ]
    list_select_related = ["shop"]
    search_fields = ["object_label"]
    search_help_text = gettext_lazy(
        "Object, actor, reason, request id, number, or a day: 2026-11-20"
    )
    sortable_by: list[str] = []

    def get_urls(self) -> list[URLPattern]:
        pages = (
            ("export/", self.export_view, "export"),
            ("chains/", self.chains_view, "chains"),
            ("chains/<str:chain>/verify/", self.verify_view, "verify"),
            ("chains/<str:chain>/download/", self.download_view, "download"),
        )
        own = [
            path(route, self.admin_site.admin_view(view), name=f"audit_auditentry_{name}")
            for route, view, name in pages
        ]
        return [*own, *super().get_urls()]

    def get_list_display(self, request: HttpRequest) -> list[str]:
        shop = ["shop"] if sees_several_shops(request) else []
        return ["at", "what", *shop, "whereto", "who", "why", "seq"]

    def get_ordering(self, request: HttpRequest) -> list[str]:
        """Order one shop's entries as its chain does; several shops' by time."""
        is_of_several = sees_several_shops(request) and "shop__id__exact" not in request.GET
        return ["-at", "-seq"] if is_of_several else ["-seq"]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        return (found_by(queryset, search_term) if search_term.strip() else queryset), False

    @admin.display(description=gettext_lazy("action"))
    def what(self, entry: AuditEntry) -> str:
        return str(_label_of(entry.action))

    @admin.display(description=gettext_lazy("object"))
    def whereto(self, entry: AuditEntry) -> str:
        return self._masked(entry, entry.object_label) or NONE

    @admin.display(description=gettext_lazy("actor"))
    def who(self, entry: AuditEntry) -> str:
        return self._masked(entry, entry.actor_label) or NONE

    @admin.display(description=gettext_lazy("reason"))
    def why(self, entry: AuditEntry) -> str:
        return entry.reason or NONE

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """Mark the rows for the columns, which are not told who looks."""
        masked = Value(self.is_masked(request), output_field=BooleanField())
        return super().get_queryset(request).annotate(is_masked=masked)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        may_export = request.user.may_anywhere(Action.EXPORT)
        return super().changelist_view(request, {**(extra_context or {}), "may_export": may_export})

    def is_masked(self, request: HttpRequest) -> bool:
        """Tell whether this person sees emails and addresses masked."""
        return request.user.platform_role == Role.SUPPORT

    def shown_to(self, request: HttpRequest, text: str) -> str:
        return masking.mask_emails(text) if self.is_masked(request) else text

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> TemplateResponse:
        """Show one entry with every field that changed."""
        entry = self.get_permitted(request, object_id, self.view_action)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": entry,
            "title": _label_of(entry.action),
            "subtitle": self.whereto(entry),
            "crumb": _("Entry %(number)s") % {"number": entry.seq},
            "badges": [badge(_("Entry %(number)s") % {"number": entry.seq})],
            "facts": self._facts(request, entry),
            "changes": [self._change(entry, change) for change in entry.changes],
            "before": [(name, self._value(entry, old)) for name, old in _sorted(entry)],
            "proof": [(_("Hash"), code(entry.hash)), (_("Before it"), code(entry.previous_hash))],
        }
        return TemplateResponse(request, "admin/audit/auditentry/detail.html", context)

    def _facts(self, request: HttpRequest, entry: AuditEntry) -> list[tuple[Any, Any]]:
        is_masked = self.is_masked(request)
        return [
            (_("At"), entry.at),
            (_("Shop"), entry.shop or _("The platform")),
            (_("Object"), _object_link(entry, self.whereto(entry))),
            (_("Actor"), self.who(entry)),
            (_("Kind of actor"), ActorKind(entry.actor_kind).label),
            (_("Role"), dict(Role.choices).get(entry.actor_role, entry.actor_role) or NONE),
            (_("Reason"), entry.reason or NONE),
            (_("Address"), NONE if is_masked else entry.ip or NONE),
            (_("User agent"), NONE if is_masked else entry.user_agent or NONE),
            (_("Request id"), entry.request_id or NONE),
        ]

    def _change(self, entry: AuditEntry, change: dict[str, Any]) -> tuple[str, Any, Any]:
        old, new = (self._value(entry, change.get(side)) for side in ("old", "new"))
        return change.get("field", ""), old, new

    def _value(self, entry: AuditEntry, value: Any) -> str:
        if isinstance(value, bool):
            return _("Yes") if value else _("No")
        if value in (None, "", [], {}):
            return NONE
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        return self._masked(entry, text)

    def _masked(self, entry: AuditEntry, text: str) -> str:
        return masking.mask_emails(text) if entry.is_masked else text


def _label_of(action: str) -> Any:
    return AuditAction(action).label if action in AuditAction.values else action


def _sorted(entry: AuditEntry) -> list[tuple[str, Any]]:
    return sorted(entry.previous_state.items())


def _object_link(entry: AuditEntry, text: str) -> str:
    """Link to the object's page where there is one; the page decides who may open it."""
    app, _dot, model = entry.object_type.partition(".")
    known = {each._meta.label_lower for each in admin.site._registry}  # noqa: SLF001
    if not entry.object_id or entry.object_type not in known:
        return text
    url = reverse(f"admin:{app}_{model}_change", args=[entry.object_id])
    return format_html('<a href="{}">{}</a>', url, text)
