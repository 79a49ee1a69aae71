"""What is on Zooniverse: whether it is what was sent, and what volunteers get to see of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kso_utils.project.steps.uploading import project_number
from kso_utils.zooniverse import audits, repairs, visibility

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from kso_utils.project.opening import Project
    from kso_utils.zooniverse.audits import Audit
    from kso_utils.zooniverse.session import Session
    from kso_utils.zooniverse.visibility import Reason


def audit(project: Project, session: Session, subject_set: int | str | None = None, media: bool = False) -> list[Audit]:
    """Compare a subject set with what was sent to it, by default each set that was uploaded from here.

    Parameters
    ----------
    project
        The project.
    session
        The login.
    subject_set
        The name of a set, or its id.
    media
        Read every medium back too.
    """
    number = project_number(project)
    if subject_set is None:
        sent = project.store.read("upload_journal", ["subject_set_id"], {"project_id": str(number)})
        sets: list[int | str] = [int(one) for one in sorted(sent["subject_set_id"].unique(), key=int)]
    else:
        sets = [subject_set]
    return [audits.audit(session, project.store, one, number, media) for one in sets]


def repair(project: Project, session: Session | None, audit: Audit, dry_run: bool = False) -> pd.DataFrame:
    """Mend what an audit found, as `zooniverse.repair` says; a dry run needs no session."""
    return repairs.repair(session, project.store, audit, dry_run)


def retire(
    project: Project,
    session: Session,
    workflow_id: int,
    subjects: Iterable[int] | str,
    reason: Reason = "other",
    *,
    undo: bool = False,
    dry_run: bool = False,
) -> pd.DataFrame:
    """Show subjects to nobody any more in a workflow, or show them again, as `zooniverse.retire` says.

    Parameters
    ----------
    project
        The project.
    session
        The login.
    workflow_id
        The workflow.
    subjects
        Ids of subjects, or the name of a subject set whose subjects are meant.
    reason
        One of `visibility.REASONS`.
    undo
        Show them again.
    dry_run
        Check, and change nothing.
    """
    number = project_number(project)
    ids = visibility.list_members(session, number, subjects) if isinstance(subjects, str) else subjects
    return visibility.retire(session, workflow_id, ids, reason, undo=undo, dry_run=dry_run)


def link_sets(
    project: Project,
    session: Session,
    subject_set: int | str,
    workflow_ids: Iterable[int],
    *,
    undo: bool = False,
    dry_run: bool = False,
) -> pd.DataFrame:
    """Show a subject set in workflows of the project, or show it there no more, as `zooniverse.link_sets` says."""
    number = project_number(project)
    return visibility.link_sets(session, number, subject_set, workflow_ids, undo=undo, dry_run=dry_run)
