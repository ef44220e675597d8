"""The queue of exceptions in the back office: the list, its filters, and who looks at what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from payments.choices import Environment
from payments.errors import PaymentsError
from payments.models import Payment, PaymentConfig
from payments.services import stats
from reconciliation import exception_acts, exceptions, saved_filters
from reconciliation.admin.exception_filtering import filters_of
from reconciliation.admin.exception_forms import people_of
from reconciliation.admin.exception_looks import items_of
from reconciliation.admin.exception_pages import ExceptionPages
from reconciliation.admin.sight import uuid_of
from reconciliation.exception_filters import Asked
from reconciliation.models import ExceptionItem
from tenants import support
from tenants.admin_access import Fence, rows_for, shops_with
from tenants.admin_base import ShopScopedModelAdmin, sees_several_shops
from tenants.roles import Action

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern

    from tenants.models import User

_NAME = "reconciliation_exceptionitem"
PAGE = "exceptions"
_MOST_AT_ONCE = 200


@dataclass(frozen=True)
class Listed:
    """What is asked of any list: its rows, and how many there are."""

    result_list: list[Any]
    result_count: int


@admin.register(ExceptionItem)
class ExceptionItemAdmin(ExceptionPages, ShopScopedModelAdmin):
    """Managers and admins decide here; support looks on, masked; cashiers do not come here."""

    view_action = Action.VIEW_INBOX
    fence = exceptions.FENCE

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("assign/", view(self.assign_many_view), name=f"{_NAME}_assign_many"),
            path("filters/", view(self.save_filter_view), name=f"{_NAME}_save_filter"),
            path(
                "filters/<path:object_id>/delete/",
                view(self.delete_filter_view),
                name=f"{_NAME}_delete_filter",
            ),
        ]
        return [*own, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        if not self.has_view_permission(request):
            raise PermissionDenied
        user, now, query = request.user, timezone.now(), request.GET.dict()
        environment = environment_of(user, query)
        asked = Asked.of(query)
        page = exceptions.page_of(
            user, asked, environment=environment, number=_number(query.get("p")), now=now
        )
        items = items_of(page.entries, request, now=now)
        support.note_list_read(
            request, {item["shop"].pk for item in items}, page=f"{_NAME}_changelist"
        )
        kept = {name: value for name, value in query.items() if name != "p" and value}
        may_decide = any(item["may_decide"] for item in items)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Exceptions"),
            "cl": Listed(items, page.count),
            "items": items,
            "page": page,
            "count": f"{exceptions.MOST_COUNTED}+" if page.is_capped else page.count,
            "pages": _pages(page, kept),
            "shows_shop": sees_several_shops(request),
            "narrows": asked.narrows,
            "environments": _worlds(environment, kept),
            "environment": environment,
            "filters": filters_of(user, query, now=now),
            "saved": _saved(user, kept),
            "query": urlencode(kept),
            "people": people_of(shops_with(user, Action.RESOLVE_REVIEWS)) if may_decide else [],
            "may_decide": may_decide,
            **(extra_context or {}),
        }
        return TemplateResponse(request, f"admin/reconciliation/{PAGE}/list.html", context)

    def assign_many_view(self, request: HttpRequest) -> HttpResponse:
        """Give all that are ticked to one person, each by its own rules."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self._may_anywhere(request, Action.RESOLVE_REVIEWS):
            raise PermissionDenied
        picked = request.POST.getlist("item")[:_MOST_AT_ONCE]
        done = sum(self._assign_one(request, pk) for pk in picked)
        if not picked:
            messages.warning(request, _("Tick what you want to give to somebody."))
        elif done:
            messages.success(request, _("Assigned: %(count)s.") % {"count": done})
        if left := len(picked) - done:
            messages.warning(request, _("Not assigned: %(count)s.") % {"count": left})
        return HttpResponseRedirect(back_to_list(request.POST.get("query", "")))

    def save_filter_view(self, request: HttpRequest) -> HttpResponse:
        """Keep what is asked of the list under a name of one's own."""
        self._only_post_by_viewers(request)
        query = request.POST.get("query", "")
        try:
            saved_filters.save(
                user=request.user,
                page=PAGE,
                name=request.POST.get("name", ""),
                query=query,
                now=timezone.now(),
            )
        except PaymentsError as refusal:
            messages.error(request, _(refusal.detail))
        else:
            messages.success(request, _("The filter is saved."))
        return HttpResponseRedirect(back_to_list(query))

    def delete_filter_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        self._only_post_by_viewers(request)
        found = saved_filters.delete(user=request.user, page=PAGE, filter_id=uuid_of(object_id))
        if not found:
            raise Http404
        messages.success(request, _("The filter is deleted."))
        return HttpResponseRedirect(back_to_list(request.POST.get("query", "")))

    def _only_post_by_viewers(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            raise Http404

    def _assign_one(self, request: HttpRequest, pk: str) -> bool:
        row = self.get_permitted(request, pk, Action.RESOLVE_REVIEWS)
        to = request.POST.get("to", "me")
        people = people_of([row.shop_id])
        person = request.user if to == "me" else people.filter(pk=uuid_of(to)).first()
        if person is None:
            return False
        try:
            exception_acts.assign(row=row, to=person, **self.who(request, row))
        except PaymentsError:
            return False
        return True


def environment_of(user: User, query: dict[str, str]) -> str:
    """Return the world asked for, else the one that matters to this person."""
    if query.get("environment") in Environment.values:
        return query["environment"]
    rows = rows_for(user, Action.VIEW_INBOX, Fence(branch=None), now=timezone.now())
    return stats.default_environment(
        configs=PaymentConfig.objects.filter(rows), payments=Payment.objects.filter(rows)
    )


def back_to_list(query: str) -> str:
    """Return the list's address with what was asked of it; what is no filter is left out."""
    try:
        kept = saved_filters.tidied(query)
    except PaymentsError:
        kept = ""
    return f"{reverse(f'admin:{_NAME}_changelist')}?{kept}".rstrip("?")


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 6 else 1


def _worlds(chosen: str, kept: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "label": label,
            "url": f"?{urlencode({**kept, 'environment': value})}",
            "is_chosen": value == chosen,
        }
        for value, label in reversed(Environment.choices)
    ]


def _pages(page: exceptions.Page, kept: dict[str, str]) -> list[dict[str, Any]]:
    if page.pages == 1:
        return []
    near = range(max(1, page.number - 3), min(page.pages, page.number + 3) + 1)
    return [
        {
            "number": number,
            "url": f"?{urlencode({**kept, 'p': number})}",
            "is_chosen": number == page.number,
        }
        for number in near
    ]


def _saved(user: User, kept: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "name": each.name,
            "url": f"?{each.query}",
            "is_chosen": each.query == urlencode(kept),
            "delete": reverse(f"admin:{_NAME}_delete_filter", args=[each.pk]),
        }
        for each in saved_filters.of(user, PAGE)
    ]
