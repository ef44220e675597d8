"""
How far a config's set-up has come, and what comes next: one list, for every page that shows it.

Steps in their order; the first that is not done is the next one. What only Safaricom's portal can
undo is blocked: it is told, and does not hide what comes after.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from django.utils.translation import gettext_noop as _

from payments.choices import ConfigStatus, Environment
from payments.errors import InvalidInput
from payments.models import PaymentConfig
from payments.providers import registry
from payments.services import approvals, c2b_urls, config_secrets, go_live
from payments.services.config_rules import ConfigFields, check_fields, missing_secrets


class StepState(Enum):
    DONE = "done"
    NEXT = "next"
    LATER = "later"
    BLOCKED = "blocked"


@dataclass(frozen=True)
class Step:
    """One step: its name, its state, and a sentence saying what to do or what was done."""

    name: str
    state: StepState
    says: str = ""


@dataclass(frozen=True)
class _Checked:
    name: str
    is_done: bool
    says: str
    is_blocked: bool = False


_VERIFY_SAYS: dict[str, str] = {
    ConfigStatus.DRAFT: _("Let the doctor look at it: stage by stage, in seconds."),
    ConfigStatus.PENDING: _("Not decided yet: see below what is missing, and verify again."),
    ConfigStatus.FAILED: _("Correct what the doctor found, and verify again."),
    ConfigStatus.SUSPENDED: _("It is suspended. Restoring verifies it again."),
    ConfigStatus.EXPIRED: _("Its credentials are expired: enter new ones first."),
    ConfigStatus.VERIFIED: _("The doctor found nothing wrong."),
}


# By whether somebody can be asked; what it says once it is done, and before.
_ACTIVATE_SAYS: dict[bool, tuple[str, str]] = {
    True: (
        _("Payments may be taken with it."),
        _("Switch it on: from then on payments use it."),
    ),
    False: (
        _("Money by hand or by statement is kept under it; no prompt is sent."),
        _("Switch it on: money by hand or by statement is then kept under it."),
    ),
}


def steps_of(config: PaymentConfig) -> list[Step]:
    """Return the steps of this config's set-up, with exactly one next one until all are done."""
    steps: list[Step] = []
    has_next = False
    for each in _checked(config):
        if each.is_done:
            state = StepState.DONE
        elif each.is_blocked:
            state = StepState.BLOCKED
        else:
            state = StepState.LATER if has_next else StepState.NEXT
            has_next = True
        steps.append(Step(each.name, state, each.says))
    return steps


def next_step(config: PaymentConfig) -> Step | None:
    """Return the step to be done now, None when all are done or somebody else must act."""
    return next((step for step in steps_of(config) if step.state is StepState.NEXT), None)


def _checked(config: PaymentConfig) -> list[_Checked]:
    credentials = [_credentials(config)] if config.has_api else []
    checked = [_details(config), *credentials, _verified(config)]
    if config.has_api and registry.supports(config.provider, "register_urls"):
        checked.append(_urls(config))
    if config.environment == Environment.PRODUCTION:
        checked.append(_approved(config))
    activated, to_do = _ACTIVATE_SAYS[config.has_api]
    says = activated if config.is_active else to_do
    return [*checked, _Checked("activate", config.is_active, says)]


def _details(config: PaymentConfig) -> _Checked:
    try:
        check_fields(ConfigFields.of(config), shop_id=config.shop_id)
    except InvalidInput as error:
        return _Checked("details", is_done=False, says=error.detail)
    return _Checked("details", is_done=True, says=_("The account's details are complete."))


def _credentials(config: PaymentConfig) -> _Checked:
    version = config_secrets.current_of(config)
    missing = missing_secrets(version.secrets if version else (), provider=config.provider)
    says = _("Enter the credentials below; they are never shown again.")
    done = _("The credentials are sealed; nobody can read them.")
    return _Checked("credentials", not missing, says if missing else done)


def _verified(config: PaymentConfig) -> _Checked:
    if config.status == ConfigStatus.VERIFIED and go_live.needs_proof(config):
        says = _("Prove control: verify it with the owner's phone at hand. It costs KES 1.")
        return _Checked("verify", is_done=False, says=says)
    return _Checked("verify", config.status == ConfigStatus.VERIFIED, _VERIFY_SAYS[config.status])


def _urls(config: PaymentConfig) -> _Checked:
    found = c2b_urls.look(config)
    if found.name == "urls_ours":
        return _Checked("register", is_done=True, says=found.finding.message)
    is_blocked = found.name != "urls_unknown"
    says = found.finding.next_action
    return _Checked("register", is_done=False, says=says, is_blocked=is_blocked)


def _approved(config: PaymentConfig) -> _Checked:
    if go_live.is_approved(config):
        return _Checked("approve", is_done=True, says=_("A second person said yes."))
    if approvals.open_approval(config) is not None:
        says = _("Asked for: a second person must say yes.")
        return _Checked("approve", is_done=False, says=says)
    says = _("Ask a second person: another admin of the shop, or platform staff.")
    return _Checked("approve", is_done=False, says=says)
