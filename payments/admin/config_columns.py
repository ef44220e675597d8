"""The columns of the list of configs: what stands, how it does, and when it was last heard of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import OuterRef, Subquery
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from payments.admin.looks import by_hand, choice_badge
from payments.choices import (
    ConfigHealth,
    ConfigStatus,
    Environment,
    HealthReason,
    VersionStatus,
)
from payments.models import AccessToken, CredentialVersion, PaymentConfig
from tenants.admin_base import sees_several_shops
from tenants.admin_looks import NONE, badge, yes_no
from tenants.roles import Action, Grant, grant

if TYPE_CHECKING:
    from datetime import datetime

    from django.db.models import QuerySet
    from django.http import HttpRequest

# The age of the token of the version in use; the token itself is never read for a list.
_FINGERPRINT = CredentialVersion.objects.filter(
    config=OuterRef("pk"), status=VersionStatus.CURRENT
).values("app_fingerprint")[:1]
_OBTAINED_AT = AccessToken.objects.filter(app_fingerprint=OuterRef("fingerprint_in_use")).values(
    "obtained_at"
)[:1]


class ConfigColumns:
    """Mixed into the config admin: what its list shows to whom."""

    list_select_related = ("shop", "branch", "breaker")

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        rows = super().get_queryset(request).not_deleted()  # type: ignore[misc]
        return rows.annotate(fingerprint_in_use=Subquery(_FINGERPRINT)).annotate(
            token_obtained_at=Subquery(_OBTAINED_AT)
        )

    def get_list_display(self, request: HttpRequest) -> list[str]:
        if grant(request.user.platform_role, Action.VIEW_CONFIGS) is Grant.STATUS_ONLY:
            return ["shortcode", "shown_status", "shown_active", "shop", "provider", "environment"]
        columns = ["name", "shown_status", "shown_active", "shown_health", "shown_account"]
        shop = ["shop"] if sees_several_shops(request) else []
        heard = ["shown_verified", "shown_callback", "shown_token"]
        return [*columns, *shop, "branch", "shown_environment", *heard]

    @admin.display(description=gettext_lazy("status"), ordering="status")
    def shown_status(self, config: PaymentConfig) -> str:
        status = choice_badge(ConfigStatus, config.status)
        return status + badge(_("Default"), "wait") if config.is_default else status

    @admin.display(description=gettext_lazy("shortcode"), ordering="shortcode")
    def shown_account(self, config: PaymentConfig) -> str:
        kind = config.get_provider_display()
        shown = format_html("{}<br><small>{}</small>", config.shortcode, kind)
        return shown if config.has_api else shown + by_hand()

    @admin.display(description=gettext_lazy("health"))
    def shown_health(self, config: PaymentConfig) -> str:
        word = choice_badge(ConfigHealth, config.health)
        reason = config.health_reason
        if not reason:
            return word
        return format_html("{}<br><small>{}</small>", word, HealthReason(reason).label)

    @admin.display(description=gettext_lazy("environment"), ordering="environment")
    def shown_environment(self, config: PaymentConfig) -> str:
        return choice_badge(Environment, config.environment)

    @admin.display(description=gettext_lazy("active"), ordering="is_active")
    def shown_active(self, config: PaymentConfig) -> str:
        return yes_no(config.is_active, yes=_("Active"), no=_("Switched off"))

    # Ages, not times: the list is read to see what is too old, and has no room for more.
    @admin.display(description=gettext_lazy("verified"), ordering="verified_at")
    def shown_verified(self, config: PaymentConfig) -> str:
        return _age(config.verified_at)

    @admin.display(description=gettext_lazy("callback"), ordering="last_callback_at")
    def shown_callback(self, config: PaymentConfig) -> str:
        return _age(config.last_callback_at)

    @admin.display(description=gettext_lazy("token"))
    def shown_token(self, config: Any) -> str:
        return _age(config.token_obtained_at)


def _age(at: datetime | None) -> str:
    """Write an age in the unit that fits, short enough for a column."""
    if at is None:
        return NONE
    minutes = int((timezone.now() - at).total_seconds() // 60)
    if minutes < 60:
        return _("%(count)s min") % {"count": minutes}
    if minutes < 48 * 60:
        return _("%(count)s h") % {"count": minutes // 60}
    return _("%(count)s days") % {"count": minutes // 1440}
