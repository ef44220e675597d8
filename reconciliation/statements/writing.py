"""
Writing the lines of a slice: one statement, an array a column.

Through the ORM, making ready twenty-six values of every line took as long as reading the file.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from reconciliation.choices import LineKind, LineState
from reconciliation.models import StatementImport
from reconciliation.statements.judging import Judged
from tenants import prepared
from tenants.ids import new_id

# Columns and their types, in the order of _values; what is one for all lines stands in _FIXED.
_COLUMNS = (
    ("id", "uuid"),
    ("line_number", "integer"),
    ("digest", "varchar"),
    ("receipt_number", "varchar"),
    ("completed_at", "timestamptz"),
    ("initiated_at", "timestamptz"),
    ("details", "varchar"),
    ("transaction_status", "varchar"),
    ("paid_in", "numeric"),
    ("withdrawn", "numeric"),
    ("balance", "numeric"),
    ("reason_type", "varchar"),
    ("kind", "varchar"),
    ("state", "varchar"),
    ("account_reference", "varchar"),
    ("payer_initials", "varchar"),
    ("payer_masked", "varchar"),
    ("payer_index", "varchar"),
    ("linked_receipt_number", "varchar"),
    ("receipt_id", "uuid"),
    ("payment_id", "uuid"),
    ("expected_charge", "numeric"),
)
_FIXED = ("shop_id", "environment", "config_id", "statement_id")
_NAMES = ", ".join((*_FIXED, *(name for name, _type in _COLUMNS)))
_ARRAYS = ", ".join(f"%s::{type_}[]" for _name, type_ in _COLUMNS)
_INSERT = f"""
    INSERT INTO reconciliation_statementline ({_NAMES})
    SELECT %s::uuid, %s, %s::uuid, %s::uuid, * FROM unnest({_ARRAYS})
    ON CONFLICT DO NOTHING
"""  # noqa: S608 - names of our own columns


def write_lines(statement: StatementImport, judged: Iterable[Judged]) -> None:
    """Insert lines that are not there yet."""
    rows = [_values(each) for each in judged]
    if not rows:
        return
    fixed = [statement.shop_id, statement.environment, statement.config_id, statement.pk]
    with prepared.cursor() as cursor:
        cursor.execute(_INSERT, [*fixed, *(list(column) for column in zip(*rows, strict=True))])


def _values(judged: Judged) -> tuple[Any, ...]:
    line = judged.line
    return (
        new_id(),
        line.number,
        judged.digest,
        line.receipt_number,
        line.completed_at,
        line.initiated_at,
        line.details,
        line.transaction_status,
        line.paid_in,
        line.withdrawn,
        line.balance,
        line.reason_type,
        str(line.kind),
        # A reversal is settled at the end, when the payment it takes back is surely there.
        LineState.NEW.value if _is_open(judged) else str(judged.state),
        line.account_reference,
        line.payer_initials,
        line.payer_masked,
        line.payer_index,
        line.linked,
        judged.receipt_id,
        judged.payment_id,
        judged.expected_charge,
    )


def _is_open(judged: Judged) -> bool:
    is_reversal = judged.line.kind == LineKind.REVERSAL and judged.state == LineState.REVERSED
    return judged.needs_door or is_reversal
