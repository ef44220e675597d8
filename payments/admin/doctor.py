"""
A config's set-up page: the checklist, the doctor at work, who approves, and all he ever found.

The page starts a visit and looks on; the visit runs as a job (payments/tasks.py) and its rows are
in the database, so that a closed browser loses nothing. While it runs the page asks again by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from payments import tasks
from payments.admin.c2b import BANK_ADDRESS, C2B_ADDRESS, REGISTER_URLS, RegistrationActs
from payments.admin.doctor_tables import approvals_of, checklist_of, history_of, urls_of, visit_of
from payments.admin.pull import PULL_ACTIONS, PullActs
from payments.choices import ConfigStatus, Environment, RunStatus
from payments.errors import PaymentsError
from payments.services import approvals, claims, go_live, verification
from tenants.admin_actions import ObjectAction
from tenants.admin_base import reason_field
from tenants.roles import Action, Grant

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern

    from payments.models import PaymentConfig

_TEMPLATE = "admin/payments/paymentconfig/setup.html"
VERIFIABLE = frozenset(
    {ConfigStatus.DRAFT, ConfigStatus.PENDING, ConfigStatus.FAILED, ConfigStatus.VERIFIED}
)


def _is_ready_to_ask(config: PaymentConfig) -> bool:
    is_live = config.environment == Environment.PRODUCTION and not go_live.needs_proof(config)
    is_verified = config.status == ConfigStatus.VERIFIED
    if not (is_live and is_verified) or go_live.is_approved(config):
        return False
    return approvals.open_approval(config) is None


def _has_claim(config: PaymentConfig) -> bool:
    return config.environment == Environment.PRODUCTION and claims.own_claim(config) is not None


DOCTOR_ACTIONS = (
    REGISTER_URLS,
    *PULL_ACTIONS,
    BANK_ADDRESS,
    C2B_ADDRESS,
    ObjectAction(
        "ask_approval",
        gettext_lazy("Ask for approval"),
        Action.MANAGE_CONFIGS,
        gettext_lazy(
            "Real customers will pay through it, so a second person must say yes: another admin of"
            " the shop, or platform staff where the shop has one admin."
        ),
        when=_is_ready_to_ask,
    ),
    ObjectAction(
        "approve",
        gettext_lazy("Approve"),
        Action.MANAGE_CONFIGS,
        gettext_lazy("You are the second person: payments may be taken with it from then on."),
        asks_reason=True,
        when=lambda config: approvals.open_approval(config) is not None,
    ),
    ObjectAction(
        "refuse_approval",
        gettext_lazy("Refuse"),
        Action.MANAGE_CONFIGS,
        gettext_lazy("It stays switched off. The reason is shown to whoever asked."),
        danger=True,
        asks_reason=True,
        when=lambda config: approvals.open_approval(config) is not None,
    ),
    ObjectAction(
        "share_shortcode",
        gettext_lazy("Mark the number as shared"),
        Action.OPERATE_PLATFORM,
        gettext_lazy("Other shops that prove control of the number may use it too."),
        asks_reason=True,
        when=_has_claim,
    ),
)


class VisitForm(forms.Form):
    """What a visit needs: a phone, for the proof that costs a shilling."""

    phone_number = forms.CharField(
        label=gettext_lazy("Phone of the owner"),
        required=False,
        max_length=32,
        widget=forms.TextInput(attrs={"inputmode": "tel", "autocomplete": "tel"}),
        help_text=gettext_lazy(
            "It gets a prompt of KES 1, paid to this account: the proof of control. Production"
            " needs it once."
        ),
    )


class DoctorPages(PullActs, RegistrationActs):
    """Adds the set-up page and its acts to the admin of configs."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.setup_view)
        own = path("<path:object_id>/setup/", view, name="payments_paymentconfig_setup")
        return [own, *super().get_urls()]

    def setup_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        config = self.get_permitted(request, object_id, self.view_action)
        if self.grant_on(request, self.view_action, config) is Grant.STATUS_ONLY:
            raise PermissionDenied
        if request.method == "POST":
            config = self.get_permitted(request, object_id, Action.MANAGE_CONFIGS)
        form = self._visit_form(request, config)
        if form is not None and request.method == "POST" and form.is_valid():
            return self._begin(request, config, form.cleaned_data)
        return TemplateResponse(request, _TEMPLATE, self._setup_context(request, config, form))

    def setup_url(self, config: PaymentConfig) -> str:
        return self._url_named("setup", config.pk)

    def buttons(self, request: HttpRequest, obj: PaymentConfig) -> list[dict[str, Any]]:
        """Lead to the set-up page first; who asked for an approval is not offered to give it."""
        buttons = super().buttons(request, obj)
        hidden = {self._action_url(obj, spec) for spec in self._hidden(request, obj)}
        shown = [button for button in buttons if button["url"] not in hidden]
        if self.grant_on(request, self.view_action, obj) is Grant.STATUS_ONLY:
            return shown
        return [{"label": gettext_lazy("Set-up and doctor"), "url": self.setup_url(obj)}, *shown]

    def verify(self, request: HttpRequest, config: PaymentConfig, *, reason: str) -> Any:
        run = verification.start_run(config=config, **self._who(request, config, reason))
        tasks.ring_verification(run.pk)
        return HttpResponseRedirect(self.setup_url(config))

    def restore(self, request: HttpRequest, config: PaymentConfig, *, reason: str) -> Any:
        who = self._who(request, config, reason)
        run = verification.start_restoring(config=config, reason=reason, **who)
        tasks.ring_verification(run.pk)
        return HttpResponseRedirect(self.setup_url(config))

    def ask_approval(self, request: HttpRequest, config: PaymentConfig, *, reason: str) -> Any:
        who = self._who(request, config, reason)
        approvals.ask_approval(config=config, user=request.user, **who)
        self.message_user(request, _("A second person is asked."), "success")
        return HttpResponseRedirect(self.setup_url(config))

    def approve(self, request: HttpRequest, config: PaymentConfig, *, reason: str) -> Any:
        return self._decide(request, config, reason, approvals.approve, _("It may be switched on."))

    def refuse_approval(self, request: HttpRequest, config: PaymentConfig, *, reason: str) -> Any:
        return self._decide(request, config, reason, approvals.refuse, _("It stays switched off."))

    def share_shortcode(self, request: HttpRequest, config: PaymentConfig, *, reason: str) -> str:
        claim = claims.own_claim(config)
        if claim is not None:
            who = self._who(request, config, reason)
            claims.share_claim(claim=claim, reason=reason, **who)
        return _("The number is shared.")

    def _decide(
        self, request: HttpRequest, config: PaymentConfig, reason: str, decide: Any, said: str
    ) -> HttpResponse:
        approval = approvals.open_approval(config)
        if approval is not None:
            who = self._who(request, config, reason)
            decide(approval=approval, user=request.user, note=reason, **who)
            self.message_user(request, said, "success")
        return HttpResponseRedirect(self.setup_url(config))

    def _visit_form(self, request: HttpRequest, config: PaymentConfig) -> VisitForm | None:
        may_act = self.may_do(request, Action.MANAGE_CONFIGS, config)
        if not may_act or config.status not in VERIFIABLE:
            return None
        form = VisitForm(request.POST if request.method == "POST" else None)
        if not config.has_api:
            del form.fields["phone_number"]
        if self.grant_on(request, Action.MANAGE_CONFIGS, config) is Grant.WITH_REASON:
            form.fields["reason"] = reason_field(required=True)
        return form

    def _begin(
        self, request: HttpRequest, config: PaymentConfig, given: dict[str, Any]
    ) -> HttpResponse:
        who = self._who(request, config, given.get("reason", ""))
        try:
            phone_number = given.get("phone_number", "")
            run = verification.start_run(config=config, phone_number=phone_number, **who)
        except PaymentsError as error:
            self.message_user(request, _(error.detail), "error")
        else:
            tasks.ring_verification(run.pk)
        return HttpResponseRedirect(self.setup_url(config))

    def _setup_context(
        self, request: HttpRequest, config: PaymentConfig, form: VisitForm | None
    ) -> dict[str, Any]:
        run = config.runs.order_by("-started_at").first()
        links = {
            spec.method: self._action_url(config, spec) for spec in self._offered(request, config)
        }
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": config,
            "title": _("Set-up"),
            "back": self.page_of(config),
            "steps": checklist_of(config, links, edit=self.page_of(config)),
            "visit": visit_of(run) if run else None,
            "is_live": run is not None and run.status in {RunStatus.RUNNING, RunStatus.WAITING},
            "form": form,
            "facts": urls_of(config),
            "decisions": self._decisions(links),
            "tables": [each for each in (approvals_of(config), history_of(config)) if each["rows"]],
        }

    def _decisions(self, links: dict[str, str]) -> list[dict[str, Any]]:
        labels = {spec.method: spec for spec in DOCTOR_ACTIONS}
        return [
            {"label": labels[name].label, "danger": labels[name].danger, "url": links[name]}
            for name in ("approve", "refuse_approval")
            if name in links
        ]

    def _offered(self, request: HttpRequest, config: PaymentConfig) -> list[ObjectAction]:
        hidden = self._hidden(request, config)
        return [
            spec
            for spec in self.object_actions
            if spec not in hidden
            and spec.when(config)
            and self.may_do(request, spec.action, config)
        ]

    def _hidden(self, request: HttpRequest, config: PaymentConfig) -> list[ObjectAction]:
        """Name the acts that are not this person's: the service refuses them, too."""
        approval = approvals.open_approval(config)
        is_second = approval is not None and approvals.may_decide(approval, request.user)
        decisions = {"approve", "refuse_approval"}
        waits = config.environment == Environment.PRODUCTION and not go_live.is_approved(config)
        hidden = (set() if is_second else decisions) | ({"activate"} if waits else set())
        return [spec for spec in self.object_actions if spec.method in hidden | {"verify"}]
