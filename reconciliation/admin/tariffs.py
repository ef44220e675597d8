"""Tariffs, for whoever runs the platform; and who pays the charges, for each shop's own configs."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.actors import Actor
from payments.choices import FAMILY_OF, Provider, ProviderFamily
from payments.errors import InvalidInput
from payments.models import PaymentConfig
from reconciliation import tariffs
from reconciliation.choices import Bearer
from reconciliation.models import ConfigBearer, Tariff, TariffBand
from tenants.admin_access import Fence
from tenants.admin_base import (
    PlatformModelAdmin,
    ReasonedModelForm,
    ShopScopedModelAdmin,
    sees_several_shops,
)
from tenants.admin_filters import ScopedRelatedFilter
from tenants.admin_looks import NONE, badge
from tenants.admin_pages import become
from tenants.roles import Action

if TYPE_CHECKING:
    from django.db.models import Field, QuerySet
    from django.http import HttpRequest

_FOLDER = "admin/reconciliation/tariff"
_MPESA = [name for name, family in FAMILY_OF.items() if family == ProviderFamily.MPESA]
_DATE = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
# Where the customer pays, nothing is taken from the shop: there is no tariff of that kind.
_TAKEN_FROM_SHOP = (Bearer.MERCHANT, Bearer.SHARED)


class _Looks:
    css = {"all": ["malipo/books.css"]}


class TariffForm(forms.ModelForm):
    """A tariff's head; a day that does not follow the others is told at its field."""

    class Meta:
        model = Tariff
        fields = ["provider", "bearer", "effective_from", "source"]
        widgets = {"effective_from": _DATE}
        help_texts = {
            "bearer": gettext_lazy(
                "Whose tariff it is. The bands say what is taken from the shop's own account."
            ),
            "source": gettext_lazy("Where the numbers are from: the document and its date."),
        }

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if {"provider", "bearer", "effective_from"} <= given.keys():
            kind = {"provider": given["provider"], "bearer": given["bearer"]}
            own = None if self.instance._state.adding else self.instance  # noqa: SLF001 - Django's own flag
            try:
                tariffs.check_day(**kind, day=given["effective_from"], tariff=own)
            except InvalidInput as error:
                self.add_error("effective_from", _(error.detail))
        return given


class BandFormSet(forms.BaseInlineFormSet):
    """The bands together: from nothing up, none twice."""

    def add_fields(self, form: Any, index: int | None) -> None:
        """Name each box: a table's head names none to who cannot see it."""
        super().add_fields(form, index)
        for field in form.fields.values():
            field.widget.attrs["aria-label"] = field.label

    def bands(self) -> list[tariffs.NewBand]:
        """Return what was filled in and not ticked to go."""
        return [
            tariffs.NewBand(each["smallest"], each["charge"], each.get("percent") or Decimal(0))
            for form in self.forms
            if (each := getattr(form, "cleaned_data", {})) and not each.get("DELETE")
        ]

    def clean(self) -> None:
        super().clean()
        if any(self.errors):
            return
        try:
            tariffs.check_bands(self.bands())
        except InvalidInput as error:
            raise forms.ValidationError(_(error.detail)) from error


class BandInline(admin.TabularInline):
    """May be filled in wherever the tariff itself may."""

    model = TariffBand
    formset = BandFormSet
    extra = 3
    fields = ["smallest", "charge", "percent"]
    verbose_name_plural = gettext_lazy("bands: the charge from an amount up to the next band")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._parent.has_view_permission(request, obj)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._parent.has_change_permission(request, obj)

    has_change_permission = has_delete_permission = has_add_permission

    @property
    def _parent(self) -> Any:
        return self.admin_site._registry[Tariff]  # noqa: SLF001 - Django has no other way


