"""Statements: upload, look, apply. What a file would do is shown before anything changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django import forms
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

import reconciliation.admin.statement_tables as tables
from audit.actors import Actor
from payments.admin.filters import EnvironmentFilter
from payments.admin.looks import choice_badge
from payments.choices import FAMILY_OF, Environment, ProviderFamily
from payments.errors import PaymentsError
from payments.models import PaymentConfig
from reconciliation import tasks
from reconciliation.choices import StatementStatus
from reconciliation.models import StatementImport
from reconciliation.statements import importing
from reconciliation.statements.cells import NAIROBI
from reconciliation.statements.importing import UploadedBefore
from reconciliation.statements.problems import ProblemCode, StatementRefused, problem, sentence
from reconciliation.statements.taking import HEAVY
from tenants.admin_access import Fence, rows_for
from tenants.admin_actions import ObjectAction
from tenants.admin_base import ShopScopedModelAdmin, sees_several_shops
from tenants.admin_filters import ScopedRelatedFilter
from tenants.admin_looks import badge
from tenants.roles import Action

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest

_CONFIG_FENCE = Fence(branch="branch")
_TEMPLATES = "admin/reconciliation/statementimport"
_LIVE = (StatementStatus.UPLOADED, StatementStatus.READING, StatementStatus.APPLYING)
_NOT_APPLIED = (StatementStatus.UPLOADED, StatementStatus.READING, StatementStatus.READ)

APPLY = ObjectAction(
    "apply",
    gettext_lazy("Apply"),
    Action.RESOLVE_REVIEWS,
    gettext_lazy(
        "Money that only Safaricom knows of comes into the books, reversals take effect, and what"
        " differs becomes a review. Lines that were told before change nothing."
    ),
    when=lambda statement: statement.status == StatementStatus.READ,
)
DISCARD = ObjectAction(
    "discard",
    gettext_lazy("Discard"),
    Action.RESOLVE_REVIEWS,
    gettext_lazy("The file is deleted and nothing of it reaches the books."),
    danger=True,
    when=lambda statement: statement.status in _NOT_APPLIED,
)


class ConfigChoice(forms.ModelChoiceField):
    """Offers configs by name, number and world."""

    def label_from_instance(self, obj: PaymentConfig) -> str:
        world = f" · {obj.get_environment_display()}" if _is_sandbox(obj) else ""
        return f"{obj.shop} · {obj.name} · {obj.shortcode}{world}"


class UploadForm(forms.Form):
    """Whose statement it is, and the file."""

    config = ConfigChoice(
        PaymentConfig.objects.none(), label=gettext_lazy("Payment config"), empty_label=None
    )
    file = forms.FileField(
        label=gettext_lazy("Statement file"),
        allow_empty_file=True,
        widget=forms.ClearableFileInput(attrs={"accept": ".xlsx,.xls,.csv"}),
        help_text=gettext_lazy("Excel (.xlsx, .xls) or CSV, exactly as it was downloaded."),
    )

    def __init__(self, *args: Any, configs: QuerySet[PaymentConfig], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["config"].queryset = configs

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        most = settings.STATEMENT_MAX_MB
        if file.size > most * 1024**2:
            raise forms.ValidationError(sentence(problem(ProblemCode.TOO_LARGE, most)))
        return file


@admin.register(StatementImport)
class StatementImportAdmin(ShopScopedModelAdmin):
    """Read only, with buttons; the file itself is never handed out."""

    view_action = Action.RESOLVE_REVIEWS
    add_action = Action.RESOLVE_REVIEWS
    fence = Fence(branch="config__branch")
    change_list_template = f"{_TEMPLATES}/change_list.html"
    list_filter = [EnvironmentFilter, "status", ("shop", ScopedRelatedFilter)]
    list_select_related = ["shop", "config"]
    sortable_by: list[str] = []
    expected_errors = (PaymentsError,)
    object_actions = (APPLY, DISCARD)

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        rows = super().get_queryset(request).defer(*HEAVY)
        return rows.select_related("shop", "config")

    def get_list_display(self, request: HttpRequest) -> list[str]:
        shop = ["shop"] if sees_several_shops(request) else []
        return ["shown_file", "shown_status", "config_name", *shop, "shown_period", "lines",
                "uploaded_by", "uploaded_at"]  # fmt: skip

    @admin.display(description=gettext_lazy("file"))
    def shown_file(self, statement: StatementImport) -> str:
        return statement.filename

    @admin.display(description=gettext_lazy("status"))
    def shown_status(self, statement: StatementImport) -> str:
        return _status_badge(statement)

    @admin.display(description=gettext_lazy("payment config"))
    def config_name(self, statement: StatementImport) -> str:
        return str(statement.config)

    @admin.display(description=gettext_lazy("period"))
    def shown_period(self, statement: StatementImport) -> str:
        return tables.period(statement)

    @admin.display(description=gettext_lazy("lines"))
    def lines(self, statement: StatementImport) -> int:
        return statement.lines_total or statement.lines_read

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Take a file; the service looks at it from outside, a worker reads it."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        configs = _configs_for(request)
        is_post = request.method == "POST"
        form = UploadForm(*((request.POST, request.FILES) if is_post else ()), configs=configs)
        earlier = None
        if is_post and form.is_valid():
            try:
                return HttpResponseRedirect(self.page_of(_upload(request, form)))
            except StatementRefused as refused:
                form.add_error("file", sentence(refused.found))
            except UploadedBefore as known:
                earlier = known.earlier
        return self._upload_page(request, form, earlier, has_configs=configs.exists())

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> TemplateResponse:
        """Show how a statement stands; POST here has no meaning."""
        statement = self.get_permitted(request, object_id, self.view_action)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": statement,
            "title": statement.filename,
            "subtitle": str(statement.config),
            "badges": _badges(statement),
            "buttons": self.buttons(request, statement),
            "status": _status_badge(statement),
            "said": tables.said_of(statement),
            "hint": tables.hint_of(statement),
            "is_live": statement.status in _LIVE,
            "is_blocked": statement.status == StatementStatus.REFUSED,
            "progress": tables.progress_of(statement),
            "results": tables.results_of(statement),
            "links": _links(statement),
            "tables": [
                *tables.problems_of(statement),
                *tables.attention_table(statement),
                *tables.sample_table(statement),
            ],
            "facts": tables.facts_of(statement),
        }
        return TemplateResponse(request, f"{_TEMPLATES}/detail.html", context)

    def apply(self, request: HttpRequest, statement: StatementImport, *, reason: str) -> None:
        importing.start_applying(statement=statement, **_who(request, statement.shop_id, reason))
        tasks.ring_statements()

    def discard(self, request: HttpRequest, statement: StatementImport, *, reason: str) -> str:
        importing.discard(statement=statement, **_who(request, statement.shop_id, reason))
        return _("Discarded. Nothing of it is in the books.")

    def _upload_page(
        self,
        request: HttpRequest,
        form: UploadForm,
        earlier: StatementImport | None,
        *,
        has_configs: bool,
    ) -> TemplateResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": _("Upload a statement"),
            "title": _("Upload a statement"),
            "form": form,
            "has_configs": has_configs,
            "steps": _steps(),
            "earlier": earlier
            and {
                "url": self.page_of(earlier),
                "name": f"{earlier.filename}, {tables.moment(earlier.uploaded_at)}",
                "status": _status_badge(earlier),
            },
        }
        return TemplateResponse(request, f"{_TEMPLATES}/upload.html", context)


def _configs_for(request: HttpRequest) -> QuerySet[PaymentConfig]:
    """Return the M-Pesa configs whose statements this person may bring."""
    rows = rows_for(request.user, Action.RESOLVE_REVIEWS, _CONFIG_FENCE, now=timezone.now())
    of_mpesa = [each for each, family in FAMILY_OF.items() if family == ProviderFamily.MPESA]
    configs = PaymentConfig.objects.not_deleted().filter(rows, provider__in=of_mpesa)
    return configs.select_related("shop").order_by("shop__name", "-environment", "name")


def _upload(request: HttpRequest, form: UploadForm) -> StatementImport:
    config, file = form.cleaned_data["config"], form.cleaned_data["file"]
    statement = importing.upload(
        config=config,
        filename=file.name,
        raw=file.read(),
        **_who(request, config.shop_id, ""),
    )
    tasks.ring_statements()
    return statement


def _who(request: HttpRequest, shop_id: Any, reason: str) -> dict[str, Any]:
    role = request.user.role_in(shop_id)
    actor = Actor.from_user(request.user, request, role=role, reason=reason)
    return {"actor": actor, "now": timezone.now()}


def _steps() -> list[str]:
    return [
        _("Log in to the M-Pesa organisation portal (org.ke.m-pesa.com) in English."),
        _("Open Reports, or Search Transaction, for the account your customers pay to."),
        _("Choose a period, at most a month, and download the statement as Excel or CSV."),
        _("Do not open and save it: a spreadsheet program turns dates around."),
    ]


def _links(statement: StatementImport) -> list[dict[str, Any]]:
    """Lead from an applied statement to the days it covers, compared three ways."""
    since, until = statement.since, statement.until
    if statement.status != StatementStatus.APPLIED or since is None or until is None:
        return []
    asked = {
        "shop": statement.shop_id,
        "environment": statement.environment,
        "config": statement.config_id,
        "since": since.astimezone(NAIROBI).date(),
        "until": until.astimezone(NAIROBI).date(),
    }
    books = f"{reverse('admin:reconciliation_books')}?{urlencode(asked)}"
    return [{"label": _("Do the books agree now?"), "url": books}]


def _status_badge(statement: StatementImport) -> str:
    status = StatementStatus(statement.status)
    return badge(status.label, tables.STATUS_TONES.get(status, "quiet"))


def _badges(statement: StatementImport) -> list[Any]:
    """Mark what is no real money; the status stands where the page renews itself."""
    is_sandbox = _is_sandbox(statement)
    return [choice_badge(Environment, statement.environment)] if is_sandbox else []


def _is_sandbox(row: Any) -> bool:
    return bool(row.environment == Environment.SANDBOX)
