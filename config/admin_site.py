from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.admin import AdminSite
from django.contrib.auth.views import PasswordResetConfirmView
from django.urls import path, reverse_lazy
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.i18n import set_language

from reconciliation import dashboards
from tenants import support

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.template.response import TemplateResponse
    from django.urls import URLPattern, URLResolver

# The sidebar: title and pages. A page that is not named here is the platform's.
GROUPS: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (_("Money"), ("payments.Payment", "payments.Review", "payments.ProviderCallback")),
    (
        _("Set-up"),
        ("payments.PaymentConfig", "tenants.Branch", "tenants.Membership", "tenants.ApiKey"),
    ),
    (_("Watch"), ("audit.AuditEntry", "tenants.SupportAccess")),
    (
        _("Platform"),
        (
            "tenants.Shop",
            "tenants.User",
            "payments.CallbackSource",
            "payments.AccessToken",
            "reconciliation.SweepState",
            "django_celery_beat.PeriodicTask",
            "django_celery_beat.IntervalSchedule",
            "django_celery_beat.CrontabSchedule",
            "axes.AccessAttempt",
        ),
    ),
)
# Kept out of the sidebar: kinds of schedule we do not use, and a log we do not keep.
_HIDDEN = {
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
            *super().get_urls(),
        ]

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Group the pages by what people do, not by which app has them."""
        if app_label is not None:
            return super().get_app_list(request, app_label)
        if not self.has_permission(request):
            return []
        pages = self._pages(request)
        groups = [
            (title, [pages.pop(name) for name in names if name in pages]) for title, names in GROUPS
        ]
        groups[-1][1].extend(page for name, page in pages.items() if name not in _HIDDEN)
        return [_group(title, models) for title, models in groups if models]

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
        pages = {}
        for app in self._build_app_dict(request).values():
            for page in app["models"]:
                name = f"{app['app_label']}.{page['object_name']}"
                pages[name] = {**page, "waiting": waiting.get(name, 0)}
        return pages

    def _waiting(self, request: HttpRequest) -> dict[str, int]:
        """Count once a request: the sidebar is built twice on some pages."""
        if not hasattr(request, "waiting_work"):
            request.waiting_work = dashboards.waiting(request.user, now=timezone.now())
        return request.waiting_work


def _group(title: Any, models: list[Any]) -> dict[str, Any]:
    return {
        "name": title,
        "app_label": "group",
        "app_url": "",
        "has_module_perms": True,
        "models": models,
    }
