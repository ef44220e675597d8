"""
Two pages that send nothing: why this till, and which config serves which branch.

Both ask services/routing.py, the same code that chooses when a payment is taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django import forms
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

import payments.admin.shop_pages as shop_pages
from payments.admin.looks import choice_badge
from payments.admin.tables import table, why_badge
from payments.choices import ConfigHealth, Provider
from payments.errors import PaymentsError
from payments.models import PaymentConfig
from payments.models.configs import HIGHEST_AMOUNT
from payments.services import breakers, routing
from tenants.admin_looks import NONE, badge, shillings
from tenants.models import Branch, Shop
from tenants.roles import Action

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest

# Beyond this the matrix is a list nobody reads; a branch has its own page for the question.
MOST_BRANCHES = 200
_USUAL = (Provider.MPESA_TILL, Provider.MPESA_PAYBILL)


class WhyForm(forms.Form):
    """What if: a payment that is asked for nowhere."""

    branch = forms.ModelChoiceField(
        Branch.objects.none(),
        label=gettext_lazy("Branch"),
        required=False,
        empty_label=gettext_lazy("None: the shop as a whole"),
    )
    provider = forms.ChoiceField(
        label=gettext_lazy("Provider"),
        required=False,
        choices=[("", gettext_lazy("Any")), *Provider.choices],
    )
    amount = forms.IntegerField(
        label=gettext_lazy("Amount in shillings"),
        required=False,
        min_value=1,
        max_value=int(HIGHEST_AMOUNT),
    )
    purpose = forms.CharField(label=gettext_lazy("Purpose"), required=False, max_length=32)
    at = forms.DateTimeField(
        label=gettext_lazy("When"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text=gettext_lazy("Empty for now. Limits count what has been taken so far."),
    )
    down = forms.ModelMultipleChoiceField(
        PaymentConfig.objects.none(),
        label=gettext_lazy("Suppose these are down"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )

    def __init__(
        self,
        *args: Any,
        branches: QuerySet[Branch],
        configs: QuerySet[PaymentConfig],
        needs_branch: bool,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.fields["branch"].queryset = branches
        self.fields["branch"].required = needs_branch
        self.fields["down"].queryset = configs
        if not configs:
            del self.fields["down"]


class RoutingPages:
    """Adds "Why this till?" and the branch matrix to the admin of configs."""

    def why_view(self, request: HttpRequest) -> Any:
        """Tell of each candidate why it would be chosen or not; nothing is sent."""
        shop = shop_pages.pick_shop(request, Action.VIEW_CONFIGS)
        title = _("Why this till?")
        if shop is None:
            return shop_pages.page(self, request, None, title=title)
        environment = shop_pages.environment_of(request, shop)
        form = _why_form(request, shop, environment)
        found = _resolve(shop, environment, form.cleaned_data) if form.is_valid() else None
        return shop_pages.page(
            self,
            request,
            shop,
            title=title,
            environments=shop_pages.environment_links(request, shop, environment),
            hint=_("Nothing is sent and nobody is asked: this is the choice a payment would get."),
            form=form,
            method="get",
            hidden={"shop": shop.pk, "environment": environment, "ask": 1},
            submit=_("Tell me"),
            verdict=found and _verdict(found),
            tables=[_steps_table(found)] if found and found.steps else [],
        )

    def matrix_view(self, request: HttpRequest) -> Any:
        """Show which config serves each branch and provider, and where nothing does."""
        shop = shop_pages.pick_shop(request, Action.VIEW_CONFIGS)
        title = _("Who serves which branch")
        if shop is None:
            return shop_pages.page(self, request, None, title=title)
        environment = shop_pages.environment_of(request, shop)
        return shop_pages.page(
            self,
            request,
            shop,
            title=title,
            environments=shop_pages.environment_links(request, shop, environment),
            hint=_("For any amount and purpose, as things stand now."),
            tables=[_matrix(request, shop, environment)],
        )


def breaker_facts(config: PaymentConfig) -> list[tuple[str, Any]]:
    """Tell of failures in a row, and until when they keep the config out of use."""
    breaker = getattr(config, "breaker", None)
    if breaker is None or not breaker.failures:
        return []
    failures = f"{breaker.failures} · {breaker.last_error}"
    facts: list[tuple[str, Any]] = [(_("Failures in a row"), failures)]
    if until := breakers.resting_until(config):
        facts.append((_("Left alone until"), until))
    return facts


def _why_form(request: HttpRequest, shop: Shop, environment: str) -> WhyForm:
    needs_branch = shop_pages.branch_ids_of(request, shop) is not None
    return WhyForm(
        request.GET if "ask" in request.GET else (None if needs_branch else {}),
        branches=shop_pages.branches_of(request, shop),
        configs=shop_pages.configs_of(request, shop).filter(environment=environment),
        needs_branch=needs_branch,
    )


def _resolve(shop: Shop, environment: str, given: dict[str, Any]) -> routing.Resolution:
    branch, amount = given["branch"], given["amount"]
    return routing.resolve(
        shop_id=shop.pk,
        environment=environment,
        branch_id=branch.pk if branch else None,
        provider=given["provider"] or None,
        amount=None if amount is None else Decimal(amount),
        purpose=given["purpose"],
        down=[config.pk for config in given.get("down", ())],
        now=given["at"] or timezone.now(),
    )


def _verdict(resolution: routing.Resolution) -> dict[str, Any]:
    """Say in one sentence what a till would get."""
    if resolution.chosen is not None:
        text = _("The payment would go through %(config)s.") % {"config": resolution.chosen}
        return {"text": text, "is_bad": False}
    try:
        resolution.raise_if_empty()
    except PaymentsError as error:
        return {"text": _("The till would be refused: %(code)s.") % {"code": error.code},
                "detail": _(error.detail), "is_bad": True}  # fmt: skip
    raise AssertionError("a resolution without a choice has a reason")


def _steps_table(resolution: routing.Resolution) -> dict[str, Any]:
    columns = [
        _("No."),
        _("Config"),
        _("Level"),
        _("Priority"),
        _("Amounts"),
        _("Purposes"),
        _("Health"),
        _("Why"),
    ]
    rows = [_step_row(number, step) for number, step in enumerate(resolution.steps, start=1)]
    return table(_("Candidates, in the order in which they are tried"), columns, rows)


def _step_row(number: int, step: routing.ResolutionStep) -> list[Any]:
    config = step.config
    return [
        number,
        str(config),
        _("Branch") if step.level == "branch" else _("Shop"),
        f"{config.priority} · {_('Default')}" if config.is_default else config.priority,
        f"{shillings(config.min_amount)} … {shillings(config.max_amount)}",
        ", ".join(config.purposes) or NONE,
        choice_badge(ConfigHealth, config.health),
        _why(step),
    ]


def _why(step: routing.ResolutionStep) -> SafeString:
    why = why_badge(step.why)
    if step.retry_after:
        wait = _("tried again in %(seconds)s s") % {"seconds": step.retry_after}
        return why + format_html("<small>{}</small>", wait)
    if step.why in {routing.Why.CHOSEN, routing.Why.LOWER_PRIORITY} and breakers.is_tripped(
        step.config
    ):
        return why + badge(_("One payment tries it"), "warn")
    return why


def _matrix(request: HttpRequest, shop: Shop, environment: str) -> dict[str, Any]:
    places: list[Branch | None] = list(
        shop_pages.branches_of(request, shop).filter(is_active=True)[:MOST_BRANCHES]
    )
    if shop_pages.branch_ids_of(request, shop) is None:
        places.insert(0, None)
    found = [(place, _serving(shop, environment, place)) for place in places]
    providers = _providers(found)
    columns = [_("Branch"), _("Takes payments by"), *(p.label for p in providers)]
    rows = [
        [
            place.name if place else _("No branch"),
            _cell(resolution),
            *(_cell(_of_provider(resolution, provider)) for provider in providers),
        ]
        for place, resolution in found
    ]
    return table(_("Branches and providers"), columns, rows)


def _serving(shop: Shop, environment: str, place: Branch | None) -> routing.Resolution:
    return routing.resolve(
        shop_id=shop.pk,
        environment=environment,
        branch_id=place.pk if place else None,
        now=timezone.now(),
    )


def _providers(found: list[tuple[Branch | None, routing.Resolution]]) -> list[Provider]:
    """Return the providers that any config speaks of, and the usual two."""
    used = {step.config.provider for _place, resolution in found for step in resolution.steps}
    return [provider for provider in Provider if provider in used or provider in _USUAL]


def _of_provider(resolution: routing.Resolution, provider: str) -> routing.Resolution:
    """Narrow a resolution to one provider: the order is the same, the first usable is chosen."""
    return routing.Resolution([s for s in resolution.steps if s.config.provider == provider])


def _cell(resolution: routing.Resolution) -> SafeString:
    """Name the config that serves; where none does, what the nearest one lacks."""
    usable = resolution.candidates
    if usable:
        first = usable[0]
        level = _("its own") if first.branch_id else _("the shop's")
        return badge(str(first), "good") + format_html("<small>{}</small>", level)
    missing = list(_missing(resolution))
    return missing[0] if missing else badge(_("Nothing"), "bad")


def _missing(resolution: routing.Resolution) -> Iterator[SafeString]:
    for step in resolution.steps:
        label = routing.Why(step.why).label
        yield badge(_("Gap"), "bad") + format_html("<small>{}: {}</small>", step.config, label)
