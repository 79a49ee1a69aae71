"""What volunteers get to see: which subject sets a workflow shows, and which subjects are retired from it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from kso_utils.core.errors import ConfigError, MetadataError, ZooniverseError
from kso_utils.core.progress import track
from kso_utils.core.report import Finding, Report
from kso_utils.core.retries import again
from kso_utils.metadata.records import name_place
from kso_utils.metadata.sheets import load_sheet
from kso_utils.zooniverse.listings import find_one, find_set, find_subjects, list_subjects
from kso_utils.zooniverse.session import ApiError, batches_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from kso_utils.zooniverse.session import Session

Reason = Literal["classification_count", "flagged", "nothing_here", "consensus", "other"]
REASONS: tuple[Reason, ...] = get_args(Reason)
"""Why a subject may be retired, in Panoptes' own words."""

_ID_COLUMNS = ("subject_id", "id")


def retire(
    session: Session,
    workflow_id: int,
    subject_ids: Iterable[int],
    reason: Reason = "other",
    *,
    undo: bool = False,
    dry_run: bool = False,
) -> pd.DataFrame:
    """Show subjects to nobody any more in a workflow, or show them again; those that are so already stay so.

    The store learns of it with the next pull.

    Parameters
    ----------
    session
        The login.
    workflow_id
        The workflow.
    subject_ids
        The subjects; each must be in a set that the workflow shows.
    reason
        One of `REASONS`.
    undo
        Show them again.
    dry_run
        Check, and change nothing.

    Returns
    -------
    DataFrame
        `subject_id`, `act` (`retire` or `unretire`) and `state` (`planned` or `done`), one row a subject.

    Raises
    ------
    ConfigError
        If there is no such workflow or reason.
    MetadataError
        If a subject is in none of the workflow's sets; `report` lists them all, and nothing was changed.
    ZooniverseError
        If Zooniverse refuses, or cannot be reached.
    """
    import pandas as pd

    if reason not in REASONS:
        raise ConfigError(f"There is no reason {reason!r} to retire a subject. Choose from {', '.join(REASONS)}.")
    workflow = _need_workflow(session, workflow_id)
    ids = sorted(set(subject_ids))
    _check_members(session, workflow, ids).raise_if_errors()
    done = 0
    for batch in track([] if dry_run else batches_of(ids), "Showing again" if undo else "Retiring"):
        try:
            if undo:
                again(lambda batch=batch: session.unretire_subjects(workflow_id, batch))  # type: ignore[misc]
            else:
                again(lambda batch=batch: session.retire_subjects(workflow_id, batch, reason))  # type: ignore[misc]
        except ApiError as error:
            raise ZooniverseError(f"{error} {done} of {len(ids)} subjects are done. Do the same again.") from error
        done += len(batch)
    table = pd.DataFrame({"subject_id": ids}, dtype="int64")
    return table.assign(act="unretire" if undo else "retire", state="planned" if dry_run else "done")


def link_sets(
    session: Session,
    project_id: int | str,
    subject_set: int | str,
    workflow_ids: Iterable[int],
    *,
    undo: bool = False,
    dry_run: bool = False,
) -> pd.DataFrame:
    """Show a subject set in workflows, or show it there no more.

    Parameters
    ----------
    session
        The login.
    project_id
        The project on Zooniverse.
    subject_set
        The name of the set, or its id.
    workflow_ids
        Workflows of the project.
    undo
        Take the set out of the workflows; it and its subjects stay.
    dry_run
        Check, and change nothing.

    Returns
    -------
    DataFrame
        `workflow_id`, `workflow` (its name), `act` (`link`, `unlink`, or `none` where it is so already) and `state`
        (`planned` or `done`), one row a workflow.

    Raises
    ------
    ConfigError
        If the project has no such set or workflow; nothing was changed.
    ZooniverseError
        If Zooniverse refuses, or cannot be reached.
    """
    import pandas as pd

    set_id = str(_need_set(session, project_id, subject_set)["id"])
    workflows = [_need_workflow(session, number, project_id) for number in dict.fromkeys(workflow_ids)]
    rows = []
    for workflow in workflows:
        number, name = int(workflow["id"]), str(workflow["display_name"])
        shown = set_id in workflow["links"]["subject_sets"]
        rows.append((number, name, "none" if shown != undo else "unlink" if undo else "link"))
    change = session.unlink_set if undo else session.link_set
    for number, _, act in rows:
        if act != "none" and not dry_run:
            again(lambda number=number: change(number, set_id))  # type: ignore[misc]
    table = pd.DataFrame(rows, columns=["workflow_id", "workflow", "act"])
    return table.assign(state="planned" if dry_run else "done")


