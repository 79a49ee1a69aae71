"""The first steps: are the tables right, into the store with them, and changing them there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kso_utils.core.errors import ArchiveError, ConfigError, NotFound
from kso_utils.core.log import logger
from kso_utils.core.report import Finding, Report
from kso_utils.media.checks import check_movies
from kso_utils.media.movie import find_movie
from kso_utils.media.survey import survey_footage
from kso_utils.metadata import edits, taxa
from kso_utils.metadata.checks import check_tables
from kso_utils.metadata.taxa import check_taxa, match_species, unpublishable
from kso_utils.project.fixity import check_content
from kso_utils.project.steps.origins import match_subjects

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    import pandas as pd

    from kso_utils.media.sources import Footage
    from kso_utils.metadata.changes import Change
    from kso_utils.metadata.edits import Edit
    from kso_utils.project.opening import Project
    from kso_utils.store.rows import Counts


_log = logger(__name__)


@dataclass(frozen=True)
class Taxa:
    """What `match_taxa` gives.

    Attributes
    ----------
    matches
        One row a species, as `metadata.taxa.match_species` gives them.
    report
        Where the table and the register disagree.
    unpublishable
        The species whose observations cannot be published, and why.
    """

    matches: pd.DataFrame
    report: Report
    unpublishable: pd.DataFrame


def read_tables(project: Project) -> dict[str, pd.DataFrame]:
    """Read the project's tables as its settings say; what a person wrote, not what the store holds.

    Raises
    ------
    MetadataError
        If a table cannot be read.
    """
    return project.tables.load()


def check(project: Project, strict: bool = False) -> Report:
    """Check the project's tables, against its footage where that is at hand; `strict` makes warnings errors.

    Raises
    ------
    MetadataError
        If a table cannot be read at all.
    """
    tables = read_tables(project)
    footage, reason = _survey(project, tables)
    report = check_tables(tables, footage, strict)
    if footage is None:
        report.add(
            Finding(
                "movies",
                None,
                None,
                "FOOTAGE_NOT_LOOKED_AT",
                "info",
                project.archive.url,
                f"The files themselves were not looked at: {reason}",
                "If it is elsewhere, set archive.url in project.toml to its place.",
            )
        )
    return report


def check_footage(project: Project, deep: bool = False) -> Report:
    """Check the movies that the project's table names; see `media.check_movie`.

    With `deep`, the files are also compared with the sha256 that the store knows of them (`fixity.check_content`).

    Raises
    ------
    MetadataError
        If the table cannot be read.
    ConfigError
        If it names no movie.
    """
    movies = read_tables(project).get("movies")
    if movies is None or "filename" not in movies or movies["filename"].dropna().empty:
        raise ConfigError(f"The tables of {project.folder} name no movie. Fill in movies.csv, or name the files.")
    found: list[tuple[dict[Any, Any], Footage]] = []
    missing = []
    for movie in movies.dropna(subset="filename").to_dict("records"):
        try:
            found.append((movie, find_movie(movie, project.archive)))
        except NotFound as error:
            name = str(movie["filename"])
            missing.append(Finding(name, None, None, "MOVIE_NOT_FOUND", "error", name, str(error)))
    report = check_content(project, found) if deep else check_movies(file for _, file in found)
    report.extend(missing)
    return report


def fill_store(project: Project, strict: bool = False, replaced: Collection[str] = ()) -> dict[str, Counts]:
    """Check tables and footage, then write sites, movies and species into the store, all or nothing.

    What was changed in the files by hand is taken in, and becomes part of the history of edits. Subjects that were
    pulled before their movie was here find it now.

    Parameters
    ----------
    project
        The project.
    strict
        Whether a warning stops it as an error does.
    replaced
        Movies, by the names that they have in the store, whose files were replaced on purpose.

    Returns
    -------
    dict
        Table -> rows inserted, updated, unchanged and removed; `subjects` where some found their movie.

    Raises
    ------
    MetadataError
        If the check finds an error (it carries the report), a row that was removed by hand is referred to, or the file
        of a movie is not the one that was registered; the store stays as it was.
    """
    footage, reason = _survey(project, read_tables(project))
    if footage is None:
        _log.warning("The files themselves were not looked at, and what is known of them stays as it is: %s", reason)
    counts = edits.take_in(project.store, project.tables, footage, strict=strict, replaced=replaced)
    matched, _ = match_subjects(project)
    return {**counts, "subjects": matched} if matched.updated else counts


def edit(
    project: Project,
    changes: Iterable[Change],
    who: str | None = None,
    reason: str | None = None,
    dry_run: bool = False,
) -> Edit:
    """Change cells and rows of the project's tables, in the store and in their files; see `metadata.edits.apply`."""
    return edits.apply(project.store, project.tables, changes, who=who, reason=reason, dry_run=dry_run)


def undo(project: Project, edit_id: str | None = None, who: str | None = None, reason: str | None = None) -> Edit:
    """Undo the last edit, or the one named; see `metadata.edits.undo`."""
    return edits.undo(project.store, project.tables, edit_id, who=who, reason=reason)


def set_aside(project: Project, who: str | None = None, reason: str | None = None) -> list[Path]:
    """Put files that were changed by hand aside, and write back what the store knows."""
    return edits.set_aside(project.store, project.tables, who=who, reason=reason)


def match_taxa(project: Project, offline: bool = False, refresh: bool = False) -> Taxa:
    """Match the species of the store to the World Register of Marine Species; only its answers are stored.

    Parameters
    ----------
    project
        The project; its store must hold species.
    offline
        Answer from what was asked before.
    refresh
        Ask again about names that were answered before.

    Raises
    ------
    ConfigError
        If there are no species in the store.
    Interrupted
        If the service cannot be reached; what it answered before is kept.
    ArchiveError
        If the service refuses, or answers with something else than records.
    """
    matches = match_species(project.store, offline=offline, refresh=refresh, endpoint=project.settings.taxonomy.url)
    if matches.empty:
        raise ConfigError(f"There are no species in the store of {project.folder}. Fill it with: kso movies")
    species = project.store.read("species", order_by="id")
    return Taxa(matches, check_taxa(species, matches), unpublishable(species, matches))


def write_taxa(project: Project) -> tuple[Counts, Report]:
    """Complete the store's species by what `match_taxa` was answered: LSID, rank and higher taxa where they are empty.

    Returns
    -------
    Counts
        Species updated and unchanged.
    Report
        What the table has otherwise, and what was left as it is.
    """
    return taxa.write_taxa(project.store, endpoint=project.settings.taxonomy.url)


def _survey(project: Project, tables: dict[str, pd.DataFrame]) -> tuple[pd.DataFrame | None, str]:
    """Return the footage, or None and why it cannot be looked at."""
    movies = tables.get("movies")
    names = [] if movies is None or "filename" not in movies else movies["filename"].dropna().astype(str).tolist()
    try:
        return survey_footage(project.archive, names), ""
    except ArchiveError as error:
        return None, str(error)
