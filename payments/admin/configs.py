from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_variables

from audit.actors import Actor
from payments.admin.account_rules import RulePages
from payments.admin.config_columns import ConfigColumns
from payments.admin.config_pages import ConfigPages
from payments.admin.config_panels import panels_of
from payments.admin.doctor import DOCTOR_ACTIONS, VERIFIABLE, DoctorPages
from payments.admin.forms import ACCOUNT, ACCOUNT_NUMBERS, ORDER, ConfigForm
from payments.admin.rotation import ROTATION_ACTIONS, RotationPages
from payments.admin.secret_fields import secret_fieldsets
from payments.choices import ConfigStatus, Environment
from payments.errors import InvalidInput, PaymentsError
from payments.models import PaymentConfig
from payments.services import configs
from payments.services.config_rules import FIELD_NAMES, RULES
from payments.states import CREDENTIALS_EDITABLE
from tenants.admin_access import Fence
from tenants.admin_actions import ObjectAction
from tenants.admin_base import ShopScopedModelAdmin
from tenants.admin_filters import ScopedRelatedFilter
from tenants.admin_pages import become
from tenants.roles import Action, Grant

if TYPE_CHECKING:
    from django.http import HttpRequest

# They say whose money it is; a verified config keeps them.
_IDENTITY = ["provider", "shortcode", "store_number", "account_number", "has_api"]
_STATUS_ONLY = [
    "shown_shop",
    "provider",
    "environment",
    "shortcode",
    "shown_status",
    "shown_active",
]

_ACTIONS = (
    ObjectAction(
        "verify",
        gettext_lazy("Verify"),
        Action.MANAGE_CONFIGS,
        gettext_lazy("The provider is asked whether the credentials are right. It takes seconds."),
        when=lambda config: config.status in VERIFIABLE,
    ),
    ObjectAction(
        "activate",
        gettext_lazy("Activate"),
        Action.MANAGE_CONFIGS,
        gettext_lazy("From now on payments may be taken with it."),
        when=lambda config: config.status == ConfigStatus.VERIFIED and not config.is_active,
    ),
    ObjectAction(
        "deactivate",
        gettext_lazy("Deactivate"),
        Action.MANAGE_CONFIGS,
        gettext_lazy("No new payment uses it. What is under way is still settled."),
        when=lambda config: config.is_active,
    ),
    ObjectAction(
        "set_default",
        gettext_lazy("Set as default"),
        Action.MANAGE_CONFIGS,
        gettext_lazy("Among configs of equal priority it comes first."),
        when=lambda config: not config.is_default,
    ),
    ObjectAction(
        "suspend",
        gettext_lazy("Suspend"),
        Action.SUSPEND_CONFIGS,
        gettext_lazy("It is switched off until somebody restores it."),
        danger=True,
        asks_reason=True,
        when=lambda config: config.status == ConfigStatus.VERIFIED,
    ),
    ObjectAction(
        "restore",
        gettext_lazy("Restore"),
        Action.RESTORE_CONFIGS,
        gettext_lazy("It is verified again, and stays switched off until somebody activates it."),
        asks_reason=True,
        when=lambda config: config.status == ConfigStatus.SUSPENDED,
    ),
    ObjectAction(
        "delete",
        gettext_lazy("Delete"),
        Action.MANAGE_CONFIGS,
        gettext_lazy("It disappears from the lists; its payments stay."),
        danger=True,
        asks_reason=True,
    ),
)


