"""Clips and frames to Zooniverse."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kso_utils.core.errors import ConfigError
from kso_utils.core.log import logger
from kso_utils.core.progress import bar
from kso_utils.core.retries import again
from kso_utils.zooniverse.delivery.items import ARRIVED, Item, name_upload, recall_items
from kso_utils.zooniverse.delivery.media_checks import mime_of
from kso_utils.zooniverse.delivery.preflight import check_subjects, require_quota
from kso_utils.zooniverse.delivery.sending import Sender
from kso_utils.zooniverse.delivery.settling import Target
from kso_utils.zooniverse.subjects import KEY, ORIGIN_COLUMNS, key_of, plain

if TYPE_CHECKING:
    import pandas as pd

    from kso_utils.store.engine import Store
    from kso_utils.zooniverse.session import Session

_log = logger(__name__)

MAX_WORKERS = 16


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
    known by its content, metadata, set and project. A server that fails for a while is waited for.

    Parameters
    ----------
    session
        The login; None is enough for a dry run.
    store
        Keeps the journal (`upload_journal`), and a row in `subjects` for everything that its set has shown.
    subjects
        As `plan_subjects` gives them. Where `url` is filled, the medium lies there for everybody to fetch and is not
        sent; its `sha256` may be missing.
    subject_set
        The name of the set; it is made where the project has none of that name.
    workers
        How many upload at once, 1 to 16; fewer for as long as the server complains.
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
        `key, state, subject_id, reason`, one row a row of `subjects`. `state` is `verified` (the set shows the subject
        with its medium) or `failed` (`reason` says why); of a dry run, what the journal has, else `planned`.

    Raises
    ------
    MetadataError
        If a file is missing, too large (clips 8 MiB, frames 1 MiB), or not what its name says, or a row cannot be
        written to the store; nothing has been sent.
    QuotaExceeded
        If the account may not upload that many.
    StoreBusy
        If another process uploads to the same set.
    ZooniverseError
        If the server cannot be reached at the start, or nothing goes on for an hour on the way.
    """
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
    if dry_run:
        recall_items(items, store, project)
    elif session is None:
        raise ConfigError("An upload needs a session. Make one with connect(), or ask for a dry run.")
    else:
        with store.exclusively(name_upload(project, subject_set)):
            known_set = recall_items(items, store, project)
            _send(session, store, items, subject_set, workers, project, known_set)
    return _tell_states(keyed, items)


def _tell_states(keyed: list[Item], items: list[Item]) -> pd.DataFrame:
    """Return how far each row has come; equal rows share an item."""
    import pandas as pd

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
    waiting = [item for item in items if item.state not in ("media_ok", *ARRIVED)]
    found = again(lambda: session.find_subject_set(project, subject_set))
    look_first = bool(waiting) and found is not None
    if waiting and not look_first:
        require_quota(session, sum(item.is_new for item in waiting))
    set_id = found if found is not None else find_or_make_set(session, project, subject_set)
    for item in items:
        # A set that was deleted and made anew is empty: its subjects still exist and are linked again.
        if item.state in ARRIVED and known_set[item.key] != str(set_id):
            item.state = "media_ok"
    todo = [item for item in items if item.state != "verified"]
    if not todo:
        return
    with bar("Uploading subjects", len(todo)) as progress:
        Sender(Target(session, project, set_id), store, todo, workers, progress).run(look_first)


def find_or_make_set(session: Session, project_id: str, name: str) -> int:
    """Return the id of a subject set; it is made where the project has none of that name."""

    def find_or_make() -> int:
        found = session.find_subject_set(project_id, name)
        if found is None:
            made = session.create_subject_set(project_id, name)
            # One that a killed upload asked for may have come into being meanwhile: all take the oldest.
            found = session.find_subject_set(project_id, name) or made
        return found

    # Where the answer about a new one is lost, the next attempt finds it.
    return again(find_or_make)


def _items(subjects: pd.DataFrame, subject_set: str, project: str) -> list[Item]:
    items = []
    origin = [column for column in ORIGIN_COLUMNS if column in subjects.columns]
    for row in subjects.to_dict("records"):
        url, sha256 = plain(row.get("url")), plain(row.get("sha256")) or ""
        path = None if url else Path(row["path"])
        # The content of a medium that lies elsewhere may not be known: its address stands for it.
        key = key_of(project, subject_set, sha256 or url, row["metadata"])
        metadata = {**row["metadata"], KEY: key}
        columns = {c: plain(row[c]) for c in origin}
        items.append(Item(key, path, mime_of(path or Path(urlsplit(url).path)), sha256, metadata, columns, url))
    return items
