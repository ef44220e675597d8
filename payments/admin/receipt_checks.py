"""
"Check a receipt": the cashier's page on a phone, and the list of all that was checked.

One box takes a code or a message; one big word answers, with its colour, a sign and what to do now.
While Safaricom is asked the page looks again by itself (check.js), and by a link without scripts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

import payments.admin.check_places as check_places
from audit.actors import Actor
from payments.admin.check_forms import CheckForm, ClaimForm
from payments.admin.check_told import answer_badge, told_of, used_now
from payments.admin.filters import EnvironmentFilter
from payments.errors import InvalidInput, OrderAlreadyPaid, PaymentsError
from payments.models import ReceiptCheck
from payments.services import counter_claims, receipt_checks
from tenants import throttling
from tenants.admin_access import Fence
from tenants.admin_base import ShopScopedModelAdmin, sees_several_shops
from tenants.admin_filters import ScopedRelatedFilter
from tenants.admin_looks import code
from tenants.roles import Action

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern

    from payments.admin.check_places import Place

# A cashier checks a few in a minute; whoever tries codes is slowed down.
CHECKS_PER_MINUTE = 30
_TEMPLATE = "admin/payments/receiptcheck/check.html"


@admin.register(ReceiptCheck)
class ReceiptCheckAdmin(ShopScopedModelAdmin):
    """What was asked at the counter, read only; and the page that asks."""

    view_action = Action.CLAIM_RECEIPTS
    fence = Fence(branch="branch")
    # The menu leads to the page that asks, and it to the list.
    menu_name = gettext_lazy("Check a receipt")
    menu_page = "admin:payments_receiptcheck_check"
    list_filter = ["answer", EnvironmentFilter, ("shop", ScopedRelatedFilter)]
    list_select_related = ["shop", "branch"]
    sortable_by: list[str] = []

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.check_view)
        return [path("check/", view, name="payments_receiptcheck_check"), *super().get_urls()]

    def get_list_display(self, request: HttpRequest) -> list[str]:
        shop = ["shown_shop"] if sees_several_shops(request) else []
        return ["shown_code", "shown_status", "was_claim", *shop, "shown_branch", "asked_by", "at"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["shown_code", "shown_status", "was_claim", "shown_shop", "shown_branch",
                "asked_by", "at"]  # fmt: skip

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return self.get_fields(request, obj)

    @admin.display(description=gettext_lazy("code"))
    def shown_code(self, row: ReceiptCheck) -> Any:
        return code(row.code_masked)

    @admin.display(description=gettext_lazy("answer"))
    def shown_status(self, row: ReceiptCheck) -> str:
        return answer_badge(row.answer)

    @admin.display(description=gettext_lazy("what"))
    def was_claim(self, row: ReceiptCheck) -> str:
        return _("Claim") if row.is_claim else _("Check")

    def check_view(self, request: HttpRequest) -> HttpResponse:
        """Ask about a receipt, look again, or use it for a sale."""
        if not self.has_module_permission(request):
            raise PermissionDenied
        if request.method not in {"GET", "POST"}:
            return HttpResponseNotAllowed(["GET", "POST"])
        place = check_places.place_of(request)
        if place is None:
            return self._page(request, None, shops=check_places.shops_of(request))
        if request.method == "GET":
            return self._look_again(request, place)
        if not throttling.take(
            f"check:{request.user.pk}", limit=CHECKS_PER_MINUTE, now=timezone.now()
        ).allowed:
            form = self._form(place)
            problem = _("Too many checks in this minute. Wait a moment.")
            return self._page(request, place, form=form, problem=problem, status=429)
        if "claim" in request.POST:
            return self._claim(request, place)
        return self._check(request, place)

    def _check(self, request: HttpRequest, place: Place) -> HttpResponse:
        form = self._form(place, request.POST)
        if not form.is_valid():
            return self._page(request, place, form=form)
        given = form.cleaned_data
        try:
            shown = receipt_checks.read(
                given["shown"], amount=given["amount"], last3=given["last3"], name="shown"
            )
        except InvalidInput as error:
            form.add_error("shown", _(error.detail))
            return self._page(request, place, form=form)
        checked = receipt_checks.check(
            **place.where(), branch=given.get("branch") or place.branch, shown=shown,
            **self._who(request, place),
        )  # fmt: skip
        token = check_places.token_of(request, place, shown, given.get("branch"))
        told = told_of(checked, again=token, now=timezone.now())
        return self._page(request, place, form=self._form(place, kept=given), told=told)

    def _look_again(self, request: HttpRequest, place: Place) -> HttpResponse:
        found = check_places.shown_by(request, place)
        if found is None:
            if "again" in request.GET:
                return HttpResponseRedirect(place.url)
            return self._page(request, place, form=self._form(place))
        shown, branch = found
        checked = receipt_checks.look_again(
            **place.where(), branch=branch, shown=shown, now=timezone.now()
        )
        told = told_of(checked, again=request.GET["again"], now=timezone.now())
        return self._page(
            request, place, form=self._form(place, kept={"branch": branch}), told=told
        )

    def _claim(self, request: HttpRequest, place: Place) -> HttpResponse:
        form = self._form(place)
        claim = ClaimForm(request.POST, place=place)
        if not claim.is_valid():
            return self._again(request, place, claim)
        given = {**claim.cleaned_data}
        branch = given.pop("branch", None) or place.branch
        who = self._who(request, place)
        try:
            payment = counter_claims.claim(
                **place.where(), branch=branch, idempotency_key=None, **given, **who
            )
        except PaymentsError as error:
            payment = check_places.own_claim(place, given, who["actor"])
            if payment is None:
                if isinstance(error, OrderAlreadyPaid):
                    claim.add_error("order_ref", _("This order is already paid."))
                return self._again(request, place, claim)
        return self._page(
            request, place, form=form, told=used_now(payment, given["receipt_number"])
        )

    def _again(self, request: HttpRequest, place: Place, claim: ClaimForm) -> HttpResponse:
        """Show what the receipt is now, with what was wrong in the claim."""
        number = claim.data.get("receipt_number", "")[:32]
        shown = receipt_checks.Shown(number.upper())
        branch = claim.cleaned_data.get("branch") or place.branch
        now = timezone.now()
        checked = receipt_checks.look_again(**place.where(), branch=branch, shown=shown, now=now)
        told = told_of(checked, again="", now=now, claim=claim)
        return self._page(request, place, form=self._form(place), told=told)

    def _form(
        self, place: Place, data: Any = None, kept: dict[str, Any] | None = None
    ) -> CheckForm:
        initial = {"branch": (kept or {}).get("branch")}
        return CheckForm(data, place=place, initial=initial)

    def _who(self, request: HttpRequest, place: Place) -> dict[str, Any]:
        role = request.user.role_in(place.shop.pk)
        return {
            "actor": Actor.from_user(request.user, request, role=role),
            "now": timezone.now(),
        }

    def _page(
        self, request: HttpRequest, place: Place | None, *, status: int = 200, **more: Any
    ) -> TemplateResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Check a receipt"),
            "place": place,
            "log": reverse("admin:payments_receiptcheck_changelist"),
            **more,
        }
        response = TemplateResponse(request, _TEMPLATE, context, status=status)
        response["Cache-Control"] = "no-store"
        return response
