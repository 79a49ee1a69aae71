"""The files of the footage beside the table of movies: which is which, and where they contradict each other."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import pandas as pd

from kso_utils.metadata.rules import Hit, check, hits
from kso_utils.metadata.terms import MOVIES
from kso_utils.metadata.values import known_numbers, to_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kso_utils.metadata.rules import Tables
    from kso_utils.metadata.values import Cells

DURATION_TOLERANCE_S = 1.0
_FPS_TOLERANCE = 3e-4


def match_footage(movies: pd.DataFrame, footage: pd.DataFrame | None) -> pd.DataFrame:
    """Return what is known of the file of each movie.

    Parameters
    ----------
    movies
        Rows with `filename`.
    footage
        Files as in `check_tables`; None for no knowledge.

    Returns
    -------
    DataFrame
        The columns of `footage`, with the index of `movies`; missing values where there is no such file, where it
        could not be read, or where several files have the name. Names are compared in NFC.
    """
    if footage is None or "filename" not in movies:
        return pd.DataFrame(index=movies.index)
    names = _plain_names(footage["filename"])
    usable = ~names.duplicated(keep=False) & _unread(footage).isna()
    known = footage[usable.to_numpy()].set_index(names[usable])
    found = known.reindex(_plain_names(movies["filename"]).to_numpy())
    return found.set_axis(movies.index, axis=0)


def _plain_names(names: Cells) -> Cells:
    return to_text(names).map(lambda name: unicodedata.normalize("NFC", name), na_action="ignore")


def _unread(footage: pd.DataFrame) -> Cells:
    """Return why each file could not be read, NaN where it could."""
    return to_text(footage["error"]) if "error" in footage else pd.Series(pd.NA, index=footage.index, dtype="str")


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
        names = _plain_names(movies["filename"])
        wrong = names.notna() & ~names.isin(_plain_names(footage["filename"]))
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
        names = _plain_names(footage["filename"])
        for name in names[~names.isin(_plain_names(movies["filename"]))]:
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
        names = _plain_names(footage["filename"])
        wrong = _plain_names(movies["filename"]).isin(names[names.duplicated()])
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
        reasons = _unread(footage)
        bad = reasons.notna().to_numpy()
        known = dict(zip(_plain_names(footage["filename"])[bad], reasons[bad], strict=True))
        why = _plain_names(movies["filename"]).map(known)
        yield from hits("movies", movies.assign(_why=why), "filename", why.notna(), "{value} cannot be read: {_why}")
