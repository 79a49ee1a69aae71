"""Exports as CSV: classifications, subjects and workflows, column for column as the Zooniverse writes them."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import secrets
import threading
from typing import TYPE_CHECKING, Any

from kso_utils.zooniverse.sandbox.messages import Refused
from kso_utils.zooniverse.sandbox.shapes import media_links
from kso_utils.zooniverse.sandbox.state import timestamp
from kso_utils.zooniverse.sandbox.tasks import inject_strings

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator

    from kso_utils.zooniverse.sandbox.state import Resource, State

CLASSIFICATIONS = (
    "classification_id", "user_name", "user_id", "user_ip", "workflow_id", "workflow_name", "workflow_version",
    "created_at", "gold_standard", "expert", "metadata", "annotations", "subject_data", "subject_ids",
)  # fmt: skip
SUBJECTS = (
    "subject_id", "project_id", "workflow_id", "subject_set_id", "metadata", "locations", "classifications_count",
    "retired_at", "retirement_reason", "created_at", "updated_at",
)  # fmt: skip
WORKFLOWS = (
    "workflow_id", "display_name", "version", "active", "classifications_count", "pairwise", "grouped", "prioritized",
    "primary_language", "first_task", "tutorial_subject_id", "retired_set_member_subjects_count", "tasks", "retirement",
    "strings", "minor_version",
)  # fmt: skip
_KINDS = {
    "projects": ("classifications", "subjects", "workflows"),
    "workflows": ("classifications",),
    "subject_sets": ("classifications",),
}

_CLASSIFIED = (
    "SELECT c.*, u.login FROM classifications c LEFT JOIN users u ON u.id = c.user_id "
    "WHERE CASE :owner_kind WHEN 'projects' THEN c.project_id = :owner WHEN 'workflows' THEN c.workflow_id = :owner "
    "ELSE c.subject_id IN (SELECT subject_id FROM members WHERE set_id = :owner) END ORDER BY c.id"
)
_UPLOADED = (
    "SELECT s.id, s.project_id, s.created_at, s.updated_at, s.body, m.set_id, w.workflow_id, "
    "t.classifications_count, t.retired_at, t.retirement_reason FROM resources s "
    "LEFT JOIN members m ON m.subject_id = s.id LEFT JOIN workflow_sets w ON w.set_id = m.set_id "
    "LEFT JOIN statuses t ON t.workflow_id = w.workflow_id AND t.subject_id = s.id "
    "WHERE s.kind = 'subjects' AND s.project_id = ? ORDER BY s.id, m.set_id, w.workflow_id"
)
_VERSIONS = (
    "SELECT v.*, "
    "(SELECT COALESCE(SUM(classifications_count), 0) FROM statuses WHERE workflow_id = v.workflow_id) AS n, "
    "(SELECT COUNT(retired_at) FROM statuses WHERE workflow_id = v.workflow_id) AS retired FROM versions v "
    "JOIN resources r ON r.id = v.workflow_id WHERE r.project_id = ? ORDER BY v.workflow_id, v.major, v.minor"
)


class Exporter:
    """Makes exports in the background, one medium for each resource and kind.

    Parameters
    ----------
    state
        What is exported, and where the files are kept.
    delay_s
        How long an export takes at least.
    """

    def __init__(self, state: State, delay_s: float = 0.0) -> None:
        self._state = state
        self._delay_s = delay_s
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []

    def close(self) -> None:
        """Stop; exports that are not ready are made when the next server starts."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def start(self, resource: Resource, kind: str, base_url: str) -> dict[str, Any]:
        """Begin an export and return its medium, in state `creating`."""
        _check(resource, kind)
        key, _ = self._state.add_blob("text/csv")
        self._state.run(
            "INSERT INTO exports (owner_kind, owner_id, kind, state, blob, updated_at) VALUES (?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (owner_kind, owner_id, kind) DO UPDATE SET state = excluded.state, blob = excluded.blob, "
            "updated_at = excluded.updated_at",
            (resource.kind, resource.id, kind, "creating", key, timestamp()),
        )
        self._begin(resource.kind, resource.id, kind, key, base_url)
        return self.describe(resource, kind, base_url)

    def describe(self, resource: Resource, kind: str, base_url: str) -> dict[str, Any]:
        """Return the medium of an export as its API object.

        Raises
        ------
        Refused
            With status 404 before the first one was asked for.
        """
        _check(resource, kind)
        found = self._state.rows(
            "SELECT * FROM exports WHERE owner_kind = ? AND owner_id = ? AND kind = ?",
            (resource.kind, resource.id, kind),
        )
        if not found:
            raise Refused(404, f"No {kind}_export exists for {resource.kind} #{resource.id}")
        row = found[0]
        return {
            "id": str(row["id"]),
            "href": f"/{resource.kind}/{resource.id}/{kind}_export",
            "src": f"{base_url}/blob/{row['blob']}",
            "content_type": "text/csv",
            "media_type": f"{resource.kind[:-1]}_{kind}_export",
            "external_link": False,
            "created_at": row["updated_at"],
            "updated_at": row["updated_at"],
            "metadata": {"state": row["state"]},
            "links": {
                "linked": {"id": str(resource.id), "type": resource.kind, "href": f"/{resource.kind}/{resource.id}"}
            },
        }

    def resume(self, base_url: str) -> None:
        """Make the exports that a stopped server had begun."""
        for row in self._state.rows("SELECT * FROM exports WHERE state = 'creating'"):
            self._begin(row["owner_kind"], row["owner_id"], row["kind"], row["blob"], base_url)

    def _begin(self, *work: Any) -> None:
        thread = threading.Thread(target=self._make, args=work, name="sandbox-export", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _make(self, owner_kind: str, owner_id: int, kind: str, key: str, base_url: str) -> None:
        if self._stopped.wait(self._delay_s):
            return
        with self._state.transaction():
            text = write_export(self._state, owner_kind, owner_id, kind, base_url)
            self._state.write_blob(key, gzip.compress(text.encode(), compresslevel=5))
            self._state.run("UPDATE exports SET state = 'ready', updated_at = ? WHERE blob = ?", (timestamp(), key))


def write_export(state: State, owner_kind: str, owner_id: int, kind: str, base_url: str) -> str:
    """Return the CSV text of one export."""
    if kind == "classifications":
        rows = state.rows(_CLASSIFIED, {"owner_kind": owner_kind, "owner": owner_id})
        return _csv(CLASSIFICATIONS, _classifications(state, rows))
    if kind == "subjects":
        return _csv(SUBJECTS, (_subject(row, base_url) for row in state.rows(_UPLOADED, (owner_id,))))
    return _csv(WORKFLOWS, (_workflow(row) for row in state.rows(_VERSIONS, (owner_id,))))


def _check(resource: Resource, kind: str) -> None:
    if kind not in _KINDS.get(resource.kind, ()):
        raise Refused(404, f"{resource.kind} have no {kind}_export")


def _csv(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def _classifications(state: State, rows: Iterable[sqlite3.Row]) -> Iterator[tuple[object, ...]]:
    workflows: dict[int, Resource | None] = {}
    texts: dict[tuple[int, str], dict[str, Any]] = {}
    subjects: dict[tuple[int, int], str] = {}
    # As on the Zooniverse, who was not logged in is the same person within one file only.
    salt = secrets.token_hex(8)
    for row in rows:
        workflow_id, subject_id, version = row["workflow_id"], row["subject_id"], row["workflow_version"]
        if workflow_id not in workflows:
            workflows[workflow_id] = state.get("workflows", workflow_id)
        if (workflow_id, version) not in texts:
            texts[workflow_id, version] = tasks_of(state, workflow_id, version)
        if (workflow_id, subject_id) not in subjects:
            subjects[workflow_id, subject_id] = _subject_data(state, workflow_id, subject_id)
        metadata = json.loads(row["metadata"])
        workflow = workflows[workflow_id]
        yield (
            row["id"],
            row["login"] or f"not-logged-in-{_hash(salt, metadata.get('session', row['id']))}",
            row["user_id"],
            _hash(salt, row["user_id"] or metadata.get("session", "")),
            workflow_id,
            "" if workflow is None else workflow.body["display_name"],
            version,
            _utc(row["created_at"]),
            "",
            "",
            _json({k: v for k, v in metadata.items() if k != "workflow_version"}),
            _json(format_annotations(json.loads(row["annotations"]), texts[workflow_id, version])),
            subjects[workflow_id, subject_id],
            subject_id,
        )


def format_annotations(annotations: list[dict[str, Any]], tasks: dict[str, Any]) -> list[dict[str, Any]]:
    """Return annotations as an export shows them: questions and tools by their texts.

    Parameters
    ----------
    annotations
        As the classifier page sent them, `[{task, value}]`.
    tasks
        The tasks of the workflow's version, texts in their place.
    """
    return [_format(annotation, tasks.get(str(annotation.get("task")), {})) for annotation in annotations]


def _format(annotation: dict[str, Any], task: dict[str, Any]) -> dict[str, Any]:
    kind, value = task.get("type"), annotation.get("value")
    if kind == "survey":
        return {**annotation, "value": value or []}
    if kind == "drawing":
        tools = task.get("tools", [])
        marks = [{**mark, "tool_label": _label(tools, mark.get("tool", mark.get("toolIndex")))} for mark in value or []]
        return {"task": annotation["task"], "task_label": task.get("instruction"), "value": marks}
    label = task.get("question", task.get("instruction"))
    if kind == "single":
        value = _label(task.get("answers", []), value)
    elif kind == "multiple":
        value = [_label(task.get("answers", []), v) for v in value or []]
    return {**annotation, "task_label": label, "value": value}


def _label(options: list[dict[str, Any]], index: object) -> Any:
    return options[index].get("label") if isinstance(index, int) and 0 <= index < len(options) else index


def tasks_of(state: State, workflow_id: int, version: str) -> dict[str, Any]:
    """Return the tasks of a version (`1.1`) of a workflow, texts in their place; {} if it is not known."""
    major, _, minor = version.partition(".")
    found = state.rows(
        "SELECT body FROM versions WHERE workflow_id = ? AND major = ? AND minor = ?", (workflow_id, major, minor)
    )
    if not found:
        return {}
    body = json.loads(found[0]["body"])
    return inject_strings(body["tasks"], body["strings"])


def _subject_data(state: State, workflow_id: int, subject_id: int) -> str:
    subject = state.get("subjects", subject_id)
    found = state.rows("SELECT * FROM statuses WHERE workflow_id = ? AND subject_id = ?", (workflow_id, subject_id))
    retired = dict(found[0]) if found and found[0]["retired_at"] else None
    metadata = {} if subject is None else subject.body["metadata"]
    return _json({str(subject_id): {"retired": retired, **metadata}})


def _subject(row: sqlite3.Row, base_url: str) -> tuple[object, ...]:
    body = json.loads(row["body"])
    links = [url for location in media_links(body["locations"], base_url) for url in location.values()]
    return (
        row["id"],
        row["project_id"],
        row["workflow_id"],
        row["set_id"],
        _json(body["metadata"]),
        _json({str(n): url for n, url in enumerate(links)}),
        row["classifications_count"] or 0,
        _utc(row["retired_at"]),
        row["retirement_reason"],
        _utc(row["created_at"]),
        _utc(row["updated_at"]),
    )


def _workflow(row: sqlite3.Row) -> tuple[object, ...]:
    body = json.loads(row["body"])
    flags = (str(body[name]).lower() for name in ("pairwise", "grouped", "prioritized"))
    return (
        row["workflow_id"],
        body["display_name"],
        row["major"],
        str(body["active"]).lower(),
        row["n"],
        *flags,
        body["primary_language"],
        body["first_task"],
        "",
        row["retired"],
        _json(body["tasks"]),
        _json(body["retirement"]),
        _json(body["strings"]),
        row["minor"],
    )


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _utc(time_text: str | None) -> str:
    return "" if time_text is None else time_text[:19].replace("T", " ") + " UTC"


def _hash(salt: str, value: object) -> str:
    return hashlib.sha256(f"{salt}{value}".encode()).hexdigest()[:20]
