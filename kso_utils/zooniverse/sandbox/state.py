"""What the sandbox knows, in one SQLite file: accounts, projects, subjects, their media, classifications.

One request is one transaction, committed before its answer is sent, so a killed server has kept everything that
it confirmed.
"""

from __future__ import annotations

import json
import mimetypes
import secrets
import sqlite3
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Kind = Literal["projects", "workflows", "subject_sets", "subjects"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS users (id INTEGER PRIMARY KEY, login TEXT NOT NULL UNIQUE,
    uploaded INTEGER NOT NULL DEFAULT 0, subject_limit INTEGER, whitelisted INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS tokens (token TEXT PRIMARY KEY, purpose TEXT NOT NULL,
    user_id INTEGER NOT NULL, expires REAL NOT NULL);
CREATE TABLE IF NOT EXISTS resources (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, project_id INTEGER, owner_id INTEGER,
    name TEXT, slug TEXT, revision INTEGER NOT NULL DEFAULT 1, created_at TEXT NOT NULL, updated_at TEXT NOT NULL,
    body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS resources_kind ON resources (kind, project_id);
CREATE UNIQUE INDEX IF NOT EXISTS resources_slug ON resources (slug);
CREATE TABLE IF NOT EXISTS members (
    id INTEGER PRIMARY KEY AUTOINCREMENT, set_id INTEGER NOT NULL, subject_id INTEGER NOT NULL,
    UNIQUE (set_id, subject_id));
CREATE INDEX IF NOT EXISTS members_subject ON members (subject_id);
CREATE TABLE IF NOT EXISTS workflow_sets (
    workflow_id INTEGER NOT NULL, set_id INTEGER NOT NULL, PRIMARY KEY (workflow_id, set_id));
CREATE INDEX IF NOT EXISTS workflow_sets_set ON workflow_sets (set_id);
CREATE TABLE IF NOT EXISTS versions (
    workflow_id INTEGER NOT NULL, major INTEGER NOT NULL, minor INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (workflow_id, major, minor));
CREATE TABLE IF NOT EXISTS classifications (
    id INTEGER PRIMARY KEY AUTOINCREMENT, project_id INTEGER NOT NULL, workflow_id INTEGER NOT NULL,
    workflow_version TEXT NOT NULL, user_id INTEGER, subject_id INTEGER NOT NULL,
    created_at TEXT NOT NULL, metadata TEXT NOT NULL, annotations TEXT NOT NULL,
    subject_ids TEXT, gold_standard INTEGER, expert TEXT);
CREATE INDEX IF NOT EXISTS classifications_workflow ON classifications (workflow_id, subject_id);
CREATE TABLE IF NOT EXISTS statuses (
    id INTEGER PRIMARY KEY AUTOINCREMENT, workflow_id INTEGER NOT NULL, subject_id INTEGER NOT NULL,
    classifications_count INTEGER NOT NULL DEFAULT 0, created_at TEXT NOT NULL, updated_at TEXT NOT NULL,
    retired_at TEXT, retirement_reason TEXT, UNIQUE (workflow_id, subject_id));
CREATE TABLE IF NOT EXISTS blobs (
    key TEXT PRIMARY KEY, signature TEXT NOT NULL, mime TEXT NOT NULL, data BLOB, expires REAL);
CREATE TABLE IF NOT EXISTS exports (
    id INTEGER PRIMARY KEY AUTOINCREMENT, owner_kind TEXT NOT NULL, owner_id INTEGER NOT NULL, kind TEXT NOT NULL,
    state TEXT NOT NULL, blob TEXT NOT NULL, updated_at TEXT NOT NULL, accepted REAL, cancelled INTEGER,
    UNIQUE (owner_kind, owner_id, kind));
CREATE TABLE IF NOT EXISTS imports (
    id INTEGER PRIMARY KEY AUTOINCREMENT, set_id INTEGER NOT NULL, user_id INTEGER NOT NULL, source_url TEXT NOT NULL,
    state TEXT NOT NULL, manifest_count INTEGER NOT NULL, imported_count INTEGER NOT NULL DEFAULT 0,
    failed_uuids TEXT NOT NULL DEFAULT '[]', created_at TEXT NOT NULL, updated_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS external_ids (
    set_id INTEGER NOT NULL, external_id TEXT NOT NULL, subject_id INTEGER NOT NULL, PRIMARY KEY (set_id, external_id));
INSERT OR IGNORE INTO sqlite_sequence (name, seq) SELECT 'resources', 1000
    WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'resources');
"""

# Columns that files of earlier sandboxes lack.
_NEWER = {
    "users": ("subject_limit INTEGER", "whitelisted INTEGER NOT NULL DEFAULT 0"),
    "classifications": ("subject_ids TEXT", "gold_standard INTEGER", "expert TEXT"),
    "blobs": ("expires REAL",),
    "exports": ("accepted REAL", "cancelled INTEGER"),
}

_BY_SET = "SELECT subject_id FROM members WHERE set_id = ? ORDER BY subject_id"
_BY_WORKFLOW = (
    "SELECT DISTINCT m.subject_id FROM members m JOIN workflow_sets w ON w.set_id = m.set_id "
    "WHERE w.workflow_id = ? ORDER BY m.subject_id"
)
_BY_COLUMNS = (
    "SELECT id FROM resources WHERE kind = :kind AND (:project_id IS NULL OR project_id = :project_id) "
    "AND (:display_name IS NULL OR name = :display_name) AND (:slug IS NULL OR slug = :slug) ORDER BY id"
)


def _connect(path: str) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=30.0, isolation_level=None, check_same_thread=False)


def timestamp() -> str:
    """Return the time now as Panoptes writes it, `2026-11-21T09:30:00.000Z`."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Resource:
    """One project, workflow, subject set or subject.

    Attributes
    ----------
    body
        Its own attributes, without id, times and links.
    revision
        Grows with every change; the ETag comes from it.
    """

    id: int
    kind: str
    project_id: int | None
    owner_id: int | None
    slug: str | None
    revision: int
    created_at: str
    updated_at: str
    body: dict[str, Any]


class Reader:
    """What is known, to be read only.

    Parameters
    ----------
    db
        The open file.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._lock = threading.RLock()
        self._db = db
        self._db.row_factory = sqlite3.Row

    def close(self) -> None:
        """Close the file; what was committed stays."""
        with self._lock:
            self._db.close()

    def rows(self, sql: str, values: Iterable[Any] | Mapping[str, Any] = ()) -> list[sqlite3.Row]:
        """Return the rows of a query."""
        with self._lock:
            return self._db.execute(sql, values).fetchall()  # type: ignore[arg-type]

    def stream(self, sql: str, values: Iterable[Any] | Mapping[str, Any] = ()) -> Iterator[sqlite3.Row]:
        """Yield the rows of a query one by one, for those who have a snapshot of their own."""
        yield from self._db.execute(sql, values)  # type: ignore[arg-type]

    def get(self, kind: Kind, resource_id: int) -> Resource | None:
        """Return one resource, or None."""
        found = self.rows("SELECT * FROM resources WHERE id = ? AND kind = ?", (resource_id, kind))
        return resource_of(found[0]) if found else None


class State(Reader):
    """The sandbox's memory.

    Parameters
    ----------
    path
        A SQLite file, made when missing; None forgets everything when it is closed.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="sandbox-") if path is None else None
        self._path = str(path) if self._temporary is None else str(Path(self._temporary.name) / "sandbox.db")
        self._depth = 0
        super().__init__(_connect(self._path))
        # A process that is killed loses nothing of what WAL has committed; only a power cut could.
        self._db.execute(f"PRAGMA synchronous = {'NORMAL' if self._temporary is None else 'OFF'}")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
        for table, columns in _NEWER.items():
            known = {row["name"] for row in self._db.execute(f"PRAGMA table_info({table})")}
            for column in columns:
                if column.partition(" ")[0] not in known:
                    self._db.execute(f"ALTER TABLE {table} ADD COLUMN {column}")

    def close(self) -> None:
        """Close the file; what was committed stays."""
        super().close()
        if self._temporary is not None:
            self._temporary.cleanup()

    @contextmanager
    def snapshot(self) -> Iterator[Reader]:
        """Read the state as it is now for as long as the block takes, while others go on to change it."""
        reader = Reader(_connect(self._path))
        try:
            reader.rows("BEGIN")
            yield reader
        finally:
            reader.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold the state for one block: all of its changes are kept, or none when it raises."""
        with self._lock:
            if self._depth:
                yield
                return
            self._depth = 1
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield
                self._db.execute("COMMIT")
            except BaseException:
                # A full disk may have ended the transaction already.
                with suppress(sqlite3.OperationalError):
                    self._db.execute("ROLLBACK")
                raise
            finally:
                self._depth = 0

    def run(self, sql: str, values: Iterable[Any] = ()) -> int:
        """Run a statement; return the number of rows that it changed."""
        with self.transaction():
            return self._db.execute(sql, tuple(values)).rowcount

    def run_many(self, sql: str, values: Iterable[Iterable[Any]]) -> int:
        """Run a statement once for each tuple of values; return the number of rows changed."""
        with self.transaction():
            return self._db.executemany(sql, [tuple(v) for v in values]).rowcount

    def insert(self, sql: str, values: Iterable[Any]) -> int:
        """Run an INSERT; return the id of the new row."""
        with self.transaction():
            row = self._db.execute(sql, tuple(values)).lastrowid
            assert row is not None  # noqa: S101  (an INSERT has one)
            return row

    # Accounts

    def user_id(self, login: str) -> int:
        """Return the id of a user, who is added when new."""
        with self.transaction():
            self.run("INSERT INTO users (login) VALUES (?) ON CONFLICT DO NOTHING", (login,))
            return int(self.rows("SELECT id FROM users WHERE login = ?", (login,))[0]["id"])

    def set_quota(self, login: str, subject_limit: int | None = None, whitelisted: bool = False) -> None:
        """Give a user a limit of subjects of their own (None: the server's), or none at all (`whitelisted`)."""
        with self.transaction():
            user = self.user_id(login)
            self.run(
                "UPDATE users SET subject_limit = ?, whitelisted = ? WHERE id = ?", (subject_limit, whitelisted, user)
            )

    def issue_token(self, purpose: str, user_id: int, lifetime_s: float) -> str:
        """Return a new token for a user, valid for `lifetime_s` seconds."""
        token = secrets.token_hex(32)
        self.run("INSERT INTO tokens VALUES (?, ?, ?, ?)", (token, purpose, user_id, time.time() + lifetime_s))
        return token

    def token_user(self, purpose: str, token: str) -> int | None:
        """Return the user of a valid token, or None."""
        found = self.rows("SELECT user_id, expires FROM tokens WHERE token = ? AND purpose = ?", (token, purpose))
        return int(found[0]["user_id"]) if found and found[0]["expires"] > time.time() else None

    # Resources

    def add(
        self,
        kind: Kind,
        body: Mapping[str, Any],
        project_id: int | None = None,
        owner_id: int | None = None,
        slug: str | None = None,
    ) -> Resource:
        """Add a resource and return it."""
        now = timestamp()
        values = (kind, project_id, owner_id, body.get("display_name"), slug, now, now, json.dumps(body))
        new = self.insert(
            "INSERT INTO resources (kind, project_id, owner_id, name, slug, created_at, updated_at, body) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            values,
        )
        return Resource(new, kind, project_id, owner_id, slug, 1, now, now, dict(body))

    def change(self, resource: Resource, body: Mapping[str, Any]) -> None:
        """Replace the body of a resource; its revision grows."""
        self.run(
            "UPDATE resources SET body = ?, name = ?, updated_at = ?, revision = revision + 1 WHERE id = ?",
            (json.dumps(body), body.get("display_name"), timestamp(), resource.id),
        )

    def remove(self, resource: Resource) -> None:
        """Delete a resource and its links; what people said about it stays."""
        with self.transaction():
            self.run("DELETE FROM resources WHERE id = ?", (resource.id,))
            self.run("DELETE FROM members WHERE set_id = ? OR subject_id = ?", (resource.id, resource.id))
            self.run("DELETE FROM workflow_sets WHERE set_id = ? OR workflow_id = ?", (resource.id, resource.id))
            self.run("DELETE FROM external_ids WHERE set_id = ? OR subject_id = ?", (resource.id, resource.id))

    def find(self, kind: Kind, **filters: Any) -> list[int]:
        """Return the ids of one kind, oldest first.

        Parameters
        ----------
        kind
            The kind of resource.
        **filters
            `project_id`, `display_name`, `slug`; for subjects `subject_set_id` and `workflow_id` too.
        """
        if kind == "subjects" and filters.get("subject_set_id") is not None:
            return [r[0] for r in self.rows(_BY_SET, (filters["subject_set_id"],))]
        if kind == "subjects" and filters.get("workflow_id") is not None:
            return [r[0] for r in self.rows(_BY_WORKFLOW, (filters["workflow_id"],))]
        named = {name: filters.get(name) for name in ("project_id", "display_name", "slug")}
        return [r[0] for r in self.rows(_BY_COLUMNS, {"kind": kind, **named})]

    # Links

    def link_subjects(self, set_id: int, subject_ids: Iterable[int]) -> None:
        """Put subjects into a set; those that are in it already stay as they are."""
        now, linked = timestamp(), list(subject_ids)
        with self.transaction():
            self.run_many(
                "INSERT INTO members (set_id, subject_id) VALUES (?, ?) ON CONFLICT DO NOTHING",
                ((set_id, s) for s in linked),
            )
            self.run_many(
                "INSERT INTO statuses (workflow_id, subject_id, created_at, updated_at) VALUES (?, ?, ?, ?) "
                "ON CONFLICT DO NOTHING",
                ((w, s, now, now) for w in self.workflows_of(set_id) for s in linked),
            )

    def unlink_subjects(self, set_id: int, subject_ids: Iterable[int]) -> None:
        """Take subjects out of a set."""
        self.run_many("DELETE FROM members WHERE set_id = ? AND subject_id = ?", ((set_id, s) for s in subject_ids))

    def link_sets(self, workflow_id: int, set_ids: Iterable[int]) -> None:
        """Give sets to a workflow: their subjects await classification there."""
        now, linked = timestamp(), list(set_ids)
        with self.transaction():
            self.run_many(
                "INSERT INTO workflow_sets VALUES (?, ?) ON CONFLICT DO NOTHING", ((workflow_id, s) for s in linked)
            )
            self.run_many(
                "INSERT INTO statuses (workflow_id, subject_id, created_at, updated_at) "
                "SELECT ?, subject_id, ?, ? FROM members WHERE set_id = ? ON CONFLICT DO NOTHING",
                ((workflow_id, now, now, s) for s in linked),
            )

    def unlink_sets(self, workflow_id: int, set_ids: Iterable[int]) -> None:
        """Take sets from a workflow."""
        self.run_many(
            "DELETE FROM workflow_sets WHERE workflow_id = ? AND set_id = ?", ((workflow_id, s) for s in set_ids)
        )

    def sets_of(self, resource: Resource) -> list[int]:
        """Return the ids of the sets of a project, workflow or subject."""
        if resource.kind == "projects":
            return self.find("subject_sets", project_id=resource.id)
        if resource.kind == "workflows":
            found = self.rows("SELECT set_id FROM workflow_sets WHERE workflow_id = ? ORDER BY 1", (resource.id,))
        else:
            found = self.rows("SELECT set_id FROM members WHERE subject_id = ? ORDER BY 1", (resource.id,))
        return [r[0] for r in found]

    def subjects_of(self, set_id: int) -> list[int]:
        """Return the ids of the subjects of a set."""
        return self.find("subjects", subject_set_id=set_id)

    def workflows_of(self, set_id: int) -> list[int]:
        """Return the ids of the workflows that show a set."""
        return [r[0] for r in self.rows("SELECT workflow_id FROM workflow_sets WHERE set_id = ? ORDER BY 1", (set_id,))]

    def member_count(self, set_id: int) -> int:
        """Return the number of subjects in a set."""
        return int(self.rows("SELECT COUNT(*) FROM members WHERE set_id = ?", (set_id,))[0][0])

    # Workflows

    def keep_version(self, workflow_id: int, body: Mapping[str, Any]) -> None:
        """Remember a version of a workflow; a version that is known is replaced."""
        values = (workflow_id, body["major"], body["minor"], json.dumps(body))
        self.run("INSERT OR REPLACE INTO versions VALUES (?, ?, ?, ?)", values)

    def retire(self, workflow_id: int, subject_ids: Iterable[int], reason: str) -> None:
        """Show subjects no more in a workflow."""
        now = timestamp()
        self.run_many(
            "UPDATE statuses SET retired_at = ?, updated_at = ?, retirement_reason = ? "
            "WHERE workflow_id = ? AND subject_id = ? AND retired_at IS NULL",
            ((now, now, reason, workflow_id, s) for s in subject_ids),
        )

    def unretire(self, workflow_id: int, subject_ids: Iterable[int]) -> None:
        """Show subjects again in a workflow."""
        self.run_many(
            "UPDATE statuses SET retired_at = NULL, updated_at = ?, retirement_reason = NULL "
            "WHERE workflow_id = ? AND subject_id = ?",
            ((timestamp(), workflow_id, s) for s in subject_ids),
        )

    # Media

    def add_blob(self, mime: str, data: bytes | None = None, lifetime_s: float = 10_800.0) -> tuple[str, str]:
        """Make a place for a medium; return its key and the signature that allows to write it for `lifetime_s`."""
        key = secrets.token_hex(16) + (mimetypes.guess_extension(mime) or "")
        signature = secrets.token_hex(16)
        self.run("INSERT INTO blobs VALUES (?, ?, ?, ?, ?)", (key, signature, mime, data, time.time() + lifetime_s))
        return key, signature

    def blob(self, key: str) -> sqlite3.Row | None:
        """Return a medium (`signature, mime, data, expires`; data None until written), or None."""
        found = self.rows("SELECT * FROM blobs WHERE key = ?", (key,))
        return found[0] if found else None

    def write_blob(self, key: str, data: bytes) -> None:
        """Set the content of a medium."""
        self.run("UPDATE blobs SET data = ? WHERE key = ?", (data, key))


def resource_of(row: sqlite3.Row) -> Resource:
    """Return the resource of a row of `resources`."""
    return Resource(
        row["id"],
        row["kind"],
        row["project_id"],
        row["owner_id"],
        row["slug"],
        row["revision"],
        row["created_at"],
        row["updated_at"],
        json.loads(row["body"]),
    )
