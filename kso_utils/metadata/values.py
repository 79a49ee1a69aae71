"""Cells of tables as values: numbers, dates, flags, and whether there is a value at all."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from kso_utils.core.errors import ConfigError
from kso_utils.metadata.terms import EMPTY_MARKS, VAGUE_WORDS, Column, Table

if TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

    Cells = pd.Series[Any]
    Mask = pd.Series[bool]

_FLAGS = {"true": True, "yes": True, "y": True, "t": True, "1": True, "1.0": True}
_FLAGS |= {"false": False, "no": False, "n": False, "f": False, "0": False, "0.0": False}
_TIME = r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)?"
_MOMENT = re.compile(rf"(\d{{4}})(?:-(\d\d)(?:-(\d\d)(?:[T ]{_TIME})?)?)?")
_SHORT_END = re.compile(r"\d\d(-\d\d)?")
_DATE_PARTS = {"YYYY": "%Y", "MM": "%m", "DD": "%d"}
_DATE_DIGITS = {"YYYY": r"\d{4}", "MM": r"\d{1,2}", "DD": r"\d{1,2}"}
_CLOCK = r"(?P<hour>\d{1,2})(?P<rest>:[0-5]\d(?::[0-5]\d(?:\.\d+)?)?)(?P<zone>Z|[+-]\d\d(?::?\d\d)?)?"
_NAIVE = re.compile(r"(\d{4}-\d\d-\d\d)[T ]((?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d+)?)?)")
_COMMA_NUMBER = r"[+-]?\d+,\d+"
_POINT_NUMBER = r"[+-]?\d*\.\d+(?:[eE][+-]?\d+)?"
_DOUBTFUL_NUMBER = r"[+-]?[1-9]\d{0,2}(?:,\d{3})+"

CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""Characters that are no text, and that stores and archives refuse."""


def to_text(cells: Cells) -> Cells:
    """Return the cells as stripped text, NaN where there is nothing."""
    if isinstance(cells.dtype, pd.StringDtype) and cells.dtype.na_value is np.nan:
        plain: Cells = cells.str.strip()
        empty = plain.eq("")
        return plain.mask(empty) if empty.any() else plain
    text = cells.astype("string").str.strip()
    return text.mask(text.eq("").fillna(True)).astype("str")


def to_numbers(cells: Cells) -> pd.Series[float]:
    """Return the cells as float64, NaN where there is nothing or no finite number."""
    plain = cells if _holds_numbers(cells) else to_text(cells)
    numbers: pd.Series[float] = pd.to_numeric(plain, errors="coerce").astype("float64")
    return numbers.mask(numbers.abs().eq(float("inf")))


def to_flags(cells: Cells) -> Cells:
    """Return the cells as `boolean`: yes, true, 1, no, false, 0 in any case; missing where it is none of these."""
    return to_text(cells).str.lower().map(_FLAGS).astype("boolean")


def to_point_decimals(cells: Cells, decimal: str = ".") -> tuple[Cells, Mask]:
    """Return numbers with a decimal comma written with a point, and where that was done.

    Nothing is done to a column in which other numbers have a decimal point, or, unless `decimal` is a comma, in
    which every comma may as well divide thousands (`1,234`).
    """
    text = to_text(cells)
    commas = comma_numbers(text)
    none = pd.Series(False, index=cells.index)
    if not commas.any() or point_numbers(text).any():
        return text, none
    if decimal != "," and doubtful_numbers(text)[commas].all():
        return text, none
    return text.mask(commas, text.str.replace(",", ".", regex=False)), commas


def comma_numbers(text: Cells) -> Mask:
    """Return which texts are numbers with one decimal comma (`57,5`)."""
    return _matches(text, ",", _COMMA_NUMBER)


def point_numbers(text: Cells) -> Mask:
    """Return which texts are numbers with a decimal point (`57.5`)."""
    return _matches(text, ".", _POINT_NUMBER)


def doubtful_numbers(text: Cells) -> Mask:
    """Return which texts are numbers whose commas may divide thousands (`1,234`)."""
    return _matches(text, ",", _DOUBTFUL_NUMBER)


def _matches(text: Cells, sign: str, pattern: str) -> Mask:
    found: Mask = text.str.contains(sign, regex=False, na=False).astype(bool)
    if found.any():
        found[found] = text[found].str.fullmatch(pattern).astype(bool)
    return found


