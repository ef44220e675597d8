"""Retention: how long each kind is kept, within its bounds, and when it was last let go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from audit.actors import Actor
from payments.admin.tables import table
from payments.errors import InvalidInput
from reconciliation import pages, retention
from reconciliation.choices import DataKind
from reconciliation.models import RetentionRule, SweepState
from reconciliation.pages import Page
from tenants.admin_base import reason_field
from tenants.admin_looks import NONE, badge
from tenants.roles import Action

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse


class DaysForm(forms.Form):
    """The days of one kind, and why."""

    days = forms.IntegerField(label=gettext_lazy("Days"))
    reason = reason_field(required=True)

    def __init__(self, *args: Any, kind: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        term = retention.TERMS[kind]
        days = self.fields["days"]
        days.widget.attrs |= {"min": term.least, "max": term.most}
        days.help_text = _("%(least)s to %(most)s; the default is %(default)s.") % {
            "least": term.least,
            "most": term.most,
            "default": retention.default_of(kind),
        }


@require_http_methods(["GET", "HEAD", "POST"])
def _retention(request: HttpRequest) -> HttpResponse:
    page = pages.PAGES["reconciliation_retention"]
    if not page.is_open_to(request.user):
        raise PermissionDenied
    kind = request.GET.get("kind")
    if kind is None:
        return _drawn(request, page, tables=[_terms(page)], hint=_HINT)
    if kind not in DataKind.values:
        raise Http404
    given = request.POST if request.method == "POST" else None
    form = DaysForm(given, kind=kind, initial={"days": retention.days_of(kind)})
    if form.is_valid() and _change(request, kind, form):
        return HttpResponseRedirect(page.url)
    more = {"form": form, "method": "post", "submit": _("Save"), "back": page.url}
    what = DataKind(kind).label
    return _drawn(request, page, hint=f"{what}: {retention.TERMS[kind].says}", crumb=what, **more)


_HINT = gettext_lazy(
    "What names people goes when its time is over; amounts, receipts and the audit log stay."
)


def _change(request: HttpRequest, kind: str, form: DaysForm) -> bool:
    actor = Actor.from_user(request.user, request, role=request.user.platform_role)
    try:
        retention.change_rule(kind=kind, **form.cleaned_data, actor=actor, now=timezone.now())
    except InvalidInput as error:
        for field, _code, detail in error.errors:
            form.add_error(field, detail)
        return False
    messages.success(request, _("Saved. The next run obeys."))
    return True


def _terms(page: Page) -> dict[str, Any]:
    rules = RetentionRule.objects.in_bulk()
    states = SweepState.objects.in_bulk([term.sweep for term in retention.TERMS.values()])
    columns = [_("What"), _("Kept"), _("Default"), _("Bounds"), _("Last run"), _("Rows"), ""]
    rows = []
    for kind, term in retention.TERMS.items():
        rule, state = rules.get(kind), states.get(term.sweep)
        default = retention.default_of(kind)
        kept = rule.days if rule else default
        is_own = kept != default
        rows.append(
            [
                format_html("<b>{}</b> <small>{}</small>", DataKind(kind).label, term.says),
                badge(_days(kept), "wait" if is_own else "quiet"),
                _days(default),
                f"{term.least} - {term.most}",
                (state and state.finished_at) or NONE,
                state.moved if state else NONE,
                format_html(
                    '<a class="button" href="{}?kind={}" aria-label="{}: {}">{}</a>',
                    page.url,
                    kind,
                    _("Change"),
                    DataKind(kind).label,
                    _("Change"),
                ),
            ]
        )
    return table(_("What is kept how long"), columns, rows)


def _days(count: int) -> str:
    return _("%(count)s days") % {"count": count}


def _drawn(request: HttpRequest, page: Page, **more: Any) -> TemplateResponse:
    context = {**admin.site.each_context(request), "title": page.title, "page": page, **more}
    return TemplateResponse(request, "admin/reconciliation/upkeep.html", context)


pages.register(
    Page(
        "reconciliation_retention",
        "retention/",
        gettext_lazy("Retention"),
        Action.OPERATE_PLATFORM,
        _retention,
        for_platform=True,
    )
)
