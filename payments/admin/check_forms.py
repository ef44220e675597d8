"""What a cashier types: a code or a message, what he expects, and the sale it shall pay for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _

from tenants.models import Branch

if TYPE_CHECKING:
    from payments.admin.check_places import Place

_PLAIN = {"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}
_ORDER_REF = RegexValidator(r"\A[A-Za-z0-9._/-]+\Z", _("Use letters, digits and . _ / - only."))


class _BranchForm(forms.Form):
    """A form that asks for the branch where there is a choice."""

    branch = forms.ModelChoiceField(
        Branch.objects.none(), label=_("Branch"), required=False, empty_label=_("The whole shop")
    )

    def __init__(self, *args: Any, place: Place, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if place.branches is None:
            del self.fields["branch"]
            return
        field = self.fields["branch"]
        field.queryset = place.branches
        if place.needs_branch:
            field.required, field.empty_label = True, _("Choose your branch")


class CheckForm(_BranchForm):
    """What is shown at the counter."""

    shown = forms.CharField(
        label=_("M-Pesa code or message"),
        error_messages={"required": _("Type a code or paste a message.")},
        widget=forms.Textarea(attrs={"rows": 3, **_PLAIN, "aria-describedby": "check-live"}),
    )
    amount = forms.DecimalField(
        label=_("Amount to pay"),
        required=False,
        min_value=1,
        max_digits=12,
        decimal_places=2,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )
    last3 = forms.CharField(
        label=_("Last 3 digits of the phone"),
        required=False,
        validators=[RegexValidator(r"\A[0-9]{3}\Z", _("Give three digits."))],
        widget=forms.TextInput(
            attrs={"inputmode": "numeric", "maxlength": 3, "autocomplete": "off"}
        ),
    )

    field_order = ("shown", "amount", "last3", "branch")


class ClaimForm(_BranchForm):
    """The sale a genuine receipt shall pay for; number and amount are those that were shown."""

    receipt_number = forms.CharField(max_length=32, widget=forms.HiddenInput)
    amount = forms.DecimalField(max_digits=12, decimal_places=2, widget=forms.HiddenInput)
    order_ref = forms.CharField(
        label=_("Order or bill number"),
        max_length=64,
        validators=[_ORDER_REF],
        widget=forms.TextInput(attrs=_PLAIN),
    )
