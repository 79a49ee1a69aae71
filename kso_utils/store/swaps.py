"""Rows that pass unique values to each other: which of them must step aside first, and with what."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from sqlalchemy import Integer, PrimaryKeyConstraint, UniqueConstraint, func, select

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from sqlalchemy import Connection, Table

    Row = tuple[Any, ...]


def unique_sets(table: Table, names: Collection[str], keys: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the columns that must be unique together and that rows of `names`, known by `keys`, may change."""
    constraints = [c for c in table.constraints if isinstance(c, PrimaryKeyConstraint | UniqueConstraint)]
    sets = sorted(tuple(column.name for column in constraint.columns) for constraint in constraints)
    return [one for one in sets if (set(one) & set(names)) - set(keys)]


def movable_column(table: Table, together: Sequence[str], names: Collection[str]) -> str | None:
    """Return the column of a unique set in which a row can step aside: one that is written, and refers to nothing."""
    free = (name for name in together if name in names and not table.c[name].foreign_keys)
    return next(free, None)


def find_swapped(before: Mapping[int, Row], after: Mapping[int, Row], coming: Iterable[Row]) -> list[int]:
    """Return the rows whose old values other rows of the same write are to get.

    Parameters
    ----------
    before, after
        Row -> its values of one unique set, for the rows that change.
    coming
        Those of the rows that are inserted.
    """
    leaving = {values: place for place, values in before.items() if values != after[place] and None not in values}
    wanted = set(after.values()).union(coming)
    return [place for values, place in leaving.items() if values in wanted]


def stand_ins(connection: Connection, table: Table, column: str, number: int) -> list[Any]:
    """Return so many values for a column that no row of the table has."""
    if isinstance(table.c[column].type, Integer):
        least = connection.scalar(select(func.min(table.c[column])))
        return list(range(min(least, 0) - number, min(least, 0)))
    # No name that anyone gives holds the unit separator and 64 random bits.
    token = secrets.token_hex(8)
    return [f"\x1f{token} {n}" for n in range(number)]