def fill_set(
    session: Session, project_id: int | str, subject_set: str, subject_ids: Iterable[int], *, dry_run: bool = False
) -> pd.DataFrame:
    """Put subjects of the project into a subject set beside those that they are in; one of that name is made if needed.

    Parameters
    ----------
    session
        The login.
    project_id
        The project on Zooniverse.
    subject_set
        The name of the set.
    subject_ids
        The subjects.
    dry_run
        Look, and change nothing.

    Returns
    -------
    DataFrame
        `subject_id`, `act` (`link`, or `none` where it is in the set already) and `state` (`planned` or `done`), one
        row a subject.

    Raises
    ------
    ZooniverseError
        If Zooniverse refuses, or cannot be reached.
    """
    import pandas as pd

    ids = sorted(set(subject_ids))
    found = again(lambda: session.find_subject_set(project_id, subject_set))
    there = set() if found is None else set(_list_ids(session, subject_set, found))
    waiting = [number for number in ids if number not in there]
    if waiting and not dry_run:
        set_id = session.create_subject_set(project_id, subject_set) if found is None else found
        done = 0
        for batch in track(batches_of(waiting), "Filling the set"):
            try:
                again(lambda batch=batch: session.link_subjects(set_id, batch))  # type: ignore[misc]
            except ApiError as error:
                raise ZooniverseError(f"{error} {done} of {len(waiting)} are in it. Do the same again.") from error
            done += len(batch)
    table = pd.DataFrame({"subject_id": ids}, dtype="int64")
    table["act"] = ["none" if number in there else "link" for number in ids]
    return table.assign(state="planned" if dry_run else "done")


def list_members(session: Session, project_id: int | str, subject_set: int | str) -> list[int]:
    """Return the ids of the subjects in a set.

    Raises
    ------
    ConfigError
        If the project has no such set.
    """
    found = _need_set(session, project_id, subject_set)
    return _list_ids(session, found["display_name"], found["id"])


def load_subject_ids(path: str | Path) -> list[int]:
    """Read the ids of subjects from a table (CSV or Excel) with the column `subject_id` or `id`.

    Raises
    ------
    MetadataError
        If the file cannot be read, lacks the column, or holds something else in it; the message names the line.
    """
    file = Path(path)
    sheet = load_sheet(file)
    names = [header.casefold() for header in sheet.header]
    column = next((name for name in _ID_COLUMNS if name in names), None)
    if column is None:
        raise MetadataError(f"{file} has no column subject_id. It has: {', '.join(sheet.header)}.")
    place = names.index(column)
    ids = []
    for row, line in zip(sheet.rows, sheet.lines, strict=True):
        if not (row[place].isascii() and row[place].isdigit()):
            raise MetadataError(f"{name_place(file, line, column)}: {row[place]!r} is not the id of a subject.")
        ids.append(int(row[place]))
    return ids


def _list_ids(session: Session, name: str, set_id: int | str) -> list[int]:
    subjects = list_subjects(session, f"Listing {name}", subject_set_id=set_id)
    return [int(subject["id"]) for subject in subjects]


def _need_set(session: Session, project_id: int | str, subject_set: int | str) -> dict[str, Any]:
    found = find_set(session, project_id, subject_set)
    if found is None:
        raise ConfigError(f"Project {project_id} has no subject set {subject_set!r}. Give its name as on Zooniverse.")
    return found


def _need_workflow(session: Session, workflow_id: int, project_id: int | str | None = None) -> dict[str, Any]:
    found = find_one(session, "workflows", workflow_id)
    if found is None or (project_id is not None and found["links"]["project"] != str(project_id)):
        whose = f"Project {project_id}" if project_id is not None else session.url
        raise ConfigError(f"{whose} has no workflow {workflow_id}. Give the number that stands in its address.")
    return found


def _check_members(session: Session, workflow: dict[str, Any], subject_ids: list[int]) -> Report:
    """Report the subjects that are in none of a workflow's sets."""
    shown = set(workflow["links"]["subject_sets"])
    subjects = find_subjects(session, subject_ids)
    members = {int(s["id"]) for s in subjects if not shown.isdisjoint(s["links"].get("subject_sets", []))}
    report = Report(f"Subjects of workflow {workflow['id']}")
    for number in subject_ids:
        if number not in members:
            message = f"Subject {number} is in no subject set of the workflow."
            fix = "Leave it out, or link its set to the workflow."
            report.add(Finding("subjects", None, None, "NOT_IN_WORKFLOW", "error", str(number), message, fix))
    return report
