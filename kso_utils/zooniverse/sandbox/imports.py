"""Subjects from a manifest: a CSV file of links to media that are elsewhere already (`subject_set_imports`)."""

from __future__ import annotations

import csv
import io
import json
import mimetypes
from http.client import HTTPException
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, build_opener

from kso_utils.core.log import logger
from kso_utils.zooniverse.sandbox.messages import Refused, mapping, number
from kso_utils.zooniverse.sandbox.resources import Uploads, create_subject, link, need
from kso_utils.zooniverse.sandbox.state import timestamp

if TYPE_CHECKING:
    import sqlite3

    from kso_utils.zooniverse.sandbox.background import Background
    from kso_utils.zooniverse.sandbox.state import Resource, State

_log = logger(__name__)

MOST_ROWS = 10_000
_MOST_BYTES = 1 << 26
_TIMEOUT_S = 10.0
_BATCH = 100


class Importer:
    """Takes in manifests in the background.

    A row whose `external_id` is in the set already changes the metadata of that subject and makes no new one, so that
    a manifest may be sent again, and an import that was interrupted is begun anew by the next server.

    Parameters
    ----------
    state
        Where subjects are made.
    background
        Where the work is done.
    subject_limit
        How many subjects each user may upload.
    """

    def __init__(self, state: State, background: Background, subject_limit: int) -> None:
        self._state = state
        self._background = background
        self._limit = subject_limit

    def start(self, message: dict[str, Any], user_id: int) -> sqlite3.Row:
        """Begin an import and return its row.

        Raises
        ------
        Refused
            422 if the message is not complete, or the manifest cannot be read or is too long; 404 without its set.
        """
        given = mapping(message.get("subject_set_imports"), "subject_set_imports")
        if not isinstance(given.get("source_url"), str):
            raise Refused(422, "The body must be an object with source_url and links under 'subject_set_imports'")
        set_id = number(mapping(given.get("links"), "links").get("subject_set", ""))
        need(self._state, "subject_sets", set_id)
        rows = len(_manifest(given["source_url"]))
        if rows > MOST_ROWS:
            raise Refused(422, f"Manifest row count ({rows}) exceeds the limit ({MOST_ROWS}) and can not be imported")
        now = timestamp()
        new = self._state.insert(
            "INSERT INTO imports (set_id, user_id, source_url, state, manifest_count, created_at, updated_at) "
            "VALUES (?, ?, ?, 'running', ?, ?, ?)",
            (set_id, user_id, given["source_url"], rows, now, now),
        )
        row = self._row(new)
        self._background.begin(self._import, row)
        return row

    def resume(self) -> None:
        """Take in the manifests that a stopped server had begun."""
        for row in self._state.rows("SELECT * FROM imports WHERE state = 'running'"):
            self._background.begin(self._import, row)

    def _row(self, import_id: int) -> sqlite3.Row:
        return self._state.rows("SELECT * FROM imports WHERE id = ?", (import_id,))[0]

    def _import(self, row: sqlite3.Row) -> None:
        failed: list[str] = []
        done = 0
        uploads = Uploads(row["user_id"], self._limit, 0.0)
        try:
            manifest = _manifest(row["source_url"])
            for start in range(0, len(manifest), _BATCH):
                if self._background.stopped.is_set():
                    return
                with self._state.transaction():
                    subject_set = need(self._state, "subject_sets", row["set_id"])
                    lines = manifest[start : start + _BATCH]
                    failed += [_id_of(line) for line in lines if not _takes(self._state, subject_set, line, uploads)]
                    done += len(lines)
                    self._note(row["id"], "running", done, failed)
        except Refused as refusal:
            _log.warning("the import of %s ended early: %s", row["source_url"], refusal.message)
        self._note(row["id"], "done", done, failed)

    def _note(self, import_id: int, state: str, done: int, failed: list[str]) -> None:
        self._state.run(
            "UPDATE imports SET state = ?, imported_count = ?, failed_uuids = ?, updated_at = ? WHERE id = ?",
            (state, done, json.dumps(failed), timestamp(), import_id),
        )


def _id_of(line: dict[str, str]) -> str:
    return line.get("external_id", "")


def _takes(state: State, subject_set: Resource, line: dict[str, str], uploads: Uploads) -> bool:
    """Take in one line of a manifest; return whether it was accepted."""
    try:
        _take(state, subject_set, line, uploads)
    except Refused:
        return False
    return True


def _take(state: State, subject_set: Resource, line: dict[str, str], uploads: Uploads) -> None:
    """Make the subject of one line of a manifest, or change the metadata of the one that has its `external_id`."""
    external_id = _id_of(line)
    if not external_id:
        raise Refused(422, "Validation failed: External id can't be blank")
    metadata = {k.partition(":")[2]: v for k, v in line.items() if k.startswith("metadata:")}
    links = [v for k, v in line.items() if k.startswith("location:") and v]
    known = state.rows(
        "SELECT subject_id FROM external_ids WHERE set_id = ? AND external_id = ?", (subject_set.id, external_id)
    )
    if known:
        subject = need(state, "subjects", known[0][0])
        state.change(subject, {**subject.body, "metadata": metadata})
        return
    locations = [{mimetypes.guess_type(urlsplit(url).path)[0]: url} for url in links]
    body = {"external_id": external_id, "metadata": metadata, "locations": locations}
    new, _ = create_subject(state, body, subject_set.project_id or 0, uploads)
    link(state, subject_set, "subjects", [new.id])
    state.run("INSERT INTO external_ids VALUES (?, ?, ?)", (subject_set.id, external_id, new.id))


class _Stay(HTTPRedirectHandler):
    """Goes nowhere else than it was sent."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """Refuse to follow."""


def _manifest(url: str) -> list[dict[str, str]]:
    """Return the rows of a manifest, which must be on this computer: the sandbox asks nobody else."""
    if not _is_here(url):
        raise Refused(422, f"The sandbox reads manifests from this computer only (http://127.0.0.1…), not from {url}")
    try:
        with build_opener(ProxyHandler({}), _Stay).open(url, timeout=_TIMEOUT_S) as answer:
            data = answer.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise Refused(422, f"The manifest is larger than {_MOST_BYTES} bytes")
        rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    except (OSError, HTTPException, UnicodeDecodeError, csv.Error) as error:
        raise Refused(422, f"Failed to download manifest: {url} ({error})") from error
    return [{str(k): str(v or "") for k, v in row.items() if k is not None} for row in rows]


def _is_here(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        return parts.scheme == "http" and (host == "localhost" or ip_address(host).is_loopback)
    except ValueError:
        return False
