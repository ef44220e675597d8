"""The monitor: what comes into the inbox just now. It looks again by itself (monitor.js)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from payments.admin.looks import choice_badge
from payments.choices import CallbackStatus
from reconciliation import monitor, pages
from reconciliation.pages import Page
from tenants import support
from tenants.roles import Action, may

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from reconciliation.monitor import Call

_FOLDER = "admin/reconciliation/monitor"


@require_safe
def _monitor(request: HttpRequest) -> HttpResponse:
    page = pages.PAGES["reconciliation_monitor"]
    if not page.is_open_to(request.user):
        raise PermissionDenied
    chosen = request.GET.get("minutes", "15")
    chosen = chosen if chosen in monitor.WINDOWS else "15"
    seen = monitor.look(request.user, window=monitor.WINDOWS[chosen], now=timezone.now())
    shop_ids = [call.row.shop_id for call in seen.calls]
    support.note_list_read(request, shop_ids, page=page.name)
    context = {
        "seen": seen,
        "calls": [_shown(request, call) for call in seen.calls],
        "at": timezone.now(),
        "statuses": [line.label for line in seen.statuses],
    }
    if "live" in request.GET:
        response = TemplateResponse(request, f"{_FOLDER}/live.html", context)
    else:
        response = _whole(request, page, chosen, context)
    response["Cache-Control"] = "no-store"
    return response


def _whole(
    request: HttpRequest, page: Page, chosen: str, context: dict[str, Any]
) -> TemplateResponse:
    address = f"{page.url}?minutes={chosen}"
    more = {
        **admin.site.each_context(request),
        "title": page.title,
        "windows": [
            {
                "label": _("%(count)s minutes") % {"count": minutes},
                "url": f"{page.url}?minutes={minutes}",
                "is_chosen": minutes == chosen,
            }
            for minutes in monitor.WINDOWS
        ],
        "address": address,
        # Each look of support's is told to the shops: it looks when it presses, not every second.
        "live": "" if support.is_support(request.user) else f"{address}&live=1",
    }
    return TemplateResponse(request, f"{_FOLDER}/page.html", {**context, **more})


def _shown(request: HttpRequest, call: Call) -> dict[str, Any]:
    row = call.row
    return {
        "row": row,
        "config": call.config,
        "is_listed": call.is_listed,
        "status": choice_badge(CallbackStatus, row.status),
        "url": reverse("admin:payments_providercallback_change", args=[row.pk]),
        "payment": row.payment_id and _page("payments_payment_change", row.payment_id),
        "again": _again(request, call),
    }


def _again(request: HttpRequest, call: Call) -> str:
    """Return where the call may be applied again, as the inbox says; "" where it may not."""
    row = call.row
    if not call.may_be_applied:
        return ""
    role = request.user.role_in(row.shop_id) if row.shop_id else request.user.platform_role
    if may(role, Action.RESOLVE_REVIEWS):
        return reverse("admin:payments_providercallback_do", args=[row.pk, "apply_again"])
    if may(role, Action.OPERATE_PLATFORM) and row.status == CallbackStatus.DEAD:
        return reverse("admin:payments_providercallback_do", args=[row.pk, "apply_dead"])
    return ""


def _page(name: str, pk: Any) -> str:
    return reverse(f"admin:{name}", args=[pk])


pages.register(
    Page(
        "reconciliation_monitor",
        "monitor/",
        gettext_lazy("Callback monitor"),
        Action.VIEW_INBOX,
        _monitor,
    )
)
