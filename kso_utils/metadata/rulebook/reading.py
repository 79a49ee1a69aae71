"""What is noticed while files are read: formulas, decimal signs, clocks, renamed movies, chapters of cameras."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pandas as pd

from kso_utils.core.clock import find_zone
from kso_utils.metadata.footage import find_chapters
from kso_utils.metadata.rules import Hit, check, each_column, hits, written
from kso_utils.metadata.values import (
    CONTROL,
    find_commas,
    is_empty,
    matches,
    read_local_time,
    read_names,
    to_text,
    zone_offsets,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from zoneinfo import ZoneInfo

    from kso_utils.metadata.rules import Tables
    from kso_utils.metadata.values import Cells, Mask

_FORMULA = re.compile(r"^(?:=|[+\-@].*[(!])")
_CHAPTER = re.compile(r"G[A-Z](?P<chapter>\d\d)(?P<number>\d{4})|(?P<first>GOPR)(?P<movie>\d{4})", re.IGNORECASE)


@check(
    "FORMULA_CELL",
    "warning",
    "A cell holds a formula instead of its value.",
    "Paste the cell as a value, and save the table again.",
)
def _formula(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    yield from _matching(tables, _FORMULA, "{column} is the formula {value}.")


@check(
    "CONTROL_CHARACTER",
    "error",
    "A cell holds a character that is no text (NUL, escape), which stores and archives refuse.",
    "Type the cell again; look whether the file was damaged when it was copied.",
)
def _control(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    yield from _matching(tables, CONTROL, "{column} holds a character that is no text.")


def _matching(tables: Tables, pattern: re.Pattern[str], message: str) -> Iterator[Hit]:
    """Yield the cells of text that hold the pattern, those of a project's own columns too."""
    for table, frame in tables.items():
        for column, cells in frame.items():
            if cells.dtype == "object":
                cells = cells.where(cells.map(lambda cell: isinstance(cell, str)))
            elif not pd.api.types.is_string_dtype(cells):
                continue
            yield from hits(table, frame, str(column), matches(cells, pattern), message)


