"""
Statements of the hot paths: prepared once a connection, their rows read as whole models.

Building a query through the ORM costs several times what PostgreSQL needs to answer it, on every
poll and every callback (performance.md, How). Here it is written once; everything that is not hot
goes through the ORM.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS, connection, models
from django.db.backends.utils import CursorWrapper

_DOCUMENTS = "jsonb_array_elements(%s::jsonb)"
Parameters = Mapping[str, Any] | Sequence[Any]


class _Cursor(psycopg.Cursor[Any]):
    """Binds on the server and prepares at once; Django's own cursor does neither."""

    def execute(self, query: Any, params: Parameters | None = None, **_options: Any) -> Any:
        return super().execute(query, params, prepare=True)


@contextmanager
def cursor() -> Iterator[CursorWrapper]:
    """Open a cursor whose statements are prepared, on Django's connection and in its log."""
    connection.ensure_connection()
    with connection.wrap_database_errors:
        bare = _Cursor(connection.connection)
    # What connection.cursor() does with a cursor of its own making.
    with connection._prepare_cursor(bare) as prepared:  # noqa: SLF001
        yield prepared


class Reader:
    """
    Reads models by one statement.

    Keywords name the tables' aliases, in the order of the answer; a model may come with the
    columns to read, and the others are then deferred. tail is all that follows the columns.
    """

    def __init__(self, tail: str, **tables: type[models.Model] | _Part) -> None:
        self._tables = [
            _Table(alias, *(given if isinstance(given, tuple) else (given, ())))
            for alias, given in tables.items()
        ]
        columns = ", ".join(column for table in self._tables for column in table.columns)
        self._sql = f"SELECT {columns} {tail}"

    def rows(self, parameters: Parameters) -> list[Any]:
        """Return a tuple of models for each row, None where an outer join found nothing."""
        return [self._models(row) for row in self._fetch(parameters)]

    def all(self, parameters: Parameters) -> list[Any]:
        """Return the models of the only table."""
        (table,) = self._tables
        return [table.model(row) for row in self._fetch(parameters)]

    def _fetch(self, parameters: Parameters) -> list[tuple[Any, ...]]:
        with cursor() as prepared:
            prepared.execute(self._sql, parameters)
            return prepared.fetchall()

    def _models(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        at, found = 0, []
        for table in self._tables:
            found.append(table.model(row[at : at + len(table.columns)]))
            at += len(table.columns)
        return tuple(found)


class Writer:
    """
    Inserts any number of a model's rows by one statement, an array a column.

    Defaults and primary keys are the objects' own, as with bulk_create. Not for array columns, nor
    for documents that may be NULL.
    """

    def __init__(self, model: type[models.Model], *, ignore_conflicts: bool = False) -> None:
        fields = model._meta.concrete_fields  # noqa: SLF001 - documented for this use
        self._fields = [field for field in fields if not isinstance(field, models.JSONField)]
        self._documents = [field for field in fields if isinstance(field, models.JSONField)]
        columns = ", ".join(f'"{field.column}"' for field in (*self._fields, *self._documents))
        self._head = f'INSERT INTO "{model._meta.db_table}" ({columns})'  # noqa: SLF001
        self._tail = "ON CONFLICT DO NOTHING" if ignore_conflicts else ""

    def insert(self, rows: Sequence[models.Model]) -> None:
        """Insert rows; without rows, do nothing."""
        if not rows:
            return
        values: list[Any] = [[_prepared(field, row) for row in rows] for field in self._fields]
        values += [_documents(field, rows) for field in self._documents]
        with cursor() as prepared:
            prepared.execute(self._sql, values)
        for row in rows:
            row._state.adding = False  # noqa: SLF001 - as bulk_create leaves them
            row._state.db = DEFAULT_DB_ALIAS  # noqa: SLF001

    @cached_property
    def _sql(self) -> str:
        # Without its length: a cast to varchar(40) would cut a text that is to be refused.
        types = [str(field.db_type(connection)).partition("(")[0] for field in self._fields]
        arrays = ", ".join(f"%s::{name}[]" for name in types)
        sets = [f"unnest({arrays})", *(_DOCUMENTS for _ in self._documents)]
        return f"{self._head} SELECT * FROM ROWS FROM ({', '.join(sets)}) {self._tail}"  # noqa: S608


def _documents(field: models.Field, rows: Sequence[models.Model]) -> str:
    """Write the documents of a column as one: quoting each in an array takes longer than making it."""
    encoder = field.encoder
    return json.dumps([getattr(row, field.attname) for row in rows], cls=encoder)


def _prepared(field: models.Field, row: models.Model) -> Any:
    value = field.get_db_prep_save(getattr(row, field.attname), connection)
    # A member of TextChoices is a str, but not in an array.
    return str(value) if isinstance(value, str) else value


_Part = tuple[type[models.Model], tuple[str, ...]]


class _Table:
    """One table of a statement: its columns, and how a row becomes a model."""

    def __init__(self, alias: str, model: type[models.Model], names: tuple[str, ...]) -> None:
        self._class = model
        fields = [
            field
            for field in model._meta.concrete_fields  # noqa: SLF001 - documented for this use
            if not names or field.attname in names
        ]
        self._names = [field.attname for field in fields]
        self._key = next(at for at, field in enumerate(fields) if field.primary_key)
        self._converters: list[tuple[int, Any, Callable[..., Any]]] = [
            (at, field.cached_col, converter)
            for at, field in enumerate(fields)
            for converter in [getattr(field, "from_db_value", None)]
            if converter is not None
        ]
        self.columns = [f'"{alias}"."{field.column}"' for field in fields]

    def model(self, values: tuple[Any, ...]) -> models.Model | None:
        if values[self._key] is None:
            return None
        read = list(values)
        for at, column, converter in self._converters:
            read[at] = converter(read[at], column, connection)
        return self._class.from_db(DEFAULT_DB_ALIAS, self._names, read)
