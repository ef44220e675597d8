from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.actors import Actor
from payments.admin.bodies import shown_body
from payments.admin.history import said
from payments.admin.looks import checkout_id_for, choice_badge
from payments.choices import CallbackStatus
from payments.errors import PaymentsError
from payments.models import Attempt, CallbackSource, ProviderCallback
from payments.services import callbacks, operating
from payments.services.checkout_ids import forms_of
from tenants.admin_access import Fence
from tenants.admin_actions import ObjectAction
from tenants.admin_base import PlatformModelAdmin, ShopScopedModelAdmin
from tenants.admin_filters import ScopedRelatedFilter
from tenants.admin_looks import NONE, code, yes_no
from tenants.roles import Action, Role

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest

_EXPLANATION = gettext_lazy(
    "What the body says is applied as if it had just come. You vouch for where it came from."
)


def _waits_for_a_person(callback: ProviderCallback) -> bool:
    statuses = {CallbackStatus.DEAD, CallbackStatus.QUARANTINED}
    return callback.status in statuses and bool(callback.body)


def may_process_again(user: Any) -> bool:
    acts = (Action.RESOLVE_REVIEWS, Action.OPERATE_PLATFORM)
    return user.is_active and any(user.may_anywhere(action) for action in acts)


@admin.register(ProviderCallback)
class ProviderCallbackAdmin(ShopScopedModelAdmin):
    """The inbox, read only. A row without a shop is nobody's but the platform's."""

    view_action = Action.VIEW_INBOX
    fence = Fence(branch="payment__branch")
    list_display = ["arrived", "shown_status", "kind", "source_ip", "result", "problem", "size"]
    list_filter = ["status", "kind", "received_at", ("shop", ScopedRelatedFilter)]
    search_fields = ["subject_id"]
    search_help_text = gettext_lazy("Whole checkout request id")
    sortable_by: list[str] = []
    expected_errors = (PaymentsError,)
    object_actions = (
        ObjectAction(
            "apply_again",
            gettext_lazy("Apply again"),
            Action.RESOLVE_REVIEWS,
            _EXPLANATION,
            asks_reason=True,
            when=_waits_for_a_person,
        ),
        # The platform mends what broke; whether a stranger's word counts is for the shop to say.
        ObjectAction(
            "apply_dead",
            gettext_lazy("Apply again"),
            Action.OPERATE_PLATFORM,
            gettext_lazy("What the body says is applied as if it had just come."),
            asks_reason=True,
            when=lambda callback: callback.status == CallbackStatus.DEAD and bool(callback.body),
        ),
    )

    actions = ("process_again",)
    actions_selection_counter = False

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).select_related("shop", "payment")

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Offer what is done with many at once to those who may do it with one."""
        found = super().get_actions(request)
        mine = {"process_again"} if may_process_again(request.user) else set()
        return {name: action for name, action in found.items() if name in mine}

    @admin.action(description=gettext_lazy("Process again…"))
    def process_again(self, request: HttpRequest, queryset: QuerySet) -> HttpResponseRedirect:
        """Lead to the plan for what is ticked, or for all that the filters show."""
        asked = request.GET.dict()
        if request.POST.get("select_across") != "1":
            asked = {"ids": ",".join(map(str, queryset.values_list("pk", flat=True)))}
        # By name: the plan stands one floor higher.
        plan = reverse("admin:reconciliation_replay_plan")
        return HttpResponseRedirect(f"{plan}?{urlencode(asked)}")

    def buttons(self, request: HttpRequest, obj: Any) -> list[dict[str, Any]]:
        """Offer a look at what applying again would do, before doing it."""
        buttons = super().buttons(request, obj)
        if any(not button.get("quiet") for button in buttons):
            url = reverse("admin:reconciliation_replay_try", args=[obj.pk])
            buttons.insert(0, {"label": _("What would happen?"), "url": url})
        return buttons

    def get_list_display(self, request: HttpRequest) -> list[str]:
        return [*self.list_display, *(["shop"] if request.user.platform_role else [])]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        if term := search_term.strip():
            prompts = Attempt.objects.filter(checkout_request_id__in=forms_of(term)).order_by()
            queryset = queryset.filter(subject_id__in=prompts.values("pk"))
        return queryset, False

    @admin.display(description=gettext_lazy("received"))
    def arrived(self, callback: ProviderCallback) -> Any:
        return callback.received_at

    @admin.display(description=gettext_lazy("status"))
    def shown_status(self, callback: ProviderCallback) -> str:
        return choice_badge(CallbackStatus, callback.status)

    @admin.display(description=gettext_lazy("result"))
    def result(self, callback: ProviderCallback) -> str:
        return said(callback.result_code, callback.result_desc) or NONE

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> TemplateResponse:
        callback = self.get_permitted(request, object_id, self.view_action)
        whole_ids = request.user.role_in(callback.shop_id) == Role.ADMIN
        body, note = shown_body(callback, whole_ids=whole_ids)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": callback,
            "title": _("Callback"),
            "subtitle": callback.get_kind_display(),
            "crumb": _("Callback"),
            "buttons": self.buttons(request, callback),
            "badges": [choice_badge(CallbackStatus, callback.status)],
            "facts": self._facts(request, callback),
            "body": body,
            "note": note,
        }
        return TemplateResponse(request, "admin/payments/providercallback/detail.html", context)

    def apply_again(
        self, request: HttpRequest, callback: ProviderCallback, *, reason: str, vouched: bool = True
    ) -> str:
        role = request.user.role_in(callback.shop_id)
        actor = Actor.from_user(request.user, request, role=role, reason=reason)
        row = callbacks.apply_again(
            callback=callback, actor=actor, vouched=vouched, now=timezone.now()
        )
        return _("The callback is now: %(status)s.") % {"status": row.get_status_display()}

    def apply_dead(self, request: HttpRequest, callback: ProviderCallback, *, reason: str) -> str:
        return self.apply_again(request, callback, reason=reason, vouched=False)

    def _facts(self, request: HttpRequest, callback: ProviderCallback) -> list[tuple[Any, Any]]:
        checkout_id = checkout_id_for(request, callback.shop_id, callback.checkout_request_id)
        return [
            (_("Payment"), _payment_link(callback)),
            (_("Shop"), callback.shop or NONE),
            (_("Source"), callback.source_ip or NONE),
            (_("Received"), callback.received_at),
            (_("Settled"), callback.settled_at or NONE),
            (_("Result"), self.result(callback)),
            (_("Checkout request id"), checkout_id),
            (_("Problem"), callback.problem or NONE),
            (_("Tries"), callback.tries),
            (_("Content type"), callback.content_type or NONE),
            (_("Bytes"), callback.size),
            (_("Digest"), code(callback.digest[:16])),
        ]


def _payment_link(callback: ProviderCallback) -> str:
    if callback.payment is None:
        return NONE
    url = reverse("admin:payments_payment_change", args=[callback.payment_id])
    return format_html('<a href="{}">{}</a>', url, callback.payment)


@admin.register(CallbackSource)
class CallbackSourceAdmin(PlatformModelAdmin):
    """Where a provider's callbacks come from; from elsewhere they are kept and asked about."""

    list_display = ["network", "note", "shown_active", "created_at"]
    fields = ["network", "note", "is_active"]

    @admin.display(description=gettext_lazy("active"), ordering="is_active")
    def shown_active(self, source: CallbackSource) -> str:
        return yes_no(source.is_active, yes=_("Active"), no=_("Switched off"))

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        actor = Actor.from_user(request.user, request, role=request.user.platform_role)
        operating.save_source(source=obj, actor=actor, now=timezone.now())
