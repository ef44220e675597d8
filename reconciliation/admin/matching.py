"""Books agree? A table of days, the lines behind each number, and both as a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

import reconciliation.admin.matching_tables as tables
from audit import recording
from audit.actions import AuditAction
from audit.actors import Actor
from payments.choices import FAMILY_OF, Environment, ProviderFamily
from payments.errors import InvalidInput
from payments.models import PaymentConfig
from reconciliation import matching, pages
from reconciliation.admin.matching_form import Look, PeriodForm
from reconciliation.dashboards_frame import OutOfSight, Place, place_of
from reconciliation.matching import Scope
from reconciliation.matching_words import MatchState
from reconciliation.pages import Page
from tenants import support
from tenants.admin_access import Fence, branches_with, is_bound, rows_for
from tenants.models import Branch
from tenants.roles import Action, may

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

_TEMPLATE = "admin/reconciliation/matching/page.html"
_CHOOSE = "admin/reconciliation/dashboards/choose.html"
_DAYS_A_PAGE = 100
_MPESA = [name for name, family in FAMILY_OF.items() if family == ProviderFamily.MPESA]


@require_safe
def books(request: HttpRequest) -> HttpResponse:
    """Show whether the books of one shop agree, or write them as a file."""
    if not PAGE.is_open_to(request.user):
        raise PermissionDenied
    place = _place(request)
    if not isinstance(place, Place):
        return _drawn(request, _CHOOSE, shops=place)
    look = _look(request, place)
    support.note_list_read(request, [place.shop.pk], page=PAGE.name)
    if request.GET.get("format") == "csv":
        return _file(request, look)
    build = _lines if look.is_lines else _days
    shown = build(look) if look.wanted else {}
    return _drawn(request, _TEMPLATE, **_frame(request, look), **shown)


def _place(request: HttpRequest) -> Any:
    asked = {name: request.GET.get(name, "") for name in ("shop", "environment", "branch")}
    try:
        return place_of(
            request.user,
            asked,
            page=PAGE.name,
            action=PAGE.action,
            period="7d",
            now=timezone.now(),
        )
    except OutOfSight as error:
        raise Http404 from error


def _look(request: HttpRequest, place: Place) -> Look:
    fence = Fence(branch="branch")
    rows = rows_for(request.user, PAGE.action, fence, now=place.now)
    configs = PaymentConfig.objects.filter(rows, **place.where(), provider__in=_MPESA)
    form = PeriodForm(place, configs=configs.order_by("name"), data=request.GET)
    if not request.GET.get("since") and not request.GET.get("until"):
        form.data = {**request.GET.dict(), **{n: str(day) for n, day in form.first.items()}}
    state = request.GET.get("state", "")
    number = request.GET.get("p", "1")
    return Look(
        place,
        form,
        _wanted(request, place, form),
        state=state if state in MatchState.values else "",
        is_lines=bool(request.GET.get("lines")),
        page=max(int(number), 1) if number.isdecimal() and len(number) < 7 else 1,
    )


def _wanted(request: HttpRequest, place: Place, form: PeriodForm) -> Scope | None:
    """Return what is compared; None where what was asked for makes no sense, told on the form."""
    if not form.is_valid():
        return None
    branches = None
    if is_bound(request.user, place.shop.pk):
        own = branches_with(request.user, PAGE.action, now=place.now).filter(shop=place.shop)
        branches = list(own.values_list("pk", flat=True))
    try:
        return matching.scope(
            shop=place.shop,
            environment=place.environment,
            since=form.day("since"),
            until=form.day("until"),
            config=form.cleaned_data["config"],
            branch=form.cleaned_data["branch"],
            branches=branches,
        )
    except InvalidInput as error:
        form.add_error("until", _(error.detail))
        return None


def _days(look: Look) -> dict[str, Any]:
    assert look.wanted is not None  # noqa: S101 - books looked
    days = matching.match_days(look.wanted)
    first = (look.page - 1) * _DAYS_A_PAGE
    shown = days[first : first + _DAYS_A_PAGE]
    return {
        "days": tables.day_rows(shown, _names(look.place), look.lines_of),
        "states": [state.label for state in tables.SHOWN],
        "summary": tables.summary_of(days),
        "turns": _turns(look, len(days) > first + _DAYS_A_PAGE),
    }


def _lines(look: Look) -> dict[str, Any]:
    assert look.wanted is not None  # noqa: S101 - books looked
    lines, has_more = matching.match_lines(look.wanted, state=look.state, page=look.page)
    states = [("", _("All"), look.query(state="")), *_state_links(look)]
    return {
        "lines": tables.line_rows(lines, _names(look.place)),
        "state_links": states,
        "state": look.state,
        "explained": tables.EXPLAINED.get(look.state, ""),
        "back": look.query(lines="", state=""),
        "turns": _turns(look, has_more),
    }


def _state_links(look: Look) -> list[tuple[str, Any, str]]:
    return [(state.value, state.label, look.query(state=state.value)) for state in MatchState]


def _turns(look: Look, has_more: bool) -> list[dict[str, Any]]:
    """Return the links to the pages beside this one."""
    turns = []
    if look.page > 1:
        turns.append({"label": _("Newer"), "url": look.query(p=look.page - 1)})
    if has_more:
        turns.append({"label": _("Older"), "url": look.query(p=look.page + 1)})
    return turns


def _frame(request: HttpRequest, look: Look) -> dict[str, Any]:
    place = look.place
    return {
        "place": place,
        "form": look.form,
        "is_sandbox": place.is_sandbox,
        "is_lines": look.is_lines,
        "covered": tables.coverage_words(look.wanted) if look.wanted else "",
        "hidden": [("environment", place.environment), ("lines", "1" if look.is_lines else "")],
        "environments": [
            {
                "label": label,
                "url": look.query(environment=value, config=""),
                "is_chosen": value == place.environment,
            }
            for value, label in reversed(Environment.choices)
        ],
        "csv": look.query(format="csv") if look.wanted and _may_export(request, place) else "",
    }


def _file(request: HttpRequest, look: Look) -> HttpResponse:
    """Write what the page shows, all of it, to whom the shop lets export."""
    place = look.place
    if not _may_export(request, place):
        raise PermissionDenied
    if look.wanted is None:
        raise Http404
    names, what = _names(place), "lines" if look.is_lines else "days"
    if look.is_lines:
        text = tables.lines_as_csv(look.wanted, look.state, names)
    else:
        text = tables.days_as_csv(matching.match_days(look.wanted), names)
    _note_export(request, look.wanted, what)
    response = StreamingHttpResponse(text, content_type="text/csv; charset=utf-8")
    name = f"books-{what}-{look.wanted.since}-{look.wanted.until}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    return response


def _note_export(request: HttpRequest, wanted: Scope, what: str) -> None:
    shop = wanted.shop
    role = request.user.role_in(shop.pk)
    said = f"books, {what}, {wanted.environment}, {wanted.since} to {wanted.until}"
    recording.record(
        AuditAction.PAYMENTS_EXPORTED,
        shop,
        shop_id=shop.pk,
        actor=Actor.from_user(request.user, request, role=role),
        now=timezone.now(),
        changes=[{"field": "export", "old": None, "new": said}],
    )


def _may_export(request: HttpRequest, place: Place) -> bool:
    return may(request.user.role_in(place.shop.pk), Action.EXPORT)


def _names(place: Place) -> tables.Names:
    configs = PaymentConfig.objects.filter(**place.where()).in_bulk()
    return tables.Names(configs, Branch.objects.filter(shop=place.shop).in_bulk())


def _drawn(request: HttpRequest, template: str, **more: Any) -> TemplateResponse:
    context = {**admin.site.each_context(request), "title": PAGE.title, "page": PAGE, **more}
    response = TemplateResponse(request, template, context)
    response["Cache-Control"] = "no-store"
    return response


PAGE = pages.register(
    Page(
        "reconciliation_books",
        "numbers/books/",
        gettext_lazy("Books agree?"),
        Action.VIEW_STATS,
        books,
    )
)
