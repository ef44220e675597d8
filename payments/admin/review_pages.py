"""Deciding a review in the back office, confirming another's decision, handing it to somebody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.http import HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from audit.actors import Actor
from payments.admin.search import payments_found_by
from payments.errors import InvalidInput, PaymentsError
from payments.models import Payment, Review
from payments.services import review_acts
from payments.services.review_steps import Resolution, amount_of, possible
from tenants.admin_base import reason_field
from tenants.models import User
from tenants.roles import Action, Role

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.urls import URLPattern

_TEMPLATE = "admin/payments/paymentconfig/page.html"
SAID = (
    gettext_noop("The review is resolved already."),
    gettext_noop("A refund is under way: the review closes with it."),
    gettext_noop("You proposed it: another person must confirm it."),
    gettext_noop("A person confirms it, in the back office."),
    gettext_noop("A person asks for a refund, in the back office."),
    gettext_noop("This review is about no receipt."),
    gettext_noop("It is this payment's receipt already."),
    gettext_noop("Nobody knows yet how much this receipt is."),
    gettext_noop("Name the payment that gets the receipt."),
    gettext_noop("A payment is named for allocate alone."),
    gettext_noop("This person resolves no reviews of this shop."),
)


class ResolveForm(forms.Form):
    """What is decided, and why; the payment for handing the receipt on alone."""

    resolution = forms.ChoiceField(
        label=gettext_lazy("What shall be done"), widget=forms.RadioSelect
    )
    payment = forms.CharField(
        label=gettext_lazy("The other payment"),
        required=False,
        max_length=64,
        help_text=gettext_lazy("Its order, account reference or phone number, whole."),
    )
    reason = reason_field(required=True)

    def __init__(self, *args: Any, review: Review, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.review = review
        choices = [(each.value, each.label) for each in possible(review)]
        self.fields["resolution"].choices = choices
        if len(choices) == 2:
            del self.fields["payment"]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        is_handed_on = given.get("resolution") == Resolution.ALLOCATE
        given["target"] = self._found(given.get("payment", "")) if is_handed_on else None
        return given

    def _found(self, term: str) -> Payment | None:
        """Return the one payment of this shop and world that bears the reference."""
        rows = Payment.objects.filter(
            shop=self.review.shop_id,
            environment=self.review.environment,
        ).exclude(pk=self.review.payment_id)
        ids = payments_found_by(term, rows) if term.strip() else []
        found = list(rows.filter(pk__in=ids)[:2])
        if len(found) != 1:
            several = _("Several payments bear it. Give a reference only one has.")
            self.add_error("payment", several if found else _("No payment bears it."))
            return None
        return found[0]

    def show(self, refusal: PaymentsError) -> None:
        errors = refusal.errors if isinstance(refusal, InvalidInput) else []
        for field, _code, detail in errors or [("", "", refusal.detail)]:
            self.add_error(field if field in self.fields else None, _(detail))


class AssignForm(forms.Form):
    to = forms.ModelChoiceField(
        User.objects.none(),
        label=gettext_lazy("Who looks at it"),
        required=False,
        empty_label=gettext_lazy("Nobody"),
    )

    def __init__(self, *args: Any, review: Review, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        people = User.objects.filter(
            is_active=True,
            memberships__shop=review.shop_id,
            memberships__is_active=True,
            memberships__role__in=[Role.ADMIN, Role.MANAGER],
        )
        self.fields["to"].queryset = people.order_by("email").distinct()


class ReviewPages:
    """Adds the pages and their buttons to the admin of reviews."""

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                f"<path:object_id>/{name}/",
                self.admin_site.admin_view(view),
                name=f"payments_review_{name}",
            )
            for name, view in (("resolve", self.resolve_view), ("assign", self.assign_view))
        ]
        return [*own, *super().get_urls()]

    def buttons(self, request: HttpRequest, obj: Any) -> list[dict[str, Any]]:
        buttons = super().buttons(request, obj)
        is_open = obj.resolved_at is None and obj.resolution != Resolution.REFUND
        if is_open and self.may_do(request, Action.RESOLVE_REVIEWS, obj):
            label = _("Confirm or decide otherwise") if obj.proposal else _("Resolve")
            buttons[:0] = [
                {"label": label, "url": reverse("admin:payments_review_resolve", args=[obj.pk])},
                {
                    "label": _("Assign"),
                    "quiet": True,
                    "url": reverse("admin:payments_review_assign", args=[obj.pk]),
                },
            ]
        return buttons

    def resolve_view(self, request: HttpRequest, object_id: str) -> Any:
        review = self.get_permitted(request, object_id, Action.RESOLVE_REVIEWS)
        form = ResolveForm(
            request.POST if request.method == "POST" else None,
            review=review,
            initial=_proposed(review),
        )
        if form.is_valid() and self._resolve(request, review, form):
            return HttpResponseRedirect(self.page_of(review))
        return self._page(
            request,
            review,
            title=_("Resolve"),
            form=form,
            submit=_("Decide"),
            hint=_explained(review),
            verdict=_verdict(review),
        )

    def assign_view(self, request: HttpRequest, object_id: str) -> Any:
        review = self.get_permitted(request, object_id, Action.RESOLVE_REVIEWS)
        form = AssignForm(
            request.POST if request.method == "POST" else None,
            review=review,
            initial={"to": review.assigned_to_id},
        )
        if form.is_valid():
            try:
                review_acts.assign(review=review, **form.cleaned_data, **_who(request, review))
            except PaymentsError as error:
                messages.error(request, _(error.detail))
            else:
                messages.success(request, _("Done."))
            return HttpResponseRedirect(self.page_of(review))
        return self._page(request, review, title=_("Assign"), form=form, submit=_("Assign"))

    def _resolve(self, request: HttpRequest, review: Review, form: ResolveForm) -> bool:
        given = form.cleaned_data
        try:
            done = review_acts.resolve(
                review=review,
                resolution=given["resolution"],
                reason=given["reason"],
                payment=given["target"],
                user=request.user,
                **_who(request, review),
            )
        except PaymentsError as error:
            form.show(error)
            return False
        messages.success(request, _said(done))
        return True

    def _page(self, request: HttpRequest, review: Review, **more: Any) -> TemplateResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": review.get_code_display(),
            "subtitle": review.get_code_display(),
            "back": self.page_of(review),
            "method": "post",
            **more,
        }
        return TemplateResponse(request, _TEMPLATE, context)


def proposal_of(review: Review) -> str:
    """Say in a sentence what was proposed and by whom; "" where nothing is."""
    if not review.proposal or review.resolved_at is not None:
        return ""
    said = {
        "who": review.proposed_by,
        "what": Resolution(review.proposal["resolution"]).label,
        "why": review.proposal["reason"],
    }
    return _("%(who)s proposed: %(what)s. Because: %(why)s") % said


def _who(request: HttpRequest, review: Review) -> dict[str, Any]:
    actor = Actor.from_user(request.user, request, role=request.user.role_in(review.shop_id))
    return {"actor": actor, "now": timezone.now()}


def _proposed(review: Review) -> dict[str, str]:
    """Fill in what another proposed, so that confirming it is one press and one reason."""
    if not review.proposal:
        return {"resolution": Resolution.ACCEPT}
    payment = Payment.objects.filter(pk=review.proposal["payment"] or None).first()
    named = payment and (payment.order_ref or payment.account_reference)
    return {"resolution": review.proposal["resolution"], "payment": named or ""}


def _explained(review: Review) -> str:
    limit = review.shop.two_people_above
    if limit is not None and amount_of(review) > limit:
        return _("This amount takes two people: one proposes, another confirms.")
    return _("Accepting takes things as they are; of another amount it keeps the money as a sale.")


def _verdict(review: Review) -> dict[str, Any] | None:
    said = proposal_of(review)
    return {"text": said, "is_bad": False} if said else None


def _said(review: Review) -> str:
    if review.resolved_at is not None:
        return _("The review is resolved.")
    if review.resolution == Resolution.REFUND:
        return _("A refund is asked for; the review closes when the money is back.")
    return _("Proposed. Another person must confirm it.")
