"""The config's form. Secrets go in and never come out: empty means keep."""

from __future__ import annotations

from typing import Any

from django import forms
from django.forms.models import construct_instance
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from payments.choices import Provider
from payments.errors import PaymentsError
from payments.models import PaymentConfig
from payments.services.config_rules import C2B_VERSIONS, RULES
from tenants.admin_base import ReasonedModelForm

SECRET_LABELS = {
    "consumer_key": gettext_lazy("Consumer key"),
    "consumer_secret": gettext_lazy("Consumer secret"),
    "passkey": gettext_lazy("Passkey"),
    "initiator_name": gettext_lazy("Initiator name"),
    "initiator_password": gettext_lazy("Initiator password"),
    "client_id": gettext_lazy("Client id"),
    "client_secret": gettext_lazy("Client secret"),
    "api_key": gettext_lazy("API key"),
    "merchant_id": gettext_lazy("Merchant id"),
}
PREFIX = "secret_"
FIELDS = [
    "shop",
    "branch",
    "provider",
    "environment",
    "name",
    "shortcode",
    "store_number",
    "account_number",
    "account_prefix",
    "has_api",
    "priority",
    "min_amount",
    "max_amount",
    "daily_limit",
    "monthly_limit",
    "purposes",
    "auto_activate",
    "c2b_version",
    "credentials_expire_on",
    "recheck_above",
    "refuses_unknown_accounts",
    "assigns_close_references",
]
# How the page groups them.
ACCOUNT, ORDER, ACCOUNT_NUMBERS = FIELDS[:10], FIELDS[10:19], FIELDS[19:]


def secrets_of(provider: str) -> list[str]:
    """Name the secrets a provider has, in the order of the form."""
    return [name for name in SECRET_LABELS if name in RULES[provider].secrets]


def providers_with(name: str) -> list[str]:
    return [provider for provider in Provider.values if name in RULES[provider].secrets]


def secret_field(name: str) -> forms.CharField:
    of = ", ".join(str(Provider(provider).label) for provider in providers_with(name))
    return forms.CharField(
        label=SECRET_LABELS[name],
        required=False,
        max_length=512,
        widget=forms.PasswordInput(
            render_value=False, attrs={"autocomplete": "new-password", "class": "vTextField"}
        ),
        help_text=of,
    )


class ConfigForm(ReasonedModelForm):
    """
    What a person edits of a config; the services judge it, this only carries their words.

    refusal is what a service said when the form was first taken to it.
    """

    refusal: PaymentsError | None = None

    class Meta:
        model = PaymentConfig
        fields = FIELDS
        widgets = {
            "credentials_expire_on": forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
        }
        labels = {
            "shop": gettext_lazy("Shop"),
            "branch": gettext_lazy("Branch"),
            "environment": gettext_lazy("Environment"),
            "purposes": gettext_lazy("Purposes"),
        }
        help_texts = {
            "branch": gettext_lazy("None: all branches of the shop that have no own config."),
            "environment": gettext_lazy("Start in the sandbox: no real money moves there."),
            "shortcode": gettext_lazy(
                "Paybill or till number; for a bank, the bank's paybill; else the merchant id."
            ),
            "store_number": gettext_lazy(
                "M-Pesa till only: the store (head office) number that signs its requests."
            ),
            "account_number": gettext_lazy("Bank transfer only: the shop's account at the bank."),
            "account_prefix": gettext_lazy(
                "M-Pesa paybill only: how account references begin, 6 signs at most."
            ),
            "has_api": gettext_lazy(
                "Without one nobody is asked and no credentials are needed: money is known by hand"
                " or by statement only."
            ),
            "recheck_above": gettext_lazy(
                "Safaricom is asked again whether a payment this large was taken back; empty: never."
            ),
            "refuses_unknown_accounts": gettext_lazy(
                "Only an account a rule fits, or the reference of an open payment, is let through; a"
                " rule for anything else lets all through. Safaricom must have switched validation"
                " on."
            ),
            "assigns_close_references": gettext_lazy(
                "Only where one open payment of exactly this amount can be meant; else a person"
                " decides."
            ),
            "priority": gettext_lazy("The lowest is tried first."),
            "daily_limit": gettext_lazy("In shillings; empty for none."),
            "monthly_limit": gettext_lazy("In shillings; empty for none."),
            "auto_activate": gettext_lazy("In the sandbox only; production takes a second person."),
            "credentials_expire_on": gettext_lazy(
                "Admins are reminded 14, 3 and 1 days before; the day after, the config expires."
            ),
            "c2b_version": gettext_lazy("v2 unless Safaricom's support says v1."),
            "purposes": gettext_lazy("Tags with commas between; empty serves every purpose."),
        }

    def _post_clean(self) -> None:
        """Leave the model's constraints to the service, whose words a person understands."""
        construct_instance(self, self.instance, self._meta.fields, self._meta.exclude)

    def clean_credentials_expire_on(self) -> Any:
        day = self.cleaned_data["credentials_expire_on"]
        is_new = "credentials_expire_on" in self.changed_data
        if day is not None and is_new and day < timezone.localdate():
            raise forms.ValidationError(_("Give today or a day to come."))
        return day

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "c2b_version" in self.fields:
            self.fields["c2b_version"].required = False

    def clean_c2b_version(self) -> str:
        """Keep what is there where nothing is chosen."""
        return self.cleaned_data["c2b_version"] or self.instance.c2b_version or C2B_VERSIONS[-1]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        if self.refusal is not None:
            self._show(self.refusal)
        return given

    def credentials(self) -> dict[str, str]:
        return {
            name: value
            for name in SECRET_LABELS
            if (value := self.cleaned_data.get(f"{PREFIX}{name}"))
        }

    def _show(self, refusal: PaymentsError) -> None:
        errors = getattr(refusal, "errors", None) or [("", refusal.code, refusal.detail)]
        for field, _code, detail in errors:
            name = field.replace("credentials.", PREFIX)
            self.add_error(name if name in self.fields else None, _(detail))


for _name in SECRET_LABELS:
    ConfigForm.base_fields[f"{PREFIX}{_name}"] = secret_field(_name)
    ConfigForm.declared_fields[f"{PREFIX}{_name}"] = ConfigForm.base_fields[f"{PREFIX}{_name}"]
