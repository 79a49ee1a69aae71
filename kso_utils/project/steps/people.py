"""What people do: subjects to Zooniverse, classifications from it, and what the volunteers agree on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from kso_utils.consensus.clip_labels import ClipRule, clips
from kso_utils.consensus.shapes import MarkRule, boxes
from kso_utils.core.errors import ConfigError, ZooniverseError
from kso_utils.core.retries import again
from kso_utils.metadata.taxa import match_labels
from kso_utils.project.steps.origins import origin_rules, read_duplicates
from kso_utils.project.steps.uploading import describe_subjects, name_set, project_number
from kso_utils.store import queries
from kso_utils.store.rows import Counts
from kso_utils.version import __version__
from kso_utils.zooniverse import pulls, uploads
from kso_utils.zooniverse.matching.duplicates import write_duplicates
from kso_utils.zooniverse.workflows import TaskMap

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from kso_utils.project.opening import Project
    from kso_utils.project.settings import Kind
    from kso_utils.zooniverse.retrieval.fetching import Ask
    from kso_utils.zooniverse.session import Session

_TABLES = {"clip": "agg_annotations_clip", "frame": "agg_annotations_frame"}


@dataclass(frozen=True)
class Agreement:
    """What `aggregate` gives.

    Attributes
    ----------
    run_id
        The run in `agg_runs`.
    rows
        One row a subject and label (clips) or box (frames); `agreed` tells which reached the rule.
    unmatched
        Labels that no species of the store bears, or several: their rows have no species.
    reused
        True if an equal run over equal classifications was there already.
    """

    run_id: int
    rows: pd.DataFrame
    unmatched: list[str]
    reused: bool


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


def aggregate(project: Project, kind: Kind, agreement: float | None = None, min_people: int | None = None) -> Agreement:
    """Find what the volunteers agree on and record it as a run, in one transaction.

    An equal run (same rule, version, classifications and species) is not stored twice.

    Parameters
    ----------
    project
        The project; its store must hold classifications.
    kind
        `clip` for species in clips, `frame` for boxes on frames.
    agreement, min_people
        In place of those in the settings.

    Raises
    ------
    ConfigError
        If no classification of that kind has been pulled.
    """
    workflows = sorted(w.id for w in project.settings.workflows(kind))
    rows = queries.votes(project.store, kind, workflows or None)
    if rows.empty:
        raise ConfigError(f"There is no classification of a {kind} in the store. Fetch them with: kso pull")
    values = project.settings.consensus
    rule_type: Any = ClipRule if kind == "clip" else MarkRule
    rule = rule_type(
        agreement=values.agreement if agreement is None else agreement,
        min_people=values.min_people if min_people is None else min_people,
    )
    agreed = clips(rows, rule) if kind == "clip" else boxes(rows, rule)
    matched = match_labels(sorted(agreed["label"].unique()), project.store.read("species")).set_index("label")
    agreed["species_id"] = agreed["label"].map(matched["species_id"]).astype("Int64")
    unmatched = matched.index[matched["species_id"].isna()].tolist()
    species = {label: None if label in unmatched else int(number) for label, number in matched["species_id"].items()}
    params, inputs = (
        {"rule": json.loads(json.dumps(asdict(rule))), "workflows": workflows},
        {"votes_sha256": digest_votes(rows), "species": species},
    )
    known = _equal_run(project, kind, params, inputs)
    run_id = known or project.store.record_run(kind, params, inputs, {_TABLES[kind]: agreed})
    return Agreement(run_id, agreed, unmatched, known is not None)


def task_map(project: Project) -> TaskMap:
    """Return the meaning of answers that the settings give."""
    answers = project.settings.zooniverse.answers
    nothing = {code for workflow in project.settings.zooniverse.workflows for code in workflow.nothing}
    return TaskMap(tuple(answers.how_many), tuple(answers.first_seen), dict(answers.values), tuple(sorted(nothing)))


def digest_votes(rows: pd.DataFrame) -> str:
    """Return the sha256 of what `queries.votes` gives, whatever the order of rows."""
    plain = rows.drop(columns=["geometry", "raw"]).astype("string").fillna("")
    hashes = pd.util.hash_pandas_object(plain, index=False).sort_values()
    return hashlib.sha256(hashes.to_numpy().tobytes()).hexdigest()


def _equal_run(project: Project, kind: Kind, params: dict[str, Any], inputs: dict[str, Any]) -> int | None:
    runs = project.store.read("agg_runs", where={"kind": kind, "version": __version__}, order_by="id")
    equal = [run["id"] for run in runs.to_dict("records") if run["params"] == params and run["inputs"] == inputs]
    return int(equal[-1]) if equal else None
