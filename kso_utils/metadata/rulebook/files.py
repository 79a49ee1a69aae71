"""The files of the footage beside the table of movies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from kso_utils.metadata.footage import DURATION_TOLERANCE_S, find_chapters, match_footage, plain_names, read_failures
from kso_utils.metadata.rules import Hit, check, hits
from kso_utils.metadata.terms import MOVIES
from kso_utils.metadata.values import known_numbers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kso_utils.metadata.rules import Tables

_FPS_TOLERANCE = 3e-4


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
        in_chapters = find_chapters(movies, footage)["there"].gt(0)
        wrong = names.notna() & ~names.isin(plain_names(footage["filename"])) & ~in_chapters
        yield from hits("movies", movies, "filename", wrong, "There is no file {value}.")


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
        for name in names[~names.isin(plain_names(movies["filename"])) & ~names.isin(chapters)]:
            yield Hit("movies", None, "filename", str(name), f"The file {name} is not in the table.")


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
