"""A config's account rules as people write them: checked line by line, saved whole, on the trail."""

from __future__ import annotations

import re
import unicodedata
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from audit import recording
from audit.actions import AuditAction
from audit.actors import Actor
from payments.errors import InvalidInput
from payments.models import AccountRule, PaymentConfig
from payments.receipt_choices import RuleKind
from payments.services.account_rules import MAX_PATTERN, RANK, STAR, is_text, rules_of, upper
from payments.services.config_moves import lock_config
from tenants.models import Branch

FieldError = tuple[str, str, str]

MAX_RULES = 200
MAX_LABEL = 64
_ORDER_REF = re.compile(r"[A-Za-z0-9._/-]{1,64}")
_EMPTY = "Say what it means: a label, a branch or an order reference."


@dataclass(frozen=True)
class NewRule:
    """One rule as a person writes it; a beginning may have its star, the default has no pattern."""

    kind: str
    pattern: str = ""
    label: str = ""
    branch: Branch | None = None
    order_ref: str = ""

    @classmethod
    def of(cls, rule: AccountRule) -> NewRule:
        return cls(rule.kind, rule.pattern, rule.label, rule.branch, rule.order_ref)


@transaction.atomic
def save_rules(
    *, config: PaymentConfig, rules: Sequence[NewRule], actor: Actor, now: datetime
) -> list[AccountRule]:
    """
    Put these rules in the place of the config's old ones; the trail keeps both.

    :raises InvalidInput: with every fault, as account_rules.<line from 0>.<field>.
    """
    locked = lock_config(config)
    cleaned = _checked(rules, shop_id=locked.shop_id)
    old = {(rule.kind, rule.pattern): rule for rule in rules_of(locked)}
    before = [_written(rule) for rule in old.values()]
    new = {(rule.kind, rule.pattern): rule for rule in cleaned}
    gone = [rule.pk for key, rule in old.items() if key not in new]
    AccountRule.objects.filter(pk__in=gone).delete()
    for key, given in new.items():
        row = old.get(key) or AccountRule(shop_id=locked.shop_id, config=locked, created_at=now)
        _put(row, given)
    saved = rules_of(locked)
    after = [_written(rule) for rule in saved]
    if before != after:
        _record(locked, before, after, actor=actor, now=now)
    return saved


def _checked(rules: Sequence[NewRule], *, shop_id: uuid.UUID) -> list[NewRule]:
    if len(rules) > MAX_RULES:
        detail = f"Give at most {MAX_RULES} rules."
        raise InvalidInput(detail, errors=[("account_rules", "too_many", detail)])
    cleaned = [_cleaned(rule) for rule in rules]
    errors: list[FieldError] = []
    lines: dict[tuple[str, str], int] = {}
    for number, rule in enumerate(cleaned):
        found = [*_pattern_errors(rule), *_meaning_errors(rule, shop_id)]
        first = lines.setdefault((rule.kind, rule.pattern), number)
        if first != number and not found:
            found.append(("pattern", "duplicate", f"Rule {first + 1} is the same."))
        errors += [(f"account_rules.{number}.{name}", code, said) for name, code, said in found]
    if errors:
        raise InvalidInput("The account rules are not valid.", errors=errors)
    return cleaned


def _cleaned(rule: NewRule) -> NewRule:
    pattern = upper(rule.pattern)
    if rule.kind in {RuleKind.PREFIX, RuleKind.DEFAULT}:
        pattern = pattern.removesuffix(STAR).rstrip()
    label = unicodedata.normalize("NFC", rule.label).strip()
    return NewRule(rule.kind, pattern, label, rule.branch, rule.order_ref.strip())


def _pattern_errors(rule: NewRule) -> list[FieldError]:
    if rule.kind not in RANK:
        return [("kind", "invalid_choice", f"Choose {', '.join(RuleKind.values)}.")]
    if rule.kind == RuleKind.DEFAULT:
        said = "The rule for everything else has no reference."
        return [("pattern", "not_applicable", said)] if rule.pattern else []
    if not rule.pattern:
        return [("pattern", "required", "Give the reference, or how it begins.")]
    if STAR in rule.pattern:
        said = "A star stands at the end of a beginning only: choose “begins with”."
        return [("pattern", "invalid", said)]
    if len(rule.pattern) > MAX_PATTERN or not is_text(rule.pattern):
        return [("pattern", "invalid", f"Give at most {MAX_PATTERN} printable characters.")]
    return []


def _meaning_errors(rule: NewRule, shop_id: uuid.UUID) -> list[FieldError]:
    errors: list[FieldError] = []
    if len(rule.label) > MAX_LABEL or not is_text(rule.label):
        errors.append(("label", "invalid", f"Give at most {MAX_LABEL} printable characters."))
    # Another shop's branch looks as if it did not exist.
    if rule.branch is not None and rule.branch.shop_id != shop_id:
        errors.append(("branch", "does_not_exist", "There is no such branch."))
    if rule.order_ref and not _ORDER_REF.fullmatch(rule.order_ref):
        said = "Use 1 to 64 of letters, digits, dot, underscore, slash and dash."
        errors.append(("order_ref", "invalid", said))
    if not (rule.label or rule.branch or rule.order_ref):
        errors.append(("label", "required", _EMPTY))
    return errors


def _put(row: AccountRule, given: NewRule) -> None:
    row.kind, row.pattern, row.label = given.kind, given.pattern, given.label
    row.branch, row.order_ref = given.branch, given.order_ref
    row.save()


def _written(rule: AccountRule) -> str:
    """Write a rule down in one line, for the trail."""
    star = STAR if rule.kind != RuleKind.EXACT else ""
    branch = rule.branch.code if rule.branch else ""
    means = [part for part in (rule.label, branch, rule.order_ref) if part]
    return f"{rule.pattern}{star} → {' · '.join(means)}"


def _record(
    config: PaymentConfig, before: list[str], after: list[str], *, actor: Actor, now: datetime
) -> None:
    changes: list[dict[str, Any]] = [{"field": "account_rules", "old": before, "new": after}]
    recording.record(
        AuditAction.ACCOUNT_RULES_CHANGED,
        config,
        shop_id=config.shop_id,
        actor=actor,
        now=now,
        changes=changes,
        previous_state={"account_rules": before},
    )
