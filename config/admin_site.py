from __future__ import annotations

import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from django.contrib.admin import AdminSite
from django.contrib.auth.views import PasswordResetConfirmView
from django.urls import path, reverse, reverse_lazy
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.i18n import set_language

from reconciliation import dashboards, pages
from reconciliation.reversal_banner import reversals_for
from reconciliation.trouble_banner import Troubles, troubles_for
from tenants import support

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.template.response import TemplateResponse
    from django.urls import ResolverMatch, URLPattern, URLResolver

# The sidebar: title and pages. A page that is not named here is the platform's.
GROUPS: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (
        _("Money"),
        (
            "reconciliation.ExceptionItem",
            "reconciliation_find",
            "payments.Payment",
            "payments.ReceiptCheck",
            "payments.UnallocatedReceipt",
            "payments.Receipt",
            "payments.Refund",
            "payments.Review",
            "reconciliation.Shift",
            "reconciliation.StatementImport",
            "payments.AccountBalance",
            "payments.ProviderRequest",
            "payments.ProviderCallback",
            "reconciliation.Replay",
        ),
    ),
    (
        _("Set-up"),
        (
            "payments.PaymentConfig",
            "payments.GoLiveApproval",
            "tenants.Branch",
            "tenants.Membership",
            "tenants.ApiKey",
            "payments.WebhookEndpoint",
            "tenants.ShopSettings",
            "reconciliation.ConfigBearer",
            "reconciliation_persons",
        ),
    ),
    (
        _("Numbers"),
        (
            "reconciliation_overview",
            "reconciliation_failed",
            "reconciliation_stuck",
            "reconciliation_health",
            "reconciliation_books",
            "reconciliation.Run",
        ),
    ),
    (
        _("Watch"),
        ("reconciliation_monitor", "payments.Notice", "audit.AuditEntry", "tenants.SupportAccess"),
    ),
    (
        _("Platform"),
        (
            "reconciliation_platform",
            "reconciliation_retention",
            "reconciliation.Tariff",
            "tenants.Shop",
            "tenants.User",
            "payments.CallbackSource",
            "payments.AccessToken",
            "payments.ShortcodeClaim",
            "reconciliation.SweepState",
            "django_celery_beat.PeriodicTask",
            "django_celery_beat.IntervalSchedule",
            "django_celery_beat.CrontabSchedule",
            "axes.AccessAttempt",
        ),
    ),
)
# Where people of a branch look while customers are there: the banner of money taken back.
_BANNER_PAGES = {
    "index",
    *(
        f"{name}_{page}"
        for name in ("payments_payment", "payments_receipt", "tenants_branch")
        for page in ("changelist", "change")
    ),
    "payments_unallocatedreceipt_changelist",
}
# Where the banner "something is wrong" stands; a config's own page says it in its own words.
_TROUBLE_PAGES = {
    "index",
    "reconciliation_overview",
    "tenants_branch_changelist",
    "tenants_branch_change",
    "payments_paymentconfig_changelist",
}
# Kept out of the sidebar: what one comes to from a row, kinds of schedule we do not use, and a log
# we do not keep.
_HIDDEN = {
    "payments.WebhookDelivery",
    "reconciliation_transcript",
    "django_celery_beat.ClockedSchedule",
    "django_celery_beat.SolarSchedule",
    "axes.AccessLog",
    "axes.AccessFailureLog",
}


class MalipoAdminSite(AdminSite):
    """The back office."""

    site_header = "Malipo"
    site_title = "Malipo"
    index_title = _("Today")
    site_url = None
    empty_value_display = "–"  # noqa: RUF001 - a dash, as in a printed table

    def get_urls(self) -> list[URLPattern | URLResolver]:
        invitation = PasswordResetConfirmView.as_view(
            template_name="registration/invitation.html",
            success_url=reverse_lazy("admin:login"),
            extra_context={"site_header": self.site_header, "site_title": self.site_title},
        )
        return [
            path("language/", set_language, name="set_language"),
            path("invitation/<uidb64>/<token>/", invitation, name="invitation"),
            *pages.urls_of(self),
            *super().get_urls(),
        ]

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Group the pages by what people do, not by which app has them."""
        if app_label is not None:
            return super().get_app_list(request, app_label)
        if not self.has_permission(request):
            return []
        found = self._pages(request)
        groups = [
            (title, [found.pop(name) for name in names if name in found]) for title, names in GROUPS
        ]
        groups[-1][1].extend(page for name, page in found.items() if name not in _HIDDEN)
        return [_group(title, models) for title, models in groups if models]

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Add the reversals, which are read by the pages alone that show the banner."""
        match = request.resolver_match
        shows = match is not None and match.url_name in _BANNER_PAGES
        context = super().each_context(request)
        if shows and self.has_permission(request):
            context["reversals"] = reversals_for(request.user, now=timezone.now())
        if match is not None and match.url_name in _TROUBLE_PAGES and self.has_permission(request):
            context["troubles"] = _troubles_on(request, match)
        return context

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        numbers = dashboards.first_page(
            request.user, environment=request.GET.get("environment"), now=timezone.now()
        )
        if support.is_support(request.user):
            open_to = support.live_access(now=timezone.now()).values_list("shop", flat=True)
            support.note_list_read(request, open_to, page="index")
        return super().index(request, {**(extra_context or {}), **numbers})

    def _pages(self, request: HttpRequest) -> dict[str, dict[str, Any]]:
        waiting = self._waiting(request)
        found = pages.menu_for(request.user)
        for app in self._build_app_dict(request).values():
            for page in app["models"]:
                name = f"{app['app_label']}.{page['object_name']}"
                found[name] = {
                    **page,
                    **_menu_of(self._registry[page["model"]]),
                    "waiting": waiting.get(name, 0),
                }
        return found

    def _waiting(self, request: HttpRequest) -> dict[str, int]:
        """Count once a request: the sidebar is built twice on some pages."""
        if not hasattr(request, "waiting_work"):
            request.waiting_work = dashboards.waiting(request.user, now=timezone.now())
        return request.waiting_work


def _troubles_on(request: HttpRequest, match: ResolverMatch) -> Troubles:
    """Say what is wrong; on the page of a branch, what concerns it."""
    branch_id = None
    if match.url_name == "tenants_branch_change":
        with suppress(ValueError):
            branch_id = uuid.UUID(match.kwargs["object_id"])
    return troubles_for(request.user, branch_id=branch_id, now=timezone.now())


def _menu_of(model_admin: Any) -> dict[str, Any]:
    """Return where the menu leads instead of a list, for an admin whose page does something."""
    page = getattr(model_admin, "menu_page", "")
    return {"name": model_admin.menu_name, "admin_url": reverse(page)} if page else {}


def _group(title: Any, models: list[Any]) -> dict[str, Any]:
    return {
        "name": title,
        "app_label": "group",
        "app_url": "",
        "has_module_perms": True,
        "models": models,
    }
