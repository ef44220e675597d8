"""The dashboards' doors: may this person, where does he look, then one page of numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from payments.choices import Environment
from reconciliation import pages
from reconciliation.dashboards_failed import failed_of
from reconciliation.dashboards_frame import OutOfSight, Place, place_of
from reconciliation.dashboards_health import health_of
from reconciliation.dashboards_overview import overview_of
from reconciliation.dashboards_periods import PERIODS
from reconciliation.dashboards_platform import platform_of
from reconciliation.dashboards_stuck import stuck_of
from reconciliation.pages import Page
from tenants import support
from tenants.roles import Action

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

_FOLDER = "admin/reconciliation/dashboards"
# The pages about one shop, in the order of their tabs.
_TABS: list[Page] = []


def _dashboard(
    name: str,
    *,
    title: Any,
    action: Action,
    build: Callable[[Place], dict[str, Any]],
    period: str = "today",
    has_period: bool = True,
) -> None:
    """Open one dashboard of a shop; has_period tells whether days are chosen there."""

    @require_safe
    def view(request: HttpRequest) -> HttpResponse:
        if not page.is_open_to(request.user):
            raise PermissionDenied
        try:
            place = place_of(
                request.user, request.GET.dict(), page=page.name, action=action,
                period=period, now=timezone.now(),
            )  # fmt: skip
        except OutOfSight as error:
            raise Http404 from error
        if not isinstance(place, Place):
            return _drawn(request, page, "choose", shops=place, kept=_kept(request))
        support.note_list_read(request, [place.shop.pk], page=page.name)
        frame = _frame(request, place, has_period=has_period)
        return _drawn(request, page, name, **frame, **build(place))

    address = f"numbers/{name}/"
    page = pages.register(Page(f"reconciliation_{name}", address, title, action, view))
    _TABS.append(page)


def _kept(request: HttpRequest) -> dict[str, str]:
    """Return what was chosen already, while the shop is asked for."""
    asked = {name: request.GET.get(name, "")[:20] for name in ("environment", "period")}
    return {name: value for name, value in asked.items() if value}


def _frame(request: HttpRequest, place: Place, *, has_period: bool) -> dict[str, Any]:
    worlds = dict(reversed(Environment.choices))
    return {
        "place": place,
        "period": place.period,
        "is_sandbox": place.is_sandbox,
        "environments": place.links("environment", worlds, place.environment),
        "periods": place.links("period", PERIODS, place.period.name) if has_period else [],
        "tabs": [
            {
                "label": tab.title,
                "url": f"{tab.url}?{place.query()}",
                "is_chosen": tab.name == place.page,
            }
            for tab in _TABS
            if tab.is_open_to(request.user)
        ],
    }


def _drawn(request: HttpRequest, page: Page, template: str, **more: Any) -> TemplateResponse:
    context = {
        **admin.site.each_context(request),
        "title": page.title,
        "page": page,
        **more,
    }
    response = TemplateResponse(request, f"{_FOLDER}/{template}.html", context)
    response["Cache-Control"] = "no-store"
    return response


@require_safe
def _platform(request: HttpRequest) -> HttpResponse:
    """Show all shops to whoever runs the platform."""
    page = pages.PAGES["reconciliation_platform"]
    if not page.is_open_to(request.user):
        raise PermissionDenied
    found = platform_of(request.GET.dict(), now=timezone.now())
    return _drawn(request, page, "platform", **found)


_dashboard("overview", title=_("Shop overview"), action=Action.VIEW_STATS, build=overview_of)
_dashboard(
    "failed", title=_("Failed payments"), action=Action.VIEW_STATS, build=failed_of, period="7d"
)
_dashboard(
    "stuck", title=_("Stuck and unknown"), action=Action.LIST_PAYMENTS, build=stuck_of,
    has_period=False,
)  # fmt: skip
_dashboard(
    "health", title=_("Till health"), action=Action.VIEW_CONFIGS, build=health_of,
    has_period=False,
)  # fmt: skip
pages.register(
    Page(
        "reconciliation_platform", "numbers/platform/", _("All shops"),
        Action.OPERATE_PLATFORM, _platform, for_platform=True,
    )
)  # fmt: skip
