"""The form of a webhook: what may not be is said beside its field, in the words of the service."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from payments.errors import InvalidInput
from payments.models import WebhookEndpoint
from payments.models.webhooks import MAX_URL
from payments.services.webhook_endpoints import check_room
from payments.services.webhook_urls import check_url
from payments.webhook_choices import EVENT_TYPES
from tenants.admin_base import ReasonedModelForm


class WebhookForm(ReasonedModelForm):
    url = forms.CharField(
        label=gettext_lazy("Address"),
        max_length=MAX_URL,
        widget=forms.URLInput(
            attrs={"class": "vTextField", "placeholder": "https://", "autocomplete": "off"}
        ),
        help_text=gettext_lazy("Events are posted to it as JSON; anything but 2xx is tried again."),
    )
    types = forms.MultipleChoiceField(
        label=gettext_lazy("Told of"),
        required=False,
        choices=[(each, each) for each in EVENT_TYPES],
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("None: everything."),
    )

    class Meta:
        model = WebhookEndpoint
        fields = ["shop", "environment", "url", "types"]
        labels = {
            "shop": gettext_lazy("Shop"),
            "environment": gettext_lazy("Environment"),
        }

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        environment = given.get("environment") or self.instance.environment
        try:
            if environment and given.get("url"):
                check_url(given["url"], environment=environment)
            if environment and given.get("shop"):
                check_room(given["shop"], environment)
        except InvalidInput as error:
            self.add_error("url", _(str(error)))
        return given
