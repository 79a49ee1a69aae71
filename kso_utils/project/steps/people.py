"""What people do: subjects to Zooniverse, and classifications from it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from kso_utils.core.errors import ConfigError, ZooniverseError
from kso_utils.core.retries import again
from kso_utils.project.steps.origins import origin_rules, read_duplicates
from kso_utils.project.steps.uploading import describe_subjects, name_set, project_number
from kso_utils.store.rows import Counts
from kso_utils.zooniverse import pulls, uploads
from kso_utils.zooniverse.matching.duplicates import write_duplicates
from kso_utils.zooniverse.workflows import TaskMap

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pandas as pd

    from kso_utils.project.opening import Project
    from kso_utils.project.settings import Kind
    from kso_utils.zooniverse.retrieval.fetching import Ask
    from kso_utils.zooniverse.session import Session


def upload(
    project: Project,
    session: Session | None,
    kind: Kind,
    subject_set: str | None = None,
    workers: int = 8,
    dry_run: bool = False,
    allow_large: bool = False,
) -> pd.DataFrame:
    """Upload the clips or frames that were made and link their subject set to the workflows of that kind.

    Those of bad deployments are left out. A dry run checks and returns the states; it needs no session.
    `allow_large` sends clips above 8 MiB and frames above 1 MiB too.

    Returns
    -------
    DataFrame
        `key, state, subject_id, reason`, one row a subject.

    Raises
    ------
    ConfigError
        If there is nothing to upload, or the settings name no Zooniverse project.
    ZooniverseError
        If Zooniverse cannot be reached or refuses.
    """
    subjects = describe_subjects(project, kind)
    number = project_number(project)
    name = subject_set or name_set(project, kind)
    states = uploads.upload(
        session, project.store, subjects, name, workers, dry_run, project_id=number, allow_large=allow_large
    )
    if session is not None and not dry_run:
        set_id = again(lambda: session.find_subject_set(number, name))
        if set_id is None:
            raise ZooniverseError(f"The subject set {name!r} vanished while it was filled. Upload again.")
        for workflow in project.settings.workflows(kind):
            again(partial(session.link_set, workflow.id, set_id))
    return states


def pull(
    project: Project,
    session: Session | None,
    exports: str | Path | None = None,
    timeout_s: float = 3600.0,
    ask: Ask = "due",
    workflow_ids: Iterable[int] = (),
) -> pulls.Pulled:
    """Take exports of the project on Zooniverse into the store, and the table of duplicates that the settings name.

    Parameters
    ----------
    project
        The project.
    session
        The login; None where `exports` is given.
    exports
        A folder of exports that somebody downloaded, which are copied into `exports/` of the project. By default they
        are fetched into it.
    timeout_s, ask, workflow_ids
        As in `zooniverse.pull`.

    Raises
    ------
    ConfigError
        If the folder holds no export, the settings name no Zooniverse project, or there is no login.
    ZooniverseError
        If Zooniverse cannot be reached or refuses.
    MetadataError
        If a file is damaged.
    """
    rules, duplicates = origin_rules(project), read_duplicates(project)
    if exports is not None:
        pulled = pulls.take_in(project.store, exports, task_map(project), rules, project.folder / "exports")
    else:
        number = project_number(project)
        if session is None:
            raise ConfigError("There is no login to fetch exports with. Log in, or give a folder of exports.")
        pulled = pulls.pull(
            session,
            project.store,
            number,
            project.folder / "exports",
            task_map(project),
            timeout_s,
            ask,
            workflow_ids,
            rules,
        )
    counts = write_duplicates(project.store, duplicates, pulled.report)
    if counts == Counts():
        return pulled
    return replace(pulled, counts={**pulled.counts, "subject_duplicates": counts})


def task_map(project: Project) -> TaskMap:
    """Return the meaning of answers that the settings give."""
    answers = project.settings.zooniverse.answers
    nothing = {code for workflow in project.settings.zooniverse.workflows for code in workflow.nothing}
    return TaskMap(tuple(answers.how_many), tuple(answers.first_seen), dict(answers.values), tuple(sorted(nothing)))
