"""What the "try a reference" box answers: the rule that wins, why the others lost, who is meant."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from payments import references
from payments.admin.looks import choice_badge
from payments.admin.tables import Table, table
from payments.choices import PaymentStatus
from payments.models.configs import HIGHEST_AMOUNT
from payments.services import account_rules, near_references
from payments.services.account_rules import STAR, RuleStep
from tenants.admin_looks import NONE, badge, shillings

if TYPE_CHECKING:
    from payments.models import AccountRule, PaymentConfig

_MOST_NEAR = 5
# Of a person bound to some branches, who may see but a few of those that are near.
_MOST_LOOKED_AT = 50


class TryForm(forms.Form):
    """A reference as a payer could type it; the amount tells payments of the same sum apart."""

    reference = forms.CharField(
        label=gettext_lazy("What the payer typed"),
        required=False,
        max_length=account_rules.MAX_PATTERN,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    amount = forms.DecimalField(
        label=gettext_lazy("Amount in shillings"),
        required=False,
        min_value=1,
        max_value=HIGHEST_AMOUNT,
        decimal_places=2,
        help_text=gettext_lazy("Empty where it does not matter."),
    )


def tried(
    config: PaymentConfig,
    given: dict[str, Any],
    *,
    branch_ids: Collection[uuid.UUID] | None,
    now: datetime,
) -> dict[str, Any]:
    """Explain a reference step by step; nothing is saved."""
    typed = given["reference"]
    steps = account_rules.explain(config, typed)
    return {
        "verdict": _verdict(typed, steps),
        "check": _check(config, typed),
        "tables": [
            each
            for each in (_steps_table(steps), _near(config, given, branch_ids, now))
            if each["rows"]
        ],
    }


def rules_table(config: PaymentConfig) -> Table:
    """List the rules for those who may only look."""
    columns = [_("A reference that"), _("means")]
    rows = [[_fits(rule), _means(rule)] for rule in account_rules.rules_of(config)]
    return table(_("Rules"), columns, rows)


def _verdict(typed: str, steps: list[RuleStep]) -> dict[str, Any]:
    winner = next((step for step in steps if step.wins), None)
    shown = account_rules.normalise(typed) or _("no reference")
    if winner is None:
        text = _("No rule says anything of %(reference)s.") % {"reference": shown}
        return {
            "text": text,
            "detail": _("The payment gets no label and no branch."),
            "is_bad": True,
        }
    text = _("%(reference)s means: %(meaning)s") % {
        "reference": shown,
        "meaning": _means(winner.rule),
    }
    return {"text": text, "detail": winner.why, "is_bad": False}


def _check(config: PaymentConfig, typed: str) -> str:
    """Tell what the check character says; a shop's own account has none."""
    if not typed.strip():
        return ""
    if references.is_well_formed(typed, config.account_prefix):
        return _("It has the form of a reference Malipo made, and its check character fits.")
    if references.is_shaped_like_ours(typed, config.account_prefix):
        return _(
            "It looks like a reference Malipo made, but its check character does not fit: something"
            " was mistyped."
        )
    return _("It is not a reference Malipo made; it has no check character to look at.")


def _steps_table(steps: list[RuleStep]) -> Table:
    columns = [_("A reference that"), _("means"), _("Result"), _("Why")]
    rows = [[_fits(step.rule), _means(step.rule), _result(step), step.why] for step in steps]
    return table(_("How the rules were weighed, strongest first"), columns, rows)


def _near(
    config: PaymentConfig,
    given: dict[str, Any],
    branch_ids: Collection[uuid.UUID] | None,
    now: datetime,
) -> Table:
    found = near_references.suggest(
        shop_id=config.shop_id,
        environment=config.environment,
        config=config,
        typed=given["reference"],
        amount=given["amount"],
        now=now,
        limit=_MOST_LOOKED_AT,
    )
    seen = [n for n in found if branch_ids is None or n.payment.branch_id in branch_ids]
    columns = [_("Reference"), _("Amount"), _("Status"), _("Asked for"), _("Why")]
    rows = [
        [
            near.payment.account_reference,
            shillings(near.payment.amount),
            choice_badge(PaymentStatus, near.payment.status),
            near.payment.created_at,
            near.why,
        ]
        for near in seen[:_MOST_NEAR]
    ]
    return table(_("Did they mean one of these open payments?"), columns, rows)


def _fits(rule: AccountRule) -> str:
    said = {
        "exact": _("is exactly %(pattern)s"),
        "prefix": _("begins with %(pattern)s"),
        "default": _("is anything else"),
    }
    return said[rule.kind] % {"pattern": f"{rule.pattern}{STAR if rule.kind == 'prefix' else ''}"}


def _means(rule: AccountRule) -> str:
    parts = [rule.label, str(rule.branch) if rule.branch else "", rule.order_ref]
    return " · ".join(part for part in parts if part) or NONE


def _result(step: RuleStep) -> Any:
    if step.wins:
        return badge(_("Wins"), "good")
    return badge(_("Fits, but loses"), "wait") if step.fits else badge(_("Does not fit"), "quiet")
