"""Clips and frames to Zooniverse."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kso_utils.core.errors import ConfigError
from kso_utils.core.log import logger
from kso_utils.core.progress import bar
from kso_utils.core.retries import again
from kso_utils.zooniverse.media_checks import mime_of
from kso_utils.zooniverse.preflight import check_subjects, require_quota
from kso_utils.zooniverse.sending import Item, Sender
from kso_utils.zooniverse.subjects import KEY, ORIGIN_COLUMNS, key_of, plain

if TYPE_CHECKING:
    import pandas as pd

    from kso_utils.store.engine import Store
    from kso_utils.zooniverse.session import Session

_log = logger(__name__)

MAX_WORKERS = 16
_DONE = ("linked", "verified")


def upload(
    session: Session | None,
    store: Store,
    subjects: pd.DataFrame,
    subject_set: str,
    workers: int = 8,
    dry_run: bool = False,
    *,
    project_id: int | str,
    allow_large: bool = False,
    allow_expiring: bool = False,
) -> pd.DataFrame:
    """Upload subjects into a subject set, each exactly once, and remember how far it came.

    Interrupted in any way, it goes on where it stopped when it is called again with the same subjects. A subject is
    known by its content, metadata, set and project.

    Parameters
    ----------
    session
        The login; None is enough for a dry run.
    store
        Keeps the journal (`upload_journal`), and a row in `subjects` for everything that is in its set.
    subjects
        As `plan_subjects` gives them.
    subject_set
        The name of the set; it is made where the project has none of that name.
    workers
        How many upload at once, 1 to 16.
    dry_run
        Check everything that can be checked here and return the plan; nothing is sent or written.
    project_id
        The project on Zooniverse.
    allow_large
        Send clips above 8 MiB and frames above 1 MiB too.
    allow_expiring
        Send links that are signed for a time too.

    Returns
    -------
    DataFrame
        `key, state, subject_id, reason`, one row a row of `subjects`. `state` is `linked` or `failed` (`reason` says
        why); of a dry run, what the journal has, else `planned`.

    Raises
    ------
    MetadataError
        If a file is missing, too large (clips 8 MiB, frames 1 MiB), or not what its name says, or a row cannot be
        written to the store; nothing has been sent.
    QuotaExceeded
        If the account may not upload that many.
    ZooniverseError
        If the server fails for longer than a few attempts, or cannot be reached.
    """
    import pandas as pd

    if not 1 <= workers <= MAX_WORKERS:
        raise ConfigError(f"workers is {workers}. Give 1 to {MAX_WORKERS}.")
    project = str(project_id)
    report = check_subjects(
        subjects, store, subject_set, project, allow_large=allow_large, allow_expiring=allow_expiring
    )
    report.raise_if_errors()
    if len(report):
        _log.warning("%s", report.brief())
    keyed = _items(subjects, subject_set, project)
    items = list({item.key: item for item in keyed}.values())
    known_set = _recall(items, store)
    if not dry_run:
        if session is None:
            raise ConfigError("An upload needs a session. Make one with connect(), or ask for a dry run.")
        _send(session, store, items, subject_set, workers, project, known_set)
    done = {item.key: item for item in items}
    rows = [(i.key, done[i.key].state, done[i.key].subject_id, done[i.key].reason) for i in keyed]
    table = pd.DataFrame(rows, columns=["key", "state", "subject_id", "reason"])
    return table.astype({"subject_id": "Int64", "reason": "object"})


def _send(
    session: Session,
    store: Store,
    items: list[Item],
    subject_set: str,
    workers: int,
    project: str,
    known_set: dict[str, str],
) -> None:
    waiting = [item for item in items if item.state not in ("media_ok", *_DONE)]
    if waiting:
        require_quota(session, len(waiting))
    found = again(lambda: session.find_subject_set(project, subject_set))
    set_id = found if found is not None else session.create_subject_set(project, subject_set)
    for item in items:
        # A set that was deleted and made anew is empty: its subjects still exist and are linked again.
        if item.state in _DONE and known_set[item.key] != str(set_id):
            item.state = "media_ok"
    todo = [item for item in items if item.state not in _DONE]
    adopt = found is not None and store.read("upload_journal", ["key"], {"subject_set_id": str(found)}).empty
    with bar("Uploading subjects", len(todo)) as progress:
        Sender(session, store, project, set_id, todo, workers, progress).run(adopt)


def _items(subjects: pd.DataFrame, subject_set: str, project: str) -> list[Item]:
    items = []
    origin = [column for column in ORIGIN_COLUMNS if column in subjects.columns]
    for row in subjects.to_dict("records"):
        path = Path(row["path"])
        key = key_of(project, subject_set, row["sha256"], row["metadata"])
        mime = mime_of(path)
        metadata = {**row["metadata"], KEY: key}
        items.append(Item(key, path, mime, row["sha256"], metadata, {c: plain(row[c]) for c in origin}))
    return items


def _recall(items: list[Item], store: Store) -> dict[str, str]:
    """Set items to what the journal has of them; return the set that each was sent to, by key."""
    import pandas as pd

    journal = store.read("upload_journal", ["key", "subject_set_id", "state", "subject_id", "reason"])
    entries = {str(row["key"]): row for row in journal.to_dict("records")}
    known = {}
    for item in items:
        if entry := entries.get(item.key):
            item.state, item.reason = str(entry["state"]), entry["reason"]
            item.subject_id = None if pd.isna(entry["subject_id"]) else int(entry["subject_id"])
            known[item.key] = str(entry["subject_set_id"])
    return known
