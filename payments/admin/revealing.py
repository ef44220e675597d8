from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.actors import Actor
from payments.services import revealing
from tenants.admin_actions import ObjectAction
from tenants.admin_pages import once_page
from tenants.roles import Action

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from payments.models import Payment

REVEAL_PHONE = ObjectAction(
    "reveal_phone",
    gettext_lazy("Show the phone number"),
    Action.REVEAL_PHONE,
    gettext_lazy("The next page shows the whole number. That you looked, and why, is kept."),
    asks_reason=True,
    when=lambda payment: bool(payment.phone_masked),
)


class RevealsPhone:
    """Adds the button's work to the admin of payments."""

    def reveal_phone(self, request: HttpRequest, payment: Payment, *, reason: str) -> HttpResponse:
        role = request.user.role_in(payment.shop_id)
        actor = Actor.from_user(request.user, request, role=role)
        number: Any = revealing.reveal_phone(
            payment=payment, reason=reason, actor=actor, now=timezone.now()
        )
        return once_page(
            self,
            request,
            payment,
            title=_("The payer's number"),
            text=f"+{number.lstrip('+')}",
            hint=_("For this one payment. It is not kept on any other page."),
        )
