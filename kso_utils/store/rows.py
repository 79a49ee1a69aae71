"""Rows into a table: many at once, and only those that differ from what is there."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Table, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from kso_utils.core.errors import IntegrityFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy import Connection

    Columns = dict[str, list[Any]]

_LOOKED_UP = 5_000
_WRITTEN = 20_000


@dataclass(frozen=True, slots=True)
class Counts:
    """What an upsert did, in rows."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0


def insert_rows(connection: Connection, table: Table, columns: Columns) -> None:
    """Insert rows, given as one list of database values a column.

    Raises
    ------
    IntegrityFailed
        If a row points to a row that is not there; other violations come as SQLAlchemy's IntegrityError.
    """
    names = list(columns)
    rows = list(zip(*columns.values(), strict=True))
    with _named_references(connection, table, columns):
        for batch in _batches(rows, _WRITTEN):
            connection.execute(insert(table), [dict(zip(names, row, strict=True)) for row in batch])


def upsert_rows(connection: Connection, table: Table, columns: Columns, keys: Sequence[str]) -> Counts:
    """Insert the rows whose key is not in the table yet, update those that differ, leave the others alone.

    Parameters
    ----------
    connection
        In a transaction that may write.
    table
        The table.
    columns
        One list of database values a column, all of one length.
    keys
        The columns that identify a row; they are among `columns`.

    Raises
    ------
    IntegrityFailed
        If a key is empty or occurs twice, or a row points to a row that is not there.
    """
    names = list(columns)
    rows = list(zip(*columns.values(), strict=True))
    row_keys = list(zip(*(columns[key] for key in keys), strict=True))
    _require_keys(table, keys, row_keys)
    existing = _existing(connection, table, names, keys, columns[keys[0]])
    new = [number for number, key in enumerate(row_keys) if key not in existing]
    changed = [
        (existing[key][0], row)
        for key, row in zip(row_keys, rows, strict=True)
        if key in existing and existing[key][1] != row
    ]
    insert_rows(connection, table, {name: [values[i] for i in new] for name, values in columns.items()})
    with _named_references(connection, table, columns):
        _update(connection, table, names, changed)
    return Counts(len(new), len(changed), len(rows) - len(new) - len(changed))


def _require_keys(table: Table, keys: Sequence[str], row_keys: list[tuple[Any, ...]]) -> None:
    first: dict[tuple[Any, ...], int] = {}
    for number, key in enumerate(row_keys, 1):
        if None in key:
            raise IntegrityFailed(
                f"{table.name}, row {number}: {keys[key.index(None)]} is empty, but identifies the row. Fill it in."
            )
        other = first.setdefault(key, number)
        if other != number:
            named = ", ".join(f"{name} {value!r}" for name, value in zip(keys, key, strict=True))
            raise IntegrityFailed(f"{table.name}, rows {other} and {number}: both have {named}. Keep one of them.")


def _existing(
    connection: Connection, table: Table, names: list[str], keys: Sequence[str], first_key: list[Any]
) -> dict[tuple[Any, ...], tuple[Any, tuple[Any, ...]]]:
    (primary,) = table.primary_key.columns
    wanted = [primary, *(table.c[key] for key in keys), *(table.c[name] for name in names)]
    start = 1 + len(keys)
    found = {}
    for batch in _batches(list(dict.fromkeys(first_key)), _LOOKED_UP):
        for row in connection.execute(select(*wanted).where(table.c[keys[0]].in_(batch))):
            found[tuple(row[1:start])] = (row[0], tuple(row[start:]))
    return found


def _update(connection: Connection, table: Table, names: list[str], changed: list[tuple[Any, tuple[Any, ...]]]) -> None:
    (primary,) = table.primary_key.columns
    # Bound names must differ from the column names, which SQLAlchemy keeps for itself.
    statement = update(table).where(primary == bindparam("_primary"))
    statement = statement.values({name: bindparam(f"_new_{name}") for name in names})
    bound = [f"_new_{name}" for name in names]
    for batch in _batches(changed, _WRITTEN):
        connection.execute(statement, [{"_primary": key, **dict(zip(bound, row, strict=True))} for key, row in batch])


@contextmanager
def _named_references(connection: Connection, table: Table, columns: Columns) -> Iterator[None]:
    """SQLite does not say which reference failed: look for it and say it."""
    try:
        yield
    except IntegrityError as error:
        if "FOREIGN KEY" not in str(error.orig):
            raise
        broken = next(_broken_references(connection, table, columns), None)
        if broken is None:
            raise
        raise IntegrityFailed(broken) from error


def _broken_references(connection: Connection, table: Table, columns: Columns) -> Iterator[str]:
    for constraint in table.foreign_key_constraints:
        (reference,) = constraint.elements
        name, target = reference.parent.name, reference.column
        for batch in _batches(list({v for v in columns.get(name, ()) if v is not None}), _LOOKED_UP):
            there = set(connection.scalars(select(target).where(target.in_(batch))))
            for value in batch:
                if value not in there:
                    row = columns[name].index(value) + 1
                    yield (
                        f"{table.name}, row {row}: {name} is {value!r}, but {target.table.name} has no row whose "
                        f"{target.name} is that ({constraint.name}). Write that row first. "
                        "Nothing was changed."
                    )


def _batches(items: list[Any], size: int) -> Iterable[list[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))
