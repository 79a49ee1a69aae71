"""The files of the footage beside the table of movies."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import pandas as pd

from kso_utils.metadata.footage import DURATION_TOLERANCE_S, find_chapters, match_footage, plain_names, read_failures
from kso_utils.metadata.rulebook.keys import find_similar
from kso_utils.metadata.rules import Hit, advise, check, hits, repeats
from kso_utils.metadata.terms import MOVIES
from kso_utils.metadata.values import compare, known_numbers, map_distinct, read_days, to_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kso_utils.metadata.rules import Tables

_FPS_TOLERANCE = 3e-4
_A_DAY = timedelta(days=1)
_CLOCK_NEVER_SET = 1990


@check(
    "FPS_CONTRADICTED",
    "error",
    "The frame rate in the table is not that of the file.",
    "Take the file's, or leave the cell empty; a rate of 30 for 29.97 puts every frame number in a wrong place.",
)
def _fps_contradicted(tables: Tables, footage: pd.DataFrame | None) -> Iterator[Hit]:
    movies = tables.get("movies", pd.DataFrame())
    found = match_footage(movies, footage)
    if "fps" in movies and {"fps_num", "fps_den"} <= set(found):
        measured = found["fps_num"].astype("float64") / found["fps_den"].astype("float64")
        wrong = (known_numbers(movies, MOVIES, "fps") / measured - 1).abs().gt(_FPS_TOLERANCE)
        message = "{column} is {value}, but the file has {_measured} frames a second."
        yield from hits("movies", movies.assign(_measured=measured), "fps", wrong, message)


@check(
    "DURATION_CONTRADICTED",
    "error",
    "The duration in the table is more than a second from that of the file.",
    "Take the file's, or leave the cell empty; look whether the file is complete.",
)
def _duration_contradicted(tables: Tables, footage: pd.DataFrame | None) -> Iterator[Hit]:
    movies = tables.get("movies", pd.DataFrame())
    found = match_footage(movies, footage)
    if "duration_s" in movies and "duration_s" in found:
        measured = found["duration_s"].astype("float64")
        wrong = (known_numbers(movies, MOVIES, "duration_s") - measured).abs().gt(DURATION_TOLERANCE_S)
        message = "{column} is {value} s, but the file lasts {_measured} s."
        yield from hits("movies", movies.assign(_measured=measured), "duration_s", wrong, message)


@check(
    "FILE_MISSING",
    "warning",
    "A movie of the table is not among the footage.",
    "Put the file there, or correct its name; clips and detections need it.",
)
def _file_missing(tables: Tables, footage: pd.DataFrame | None) -> Iterator[Hit]:
    movies = tables.get("movies", pd.DataFrame())
    if footage is not None and "filename" in movies:
        names = plain_names(movies["filename"])
        there = plain_names(footage["filename"])
        in_chapters = find_chapters(movies, footage)["there"].gt(0)
        wrong = names.notna() & ~names.isin(there) & ~in_chapters
        if wrong.any():
            meant = names.where(wrong).map(find_similar(names[wrong].unique(), there[~there.isin(names)].dropna()))
            advised = movies.assign(
                _fix=advise(meant, "Is it {}? Then correct the name; otherwise put the file there.")
            )
            yield from hits("movies", advised, "filename", wrong, "There is no file {value}.", "{_fix}")


@check(
    "FILE_NOT_LISTED",
    "warning",
    "A file of the footage is not in the table of movies.",
    "Add a row for it, or move it away; nothing is done with it as it is.",
)
def _file_not_listed(tables: Tables, footage: pd.DataFrame | None) -> Iterator[Hit]:
    movies = tables.get("movies", pd.DataFrame())
    if footage is not None and "filename" in movies:
        names = plain_names(footage["filename"])
        chapters = find_chapters(movies, None)["chapters"].explode()
        listed = names.isin(plain_names(movies["filename"])) | names.isin(chapters)
        contents = to_text(footage["sha256"]) if "sha256" in footage else names.mask(names.notna())
        same = dict(zip(contents[listed & contents.notna()], names[listed & contents.notna()], strict=True))
        for name, content in zip(names[~listed], contents[~listed], strict=True):
            fix = f"It is a copy of {same[content]}; move it away." if content in same else ""
            yield Hit("movies", None, "filename", str(name), f"The file {name} is not in the table.", fix)


@check(
    "FILE_AMBIGUOUS",
    "error",
    "Several files of the footage have the name of one movie.",
    "Give every file a name of its own.",
)
def _file_ambiguous(tables: Tables, footage: pd.DataFrame | None) -> Iterator[Hit]:
    movies = tables.get("movies", pd.DataFrame())
    if footage is not None and "filename" in movies:
        names = plain_names(footage["filename"])
        wrong = plain_names(movies["filename"]).isin(names[names.duplicated()])
        yield from hits("movies", movies, "filename", wrong, "There are several files {value}.")


@check(
    "FILE_UNREADABLE",
    "error",
    "The file of a movie cannot be read: it is damaged, incomplete, or no movie.",
    "Copy it again from its source, or remove its row.",
)
def _file_unreadable(tables: Tables, footage: pd.DataFrame | None) -> Iterator[Hit]:
    movies = tables.get("movies", pd.DataFrame())
    if footage is not None and "filename" in movies:
        reasons = read_failures(footage)
        bad = reasons.notna().to_numpy()
        known = dict(zip(plain_names(footage["filename"])[bad], reasons[bad], strict=True))
        why = plain_names(movies["filename"]).map(known)
        yield from hits("movies", movies.assign(_why=why), "filename", why.notna(), "{value} cannot be read: {_why}")


@check(
    "FILE_DUPLICATED",
    "error",
    "Two movies of the table are the same file under two names, so that all in it would count twice.",
    "Remove one of the rows; if the wrong file was copied, put the right one in its place.",
)
def _file_duplicated(tables: Tables, footage: pd.DataFrame | None) -> Iterator[Hit]:
    movies = tables.get("movies", pd.DataFrame())
    found = match_footage(movies, footage)
    if "sha256" in found:
        contents = to_text(found["sha256"]).mask(plain_names(movies["filename"]).duplicated())
        message = "{value} is the same file as the movie on line {_first}."
        yield from repeats("movies", movies, "filename", contents, message)


@check(
    "DATE_CONTRADICTED",
    "warning",
    "The date in the table is more than a day from that on which the camera says it filmed.",
    "Look the date up; a camera's clock may be wrong, and a file that was converted later has the date of that.",
)
def _date_contradicted(tables: Tables, footage: pd.DataFrame | None) -> Iterator[Hit]:
    movies = tables.get("movies", pd.DataFrame())
    found = match_footage(movies, footage)
    if "eventDate" not in movies or "created_at" not in found:
        return
    spans = map_distinct(to_text(movies["eventDate"]), read_days)
    created = map_distinct(to_text(found["created_at"]).str[:10], _camera_day)
    wrong = compare(spans, created, lambda span, day: not span[0] - _A_DAY <= day <= span[1] + _A_DAY)
    shown = movies.assign(_created=created.map(str, na_action="ignore"))
    yield from hits("movies", shown, "eventDate", wrong, "{column} is {value}, but the file was made on {_created}.")


def _camera_day(text: str) -> date | None:
    """Return the day of a file's own date, None where it only tells that the clock was never set (1904, 1970)."""
    span = read_days(text)
    return span[0] if span and span[0].year > _CLOCK_NEVER_SET else None
