"""The boxes of the queue's filter, with the choices this person may see."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from payments.models import PaymentConfig
from reconciliation.admin.exception_forms import people_of
from reconciliation.exception_filters import AGES, ME, NOBODY, reasons
from tenants.admin_access import Fence, branches_with, rows_for, shops_with
from tenants.admin_filters import MOST_CHOICES
from tenants.roles import Action

if TYPE_CHECKING:
    from tenants.models import User

Choices = list[tuple[str, Any]]


def filters_of(user: User, query: dict[str, str], *, now: datetime) -> list[dict[str, Any]]:
    """List the boxes; one with groups or choices is a drop-down, the others are typed into."""
    boxes = [
        _box("reason", _("Reason"), groups=_reasons()),
        _box("blocking", _("Holds the goods"), [("yes", _("Yes")), ("no", _("No"))]),
        _box("held_by", _("Who has it"), _holders(user)),
        _box("age", _("Age"), [(name, label) for name, (label, _least) in AGES.items()]),
        _box("smallest", _("From KES"), kind="text", mode="decimal"),
        _box("largest", _("Up to KES"), kind="text", mode="decimal"),
        _box("since", _("From"), kind="date"),
        _box("until", _("Until"), kind="date"),
        *_places(user, now=now),
    ]
    for box in boxes:
        box["value"] = query.get(box["name"], "")[:64]
    return boxes


def _box(
    name: str,
    label: Any,
    choices: Choices | None = None,
    *,
    groups: list[tuple[Any, Choices]] | None = None,
    kind: str = "select",
    mode: str = "",
) -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "groups": groups or ([("", choices)] if choices else []),
        "kind": kind,
        "mode": mode,
    }


def _reasons() -> list[tuple[Any, Choices]]:
    return [(group, list(found.items())) for group, found in reasons().items()]


def _holders(user: User) -> Choices:
    fixed: Choices = [(ME, _("Me")), (NOBODY, _("Nobody"))]
    if user.platform_role:
        return fixed
    others = people_of(shops_with(user, Action.RESOLVE_REVIEWS)).exclude(pk=user.pk)
    return [*fixed, *((str(each.pk), each.email) for each in others[:MOST_CHOICES])]


def _places(user: User, *, now: datetime) -> list[dict[str, Any]]:
    """Offer shops, branches and configs where there is more than one to choose from."""
    action = Action.VIEW_INBOX
    own = rows_for(user, action, Fence(branch="branch"), now=now)
    configs = PaymentConfig.objects.not_deleted().filter(own).order_by("name")
    found = {
        "shop": (_("Shop"), shops_with(user, action).order_by("name")),
        "branch": (_("Branch"), branches_with(user, action, now=now).order_by("name")),
        "config": (_("Payment config"), configs),
    }
    boxes = []
    for name, (label, rows) in found.items():
        choices = [(str(row.pk), str(row)) for row in rows[:MOST_CHOICES]]
        if len(choices) > 1:
            boxes.append(_box(name, label, choices))
    return boxes