def to_iso_dates(cells: Cells, pattern: str) -> Cells:
    """Return dates that are written as `pattern`, with or without a time of day, in ISO 8601; all other text stays.

    Parameters
    ----------
    cells
        Text.
    pattern
        `YYYY`, `MM` and `DD` with what stands between them (`DD/MM/YYYY`).

    Raises
    ------
    ConfigError
        If the pattern does not hold each of the three once.
    """
    form, digits = pattern.replace("%", "%%"), re.escape(pattern)
    for part, directive in _DATE_PARTS.items():
        if pattern.count(part) != 1:
            raise ConfigError(
                f"The pattern of dates {pattern!r} must hold YYYY, MM and DD once each, as in DD/MM/YYYY."
            )
        form, digits = form.replace(part, directive), digits.replace(part, _DATE_DIGITS[part])
    distinct = pd.Series(cells.dropna().unique(), dtype="str")
    parts = distinct.str.extract(f"^(?P<day>{digits})(?:[T ]+{_CLOCK})?$").astype("str")
    days = pd.to_datetime(parts["day"].astype("object"), format=form, errors="coerce")
    day = days.dt.strftime("%Y-%m-%d").astype("str")
    clock = "T" + parts["hour"].str.zfill(2) + parts["rest"] + parts["zone"].fillna("")
    read = distinct.mask(days.notna(), clock.radd(day).fillna(day))
    return cells.map(dict(zip(distinct, read, strict=True))).astype("str")


def to_zoned_times(cells: Cells, zone: ZoneInfo) -> Cells:
    """Return ISO 8601 times without offset with that of a time zone; times that the zone has twice or not at all stay.

    Parameters
    ----------
    cells
        Text; intervals get an offset at both ends, days and times with an offset stay.
    zone
        Where the clock stood.
    """
    known = {text: "/".join(_add_offset(part, zone) for part in text.split("/")) for text in cells.dropna().unique()}
    return cells.map(known).astype("str")


def _add_offset(text: str, zone: ZoneInfo) -> str:
    moment = read_local_time(text)
    offsets = [] if moment is None else zone_offsets(moment, zone)
    if len(offsets) != 1:
        return text
    minutes = round(offsets[0].total_seconds() / 60)
    sign, minutes = ("-", -minutes) if minutes < 0 else ("+", minutes)
    return f"{text.replace(' ', 'T')}{sign}{minutes // 60:02}:{minutes % 60:02}"


def read_local_time(text: str) -> datetime | None:
    """Return a day with a time of day and no offset; None for any other text."""
    found = _NAIVE.fullmatch(text)
    try:
        return datetime.fromisoformat(f"{found[1]}T{found[2]}") if found else None
    except ValueError:
        return None


def zone_offsets(moment: datetime, zone: ZoneInfo) -> list[timedelta]:
    """Return the offsets from UTC that a local time may have: none where clocks skipped it, two where it came twice."""
    found = []
    for fold in (0, 1):
        local = moment.replace(tzinfo=zone, fold=fold)
        offset = local.utcoffset()
        back = local.astimezone(UTC).astimezone(zone).replace(tzinfo=None)
        if offset is not None and back == moment and offset not in found:
            found.append(offset)
    return found


def read_names(cells: Cells) -> Cells:
    """Return each text of names with `;` between them as a list, None where there is none; lists stay."""
    lists = [_split_names(cell) if isinstance(cell, str) else cell for cell in cells]
    return pd.Series([one if isinstance(one, list) and one else None for one in lists], cells.index, dtype="object")


def _split_names(text: str) -> list[str]:
    return [name for part in text.split(";") if (name := part.strip())]


def read_days(text: str) -> tuple[date, date] | None:
    """Return the first and last day of an ISO 8601 date, time or interval, None where it is none.

    Darwin Core's forms of `eventDate` are read: a year, a month, a day, a moment with or without time zone, and an
    interval of two of them (`2007-11-13/2007-11-15`, `2007-11-13/15`).
    """
    start, slash, end = text.partition("/")
    if slash and _SHORT_END.fullmatch(end):
        end = start[: len(start) - len(end)] + end
    first, last = _read_span(start), _read_span(end if slash else start)
    return (first[0], last[1]) if first and last and first[0] <= last[0] else None


