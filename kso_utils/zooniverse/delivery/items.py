"""Subjects to upload, and the journal in which the store keeps how far each has come."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kso_utils.core.clock import utc_now

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from kso_utils.store.engine import Store

ARRIVED = ("linked", "verified")
"""The states of subjects that are in their set."""

MADE = ("created", "media_ok", *ARRIVED)
"""The states of which Zooniverse has a subject."""


@dataclass(slots=True)
class Item:
    """One subject to upload: what it is, and how far it has come.

    Attributes
    ----------
    key
        By which it is known again on Zooniverse.
    path
        The file that is sent; None for a medium that lies elsewhere.
    mime
        The type of the medium, `video/mp4`.
    sha256
        Of the file's content; empty where it is not known.
    metadata
        Plain JSON values, the key among them.
    origin
        Its columns in the store's `subjects`.
    url
        Where a medium that is not sent lies, for everybody to fetch.
    state
        `planned`, `sending` (there may be a subject), `created`, `media_ok`, `linked`, `verified`, `failed`.
    subject_id
        Zooniverse's own, once there is one.
    reason
        Why it failed.
    location
        Where Zooniverse keeps its medium, without a signature.
    begun_at
        No subject of this key is older (ISO 8601, the server's clock); None where that is not known.
    tries
        How often it went wrong in this run.
    """

    key: str
    path: Path | None
    mime: str
    sha256: str
    metadata: dict[str, Any]
    origin: dict[str, Any] = field(default_factory=dict)
    url: str | None = None
    state: str = "planned"
    subject_id: int | None = None
    reason: str | None = None
    location: str | None = None
    begun_at: str | None = None
    tries: int = 0

    @property
    def place(self) -> str:
        """Where its medium comes from, for people."""
        return str(self.url or self.path)

    @property
    def is_new(self) -> bool:
        """Whether there is surely no subject of it yet."""
        return self.subject_id is None and self.state in ("planned", "failed")

    def restart(self) -> None:
        """Plan it anew: there is no subject of it."""
        self.state, self.subject_id, self.location, self.reason = "planned", None, None, None


def name_upload(project_id: str, subject_set: str) -> str:
    """Return what one process at a time may do with a subject set, for `Store.exclusively`."""
    return f"the upload to the subject set {subject_set!r} of project {project_id}"


def recall_items(items: list[Item], store: Store, project_id: str) -> dict[str, str]:
    """Set items to what the journal has of them; return the set that each was sent to, by key."""
    import pandas as pd

    columns = ["key", "subject_set_id", "state", "subject_id", "reason", "location", "begun_at"]
    journal = store.read("upload_journal", columns, {"project_id": project_id})
    entries = {str(row["key"]): row for row in journal.to_dict("records")}
    known = {}
    for item in items:
        if entry := entries.get(item.key):
            item.state = str(entry["state"])
            item.reason, item.location, item.begun_at = (
                None if pd.isna(entry[name]) else str(entry[name]) for name in ("reason", "location", "begun_at")
            )
            item.subject_id = None if pd.isna(entry["subject_id"]) else int(entry["subject_id"])
            known[item.key] = str(entry["subject_set_id"])
    return known


class UploadJournal:
    """The store's `upload_journal` for one subject set, and the rows in `subjects` of what it has shown."""

    def __init__(self, store: Store, project_id: str, set_id: int) -> None:
        self._store, self._project_id, self._set_id = store, project_id, str(set_id)

    def write(self, items: Iterable[Item]) -> None:
        """Write the state of items, in one transaction."""
        import pandas as pd

        now = utc_now()
        rows = [
            {
                "key": item.key,
                "project_id": self._project_id,
                "subject_set_id": self._set_id,
                "path": item.place,
                "sha256": item.sha256,
                "metadata": item.metadata,
                "state": item.state,
                "subject_id": item.subject_id,
                "reason": item.reason,
                "updated_at": now,
                "begun_at": item.begun_at,
                "location": item.location,
            }
            for item in items
        ]
        if rows:
            self._store.upsert("upload_journal", pd.DataFrame(rows, dtype=object), "key")

    def write_verified(self, items: list[Item]) -> None:
        """Write the state of items that their set has shown, together with their rows in `subjects`."""
        import pandas as pd

        rows = [
            {
                "id": item.subject_id,
                "subject_set_id": self._set_id,
                **item.origin,
                "metadata": item.metadata,
                "sha256": item.sha256 or None,
                "upload_state": item.state,
            }
            for item in items
        ]
        if rows:
            with self._store.atomic():
                self.write(items)
                self._store.upsert("subjects", pd.DataFrame(rows, dtype=object), "id")
