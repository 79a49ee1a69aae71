"""Sheets of Excel workbooks as text cells, the way a person sees them: values, not formulas."""

from __future__ import annotations

import re
import warnings
import zipfile
import zlib
from contextlib import closing, contextmanager
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from kso_utils.core.errors import KsoError, MetadataError, UnsafeInput
from kso_utils.metadata.records import MAX_BYTES, Sheet, clean_cell, require_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MAX_PARTS = 2_000
_MAX_UNPACKED = 4 * MAX_BYTES
_MAX_RATIO = 100
_SMALL = 10 * 2**20
_OLE = b"\xd0\xcf\x11\xe0"
_CHUNK = 2**20
_FORMULA = re.compile(rb"<(\w+:)?f[ />]")
_DECLARATION = re.compile(rb"<!(DOCTYPE|ENTITY)", re.IGNORECASE)
_LONGEST_TOKEN = 64
_DAMAGES = (
    *(KeyError, ValueError, TypeError, IndexError, AttributeError, SyntaxError, OverflowError, EOFError),
    *(zipfile.BadZipFile, zlib.error),
)
"""What openpyxl raises at workbooks that are damaged or no workbooks (XML errors are SyntaxErrors)."""
_DIGITS_SHOWN = 15


def load_workbook_sheet(path: Path, name: str | None = None) -> Sheet:
    """Read a sheet of an .xlsx workbook into text cells.

    Dates and times become ISO 8601, whole numbers lose their `.0`, truth values become TRUE and FALSE. A formula
    stands for the value that was computed when the workbook was saved; where there is none, its text stays.

    Parameters
    ----------
    path
        The workbook.
    name
        The sheet, by default the first.

    Raises
    ------
    MetadataError
        If it is no such workbook, has no such sheet, or the sheet is no table.
    UnsafeInput
        If unpacking it would fill memory, or its XML declares entities.
    """
    has_formulas = _inspect(path)
    with _open(path, values=True) as values:
        names = values.sheetnames
        wanted = name or names[0]
        if wanted not in names:
            raise MetadataError(f"{path} has no sheet {wanted!r}. It has: {', '.join(names)}. Correct the settings.")
        if has_formulas:
            with _open(path, values=False) as formulas:
                records = _with_formulas(_records(values[wanted]), _records(formulas[wanted]))
                header, rows, lines = require_table(path, records)
        else:
            header, rows, lines = require_table(path, _records(values[wanted]))
    if not rows:
        # The rows of a workbook that was damaged end early, which looks like none; new tables are CSV files.
        raise MetadataError(f"{path} has a header but no rows. Fill it in, or remove the file.")
    return Sheet(header, rows, lines, "utf-8", "", "")


def _inspect(path: Path) -> bool:
    """Return whether a workbook holds formulas; refuse what is no workbook, or harmful to open."""
    with path.open("rb") as file:
        start = file.read(len(_OLE))
    if start == _OLE:
        raise MetadataError(
            f"{path} is an old Excel file, or protected by a password. Save it as Excel workbook (.xlsx) without "
            "password, or as CSV (UTF-8)."
        )
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            unpacked = sum(part.file_size for part in parts)
            packed = sum(part.compress_size for part in parts)
            if (
                len(parts) > _MAX_PARTS
                or unpacked > _MAX_UNPACKED
                or (unpacked > _SMALL and unpacked > packed * _MAX_RATIO)
            ):
                raise UnsafeInput(
                    f"{path} would unpack to {unpacked / 1e6:,.0f} MB in {len(parts)} parts, which is no table of "
                    "metadata. Save only the table, as CSV (UTF-8)."
                )
            return any([_scan(archive, part, path) for part in parts if part.filename.endswith((".xml", ".rels"))])
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error) as error:
        raise _damaged(path, error) from error


def _scan(archive: zipfile.ZipFile, part: zipfile.ZipInfo, path: Path) -> bool:
    """Return whether a part of the workbook holds a formula; refuse one that declares entities."""
    formulas, kept = False, b""
    with archive.open(part) as file:
        while chunk := file.read(_CHUNK):
            text = kept + chunk
            if _DECLARATION.search(text) or b"\0" in chunk:
                raise UnsafeInput(f"{path} holds XML that no spreadsheet writes ({part.filename}). Save it again.")
            formulas = formulas or bool(_FORMULA.search(text))
            kept = text[-_LONGEST_TOKEN:]
    return formulas and part.filename.startswith("xl/worksheets/")


@contextmanager
def _open(path: Path, values: bool) -> Iterator[Any]:
    import openpyxl  # loaded only where there is a workbook

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what openpyxl leaves out (pictures, validation) is no part of a table
            with closing(openpyxl.load_workbook(path, read_only=True, data_only=values, keep_links=False)) as book:
                yield book
    except _DAMAGES as error:
        if isinstance(error, KsoError):
            raise
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> MetadataError:
    return MetadataError(f"{path} is not an Excel workbook, or damaged ({error}). Save it again as .xlsx, or as CSV.")


def _records(sheet: Any) -> Iterator[tuple[int, list[str]]]:
    if not hasattr(sheet, "iter_rows"):
        raise MetadataError(f"The sheet {sheet.title!r} is a chart, not a table. Name another one in the settings.")
    # Programs that write workbooks state sizes that are not true; what is there counts.
    sheet.reset_dimensions()
    width = 0
    for number, row in enumerate(sheet.iter_rows(), 1):
        cells = [show_cell(cell.value) if cell.value is not None else "" for cell in row]
        while cells and not cells[-1]:
            cells.pop()
        # Cells that were never filled are not in the file.
        width = width or len(cells)
        yield number, cells + [""] * (width - len(cells))


def _with_formulas(
    values: Iterator[tuple[int, list[str]]], formulas: Iterator[tuple[int, list[str]]]
) -> Iterator[tuple[int, list[str]]]:
    """Yield the values, and the text of each formula that has none."""
    for (number, shown), (_, written) in zip(values, formulas, strict=True):
        shown += [""] * (len(written) - len(shown))
        yield number, [cell or (written[i] if i < len(written) else "") for i, cell in enumerate(shown)]


def show_cell(value: Any) -> str:
    """Return a cell of a workbook as text.

    Parameters
    ----------
    value
        What openpyxl read: text, a number, a truth value, a day (midnight is none), time or duration.
    """
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.{_DIGITS_SHOWN}g}"
    if isinstance(value, datetime):
        moment = _whole_milliseconds(value)
        return moment.date().isoformat() if moment.time() == time(0) else _show_time(moment)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, time):
        return _show_time(_whole_milliseconds(datetime.combine(date.min, value))).partition("T")[2]
    if isinstance(value, timedelta):
        seconds = round(value.total_seconds())
        return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return clean_cell(str(value))


def _whole_milliseconds(moment: datetime) -> datetime:
    """Excel keeps times as fractions of a day, so that a whole second may lie a few microseconds off."""
    rounded = moment + timedelta(microseconds=500)
    return rounded.replace(microsecond=rounded.microsecond // 1000 * 1000)


def _show_time(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds")
