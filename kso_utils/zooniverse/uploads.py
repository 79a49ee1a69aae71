"""Clips and frames to Zooniverse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kso_utils.core.errors import ConfigError, QuotaExceeded
from kso_utils.core.progress import bar
from kso_utils.core.report import Finding, Report
from kso_utils.core.retries import again
from kso_utils.zooniverse.sending import Item, Sender
from kso_utils.zooniverse.subjects import KEY, ORIGIN_COLUMNS, key_of, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from kso_utils.store.engine import Store
    from kso_utils.zooniverse.session import Session

MAX_WORKERS = 16
CLIP_BYTES = 8 * 1024 * 1024
FRAME_BYTES = 1024 * 1024

_DONE = ("linked", "verified")
_MEDIA = {
    ".mp4": ("video/mp4", 4, b"ftyp", CLIP_BYTES),
    ".jpg": ("image/jpeg", 0, b"\xff\xd8\xff", FRAME_BYTES),
    ".jpeg": ("image/jpeg", 0, b"\xff\xd8\xff", FRAME_BYTES),
    ".png": ("image/png", 0, b"\x89PNG\r\n\x1a\n", FRAME_BYTES),
}


def upload(
    session: Session | None,
    store: Store,
    subjects: pd.DataFrame,
    subject_set: str,
    workers: int = 8,
    dry_run: bool = False,
    *,
    project_id: int | str,
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
    _check(subjects, store).raise_if_errors()
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
        _check_quota(session, len(waiting))
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
        mime = _MEDIA[path.suffix.lower()][0]
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


def _check_quota(session: Session, wanted: int) -> None:
    account = again(session.me)
    limit, used = account.get("subject_limit"), account.get("uploaded_subjects_count") or 0
    if limit is None or account.get("upload_whitelist") or used + wanted <= limit:
        return
    raise QuotaExceeded(
        f"{wanted} subjects are to be uploaded, but the account {session.user} has uploaded {used} of {limit} that it "
        "may. Nothing was sent. Upload fewer, or ask Zooniverse to raise the limit."
    )


def _check(subjects: pd.DataFrame, store: Store) -> Report:
    """Report what would go wrong with subjects, before anything is sent."""
    report = Report("Subjects to upload")
    for column in ("path", "sha256", "metadata", "subject_type"):
        if column not in subjects.columns:
            raise ConfigError(f"The subjects have no column {column}. Plan them with plan_subjects.")
    known = {c: set(store.read(t, ["id"])["id"]) for c, t in (("movie_id", "movies"), ("frame_exp_sp_id", "species"))}
    for number, row in enumerate(subjects.to_dict("records"), 2):
        for column, code, value, message, fix in (*_file_faults(Path(row["path"])), *_row_faults(row, known)):
            report.add(Finding("subjects", number, column, code, "error", value, message, fix))
    return report


_Fault = tuple[str, str, str, str, str]


def _file_faults(path: Path) -> list[_Fault]:
    def fault(code: str, message: str, fix: str) -> list[_Fault]:
        return [("path", code, str(path), f"{path} {message}", fix)]

    if path.suffix.lower() not in _MEDIA:
        return fault("UNKNOWN_MEDIA_TYPE", "is none of .mp4, .jpg, .png.", "Convert it.")
    mime, offset, mark, limit = _MEDIA[path.suffix.lower()]
    try:
        size = path.stat().st_size
        with path.open("rb") as handle:
            start = handle.read(16)
    except OSError as error:
        return fault("FILE_MISSING", f"cannot be read: {error.strerror}.", "Make the file again.")
    if start[offset : offset + len(mark)] != mark:
        return fault("NOT_WHAT_IT_SAYS", f"is not {mime}, whatever its name says.", "Make the file again.")
    if size > limit:
        return fault(
            "FILE_TOO_LARGE", f"has {size:,} bytes; {limit:,} are the most that load well.", "Shorten or compress it."
        )
    return []


def _row_faults(row: Mapping[Any, Any], known: dict[str, set[int]]) -> list[_Fault]:
    faults = []
    for column, ids in known.items():
        value = plain(row.get(column))
        if value is not None and value not in ids:
            message = f"The store has no row with this {column}."
            faults.append((column, "UNKNOWN_REFERENCE", str(value), message, "Fill the store first."))
    start, end, frame = (plain(row.get(column)) for column in ("clip_start_time", "clip_end_time", "frame_number"))
    if start is not None and end is not None and not 0 <= start < end:
        message = f"The clip goes from {start} s to {end} s."
        faults.append(("clip_start_time", "BAD_CLIP", str(start), message, "Plan the clips again."))
    if frame is not None and frame < 0:
        message = "The number of a frame cannot be negative."
        faults.append(("frame_number", "BAD_FRAME", str(frame), message, "Plan the frames again."))
    try:
        json.dumps(row["metadata"], allow_nan=False)
    except (TypeError, ValueError) as error:
        message = f"The metadata are not plain JSON: {error}."
        faults.append(("metadata", "NOT_JSON", "", message, "Plan the subjects with plan_subjects."))
    return faults