@admin.register(Tariff)
class TariffAdmin(PlatformModelAdmin):
    """Added and never changed once it has begun: what was right yesterday stays right."""

    form = TariffForm
    Media = _Looks
    inlines = [BandInline]
    change_list_template = f"{_FOLDER}/change_list.html"
    list_display = ["__str__", "shown_state", "source", "created_by", "created_at"]
    list_filter = ["provider", "bearer"]
    sortable_by: list[str] = []

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        is_open = obj is None or tariffs.may_change(obj, now=timezone.now())
        return is_open and super().has_change_permission(request, obj)

    def formfield_for_choice_field(
        self, db_field: Field, request: HttpRequest, **kwargs: Any
    ) -> Any:
        if db_field.name == "provider":
            kwargs["choices"] = [(name, Provider(name).label) for name in _MPESA]
        if db_field.name == "bearer":
            kwargs["choices"] = [(name, name.label) for name in _TAKEN_FROM_SHOP]
        return super().formfield_for_choice_field(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Leave it to save_related: a tariff and its bands are one act."""

    def construct_change_message(self, *_args: Any, **_kwargs: Any) -> list[Any]:
        """Say nothing to Django's own log: the audit trail has it."""
        return []

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        given = form.cleaned_data
        saved = tariffs.save_tariff(
            tariff=Tariff.objects.get(pk=form.instance.pk) if change else None,
            provider=given["provider"],
            bearer=given["bearer"],
            effective_from=given["effective_from"],
            source=given["source"],
            bands=formsets[0].bands(),
            actor=Actor.from_user(request.user, request, role=request.user.platform_role),
            now=timezone.now(),
        )
        become(form.instance, saved)

    @admin.display(description=gettext_lazy("state"))
    def shown_state(self, row: Tariff) -> str:
        if tariffs.may_change(row, now=timezone.now()):
            return badge(_("Not begun"), "wait")
        kind = {"provider": row.provider, "bearer": row.bearer}
        today = timezone.now().astimezone(tariffs.NAIROBI).date()
        newer = Tariff.objects.filter(**kind, effective_from__lte=today)
        is_newest = not newer.filter(effective_from__gt=row.effective_from).exists()
        return badge(_("In force"), "good") if is_newest else badge(_("Superseded"))


class BearerForm(ReasonedModelForm):
    """Who pays from when; a day before the last change is refused."""

    class Meta:
        model = ConfigBearer
        fields = ["config", "bearer", "effective_from"]
        widgets = {"effective_from": _DATE}
        help_texts = {
            "bearer": gettext_lazy(
                "As your contract with Safaricom says. Until somebody says, a till's charges are"
                " the merchant's and of a paybill nothing is expected."
            ),
        }

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if {"config", "effective_from"} <= given.keys():
            config, day = given["config"], given["effective_from"]
            try:
                tariffs.check_bearer_day(config=config, day=day, now=timezone.now())
            except InvalidInput as error:
                self.add_error("effective_from", _(error.detail))
        return given

    def validate_unique(self) -> None:
        """Leave it to clean: the day's own entry may be corrected until the day is over."""

    def validate_constraints(self) -> None:
        """As validate_unique."""


@admin.register(ConfigBearer)
class ConfigBearerAdmin(ShopScopedModelAdmin):
    """A shop's own word on who pays its charges; added, never changed."""

    view_action = Action.VIEW_STATS
    add_action = Action.MANAGE_CONFIGS
    fence = Fence(branch="config__branch")
    form = BearerForm
    Media = _Looks
    change_list_template = "admin/reconciliation/configbearer/change_list.html"
    list_filter = ["bearer", ("shop", ScopedRelatedFilter)]
    list_select_related = ["shop", "config"]
    sortable_by: list[str] = []

    def get_list_display(self, request: HttpRequest) -> list[str]:
        shop = ["shop"] if sees_several_shops(request) else []
        return ["config_name", "bearer", "effective_from", *shop]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        if obj is None:
            return ["config", "bearer", "effective_from"]
        return ["config_name", "bearer", "effective_from", "shown_shop"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [] if obj is None else self.get_fields(request, obj)

    def choices_for(self, db_field: Field, request: HttpRequest) -> QuerySet:
        choices = super().choices_for(db_field, request)
        if db_field.remote_field.model is PaymentConfig:
            return choices.filter(deleted_at=None, provider__in=_MPESA).order_by("name")
        return choices

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        given = form.cleaned_data
        config = given["config"]
        role, reason = request.user.role_in(config.shop_id), given.get("reason", "")
        saved = tariffs.set_bearer(
            config=config,
            bearer=given["bearer"],
            effective_from=given["effective_from"],
            actor=Actor.from_user(request.user, request, role=role, reason=reason),
            now=timezone.now(),
        )
        become(obj, saved)

    @admin.display(description=gettext_lazy("payment config"))
    def config_name(self, row: ConfigBearer) -> str:
        return str(row.config) or NONE
