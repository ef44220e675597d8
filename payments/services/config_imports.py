"""
Payment configs from a file: all of it or nothing.

The preview does what the import will do, line by line through the services themselves, and takes
all of it back; so it finds what they would refuse, and its word holds. One bad line changes
nothing, and every fault is told. New configs are drafts; secrets are typed in by a person.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from audit import recording
from audit.actions import AuditAction
from audit.actors import Actor
from payments.choices import Environment
from payments.errors import InvalidInput, PaymentsError
from payments.models import PaymentConfig
from payments.services import config_files, configs
from payments.services.config_files import NO, PURPOSES_APART, YES, Fault, Line, UnreadableFile
from payments.services.config_rules import ConfigFields, check_fields
from tenants.models import Branch, Shop

_INTEGER = re.compile(r"[0-9]{1,5}")
_AMOUNT = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,2})?")
_INTEGERS = ("priority",)
_AMOUNTS = ("min_amount", "max_amount", "daily_limit", "monthly_limit")
_DEFAULTS = ConfigFields()

NEW, CHANGED, UNCHANGED = "new", "changed", "unchanged"


@dataclass(frozen=True)
class LineResult:
    """What one line does: new, changed or unchanged; changes are (column, old, new)."""

    line: int
    name: str
    shortcode: str
    what: str
    changes: tuple[tuple[str, str, str], ...] = ()


@dataclass
class ImportResult:
    """What a file does, or did; with faults it does nothing."""

    lines: list[LineResult] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    is_applied: bool = False

    def count(self, what: str) -> int:
        return sum(line.what == what for line in self.lines)

    @property
    def counts(self) -> dict[str, int]:
        return {what: self.count(what) for what in (NEW, CHANGED, UNCHANGED)}


class BadLine(Exception):
    """A line cannot be taken; faults say why."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("The line cannot be imported.")
        self.faults = faults


def import_configs(
    *,
    shop: Shop,
    raw: bytes,
    branch_ids: Collection[Any] | None,
    apply: bool,
    actor: Actor,
    now: datetime,
) -> ImportResult:
    """
    Import a file into a shop, or, without apply, tell what that would do.

    branch_ids are the branches the actor may configure, None for all and the shop itself.
    """
    try:
        lines = config_files.read_lines(raw)
    except UnreadableFile as error:
        return ImportResult(faults=error.faults)
    with transaction.atomic():
        result = _run(lines, shop=shop, branch_ids=branch_ids, actor=actor, now=now)
        result.is_applied = apply and not result.faults
        if result.is_applied:
            _record(result, shop=shop, actor=actor, now=now)
        else:
            transaction.set_rollback(True)
    return result


def _run(
    lines: list[Line], *, shop: Shop, branch_ids: Any, actor: Actor, now: datetime
) -> ImportResult:
    """Do every line in a savepoint of its own, so that each fault is found and none hides one."""
    result = ImportResult()
    branches = {branch.code: branch for branch in Branch.objects.filter(shop=shop)}
    seen: dict[tuple[Any, ...], int] = {}
    for line in lines:
        try:
            with transaction.atomic():
                values = _values_of(line, branches, branch_ids)
                _refuse_twice(line, values, seen)
                result.lines.append(_do(line, values, shop=shop, actor=actor, now=now))
        except BadLine as error:
            result.faults.extend(error.faults)
        except PaymentsError as error:
            result.faults.extend(_faults_of(error, line))
    return result


def _do(
    line: Line, values: dict[str, Any], *, shop: Shop, actor: Actor, now: datetime
) -> LineResult:
    environment = values.pop("environment")
    config = _existing(shop, environment, values)
    said = (line.number, values["name"], values["shortcode"])
    if config is None:
        fields = ConfigFields(**values)
        configs.create_config(
            shop=shop, environment=environment, fields=fields, actor=actor, now=now
        )
        return LineResult(*said, NEW)
    before = ConfigFields.of(config)
    changes = {name: value for name, value in values.items() if value != getattr(before, name)}
    if not changes:
        return LineResult(*said, UNCHANGED)
    configs.update_config(config=config, changes=changes, actor=actor, now=now)
    shown = ((name, _shown(getattr(before, name)), _shown(new)) for name, new in changes.items())
    return LineResult(*said, CHANGED, tuple(shown))


