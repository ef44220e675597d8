"""
Common set-ups, as data: which drafts a shop begins with when it takes money that way.

A template says all that its drafts have in common; what only the shop knows is typed in. Credentials
come later, on each draft. To add one: a row in TEMPLATES.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from audit.actors import Actor
from payments.choices import Provider
from payments.errors import InvalidInput
from payments.models import PaymentConfig
from payments.references import MAX_PREFIX_LENGTH
from payments.services import configs
from payments.services.config_rules import RULES, ConfigFields
from tenants.models import Branch, Shop


@dataclass(frozen=True)
class Template:
    """A set-up: fields are what its drafts share; per_branch makes one draft for each branch."""

    key: str
    label: Any
    explanation: Any
    provider: str
    fields: dict[str, Any] = field(default_factory=dict)
    per_branch: bool = False

    @property
    def asks_store_number(self) -> bool:
        return RULES[self.provider].store_number is not None


TEMPLATES: dict[str, Template] = {
    row.key: row
    for row in (
        Template(
            "single_till",
            _("Single till"),
            _("One Buy Goods till for the whole shop: customers pay to a till number."),
            Provider.MPESA_TILL,
        ),
        # One paybill, whose account references say which branch sold (S0-99 allows it).
        Template(
            "paybill_with_branches",
            _("Paybill with branches"),
            _("One paybill, one draft for each branch; references begin with the branch's code."),
            Provider.MPESA_PAYBILL,
            per_branch=True,
        ),
        # Tried before whatever else the shop has, and for deliveries only.
        Template(
            "delivery_paybill",
            _("Delivery paybill"),
            _("A paybill of its own for deliveries; payments for other purposes do not use it."),
            Provider.MPESA_PAYBILL,
            {"purposes": ("delivery",), "account_prefix": "DEL"},
        ),
    )
}


def start_from_template(
    *,
    shop: Shop,
    environment: str,
    template: Template,
    name: str,
    shortcode: str,
    store_number: str = "",
    branches: Sequence[Branch] = (),
    actor: Actor,
    now: datetime,
) -> list[PaymentConfig]:
    """
    Make a template's drafts, all or none.

    :raises InvalidInput: when a field does not fit, or branches are needed and none is given.
    :raises DuplicateShortcode: when the shop and branch already has this shortcode.
    """
    if template.per_branch and not branches:
        detail = "Choose at least one branch."
        raise InvalidInput(detail, errors=[("branches", "required", detail)])
    places: Sequence[Branch | None] = branches or [None]
    account = {"shortcode": shortcode, "store_number": store_number}
    with transaction.atomic():
        return [
            configs.create_config(
                shop=shop,
                environment=environment,
                fields=_fields(template, place, name=name, account=account),
                actor=actor,
                now=now,
            )
            for place in places
        ]


def _fields(
    template: Template, branch: Branch | None, *, name: str, account: dict[str, str]
) -> ConfigFields:
    given = {"provider": template.provider, "branch": branch, **account, **template.fields}
    if template.per_branch and branch is not None:
        name = f"{name} {branch.name}"[:100]
        given["account_prefix"] = prefix_of(branch)
    return ConfigFields(name=name, **given)


def prefix_of(branch: Branch) -> str:
    """Make an account prefix of a branch's code: its letters and digits, as many as fit."""
    letters = "".join(sign for sign in branch.code.upper() if sign.isascii() and sign.isalnum())
    return letters[:MAX_PREFIX_LENGTH]
