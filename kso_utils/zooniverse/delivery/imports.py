"""Many subjects at once whose media lie elsewhere: Zooniverse fetches their manifest and makes them itself."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kso_utils.core.errors import ConfigError, MetadataError, ZooniverseError
from kso_utils.core.log import logger
from kso_utils.core.progress import bar
from kso_utils.core.retries import again
from kso_utils.zooniverse.delivery.items import name_upload
from kso_utils.zooniverse.delivery.manifests import MOST_ROWS, read_places
from kso_utils.zooniverse.delivery.preflight import check_subjects, require_quota
from kso_utils.zooniverse.listings import list_newest
from kso_utils.zooniverse.subjects import KEY, key_subject, plain
from kso_utils.zooniverse.uploads import find_or_make_set, upload

if TYPE_CHECKING:
    import pandas as pd

    from kso_utils.store.engine import Store
    from kso_utils.zooniverse.session import Session

_log = logger(__name__)


def import_subjects(
    session: Session,
    store: Store,
    subjects: pd.DataFrame,
    subject_set: str,
    manifest_url: str,
    *,
    project_id: int | str,
    timeout_s: float = 6 * 3600.0,
    poll_s: float = 5.0,
) -> pd.DataFrame:
    """Let Zooniverse make subjects from their manifest, and see that each is in its set.

    The way: `write_manifest`, put the file where everybody can fetch it, and give its address here with the same
    subjects. Zooniverse is asked once: where the set holds some of them already, or an import that was begun before has
    ended, what is missing is made one by one, as `upload` does, which also keeps the journal. In an import all metadata
    become text.

    Parameters
    ----------
    session, store, project_id
        As `upload`.
    subjects
        As `plan_subjects` gives them, each with its `url`; 10,000 at most.
    subject_set
        The name of the set; it is made where the project has none of that name.
    manifest_url
        Where the manifest lies.
    timeout_s, poll_s
        How long to wait for the import, and how often to look.

    Returns
    -------
    DataFrame
        As `upload`.

    Raises
    ------
    MetadataError
        If a subject has no address, or something else is wrong with it; nothing has been asked for.
    ConfigError
        If there are too many, or the manifest is not that of these subjects.
    QuotaExceeded
        If the account may not upload that many.
    StoreBusy
        If another process uploads to the same set, or imports into it.
    ZooniverseError
        If Zooniverse cannot be reached, refuses, or is not ready in time.
    """
    project = str(project_id)
    places = _places(subjects, subject_set, project)
    check_subjects(subjects, store, subject_set, project).raise_if_errors()
    _require_manifest(session, manifest_url, places)
    with store.exclusively(name_upload(project, subject_set)):
        set_id = find_or_make_set(session, project, subject_set)
        begun = [one for one in again(lambda: session.list_imports(set_id)) if one["source_url"] == manifest_url]
        if begun:
            _await(session, int(begun[-1]["id"]), timeout_s, poll_s)
        elif places and not _holds_any(session, set_id, set(places)):
            require_quota(session, len(places))
            # Tried once: a server that lost its answer may have begun, and is found to have by the next call.
            _await(session, session.request_import(set_id, manifest_url), timeout_s, poll_s)
    return upload(session, store, subjects, subject_set, project_id=project)


def _places(subjects: pd.DataFrame, subject_set: str, project: str) -> dict[str, str]:
    """Return where each subject lies, by its key."""
    places = {}
    for line, row in enumerate(subjects.to_dict("records"), 2):
        url = plain(row.get("url"))
        if url is None:
            raise MetadataError(f"The subject in line {line} has no url. Upload it with upload, or say where it lies.")
        places[key_subject(row, subject_set, project)] = str(url)
    if len(places) > MOST_ROWS:
        raise ConfigError(
            f"{len(places):,} subjects are more than Zooniverse takes from one manifest ({MOST_ROWS:,}). Divide them."
        )
    return places


def _require_manifest(session: Session, url: str, places: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "manifest.csv"
        again(lambda: session.download(url, copy))
        there = read_places(copy)
    if there != places:
        lacking, other = len(places.keys() - there.keys()), len(there.keys() - places.keys())
        raise ConfigError(
            f"The manifest at {url.partition('?')[0]} is not that of these subjects: it lacks {lacking} of them and "
            f"has {other} others, or they lie elsewhere. Write it with write_manifest and put it there again."
        )


def _holds_any(session: Session, set_id: int, keys: set[str]) -> bool:
    return any(subject["metadata"].get(KEY) in keys for subject in list_newest(session, subject_set_id=set_id))


def _await(session: Session, import_id: int, timeout_s: float, poll_s: float) -> None:
    """Wait until an import has gone through its manifest."""
    deadline = time.monotonic() + timeout_s
    told: dict[str, Any] = again(lambda: session.describe_import(import_id))
    with bar("Zooniverse imports subjects", int(told["manifest_count"])) as progress:
        while True:
            progress.advance(int(told["imported_count"]) - progress.done)
            if int(told["imported_count"]) >= int(told["manifest_count"]):
                break
            if time.monotonic() >= deadline:
                raise ZooniverseError(
                    f"Import {import_id} has gone through {told['imported_count']} of {told['manifest_count']} "
                    f"subjects after {timeout_s:g} s and goes on at Zooniverse. Call this again later."
                )
            time.sleep(poll_s)
            told = again(lambda: session.describe_import(import_id))
    if told["failed_count"]:
        _log.warning("the import refused %s subjects; they are made one by one", told["failed_count"])
