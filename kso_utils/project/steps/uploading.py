"""What is to be uploaded: the plan, before and instead of the upload itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from kso_utils.core.errors import ConfigError
from kso_utils.core.report import Finding, Report
from kso_utils.core.retries import again
from kso_utils.project.steps.footage import read_manifest
from kso_utils.store import queries
from kso_utils.zooniverse.delivery.items import ARRIVED, MADE
from kso_utils.zooniverse.delivery.manifests import write_manifest
from kso_utils.zooniverse.delivery.preflight import Quota, check_subjects, read_quota
from kso_utils.zooniverse.delivery.sensitive import require_sites
from kso_utils.zooniverse.subjects import key_subject, plain, plan_subjects

if TYPE_CHECKING:
    from kso_utils.project.opening import Project
    from kso_utils.project.settings import Kind
    from kso_utils.zooniverse.session import Session


@dataclass(frozen=True)
class UploadPlan:
    """What an upload would do.

    Attributes
    ----------
    subject_set
        The name of the set.
    set_id
        Its id; None where it is new, or nobody was asked.
    workflows
        The ids of the workflows that will show it.
    counts
        State -> number of subjects, each counted once.
    size_bytes
        What is still to be sent.
    quota
        Of the account; None where nobody was asked.
    quota_after
        How many subjects the account may upload after it; None where that is not known or without limit.
    subjects
        `key, state, subject_id, path` (or address), one row a subject.
    report
        What is wrong, or worth knowing.
    manifest
        The file that tells of what is still to be sent; None where it was not asked for, or something is wrong.
    """

    subject_set: str
    set_id: int | None
    workflows: list[int]
    counts: dict[str, int]
    size_bytes: int
    quota: Quota | None
    quota_after: int | None
    subjects: pd.DataFrame
    report: Report
    manifest: str | None


def describe_subjects(project: Project, kind: Kind) -> pd.DataFrame:
    """Return the clips or frames that were made, as `zooniverse.plan_subjects` gives them.

    Those of bad deployments are left out. Of sites that the settings call sensitive the place is not told.

    Raises
    ------
    ConfigError
        If there is nothing to upload, or the settings name a sensitive site that the store does not have.
    """
    made = read_manifest(project, kind)
    if made.empty:
        raise ConfigError(f"There is no {kind} to upload. Make some with: kso {kind}s")
    movies = queries.good_movies(project.store).rename(columns={"id": "movie_id"})
    described = made.merge(movies.drop(columns=["sha256", "size_bytes", "width", "height"]), on="movie_id")
    if described.empty:
        raise ConfigError(f"There is no {kind} of a good deployment to upload. Make some with: kso {kind}s")
    settings = project.settings.metadata
    require_sites(settings.sensitive_sites, project.store.read("sites", ["locality", "locationID"]))
    return plan_subjects(described, getattr(settings, kind), kind, settings.sensitive_sites)


def name_set(project: Project, kind: Kind) -> str:
    """Return the name of the subject set for clips or frames where no other is given."""
    return f"{kind}s {project.settings.name}"


def plan_upload(
    project: Project,
    session: Session | None,
    kind: Kind,
    subject_set: str | None = None,
    manifest: str | Path | None = None,
    allow_large: bool = False,
) -> UploadPlan:
    """Return what an upload of clips or frames would do; nothing is sent or stored.

    Parameters
    ----------
    project, kind, subject_set, allow_large
        As `upload`.
    session
        The login; without it neither set nor quota is looked at.
    manifest
        A CSV file to write what is still to be sent into; see `zooniverse.write_manifest`.

    Raises
    ------
    ConfigError
        If there is nothing to upload, or the settings name no Zooniverse project or wrong sites.
    ZooniverseError
        If Zooniverse cannot be asked.
    """
    subjects = describe_subjects(project, kind)
    number = project_number(project)
    name = subject_set or name_set(project, kind)
    report = check_subjects(subjects, project.store, name, number, allow_large=allow_large)
    table = _states(project, subjects, [key_subject(row, name, number) for row in subjects.to_dict("records")])
    waiting = table[~table["state"].isin(ARRIVED)]
    new = int((~waiting["state"].isin(MADE)).sum())
    quota = None if session is None else read_quota(session)
    left = None if quota is None else quota.left
    if quota is not None and left is not None and left < new:
        used = f"{quota.used} of {quota.limit} are used"
        message = f"{new} subjects are to be uploaded, but the account may upload {left} more ({used})."
        fix = "Upload fewer, or ask Zooniverse to raise the limit."
        report.add(Finding("subjects", None, None, "QUOTA_EXCEEDED", "error", str(new), message, fix))
    if manifest is not None and report.ok:
        write_manifest(subjects[subjects.index.isin(waiting.index)], name, number, manifest)
    return UploadPlan(
        subject_set=name,
        set_id=None if session is None else again(lambda: session.find_subject_set(number, name)),
        workflows=[workflow.id for workflow in project.settings.workflows(kind)],
        counts={str(state): int(n) for state, n in table["state"].value_counts().items()},
        size_bytes=sum(_size(path) for path in waiting["path"]),
        quota=quota,
        quota_after=None if left is None else left - new,
        subjects=table.reset_index(drop=True),
        report=report,
        manifest=str(manifest) if manifest is not None and report.ok else None,
    )


def project_number(project: Project) -> int:
    """Return the id of the project on Zooniverse.

    Raises
    ------
    ConfigError
        If the settings name none.
    """
    number = project.settings.zooniverse.project_id
    if not number:
        raise ConfigError(f"{project.folder}/project.toml names no Zooniverse project. Set zooniverse.project_id.")
    return number


def _states(project: Project, subjects: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Return how far each subject is by the journal, each once; the index is that of `subjects`."""
    journal = project.store.read("upload_journal", ["key", "state", "subject_id"]).set_index("key")
    table = pd.DataFrame({"key": keys, "path": subjects["path"]}, index=subjects.index).drop_duplicates("key")
    states = journal["state"].to_dict()
    table["state"] = [states.get(key, "planned") for key in table["key"]]
    table["subject_id"] = table["key"].map(journal["subject_id"]).astype("Int64")
    return table[["key", "state", "subject_id", "path"]]


def _size(path: object) -> int:
    file = Path(str(plain(path)))
    return file.stat().st_size if file.is_file() else 0