def _existing(shop: Shop, environment: str, values: Mapping[str, Any]) -> PaymentConfig | None:
    """Find the config the line is about: what no two configs of a shop and branch share."""
    rows = PaymentConfig.objects.not_deleted().select_related("branch")
    return rows.filter(
        shop=shop,
        environment=environment,
        branch=values.get("branch"),
        provider=values["provider"],
        shortcode=values["shortcode"],
        account_number=values.get("account_number", ""),
    ).first()


def _values_of(line: Line, branches: Mapping[str, Branch], branch_ids: Any) -> dict[str, Any]:
    """Read the cells; a column that is not there leaves an existing config's field as it is."""
    faults: list[Fault] = []
    values: dict[str, Any] = {}
    for name, text in line.cells.items():
        problem = config_files.text_problem(text)
        value, problem = (None, problem) if problem else _read(name, text, branches)
        if problem:
            faults.append(Fault(line.number, name, problem))
        values[name] = value
    values.setdefault("branch", None)
    branch = values["branch"]
    if branch_ids is not None and (branch is None or branch.pk not in branch_ids):
        faults.append(Fault(line.number, "branch", "This is not one of your branches."))
    if faults:
        raise BadLine([*faults, *_faults_beside(line, values, faults)])
    return values


def _faults_beside(line: Line, values: dict[str, Any], faults: list[Fault]) -> list[Fault]:
    """Find what the rules say against the cells that could be read, so that none waits unsaid."""
    unread = {fault.column for fault in faults}
    given = {name: value for name, value in values.items() if name not in unread}
    given.pop("environment", None)
    try:
        check_fields(ConfigFields(**given), shop_id=getattr(given.get("branch"), "shop_id", None))
    except InvalidInput as error:
        return [fault for fault in _faults_of(error, line) if fault.column not in unread]
    return []


def _read(name: str, text: str, branches: Mapping[str, Branch]) -> tuple[Any, str]:
    """Return a cell's value and "", or None and what is wrong with it."""
    if name == "branch":
        missing = "" if not text or text in branches else "There is no such branch."
        return branches.get(text), missing
    if name == "environment":
        known = text in Environment.values
        return text, "" if known else f"Give {' or '.join(Environment.values)}."
    if name == "purposes":
        return tuple(part.strip() for part in text.split(PURPOSES_APART) if part.strip()), ""
    if name == "has_api":
        known = text in {"", YES, NO}
        return text != NO, "" if known else f"Give {YES} or {NO}; empty is {YES}."
    if name in _INTEGERS:
        return _number(name, text, _INTEGER, int, "Give a whole number.")
    if name in _AMOUNTS:
        return _number(name, text, _AMOUNT, Decimal, "Give an amount like 1500 or 1500.50.")
    return text, ""


def _number(name: str, text: str, form: re.Pattern[str], read: Any, hint: str) -> tuple[Any, str]:
    if not text:
        return getattr(_DEFAULTS, name), ""
    return (read(text), "") if form.fullmatch(text) else (None, hint)


def _refuse_twice(line: Line, values: dict[str, Any], seen: dict[tuple[Any, ...], int]) -> None:
    names = ("environment", "branch", "provider", "shortcode", "account_number")
    first = seen.setdefault(tuple(values.get(name) or "" for name in names), line.number)
    if first != line.number:
        detail = f"Line {first} has the same account."
        raise BadLine([Fault(line.number, "shortcode", detail)])


def _faults_of(error: PaymentsError, line: Line) -> list[Fault]:
    if isinstance(error, InvalidInput) and error.errors:
        return [Fault(line.number, column, detail) for column, _code, detail in error.errors]
    return [Fault(line.number, "", error.detail)]


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return YES if value else NO
    if isinstance(value, tuple):
        return PURPOSES_APART.join(value)
    return "" if value is None else str(value)


def _record(result: ImportResult, *, shop: Shop, actor: Actor, now: datetime) -> None:
    """Tell of the file as a whole; each config's own entry was written by its service."""
    changes = [{"field": what, "old": None, "new": count} for what, count in result.counts.items()]
    recording.record(
        AuditAction.CONFIG_IMPORTED, shop, shop_id=shop.pk, actor=actor, now=now, changes=changes
    )
