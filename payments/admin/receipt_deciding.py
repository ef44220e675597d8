"""
Saying whose money it is: with one press, after a search, as a walk-in sale.

Every press is a POST of its own through get_permitted, like the buttons of other pages.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponseRedirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from payments.admin.looks import choice_badge
from payments.admin.search import payments_found_by
from payments.choices import PaymentStatus, ReceiptStatus
from payments.errors import PaymentsError
from payments.models import Payment, Receipt
from payments.services import receipt_acts, two_people
from payments.services.matching import Why
from payments.services.receipt_suggestions import Suggestion, suggest
from tenants.admin_access import Fence, branches_with, is_bound, rows_for
from tenants.admin_looks import NONE, shillings
from tenants.models import Branch
from tenants.roles import Action

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern

_DECIDABLE = frozenset({ReceiptStatus.UNALLOCATED, ReceiptStatus.HELD})
_MOST_FOUND = 10
_A_MINUTE = timedelta(minutes=1)
_PAYMENT_FENCE = Fence(branch="branch", made_at="created_at")


class KeepForm(forms.Form):
    """A sale nobody asked for: what it was, and where."""

    label = forms.CharField(
        label=gettext_lazy("Label"),
        required=False,
        max_length=64,
        help_text=gettext_lazy("What was sold, for the books; may stay empty."),
    )
    branch = forms.ModelChoiceField(
        Branch.objects.none(),
        label=gettext_lazy("Branch"),
        required=False,
        empty_label=gettext_lazy("As the money came"),
    )

    def __init__(self, *args: Any, branches: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["branch"].queryset = branches
        if not branches.exists():
            del self.fields["branch"]


class DecidesReceipts:
    """Adds to an admin of receipts what gives them away: assign and keep."""

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                f"<path:object_id>/{name}/",
                self.admin_site.admin_view(getattr(self, f"{name}_view")),
                name=f"{self.opts.app_label}_{self.opts.model_name}_{name}",
            )
            for name in ("assign", "keep")
        ]
        return [*own, *super().get_urls()]

    def assign_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Give the receipt to the payment whose button was pressed."""
        return self._press(request, object_id, self._assign)

    def keep_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Make a walk-in sale of the receipt."""
        return self._press(request, object_id, self._keep)

    def deciding(self, request: HttpRequest, receipt: Receipt) -> dict[str, Any]:
        """Return what the page offers to whom may decide, nothing to others."""
        is_open = receipt.status in _DECIDABLE
        if not (is_open and self.may_do(request, Action.RESOLVE_REVIEWS, receipt)):
            return {}
        term = request.GET.get("q", "").strip()[:64]
        return {
            "decides": True,
            "may_keep": receipt.status == ReceiptStatus.UNALLOCATED,
            "urls": self.urls_of(receipt),
            "suggestions": self.suggestions(request, receipt),
            "term": term,
            "found": [_shown(payment, receipt) for payment in _search(request, term, receipt)],
            "keep_form": KeepForm(branches=self._branches(request, receipt)),
        }

    def suggestions(self, request: HttpRequest, receipt: Receipt) -> list[dict[str, Any]]:
        return shown_suggestions(request, receipt)

    def urls_of(self, receipt: Receipt) -> dict[str, str]:
        """Return where the presses about a receipt go."""
        refund = self._url_named("do", receipt.pk, "mark_refund")
        urls = {name: self._url_named(name, receipt.pk) for name in ("assign", "keep", "change")}
        return {**urls, "refund": refund}

    def _press(self, request: HttpRequest, object_id: str, act: Any) -> HttpResponse:
        """Do what was pressed, or lead to where two people do it."""
        receipt = self.get_permitted(request, object_id, Action.RESOLVE_REVIEWS)
        if request.method != "POST":
            return HttpResponseRedirect(self.page_of(receipt))
        if two_people.needed_for(receipt):
            messages.warning(request, _("This amount takes two people: propose here what to do."))
            # By name: the queue stands one floor higher.
            queue = reverse("admin:reconciliation_exceptionitem_change", args=[receipt.pk])
            return HttpResponseRedirect(queue)
        self._try(request, receipt, act)
        return HttpResponseRedirect(self.page_of(receipt))

    def _try(self, request: HttpRequest, receipt: Receipt, act: Any) -> None:
        """Do it, and say what came of it; a service's no is shown in its own words."""
        try:
            messages.success(request, act(request, receipt))
        except PaymentsError as refusal:
            errors = getattr(refusal, "errors", None)
            messages.error(request, _(errors[0][2] if errors else refusal.detail))

    def _assign(self, request: HttpRequest, receipt: Receipt) -> str:
        payment = _payment_of(request, receipt, request.POST.get("payment", ""))
        receipt_acts.allocate(receipt=receipt, payment=payment, **self.who(request, receipt))
        given = {"receipt": receipt.number, "payment": payment.order_ref or str(payment)}
        return _("%(receipt)s is assigned to %(payment)s.") % given

    def _keep(self, request: HttpRequest, receipt: Receipt) -> str:
        form = KeepForm(request.POST, branches=self._branches(request, receipt))
        if not form.is_valid():
            raise PaymentsError(_("Choose one of your branches, and a label of 64 signs at most."))
        receipt_acts.keep_as_sale(
            receipt=receipt,
            label=form.cleaned_data["label"],
            branch=form.cleaned_data.get("branch"),
            **self.who(request, receipt),
        )
        return _("%(receipt)s is a walk-in sale.") % {"receipt": receipt.number}

    def _branches(self, request: HttpRequest, receipt: Receipt) -> Any:
        rows = branches_with(request.user, Action.RESOLVE_REVIEWS, now=timezone.now())
        return rows.filter(shop=receipt.shop_id, is_active=True).order_by("name")


