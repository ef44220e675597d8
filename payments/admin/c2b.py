"""Registering C2B addresses: what Safaricom does with a payment we do not answer for is chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.http import HttpResponseRedirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from payments.choices import ConfigStatus, Provider
from payments.errors import PaymentsError
from payments.services import bank_money, c2b_urls
from tenants.admin_actions import ConfirmForm, ObjectAction
from tenants.admin_pages import once_page
from tenants.roles import Action

if TYPE_CHECKING:
    from django.http import HttpRequest

    from payments.models import PaymentConfig

# In the words of the API and of Daraja, each with what it means at the till.
_RESPONSE_TYPES = {
    "Completed": gettext_lazy(
        "Completed: if we do not answer in time, the payment goes through; no sale is lost."
    ),
    "Cancelled": gettext_lazy(
        "Cancelled: if we do not answer in time, Safaricom refuses the payment; choose it only if"
        " a wrong reference is worse than a lost sale."
    ),
}


class RegistrationForm(ConfirmForm):
    """What Safaricom does with a payment while our answer does not come."""

    response_type = forms.ChoiceField(
        label=gettext_lazy("Unanswered payments are"),
        choices=[(name, _RESPONSE_TYPES[name]) for name in c2b_urls.RESPONSE_TYPES],
        initial="Completed",
        widget=forms.RadioSelect,
    )


REGISTER_URLS = ObjectAction(
    "register_urls",
    gettext_lazy("Register C2B addresses"),
    Action.MANAGE_WEBHOOKS,
    gettext_lazy(
        "Safaricom is told where to tell us of payments by hand. In production a number takes"
        " addresses once."
    ),
    when=lambda config: (
        config.has_api
        and config.status == ConfigStatus.VERIFIED
        and c2b_urls.look(config).name != "urls_ours"
    ),
    form=RegistrationForm,
)


BANK_ADDRESS = ObjectAction(
    "bank_address",
    gettext_lazy("Address for the bank"),
    Action.MANAGE_WEBHOOKS,
    gettext_lazy(
        "The bank tells us of money on the account at this address. Whoever knows it can pretend to"
        " be the bank: give it to the bank alone. It is kept on record that you saw it."
    ),
    when=lambda config: config.provider == Provider.BANK_TRANSFER,
)


C2B_ADDRESS = ObjectAction(
    "c2b_address",
    gettext_lazy("Address for a relay"),
    Action.MANAGE_WEBHOOKS,
    gettext_lazy(
        "Where Safaricom tells a system of your own of payments by hand, let it pass each call on"
        " to this address. Whoever knows it can pretend to be Safaricom: give it to that system"
        " alone. It is kept on record that you saw it."
    ),
    when=c2b_urls.has_addresses,
)


class RegistrationActs:
    """Does what the button says, and tells the way out where Safaricom refuses."""

    def bank_address(self, request: HttpRequest, config: PaymentConfig, *, reason: str) -> Any:
        address = bank_money.show_address(config=config, **self._who(request, config, reason))
        return once_page(
            self,
            request,
            config,
            title=_("Address for the bank"),
            text=address,
            hint=_("Give it to the bank as the address for notices of money received."),
        )

    def c2b_address(self, request: HttpRequest, config: PaymentConfig, *, reason: str) -> Any:
        who = self._who(request, config, reason)
        return once_page(
            self,
            request,
            config,
            title=_("Address for a relay"),
            text=c2b_urls.show_confirmation_address(config=config, **who),
            hint=_(
                "Pass confirmations on unchanged; for validations the last letter is v in place of"
                " c. In production relayed calls come from an address that is not on the list, so"
                " each waits for a person, unless the platform's operator lists the relay's"
                " address."
            ),
        )

    def register_urls(
        self, request: HttpRequest, config: PaymentConfig, *, response_type: str, reason: str
    ) -> Any:
        who = self._who(request, config, reason)
        try:
            c2b_urls.register_urls(config=config, response_type=response_type, **who)
        except PaymentsError as error:
            said = [_(error.detail), _(error.data.get("next_action", "") or " ")]
            self.message_user(request, " ".join(said).strip(), "error")
        else:
            self.message_user(request, _("The C2B addresses are registered."), "success")
        return HttpResponseRedirect(self.setup_url(config))
