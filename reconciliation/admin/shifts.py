"""
Shift close: prepare, sign, read and print.

Everybody who sees the shop's numbers prepares; a cashier his branches' today. Who decides about
money, a manager or the shop's admin, signs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponseNotAllowed, HttpResponseRedirect, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from audit.actions import AuditAction
from audit.actors import Actor
from audit.cells import csv_lines
from audit.masking import mask_emails
from audit.recording import record
from payments.admin.filters import EnvironmentFilter
from reconciliation.admin.shift_forms import SignForm
from reconciliation.admin.shift_looks import (
    HEADER,
    adjustment_table,
    csv_rows,
    signed,
    split_tables,
    whole_rows,
)
from reconciliation.admin.shift_preparing import prepare
from reconciliation.models import Shift
from reconciliation.shift_totals import Totals
from reconciliation.shifts import (
    ShiftRefused,
    adjustments_of,
    changes_of,
    close_shift,
    difference_of,
)
from tenants import support
from tenants.admin_access import Fence
from tenants.admin_base import ShopScopedModelAdmin, sees_several_shops
from tenants.admin_filters import ScopedRelatedFilter
from tenants.admin_looks import NONE, badge, shillings
from tenants.roles import Action, Grant, may

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern

    from reconciliation.admin.shift_preparing import Prepared

SIGN = Action.RESOLVE_REVIEWS
_FOLDER = "admin/reconciliation/shift"


@admin.register(Shift)
class ShiftAdmin(ShopScopedModelAdmin):
    """Signed shifts, read only; and the page that closes one."""

    view_action = Action.VIEW_STATS
    fence = Fence(branch="branch")
    menu_name = gettext_lazy("Shift close")
    menu_page = "admin:reconciliation_shift_close"
    list_filter = [
        EnvironmentFilter,
        ("shop", ScopedRelatedFilter),
        ("branch", ScopedRelatedFilter),
    ]
    list_select_related = ["shop", "branch", "config"]
    search_fields = ["cashier", "signed_by"]
    search_help_text = gettext_lazy("Cashier, or who signed")
    sortable_by: list[str] = []

    def get_urls(self) -> list[URLPattern]:
        wrap, name = self.admin_site.admin_view, "reconciliation_shift"
        return [
            path("close/", wrap(self.close_view), name=f"{name}_close"),
            path("<path:object_id>/csv/", wrap(require_POST(self.csv_view)), name=f"{name}_csv"),
            *super().get_urls(),
        ]

    def get_list_display(self, request: HttpRequest) -> list[str]:
        shop = ["shown_shop"] if sees_several_shops(request) else []
        who = "masked_cashier" if request.user.platform_role else "shown_cashier"
        return ["until", "since", *shop, "shown_branch", "shown_config", who, "taken", "signed_at"]

    @admin.display(description=gettext_lazy("config"))
    def shown_config(self, shift: Shift) -> str:
        return shift.config.name if shift.config else NONE

    @admin.display(description=gettext_lazy("cashier"))
    def shown_cashier(self, shift: Shift) -> str:
        return shift.cashier or NONE

    @admin.display(description=gettext_lazy("cashier"))
    def masked_cashier(self, shift: Shift) -> str:
        return str(mask_emails(shift.cashier)) or NONE

    @admin.display(description=gettext_lazy("taken (KES)"))
    def taken(self, shift: Shift) -> str:
        return shillings(Totals.from_data(shift.totals).taken.amount)

    def close_view(self, request: HttpRequest) -> HttpResponse:
        """Show what a shift would be signed with, or sign it."""
        if not self.has_module_permission(request):
            raise PermissionDenied
        if request.method not in {"GET", "HEAD", "POST"}:
            return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
        now = timezone.now()
        found = prepare(request.user, request.GET, now=now)
        if isinstance(found, list):
            return self._page(request, "close", {"shops": found, "title": self.menu_name})
        support.note_list_read(request, [found.place.shop.pk], page="reconciliation_shift_close")
        if request.method == "POST":
            return self._sign(request, found)
        return self._prepared(request, found, SignForm(initial={"seen": found.digest}))

    def _sign(self, request: HttpRequest, found: Prepared) -> HttpResponse:
        shop = found.place.shop
        role = request.user.role_in(shop.pk)
        if not may(role, SIGN) or found.totals is None:
            raise PermissionDenied
        form = SignForm(request.POST)
        if not form.is_valid():
            return self._prepared(request, found, form)
        try:
            shift = close_shift(
                scope=found.scope,
                **form.cleaned_data,
                actor=Actor.from_user(request.user, request, role=role),
                now=timezone.now(),
            )
        except ShiftRefused as error:
            # Signed are only numbers that were seen: the form carries those of this very page.
            data = {**request.POST.dict(), "seen": found.digest}
            again = replace(found, problem=_(str(error)))
            return self._prepared(request, again, SignForm(data))
        messages.success(request, _("Signed. These numbers do not change any more."))
        return HttpResponseRedirect(self.page_of(shift))

    def _prepared(self, request: HttpRequest, found: Prepared, form: SignForm) -> HttpResponse:
        role = request.user.role_in(found.place.shop.pk)
        masked = bool(request.user.platform_role)
        totals = found.totals
        context = {
            "title": self.menu_name,
            "place": found.place,
            "found": found,
            "environments": found.environments(),
            "problem": found.problem,
            "rows": whole_rows(totals) if totals else [],
            "taken": totals.taken if totals else None,
            "tables": split_tables(totals, masked=masked) if totals else [],
            "cashiers": []
            if masked or totals is None
            else sorted(filter(None, totals.by["cashier"])),
            "sign_form": form,
            "may_sign": may(role, SIGN),
            "log": reverse("admin:reconciliation_shift_changelist"),
        }
        return self._page(request, "close", context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> TemplateResponse:
        """Show a signed shift and what has changed since; POST here has no meaning."""
        shift = self.get_permitted(request, object_id, self.view_action)
        totals, adjustments = Totals.from_data(shift.totals), adjustments_of(shift)
        difference = difference_of(shift)
        context = {
            "title": _("Shift"),
            "original": shift,
            "crumb": shift.until,
            "badges": [badge(_("Signed"), "good")]
            + ([badge(_("Changed since"), "warn")] if adjustments else []),
            "buttons": self.buttons(request, shift),
            "facts": self._facts(request, shift),
            "rows": whole_rows(totals),
            "taken": totals.taken,
            "reported": shift.reported,
            "difference": signed(difference),
            "differs": bool(difference),
            "tables": split_tables(totals, masked=bool(request.user.platform_role)),
            "adjustments": adjustment_table(adjustments) if adjustments else None,
            "changes": changes_of(shift) if self._sees_changes(request, shift) else [],
            "may_export": self.may_do(request, Action.EXPORT, shift),
            "csv": reverse("admin:reconciliation_shift_csv", args=[shift.pk]),
        }
        return self._page(request, "detail", context)

    def csv_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        shift = self.get_permitted(request, object_id, Action.EXPORT)
        masked = self.grant_on(request, Action.EXPORT, shift) is Grant.MASKED
        actor = Actor.from_user(request.user, request, role=request.user.role_in(shift.shop_id))
        record(
            AuditAction.PAYMENTS_EXPORTED,
            shift,
            shop_id=shift.shop_id,
            actor=actor,
            now=timezone.now(),
        )
        lines = csv_lines(HEADER, csv_rows(shift, masked=masked))
        response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="shift-{shift.pk}.csv"'
        response["Cache-Control"] = "no-store"
        return response

    def _sees_changes(self, request: HttpRequest, shift: Shift) -> bool:
        """Tell whether he may list payments of other days: a cashier lists today's only."""
        role_grant = self.grant_on(request, Action.LIST_PAYMENTS, shift)
        return role_grant in {Grant.YES, Grant.MASKED}

    def _facts(self, request: HttpRequest, shift: Shift) -> list[tuple[Any, Any]]:
        hide = mask_emails if request.user.platform_role else str
        return [
            (_("Shop"), shift.shop),
            (_("Environment"), shift.get_environment_display()),
            (_("From"), shift.since),
            (_("To"), shift.until),
            (_("Branch"), shift.branch.name if shift.branch else _("All branches")),
            (_("Payment config"), shift.config.name if shift.config else _("All configs")),
            (_("Cashier"), hide(shift.cashier) or _("Everybody")),
            (_("Signed by"), hide(shift.signed_by)),
            (_("Signed at"), shift.signed_at),
            (_("Note"), shift.note or NONE),
        ]

    def _page(self, request: HttpRequest, name: str, context: dict[str, Any]) -> TemplateResponse:
        whole = {**self.admin_site.each_context(request), "opts": self.opts, **context}
        response = TemplateResponse(request, f"{_FOLDER}/{name}.html", whole)
        response["Cache-Control"] = "no-store"
        return response