@admin.register(PaymentConfig)
class PaymentConfigAdmin(
    ConfigColumns, DoctorPages, RotationPages, RulePages, ConfigPages, ShopScopedModelAdmin
):
    """How a shop takes money. Everything is done by the services; secrets are never shown."""

    view_action = Action.VIEW_CONFIGS
    add_action = change_action = Action.MANAGE_CONFIGS
    fence = Fence(branch="branch")
    form = ConfigForm
    change_form_template = "admin/payments/paymentconfig/change_form.html"
    list_filter = [
        "environment",
        "status",
        "provider",
        "is_active",
        ("shop", ScopedRelatedFilter),
        ("branch", ScopedRelatedFilter),
    ]
    search_fields = ["shortcode", "name"]
    search_help_text = gettext_lazy("Shortcode or name")
    expected_errors = (PaymentsError,)
    object_actions = (*_ACTIONS, *DOCTOR_ACTIONS, *ROTATION_ACTIONS)

    def get_fieldsets(self, request: HttpRequest, obj: PaymentConfig | None = None) -> Any:
        if obj is not None and self._shows_status_only(request, obj):
            return [(None, {"fields": _STATUS_ONLY})]
        fieldsets = [
            (_("Account"), {"fields": self._account_fields(request, obj)}),
            *secret_fieldsets(obj, editable=self._takes_secrets(request, obj)),
            (_("Order and limits"), {"fields": ORDER}),
            *self._account_numbers(obj),
        ]
        if self.asks_reason(request, obj):
            fieldsets.append((None, {"fields": ["reason"]}))
        return fieldsets

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        if obj is None:
            return []
        if self._shows_status_only(request, obj):
            return _STATUS_ONLY
        fixed = [] if obj.status in CREDENTIALS_EDITABLE else _IDENTITY
        return ["shown_shop", "shown_branch", "environment", *fixed]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"environment": Environment.SANDBOX, **super().get_changeform_initial_data(request)}

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        refusal = getattr(request, "refusal", None)
        return type(form)(form.__name__, (form,), {"refusal": refusal})

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Take the form to the service; what it refuses is shown beside what was typed."""
        try:
            return super().changeform_view(request, *args, **kwargs)
        except PaymentsError as error:
            request.refusal = error
            return super().changeform_view(request, *args, **kwargs)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        config = context.get("original")
        if config is not None and not self._shows_status_only(request, config):
            context["panels"] = panels_of(config)
        return super().render_change_form(request, context, *args, **kwargs)

    @sensitive_variables()
    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        given = form.cleaned_data
        who = self._who(request, obj, given.get("reason", ""))
        changes = {name: given[name] for name in FIELD_NAMES & given.keys()}
        changes["purposes"] = tuple(given.get("purposes") or ())
        self._refuse_beyond_branches(request, obj.shop_id, changes)
        if change:
            config = PaymentConfig.objects.get(pk=obj.pk)
            saved = configs.update_config(
                config=config, changes=changes, credentials=form.credentials(), **who
            )
        else:
            saved = configs.create_config(
                shop=given["shop"],
                environment=given["environment"],
                fields=configs.ConfigFields(**changes),
                credentials=form.credentials(),
                **who,
            )
        become(obj, saved)

    def activate(self, request: HttpRequest, config: PaymentConfig, *, reason: str) -> str:
        configs.activate_config(config=config, **self._who(request, config, reason))
        return _("Payments may be taken with it.")

    def deactivate(self, request: HttpRequest, config: PaymentConfig, *, reason: str) -> str:
        configs.deactivate_config(config=config, **self._who(request, config, reason))
        return _("No new payment uses it.")

    def set_default(self, request: HttpRequest, config: PaymentConfig, *, reason: str) -> str:
        configs.set_default_config(config=config, **self._who(request, config, reason))
        return _("Done.")

    def suspend(self, request: HttpRequest, config: PaymentConfig, *, reason: str) -> str:
        configs.suspend_config(config=config, reason=reason, **self._who(request, config, reason))
        return _("The config is suspended.")

    def delete(self, request: HttpRequest, config: PaymentConfig, *, reason: str) -> Any:
        configs.delete_config(config=config, **self._who(request, config, reason))
        self.message_user(request, _("The config is deleted."))
        return HttpResponseRedirect(reverse("admin:payments_paymentconfig_changelist"))

    def _who(self, request: HttpRequest, config: PaymentConfig, reason: str) -> dict[str, Any]:
        role = request.user.role_in(config.shop_id)
        actor = Actor.from_user(request.user, request, role=role, reason=reason)
        return {"actor": actor, "now": timezone.now()}

    def _account_fields(self, request: HttpRequest, config: PaymentConfig | None) -> list[str]:
        if config is None:
            return ACCOUNT
        may_change = self.has_change_permission(request, config)
        return ["shown_shop", "branch" if may_change else "shown_branch", *ACCOUNT[2:]]

    def _account_numbers(self, config: PaymentConfig | None) -> list[Any]:
        """Offer the switches where payers type an account number."""
        has_accounts = config is None or RULES[config.provider].has_accounts
        fields = {"fields": ACCOUNT_NUMBERS}
        return [(_("Account numbers payers type"), fields)] if has_accounts else []

    def _shows_status_only(self, request: HttpRequest, config: PaymentConfig) -> bool:
        return self.grant_on(request, Action.VIEW_CONFIGS, config) is Grant.STATUS_ONLY

    def _takes_secrets(self, request: HttpRequest, config: PaymentConfig | None) -> bool:
        if config is None:
            return True
        may_change = self.may_do(request, Action.MANAGE_CONFIGS, config)
        return may_change and config.has_api and config.status in CREDENTIALS_EDITABLE

    def _refuse_beyond_branches(self, request: HttpRequest, shop_id: Any, changes: Any) -> None:
        """Keep an admin of some branches to them: a config without a branch serves them all."""
        if changes.get("branch") is None and self.is_bound_in(request, shop_id):
            detail = "Choose one of your branches."
            raise InvalidInput(detail, errors=[("branch", "required", detail)])
