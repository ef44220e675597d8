"""The columns of the list of configs: what stands, how it does, and when it was last heard of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import OuterRef, Subquery
from django.utils import timezone
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from payments.admin.looks import choice_badge
from payments.choices import ConfigHealth, ConfigStatus, Environment, VersionStatus
from payments.models import AccessToken, CredentialVersion, PaymentConfig
from tenants.admin_base import sees_several_shops
from tenants.admin_looks import NONE, badge, yes_no
from tenants.roles import Action, Grant, grant

if TYPE_CHECKING:
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
        columns = ["name", "shown_status", "shown_active", "shown_health", "shortcode", "provider"]
        shop = ["shop"] if sees_several_shops(request) else []
        heard = ["verified_at", "last_callback_at", "shown_token_age"]
        return [*columns, *shop, "branch", "shown_environment", *heard]

    @admin.display(description=gettext_lazy("status"), ordering="status")
    def shown_status(self, config: PaymentConfig) -> str:
        status = choice_badge(ConfigStatus, config.status)
        return status + badge(_("Default"), "wait") if config.is_default else status

    @admin.display(description=gettext_lazy("health"))
    def shown_health(self, config: PaymentConfig) -> str:
        return choice_badge(ConfigHealth, config.health)

    @admin.display(description=gettext_lazy("environment"), ordering="environment")
    def shown_environment(self, config: PaymentConfig) -> str:
        return choice_badge(Environment, config.environment)

    @admin.display(description=gettext_lazy("active"), ordering="is_active")
    def shown_active(self, config: PaymentConfig) -> str:
        return yes_no(config.is_active, yes=_("Active"), no=_("Switched off"))

    @admin.display(description=gettext_lazy("token age"))
    def shown_token_age(self, config: Any) -> str:
        obtained_at = config.token_obtained_at
        return timesince(obtained_at, timezone.now(), depth=1) if obtained_at else NONE
