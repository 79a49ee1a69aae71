"""The tables as wholes: is each there, with the columns that it needs?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kso_utils.metadata.rules import Hit, check
from kso_utils.metadata.terms import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from kso_utils.metadata.rules import Tables

_MAIN_TABLES = ("sites", "movies", "species")


@check(
    "TABLE_MISSING",
    "warning",
    "One of the tables sites, movies and species is not there.",
    "Add the table, or name its file in the settings.",
)
def _table_missing(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    for name in _MAIN_TABLES:
        if name not in tables:
            yield Hit(name, None, None, "", f"There is no table of {name}.")


@check(
    "TABLE_EMPTY",
    "warning",
    "A table has a header and no rows.",
    "Fill it in, in a spreadsheet or with kso edit --add.",
)
def _table_empty(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    for name, frame in tables.items():
        if frame.empty:
            yield Hit(name, None, None, "", f"There are no rows in {frame.attrs.get('file', name)}.")


@check(
    "FILE_NOT_UTF8",
    "warning",
    "The file is not UTF-8; it was read as UTF-16 or, where it is neither, as Windows-1252, which may change letters.",
    "Save it as CSV UTF-8 and look at names with letters such as å, ä, ö.",
)
def _file_not_utf8(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    for name, frame in tables.items():
        encoding = str(frame.attrs.get("encoding", "utf-8"))
        if encoding != "utf-8":
            message = f"{frame.attrs.get('file', name)} is not UTF-8, and was read as {_spell(encoding)}."
            yield Hit(name, None, None, encoding, message)


def _spell(encoding: str) -> str:
    return "Windows-1252" if encoding == "cp1252" else encoding.upper()


@check(
    "REQUIRED_COLUMN_MISSING",
    "error",
    "A column is missing without which no row can be stored.",
    "Add the column, or say in the settings which header stands for it.",
)
def _required_column(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    yield from _missing_columns(tables, "required")


@check(
    "RECOMMENDED_COLUMN_MISSING",
    "warning",
    "A column is missing without which observations cannot be published.",
    "Add the column, or say in the settings which header stands for it.",
)
def _recommended_column(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    yield from _missing_columns(tables, "recommended")


def _missing_columns(tables: Tables, need: str) -> Iterator[Hit]:
    for name, frame in tables.items():
        for column in TABLES[name].columns:
            if column.need == need and column.name not in frame:
                also = f" (or {' or '.join(column.headers)})" if column.headers else ""
                yield Hit(name, None, column.name, "", f"There is no column {column.name}{also}.")