def _read_span(text: str) -> tuple[date, date] | None:
    """Return the first and last day of a year, month, day or moment."""
    found = _MOMENT.fullmatch(text)
    if not found:
        return None
    year, month, day = (int(found[group]) if found[group] else None for group in (1, 2, 3))
    try:
        # A part that is written as 00 is not one that is left out.
        first = date(year or 0, 1 if month is None else month, 1 if day is None else day)
    except ValueError:
        return None
    last_month = month or 12
    return first, date(first.year, last_month, day or monthrange(first.year, last_month)[1])


def matches(cells: Cells, pattern: re.Pattern[str]) -> Mask:
    """Return which cells (text) hold the pattern; each distinct value is looked at once."""
    return _find_distinct(cells, pattern.search)


def matches_whole(cells: Cells, pattern: re.Pattern[str]) -> Mask:
    """Return which cells (text) are the pattern from end to end; each distinct value is looked at once."""
    return _find_distinct(cells, pattern.fullmatch)


def _find_distinct(cells: Cells, find: Callable[[str], object]) -> Mask:
    codes, distinct = pd.factorize(cells)
    found = [find(text) is not None for text in distinct.tolist()]
    found.append(False)  # the last, which the code -1 means, is of missing cells
    return pd.Series(np.array(found, dtype=bool)[codes], index=cells.index, dtype="bool")


def map_distinct(cells: Cells, change: Callable[[str], Any]) -> Cells:
    """Return what a function makes of each cell (text), which it is asked once for each distinct value."""
    codes, distinct = pd.factorize(cells)
    made = np.full(len(distinct) + 1, None, dtype="object")  # the last, which the code -1 means, is of missing cells
    for k, text in enumerate(distinct.tolist()):
        made[k] = change(text)
    return pd.Series(made[codes], index=cells.index, dtype="object")


def compare(left: Cells, right: Cells, test: Callable[[Any, Any], bool]) -> Mask:
    """Return where both cells are known and a test of the two is true."""
    known = (left.notna() & right.notna()).to_numpy()
    found = np.zeros(len(left), dtype=bool)
    found[known] = [test(a, b) for a, b in zip(left[known], right[known], strict=True)]
    return pd.Series(found, index=left.index, dtype="bool")


def is_empty(cells: Cells) -> Mask:
    """Return where there is no value at all."""
    return cells.isna() if _holds_numbers(cells) else to_text(cells).isna()


def is_mark(cells: Cells) -> Mask:
    """Return where a word or sign says that there is no value (`NA`, `-`)."""
    if _holds_numbers(cells):
        return pd.Series(False, index=cells.index)
    return to_text(cells).str.lower().isin(EMPTY_MARKS)


def is_placeholder(cells: Cells, column: Column) -> Mask:
    """Return where a value only stands for one that is not known: `NA`, `unknown 1`, 99 frames a second.

    Country codes and datums have lists of their own (`NA` is Namibia).
    """
    found = pd.Series(False, index=cells.index)
    if column.kind in ("country", "datum"):
        return found
    if not _holds_numbers(cells):
        text = to_text(cells)
        found = text.str.lower().isin(EMPTY_MARKS) | matches_whole(text, VAGUE_WORDS)
    return found | to_numbers(cells).isin(column.placeholders) if column.placeholders else found


def _holds_numbers(cells: Cells) -> bool:
    """Return whether the cells can hold nothing but numbers, which no word can stand for."""
    return pd.api.types.is_numeric_dtype(cells)


def known_numbers(frame: pd.DataFrame, table: Table, name: str) -> pd.Series[float]:
    """Return a column's numbers, NaN where there is none or only a placeholder, all NaN if the column is absent."""
    column = table.column(name)
    if column is None or name not in frame:
        return pd.Series(float("nan"), index=frame.index)
    numbers = to_numbers(frame[name])
    return numbers.mask(numbers.isin(column.placeholders))


def find_commas(cells: Cells) -> tuple[Mask, bool]:
    """Return which numbers kept their comma, and whether that is because others have a point."""
    if pd.api.types.is_numeric_dtype(cells):
        return pd.Series(False, index=cells.index), False
    is_text = pd.Series([isinstance(cell, str) for cell in cells], index=cells.index)
    text = to_text(cells.where(is_text))
    commas, doubtful = comma_numbers(text), doubtful_numbers(text)
    points = point_numbers(text).any() or (to_numbers(cells.mask(is_text)).dropna() % 1).ne(0).any()
    # Where the file was read, a comma that is certain is left only where other numbers have a point.
    return commas | doubtful, bool(points or (commas & ~doubtful).any())
