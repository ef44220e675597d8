"""The words of the three-way match, and what each of them tells a shop."""

from __future__ import annotations

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class MatchState(TextChoices):
    """How one receipt, payment or line of a statement stands between Safaricom's books and ours."""

    MATCHED = "matched", _("Agrees")
    ONLY_SAFARICOM = "only_safaricom", _("Only Safaricom has it")
    ONLY_US = "only_us", _("Only we have it")
    AMOUNT_DIFFERS = "amount_differs", _("The amount differs")
    REVERSED = "reversed", _("Taken back")
    NOT_COVERED = "not_covered", _("No statement yet")
    CHARGE = "charge", _("Charge")
    SETTLEMENT = "settlement", _("Settlement")


class DayVerdict(TextChoices):
    """One word for a day of an account."""

    AGREES = "agrees", _("Books agree")
    DIFFERS = "differs", _("Look here")
    PARTLY = "partly", _("Partly covered")
    NOT_COVERED = "not_covered", _("Not covered")


# A person must look; everything else is in order, or waits for a statement.
WRONG = frozenset({MatchState.ONLY_SAFARICOM, MatchState.ONLY_US, MatchState.AMOUNT_DIFFERS})
EXPLAINED = {
    MatchState.MATCHED: _("A payment of ours, and a line of Safaricom's statement of its amount."),
    MatchState.ONLY_SAFARICOM: _("Money came in that no payment of ours has."),
    MatchState.ONLY_US: _("A payment of ours that the statement of its time does not have."),
    MatchState.AMOUNT_DIFFERS: _("Both have it, with different amounts."),
    MatchState.REVERSED: _("The money went back to the customer."),
    MatchState.NOT_COVERED: _("A payment of ours from a time no statement was imported for."),
    MatchState.CHARGE: _("What Safaricom took for its service."),
    MatchState.SETTLEMENT: _("Money moved on, to the bank or to another account."),
}
