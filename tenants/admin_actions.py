"""
Buttons on one row: a page that says what will happen, then POST, then the service.

Ready-made libraries run such actions on rows the admin refuses to show, and by GET. Here every
one goes through `get_permitted`: 404 for a row out of sight, 403 for a role that may only look.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tenants.roles import Action, Grant

if TYPE_CHECKING:
    from django.db.models import Model
    from django.http import HttpRequest
    from django.urls import URLPattern

REASON_LENGTH = 200


class Refused(Exception):
    """An action is refused for a reason its page knows; the text is shown."""


class ConfirmForm(forms.Form):
    """The confirm page's form; it has a field only where a reason is asked."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=REASON_LENGTH,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autofocus": True}),
        help_text=gettext_lazy("Kept with your name."),
    )

    def __init__(self, *args: Any, asks_reason: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not asks_reason:
            del self.fields["reason"]


@dataclass(frozen=True)
class ObjectAction:
    """
    What a button is; method names the function of the admin that does it.

    form asks for more than a reason; what it cleans is handed to the method by name.
    """

    method: str
    label: Any
    action: Action
    explanation: Any = ""
    danger: bool = False
    asks_reason: bool = False
    when: Callable[[Any], bool] = lambda obj: True
    form: type[ConfirmForm] = ConfirmForm


class ObjectActionsMixin:
    """Adds the buttons in `object_actions` to a ModelAdmin that has `get_permitted`."""

    object_actions: tuple[ObjectAction, ...] = ()
    # What a service may refuse with; its words are shown, nothing else is caught.
    expected_errors: tuple[type[Exception], ...] = ()

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.object_action_view)
        name = f"{self.opts.app_label}_{self.opts.model_name}_do"
        return [path("<path:object_id>/do/<slug:method>/", view, name=name), *super().get_urls()]

    def buttons(self, request: HttpRequest, obj: Model) -> list[dict[str, Any]]:
        """List the buttons this person may press on this row, as it is now; its history last."""
        buttons = [
            {"label": spec.label, "danger": spec.danger, "url": self._action_url(obj, spec)}
            for spec in self.object_actions
            if spec.when(obj) and self.may_do(request, spec.action, obj)
        ]
        if self.may_do(request, Action.VIEW_AUDIT, obj):
            url = self._url_named("history", obj.pk)
            buttons.append({"label": gettext_lazy("History"), "quiet": True, "url": url})
        return buttons

    def object_action_view(
        self, request: HttpRequest, object_id: str, method: str
    ) -> HttpResponse | TemplateResponse:
        spec = next((spec for spec in self.object_actions if spec.method == method), None)
        if spec is None:
            raise Http404
        obj = self.get_permitted(request, object_id, spec.action)
        if request.method not in {"GET", "POST"}:
            return HttpResponseNotAllowed(["GET", "POST"])
        if not spec.when(obj):
            messages.warning(request, _("That is not possible as things stand now."))
            return HttpResponseRedirect(self.page_of(obj))
        form = spec.form(
            request.POST if request.method == "POST" else None,
            asks_reason=self._asks_reason_for(request, spec, obj),
        )
        if form.is_valid():
            return self._run(request, obj, spec, {"reason": "", **form.cleaned_data})
        return self._confirm_page(request, obj, spec, form)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        obj = context.get("original")
        context["buttons"] = self.buttons(request, obj) if obj else []
        return super().render_change_form(request, context, *args, **kwargs)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """Lead to what the audit log has of the row."""
        obj = self.get_permitted(request, object_id, Action.VIEW_AUDIT)
        # By name: the log stands one floor higher.
        log = reverse("admin:audit_auditentry_changelist")
        query = urlencode({"object": f"{self.opts.label_lower}:{obj.pk}"})
        return HttpResponseRedirect(f"{log}?{query}")

    def page_of(self, obj: Model) -> str:
        return self._url_named("change", obj.pk)

    def _run(
        self, request: HttpRequest, obj: Model, spec: ObjectAction, given: dict[str, Any]
    ) -> Any:
        try:
            outcome = getattr(self, spec.method)(request, obj, **given)
        except self.expected_errors as error:
            messages.error(
                request,
                _(str(error)) if str(error) else _("That is not possible as things stand now."),
            )
            return HttpResponseRedirect(self.page_of(obj))
        if isinstance(outcome, HttpResponse):
            return outcome
        if outcome:
            messages.success(request, outcome)
        return HttpResponseRedirect(self.page_of(obj))

    def _confirm_page(
        self, request: HttpRequest, obj: Model, spec: ObjectAction, form: ConfirmForm
    ) -> TemplateResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": obj,
            "title": spec.label,
            "spec": spec,
            "form": form,
            "back": self.page_of(obj),
        }
        return TemplateResponse(request, "admin/confirm_action.html", context)

    def _asks_reason_for(self, request: HttpRequest, spec: ObjectAction, obj: Model) -> bool:
        return spec.asks_reason or self.grant_on(request, spec.action, obj) is Grant.WITH_REASON

    def _action_url(self, obj: Model, spec: ObjectAction) -> str:
        return self._url_named("do", obj.pk, spec.method)

    def _url_named(self, page: str, *args: Any) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_{page}", args=args)
