"""Warnings: what was seen, which payments and checks, what to do; and silence for a while."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from audit.actors import Actor
from payments.admin.looks import choice_badge
from payments.admin.tables import table
from payments.choices import Environment, NoticeCode, PaymentStatus
from payments.errors import PaymentsError
from payments.models import Notice, Payment, ReceiptCheck
from payments.services import notice_words, suspicions
from tenants.admin_access import Fence, rows_for
from tenants.admin_actions import ObjectAction
from tenants.admin_base import ShopScopedModelAdmin, reason_field, sees_several_shops
from tenants.admin_filters import ScopedRelatedFilter
from tenants.admin_looks import NONE, badge, shillings
from tenants.roles import Action

if TYPE_CHECKING:
    from datetime import datetime

    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.urls import URLPattern

_HOURS = (
    (4, gettext_lazy("4 hours")),
    (24, gettext_lazy("1 day")),
    (72, gettext_lazy("3 days")),
    (168, gettext_lazy("1 week")),
    (720, gettext_lazy("30 days")),
)
_MOST = 20
SAID = (gettext_noop("The warning is over."),)


def _is_muted(notice: Notice, now: datetime) -> bool:
    return notice.muted_until is not None and notice.muted_until > now


class MuteForm(forms.Form):
    hours = forms.TypedChoiceField(label=gettext_lazy("For"), choices=_HOURS, coerce=int)
    reason = reason_field(required=True)


class StateFilter(admin.SimpleListFilter):
    """What goes on, what was muted, what is over."""

    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("open", gettext_lazy("Open")),
            ("muted", gettext_lazy("Muted")),
            ("over", gettext_lazy("Over")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        now = timezone.now()
        if self.value() == "open":
            return queryset.filter(suspicions.heard(now), closed_at=None)
        if self.value() == "muted":
            return queryset.filter(closed_at=None, muted_until__gt=now)
        return queryset.filter(closed_at__isnull=False) if self.value() == "over" else queryset


@admin.register(Notice)
class NoticeAdmin(ShopScopedModelAdmin):
    """Read only: a warning is over when its reason is; until then it may be muted."""

    view_action = Action.VIEW_AUDIT
    fence = Fence(branch="config__branch")
    change_list_template = "admin/payments/notice/change_list.html"
    list_filter = [StateFilter, "code", ("shop", ScopedRelatedFilter)]
    list_select_related = ["shop", "config"]
    search_fields = ["subject"]
    sortable_by: list[str] = []
    expected_errors = (PaymentsError,)
    object_actions = (
        ObjectAction(
            "unmute",
            gettext_lazy("Let it speak again"),
            Action.RESOLVE_REVIEWS,
            gettext_lazy("The warning is shown on the first page and mailed again."),
            asks_reason=True,
            when=lambda notice: notice.closed_at is None and _is_muted(notice, timezone.now()),
        ),
    )

    def get_list_display(self, request: HttpRequest) -> list[str]:
        shop = ["shown_shop"] if sees_several_shops(request) else []
        return ["what", "shown_status", "seen", *shop, "of_config", "opened"]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.mute_view)
        own = path("<path:object_id>/mute/", view, name="payments_notice_mute")
        return [own, *super().get_urls()]

    @admin.display(description=gettext_lazy("warning"))
    def what(self, notice: Notice) -> str:
        return notice.get_code_display()

    @admin.display(description=gettext_lazy("state"))
    def shown_status(self, notice: Notice) -> str:
        if notice.closed_at:
            return badge(_("Over"))
        if _is_muted(notice, timezone.now()):
            return badge(_("Muted"), "wait")
        return badge(_("Open"), "warn")

    @admin.display(description=gettext_lazy("seen"))
    def seen(self, notice: Notice) -> str:
        return _sentence(notice) or NONE

    @admin.display(description=gettext_lazy("opened"))
    def opened(self, notice: Notice) -> Any:
        return notice.opened_at

    @admin.display(description=gettext_lazy("config"))
    def of_config(self, notice: Notice) -> str:
        return str(notice.config) if notice.config else NONE

    def buttons(self, request: HttpRequest, obj: Any) -> list[dict[str, Any]]:
        buttons = super().buttons(request, obj)
        is_open = obj.closed_at is None and not _is_muted(obj, timezone.now())
        if is_open and self.may_do(request, Action.RESOLVE_REVIEWS, obj):
            url = reverse("admin:payments_notice_mute", args=[obj.pk])
            buttons.insert(0, {"label": _("Mute"), "url": url})
        return buttons

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> TemplateResponse:
        notice = self.get_permitted(request, object_id, self.view_action)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": notice,
            "crumb": notice.get_code_display(),
            "title": notice.get_code_display(),
            "subtitle": str(notice.shop),
            "badges": [self.shown_status(notice), *_world(notice)],
            "buttons": self.buttons(request, notice),
            "seen": _sentence(notice),
            "what_to_do": notice_words.what_to_do_about(notice) or _what_else(notice),
            "facts": _facts(notice),
            "tables": [each for each in _tables(request, notice) if each["rows"]],
        }
        return TemplateResponse(request, "admin/payments/notice/detail.html", context)

    def mute_view(self, request: HttpRequest, object_id: str) -> Any:
        """Ask for how long and why; the same pattern opens no second warning meanwhile."""
        notice = self.get_permitted(request, object_id, Action.RESOLVE_REVIEWS)
        form = MuteForm(request.POST if request.method == "POST" else None, initial={"hours": 24})
        if form.is_valid():
            self._mute(request, notice, **form.cleaned_data)
            return HttpResponseRedirect(self.page_of(notice))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": notice.get_code_display(),
            "title": _("Mute"),
            "subtitle": notice.get_code_display(),
            "back": self.page_of(notice),
            "hint": _("It is neither shown on the first page nor mailed until then."),
            "form": form,
            "method": "post",
            "submit": _("Mute"),
        }
        return TemplateResponse(request, "admin/payments/paymentconfig/page.html", context)

    def unmute(self, request: HttpRequest, notice: Notice, *, reason: str) -> str:
        self._mute(request, notice, hours=0, reason=reason)
        return ""

    def _mute(self, request: HttpRequest, notice: Notice, *, hours: int, reason: str) -> None:
        actor = Actor.from_user(request.user, request, role=request.user.role_in(notice.shop_id))
        try:
            suspicions.mute(
                notice=notice, hours=hours, reason=reason, actor=actor, now=timezone.now()
            )
        except PaymentsError as error:
            messages.error(request, _(error.detail))
        else:
            said = _("The warning is muted.") if hours else _("The warning speaks again.")
            messages.success(request, said)


def _sentence(notice: Notice) -> str:
    receipt, amount = notice.data.get("receipt"), notice.data.get("amount")
    if notice.code != NoticeCode.REVERSED or not (receipt and amount):
        return notice_words.sentence_of(notice)
    says = _("KES %(amount)s of receipt %(receipt)s was taken back.")
    return says % {"amount": shillings(Decimal(amount)), "receipt": receipt}


def _what_else(notice: Notice) -> str:
    if notice.code == NoticeCode.REVERSED:
        return _("Goods may have left for money that went back: look at the payment.")
    return _("Open the payment config: it says more.")


def _world(notice: Notice) -> list[str]:
    world = notice.data.get("environment", "")
    return [choice_badge(Environment, world)] if world == Environment.SANDBOX else []


def _facts(notice: Notice) -> list[tuple[Any, Any]]:
    facts = [
        (_("Shop"), notice.shop),
        (_("Payment config"), notice.config or NONE),
        (_("First seen"), notice.opened_at),
        (_("Last seen"), suspicions.last_seen(notice)),
    ]
    if notice.closed_at:
        facts.append((_("Over since"), notice.closed_at))
    if notice.muted_until:
        until = date_format(timezone.localtime(notice.muted_until), "SHORT_DATETIME_FORMAT")
        facts.append((_("Muted until"), f"{until} · {notice.muted_by}"))
    return facts


def _tables(request: HttpRequest, notice: Notice) -> list[dict[str, Any]]:
    return [_payments(request, notice), _checks(notice)]


def _payments(request: HttpRequest, notice: Notice) -> dict[str, Any]:
    """List the newest payments of the pattern, those this person sees."""
    ids = notice.data.get("payments") or [notice.data.get("payment_id") or None]
    fence = Fence(branch="branch", made_at="created_at")
    seen = rows_for(request.user, Action.LIST_PAYMENTS, fence, now=timezone.now())
    rows = Payment.objects.filter(seen, shop=notice.shop_id, pk__in=ids[:_MOST])
    columns = [_("Created"), _("KES"), _("Status"), _("Phone"), _("Branch"), _("Taken by")]
    cells = [
        [
            _link("payments_payment_change", payment.pk, payment.created_at),
            shillings(payment.amount),
            choice_badge(PaymentStatus, payment.status),
            payment.phone_masked or NONE,
            payment.branch or NONE,
            payment.created_by or NONE,
        ]
        for payment in rows.select_related("branch").order_by("-created_at")
    ]
    return table(_("Payments"), columns, cells)


def _checks(notice: Notice) -> dict[str, Any]:
    rows = ReceiptCheck.objects.filter(
        shop=notice.shop_id, pk__in=notice.data.get("checks", [])[:_MOST]
    )
    columns = [_("Asked"), _("Receipt"), _("Answer"), _("Branch"), _("Asked by")]
    cells = [
        [
            check.at,
            check.code_masked,
            check.get_answer_display(),
            check.branch or NONE,
            check.asked_by,
        ]
        for check in rows.select_related("branch").order_by("-at")
    ]
    return table(_("Receipt checks"), columns, cells)


def _link(page: str, pk: Any, at: datetime) -> str:
    when = date_format(timezone.localtime(at), "SHORT_DATETIME_FORMAT")
    return format_html('<a href="{}">{}</a>', reverse(f"admin:{page}", args=[pk]), when)
