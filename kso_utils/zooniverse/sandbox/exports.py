"""Exports as CSV: classifications, subjects and workflows, column for column as the Zooniverse writes them."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import secrets
import tempfile
import time
from typing import TYPE_CHECKING, Any

from kso_utils.zooniverse.sandbox.labels import format_annotations
from kso_utils.zooniverse.sandbox.messages import Refused
from kso_utils.zooniverse.sandbox.shapes import media_links
from kso_utils.zooniverse.sandbox.state import timestamp
from kso_utils.zooniverse.sandbox.tasks import inject_strings

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator

    from kso_utils.zooniverse.sandbox.background import Background
    from kso_utils.zooniverse.sandbox.state import Reader, Resource, State

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
    background
        Where the work is done.
    delay_s
        How long an export takes at least.
    throttle_s
        One of the same resource and kind is made so often at most; what is asked for earlier is cancelled, which the
        medium, as on the Zooniverse, does not tell: it stays `creating`, with the file of before.
    """

    def __init__(self, state: State, background: Background, delay_s: float = 0.0, throttle_s: float = 0.0) -> None:
        self._state = state
        self._background = background
        self._delay_s = delay_s
        self._throttle_s = throttle_s

    def start(self, resource: Resource, kind: str, base_url: str) -> dict[str, Any]:
        """Begin an export and return its medium, in state `creating`."""
        _check(resource, kind)
        now, last = time.time(), self._find(resource, kind)
        key = self._state.add_blob("text/csv")[0] if last is None else last["blob"]
        refused = last is not None and now - (last["accepted"] or 0.0) < self._throttle_s
        accepted = last["accepted"] if last is not None and refused else now
        cancelled = refused and not (last is not None and _is_pending(last))
        self._state.run(
            "INSERT INTO exports (owner_kind, owner_id, kind, state, blob, updated_at, accepted, cancelled) "
            "VALUES (?, ?, ?, 'creating', ?, ?, ?, ?) ON CONFLICT (owner_kind, owner_id, kind) DO UPDATE SET "
            "state = excluded.state, updated_at = excluded.updated_at, accepted = excluded.accepted, "
            "cancelled = excluded.cancelled",
            (resource.kind, resource.id, kind, key, timestamp(), accepted, cancelled),
        )
        if not refused:
            self._background.begin(self._make, resource.kind, resource.id, kind, key, base_url)
        return self.describe(resource, kind, base_url)

    def describe(self, resource: Resource, kind: str, base_url: str) -> dict[str, Any]:
        """Return the medium of an export as its API object.

        Raises
        ------
        Refused
            With status 404 before the first one was asked for.
        """
        _check(resource, kind)
        row = self._find(resource, kind)
        if row is None:
            raise Refused(404, f"No {kind}_export exists for {resource.kind} #{resource.id}")
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
        for row in self._state.rows("SELECT * FROM exports WHERE state = 'creating' AND cancelled IS NOT 1"):
            work = (row["owner_kind"], row["owner_id"], row["kind"], row["blob"], base_url)
            self._background.begin(self._make, *work)

    def _find(self, resource: Resource, kind: str) -> sqlite3.Row | None:
        found = self._state.rows(
            "SELECT * FROM exports WHERE owner_kind = ? AND owner_id = ? AND kind = ?",
            (resource.kind, resource.id, kind),
        )
        return found[0] if found else None

    def _make(self, owner_kind: str, owner_id: int, kind: str, key: str, base_url: str) -> None:
        if self._background.stopped.wait(self._delay_s):
            return
        with self._state.snapshot() as reader, tempfile.TemporaryFile() as packed:
            with (
                gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=5) as squeezed,
                io.TextIOWrapper(squeezed, encoding="utf-8", newline="") as text,
            ):
                rows = csv.writer(text, lineterminator="\n")
                for row in export_rows(reader, owner_kind, owner_id, kind, base_url):
                    rows.writerow(row)
                    if self._background.stopped.is_set():
                        return
            packed.seek(0)
            data = packed.read()
        with self._state.transaction():
            self._state.write_blob(key, data)
            self._state.run("UPDATE exports SET state = 'ready', updated_at = ? WHERE blob = ?", (timestamp(), key))


def export_rows(reader: Reader, owner_kind: str, owner_id: int, kind: str, base_url: str) -> Iterator[Iterable[object]]:
    """Yield the rows of one export, the names of its columns first."""
    if kind == "classifications":
        yield CLASSIFICATIONS
        yield from _classifications(reader, {"owner_kind": owner_kind, "owner": owner_id})
    elif kind == "subjects":
        yield SUBJECTS
        yield from (_subject(row, base_url) for row in reader.stream(_UPLOADED, (owner_id,)))
    else:
        yield WORKFLOWS
        yield from (_workflow(row) for row in reader.stream(_VERSIONS, (owner_id,)))


def _is_pending(row: sqlite3.Row) -> bool:
    """Whether somebody is at work at an export, or will be when the next server starts."""
    return bool(row["state"] == "creating" and not row["cancelled"])


def _check(resource: Resource, kind: str) -> None:
    if kind not in _KINDS.get(resource.kind, ()):
        raise Refused(404, f"{resource.kind} have no {kind}_export")


def _classifications(reader: Reader, owner: dict[str, object]) -> Iterator[tuple[object, ...]]:
    workflows: dict[int, Resource | None] = {}
    texts: dict[tuple[int, str], dict[str, Any]] = {}
    subjects: dict[tuple[int, int], str] = {}
    # As on the Zooniverse, who was not logged in is the same person within one file only.
    salt = secrets.token_hex(8)
    for row in reader.stream(_CLASSIFIED, owner):
        workflow_id, version = row["workflow_id"], row["workflow_version"]
        subject_ids = json.loads(row["subject_ids"]) if row["subject_ids"] else [row["subject_id"]]
        if workflow_id not in workflows:
            workflows[workflow_id] = reader.get("workflows", workflow_id)
        if (workflow_id, version) not in texts:
            texts[workflow_id, version] = tasks_of(reader, workflow_id, version)
        for subject_id in subject_ids:
            if (workflow_id, subject_id) not in subjects:
                subjects[workflow_id, subject_id] = _subject_data(reader, workflow_id, subject_id)
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
            "true" if row["gold_standard"] else "",
            row["expert"] or "",
            _json({k: v for k, v in metadata.items() if k != "workflow_version"}),
            _json(format_annotations(json.loads(row["annotations"]), texts[workflow_id, version])),
            "{" + ",".join(subjects[workflow_id, s] for s in subject_ids) + "}",
            ";".join(str(s) for s in subject_ids),
        )


def tasks_of(reader: Reader, workflow_id: int, version: str) -> dict[str, Any]:
    """Return the tasks of a version (`1.1`) of a workflow, texts in their place; {} if it is not known."""
    major, _, minor = version.partition(".")
    found = reader.rows(
        "SELECT body FROM versions WHERE workflow_id = ? AND major = ? AND minor = ?", (workflow_id, major, minor)
    )
    if not found:
        return {}
    body = json.loads(found[0]["body"])
    return inject_strings(body["tasks"], body["strings"])


def _subject_data(reader: Reader, workflow_id: int, subject_id: int) -> str:
    subject = reader.get("subjects", subject_id)
    found = reader.rows("SELECT * FROM statuses WHERE workflow_id = ? AND subject_id = ?", (workflow_id, subject_id))
    retired = dict(found[0]) if found and found[0]["retired_at"] else None
    metadata = {} if subject is None else subject.body["metadata"]
    return f'"{subject_id}":' + _json({"retired": retired, **metadata})


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
