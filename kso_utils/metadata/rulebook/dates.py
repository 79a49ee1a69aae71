"""When: dates, and what else tells them."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pandas as pd

from kso_utils.core.clock import utc_now
from kso_utils.metadata.rules import advise, check, each_column, hits
from kso_utils.metadata.values import compare, is_placeholder, map_distinct, read_days, to_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kso_utils.metadata.rules import Hit, Tables

_FIRST_FOOTAGE = date(1850, 1, 1)
_FIRST_NAMED_YEAR = 1950
_A_DAY = timedelta(days=1)
_MOST_AGREE = 0.5
_EXCEL_START = date(1899, 12, 30)
_EXCEL_DAY = re.compile(r"[2-6]\d{4}")
_WRITTEN_DAY = re.compile(r"(\d{4}|\d{1,2})([./ -])(\d{1,2})\2(\d{4}|\d{1,2})")
_LONG_DAYS = (
    (re.compile(r"(?<!\d)(\d{4})([._-])(\d\d)\2(\d\d)(?!\d)"), ((1, 3, 4),)),
    (re.compile(r"(?<!\d)(\d{4})(\d\d)(\d\d)(?!\d)"), ((1, 2, 3),)),
    (re.compile(r"(?<!\d)(\d\d)([._-])(\d\d)\2(\d{4})(?!\d)"), ((4, 3, 1), (4, 1, 3))),
)
"""Ways in which names hold a day, and which groups may be year, month and day."""
_MAYBE_DAY = re.compile(r"\d\d(?:[._-]\d\d[._-]\d\d|(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))")
"""What every name with a day holds: two digits and, behind them, a month and a day, or numbers with signs between."""
_SHORT_DAY = re.compile(r"(?<![^\W_])(\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?![^\W_])")


@check(
    "RECORDED_DATE_INVALID",
    "error",
    "A date is not a date of the calendar in ISO 8601 (2021-08-13, 2021-08-13T10:30:00Z).",
    'Write year-month-day, or say how dates are written in the settings (dates = "DD/MM/YYYY").',
)
def _date_invalid(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    for table, column, frame in each_column(tables, "date"):
        cells = to_text(frame[column.name])
        wrong = cells.notna() & map_distinct(cells, read_days).isna() & ~is_placeholder(cells, column)
        advised = frame.assign(_fix=advise(map_distinct(cells.where(wrong), mend_date)))
        message = "{column} is {value}, which is not a date in ISO 8601."
        yield from hits(table.name, advised, column.name, wrong, message, "{_fix}")


def mend_date(text: str) -> str | None:
    """Return the day that is meant where only one can be (`13/08/2021`, `2021.8.13`, Excel's 44421), else None."""
    if _EXCEL_DAY.fullmatch(text):
        return (_EXCEL_START + timedelta(days=int(text))).isoformat()
    found = _WRITTEN_DAY.fullmatch(text)
    if not found:
        return None
    first, second, third = (int(found[k]) for k in (1, 3, 4))
    orders = [(first, second, third)] if len(found[1]) == 4 else [(third, second, first), (third, first, second)]
    days = {day.isoformat() for order in orders if (day := _day(*order))}
    return days.pop() if len(days) == 1 and max(len(found[1]), len(found[4])) == 4 else None


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


@check(
    "RECORDED_DATE_UNLIKELY",
    "warning",
    "A date lies in the future, or before there were cameras.",
    "Look the date up; day and month may be swapped.",
)
def _date_unlikely(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    today = date.fromisoformat(utc_now()[:10])

    def unlikely(text: str) -> bool:
        days = read_days(text)
        return days is not None and (days[0] < _FIRST_FOOTAGE or days[0] > today)

    for table, column, frame in each_column(tables, "date"):
        wrong = map_distinct(to_text(frame[column.name]), unlikely).eq(True)
        yield from hits(
            table.name, frame, column.name, wrong, "{column} is {value}, when nothing can have been filmed."
        )


@check(
    "FILENAME_DATE_CONTRADICTED",
    "warning",
    "The date in the name of a movie is not the date that the table gives.",
    "Look the date up, in the logbook or the picture; day and month may be swapped in one of the two.",
)
def _filename_date(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    this_year = int(utc_now()[:4])
    for name, column in (("movies", "eventDate"), ("photos", "captured_at")):
        frame = tables.get(name)
        if frame is None or not {"filename", column} <= set(frame):
            continue
        named = map_distinct(to_text(frame["filename"]), lambda name: date_of_name(name, this_year))
        short = pd.Series([bool(found) and found[1] for found in named], index=frame.index, dtype="bool")
        spans = map_distinct(to_text(frame[column]), _local_days)
        apart = compare(named, spans, lambda found, span: not span[0] <= found[0] <= span[1])
        # Six digits are a date only in a table whose names are otherwise dated so: most of them must agree.
        dated = short & spans.notna()
        wrong = apart if not dated.any() or apart[dated].mean() < _MOST_AGREE else apart & ~short
        if not wrong.any():
            continue
        shown = frame.assign(_named=named.map(lambda found: found[0].isoformat(), na_action="ignore"))
        message = "{column} is {value}, but the file is called {filename}, which says {_named}."
        fix = "If the name is right, write {_named}; look it up in the logbook."
        yield from hits(name, shown, column, wrong, message, fix)


def date_of_name(name: str, this_year: int) -> tuple[date, bool] | None:
    """Return the day that a file name holds, and whether it is written with six digits; None unless there is just one.

    Read are `YYYY-MM-DD` (also with `_` or `.`), `YYYYMMDD`, `DD-MM-YYYY` with separators, and only in a name without
    any of these `YYMMDD` that stands alone; years from 1950 to `this_year`.
    """
    if not _MAYBE_DAY.search(name):
        return None
    long = {
        day
        for pattern, orders in _LONG_DAYS
        for found in pattern.finditer(name)
        for day in _days(found, orders, this_year)
    }
    days = long or {day for found in _SHORT_DAY.finditer(name) for day in _days(found, ((1, 2, 3),), this_year)}
    return (next(iter(days)), not long) if len(days) == 1 else None


def _days(found: re.Match[str], orders: tuple[tuple[int, int, int], ...], this_year: int) -> Iterator[date]:
    for order in orders:
        year, month, day = (int(found[k]) for k in order)
        if len(found[order[0]]) == 2:
            year += 2000 if 2000 + year <= this_year else 1900
        read = _day(year, month, day)
        if read and _FIRST_NAMED_YEAR <= year <= this_year:
            yield read


def _local_days(text: str) -> tuple[date, date] | None:
    """Return first and last day of a date, with a day around a moment, which may be in another time zone."""
    span = read_days(text)
    if span and ("T" in text or " " in text):
        return span[0] - _A_DAY, span[1] + _A_DAY
    return span


@check(
    "DATE_OUTSIDE_SURVEY",
    "warning",
    "A movie or photo was taken before its survey began, or after it ended.",
    "Correct its date or its survey; a survey of several days has the date first day/last day.",
)
def _outside_survey(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    surveys = tables.get("surveys")
    if surveys is None or not {"eventID", "eventDate"} <= set(surveys):
        return
    dates = dict(zip(to_text(surveys["eventID"]), to_text(surveys["eventDate"]), strict=True))
    for name, column in (("movies", "eventDate"), ("photos", "captured_at")):
        frame = tables.get(name)
        if frame is None or not {"parentEventID", column} <= set(frame):
            continue
        survey = to_text(frame["parentEventID"]).map(dates)
        spans = map_distinct(survey, _survey_span)
        days = map_distinct(to_text(frame[column]), read_days)
        wrong = compare(days, spans, lambda day, span: day[1] < span[0] - _A_DAY or day[0] > span[1] + _A_DAY)
        message = "{column} is {value}, but the survey {parentEventID} was on {_survey}."
        yield from hits(name, frame.assign(_survey=survey), column, wrong, message)


def _survey_span(text: str) -> tuple[date, date] | None:
    """Return first and last day of a survey; a single day is taken for its first, as that of the last is not told."""
    span = read_days(text)
    return (span[0], date.max - _A_DAY) if span and span[0] == span[1] and "/" not in text else span
