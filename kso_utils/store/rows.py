"""Rows into a table: many at once, and only those that differ from what is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Table, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from kso_utils.core.errors import IntegrityFailed
from kso_utils.store.connection import describe_constraint, failure_of
from kso_utils.store.postgres import fill_ids, prepare_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Executable, Update

    Columns = dict[str, list[Any]]

_LOOKED_UP = 5_000
_WRITTEN = 20_000
_NEW = "_new_"


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
        If a row breaks a constraint; the message names the row (the first is 1).
    """
    prepare_rows(connection, table, columns)
    _insert(connection, table, columns, range(max(map(len, columns.values()), default=0)))


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
        If a key is empty or occurs twice, or a row breaks a constraint; the message names the row (the first is 1).
    """
    prepare_rows(connection, table, columns)
    names = list(columns)
    rows = list(zip(*columns.values(), strict=True))
    row_keys = list(zip(*(columns[key] for key in keys), strict=True))
    _require_keys(table, keys, row_keys)
    existing = _existing(connection, table, names, keys, columns[keys[0]])
    new, changed = [], []
    for place, (key, row) in enumerate(zip(row_keys, rows, strict=True)):
        if key not in existing:
            new.append(place)
        elif existing[key][1] != row:
            changed.append(place)
    _insert(connection, table, columns, new)
    updates = [(*rows[i], existing[row_keys[i]][0]) for i in changed]
    statement, bound = _update(table, names)
    _write(connection, table, statement, bound, updates, [i + 1 for i in changed])
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
    distinct = list(dict.fromkeys(first_key))
    for at in range(0, len(distinct), _LOOKED_UP):
        batch = distinct[at : at + _LOOKED_UP]
        for row in connection.execute(select(*wanted).where(table.c[keys[0]].in_(batch))):
            found[tuple(row[1:start])] = (row[0], tuple(row[start:]))
    return found


def _update(table: Table, names: list[str]) -> tuple[Update, list[str]]:
    """Return a statement that updates one row, and the names of its values: the columns', then the primary key."""
    (primary,) = table.primary_key.columns
    # SQLAlchemy keeps the columns' own names for itself.
    statement = update(table).where(primary == bindparam("_primary"))
    return (
        statement.values({name: bindparam(f"{_NEW}{name}") for name in names}),
        [*(f"{_NEW}{name}" for name in names), "_primary"],
    )


def _insert(connection: Connection, table: Table, columns: Columns, places: Sequence[int]) -> None:
    """Insert the rows at some places of the columns."""
    new = fill_ids(connection, table, {name: [values[place] for place in places] for name, values in columns.items()})
    rows = list(zip(*new.values(), strict=True))
    _write(connection, table, insert(table), list(new), rows, [place + 1 for place in places])


def _write(
    connection: Connection,
    table: Table,
    statement: Executable,
    names: list[str],
    rows: list[tuple[Any, ...]],
    numbers: Sequence[int],
) -> None:
    """Execute a statement for rows of values under `names`; `numbers` are the rows' own, for messages."""
    for start in range(0, len(rows), _WRITTEN):
        batch = [dict(zip(names, row, strict=True)) for row in rows[start : start + _WRITTEN]]
        try:
            with connection.begin_nested():
                connection.execute(statement, batch)
        except IntegrityError:
            # The database does not say which row it refused: the one that it refuses again on its own.
            for row, number in zip(batch, numbers[start:], strict=False):
                try:
                    with connection.begin_nested():
                        connection.execute(statement, row)
                except IntegrityError as error:
                    why = _reason(connection, table, row, failure_of(error))
                    raise IntegrityFailed(f"{table.name}, row {number}: {why} Nothing was changed.") from error


def _reason(connection: Connection, table: Table, row: dict[str, Any], said: str) -> str:
    # SQLite does not say which reference failed either.
    if said.startswith("FOREIGN KEY"):
        for constraint in table.foreign_key_constraints:
            (key,) = constraint.elements
            name, target = key.parent.name, key.column
            value = row.get(name, row.get(f"{_NEW}{name}"))
            if value is not None and connection.scalar(select(target).where(target == value)) is None:
                return (
                    f"{name} is {value!r}, but {target.table.name} has no row whose {target.name} is that "
                    f"({constraint.name}). Write that row first."
                )
    return describe_constraint(said)
