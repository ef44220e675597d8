"""
The same secrets under a new master key, and which key is still needed.

The columns are found from the models: whatever is a SealedField is rewrapped. A row's own text says
which key sealed it, so there is no progress to keep: what is not sealed with the writing key is
still to do, and a run that died is simply started again. Rows are taken in batches with SKIP LOCKED:
runs beside each other share the work, and payments wait for a batch at most. Nothing is written
that was not opened again first.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import connection, models, transaction
from django.db.models.expressions import RawSQL
from django.views.decorators.debug import sensitive_variables

from payments.errors import CannotOpen
from payments.fields import EncryptedSecretsField, SealedField, field_ring

logger = logging.getLogger(__name__)

BATCH = 200
# Rows that a payment holds are left out and looked at again after this.
_PAUSE_S = 0.2
_MOST_PASSES = 50


@dataclass(frozen=True)
class SealedColumn:
    """One column of sealed values, of one text or of several by name."""

    model: type[models.Model]
    field: SealedField

    @property
    def table(self) -> str:
        return str(self.model._meta.db_table)  # noqa: SLF001 - Django's own documented name

    @property
    def name(self) -> str:
        return f"{self.table}.{self.field.column}"

    @property
    def key(self) -> models.Field[Any, Any]:
        return self.model._meta.pk  # noqa: SLF001

    @property
    def holds_many(self) -> bool:
        return isinstance(self.field, EncryptedSecretsField)


@dataclass(frozen=True)
class Batch:
    """What one batch came to; last is the key after which the next one begins."""

    rewrapped: int
    broken: tuple[str, ...]
    last: Any


@dataclass(frozen=True)
class Rewrapped:
    """What a whole column came to; broken rows did not open and were left as they are."""

    column: SealedColumn
    rewrapped: int
    broken: frozenset[str]
    left: int


def sealed_columns() -> list[SealedColumn]:
    """Find every sealed column of the database."""
    return [
        SealedColumn(model, field)
        for model in apps.get_models()
        for field in model._meta.concrete_fields  # noqa: SLF001
        if isinstance(field, SealedField) and not model._meta.proxy  # noqa: SLF001
    ]


def rewrap(
    column: SealedColumn, *, batch: int = BATCH, progress: Callable[[int], None] = lambda done: None
) -> Rewrapped:
    """Seal a column's rows with the writing key, batch by batch, until none is left."""
    done, broken = 0, set[str]()
    for _pass in range(_MOST_PASSES):
        for found in _one_pass(column, batch=batch):
            done += found.rewrapped
            broken |= set(found.broken)
            progress(found.rewrapped)
        if to_do(column) <= len(broken):
            break
        time.sleep(_PAUSE_S)
    return Rewrapped(column, done, frozenset(broken), max(0, to_do(column) - len(broken)))


def to_do(column: SealedColumn) -> int:
    """Count the rows that are not sealed with the writing key."""
    return int(_waiting(column).count())


def usage(column: SealedColumn) -> dict[str, int]:
    """Count a column's rows by the id of the key that sealed them."""
    sealed = "s.value" if column.holds_many else f't."{column.field.column}"'
    many = f', jsonb_each_text(t."{column.field.column}") AS s' if column.holds_many else ""
    return dict(
        _select(
            f"SELECT split_part({sealed}, '.', 2), count(DISTINCT t.\"{column.key.column}\")"  # noqa: S608
            f" FROM \"{column.table}\" AS t{many} WHERE {sealed} <> '' GROUP BY 1"
        )
    )


def usage_by_key() -> dict[str, dict[str, int]]:
    """Count rows by key and column; keys of the ring that no row needs are there with nothing."""
    found: dict[str, dict[str, int]] = {key_id: {} for key_id in settings.FIELD_ENCRYPTION_KEYS}
    for column in sealed_columns():
        for key_id, rows in usage(column).items():
            found.setdefault(key_id, {})[column.name] = rows
    return found


