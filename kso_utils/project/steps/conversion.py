"""Movies into what every browser plays, recordings into one file each, and previews; a failure stops no other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from kso_utils.archive.opening import is_remote
from kso_utils.core.errors import ConfigError, KsoError
from kso_utils.core.paths import safe_name
from kso_utils.media import chapters as media_chapters
from kso_utils.media import conversion as media_conversion
from kso_utils.media.sources import file_name, name_of, resolve
from kso_utils.media.survey import SUFFIXES, list_movies
from kso_utils.project.opening import Project
from kso_utils.project.steps.footage import usable_movies

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kso_utils.media.sources import Footage

OUTCOME_COLUMNS = ("source", "path", "state", "why", "sha256", "error")
Movies = Project | list[str] | list[Path]
"""Files, or a project for its movies of good deployments."""


def standardise_movies(movies: Movies, out_dir: str | Path) -> pd.DataFrame:
    """Standardise movies, where they need it, into files `<name>.mp4` of a folder (`media.standardise`).

    Parameters
    ----------
    movies
        Files; or a project, for its movies of good deployments.
    out_dir
        The folder, made if need be.

    Returns
    -------
    DataFrame
        One row a movie: `source`, `path`, `state` (`standard`: nothing to do, `remuxed`, `encoded` or `failed`),
        `why` (the reasons), `sha256` and `error`.

    Raises
    ------
    ConfigError
        If the store of the project holds no movie.
    NotFound
        If a movie of the project is missing.
    """

    def make(movie: Footage) -> dict[str, object]:
        made = media_conversion.standardise(movie, _target(movie, out_dir))
        why = "; ".join(map(str, made.reasons))
        state = "standard" if made.how == "none" else made.how
        return {"path": name_of(made.path), "state": state, "why": why, "sha256": made.sha256}

    return _each(_find_movies(movies), make)


def preview_movies(movies: Movies, out_dir: str | Path, height: int = 360) -> pd.DataFrame:
    """Make small movies to look through, `<name>_preview.mp4` (`media.make_preview`).

    Parameters and what comes back are as in `standardise_movies`, with `made` as state; `height` is in pixels.

    Raises
    ------
    ConfigError, NotFound
        As `standardise_movies`.
    """

    def make(movie: Footage) -> dict[str, object]:
        made = media_conversion.make_preview(movie, _target(movie, out_dir, "_preview"), height)
        return {"path": str(made.path), "state": "made", "sha256": made.sha256}

    return _each(_find_movies(movies), make)


def join_recordings(files: Movies, out_dir: str | Path, allow_gaps: bool = False) -> pd.DataFrame:
    """Join the chapters of recordings into files `<first chapter>_joined.mp4` (`media.join_chapters`).

    Parameters
    ----------
    files
        Movies, folders of movies, and addresses of movies (`s3://`, `https://`). Which of a GoPro belong together is
        read from their names; movies of another camera are joined in the order given, if there is nothing else among
        the files. Or a project, for the GoPro recordings of its archive that are in several files.
    out_dir
        The folder, made if need be.
    allow_gaps
        Join although something is missing.

    Returns
    -------
    DataFrame
        One row a recording as in `standardise_movies`, `source` naming the chapters with `; ` between them, `state`
        `joined`, `alone` (one file, nothing to join) or `failed`, `why` the gaps.

    Raises
    ------
    ConfigError
        If there is no movie among the files.
    ArchiveError
        If the archive of the project cannot say what it holds.
    """
    groups = _find_recordings(files) if isinstance(files, Project) else _group_files(files)

    def make(group: list[Footage]) -> dict[str, object]:
        if len(group) == 1:
            return {"state": "alone"}
        made = media_chapters.join_chapters(group, _target(group[0], out_dir, "_joined"), allow_gaps=allow_gaps)
        why = "; ".join(map(str, made.gaps))
        return {"path": str(made.path), "state": "joined", "why": why, "sha256": made.sha256}

    return _each(groups, make)


def _find_recordings(project: Project) -> list[list[Footage]]:
    """Return the recordings of a project's archive that are in several files."""
    groups = media_chapters.group_chapters(list_movies(project.archive)).values()
    found: list[list[Footage]] = [
        [resolve(project.archive.open(name)) for name in group] for group in groups if len(group) > 1
    ]
    if not found:
        raise ConfigError(
            f"There is no recording in several chapters, named as GoPro cameras do, in {project.archive.url}. "
            "Name the files in their order."
        )
    return found


def _group_files(files: Sequence[str | Path]) -> list[list[Footage]]:
    found = [path for file in files for path in _list_movies(str(file))]
    if not found:
        raise ConfigError(f"There is no movie in {', '.join(map(str, files))}. Give movies, or a folder of them.")
    own = not any(Path(file).is_dir() for file in files) and not any(map(media_chapters.is_chapter, found))
    groups = [found] if own else media_chapters.group_chapters(found).values()
    return [list(group) for group in groups]


def _find_movies(movies: Movies) -> list[Footage]:
    return list(usable_movies(movies)["path"] if isinstance(movies, Project) else movies)


def _list_movies(file: str) -> list[str]:
    if is_remote(file) or not Path(file).is_dir():
        return [file]
    return sorted(str(p) for p in Path(file).rglob("[!.]*") if p.suffix.lower() in SUFFIXES and p.is_file())


def _target(movie: Footage, out_dir: str | Path, ending: str = "") -> Path:
    return Path(out_dir) / f"{safe_name(Path(file_name(movie)).stem)}{ending}.mp4"


def _each(items: Sequence[Any], make: Callable[[Any], dict[str, object]]) -> pd.DataFrame:
    rows = []
    for item in items:
        row: dict[str, object] = dict.fromkeys(OUTCOME_COLUMNS)
        row["source"] = "; ".join(map(name_of, item)) if isinstance(item, list) else name_of(item)
        try:
            row |= make(item)
        except (KsoError, OSError) as error:
            row |= {"state": "failed", "error": str(error)}
        rows.append(row)
    # Columns of text hold no name that is not UTF-8; those of objects do.
    return pd.DataFrame(rows, columns=list(OUTCOME_COLUMNS), dtype=object)
