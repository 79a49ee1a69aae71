"""How fast and how long: frame rates, durations and sampling windows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from kso_utils.metadata.footage import DURATION_TOLERANCE_S, match_footage
from kso_utils.metadata.rules import advise, check, hits, not_positive
from kso_utils.metadata.terms import MOVIES
from kso_utils.metadata.values import is_empty, known_numbers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kso_utils.metadata.rules import Hit, Tables

_WINDOW_TOLERANCE_S = 0.05
_SLOWEST_FPS = 1.0
_FASTEST_FPS = 240.0
_LONGEST_S = 48 * 3600.0
_SAMPLE_SIZE = ("sampleSizeValue", "sampleSizeUnit")


@check(
    "VALUE_NOT_POSITIVE",
    "error",
    "A frame rate or duration is 0 or less.",
    "Give the true value, or leave the cell empty: it is then read from the file.",
)
def _value_not_positive(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    for column in ("fps", "duration_s"):
        yield from not_positive(tables, MOVIES, column)


@check(
    "FPS_UNLIKELY",
    "warning",
    "A frame rate is below 1 or above 240 frames a second.",
    "Leave the cell empty: the rate is then read from the file.",
)
def _fps_unlikely(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    movies = tables.get("movies", pd.DataFrame())
    if "fps" in movies:
        rates = known_numbers(movies, MOVIES, "fps")
        wrong = rates.gt(0) & ~rates.between(_SLOWEST_FPS, _FASTEST_FPS)
        yield from hits("movies", movies, "fps", wrong, "{column} is {value}, which hardly any camera gives.")


@check(
    "DURATION_UNLIKELY",
    "warning",
    "A movie, or the time that was sampled of it, is longer than 48 hours.",
    "Give seconds, or leave the cell empty: it is then read from the file.",
)
def _duration_unlikely(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    movies = tables.get("movies", pd.DataFrame())
    for column in ("duration_s", "sampling_end_s"):
        if column in movies:
            seconds = known_numbers(movies, MOVIES, column)
            meant = (seconds / 1000).where(seconds.gt(_LONGEST_S) & (seconds / 1000).le(_LONGEST_S))
            advised = movies.assign(_fix=advise(meant, "Write {}, if these are milliseconds."))
            message = "{column} is {value} s, more than 48 hours."
            yield from hits("movies", advised, column, seconds.gt(_LONGEST_S), message, "{_fix}")


@check(
    "SAMPLE_SIZE_INCOMPLETE",
    "warning",
    "The size of a sample has no unit, or a unit no size.",
    "Give both (600 and second), or leave both empty.",
)
def _sample_size(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    movies = tables.get("movies", pd.DataFrame())
    pair = [c for c in _SAMPLE_SIZE if c in movies]
    if pair:
        empty = [is_empty(movies[c]) if c in movies else pd.Series(True, index=movies.index) for c in _SAMPLE_SIZE]
        yield from hits("movies", movies, pair[0], empty[0] != empty[1], "Only one of size and unit is given.")


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
