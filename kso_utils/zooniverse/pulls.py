"""What volunteers did, from Zooniverse into the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kso_utils.core.errors import ConfigError
from kso_utils.core.progress import bar
from kso_utils.core.report import Report
from kso_utils.store import queries
from kso_utils.zooniverse.exports import (
    SeenIds,
    classification_files,
    examine_files,
    find_exports,
    read_classifications,
    read_table,
)
from kso_utils.zooniverse.retrieval.fetching import fetch_exports, keep_exports
from kso_utils.zooniverse.retrieval.files import Tally
from kso_utils.zooniverse.retrieval.intake import Intake, find_subject_fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from kso_utils.store.engine import Store
    from kso_utils.store.rows import Counts
    from kso_utils.zooniverse.origins import OriginRules
    from kso_utils.zooniverse.retrieval.fetching import Ask
    from kso_utils.zooniverse.retrieval.files import ExportFile
    from kso_utils.zooniverse.session import Session
    from kso_utils.zooniverse.workflows import TaskMap


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull brought.

    Attributes
    ----------
    report
        The files, and everything that could not be read or matched.
    counts
        Table -> rows inserted, updated and unchanged. A classification that the store has already is unchanged; its
        annotations are counted only where they were read again.
    files
        What became of the rows of each file.
    """

    report: Report
    counts: Mapping[str, Counts]
    files: tuple[Tally, ...] = ()


def pull(
    session: Session,
    store: Store,
    project_id: int | str,
    folder: str | Path,
    tasks: TaskMap | None = None,
    timeout_s: float = 3600.0,
    ask: Ask = "due",
    workflow_ids: Iterable[int] = (),
    rules: OriginRules | None = None,
) -> Pulled:
    """Fetch the exports of a project and bring the store up to date with them.

    The files are kept as they came; their names end in the beginning of their sha256. All rows are written in one
    transaction; the same files again change nothing.

    Parameters
    ----------
    session
        The login.
    store
        Gets the rows, as `take_in` writes them.
    project_id
        The project on Zooniverse.
    folder
        Where the files are kept.
    tasks
        What the project's questions and labels mean.
    timeout_s
        How long to wait for each new export. After that the last one is taken, with a warning that tells its age.
    ask
        Whether new exports are asked for: `due` where the last one is older than 12 hours, within which Zooniverse
        makes no other (a sandbox is always asked); `always`; or `never`.
    workflow_ids
        Workflows whose classifications are fetched in place of those of the whole project.
    rules
        What the project knows of the names in its subjects.

    Raises
    ------
    ExportTimeout
        If an export is late and there is no earlier one.
    ZooniverseError
        If the server refuses, or cannot be reached.
    MetadataError
        If a file is damaged.
    """
    report = Report(f"Pull of project {project_id}")
    fetched = fetch_exports(session, project_id, folder, report, timeout_s, ask, workflow_ids)
    return _take_in(store, fetched, report, tasks, rules)


def take_in(
    store: Store,
    folder: str | Path,
    tasks: TaskMap | None = None,
    rules: OriginRules | None = None,
    kept_in: str | Path | None = None,
) -> Pulled:
    """Bring the store up to date with the exports that somebody downloaded into a folder, whatever they are called.

    All rows are written in one transaction: subjects and how far each is in its workflows, then the classifications
    that the store does not have yet, with what was marked. Of those that it has, the answers are read again where the
    version of their workflow has come, or where `tasks` or this software changed.

    Parameters
    ----------
    store
        Gets the rows: `subjects`, `subject_workflows`, `classifications`, `annotations`, `export_files`.
    folder
        The folder.
    tasks
        What the project's questions and labels mean.
    rules
        What the project knows of the names in its subjects.
    kept_in
        A folder that gets the files unchanged, under names that end in the beginning of their sha256; by default they
        are not copied.

    Raises
    ------
    ConfigError
        If there is no such folder, or no export in it.
    MetadataError
        If a file is damaged.
    """
    report = Report(f"Exports in {folder}")
    files = examine_files(find_exports(folder), report)
    if not files:
        raise ConfigError(f"No export of Zooniverse in {folder}. Put the .csv files there that Zooniverse exports.")
    if kept_in is not None:
        keep_exports(files, kept_in)
    return _take_in(store, dict.fromkeys(files), report, tasks, rules)


def _take_in(
    store: Store,
    files: Mapping[ExportFile, str | None],
    report: Report,
    tasks: TaskMap | None,
    rules: OriginRules | None,
) -> Pulled:
    """Take in files, with the time at which each was made where that is known."""
    subjects, told = read_table(files, "subjects", report, find_subject_fault)
    workflows, told_too = read_table(files, "workflows", report)
    tallies = told + told_too
    with store.atomic(), bar("Taking in classifications") as progress:
        intake = Intake(store, workflows, tasks, report, rules)
        intake.write_subjects(subjects)
        intake.read_again()
        seen = SeenIds(queries.classification_ids(store))
        for file in classification_files(files):
            tally = Tally(file.path.name, file.kind, file.sha256)
            for chunk in read_classifications(file, seen, report, tally):
                intake.write_classifications(chunk, tally)
                progress.advance(len(chunk))
            tallies.append(tally)
        counts = intake.finish(files, tallies)
    return Pulled(report, counts, tuple(tallies))
