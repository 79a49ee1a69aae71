"""Whether the files of movies are still those that the store knows: their sha256 beside the one registered once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from kso_utils.core.errors import NotFound, StoreError, UnsafeInput
from kso_utils.core.report import Finding, Report
from kso_utils.media.checks import Register, check_movies
from kso_utils.media.movie import find_movie
from kso_utils.media.sources import Footage, name_of
from kso_utils.metadata.footage import plain_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kso_utils.project.opening import Project


def check_content(project: Project, files: Sequence[tuple[Mapping[Any, Any], Footage]]) -> Report:
    """Check movies by decoding all of them, and compare their sha256 with those of the store.

    Where the store has a movie without sha256, the one of its file is written into it, if the movie is whole; one
    that is there is never written over.

    Parameters
    ----------
    project
        The project.
    files
        Rows of the table of movies, each with its file.

    Returns
    -------
    Report
        As `media.checks.check_movies` gives it; `STORE_UNWRITTEN` where the store refused to keep what was found.

    Raises
    ------
    ArchiveError
        If the archive cannot be asked.
    StoreError
        If the store cannot be read.
    """
    known = _read_known(project)
    names: dict[str, str] = {}
    for (movie, file), plain in zip(files, plain_names(pd.Series([m["filename"] for m, _ in files])), strict=True):
        if plain in known and _is_own(project, movie, file):
            names[name_of(file)] = plain
    register: Register = {place: known[plain][1] for place, plain in names.items()}
    report = check_movies([file for _, file in files], True, register)
    new = {known[names[p]][0]: sha256 for p, sha256 in register.items() if sha256 and not known[names[p]][1]}
    try:
        _keep(project, new)
    except StoreError as error:
        message = f"The sha256 of {len(new)} movies could not be kept: {error}"
        told = [finding for finding in report if finding.code != "MOVIE_REGISTERED"]
        report = Report(report.title, [*told, Finding("movies", None, None, "STORE_UNWRITTEN", "warning", "", message)])
    return report


def _read_known(project: Project) -> dict[str, tuple[str, str | None]]:
    """Return the movies of the store: name in NFC -> name as it is there, and sha256."""
    if project.store_path is not None and not project.store_path.exists():
        return {}
    rows = project.store.read("movies", columns=["filename", "sha256"])
    return dict(zip(plain_names(rows["filename"]), rows.itertuples(index=False, name=None), strict=True))


def _is_own(project: Project, movie: Mapping[Any, Any], file: Footage) -> bool:
    """Whether a file bears the name of its movie, as that does which was registered, or no file does any more."""
    if not isinstance(movie.get("associatedMedia"), str):
        return True
    try:
        return name_of(find_movie({"filename": movie["filename"]}, project.archive)) == name_of(file)
    except (NotFound, UnsafeInput):
        return True


def _keep(project: Project, new: Mapping[str, str]) -> None:
    """Write the sha256 of movies into the store, where it has none until now."""
    if not new:
        return
    with project.store.atomic():
        empty = project.store.read("movies", columns=["filename"], where={"sha256": None})["filename"]
        rows = [(name, new[name]) for name in empty if name in new]
        project.store.upsert("movies", pd.DataFrame(rows, columns=["filename", "sha256"]), "filename")
