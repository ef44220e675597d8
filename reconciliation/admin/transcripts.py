"""The transcript of one payment: a page to read and print, and a text for Safaricom's support."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from audit.actors import Actor
from payments.admin.looks import choice_badge
from payments.choices import PaymentStatus
from payments.models import Payment
from reconciliation import pages
from reconciliation.admin.sight import permitted_payment
from reconciliation.pages import Page
from reconciliation.transcript_text import export_transcript
from reconciliation.transcripts import Viewer, transcript_of
from tenants.admin_looks import shillings
from tenants.roles import Action, may

if TYPE_CHECKING:
    from django.http import HttpRequest

_NAME = "reconciliation_transcript"


@require_http_methods(["GET", "HEAD", "POST"])
def transcript_view(request: HttpRequest) -> HttpResponse:
    """Show the transcript of ?payment=…, or hand it over as a text (POST: it is on the trail)."""
    if not PAGE.is_open_to(request.user):
        raise PermissionDenied
    asked = request.GET.get("payment")
    is_export = request.method == "POST"
    action = Action.EXPORT if is_export else PAGE.action
    payment = permitted_payment(request, asked, action, page=_NAME)
    role = request.user.role_in(payment.shop_id)
    if is_export:
        return _exported(request, payment, role)
    return _page(request, payment, role)


def _exported(request: HttpRequest, payment: Payment, role: str) -> HttpResponse:
    text = export_transcript(
        payment=payment,
        viewer=Viewer.of(role),
        actor=Actor.from_user(request.user, request, role=role),
        now=timezone.now(),
    )
    response = HttpResponse(text, content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="transcript-{payment.pk}.txt"'
    response["Cache-Control"] = "no-store"
    return response


def _page(request: HttpRequest, payment: Payment, role: str) -> TemplateResponse:
    transcript = transcript_of(payment=payment, viewer=Viewer.of(role))
    context = {
        **admin.site.each_context(request),
        "title": PAGE.title,
        "subtitle": f"KES {shillings(payment.amount)}",
        "badge": choice_badge(PaymentStatus, payment.status),
        "transcript": transcript,
        "facts": transcript.facts,
        "back": reverse("admin:payments_payment_change", args=[payment.pk]),
        "may_export": may(role, Action.EXPORT),
    }
    response = TemplateResponse(request, "admin/reconciliation/transcript.html", context)
    response["Cache-Control"] = "no-store"
    return response


PAGE = pages.register(
    Page(_NAME, "transcript/", gettext_lazy("Transcript"), Action.VIEW_STATS, transcript_view)
)
