"""Pages and small pieces that the admins of this floor share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tenants.admin_looks import yes_no

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from tenants.people import Invitation


@admin.display(description=gettext_lazy("active"), ordering="is_active")
def is_active_badge(row: Any) -> str:
    return yes_no(row.is_active, yes=_("Active"), no=_("Switched off"))


def invitation_page(
    model_admin: Any, request: HttpRequest, obj: Any, invitation: Invitation
) -> HttpResponse:
    address = reverse("admin:invitation", args=[invitation.uid, invitation.token])
    return once_page(
        model_admin,
        request,
        obj,
        title=_("Invitation link"),
        text=request.build_absolute_uri(address),
        hint=_("Send it to this person: it opens once and sets the password."),
    )


def once_page(
    model_admin: Any, request: HttpRequest, obj: Any, *, title: str, text: str, hint: str
) -> HttpResponse:
    """Show something in this one answer, for no cache to keep."""
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "original": obj,
        "title": title,
        "text": text,
        "hint": hint,
        "back": model_admin.page_of(obj),
    }
    response = TemplateResponse(request, "admin/shown_once.html", context)
    response["Cache-Control"] = "no-store"
    return response


def become(obj: Any, made: Any) -> None:
    """Let the form's unsaved row stand for the one the service made."""
    obj.__dict__.update(made.__dict__)
