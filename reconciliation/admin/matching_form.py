"""What of the books is looked at: days, account and branch, read from the address."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy

from payments.models import PaymentConfig
from reconciliation import matching
from reconciliation.dashboards_frame import Place
from reconciliation.matching import Scope
from tenants.models import Branch

if TYPE_CHECKING:
    from django.db.models import QuerySet

_SHOWN_AT_FIRST = timedelta(days=6)


class PeriodForm(forms.Form):
    """Which days, and which account; read from the address, and wrong only for what is typed."""

    since = forms.DateField(
        label=gettext_lazy("From"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    until = forms.DateField(
        label=gettext_lazy("To"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    config = forms.ModelChoiceField(
        PaymentConfig.objects.none(),
        label=gettext_lazy("Payment config"),
        required=False,
        empty_label=gettext_lazy("All"),
    )
    branch = forms.ModelChoiceField(
        Branch.objects.none(),
        label=gettext_lazy("Branch"),
        required=False,
        empty_label=gettext_lazy("All branches"),
    )

    def __init__(self, place: Place, *, configs: QuerySet[PaymentConfig], **kwargs: Any) -> None:
        today = timezone.now().astimezone(matching.NAIROBI).date()
        self.first = {"since": today - _SHOWN_AT_FIRST, "until": today}
        super().__init__(**kwargs)
        for name, day in self.first.items():
            self.fields[name].initial = day
        self.fields["config"].queryset = configs
        self.fields["branch"].queryset = Branch.objects.filter(
            pk__in=[branch.pk for branch in place.branches]
        )

    def day(self, name: str) -> date:
        return self.cleaned_data.get(name) or self.first[name]


@dataclass
class Look:
    """One look at the books: what is compared, of which state, on which page."""

    place: Place
    form: PeriodForm
    wanted: Scope | None
    state: str = ""
    is_lines: bool = False
    page: int = 1

    def query(self, **other: Any) -> str:
        """Return the address of this look with something else in it; None leaves a thing out."""
        given = {
            "shop": self.place.shop.pk if len(self.place.shops) > 1 else "",
            "environment": self.place.environment,
            "since": self.form["since"].value(),
            "until": self.form["until"].value(),
            "config": self.form["config"].value(),
            "branch": self.form["branch"].value(),
            "state": self.state,
            "lines": "1" if self.is_lines else "",
            **other,
        }
        return "?" + urlencode({name: value for name, value in given.items() if value})

    def lines_of(self, day: date, config: Any, state: str = "") -> str:
        """Return the address of one day's lines of an account."""
        return self.query(since=day, until=day, config=config, state=state, lines="1")
