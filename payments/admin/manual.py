"""Writing a payment down in the back office, on a phone first; and voiding one."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from audit.actors import Actor
from payments.admin.manual_form import RecordForm
from payments.choices import Environment, PaymentStatus
from payments.errors import PaymentsError
from payments.models import Payment, PaymentConfig
from payments.receipt_choices import ManualMethod, PaymentOrigin
from payments.services import idempotency, manual, stats
from payments.services.idempotency import Replay
from tenants.admin_access import shops_with
from tenants.admin_actions import ObjectAction
from tenants.admin_looks import shillings
from tenants.models import Shop
from tenants.roles import Action

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.urls import URLPattern

SAID = (
    gettext_noop("The shop holds this receipt for something else."),
    gettext_noop("The receipt paid for something already."),
    gettext_noop("The money that came under this receipt is another amount."),
    gettext_noop("The receipt is of another amount."),
    gettext_noop("The order has a completed payment."),
    gettext_noop("Give an amount above nothing, with at most two decimals."),
    gettext_noop("Only a payment written down by hand is voided."),
    gettext_noop("The payment is void already."),
    gettext_noop("A refund of this payment is under way."),
    gettext_noop("The first request with this key is running."),
)
VOID = ObjectAction(
    "void",
    gettext_lazy("Void"),
    Action.VOID_MANUAL,
    gettext_lazy(
        "The payment no longer counts as paid. It stays in the list, with your name and reason."
    ),
    danger=True,
    asks_reason=True,
    when=lambda payment: (
        payment.origin == PaymentOrigin.MANUAL and payment.status == PaymentStatus.COMPLETED
    ),
)
_TEMPLATE = "admin/payments/payment/record.html"


class ManualPages:
    """Adds the page, and the work of the void button, to the admin of payments."""

    change_list_template = "admin/payments/payment/change_list.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.record_view)
        return [path("record/", view, name="payments_payment_record"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        links = list((extra_context or {}).get("page_links", []))
        if shops_with(request.user, Action.RECORD_MANUAL).exists():
            url = reverse("admin:payments_payment_record")
            links.append({"label": _("Record a payment"), "url": url})
        return super().changelist_view(request, {**(extra_context or {}), "page_links": links})

    def record_view(self, request: HttpRequest) -> Any:
        """Ask, show once more what was typed, then write it down."""
        shop = _pick_shop(request)
        if shop is None:
            return self._page(request, shops=shops_with(request.user, Action.RECORD_MANUAL))
        environment = _environment(request, shop)
        is_sent = request.method == "POST"
        form = RecordForm(
            request.POST if is_sent else None,
            user=request.user,
            shop=shop,
            initial={"sale": uuid.uuid4(), "method": ManualMethod.CASH},
        )
        is_good = is_sent and "change" not in request.POST and form.is_valid()
        if is_good and "confirmed" in request.POST:
            if payment := _record(request, shop, environment, form):
                messages.success(request, _said(payment))
                return HttpResponseRedirect(self.page_of(payment))
            is_good = False
        more = {"summary": form.summary(), "given": form.data} if is_good else {}
        return self._page(request, form=form, shop=shop, environment=environment, **more)

    def void(self, request: HttpRequest, payment: Payment, *, reason: str) -> str:
        actor = Actor.from_user(request.user, request, role=request.user.role_in(payment.shop_id))
        manual.void(payment=payment, reason=reason, actor=actor, now=timezone.now())
        return _("The payment is void.")

    def _page(self, request: HttpRequest, **more: Any) -> TemplateResponse:
        shop, environment = more.get("shop"), more.get("environment")
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": _("Record a payment"),
            "title": _("Record a payment"),
            "subtitle": shop and str(shop),
            "is_sandbox": environment == Environment.SANDBOX,
            "environments": shop and _environment_links(shop, environment),
            **more,
        }
        return TemplateResponse(request, _TEMPLATE, context)


def _record(request: HttpRequest, shop: Shop, environment: str, form: RecordForm) -> Payment | None:
    """Write it down once for each page; None where it was refused, which the form then says."""
    now, given = timezone.now(), form.as_given()
    branch = form.cleaned_data.get("branch")
    key = f"page {request.user.pk} {form.cleaned_data['sale']}"
    what = idempotency.fingerprint("record", environment, [repr(given), given.msisdn, str(branch)])
    try:
        taken = idempotency.begin(
            shop=shop, environment=environment, key=key, fingerprint=what, now=now
        )
    except PaymentsError as error:
        form.show(error)
        return None
    if isinstance(taken, Replay):
        return taken.payment
    try:
        payment = manual.record(
            shop=shop,
            environment=environment,
            branch=branch,
            given=given,
            idempotency_key=taken,
            actor=Actor.from_user(request.user, request, role=request.user.role_in(shop.pk)),
            now=now,
        )
    except PaymentsError as error:
        idempotency.give_back(key=taken)
        form.show(error)
        return None
    idempotency.finish(key=taken, status_code=201, body={}, payment=payment)
    return payment


def _said(payment: Payment) -> str:
    if payment.origin == PaymentOrigin.RECEIPT:
        return _("That money had come already: its receipt is now used for this sale.")
    return _("Recorded: KES %(amount)s.") % {"amount": shillings(payment.amount)}


def _pick_shop(request: HttpRequest) -> Shop | None:
    """Return the shop named, or the person's only one; None to ask."""
    shops = shops_with(request.user, Action.RECORD_MANUAL)
    if not shops.exists():
        raise PermissionDenied
    named = request.GET.get("shop")
    if not named:
        found = list(shops[:2])
        return found[0] if len(found) == 1 else None
    try:
        shop = shops.filter(pk=uuid.UUID(named)).first()
    except ValueError as error:
        raise Http404 from error
    if shop is None:
        raise Http404
    return shop


def _environment(request: HttpRequest, shop: Shop) -> str:
    """Return the world asked for; else the real one, unless the shop only tries things out."""
    asked = request.GET.get("environment", "")
    if asked in Environment.values:
        return asked
    configs = PaymentConfig.objects.not_deleted().filter(shop=shop)
    if not configs.exists():
        return str(Environment.PRODUCTION)
    payments = Payment.objects.filter(shop=shop)
    return stats.default_environment(configs=configs, payments=payments)


def _environment_links(shop: Shop, chosen: str | None) -> list[dict[str, Any]]:
    return [
        {
            "label": label,
            "url": f"?shop={shop.pk}&environment={value}",
            "is_chosen": value == chosen,
        }
        for value, label in reversed(Environment.choices)
    ]
