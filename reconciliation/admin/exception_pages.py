"""One item of the queue: the evidence side by side, the next steps, and the page of each step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import Http404, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _

import reconciliation.admin.exception_looks as looks
from audit.actors import Actor
from payments.admin.receipt_deciding import shown_suggestions
from payments.errors import PaymentsError
from payments.models import Payment, Receipt
from reconciliation import exception_acts, exceptions
from reconciliation.admin.exception_evidence import columns_of, difference, subject_of
from reconciliation.admin.exception_forms import AssignForm, DecideForm
from reconciliation.admin.exception_steps import (
    Choice,
    choices_for,
    page_of_refund,
    press,
    takes_two,
)
from reconciliation.admin.sight import payments_of, uuid_of
from reconciliation.dashboards_words import length
from reconciliation.exception_acts import Step
from reconciliation.exception_filters import Asked
from reconciliation.exception_kinds import ItemKind
from reconciliation.exceptions import Row, is_open, kind_of
from tenants import support
from tenants.admin_looks import badge, shillings
from tenants.roles import Action

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern

_NAME = "reconciliation_exceptionitem"
_STEP_PAGE = "admin/payments/paymentconfig/page.html"


class ExceptionPages:
    """Adds an item's pages to the admin of the queue."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("<path:object_id>/assign/", view(self.assign_view), name=f"{_NAME}_assign"),
            path(
                "<path:object_id>/decide/<slug:method>/",
                view(self.decide_view),
                name=f"{_NAME}_decide",
            ),
        ]
        return [*own, *super().get_urls()]

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        """Return the review, receipt or refund in sight; what support opens is told to its shop."""
        try:
            row = exceptions.find(request.user, uuid_of(object_id), now=timezone.now())
        except Http404:
            return None
        if row is not None and not hasattr(request, "read_was_told"):
            request.read_was_told = True
            page = request.resolver_match.url_name
            support.note_read(request, row, shop_id=row.shop_id, page=page)
        return row

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> TemplateResponse:
        """Show one item; POST here has no meaning."""
        row = self.get_permitted(request, object_id, self.view_action)
        choices = choices_for(row, request.user)
        holder = exceptions.holder_of(row)
        context = {
            **self._frame(request, row),
            "title": looks.reason_of(row),
            "subtitle": looks.about(row),
            "crumb": looks.about(row),
            "badges": _badges(row),
            "amount": shillings(looks.stake_of(row)),
            "age": length(timezone.now() - _at(row)),
            "holder": looks.shown_to(request, holder.email) if holder else "",
            "is_mine": holder is not None and holder.pk == request.user.pk,
            "place": looks.place_of(row),
            "difference": difference(row),
            "proposal": looks.proposal_of(row, request) if is_open(row) else "",
            "takes_two": bool(choices) and takes_two(row),
            "columns": columns_of(row, request),
            "steps": [self._step(row, choice) for choice in choices],
            "suggestions": self._suggestions(request, row, choices),
            "links": self._links(request, row),
            "may_assign": is_open(row) and self.may_do(request, Action.RESOLVE_REVIEWS, row),
            "urls": {name: reverse(f"admin:{_NAME}_{name}", args=[row.pk]) for name in ("assign",)},
        }
        return TemplateResponse(request, "admin/reconciliation/exceptions/item.html", context)

    def assign_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Give an item to oneself with one press, or to somebody chosen."""
        row = self.get_permitted(request, object_id, Action.RESOLVE_REVIEWS)
        given = request.POST if request.method == "POST" else None
        if given is not None and given.get("to") == "me":
            given = {"to": request.user.pk}
        holder = exceptions.holder_of(row)
        form = AssignForm(
            given, shop_ids=[row.shop_id], initial={"to": holder.pk if holder else None}
        )
        if form.is_valid():
            try:
                exception_acts.assign(row=row, to=form.cleaned_data["to"], **self.who(request, row))
            except PaymentsError as refusal:
                messages.error(request, _(refusal.detail))
            else:
                messages.success(request, _("Done."))
            return HttpResponseRedirect(self.page_of(row))
        return self._form_page(request, row, _("Assign"), form, hint="")

    def decide_view(self, request: HttpRequest, object_id: str, method: str) -> HttpResponse:
        """Ask for what a decision needs, then do it; above the shop's amount, propose it."""
        row = self.get_permitted(request, object_id, Action.RESOLVE_REVIEWS)
        choice = next((c for c in choices_for(row, request.user) if c.method == method), None)
        if choice is None:
            messages.warning(request, _("That is not possible as things stand now."))
            return HttpResponseRedirect(self.page_of(row))
        form = choice.form(
            request.POST if request.method == "POST" else None,
            payments=_payments(request, row),
            why=choice.why or takes_two(row),
            initial={"payment": request.GET.get("payment", "")[:64]},
        )
        if form.is_valid() and self._press(request, row, choice, form):
            return HttpResponseRedirect(self._after(request, row))
        return self._form_page(request, row, choice.label, form, hint=_hint(row, choice))

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """Lead to what the audit log has of the review, the receipt or the refund."""
        row = self.get_permitted(request, object_id, Action.VIEW_AUDIT)
        return HttpResponseRedirect(_history_of(row))

    def page_of(self, obj: Any) -> str:
        return reverse(f"admin:{_NAME}_change", args=[obj.pk])

    def who(self, request: HttpRequest, row: Row) -> dict[str, Any]:
        actor = Actor.from_user(request.user, request, role=request.user.role_in(row.shop_id))
        return {"actor": actor, "now": timezone.now()}

    def _press(self, request: HttpRequest, row: Row, choice: Choice, form: DecideForm) -> bool:
        try:
            said = press(
                row, choice, form.cleaned_data, user=request.user, **self.who(request, row)
            )
        except PaymentsError as refusal:
            form.show(refusal)
            return False
        messages.success(request, said)
        return True

    def _after(self, request: HttpRequest, row: Row) -> str:
        """Lead on to the next item where this one is done, else back to it."""
        fresh = exceptions.find(request.user, row.pk, now=timezone.now())
        if fresh is None or is_open(fresh):
            return self.page_of(row)
        world = {"environment": row.environment}
        next_id = exceptions.next_after(
            request.user, row, Asked(), environment=row.environment, now=timezone.now()
        )
        if next_id is None:
            return f"{reverse(f'admin:{_NAME}_changelist')}?{urlencode(world)}"
        return reverse(f"admin:{_NAME}_change", args=[next_id])

    def _frame(self, request: HttpRequest, row: Row) -> dict[str, Any]:
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": looks.about(row),
            "row": row,
        }

    def _form_page(
        self, request: HttpRequest, row: Row, title: Any, form: Any, *, hint: str
    ) -> TemplateResponse:
        proposal = looks.proposal_of(row, request)
        context = {
            **self._frame(request, row),
            "title": title,
            "subtitle": f"{looks.reason_of(row)} · KES {shillings(looks.stake_of(row))}",
            "back": self.page_of(row),
            "method": "post",
            "form": form,
            "submit": title,
            "hint": hint,
            "verdict": {"text": proposal, "is_bad": False} if proposal else None,
        }
        return TemplateResponse(request, _STEP_PAGE, context)

    def _step(self, row: Row, choice: Choice) -> dict[str, Any]:
        url = reverse(f"admin:{_NAME}_decide", args=[row.pk, choice.method])
        return {"label": choice.label, "text": choice.text, "danger": choice.danger, "url": url}

    def _suggestions(
        self, request: HttpRequest, row: Row, choices: list[Choice]
    ) -> list[dict[str, Any]]:
        """List payments the money fits, each with the page that gives it to that one."""
        _payment, receipt = subject_of(row)
        is_offered = any(choice.method == Step.ALLOCATE for choice in choices)
        if receipt is None or receipt.config is None or not is_offered:
            return []
        page = reverse(f"admin:{_NAME}_decide", args=[row.pk, Step.ALLOCATE])
        found = shown_suggestions(request, receipt)
        return [{**each, "url": f"{page}?payment={each['pk']}"} for each in found]

    def _links(self, request: HttpRequest, row: Row) -> list[dict[str, Any]]:
        links = []
        if kind_of(row) == ItemKind.REFUND:
            links.append({"label": _("Open the refund"), "url": page_of_refund(row)})
        if self.may_do(request, Action.VIEW_AUDIT, row):
            url = reverse(f"admin:{_NAME}_history", args=[row.pk])
            links.append({"label": _("History"), "url": url, "quiet": True})
        return links


def _history_of(row: Row) -> str:
    label = row._meta.label_lower  # noqa: SLF001 - Django's own name of a model
    query = urlencode({"object": f"{label}:{row.pk}"})
    return f"{reverse('admin:audit_auditentry_changelist')}?{query}"


def _payments(request: HttpRequest, row: Row) -> Any:
    """Return the payments of the item's shop and world that this person may see."""
    rows = payments_of(request.user, now=timezone.now())
    return Payment.objects.filter(rows, shop=row.shop_id, environment=row.environment)


def _badges(row: Row) -> list[Any]:
    badges = [looks.weight_of(row)]
    if not is_open(row) and isinstance(row, Receipt):
        badges.append(badge(_("Decided"), "good"))
    if row.environment == "sandbox":
        badges.append(badge(_("Sandbox"), "warn"))
    return badges


def _at(row: Row) -> Any:
    if isinstance(row, Receipt):
        return row.created_at
    return getattr(row, "opened_at", None) or getattr(row, "asked_at", None)


def _hint(row: Row, choice: Choice) -> str:
    if takes_two(row) and choice.method != Step.REFUND:
        said = _("This amount takes two people: one proposes, another confirms.")
        return f"{choice.text} {said}"
    return str(choice.text)