@check(
    "DECIMAL_COMMA",
    "warning",
    "Numbers are written with a decimal comma; they were read as such, since no other reading is possible.",
    'Write a decimal point, or say in the settings that the project writes commas (decimal = ",").',
)
def _decimal_comma(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    for table, frame in tables.items():
        for column, (line, value, count) in frame.attrs.get("decimal_commas", {}).items():
            more = f", and {count - 1} more" if count > 1 else ""
            yield Hit(table, line, column, value, f"{written(frame, column)} is {value}{more}, with a decimal comma.")


@check(
    "DECIMAL_SIGNS_MIXED",
    "error",
    "Some numbers of a column have a decimal comma, others a decimal point.",
    "Write all of them with a point.",
)
def _decimal_mixed(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    for table, column, frame in each_column(tables, "number"):
        commas, mixed = find_commas(frame[column.name])
        if mixed:
            yield from hits(table.name, frame, column.name, commas, "{column} is {value}, but others have a point.")


@check(
    "DECIMAL_COMMA_DOUBTFUL",
    "error",
    "The comma of a number may be a decimal comma, or divide thousands.",
    'Write the number without comma, or say in the settings that commas are decimal (decimal = ",").',
)
def _decimal_doubtful(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    for table, column, frame in each_column(tables, "number"):
        commas, mixed = find_commas(frame[column.name])
        if not mixed:
            yield from hits(table.name, frame, column.name, commas, "{column} is {value}: a decimal, or thousands?")


@check(
    "LOCAL_TIME_AMBIGUOUS",
    "warning",
    "A time of day came twice that night, since clocks were set back; its offset from UTC is not known.",
    "Write the offset (2021-10-31T02:30:00+01:00).",
)
def _time_ambiguous(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    yield from _odd_times(tables, 2, "{column} is {value}, a time that came twice in {_zone}.")


@check(
    "LOCAL_TIME_SKIPPED",
    "error",
    "A time of day does not exist, since clocks were set forward that night.",
    "Look the time up; the camera may have kept winter time. Write the offset (2021-03-28T02:30:00+01:00).",
)
def _time_skipped(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    yield from _odd_times(tables, 0, "{column} is {value}, a time that clocks skipped in {_zone}.")


def _odd_times(tables: Tables, offsets: int, message: str) -> Iterator[Hit]:
    """Yield the local times that have so many offsets in the zone of the project."""
    for table, column, frame in each_column(tables, "date"):
        if name := frame.attrs.get("time_zone"):
            zone = find_zone(name)

            def is_odd(text: str, zone: ZoneInfo = zone) -> bool:
                moments = [moment for part in text.split("/") if (moment := read_local_time(part))]
                return any(len(zone_offsets(moment, zone)) == offsets for moment in moments)

            wrong = to_text(frame[column.name]).map(is_odd, na_action="ignore").eq(True)
            yield from hits(table.name, frame.assign(_zone=name), column.name, wrong, message)


@check(
    "DEPLOYMENT_NOT_JUDGED",
    "warning",
    "Nobody said whether a deployment was bad; it counts as good.",
    "Write true or false in every row.",
)
def _not_judged(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    movies = tables.get("movies", pd.DataFrame())
    if "is_bad_deployment" in movies:
        wrong = is_empty(movies["is_bad_deployment"])
        yield from hits("movies", movies, "is_bad_deployment", wrong, "{column} has no value.")


@check(
    "RENAMED_MOVIE_UNKNOWN",
    "warning",
    "The list of renamed movies has a name that the table of movies knows neither as old nor as new.",
    "Correct the name in the list, or remove its line.",
)
def _renamed_unknown(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    for table, frame in tables.items():
        for line, old in frame.attrs.get("unknown_renames", ()):
            message = f"The list of renamed movies has {old} on line {line}, which is no movie."
            yield Hit(table, None, "filename", old, message)


@check(
    "CHAPTERS_NOT_JOINED",
    "info",
    "The chapters of a movie are all there, but not the movie that they make together.",
    "Join them into one file of that name.",
)
def _not_joined(tables: Tables, footage: pd.DataFrame | None) -> Iterator[Hit]:
    movies = tables.get("movies", pd.DataFrame())
    if footage is not None and {"filename", "chapters"} <= set(movies):
        found = find_chapters(movies, footage)
        wrong = ~found["joined"] & found["there"].gt(0) & found["missing"].eq("")
        yield from hits("movies", movies, "filename", wrong, "There is no file {value}, only its chapters {chapters}.")


@check(
    "CHAPTER_MISSING",
    "error",
    "A movie is there in chapters, and one of them is missing.",
    "Copy the chapter from the camera's card, or correct its name.",
)
def _chapter_missing(tables: Tables, footage: pd.DataFrame | None) -> Iterator[Hit]:
    movies = tables.get("movies", pd.DataFrame())
    if footage is not None and {"filename", "chapters"} <= set(movies):
        found = find_chapters(movies, footage)
        wrong = ~found["joined"] & found["there"].gt(0) & found["missing"].ne("")
        shown = movies.assign(_missing=found["missing"])
        yield from hits("movies", shown, "chapters", wrong, "Of the chapters of {filename}, {_missing} is missing.")


@check(
    "CHAPTERS_OUT_OF_ORDER",
    "warning",
    "The chapters of a movie are not those of one recording, one after the other, by the camera's own numbers.",
    "Put them in order: GX010123, GX020123, GX030123; or GOPR0123, GP010123, GP020123.",
)
def _out_of_order(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    movies = tables.get("movies", pd.DataFrame())
    if "chapters" in movies:
        wrong = _map_lists(read_names(movies["chapters"]), lambda names: not _in_order(names))
        yield from hits("movies", movies, "chapters", wrong, "The chapters {value} do not follow each other.")


@check(
    "CHAPTER_REPEATED",
    "error",
    "A chapter stands twice, in one movie or in two.",
    "Remove it where it does not belong.",
)
def _chapter_repeated(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    movies = tables.get("movies", pd.DataFrame())
    if {"filename", "chapters"} <= set(movies):
        placed = find_chapters(movies, None)["chapters"]
        every = placed.explode().dropna()
        twice = set(every[every.duplicated()])
        wrong = _map_lists(placed, lambda names: not twice.isdisjoint(names))
        yield from hits("movies", movies, "chapters", wrong, "Of the chapters {value}, one stands twice in the table.")


def _map_lists(lists: Cells, judge: Callable[[list[str]], bool]) -> Mask:
    return pd.Series([isinstance(one, list) and judge(one) for one in lists], index=lists.index, dtype=bool)


def _in_order(names: list[str]) -> bool:
    """Return whether names that a camera gave are the chapters of one recording; other names are taken as they are."""
    read = [_CHAPTER.fullmatch(PurePosixPath(name).stem) for name in names]
    known = [found for found in read if found]
    if len(known) < len(names):
        return not known
    numbers = {found["number"] or found["movie"] for found in known}
    chapters = [0 if found["first"] else int(found["chapter"]) for found in known]
    start = 0 if known[0]["first"] else 1
    return len(numbers) == 1 and chapters == list(range(start, start + len(chapters)))
