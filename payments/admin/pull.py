"""Pull Transactions on a config's page: register its number, and begin or stop to ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from payments.choices import ConfigStatus
from payments.errors import PaymentsError
from payments.services import pull_registration
from tenants.admin_actions import ConfirmForm, ObjectAction
from tenants.admin_looks import NONE, yes_no
from tenants.roles import Action

if TYPE_CHECKING:
    from django.http import HttpRequest

    from payments.models import PaymentConfig


class NominatedForm(ConfirmForm):
    """A phone of the organisation's: Safaricom wants one with the registration."""

    nominated_number = forms.CharField(
        label=gettext_lazy("Phone number of the organisation"),
        max_length=32,
        widget=forms.TextInput(attrs={"inputmode": "tel", "autocomplete": "off"}),
        help_text=gettext_lazy(
            "A Safaricom number that belongs to the business. It is sent to Safaricom and not kept."
        ),
    )


def _is_ready(config: PaymentConfig) -> bool:
    is_verified = config.status == ConfigStatus.VERIFIED
    return is_verified and pull_registration.can_pull(config)


PULL_ACTIONS = (
    ObjectAction(
        "register_pull",
        gettext_lazy("Register pull"),
        Action.MANAGE_WEBHOOKS,
        gettext_lazy(
            "Safaricom is then asked every quarter of an hour, and every night, for all that came to"
            " the number: what callbacks did not bring is found. The Daraja app needs the Pull"
            " Transactions API."
        ),
        when=lambda config: _is_ready(config) and config.pull_registered_at is None,
        form=NominatedForm,
    ),
    ObjectAction(
        "start_pull",
        gettext_lazy("Pull transactions"),
        Action.MANAGE_WEBHOOKS,
        gettext_lazy("Safaricom is asked again for all that came to the number."),
        when=lambda config: (
            _is_ready(config) and bool(config.pull_registered_at) and not config.pull_enabled
        ),
    ),
    ObjectAction(
        "stop_pull",
        gettext_lazy("Stop pulling"),
        Action.MANAGE_WEBHOOKS,
        gettext_lazy("Safaricom is no longer asked: what callbacks do not bring stays unknown."),
        when=lambda config: config.pull_enabled,
    ),
)


class PullActs:
    """Does what the buttons say, and tells the way out where Safaricom refuses."""

    def register_pull(
        self, request: HttpRequest, config: PaymentConfig, *, nominated_number: str, reason: str
    ) -> str | None:
        who = self._who(request, config, reason)
        try:
            pull_registration.register_pull(config=config, nominated_number=nominated_number, **who)
        except PaymentsError as error:
            said = [_(error.detail), _(error.data.get("next_action", "") or " ")]
            self.message_user(request, " ".join(said).strip(), "error")
            return None
        return _("The number is registered. The first transactions come within minutes.")

    def start_pull(self, request: HttpRequest, config: PaymentConfig, *, reason: str) -> str:
        who = self._who(request, config, reason)
        pull_registration.switch_pull(config=config, enabled=True, **who)
        return _("Transactions are pulled again.")

    def stop_pull(self, request: HttpRequest, config: PaymentConfig, *, reason: str) -> str:
        who = self._who(request, config, reason)
        pull_registration.switch_pull(config=config, enabled=False, **who)
        return _("Transactions are no longer pulled.")


def pull_facts(config: PaymentConfig) -> list[tuple[str, Any]]:
    """Tell whether transactions are pulled, and since when they may be."""
    if not pull_registration.can_pull(config):
        return []
    return [
        (_("Transactions pulled"), yes_no(config.pull_enabled)),
        (_("Registered for pulling"), config.pull_registered_at or NONE),
    ]
