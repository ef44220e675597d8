"""The forms of the queue of exceptions: who looks at it, and what shall become of it."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from payments.admin.search import payments_found_by
from payments.errors import InvalidInput, PaymentsError
from payments.models import Payment
from payments.services.receipt_splits import Part
from tenants.admin_base import reason_field
from tenants.models import User
from tenants.roles import Role

_ROWS_OF_PARTS = 6


def people_of(shop_ids: Iterable[Any]) -> Any:
    """Return who may decide in these shops, by name."""
    people = User.objects.filter(
        is_active=True,
        memberships__shop__in=list(shop_ids),
        memberships__is_active=True,
        memberships__role__in=[Role.ADMIN, Role.MANAGER],
    )
    return people.order_by("email").distinct()


class AssignForm(forms.Form):
    """Who looks at it; empty: nobody."""

    to = forms.ModelChoiceField(
        User.objects.none(),
        label=gettext_lazy("Who looks at it"),
        required=False,
        empty_label=gettext_lazy("Nobody"),
    )

    def __init__(self, *args: Any, shop_ids: Iterable[Any], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["to"].queryset = people_of(shop_ids)


class DecideForm(forms.Form):
    """Why; what else a decision needs is added by its own form below."""

    reason = reason_field(required=True)

    def __init__(self, *args: Any, payments: Any, why: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.payments = payments
        self.fields["reason"].required = why
        self.order_fields([name for name in self.fields if name != "reason"])

    def show(self, refusal: PaymentsError) -> None:
        errors = refusal.errors if isinstance(refusal, InvalidInput) else []
        for field, _code, detail in errors or [("", "", refusal.detail)]:
            self.add_error(field if field in self.fields else None, _(detail))


class AllocateForm(DecideForm):
    payment = forms.CharField(
        label=gettext_lazy("The payment that gets it"),
        max_length=64,
        help_text=gettext_lazy("Its order, account reference or phone number, whole."),
    )

    def clean_payment(self) -> Payment:
        """Return the one payment in this person's sight that bears the reference."""
        term = self.cleaned_data["payment"].strip()
        ids = payments_found_by(term, self.payments) if term else []
        found = list(self.payments.filter(pk__in=ids)[:2])
        if len(found) != 1:
            several = _("Several payments bear it. Give a reference only one has.")
            raise ValidationError(several if found else _("No payment bears it."))
        return found[0]


class KeepForm(DecideForm):
    label = forms.CharField(
        label=gettext_lazy("Label"),
        required=False,
        max_length=64,
        help_text=gettext_lazy("What was sold, for the books; may stay empty."),
    )


class SplitForm(DecideForm):
    """Orders and what each gets, in pairs of fields; empty pairs are left out."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for number in range(1, _ROWS_OF_PARTS + 1):
            self.fields[f"order_{number}"] = forms.CharField(
                label=_("Order %(number)s") % {"number": number}, required=False, max_length=64
            )
            self.fields[f"amount_{number}"] = forms.DecimalField(
                label=_("KES for order %(number)s") % {"number": number},
                required=False,
                max_digits=12,
                decimal_places=2,
            )
        self.order_fields([name for name in self.fields if name != "reason"])

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        pairs = [
            (str(given.get(f"order_{n}") or "").strip(), given.get(f"amount_{n}"))
            for n in range(1, _ROWS_OF_PARTS + 1)
        ]
        given["parts"] = tuple(
            Part(order, amount if amount is not None else Decimal(0))
            for order, amount in pairs
            if order or amount is not None
        )
        return given
