"""The form on which a payment is written down; it judges what a page can, the service the rest."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from payments import msisdn
from payments.errors import InvalidInput, InvalidPhoneNumber, PaymentsError
from payments.receipt_choices import ManualMethod
from payments.services.manual import ManualPayment
from tenants.admin_access import branches_with, is_bound
from tenants.admin_actions import REASON_LENGTH
from tenants.admin_looks import shillings
from tenants.models import Branch, Shop
from tenants.roles import Action

_AMOUNT = re.compile(r"[0-9]{1,10}(?:\.[0-9]{1,2})?")


class RecordForm(forms.Form):
    """What is written down. `sale` is made with the page: pressed twice it is one sale."""

    sale = forms.UUIDField(widget=forms.HiddenInput)
    amount = forms.CharField(
        label=gettext_lazy("Amount in KES"),
        max_length=13,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )
    method = forms.ChoiceField(
        label=gettext_lazy("How the money came"),
        choices=ManualMethod.choices,
        widget=forms.RadioSelect,
    )
    reference = forms.RegexField(
        r"\A[ -~]+\Z",
        label=gettext_lazy("Receipt or reference"),
        required=False,
        max_length=64,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "characters"}),
        help_text=gettext_lazy("As on the message or slip. A receipt pays once."),
    )
    order_ref = forms.RegexField(
        r"\A[A-Za-z0-9._/-]+\Z",
        label=gettext_lazy("Order"),
        required=False,
        max_length=64,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy("The sale this pays for, if it has a number."),
        error_messages={"invalid": gettext_lazy("Use letters, digits and . _ / - only.")},
    )
    phone_number = forms.CharField(
        label=gettext_lazy("Customer's phone"),
        required=False,
        max_length=32,
        widget=forms.TextInput(attrs={"inputmode": "tel", "autocomplete": "off"}),
    )
    branch = forms.ModelChoiceField(
        Branch.objects.none(),
        label=gettext_lazy("Branch"),
        required=False,
        empty_label=gettext_lazy("The whole shop"),
    )
    reason = forms.CharField(
        label=gettext_lazy("Why it is written down"),
        required=False,
        max_length=REASON_LENGTH,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy("Needed where there is no receipt, unless it was cash."),
    )

    def __init__(self, *args: Any, user: Any, shop: Shop, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        branches = branches_with(user, Action.RECORD_MANUAL, now=timezone.now())
        field = self.fields["branch"]
        field.queryset = branches.filter(shop=shop, is_active=True).order_by("name")
        if is_bound(user, shop.pk):
            field.required, field.empty_label = True, None
        elif not field.queryset.exists():
            del self.fields["branch"]

    def clean_amount(self) -> Decimal:
        text = self.cleaned_data["amount"].strip()
        if not _AMOUNT.fullmatch(text) or not Decimal(text):
            raise forms.ValidationError(_("Give an amount like 1500 or 1500.50."))
        return Decimal(text)

    def clean_phone_number(self) -> str:
        text = self.cleaned_data["phone_number"].strip()
        try:
            return msisdn.normalise(text) if text else ""
        except InvalidPhoneNumber as error:
            raise forms.ValidationError(
                _("The phone number is not a Kenyan mobile number.")
            ) from error

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        is_cash = given.get("method") == ManualMethod.CASH
        if not is_cash and not given.get("reference") and not given.get("reason"):
            self.add_error("reference", _("Give the receipt, or say why there is none."))
        return given

    def show(self, refusal: PaymentsError) -> None:
        """Put what the service refused beside its field."""
        errors = refusal.errors if isinstance(refusal, InvalidInput) else []
        for field, _code, detail in errors or [("", "", refusal.detail)]:
            self.add_error(field if field in self.fields else None, _(detail))

    def as_given(self) -> ManualPayment:
        given = self.cleaned_data
        return ManualPayment(
            amount=given["amount"],
            method=given["method"],
            reference=given["reference"],
            order_ref=given["order_ref"],
            reason=given["reason"],
            msisdn=given["phone_number"],
        )

    def summary(self) -> list[tuple[Any, Any]]:
        """List what is about to be written down, for a last look."""
        given = self.cleaned_data
        rows = [
            (_("Amount"), f"KES {shillings(given['amount'])}"),
            (_("How the money came"), ManualMethod(given["method"]).label),
            (_("Receipt or reference"), given["reference"]),
            (_("Order"), given["order_ref"]),
            (_("Customer's phone"), given["phone_number"]),
            (_("Branch"), given.get("branch")),
            (_("Reason"), given["reason"]),
        ]
        return [row for row in rows if row[1]]
