"""Cells by themselves: is there a value, and is it of its column's kind?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kso_utils.metadata.rules import advise, check, each_column, hits
from kso_utils.metadata.taxa import label_species
from kso_utils.metadata.terms import NON_TAXON_LABELS
from kso_utils.metadata.values import (
    find_commas,
    is_empty,
    is_mark,
    is_placeholder,
    map_distinct,
    to_flags,
    to_numbers,
    to_text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from kso_utils.metadata.rules import Hit, Tables

_WITH_UNIT = re.compile(r"([+-]?\d+)(?:[.,](\d+))?\s*[^\W\d]{0,12}\W?")


@check(
    "REQUIRED_VALUE_MISSING",
    "error",
    "A cell is empty that identifies the row or the site it belongs to.",
    "Fill in the cell, or remove the row.",
)
def _required_value(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    for table, column, frame in each_column(tables):
        if column.need == "required":
            wrong = is_empty(frame[column.name]) | is_mark(frame[column.name])
            yield from hits(table.name, frame, column.name, wrong, "{column} has no value.")


@check(
    "RECOMMENDED_VALUE_MISSING",
    "warning",
    "A cell is empty without which observations of this row cannot be published.",
    "Fill in the cell if the value is known.",
)
def _recommended_value(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    for table, column, frame in each_column(tables):
        if column.need != "recommended":
            continue
        wrong = is_empty(frame[column.name])
        if table.name == "species" and "vernacularName" in frame:
            wrong &= ~label_species(frame).isin(NON_TAXON_LABELS)
        yield from hits(table.name, frame, column.name, wrong, "{column} has no value.")


@check(
    "PLACEHOLDER_VALUE",
    "warning",
    "A value only stands for one that is not known (NA, unknown, 99 frames a second).",
    "Give the true value, or leave the cell empty if it is not known.",
)
def _placeholder(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    for table, column, frame in each_column(tables):
        wrong = is_placeholder(frame[column.name], column)
        if column.need == "required":
            wrong &= ~is_mark(frame[column.name])
        yield from hits(table.name, frame, column.name, wrong, "{column} is {value}, which looks like a placeholder.")


@check(
    "NOT_A_NUMBER",
    "error",
    "A value is not a number, or not a whole one where it must be.",
    "Write digits with a decimal point, without unit.",
)
def _not_a_number(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    yield from _no_numbers(tables, depths=False)


@check(
    "DEPTH_NON_NUMERIC",
    "error",
    "A depth is not a number.",
    "Write metres below the surface, with a decimal point and without unit; a range goes into the two columns.",
)
def _depth_not_a_number(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    yield from _no_numbers(tables, depths=True)


def _no_numbers(tables: Tables, *, depths: bool) -> Iterator[Hit]:
    for table, column, frame in each_column(tables, "number", "integer"):
        if column.name == "id" or ("Depth" in column.name) != depths:
            continue
        cells = frame[column.name]
        numbers = to_numbers(cells)
        wrong = numbers.isna() & ~is_empty(cells) & ~is_placeholder(cells, column)
        if column.kind == "number":
            # What a comma means there is asked by checks of its own.
            wrong &= ~find_commas(cells)[0]
        else:
            wrong |= (numbers % 1).fillna(0).ne(0)
        if wrong.any():
            mended = map_distinct(to_text(cells).where(wrong), mend_number)
            advised = frame.assign(_fix=advise(mended))
            message = "{column} is {value}, which is not a number."
            yield from hits(table.name, advised, column.name, wrong, message, "{_fix}")


def mend_number(text: str) -> str | None:
    """Return the number that is meant where it has a unit or a decimal comma (`25,5 m`: 25.5), None if nobody knows.

    `1,250` may be a thousand or a decimal, and stays unknown.
    """
    found = _WITH_UNIT.fullmatch(text)
    if not found or ("," in text and len(found[2] or "") == 3):
        return None
    mended = found[1] + (f".{found[2]}" if found[2] else "")
    return mended if mended != text else None


@check("NOT_YES_OR_NO", "error", "A value is neither yes nor no.", "Write true or false.")
def _not_a_flag(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    for table, column, frame in each_column(tables, "flag"):
        cells = frame[column.name]
        wrong = to_flags(cells).isna() & ~is_empty(cells) & ~is_placeholder(cells, column)
        yield from hits(table.name, frame, column.name, wrong, "{column} is {value}, which is neither true nor false.")
