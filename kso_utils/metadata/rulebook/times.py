"""When and how long: dates, frame rates, durations and sampling windows."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pandas as pd

from kso_utils.core.clock import utc_now
from kso_utils.metadata.footage import DURATION_TOLERANCE_S, match_footage
from kso_utils.metadata.rules import check, each_column, hits, not_positive
from kso_utils.metadata.terms import MOVIES
from kso_utils.metadata.values import is_placeholder, known_numbers, read_days, to_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kso_utils.metadata.rules import Hit, Tables

_FIRST_FOOTAGE = date(1850, 1, 1)
_WINDOW_TOLERANCE_S = 0.05


@check(
    "RECORDED_DATE_INVALID",
    "error",
    "A date is not a date of the calendar in ISO 8601 (2021-08-13, 2021-08-13T10:30:00Z).",
    'Write year-month-day, or say how dates are written in the settings (dates = "DD/MM/YYYY").',
)
def _date_invalid(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    for table, column, frame in each_column(tables, "date"):
        cells = to_text(frame[column.name])
        wrong = cells.notna() & cells.map(read_days, na_action="ignore").isna() & ~is_placeholder(cells, column)
        yield from hits(table.name, frame, column.name, wrong, "{column} is {value}, which is not a date in ISO 8601.")


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
        wrong = to_text(frame[column.name]).map(unlikely, na_action="ignore").eq(True)
        yield from hits(
            table.name, frame, column.name, wrong, "{column} is {value}, when nothing can have been filmed."
        )


@check(
    "VALUE_NOT_POSITIVE",
    "error",
    "A frame rate or duration is 0 or less.",
    "Give the true value, or leave the cell empty: it is then read from the file.",
)
def _value_not_positive(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    for column in ("fps", "duration_s"):
        yield from not_positive(tables, MOVIES, column)


def _window(movies: pd.DataFrame) -> tuple[pd.Series[float], pd.Series[float]]:
    start, end = (known_numbers(movies, MOVIES, name) for name in ("sampling_start_s", "sampling_end_s"))
    return start.fillna(0.0), end


@check(
    "SAMPLING_WINDOW_INVALID",
    "error",
    "A sampling window starts before the movie, or does not end after it starts.",
    "Give seconds since the start of the movie; leave both empty if the whole movie was sampled.",
)
def _window_invalid(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    movies = tables.get("movies", pd.DataFrame())
    start, end = _window(movies)
    if "sampling_start_s" in movies:
        yield from hits("movies", movies, "sampling_start_s", start.lt(0), "{column} is {value}, before the movie.")
    if "sampling_end_s" in movies:
        message = "{column} is {value}, not after the start of the sampling."
        yield from hits("movies", movies, "sampling_end_s", end.le(start), message)


@check(
    "SAMPLING_WINDOW_BEYOND_MOVIE",
    "error",
    "A sampling window reaches beyond the end of the movie.",
    "Correct the window or the duration.",
)
def _window_beyond(tables: Tables, footage: pd.DataFrame | None) -> Iterator[Hit]:
    movies = tables.get("movies", pd.DataFrame())
    start, end = _window(movies)
    listed = known_numbers(movies, MOVIES, "duration_s")
    found = match_footage(movies, footage)
    measured = found["duration_s"].astype("float64") if "duration_s" in found else listed
    limit = (listed + _WINDOW_TOLERANCE_S).fillna(measured + DURATION_TOLERANCE_S)
    message = "{column} is {value} s, which is beyond the end of the movie."
    if "sampling_start_s" in movies:
        yield from hits("movies", movies, "sampling_start_s", start.ge(listed) | start.ge(measured), message)
    if "sampling_end_s" in movies:
        yield from hits("movies", movies, "sampling_end_s", end.gt(limit), message)