def shown_suggestions(request: HttpRequest, receipt: Receipt) -> list[dict[str, Any]]:
    """List the payments that fit and are in this person's sight, and why, in words."""
    found = suggest(receipt, now=timezone.now())
    if is_bound(request.user, receipt.shop_id):
        ids = [each.payment.pk for each in found]
        own = set(_payments(request, receipt).filter(pk__in=ids).values_list("pk", flat=True))
        found = [each for each in found if each.payment.pk in own]
    return [{**_shown(each.payment, receipt), "why": _why(each, receipt)} for each in found]


def _why(suggestion: Suggestion, receipt: Receipt) -> str:
    if suggestion.why == Why.REFERENCE:
        return _("The reference is this payment's, and so is the amount.")
    if suggestion.slips:
        says = ngettext(
            "%(count)s slip away from the reference; the same amount.",
            "%(count)s slips away from the reference; the same amount.",
            suggestion.slips,
        )
        return says % {"count": suggestion.slips}
    if suggestion.why == Why.PHONE:
        return _("The same phone was asked for the same amount.")
    paid_at = receipt.paid_at or receipt.created_at
    asked_at = suggestion.payment.created_at
    if paid_at - asked_at < _A_MINUTE:
        return _("The same amount, asked for at the same time.")
    return _how_long_before(int((paid_at - asked_at).total_seconds()) // 60)


def _how_long_before(minutes: int) -> str:
    # Django's own words for a span have no Swahili.
    if minutes < 60:
        says = ngettext(
            "The same amount, asked for %(count)s minute before.",
            "The same amount, asked for %(count)s minutes before.",
            minutes,
        )
        return says % {"count": minutes}
    hours = minutes // 60
    says = ngettext(
        "The same amount, asked for %(count)s hour before.",
        "The same amount, asked for %(count)s hours before.",
        hours,
    )
    return says % {"count": hours}


def _shown(payment: Payment, receipt: Receipt) -> dict[str, Any]:
    """Describe a payment on its button; a refusal that is sure beforehand takes its place."""
    return {
        "pk": payment.pk,
        "name": payment.order_ref or payment.account_reference or NONE,
        "reference": payment.account_reference if payment.order_ref else "",
        "amount": shillings(payment.amount),
        "status": choice_badge(PaymentStatus, payment.status),
        "phone": payment.phone_masked,
        "at": payment.created_at,
        "branch": payment.branch,
        "refusal": _refusal(payment, receipt),
    }


def _refusal(payment: Payment, receipt: Receipt) -> str:
    is_over = payment.status in {PaymentStatus.COMPLETED, PaymentStatus.REVERSED}
    if is_over and not payment.receipt_pending:
        return _("It has its money already.")
    if payment.amount != receipt.amount:
        return _("It is of another amount.")
    if receipt.status == ReceiptStatus.HELD and not payment.receipt_pending:
        return _("The money waits for a paid prompt that lacks its receipt.")
    return ""


def _payments(request: HttpRequest, receipt: Receipt) -> QuerySet[Payment]:
    """Return the payments of the receipt's shop and world that this person may see."""
    rows = rows_for(request.user, Action.LIST_PAYMENTS, _PAYMENT_FENCE, now=timezone.now())
    return Payment.objects.filter(rows, shop=receipt.shop_id, environment=receipt.environment)


def _search(request: HttpRequest, term: str, receipt: Receipt) -> list[Payment]:
    """Find payments of the receipt's shop and world by reference, phone, order or receipt."""
    if not term:
        return []
    rows = _payments(request, receipt)
    rows = rows.filter(pk__in=payments_found_by(term, rows))
    rows = rows.select_related("branch").defer("phone", "metadata", "resolution")
    return list(rows.order_by("-created_at", "-pk")[:_MOST_FOUND])


def _payment_of(request: HttpRequest, receipt: Receipt, text: str) -> Payment:
    """Return the payment a press names; another shop's and none at all are the same 404."""
    try:
        named = uuid.UUID(text)
    except ValueError as error:
        raise Http404 from error
    payment = _payments(request, receipt).filter(pk=named).first()
    if payment is None:
        raise Http404
    return payment
