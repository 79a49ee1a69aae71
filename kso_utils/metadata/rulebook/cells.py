"""Cells by themselves: is there a value, and is it of its column's kind?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kso_utils.metadata.rules import check, each_column, hits
from kso_utils.metadata.taxa import label_species
from kso_utils.metadata.terms import NON_TAXON_LABELS
from kso_utils.metadata.values import is_empty, is_mark, is_placeholder, to_flags, to_numbers

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from kso_utils.metadata.rules import Hit, Tables


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
    for table, column, frame in each_column(tables, "number", "integer"):
        if column.name == "id":
            continue
        cells = frame[column.name]
        numbers = to_numbers(cells)
        wrong = numbers.isna() & ~is_empty(cells) & ~is_placeholder(cells, column)
        if column.kind == "integer":
            wrong |= (numbers % 1).fillna(0).ne(0)
        yield from hits(table.name, frame, column.name, wrong, "{column} is {value}, which is not a number.")


@check("NOT_YES_OR_NO", "error", "A value is neither yes nor no.", "Write true or false.")
def _not_a_flag(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    for table, column, frame in each_column(tables, "flag"):
        cells = frame[column.name]
        wrong = to_flags(cells).isna() & ~is_empty(cells) & ~is_placeholder(cells, column)
        yield from hits(table.name, frame, column.name, wrong, "{column} is {value}, which is neither true nor false.")
