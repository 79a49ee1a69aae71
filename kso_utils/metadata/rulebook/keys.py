"""Names and ids: does each stand for one row, and does each reference lead to one?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kso_utils.metadata.rules import check, each_column, hits, repeats
from kso_utils.metadata.values import is_mark, to_numbers, to_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from kso_utils.metadata.rules import Hit, Tables


@check(
    "DUPLICATE_KEY",
    "error",
    "Two rows have the same name in a column that identifies them.",
    "Remove one of the rows, or give it a name of its own.",
)
def _duplicate_key(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    for table, column, frame in each_column(tables):
        if column.name in (table.key, *table.unique):
            cells = to_text(frame[column.name]).mask(is_mark(frame[column.name]))
            yield from repeats(table.name, frame, column.name, cells, "{column} {value} stands on line {_first} too.")


@check(
    "ID_UNUSABLE",
    "warning",
    "The ids of a table are not unique whole numbers, so that new ones are given.",
    "Give every row a whole number of its own, or remove the column.",
)
def _id_unusable(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    for table, column, frame in each_column(tables, "integer"):
        if column.name == "id":
            ids = to_numbers(frame["id"])
            wrong = ids.isna() | (ids % 1).fillna(0).ne(0) | ids.le(0) | ids.duplicated()
            yield from hits(table.name, frame, "id", wrong, "{column} is {value}, empty, or stands on two lines.")


@check(
    "UNKNOWN_SITE",
    "error",
    "A movie or photo names a site that the table of sites does not have.",
    "Add the site, or correct its name; spelling and capitals count.",
)
def _unknown_site(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    yield from _unknown(tables, "locality", "sites", "locality")


@check(
    "UNKNOWN_SURVEY",
    "error",
    "A movie or photo names a survey that the table of surveys does not have.",
    "Add the survey, or correct its name.",
)
def _unknown_survey(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    yield from _unknown(tables, "parentEventID", "surveys", "eventID")


def _unknown(tables: Tables, column: str, target: str, key: str) -> Iterator[Hit]:
    there = tables.get(target)
    known = set(to_text(there[key]).dropna()) if there is not None and key in there else set()
    for name in ("movies", "photos"):
        if name in tables and column in tables[name]:
            cells = to_text(tables[name][column])
            wrong = cells.notna() & ~cells.isin(known) & ~is_mark(cells)
            yield from hits(
                name, tables[name], column, wrong, f"{{column}} is {{value}}, which is not among the {target}."
            )
