"""Where a cashier stands: shop, world and branch; and what he asked about a moment ago."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.core import signing
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.urls import reverse
from django.utils import timezone

from payments.choices import Environment
from payments.models import Payment, PaymentConfig
from payments.services.receipt_checks import Shown
from tenants.admin_access import branches_with, is_bound, shops_with
from tenants.models import Branch, Shop
from tenants.roles import Action, may

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest

    from audit.actors import Actor

_ACTION = Action.CLAIM_RECEIPTS
# Long enough for Safaricom's answer, too short to leave a page open that looks up codes.
_AGAIN_FOR_S = 900
_SALT = "receipt-check"


@dataclass(frozen=True)
class Place:
    """A shop in one world; branch where there is no choice, branches where there is."""

    shop: Shop
    environment: str
    environments: list[dict[str, Any]]
    branch: Branch | None
    branches: QuerySet[Branch] | None
    # Bound to several branches: he says in which one he stands, and sees what is seen there.
    needs_branch: bool = False

    @property
    def url(self) -> str:
        query = {"shop": self.shop.pk, "environment": self.environment}
        return f"{reverse('admin:payments_receiptcheck_check')}?{urlencode(query)}"

    @property
    def is_sandbox(self) -> bool:
        return self.environment == Environment.SANDBOX

    def where(self) -> dict[str, Any]:
        return {"shop": self.shop, "environment": self.environment}


def shops_of(request: HttpRequest) -> QuerySet[Shop]:
    """Return the shops in which this person checks receipts."""
    return shops_with(request.user, _ACTION).order_by("name")


def place_of(request: HttpRequest) -> Place | None:
    """
    Return where the person stands; None while he has to say in which shop.

    Answers 404 for a shop that is not his, as for one that does not exist.
    """
    shops = shops_of(request)
    named = request.POST.get("shop") or request.GET.get("shop")
    found = list(shops.filter(pk=_uuid(named)) if named else shops[:2])
    if named and not found:
        raise Http404
    if len(found) != 1:
        return None
    shop = found[0]
    if not may(request.user.role_in(shop.pk), _ACTION):
        raise PermissionDenied
    environment = _environment(request, shop)
    branch, branches = _branches(request, shop)
    needs_branch = branches is not None and is_bound(request.user, shop.pk)
    return Place(shop, environment, _links(shop, environment), branch, branches, needs_branch)


def token_of(request: HttpRequest, place: Place, shown: Shown, branch: Branch | None) -> str:
    """Return what lets this person look again for what he asked, for a while; never the message."""
    kept = [
        str(request.user.pk),
        str(place.shop.pk),
        place.environment,
        shown.number,
        "" if shown.amount is None else str(shown.amount),
        shown.last3,
        str((branch or place.branch or Branch(pk=None)).pk or ""),
    ]
    return signing.dumps(kept, salt=_SALT)


def shown_by(request: HttpRequest, place: Place) -> tuple[Shown, Branch | None] | None:
    """Return what a token stands for, None where it is old or another person's or shop's."""
    try:
        kept = signing.loads(request.GET.get("again", ""), salt=_SALT, max_age=_AGAIN_FOR_S)
    except signing.BadSignature:
        return None
    user, shop, environment, number, amount, last3, branch_id = kept
    if (user, shop, environment) != (str(request.user.pk), str(place.shop.pk), place.environment):
        return None
    branch = place.branch
    if branch is None and branch_id and place.branches is not None:
        branch = place.branches.filter(pk=branch_id).first()
    if branch is None and place.needs_branch:
        return None
    return Shown(number, None, Decimal(amount) if amount else None, last3), branch


def own_claim(place: Place, given: dict[str, Any], actor: Actor) -> Payment | None:
    """Return the payment if this very claim was made a moment ago: the button was pressed twice."""
    rows = Payment.objects.filter(
        shop=place.shop, environment=place.environment, order_ref=given["order_ref"]
    )
    return rows.filter(
        receipts__number=given["receipt_number"].upper(),
        receipts__claimed_by=actor.label[:254],
        receipts__amount=given["amount"],
    ).first()


def _environment(request: HttpRequest, shop: Shop) -> str:
    asked = request.POST.get("environment") or request.GET.get("environment")
    if asked in Environment.values:
        return str(asked)
    rows = PaymentConfig.objects.not_deleted().filter(shop=shop)
    is_live = rows.filter(environment=Environment.PRODUCTION).exists()
    return str(Environment.PRODUCTION if is_live else Environment.SANDBOX)


def _links(shop: Shop, chosen: str) -> list[dict[str, Any]]:
    page = reverse("admin:payments_receiptcheck_check")
    return [
        {
            "label": label,
            "url": f"{page}?{urlencode({'shop': shop.pk, 'environment': value})}",
            "is_chosen": value == chosen,
        }
        for value, label in reversed(Environment.choices)
    ]


def _branches(request: HttpRequest, shop: Shop) -> tuple[Branch | None, QuerySet[Branch] | None]:
    """Return the one branch a person is bound to, or those he may choose from, if any."""
    rows = branches_with(request.user, _ACTION, now=timezone.now())
    rows = rows.filter(shop=shop, is_active=True).order_by("name")
    if not is_bound(request.user, shop.pk):
        return None, rows or None
    own = list(rows[:2])
    if not own:
        raise PermissionDenied
    return (own[0], None) if len(own) == 1 else (None, rows)


def _uuid(text: str | None) -> uuid.UUID:
    try:
        return uuid.UUID(text or "")
    except ValueError as error:
        raise Http404 from error
