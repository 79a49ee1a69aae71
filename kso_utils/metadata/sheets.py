"""Files of tables as people write them, CSV or Excel: text cells with the line they stand on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kso_utils.core.errors import MetadataError
from kso_utils.metadata.delimited import load_delimited
from kso_utils.metadata.records import MAX_BYTES
from kso_utils.metadata.records import Sheet as Sheet
from kso_utils.metadata.workbooks import load_workbook_sheet

if TYPE_CHECKING:
    from pathlib import Path

SUFFIXES = (".csv", ".tsv", ".xlsx")
"""Ends of the names of files that can be read."""

OTHER_SUFFIXES = (".xls", ".xlsb", ".xlsm", ".ods", ".numbers")
"""Ends of the names of tables that cannot be read, and are told from files that are none."""


def load_sheet(path: Path, name: str | None = None) -> Sheet:
    """Read a CSV file or an Excel workbook into text cells, stripped and normalised (NFC).

    An apostrophe before `=`, `+`, `-` or `@`, which exports write so that a spreadsheet runs no formula, is taken
    off. CSV files may be UTF-8 or UTF-16, with or without byte order mark, else they are read as Windows-1252; cells
    may be separated by commas, semicolons or tabs, lines end as they like.

    Parameters
    ----------
    path
        The file.
    name
        The sheet of a workbook, by default its first.

    Raises
    ------
    MetadataError
        If it is unreadable, empty, binary, ragged or far too large; the message names line and column where there
        is one, and `report` lists every ragged row.
    UnsafeInput
        If it is a workbook that would fill memory.
    """
    suffix = path.suffix.lower()
    try:
        _require_small(path)
        if suffix in OTHER_SUFFIXES:
            raise MetadataError(
                f"{path} is a table of a kind that is not read ({suffix}). Save it as Excel workbook (.xlsx) or as CSV "
                "(UTF-8)."
            )
        if suffix == ".xlsx":
            return load_workbook_sheet(path, name)
        return load_delimited(path)
    except OSError as error:
        raise MetadataError(f"{path} cannot be read: {error.strerror}. Check the file and its permissions.") from error


def _require_small(path: Path) -> None:
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise MetadataError(
            f"{path} has {size / 1e6:,.0f} MB, which is no table of metadata ({MAX_BYTES / 1e6:.0f} MB at most). "
            "Give the right file, or split it."
        )
