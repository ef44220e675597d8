"""
What a typed account reference means to the shop: a label, a branch, an order.

Exact beats the longest beginning, which beats the default. Upper and lower case are one, blanks
around it do not count, zeros do. Patterns are stored in upper case, so that the unique index knows
it too; a rule is found with one look into that index, however many rules there are.
"""

from __future__ import annotations

import unicodedata
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.translation import gettext as _

from payments.models import AccountRule, PaymentConfig
from payments.receipt_choices import RuleKind

MAX_PATTERN = 40
STAR = "*"
RANK = {RuleKind.EXACT: 0, RuleKind.PREFIX: 1, RuleKind.DEFAULT: 2}


@dataclass(frozen=True)
class RuleMatch:
    """The rule that decides about a reference."""

    rule: AccountRule

    @property
    def label(self) -> str:
        return self.rule.label

    @property
    def branch_id(self) -> uuid.UUID | None:
        return self.rule.branch_id

    @property
    def order_ref(self) -> str:
        return self.rule.order_ref

    @property
    def is_named(self) -> bool:
        """Tell whether the shop knows this account; the default knows none in particular."""
        return self.rule.kind != RuleKind.DEFAULT

    @property
    def why(self) -> str:
        """One sentence for a person, in the language of whoever reads it."""
        said = {
            RuleKind.EXACT: _("It is exactly %(pattern)s."),
            RuleKind.PREFIX: _("It begins with %(pattern)s, and no longer beginning fits."),
            RuleKind.DEFAULT: _("No other rule fits, so the rule for everything else does."),
        }
        return said[RuleKind(self.rule.kind)] % {"pattern": self.rule.pattern}


@dataclass(frozen=True)
class RuleStep:
    """One rule and what it had to say about a reference."""

    rule: AccountRule
    fits: bool
    wins: bool
    why: str


def normalise(reference: str) -> str:
    """Return a reference as rules see it: upper case, without blanks around it or hidden signs."""
    return upper("".join(sign for sign in reference if is_text(sign)))


def upper(text: str) -> str:
    """Bring text into the one form and case in which patterns are stored."""
    return unicodedata.normalize("NFC", text).strip().upper()


def is_text(text: str) -> bool:
    """Tell whether every sign can be seen."""
    return not any(unicodedata.category(sign) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for sign in text)


def match(config: PaymentConfig, reference: str) -> RuleMatch | None:
    """Find the rule that decides about a reference, with one query; None where none does."""
    text = normalise(reference)
    # The default's pattern is the empty beginning.
    possible = [text[:length] for length in range(min(len(text), MAX_PATTERN) + 1)]
    rules = AccountRule.objects.filter(config=config, pattern__in=possible)
    return _best(rules, text)


def explain(config: PaymentConfig, reference: str) -> list[RuleStep]:
    """Say of every rule, strongest first, whether it fits a reference and why it wins or not."""
    text = normalise(reference)
    rules = sorted(rules_of(config), key=_strength)
    best = _best(rules, text)
    winner = best.rule if best else None
    return [_step(rule, text, best if rule == winner else None, winner) for rule in rules]


def rules_of(config: PaymentConfig) -> list[AccountRule]:
    """Return a config's rules, strongest kind first, as their editor shows them."""
    rules = AccountRule.objects.filter(config=config).select_related("branch")
    return sorted(rules, key=lambda rule: (RANK[RuleKind(rule.kind)], rule.pattern))


def _best(rules: Iterable[AccountRule], text: str) -> RuleMatch | None:
    fitting = sorted((rule for rule in rules if _fits(rule, text)), key=_strength)
    return RuleMatch(fitting[0]) if fitting else None


def _fits(rule: AccountRule, text: str) -> bool:
    if rule.kind == RuleKind.EXACT:
        return bool(text == rule.pattern)
    return rule.kind == RuleKind.DEFAULT or text.startswith(rule.pattern)


def _strength(rule: AccountRule) -> tuple[int, int, str]:
    """Order rules as they win: by kind, longer beginnings first."""
    return RANK[RuleKind(rule.kind)], -len(rule.pattern), rule.pattern


def _step(
    rule: AccountRule, text: str, won: RuleMatch | None, winner: AccountRule | None
) -> RuleStep:
    fits = _fits(rule, text)
    if won is not None:
        return RuleStep(rule, fits, wins=True, why=won.why)
    if not fits:
        said = {
            RuleKind.EXACT: _("It is not exactly this."),
            RuleKind.PREFIX: _("It does not begin with this."),
        }
        return RuleStep(rule, fits, wins=False, why=said[RuleKind(rule.kind)])
    is_longer = winner is not None and winner.kind == rule.kind
    longer, stronger = (
        _("It fits, but a longer beginning fits too."),
        _("It fits, but a more exact rule fits too."),
    )
    return RuleStep(rule, fits, wins=False, why=longer if is_longer else stronger)
