"""
"Find a payment": from what somebody has of it, to what went wrong, to what to do now.

What is typed is posted, so that no customer's number stands in an address or a log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from payments.admin.looks import choice_badge
from payments.choices import Environment, PaymentStatus, ReceiptStatus
from payments.models import Payment, Receipt
from payments.services.receipt_rows import payer_of
from reconciliation import causes, fault_finding, pages
from reconciliation.admin.fault_acts import (
    acts_on_payment,
    acts_on_receipt,
    callback_acts,
    check_receipt,
)
from reconciliation.admin.fault_forms import FindForm, without_phone
from reconciliation.admin.fault_words import nowhere
from reconciliation.admin.sight import (
    RECEIPT_TODAY_FENCE,
    payments_of,
    permitted_payment,
    uuid_of,
)
from reconciliation.fault_finding import MOST_FOUND, Found, Sight
from reconciliation.pages import Page
from tenants import support, throttling
from tenants.admin_access import is_bound, rows_for, shops_with
from tenants.admin_looks import badge, shillings
from tenants.models import Shop
from tenants.roles import Action, may

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

_NAME = "reconciliation_find"
_MOST_SHOPS = 500
SEARCHES_PER_MINUTE = 60


@require_http_methods(["GET", "HEAD", "POST"])
def find_view(request: HttpRequest) -> HttpResponse:
    """Ask for what is known (step 1), show the candidates or the cause, and what to do."""
    if not PAGE.is_open_to(request.user):
        raise PermissionDenied
    shops = _shops(request)
    shop = _shop(request, shops)
    if request.method == "POST" and shop is not None:
        return _search(request, shops, shop)
    if payment := request.GET.get("payment"):
        return _payment_page(request, shops, payment)
    if receipt := request.GET.get("receipt"):
        return _receipt_page(request, shops, receipt)
    return _page(request, shops, shop, form=FindForm())


def _search(request: HttpRequest, shops: list[Shop], shop: Shop) -> HttpResponse:
    now = timezone.now()
    if not throttling.take(f"find:{request.user.pk}", limit=SEARCHES_PER_MINUTE, now=now).allowed:
        problem = _("Too many searches in this minute. Wait a moment.")
        return _page(request, shops, shop, form=FindForm(), problem=problem, status=429)
    form = FindForm(request.POST)
    if not form.is_valid():
        return _page(request, shops, shop, form=form)
    given = form.cleaned_data
    sought = fault_finding.read(given["q"], day=given["day"], at=given["at"])
    found = fault_finding.find(sought, sight=_sight(request, shop), now=now)
    support.note_list_read(request, [shop.pk], page=_NAME)
    shown = FindForm(initial=without_phone(given))
    if found.count == 1:
        return _page(request, shops, shop, form=shown, told=_told(request, found))
    if found.count:
        return _page(request, shops, shop, form=shown, candidates=_candidates(request, found))
    return _page(request, shops, shop, form=shown, nowhere=_nowhere(request, shop, found))


def _payment_page(request: HttpRequest, shops: list[Shop], asked: str) -> HttpResponse:
    payment = permitted_payment(request, asked, PAGE.action, page=_NAME)
    told = _told_of_payment(request, payment)
    return _page(request, shops, payment.shop, form=FindForm(), told=told)


def _receipt_page(request: HttpRequest, shops: list[Shop], asked: str) -> HttpResponse:
    key = uuid_of(asked)
    shop_id = Receipt.objects.filter(pk=key).values_list("shop", flat=True).first()
    shop = shop_id and shops_with(request.user, PAGE.action).filter(pk=shop_id).first()
    receipt = shop and _sight(request, shop).of_receipts().filter(pk=key).first()
    if not receipt:
        raise Http404
    support.note_read(request, receipt, shop_id=receipt.shop_id, page=_NAME)
    told = _told_of_receipt(request, receipt)
    return _page(request, shops, shop, form=FindForm(), told=told)


def _told(request: HttpRequest, found: Found) -> dict[str, Any]:
    """Go straight to the cause where only one thing was found."""
    for row in (*found.payments, *found.receipts):
        support.note_read(request, row, shop_id=row.shop_id, page=_NAME)
    if found.payments:
        return _told_of_payment(request, found.payments[0])
    return _told_of_receipt(request, found.receipts[0])


def _told_of_payment(request: HttpRequest, payment: Payment) -> dict[str, Any]:
    cause = causes.of_payment(payment)
    return {
        "cause": cause,
        "title": _candidate_of_payment(payment),
        "facts": _facts(
            (_("Phone"), payment.phone_masked),
            (_("Receipt"), payment.receipt_number),
            (_("Payment config"), payment.config),
            (_("Branch"), payment.branch),
            (_("Taken by"), "" if request.user.platform_role else payment.created_by),
            (_("Result code"), cause.code),
        ),
        "acts": acts_on_payment(request, payment, cause),
    }


def _told_of_receipt(request: HttpRequest, receipt: Receipt) -> dict[str, Any]:
    cause = causes.of_receipt(receipt)
    role = request.user.role_in(receipt.shop_id)
    return {
        "cause": cause,
        "title": _candidate_of_receipt(receipt),
        "facts": _facts(
            (_("Payer"), payer_of(receipt, role=role)),
            (_("Account reference"), receipt.account_reference),
            (_("Payment config"), receipt.config),
            (_("Channel"), receipt.get_channel_display()),
        ),
        "acts": acts_on_receipt(request, receipt, cause),
    }


def _facts(*facts: tuple[str, Any]) -> list[tuple[str, Any]]:
    return [(label, value) for label, value in facts if value]


def _candidates(request: HttpRequest, found: Found) -> dict[str, Any]:
    rows = [
        *((row.created_at, _candidate_of_payment(row)) for row in found.payments),
        *((row.created_at, _candidate_of_receipt(row)) for row in found.receipts),
    ]
    newest = sorted(rows, key=lambda row: row[0], reverse=True)[:MOST_FOUND]
    return {"rows": [row for _at, row in newest], "is_cut": found.count >= MOST_FOUND}


def _candidate_of_payment(payment: Payment) -> dict[str, Any]:
    named = payment.order_ref or payment.account_reference or payment.external_reference
    branch = payment.branch.name if payment.branch else ""
    detail = [payment.phone_masked, payment.receipt_number, branch]
    return {
        "url": f"{PAGE.url}?{urlencode({'payment': payment.pk})}",
        "name": named or _("Sale"),
        "amount": shillings(payment.amount),
        "at": payment.created_at,
        "badges": [choice_badge(PaymentStatus, payment.status), *_sandbox(payment)],
        "detail": " · ".join(filter(None, detail)),
    }


def _candidate_of_receipt(receipt: Receipt) -> dict[str, Any]:
    detail = [receipt.payer_masked, receipt.account_reference]
    return {
        "url": f"{PAGE.url}?{urlencode({'receipt': receipt.pk})}",
        "name": _("Receipt %(number)s") % {"number": receipt.number},
        "amount": shillings(receipt.amount),
        "at": receipt.paid_at or receipt.created_at,
        "badges": [choice_badge(ReceiptStatus, receipt.status), *_sandbox(receipt)],
        "detail": " · ".join(filter(None, detail)),
    }


def _sandbox(row: Any) -> list[Any]:
    return [badge(_("Test"), "warn")] if row.environment == Environment.SANDBOX else []


def _nowhere(request: HttpRequest, shop: Shop, found: Found) -> dict[str, Any]:
    role = request.user.role_in(shop.pk)
    return {
        **nowhere(found, is_todays_only=_is_todays_only(role)),
        "acts": [*check_receipt(role), *callback_acts(role, found.callbacks)],
    }


def _sight(request: HttpRequest, shop: Shop) -> Sight:
    user, now = request.user, timezone.now()
    return Sight(
        shop=shop,
        payments=payments_of(user, now=now),
        receipts=rows_for(user, Action.LIST_PAYMENTS, RECEIPT_TODAY_FENCE, now=now),
        sees_whole_shop=(
            may(user.role_in(shop.pk), Action.VIEW_INBOX) and not is_bound(user, shop.pk)
        ),
    )


def _is_todays_only(role: str) -> bool:
    return not may(role, Action.VIEW_INBOX)


def _shops(request: HttpRequest) -> list[Shop]:
    return list(shops_with(request.user, PAGE.action).order_by("name", "pk")[:_MOST_SHOPS])


def _shop(request: HttpRequest, shops: list[Shop]) -> Shop | None:
    """Return the shop that is named, the only one, or None while it has to be said."""
    named = request.POST.get("shop") or request.GET.get("shop")
    if named:
        key = uuid_of(named)
        found = next((each for each in shops if each.pk == key), None)
        found = found or shops_with(request.user, PAGE.action).filter(pk=key).first()
        if found is None:
            raise Http404
        return found
    return shops[0] if len(shops) == 1 else None


def _page(
    request: HttpRequest, shops: list[Shop], shop: Shop | None, *, status: int = 200, **more: Any
) -> TemplateResponse:
    context = {
        **admin.site.each_context(request),
        "title": PAGE.title,
        "page": PAGE,
        "shops": shops,
        "shop": shop,
        **more,
    }
    response = TemplateResponse(request, "admin/reconciliation/find.html", context, status=status)
    response["Cache-Control"] = "no-store"
    return response


PAGE = pages.register(
    Page(_NAME, "find/", gettext_lazy("Find a payment"), Action.LIST_PAYMENTS, find_view)
)
