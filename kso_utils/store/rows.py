"""Rows into a table: many at once, and only those that differ from what is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, Table, bindparam, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.schema import ScalarElementColumnDefault

from kso_utils.core.errors import IntegrityFailed
from kso_utils.store.connection import describe_constraint, failure_of
from kso_utils.store.postgres import fill_ids, prepare_rows
from kso_utils.store.swaps import find_swapped, movable_column, stand_ins, unique_sets

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection, Insert, Update

    Columns = dict[str, list[Any]]
    Row = tuple[Any, ...]

_LOOKED_UP = 5_000
_WRITTEN = 20_000
_NEW = "_new_"
_PRIMARY = "_primary"


@dataclass(frozen=True, slots=True)
class Counts:
    """What was done to a table, in rows."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0


def insert_rows(connection: Connection, table: Table, columns: Columns) -> None:
    """Insert rows, given as one list of database values a column.

    Raises
    ------
    IntegrityFailed
        If a row breaks a constraint; the message names the row (the first is 1).
    """
    prepare_rows(connection, table, columns)
    length = max(map(len, columns.values()), default=0)
    _insert(connection, table, columns, range(length))


def upsert_rows(connection: Connection, table: Table, columns: Columns, keys: Sequence[str]) -> Counts:
    """Insert the rows whose key is not in the table yet, update those that differ, leave the others alone.

    Rows may pass values that must be unique (a name, a label) to each other, in any order and in rings.

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
    rows: list[Row] = list(zip(*columns.values(), strict=True))
    row_keys = list(zip(*(columns[key] for key in keys), strict=True))
    _require_keys(table, keys, row_keys)
    unique = unique_sets(table, columns, keys)
    held = _existing(connection, table, columns, unique, keys)
    new, changed = [], {}
    for place, (key, row) in enumerate(zip(row_keys, rows, strict=True)):
        found = held.get(key)
        if found is None:
            new.append(place)
        elif found[: len(row)] != row:
            changed[place] = found
    ids = _step_aside(connection, table, columns, unique, new, changed)
    _insert(connection, table, columns, new)
    _update(connection, table, {name: [columns[name][i] for i in changed] for name in columns}, ids)
    return Counts(len(new), len(changed), len(rows) - len(new) - len(changed))


def _require_keys(table: Table, keys: Sequence[str], row_keys: list[Row]) -> None:
    first: dict[Row, int] = {}
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
    connection: Connection, table: Table, columns: Columns, unique: list[tuple[str, ...]], keys: Sequence[str]
) -> dict[Row, Row]:
    """Return key -> what the table holds, for the rows that have one of the keys.

    First the values of `columns`, then those that must be unique together with one of them, last the primary key.
    """
    (primary,) = table.primary_key.columns
    names = _looked_at(columns, unique)
    places = [names.index(key) for key in keys]
    statement = select(*(table.c[name] for name in names), primary.label(_PRIMARY))
    distinct = list(dict.fromkeys(columns[keys[0]]))
    statements = [
        statement.where(table.c[keys[0]].in_(distinct[at : at + _LOOKED_UP]))
        for at in range(0, len(distinct), _LOOKED_UP)
    ]
    # Many keys are found faster by reading the whole table, unless that is much larger.
    if len(statements) > 1 and _count(connection, table) < 4 * len(distinct):
        statements = [statement]
    found: dict[Row, Row] = {}
    for one in statements:
        rows = connection.execute(one).all()
        found.update(zip((tuple(row[i] for i in places) for row in rows), rows, strict=True))
    return found


def _looked_at(columns: Columns, unique: list[tuple[str, ...]]) -> list[str]:
    return list(dict.fromkeys([*columns, *(name for together in unique for name in together)]))


def _count(connection: Connection, table: Table) -> int:
    counted: int = connection.execute(select(func.count()).select_from(table)).scalar_one()
    return counted


def _step_aside(
    connection: Connection,
    table: Table,
    columns: Columns,
    unique: list[tuple[str, ...]],
    new: list[int],
    changed: dict[int, Row],
) -> dict[int, Any]:
    """Let rows give up unique values that other rows are to get; return row -> primary key of those that change."""
    (primary,) = table.primary_key.columns
    ids = {place: held[-1] for place, held in changed.items()}
    names = _looked_at(columns, unique)
    for together in unique:
        before = {place: tuple(held[names.index(name)] for name in together) for place, held in changed.items()}
        after = {
            place: tuple(columns[n][place] if n in columns else old for n, old in zip(together, values, strict=True))
            for place, values in before.items()
        }
        coming = [tuple(columns[name][place] for name in together if name in columns) for place in new]
        leaving = find_swapped(before, after, coming)
        column = movable_column(table, together, columns)
        if leaving and column is not None:
            values = stand_ins(connection, table, column, len(leaving))
            _update(connection, table, {column: values}, {place: ids[place] for place in leaving})
            if column == primary.name:
                ids.update(zip(leaving, values, strict=True))
    return ids


def _insert(connection: Connection, table: Table, columns: Columns, places: Sequence[int]) -> None:
    """Insert the rows at some places of the columns."""
    defaults = {c.name: c.default.arg for c in table.columns if isinstance(c.default, ScalarElementColumnDefault)}
    whole = all(len(values) == len(places) for values in columns.values())
    written = {name: values if whole else [values[i] for i in places] for name, values in columns.items()}
    written |= {name: [value] * len(places) for name, value in defaults.items() if name not in columns}
    written = fill_ids(connection, table, written)
    numbers = [place + 1 for place in places]
    _write(connection, table, insert(table).inline(), written, numbers)


def _update(connection: Connection, table: Table, columns: Columns, ids: dict[int, Any]) -> None:
    """Update the rows whose places and primary keys are `ids`; `columns` has as many values."""
    (primary,) = table.primary_key.columns
    # SQLAlchemy keeps the columns' own names for itself.
    statement = update(table).where(primary == bindparam(_PRIMARY))
    statement = statement.values({name: bindparam(f"{_NEW}{name}") for name in columns})
    written = {**{f"{_NEW}{name}": values for name, values in columns.items()}, _PRIMARY: list(ids.values())}
    _write(connection, table, statement, written, [place + 1 for place in ids])


def _write(
    connection: Connection, table: Table, statement: Insert | Update, columns: Columns, numbers: Sequence[int]
) -> None:
    """Execute a statement for each row; `numbers` are the rows' own, for messages."""
    # Given to the driver as it takes them: SQLAlchemy would look at every value of every row again.
    compiled = statement.compile(dialect=connection.dialect, column_keys=list(columns))
    order = compiled.positiontup or list(columns)
    sql = str(compiled)
    for start in range(0, len(numbers), _WRITTEN):
        slices = (_bound(connection, table, name, columns[name][start : start + _WRITTEN]) for name in order)
        rows: list[Any] = list(zip(*slices, strict=True))
        batch = rows if compiled.positional else [dict(zip(order, row, strict=True)) for row in rows]
        try:
            with connection.begin_nested():
                connection.exec_driver_sql(sql, batch)
        except IntegrityError:
            # The database does not say which row it refused: the one that it refuses again on its own.
            for row, number in zip(batch, numbers[start:], strict=False):
                try:
                    with connection.begin_nested():
                        connection.exec_driver_sql(sql, row)
                except IntegrityError as error:
                    given = {name: columns[name][numbers.index(number)] for name in order}
                    why = _reason(connection, table, given, failure_of(error))
                    raise IntegrityFailed(f"{table.name}, row {number}: {why} Nothing was changed.") from error


def _bound(connection: Connection, table: Table, name: str, values: list[Any]) -> Iterable[Any]:
    """Return values of a column in the form in which the driver takes them."""
    (primary,) = table.primary_key.columns
    column = primary if name == _PRIMARY else table.c[name.removeprefix(_NEW)]
    process = column.type.dialect_impl(connection.dialect).bind_processor(connection.dialect)
    if process is None or not isinstance(column.type, JSON):
        return values if process is None else map(process, values)
    # Rows may share an object: it is put into words once.
    ready = {key: process(value) for key, value in {id(value): value for value in values}.items()}
    return [ready[id(value)] for value in values]


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
