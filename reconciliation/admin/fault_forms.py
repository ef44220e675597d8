from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from payments import msisdn
from payments.errors import InvalidPhoneNumber


class FindForm(forms.Form):
    """One box for whatever somebody has of a payment, and when it was, if he knows."""

    q = forms.CharField(
        label=_("Phone, receipt, reference or amount"),
        min_length=1,
        max_length=64,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autofocus": True}),
    )
    day = forms.DateField(
        label=_("Day"),
        required=False,
        input_formats=["%Y-%m-%d"],
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
    )
    at = forms.TimeField(
        label=_("Time"),
        required=False,
        input_formats=["%H:%M", "%H:%M:%S"],
        widget=forms.TimeInput(format="%H:%M", attrs={"type": "time"}),
    )

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if given.get("at") and not given.get("day"):
            self.add_error("day", _("Say the day too."))
        return given


def without_phone(data: dict[str, Any]) -> dict[str, Any]:
    """Return what the form is shown with again: a customer's number is not written on the page."""
    try:
        msisdn.normalise(str(data.get("q", "")))
    except InvalidPhoneNumber:
        return data
    return {**data, "q": ""}