def missing_keys(columns: list[SealedColumn]) -> set[str]:
    """Name the keys that rows need and the ring does not have."""
    needed = {key_id for column in columns for key_id in usage(column)}
    return needed - settings.FIELD_ENCRYPTION_KEYS.keys()


def _one_pass(column: SealedColumn, *, batch: int) -> Iterator[Batch]:
    """Go through the column once, in the order of its key."""
    after = None
    while (found := _next_batch(column, after, batch=batch)).last is not None:
        yield found
        after = found.last


@transaction.atomic
@sensitive_variables()
def _next_batch(column: SealedColumn, after: Any, *, batch: int) -> Batch:
    # NO KEY: an attempt about to be inserted for a version must not wait for us.
    rows = _waiting(column).select_for_update(of=("self",), skip_locked=True, no_key=True)
    rows = rows.select_related(*_bound_relations(column)).order_by("pk")
    found = list((rows if after is None else rows.filter(pk__gt=after))[:batch])
    texts: dict[Any, str] = {}
    broken = []
    for row in found:
        try:
            texts[row.pk] = _sealed_again(column, row)
        except CannotOpen:
            logger.warning("a value does not open", extra={"at": column.name, "row": str(row.pk)})
            broken.append(str(row.pk))
    _write(column, texts)
    return Batch(len(texts), tuple(broken), found[-1].pk if found else None)


@sensitive_variables()
def _sealed_again(column: SealedColumn, row: models.Model) -> str:
    """
    Open, seal with the writing key, and open again; return what is to be stored.

    :raises CannotOpen: when the stored value, or the new one, does not open to the same.
    """
    field, old = column.field, getattr(row, column.field.attname)
    if not column.holds_many:
        plain = old.reveal_bytes()
        new = field.as_stored(plain, row)
        if field.as_sealed(new, row).reveal_bytes() != plain:
            raise CannotOpen
        return str(new)
    plains = {name: sealed.reveal() for name, sealed in old.items()}
    renewed = field.as_stored(plains, row)
    opened = field.as_sealed(renewed, row)
    if {name: sealed.reveal() for name, sealed in opened.items()} != plains:
        raise CannotOpen
    return json.dumps(renewed)


def _write(column: SealedColumn, texts: dict[Any, str]) -> None:
    """Write a batch in one statement; the rows are locked, so nobody wrote them meanwhile."""
    if not texts:
        return
    key_type = column.key.db_type(connection)
    cast = "::jsonb" if column.holds_many else ""
    with connection.cursor() as cursor:
        cursor.execute(
            f'UPDATE "{column.table}" AS t SET "{column.field.column}" = v.sealed{cast}'  # noqa: S608
            f" FROM unnest(%s::{key_type}[], %s::text[]) AS v (pk, sealed)"
            f' WHERE t."{column.key.column}" = v.pk',
            [list(texts), list(texts.values())],
        )


def _waiting(column: SealedColumn) -> models.QuerySet[models.Model]:
    """Return the rows that another key sealed."""
    at = f'"{column.table}"."{column.field.column}"'
    other = f"{at} <> '' AND split_part({at}, '.', 2) <> %s"
    if column.holds_many:
        other = (
            f"EXISTS (SELECT 1 FROM jsonb_each_text({at}) AS s"  # noqa: S608
            " WHERE split_part(s.value, '.', 2) <> %s)"
        )
    is_other = RawSQL(other, [field_ring().writing_key_id], output_field=models.BooleanField())  # noqa: S611
    return column.model._base_manager.filter(is_other)  # noqa: SLF001


def _bound_relations(column: SealedColumn) -> list[str]:
    """Name the relations whose values are part of the context, to be read along."""
    return sorted({path.rpartition(".")[0] for path in column.field.bind if "." in path})


def _select(sql: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


@lru_cache(maxsize=1)
def credential_columns() -> list[SealedColumn]:
    """Return the columns without which no payment can be taken."""
    return [c for c in sealed_columns() if c.name == "payments_credentialversion.secrets"]
