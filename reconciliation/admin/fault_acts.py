"""What somebody can do now about a payment or a receipt: links he may follow, and no others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.urls import reverse
from django.utils.translation import gettext as _

from payments.models import Payment
from tenants.roles import Action, may

if TYPE_CHECKING:
    from django.http import HttpRequest

    from payments.models import Receipt
    from reconciliation.causes import Cause

Act = dict[str, Any]
_ASK = "ask_again"


def acts_on_payment(request: HttpRequest, payment: Payment, cause: Cause) -> list[Act]:
    role = request.user.role_in(payment.shop_id)
    return [
        *_asking(request, payment),
        *_reviews(role, cause),
        _act(_("Open the payment"), "payments_payment_change", payment.pk),
        *_transcript(role, payment),
        *_callbacks(role, cause),
        *_doctor(role, payment.config_id),
    ]


def acts_on_receipt(request: HttpRequest, receipt: Receipt, cause: Cause) -> list[Act]:
    role = request.user.role_in(receipt.shop_id)
    name = "payments_receipt_change"
    acts = []
    if may(role, Action.RESOLVE_REVIEWS):
        acts.append(_act(_("Say whose it is"), name, receipt.pk))
    elif may(role, Action.VIEW_STATS):
        acts.append(_act(_("Open the receipt"), name, receipt.pk))
    return [*acts, *_reviews(role, cause), *check_receipt(role), *_doctor(role, receipt.config_id)]


def check_receipt(role: str) -> list[Act]:
    if not may(role, Action.CLAIM_RECEIPTS):
        return []
    return [_act(_("Check a receipt"), "payments_receiptcheck_check")]


def callback_acts(role: str, callbacks: list[Any]) -> list[Act]:
    if not may(role, Action.VIEW_INBOX):
        return []
    return [
        _act(_("Open the callback"), "payments_providercallback_change", c.pk) for c in callbacks
    ]


def _asking(request: HttpRequest, payment: Payment) -> Iterator[Act]:
    """Offer the ledger's own button, under its own conditions."""
    ledger: Any = admin.site.get_model_admin(Payment)
    spec = next(each for each in ledger.object_actions if each.method == _ASK)
    if spec.when(payment) and ledger.may_do(request, spec.action, payment):
        yield _act(spec.label, "payments_payment_do", payment.pk, _ASK)


def _reviews(role: str, cause: Cause) -> Iterator[Act]:
    if may(role, Action.LIST_PAYMENTS):
        for review in cause.reviews:
            label = _("Open the review: %(why)s") % {"why": review.get_code_display()}
            yield _act(label, "payments_review_change", review.pk)


def _transcript(role: str, payment: Payment) -> Iterator[Act]:
    if may(role, Action.VIEW_STATS):
        url = f"{reverse('admin:reconciliation_transcript')}?payment={payment.pk}"
        yield {"label": _("Transcript"), "url": url}


def _callbacks(role: str, cause: Cause) -> list[Act]:
    return callback_acts(role, cause.callbacks)


def _doctor(role: str, config_id: Any) -> Iterator[Act]:
    if config_id and may(role, Action.MANAGE_CONFIGS):
        yield _act(_("Test the payment config"), "payments_paymentconfig_setup", config_id)


def _act(label: Any, name: str, *args: Any) -> Act:
    return {"label": label, "url": reverse(f"admin:{name}", args=args)}
