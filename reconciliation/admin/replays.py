"""Processing callbacks again: what one would do, a plan for many, and how far it is."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.actors import Actor
from payments.admin.looks import choice_badge
from payments.admin.tables import table
from payments.choices import CallbackStatus
from payments.errors import PaymentsError
from payments.models import ProviderCallback
from reconciliation import replay, replays
from reconciliation.admin.exception_looks import shown_to
from reconciliation.admin.replay_plans import (
    INBOX_FENCE,
    actable,
    asked_rows,
    digest_of,
    facts_of,
    may_anywhere,
    page_of_callback,
    tried_table,
)
from reconciliation.admin.replay_words import tables_of
from reconciliation.admin.sight import uuid_of
from reconciliation.models import Replay
from tenants import support
from tenants.admin_access import Fence, rows_for
from tenants.admin_base import ShopScopedModelAdmin, reason_field, sees_several_shops
from tenants.admin_looks import NONE, badge
from tenants.roles import Action

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern

    from tenants.models import User

_NAME = "reconciliation_replay"
_MOST_TRIED = 10


class PlanForm(forms.Form):
    """Why; and which rows were shown, so that nobody starts what he has not seen."""

    reason = reason_field(required=True)
    seen = forms.CharField(widget=forms.HiddenInput, max_length=64)


@admin.register(Replay)
class ReplayAdmin(ShopScopedModelAdmin):
    """Read only: planned from the inbox, done in the background, looked at here."""

    view_action = Action.VIEW_INBOX
    fence = Fence(branch=None)
    list_select_related = ["shop"]
    sortable_by: list[str] = []

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("plan/", view(self.plan_view), name=f"{_NAME}_plan"),
            path("<path:object_id>/try/", view(self.try_view), name=f"{_NAME}_try"),
        ]
        return [*own, *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).defer("callback_ids")

    def get_list_display(self, request: HttpRequest) -> list[str]:
        shop = ["shop"] if sees_several_shops(request) else []
        return ["planned", "shown_status", "done", "applied", "reason", *shop]

    @admin.display(description=gettext_lazy("asked"))
    def planned(self, row: Replay) -> Any:
        return row.asked_at

    @admin.display(description=gettext_lazy("status"))
    def shown_status(self, row: Replay) -> str:
        return badge(_("Done"), "good") if row.finished_at else badge(_("Under way"), "wait")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> TemplateResponse:
        row = self.get_permitted(request, object_id, self.view_action)
        total = len(row.callback_ids)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": row,
            "title": _("Callbacks processed again"),
            "subtitle": row.reason,
            "is_live": row.finished_at is None,
            "badges": [self.shown_status(row)],
            "progress": {"most": total, "done": row.done},
            "buttons": self.buttons(request, row),
            "facts": [
                (_("Asked by"), shown_to(request, row.asked_by)),
                (_("Asked"), row.asked_at),
                (_("Reason"), row.reason),
                (_("Shop"), row.shop or NONE),
                (_("Done"), f"{row.done} / {total}"),
                (_("Applied"), row.applied),
                (_("Finished"), row.finished_at or NONE),
            ],
            "problems": _problems(row, request.user),
        }
        return TemplateResponse(request, "admin/reconciliation/replays/progress.html", context)

    def try_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show what processing one callback again would do; nothing is left of the try."""
        now = timezone.now()
        seen = ProviderCallback.objects.filter(
            rows_for(request.user, Action.VIEW_INBOX, INBOX_FENCE, now=now)
        )
        callback = seen.filter(pk=uuid_of(object_id)).select_related("shop").first()
        if callback is None:
            raise Http404
        if not actable(request.user, now=now).filter(pk=callback.pk).exists():
            if not may_anywhere(request.user):
                raise PermissionDenied
            messages.warning(request, _("That is not possible as things stand now."))
            return HttpResponseRedirect(page_of_callback(callback))
        support.note_read(request, callback, shop_id=callback.shop_id, page=f"{_NAME}_try")
        try:
            found = replay.preview(
                callback=callback, actor=_actor(request, callback.shop_id), now=now
            )
        except PaymentsError as refusal:
            messages.warning(request, _(refusal.detail))
            return HttpResponseRedirect(page_of_callback(callback))
        context = {
            **self.admin_site.each_context(request),
            "opts": ProviderCallback._meta,  # noqa: SLF001 - where the crumbs lead
            "original": _("Callback"),
            "title": _("What would happen"),
            "subtitle": callback.get_kind_display(),
            "back": page_of_callback(callback),
            "badges": [choice_badge(CallbackStatus, callback.status)],
            "verdict": _verdict(found),
            "detail": found.problem,
            "tables": tables_of(found),
            "apply": f"{reverse(f'admin:{_NAME}_plan')}?ids={callback.pk}",
            "form": None,
        }
        return TemplateResponse(request, "admin/reconciliation/replays/try.html", context)

    def plan_view(self, request: HttpRequest) -> HttpResponse:
        """Show how many would be processed and what a few of them would do; then start it."""
        if not may_anywhere(request.user):
            raise PermissionDenied
        now = timezone.now()
        rows = actable(request.user, now=now).filter(asked_rows(request.GET.dict()))
        plan = replay.plan(rows)
        form = PlanForm(
            request.POST if request.method == "POST" else None,
            initial={"seen": digest_of(plan.ids)},
        )
        if form.is_valid():
            if form.cleaned_data["seen"] == digest_of(plan.ids):
                return self._start(request, plan, form, now=now)
            messages.warning(request, _("The inbox changed meanwhile: look again."))
            form = PlanForm(initial={**form.cleaned_data, "seen": digest_of(plan.ids)})
        first = list(
            ProviderCallback.objects.filter(pk__in=plan.ids[:_MOST_TRIED]).order_by("received_at")
        )
        support.note_list_read(request, {row.shop_id for row in first}, page=f"{_NAME}_plan")
        actor = _actor(request, None)
        tried = replay.preview_some(first, actor=actor, now=now) if request.method == "GET" else []
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": None,
            "title": _("Process again"),
            "plan": plan,
            "facts": facts_of(plan),
            "tables": [tried_table(tried)] if tried else [],
            "form": form,
            "inbox": reverse("admin:payments_providercallback_changelist"),
        }
        return TemplateResponse(request, "admin/reconciliation/replays/plan.html", context)

    def _start(
        self, request: HttpRequest, plan: replay.Plan, form: PlanForm, *, now: datetime
    ) -> HttpResponse:
        shops = set(
            ProviderCallback.objects.filter(pk__in=plan.ids)
            .order_by()
            .values_list("shop_id", flat=True)
            .distinct()
        )
        if len(shops) > 1 and not request.user.platform_role:
            messages.error(request, _("These are of several shops: filter the inbox by one shop."))
            return HttpResponseRedirect(request.get_full_path())
        shop_id = shops.pop() if len(shops) == 1 else None
        reason = form.cleaned_data["reason"]
        try:
            made = replays.ask(
                ids=plan.ids,
                shop_id=shop_id,
                reason=reason,
                actor=_actor(request, shop_id, reason),
                now=now,
            )
        except PaymentsError as refusal:
            messages.error(request, _(refusal.detail))
            return HttpResponseRedirect(request.get_full_path())
        messages.success(request, _("It begins within seconds."))
        return HttpResponseRedirect(self.page_of(made))


def _actor(request: HttpRequest, shop_id: Any, reason: str = "") -> Actor:
    role = request.user.role_in(shop_id)
    return Actor.from_user(request.user, request, role=role, reason=reason)


def _verdict(found: replay.Preview) -> str:
    if not found.changes and not found.events:
        return _("Nothing would change.")
    status = CallbackStatus(found.status).label
    return _("The callback would be: %(status)s.") % {"status": status}


def _problems(row: Replay, user: User) -> Any:
    """List what was not applied and why; links to what is in this person's sight."""
    ids = [each["callback"] for each in row.problems]
    sight = rows_for(user, Action.VIEW_INBOX, INBOX_FENCE, now=timezone.now())
    seen = {str(each.pk): each for each in ProviderCallback.objects.filter(sight, pk__in=ids)}
    rows = []
    for each in row.problems:
        found = seen.get(each["callback"])
        link = (
            format_html('<a href="{}">{}</a>', page_of_callback(found), found.get_kind_display())
            if found
            else NONE
        )
        rows.append([link, found.received_at if found else NONE, each["problem"]])
    if not rows:
        return None
    return table(_("Not applied"), [_("Callback"), _("Received"), _("Problem")], rows)
