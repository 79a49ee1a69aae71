"""Tables of text cells, whatever file they come from: what makes a table, and what is too much for one."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kso_utils.core.errors import MetadataError
from kso_utils.core.report import Finding, Report
from kso_utils.core.spreadsheets import restore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_BYTES = 64 * 2**20
MAX_ROWS = 500_000
MAX_COLUMNS = 1_000
MAX_CELLS = 5_000_000

UNREADABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd]")
"""Characters that no text holds."""

_RAGGED_SHOWN = 1_000


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table of text cells.

    Attributes
    ----------
    header
        The header's cells.
    rows
        The cells of each row, as many as the header has.
    lines
        The line of each row as a spreadsheet counts it; the header is line 1.
    encoding
        How the file was read: `utf-8`, `utf-16-le`, `utf-16-be` or `cp1252`.
    separator
        What stands between two cells; empty for a workbook.
    newline
        What ends the first line; empty for a workbook.
    bom
        Whether the file began with a byte order mark.
    """

    header: list[str]
    rows: list[list[str]]
    lines: list[int]
    encoding: str
    separator: str
    newline: str = "\n"
    bom: bool = False


def clean_cell(text: str) -> str:
    """Return a cell's text normalised (NFC), stripped, and without the apostrophe that kept it from being a formula."""
    plain = text if text.isascii() else unicodedata.normalize("NFC", text)
    return restore(plain).strip()


def name_place(path: Path, line: int, column: str | None = None) -> str:
    """Return where something stands in a file, for messages."""
    return f"{path}, line {line}" + (f", column {column!r}" if column else "")


def require_table(path: Path, records: Iterator[tuple[int, list[str]]]) -> tuple[list[str], list[list[str]], list[int]]:
    """Return header, rows and the line of each row from records with their lines, the blank ones left out.

    Raises
    ------
    MetadataError
        If there is no header, a ragged row, or too much of anything.
    """
    header: list[str] = []
    rows: list[list[str]] = []
    lines: list[int] = []
    ragged: list[Finding] = []
    for number, cells in records:
        if not any(cells):
            continue
        if not header:
            header = _require_header(path, number, cells)
            continue
        width = len(header)
        if len(cells) < width or (len(cells) > width and any(cells[width:])):
            ragged.append(_describe_ragged(path, header, number, cells))
        elif len(rows) >= MAX_ROWS or len(rows) * width >= MAX_CELLS:
            raise MetadataError(
                f"{name_place(path, number)}: a table has at most {MAX_ROWS:,} rows and {MAX_CELLS:,} cells. Split it."
            )
        else:
            rows.append(cells[:width] if len(cells) > width else cells)
            lines.append(number)
        if len(ragged) >= _RAGGED_SHOWN:
            break
    if not header:
        raise MetadataError(f"{path} is empty. It must have a header line.")
    if ragged:
        _refuse_ragged(path, ragged)
    return header, rows, lines


def _require_header(path: Path, number: int, cells: list[str]) -> list[str]:
    header = list(cells)
    while not header[-1]:
        header.pop()
    if len(header) > MAX_COLUMNS:
        raise MetadataError(
            f"{name_place(path, number)}: the header has {len(header):,} columns, {MAX_COLUMNS:,} at most are read. "
            "Remove those that hold nothing."
        )
    if any(UNREADABLE.search(cell) for cell in header):
        raise MetadataError(f"{path} is not a text file. Save the table as CSV (UTF-8).")
    return header


def _describe_ragged(path: Path, header: list[str], number: int, cells: list[str]) -> Finding:
    width = len(header)
    column = header[len(cells)] if len(cells) < width else header[-1]
    many = len(cells) if len(cells) < width else width + max(i for i, c in enumerate(cells[width:], 1) if c)
    message = f"{many} values under a header of {width}."
    fix = "Quote values that contain a separator, and give every row as many values as the header."
    return Finding(path.name, number, column, "ROW_RAGGED", "error", " | ".join(cells)[:200], message, fix)


def _refuse_ragged(path: Path, ragged: list[Finding]) -> None:
    first = ragged[0]
    more = f" ({len(ragged) - 1} more such lines.)" if len(ragged) > 1 else ""
    raise MetadataError(
        f"{path}, line {first.row}: {first.message} The row breaks at column {first.column!r}.{more} {first.fix}",
        Report(path.name, ragged),
    )
