"""
What stands between a config and its first payment.

In the sandbox a verification is enough. In production real customers pay: control of the number must
be proven and a second person must have said yes to the config as it was verified; verified again
after a suspension, it is asked for again.
"""

from __future__ import annotations

from payments.choices import ConfigStatus, Environment, Provider
from payments.errors import InvalidTransition, NotVerified, ShortcodeClaimed
from payments.models import GoLiveApproval, PaymentConfig
from payments.services.shortcodes import is_taken
from payments.states import CONFIG_MOVES


def refuse_unready(config: PaymentConfig) -> None:
    """
    Refuse to switch on a config that may not take payments yet.

    :raises NotVerified: when it is not verified, or control of a live number is not proven.
    :raises InvalidTransition: when a live one waits for a second person's approval.
    :raises ShortcodeClaimed: when another shop proved a live number nobody could ask about here.
    """
    if config.status != ConfigStatus.VERIFIED:
        raise NotVerified(current=config.status)
    if config.environment != Environment.PRODUCTION:
        return
    if not config.has_api and config.provider != Provider.BANK_TRANSFER and is_taken(config):
        raise ShortcodeClaimed
    if needs_proof(config):
        detail = "Control of the shortcode is not proven: verify it with the owner's phone."
        raise NotVerified(detail, current=config.status, missing=["prompt"])
    if not is_approved(config):
        raise InvalidTransition(
            "A second person must approve it first: another admin of the shop, in the back office.",
            current=config.status,
            allowed=sorted(CONFIG_MOVES[config.status]),
            missing=["approval"],
        )


def needs_proof(config: PaymentConfig) -> bool:
    """Tell whether control is still to be proven; where nobody can be prompted, nothing proves it."""
    is_live = config.environment == Environment.PRODUCTION
    return is_live and config.has_api and config.proven_at is None


def is_approved(config: PaymentConfig) -> bool:
    """Tell whether a second person said yes to the config as it is verified now."""
    if config.verified_at is None:
        return False
    yes = GoLiveApproval.objects.filter(config=config, is_approved=True)
    return yes.filter(asked_at__gte=config.verified_at).exists()
