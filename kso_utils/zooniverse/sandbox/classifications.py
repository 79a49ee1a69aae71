"""Recording what people said about subjects, and the subjects' retirement that follows from it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kso_utils.zooniverse.sandbox.exports import tasks_of
from kso_utils.zooniverse.sandbox.judging import check_annotations
from kso_utils.zooniverse.sandbox.messages import Refused, mapping, number, numbers
from kso_utils.zooniverse.sandbox.state import timestamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kso_utils.zooniverse.sandbox.state import State

_INSERT = (
    "INSERT INTO classifications (project_id, workflow_id, workflow_version, user_id, subject_id, created_at, "
    "metadata, annotations, subject_ids, gold_standard, expert) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


def record(state: State, given: Any, user_id: int | None) -> int:
    """Record one classification as a classifier page sends it; return its id.

    What a page sends once more because the answer was lost is known by its session and times, and recorded once.

    Raises
    ------
    Refused
        422 if a part is missing or no answer to the tasks, 404 if its workflow or subject does not exist.
    """
    if not isinstance(given, dict) or not isinstance(given.get("annotations"), list):
        raise Refused(422, "The body must be an object with annotations, metadata and links under 'classifications'")
    links, metadata = mapping(given.get("links"), "links"), mapping(given.get("metadata"), "metadata")
    workflow = state.get("workflows", number(links.get("workflow", "")))
    subjects = [state.get("subjects", i) for i in numbers(links.get("subjects", []))]
    shown = [subject for subject in subjects if subject is not None]
    if workflow is None or not shown or len(shown) < len(subjects):
        raise Refused(404, "Could not find the workflow or the subject of this classification")
    version = metadata.get("workflow_version")
    tasks = tasks_of(state, workflow.id, str(version or f"{workflow.body['major']}.{workflow.body['minor']}"))
    if version and not tasks:
        raise Refused(422, f"Workflow {workflow.id} has no version {version}")
    check_annotations(given["annotations"], tasks, sum(len(subject.body["locations"]) for subject in shown))
    row = {
        "workflow_id": workflow.id,
        "subject_ids": [subject.id for subject in shown],
        "user_id": user_id,
        "annotations": given["annotations"],
        "metadata": metadata,
        "gold_standard": given.get("gold_standard", metadata.get("gold_standard")),
        "expert": given.get("expert_classifier", metadata.get("expert")),
    }
    return _find_same(state, row) or add_classifications(state, [row])[0]


def _find_same(state: State, row: Mapping[str, Any]) -> int | None:
    """Return the id of the classification that is recorded already; None for a new one, or one without a session."""
    if not all(row["metadata"].get(name) for name in ("session", "started_at", "finished_at")):
        return None
    values = (row["workflow_id"], row["subject_ids"][0], row["user_id"], json.dumps(row["metadata"]))
    found = state.rows(
        "SELECT id FROM classifications WHERE workflow_id = ? AND subject_id = ? AND user_id IS ? AND metadata = ?",
        values,
    )
    return found[0]["id"] if found else None


def add_classifications(state: State, rows: Iterable[Mapping[str, Any]]) -> list[int]:
    """Record many classifications at once; return their ids.

    Parameters
    ----------
    rows
        Each with `workflow_id`, `subject_id` (or `subject_ids`, several that were shown together), `user_id` (None for
        a person who is not logged in), `annotations`, `metadata`, and where wanted `created_at` (else now),
        `gold_standard`, `expert`.
    """
    ids = []
    with state.transaction():
        for row in rows:
            workflow = state.get("workflows", row["workflow_id"])
            if workflow is None:
                raise Refused(404, f"Could not find workflow with id='{row['workflow_id']}'")
            version = row["metadata"].get("workflow_version") or f"{workflow.body['major']}.{workflow.body['minor']}"
            created_at = row.get("created_at") or timestamp()
            subjects = row.get("subject_ids") or [row["subject_id"]]
            values = (workflow.project_id, workflow.id, version, row["user_id"], subjects[0], created_at)
            texts = (json.dumps(row["metadata"]), json.dumps(row["annotations"]))
            several = json.dumps(subjects) if len(subjects) > 1 else None
            flags = (several, row.get("gold_standard"), row.get("expert"))
            ids.append(state.insert(_INSERT, values + texts + flags))
            for subject_id in subjects:
                _count(state, workflow.id, subject_id, created_at, _retirement_count(workflow.body))
    return ids


def _retirement_count(body: Mapping[str, Any]) -> int | None:
    retirement = body.get("retirement") or {}
    if retirement.get("criteria") == "never_retire":
        return None
    return int((retirement.get("options") or {}).get("count", 15))


def _count(state: State, workflow_id: int, subject_id: int, at: str, enough: int | None) -> None:
    state.run(
        "INSERT INTO statuses (workflow_id, subject_id, classifications_count, created_at, updated_at) "
        "VALUES (?, ?, 1, ?, ?) ON CONFLICT (workflow_id, subject_id) DO UPDATE SET "
        "classifications_count = classifications_count + 1, updated_at = excluded.updated_at",
        (workflow_id, subject_id, at, at),
    )
    if enough is not None:
        state.run(
            "UPDATE statuses SET retired_at = ?, retirement_reason = 'classification_count' "
            "WHERE workflow_id = ? AND subject_id = ? AND classifications_count >= ? AND retired_at IS NULL",
            (at, workflow_id, subject_id, enough),
        )
