"""The rotation page of a config: new secrets in, the versions so far, masked; and its notices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from payments.admin.forms import PREFIX, SECRET_LABELS, secret_field, secrets_of
from payments.admin.looks import choice_badge
from payments.admin.tables import Table, table
from payments.choices import NoticeCode, VerificationResult, VersionStatus
from payments.errors import PaymentsError
from payments.models import Notice, PaymentConfig
from payments.services import config_secrets, initiator_trial, notice_words, rotation
from tenants.admin_actions import ObjectAction
from tenants.admin_base import reason_field
from tenants.admin_looks import NONE, badge
from tenants.roles import Action

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.urls import URLPattern

    from payments.models import CredentialVersion, VerificationLog

_WAITS_FOR_INITIATOR = gettext_lazy(
    "The initiator is being tried: Safaricom answers within minutes. If it refuses him, the"
    " credentials from before come back by themselves."
)
_MOST_VERSIONS = 20
_GRAVE = frozenset(
    {
        NoticeCode.CREDENTIALS_REFUSED,
        NoticeCode.ROLLED_BACK,
        NoticeCode.TOKEN_WAR,
        NoticeCode.CALLBACKS_SILENT,
        NoticeCode.C2B_SILENT,
        NoticeCode.TOKEN_REFUSED,
    }
)
# What a person can do about it.
_WHAT_TO_DO = {
    NoticeCode.ROTATION_DUE: gettext_lazy("The new credentials are tried and put in use then."),
    NoticeCode.CREDENTIALS_EXPIRE: gettext_lazy("Rotate the credentials before that day."),
    NoticeCode.CREDENTIALS_REFUSED: gettext_lazy(
        "Check the credentials in the Daraja portal, rotate them, then restore the config."
    ),
    NoticeCode.ROLLED_BACK: gettext_lazy(
        "The version before is in use again. Check the new credentials in the Daraja portal."
    ),
    NoticeCode.PULL_REFUSED: gettext_lazy(
        "Payments go on. Ask Safaricom to add Pull Transactions to the Daraja app."
    ),
    NoticeCode.TOKEN_WAR: gettext_lazy(
        "Create a separate Daraja app for this system: each token kills the other system's."
    ),
}

ROTATION_ACTIONS = (
    ObjectAction(
        "cancel_rotation",
        gettext_lazy("Cancel rotation"),
        Action.MANAGE_CONFIGS,
        gettext_lazy("The new credentials are thrown away; those in use stay."),
        danger=True,
        asks_reason=True,
        when=lambda config: config.rotation_scheduled_at is not None,
    ),
)


class RotateForm(forms.Form):
    """New secrets of a config's provider; an empty one is kept. Nothing is ever shown again."""

    reason = reason_field(required=True)
    scheduled_at = forms.DateTimeField(
        label=gettext_lazy("When"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text=gettext_lazy("Empty: now. Else they are tried and put in use at that time."),
    )

    def __init__(self, *args: Any, config: PaymentConfig, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = secrets_of(config.provider)
        secrets = {f"{PREFIX}{name}": secret_field(name) for name in names}
        for field in secrets.values():
            field.help_text = ""
        self.fields = {**secrets, **self.fields}

    def credentials(self) -> dict[str, str]:
        given = {name: self.cleaned_data.get(f"{PREFIX}{name}") for name in SECRET_LABELS}
        return {name: value for name, value in given.items() if value}

    def show(self, refusal: PaymentsError) -> None:
        """Put what the service said beside the field it is about."""
        errors = getattr(refusal, "errors", None) or [("", refusal.code, refusal.detail)]
        for field, _code, detail in errors:
            name = field.replace("credentials.", PREFIX)
            self.add_error(name if name in self.fields else None, _(detail))


class RotationPages:
    """Adds the page and its button to the admin of configs."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.rotate_view)
        name = "payments_paymentconfig_rotate"
        return [path("<path:object_id>/rotate/", view, name=name), *super().get_urls()]

    def buttons(self, request: HttpRequest, obj: PaymentConfig) -> list[dict[str, Any]]:
        buttons = super().buttons(request, obj)
        if _is_rotatable(obj) and self.may_do(request, Action.MANAGE_CONFIGS, obj):
            url = reverse("admin:payments_paymentconfig_rotate", args=[obj.pk])
            buttons.insert(0, {"label": _("Rotate credentials"), "danger": False, "url": url})
        return buttons

    def rotate_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        config = self.get_permitted(request, object_id, Action.MANAGE_CONFIGS)
        if request.method not in {"GET", "POST"}:
            return HttpResponseNotAllowed(["GET", "POST"])
        if not _is_rotatable(config):
            messages.warning(request, _("That is not possible as things stand now."))
            return HttpResponseRedirect(self.page_of(config))
        form = RotateForm(request.POST if request.method == "POST" else None, config=config)
        if form.is_valid() and self._rotate(request, config, form):
            return HttpResponseRedirect(self.page_of(config))
        return self._rotate_page(request, config, form)

    def cancel_rotation(self, request: HttpRequest, config: PaymentConfig, *, reason: str) -> str:
        who = self._who(request, config, reason)
        rotation.cancel_rotation(config=config, reason=reason, **who)
        return _("The rotation is cancelled.")

    def _rotate(self, request: HttpRequest, config: PaymentConfig, form: RotateForm) -> bool:
        given = form.cleaned_data
        try:
            rotation.rotate_credentials(
                config=config,
                credentials=form.credentials(),
                reason=given["reason"],
                scheduled_at=given["scheduled_at"],
                **self._who(request, config, given["reason"]),
            )
        except PaymentsError as error:
            form.show(error)
            return False
        messages.success(request, _done(config, is_later=bool(given["scheduled_at"])))
        return True

    def _rotate_page(
        self, request: HttpRequest, config: PaymentConfig, form: RotateForm
    ) -> TemplateResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": config,
            "title": _("Rotate credentials"),
            "subtitle": str(config),
            "form": form,
            "versions": versions_of(config),
            "back": self.page_of(config),
        }
        template = "admin/payments/paymentconfig/rotate.html"
        response = TemplateResponse(request, template, context)
        response["Cache-Control"] = "no-store"
        return response


def _is_rotatable(config: PaymentConfig) -> bool:
    return config.has_api and config.status in rotation.ROTATABLE


def _done(config: PaymentConfig, *, is_later: bool) -> str:
    """Say what was done, and what Safaricom has not told yet."""
    if is_later:
        return _("The rotation is scheduled.")
    current = config.versions.filter(status=VersionStatus.CURRENT).defer("secrets")
    trial = next(iter(initiator_trial.last_trials(current).values()), None)
    done = _("The new credentials are in use.")
    if trial is None:
        return done
    if trial.result == VerificationResult.PENDING:
        return f"{done} {_WAITS_FOR_INITIATOR}"
    return f"{done} {_('The initiator was not tested.')} {_(trial.response_message)}"


def versions_of(config: PaymentConfig) -> Table:
    """List the versions with who, when and why; masks were made when they were written."""
    columns = [
        _("No."),
        _("Status"),
        _("Credentials"),
        _("Reason"),
        _("By"),
        _("Made"),
        _("In use"),
        _("Initiator"),
    ]
    versions = list(config.versions.defer("secrets")[:_MOST_VERSIONS])
    trials = initiator_trial.last_trials(versions)
    rows = [
        [
            version.number,
            choice_badge(VersionStatus, version.status),
            _masks(version.masks),
            version.reason or NONE,
            version.created_by,
            version.created_at,
            version.activated_at or version.scheduled_at or NONE,
            _initiator(version, trials.get(version.pk)),
        ]
        for version in versions
    ]
    return table(_("Versions"), columns, rows)


def _initiator(version: CredentialVersion, trial: VerificationLog | None) -> str:
    """Say whether a version's initiator was tried, and how that ended."""
    if not version.masks.keys() >= config_secrets.INITIATOR:
        return NONE
    if trial is None:
        return badge(_("Not tested"), "quiet")
    return choice_badge(VerificationResult, trial.result)


def notices_of(config: PaymentConfig) -> list[dict[str, Any]]:
    """List what the shop must know of the config, with what to do about it."""
    return [
        {
            "text": notice.get_code_display(),
            "detail": notice_words.sentence_of(notice) or _detail(notice),
            "what_to_do": notice_words.what_to_do_about(notice)
            or _WHAT_TO_DO.get(NoticeCode(notice.code), ""),
            "is_grave": notice.code in _GRAVE,
        }
        for notice in Notice.objects.filter(config=config, closed_at=None)
    ]


def _detail(notice: Notice) -> str:
    data = notice.data
    if due := data.get("due"):
        return _("Date: %(date)s") % {"date": due}
    if first := parse_datetime(data.get("first_seen") or ""):
        return _("First seen: %(time)s") % {"time": f"{first:%Y-%m-%d %H:%M} UTC"}
    if version := data.get("version"):
        return _("Credentials: version %(number)s") % {"number": version}
    return str(data.get("why", ""))


def _masks(masks: dict[str, str]) -> str:
    shown = [f"{SECRET_LABELS[name]} {masks[name]}" for name in SECRET_LABELS if name in masks]
    return ", ".join(shown) or NONE
