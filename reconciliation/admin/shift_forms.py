from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from payments.models import PaymentConfig
from payments.services.stats import NAIROBI
from tenants.models import Branch

_MINUTES = "%Y-%m-%dT%H:%M"
_SECONDS = "%Y-%m-%dT%H:%M:%S"


class _Moment(forms.DateTimeField):
    """A time of Nairobi, whatever the zone the server shows."""

    widget = forms.DateTimeInput(format=_SECONDS, attrs={"type": "datetime-local", "step": 1})
    input_formats = (_SECONDS, _MINUTES)

    def prepare_value(self, value: Any) -> Any:
        return value.astimezone(NAIROBI) if isinstance(value, datetime) else value

    def to_python(self, value: Any) -> datetime | None:
        if value in self.empty_values:
            return None
        for form in (_SECONDS, _MINUTES):
            try:
                return datetime.strptime(str(value)[:32], form).replace(tzinfo=NAIROBI)
            except (ValueError, OverflowError):
                continue
        raise forms.ValidationError(_("Write a date and a time."), code="invalid")


class PeriodForm(forms.Form):
    """What a shift is about; the choices are those of the person's own shop and branches."""

    since = _Moment(label=_("From"), required=False)
    until = _Moment(label=_("To"), required=False, help_text=_("Empty: until now."))
    branch = forms.ModelChoiceField(
        Branch.objects.none(), label=_("Branch"), required=False, empty_label=_("All branches")
    )
    config = forms.ModelChoiceField(
        PaymentConfig.objects.none(),
        label=_("Payment config"),
        required=False,
        empty_label=_("All configs"),
    )
    cashier = forms.CharField(
        label=_("Cashier"),
        required=False,
        max_length=254,
        widget=forms.TextInput(attrs={"list": "cashiers", "autocomplete": "off"}),
        help_text=_("Empty: everybody."),
    )

    def __init__(
        self, *args: Any, branches: Any, configs: Any, is_bound_to_branches: bool, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.fields["branch"].queryset = branches  # type: ignore[attr-defined]
        self.fields["config"].queryset = configs  # type: ignore[attr-defined]
        if is_bound_to_branches:
            self.fields["branch"].empty_label = None  # type: ignore[attr-defined]


class SignForm(forms.Form):
    """What the till reports, and whose numbers are signed."""

    reported = forms.DecimalField(
        label=_("The till reports (KES)"),
        required=False,
        min_value=Decimal(0),
        max_digits=14,
        decimal_places=2,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
        help_text=_("M-Pesa and everything else Malipo counts. May stay empty."),
    )
    note = forms.CharField(label=_("Note"), required=False, max_length=300)
    seen = forms.CharField(max_length=64, widget=forms.HiddenInput)
