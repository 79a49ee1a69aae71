"""The files of the footage beside the table of movies: which is which."""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pandas as pd

from kso_utils.metadata.values import map_distinct, read_names, to_text

if TYPE_CHECKING:
    from kso_utils.metadata.values import Cells

DURATION_TOLERANCE_S = 1.0
"""How far a duration that a person wrote may be from that of the file."""


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
    names = plain_names(footage["filename"])
    usable = ~names.duplicated(keep=False) & read_failures(footage).isna()
    known = footage[usable.to_numpy()].set_index(names[usable])
    found = known.reindex(plain_names(movies["filename"]).to_numpy())
    return found.set_axis(movies.index, axis=0)


def plain_names(names: Cells) -> Cells:
    """Return file names as they are compared: stripped, in NFC, NaN where there is none."""
    text = to_text(names)
    if "".join(text.dropna().tolist()).isascii():
        return text
    return map_distinct(text, lambda name: unicodedata.normalize("NFC", name)).astype("str")


def read_failures(footage: pd.DataFrame) -> Cells:
    """Return why each file could not be read, NaN where it could."""
    return to_text(footage["error"]) if "error" in footage else pd.Series(pd.NA, index=footage.index, dtype="str")


def find_chapters(movies: pd.DataFrame, footage: pd.DataFrame | None) -> pd.DataFrame:
    """Return what is known of the chapters that a camera cut each movie into.

    Parameters
    ----------
    movies
        Rows with `filename` and, where there is one, `chapters` (names with `;` between them).
    footage
        Files as in `check_tables`; None for no knowledge.

    Returns
    -------
    DataFrame
        With the index of `movies`: `chapters` (list of names as the footage has them, None where a movie has none; a
        chapter named without folder lies in that of its movie), `joined` (bool, whether the movie itself is there),
        `there` (number of its chapters that are), `missing` (text, the others). Names are compared in NFC.
    """
    names = plain_names(movies["filename"])
    lists = (
        read_names(movies["chapters"]) if "chapters" in movies else pd.Series(None, index=movies.index, dtype=object)
    )
    placed = [_place(one, name) for one, name in zip(lists, names, strict=True)]
    files = set() if footage is None else set(plain_names(footage["filename"]).dropna())
    there = [sum(one in files for one in chapters or ()) for chapters in placed]
    missing = [", ".join(one for one in chapters or () if one not in files) for chapters in placed]
    columns = {"joined": names.isin(files), "there": there, "missing": missing}
    found = pd.DataFrame(columns, index=movies.index)
    found["chapters"] = pd.Series(placed, index=movies.index, dtype=object)
    return found


def _place(chapters: list[str] | None, movie: object) -> list[str] | None:
    """Return the names of chapters in NFC, those without a folder in the folder of their movie."""
    if not isinstance(chapters, list):
        return None
    plain = [unicodedata.normalize("NFC", one) for one in chapters]
    folder = PurePosixPath(movie).parent if isinstance(movie, str) else PurePosixPath()
    return [one if "/" in one else str(folder / one) for one in plain]
