"""
A config's account rules: their editor, and the box that explains what a typed reference would mean.

The box asks by GET and changes nothing. The editor is a form of lines: an empty line is no rule, a
ticked one is taken away; what the service refuses is shown at its line.
"""

from __future__ import annotations

import json
import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

import payments.admin.shop_pages as shop_pages
from payments.admin.account_tries import TryForm, rules_table, tried
from payments.errors import InvalidInput
from payments.receipt_choices import RuleKind
from payments.services import account_rules
from payments.services.account_rule_changes import MAX_LABEL, MAX_RULES, NewRule, save_rules
from tenants.admin_base import reason_field
from tenants.models import Branch
from tenants.roles import Action, Grant

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern

    from payments.models import AccountRule, PaymentConfig

_TEMPLATE = "admin/payments/paymentconfig/account_rules.html"
# Enough to write down what one has in mind; saving brings as many again.
_BLANK_LINES = 3
_LINE_ERROR = re.compile(r"account_rules\.([0-9]+)\.([a-z_]+)")


class RuleLine(forms.Form):
    """One line of the editor; the service judges what is typed."""

    kind = forms.ChoiceField(
        label=gettext_lazy("A reference that"),
        choices=[
            (RuleKind.EXACT, gettext_lazy("is exactly")),
            (RuleKind.PREFIX, gettext_lazy("begins with")),
            (RuleKind.DEFAULT, gettext_lazy("is anything else")),
        ],
        initial=RuleKind.EXACT,
    )
    pattern = forms.CharField(
        label=gettext_lazy("Reference"),
        required=False,
        max_length=account_rules.MAX_PATTERN + 1,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "characters"}),
    )
    label = forms.CharField(label=gettext_lazy("Label"), required=False, max_length=MAX_LABEL)
    branch = forms.ModelChoiceField(
        Branch.objects.none(),
        label=gettext_lazy("Branch"),
        required=False,
        empty_label=gettext_lazy("None"),
    )
    order_ref = forms.CharField(
        label=gettext_lazy("Order reference"), required=False, max_length=64
    )

    def __init__(self, *args: Any, branches: QuerySet[Branch], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["branch"].queryset = branches

    @property
    def is_kept(self) -> bool:
        """Tell whether the line holds a rule that stays."""
        given = self.cleaned_data
        says = [given.get(name) for name in _FIELDS[1:]]
        is_rule = any(says) or given.get("kind") == RuleKind.DEFAULT
        return is_rule and not given.get("DELETE")

    def rule(self) -> NewRule:
        given = self.cleaned_data
        return NewRule(**{name: given[name] for name in _FIELDS})


_FIELDS = ("kind", "pattern", "label", "branch", "order_ref")


class RuleLines(forms.BaseFormSet):
    """All lines, and whether somebody else changed the rules since they were shown."""

    def __init__(self, *args: Any, seen: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.seen = seen

    def kept(self) -> list[RuleLine]:
        return [line for line in self.forms if line.is_kept]

    def clean(self) -> None:
        if self.data.get("seen") != self.seen:
            said = _("Somebody else changed the rules meanwhile: look at them again.")
            raise forms.ValidationError(said)

    def show(self, refusal: InvalidInput) -> None:
        """Put what the service said at the line it is about."""
        for field, _code, detail in refusal.errors:
            found = _LINE_ERROR.fullmatch(field)
            if found is None:
                self.non_form_errors().append(_(detail))
            else:
                self.kept()[int(found[1])].add_error(found[2], _(detail))


class RulePages:
    """Adds the page of account rules, and its button, to the admin of configs."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.rules_view)
        name = "payments_paymentconfig_rules"
        return [path("<path:object_id>/rules/", view, name=name), *super().get_urls()]

    def buttons(self, request: HttpRequest, obj: PaymentConfig) -> list[dict[str, Any]]:
        buttons = super().buttons(request, obj)
        if self.grant_on(request, self.view_action, obj) is Grant.STATUS_ONLY:
            return buttons
        return [{"label": _("Account rules"), "url": self._url_named("rules", obj.pk)}, *buttons]

    def rules_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        config = self.get_permitted(request, object_id, self.view_action)
        if self.grant_on(request, self.view_action, config) is Grant.STATUS_ONLY:
            raise PermissionDenied
        if request.method not in {"GET", "POST"}:
            return HttpResponseNotAllowed(["GET", "POST"])
        if request.method == "POST":
            config = self.get_permitted(request, object_id, Action.MANAGE_CONFIGS)
        may_edit = self.may_do(request, Action.MANAGE_CONFIGS, config)
        lines, reason = self._editor(request, config) if may_edit else (None, None)
        if (
            lines is not None
            and request.method == "POST"
            and self._save(request, config, lines, reason)
        ):
            return HttpResponseRedirect(request.path)
        return TemplateResponse(request, _TEMPLATE, self._context(request, config, lines, reason))

    def _editor(
        self, request: HttpRequest, config: PaymentConfig
    ) -> tuple[RuleLines, forms.Form | None]:
        rules = account_rules.rules_of(config)
        make = forms.formset_factory(
            RuleLine,
            formset=RuleLines,
            extra=_BLANK_LINES,
            can_delete=True,
            max_num=MAX_RULES,
            absolute_max=MAX_RULES + _BLANK_LINES,
        )
        data = request.POST if request.method == "POST" else None
        lines = make(
            data,
            initial=[{name: getattr(rule, name) for name in _FIELDS} for rule in rules],
            prefix="rule",
            seen=_digest(rules),
            form_kwargs={"branches": _branches(request, config, rules)},
        )
        asks_reason = self.grant_on(request, Action.MANAGE_CONFIGS, config) is Grant.WITH_REASON
        return lines, ReasonForm(data) if asks_reason else None

    def _save(
        self,
        request: HttpRequest,
        config: PaymentConfig,
        lines: RuleLines,
        reason: forms.Form | None,
    ) -> bool:
        if not lines.is_valid() or (reason is not None and not reason.is_valid()):
            return False
        why = reason.cleaned_data["reason"] if reason else ""
        rules = [line.rule() for line in lines.kept()]
        try:
            save_rules(config=config, rules=rules, **self._who(request, config, why))
        except InvalidInput as error:
            lines.show(error)
            return False
        messages.success(request, _("The account rules are saved."))
        return True

    def _context(
        self,
        request: HttpRequest,
        config: PaymentConfig,
        lines: RuleLines | None,
        reason: forms.Form | None,
    ) -> dict[str, Any]:
        form = TryForm(request.GET if "reference" in request.GET else None)
        branch_ids = shop_pages.branch_ids_of(request, config.shop)
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": config,
            "title": _("Account rules"),
            "subtitle": str(config),
            "back": self.page_of(config),
            "form": form,
            "tried": tried(config, form.cleaned_data, branch_ids=branch_ids, now=timezone.now())
            if form.is_valid()
            else None,
            "lines": lines,
            "reason": reason,
            "table": rules_table(config),
        }


class ReasonForm(forms.Form):
    reason = reason_field(required=True)


def _branches(
    request: HttpRequest, config: PaymentConfig, rules: list[AccountRule]
) -> QuerySet[Branch]:
    """Offer the person's own branches, and those the rules name already."""
    own = shop_pages.branches_of(request, config.shop).filter(is_active=True)
    named = [rule.branch_id for rule in rules if rule.branch_id]
    chosen = {*own.values_list("pk", flat=True), *named}
    return Branch.objects.filter(shop=config.shop_id, pk__in=chosen).order_by("name")


def _digest(rules: list[AccountRule]) -> str:
    """Name the rules the editor shows; another name means that they changed."""
    written = [[str(getattr(rule, name)) for name in _FIELDS] for rule in rules]
    return sha256(json.dumps(written).encode()).hexdigest()
