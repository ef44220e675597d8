"""
What is done on this floor, told to whoever keeps a trail: the floor above listens.

One signal for all acts. It is sent in the transaction of the act, and a listener that fails fails
the act with it: nothing is done here that is not written down.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.dispatch import Signal

if TYPE_CHECKING:
    from django.db.models import Model
    from django.http import HttpRequest

    from tenants.models import User

# Arguments: action, instance, shop_id, by, before, after.
acted = Signal()


@dataclass(frozen=True)
class By:
    """Who acts, as far as this floor knows, and why he says so; without a user, the system."""

    user: User | None = None
    request: HttpRequest | None = None
    reason: str = ""

    @classmethod
    def request_of(cls, request: HttpRequest, reason: str = "") -> By:
        return cls(request.user, request, reason)


SYSTEM = By()


def tell(
    action: str,
    instance: Model,
    *,
    shop_id: Any,
    by: By = SYSTEM,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Tell what was done to a row: action is a dotted name, shop_id None the platform itself."""
    acted.send(
        sender=type(instance),
        action=action,
        instance=instance,
        shop_id=shop_id,
        by=by,
        before=before or {},
        after=after or {},
    )


def values_of(instance: Model, *names: str) -> dict[str, Any]:
    """Return fields as they are now, to be told as before or after."""
    return {name: getattr(instance, name) for name in names}
