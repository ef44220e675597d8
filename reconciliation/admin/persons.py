"""A person's data: what the shop holds about a number, handed out or erased, with a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from audit.actions import AuditAction
from audit.actors import Actor
from audit.models import AuditEntry
from payments.admin.tables import table
from payments.errors import InvalidPhoneNumber, PaymentsError
from reconciliation import pages, person_erasure, person_export
from reconciliation.pages import Page
from reconciliation.persons import Holdings, Person
from tenants.admin_access import is_bound, shops_with
from tenants.admin_base import reason_field
from tenants.admin_looks import NONE
from tenants.models import Shop
from tenants.roles import Action

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse

_TEMPLATE = "admin/reconciliation/persons.html"
_MOST = 20
_ACTS = (AuditAction.PERSON_EXPORTED, AuditAction.PERSON_ERASED)
PARTS: dict[str, Any] = {
    "payments": gettext_lazy("Payments"),
    "receipts": gettext_lazy("Receipts"),
    "attempts": gettext_lazy("Prompts"),
    "callbacks": gettext_lazy("Callbacks"),
    "receipt_checks": gettext_lazy("Receipt checks"),
    "statement_lines": gettext_lazy("Statement lines"),
    "events": gettext_lazy("Events"),
    "answers": gettext_lazy("Answers kept for tills"),
    "warnings": gettext_lazy("Warnings"),
}
_PROBLEMS = {
    text: gettext_lazy(text)
    for text in (person_erasure.LIVE, person_erasure.ASKED, person_erasure.UNDECIDED)
}


class FindForm(forms.Form):
    """Whose number, in which shop."""

    shop = forms.ModelChoiceField(Shop.objects.none(), label=gettext_lazy("Shop"), empty_label=None)
    phone = forms.CharField(
        label=gettext_lazy("Phone number"),
        max_length=32,
        widget=forms.TextInput(attrs={"inputmode": "tel", "autocomplete": "off"}),
    )

    def __init__(self, *args: Any, shops: QuerySet[Shop], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["shop"].queryset = shops
        if shops.count() == 1:
            self.fields["shop"].initial = shops.get()
            self.fields["shop"].widget = forms.HiddenInput()

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if "shop" in given and "phone" in given:
            try:
                given["person"] = Person.of(given["shop"], given["phone"])
            except InvalidPhoneNumber:
                self.add_error("phone", _("This is no Kenyan mobile number."))
        return given


class ActForm(forms.Form):
    reason = reason_field(required=True)


@sensitive_post_parameters("phone")
@require_http_methods(["GET", "HEAD", "POST"])
def _persons(request: HttpRequest) -> HttpResponse:
    page = pages.PAGES["reconciliation_persons"]
    if not page.is_open_to(request.user):
        raise PermissionDenied
    shops = _shops(request)
    form = FindForm(request.POST if request.method == "POST" else None, shops=shops)
    if not form.is_valid():
        return _drawn(request, page, shops, form=form)
    person: Person = form.cleaned_data["person"]
    act = _STEPS.get(request.POST.get("step", ""))
    asked = ActForm(request.POST if act else None)
    if act and asked.is_valid():
        return act(request, page, person, asked.cleaned_data["reason"])
    return _found(request, page, shops, person, asked)


def _shops(request: HttpRequest) -> QuerySet[Shop]:
    """Return the shops for all of which this person answers; not those of which a branch is his."""
    rows = shops_with(request.user, Action.MANAGE_SHOP)
    bound = [shop.pk for shop in rows if is_bound(request.user, shop.pk)]
    return rows.exclude(pk__in=bound).order_by("name")


def _found(
    request: HttpRequest, page: Page, shops: QuerySet[Shop], person: Person, asked: ActForm
) -> HttpResponse:
    """Show how much is held, and what may be done with it."""
    holdings = Holdings(person)
    counts = person_erasure.counts_of(holdings)
    blocker = person_erasure.blocker_of(holdings)
    return _drawn(
        request,
        page,
        shops,
        person=person,
        asked=asked,
        held=[(PARTS[name], count) for name, count in counts.items() if count],
        blocker=_PROBLEMS.get(blocker, blocker),
        step=request.POST.get("step", ""),
    )


def _export(request: HttpRequest, _page: Page, person: Person, reason: str) -> HttpResponse:
    found = person_export.export(
        person=person, reason=reason, actor=_actor(request, person), now=timezone.now()
    )
    response = JsonResponse(found, json_dumps_params={"indent": 2, "ensure_ascii": False})
    response["Content-Disposition"] = f'attachment; filename="person-{person.mark}.json"'
    response["Cache-Control"] = "no-store"
    return response


def _erase(request: HttpRequest, page: Page, person: Person, reason: str) -> HttpResponse:
    try:
        person_erasure.erase(
            person=person, reason=reason, actor=_actor(request, person), now=timezone.now()
        )
    except PaymentsError as error:
        messages.error(request, _PROBLEMS.get(error.detail, _(error.detail)))
    else:
        messages.success(request, _("The person is erased; amounts and receipts stay."))
    return HttpResponseRedirect(page.url)


_STEPS = {"export": _export, "erase": _erase}


def _actor(request: HttpRequest, person: Person) -> Actor:
    role = request.user.role_in(person.shop.pk) or request.user.platform_role
    return Actor.from_user(request.user, request, role=role)


def _done(shops: QuerySet[Shop]) -> dict[str, Any]:
    rows = AuditEntry.objects.filter(shop__in=shops, action__in=_ACTS).order_by("-at")
    cells = [
        [
            entry.at,
            AuditAction(entry.action).label,
            entry.previous_state.get("person", NONE),
            ", ".join(_part(each) for each in entry.changes) or NONE,
            entry.reason,
            entry.actor_label,
        ]
        for entry in rows[:_MOST]
    ]
    columns = [_("At"), _("What"), _("Person"), _("Rows"), _("Reason"), _("By")]
    return table(_("What was done"), columns, cells)


def _part(change: dict[str, Any]) -> str:
    count = change["old"] if change["old"] is not None else change["new"]
    return f"{PARTS.get(change['field'], change['field'])}: {count}"


def _drawn(
    request: HttpRequest, page: Page, shops: QuerySet[Shop], **more: Any
) -> TemplateResponse:
    context = {
        **admin.site.each_context(request),
        "title": page.title,
        "page": page,
        "may_act": shops.exists(),
        "done": _done(shops),
        **more,
    }
    response = TemplateResponse(request, _TEMPLATE, context)
    response["Cache-Control"] = "no-store"
    return response


pages.register(
    Page(
        "reconciliation_persons",
        "persons/",
        gettext_lazy("A person's data"),
        Action.MANAGE_SHOP,
        _persons,
    )
)
