"""What would go wrong with subjects on their way to Zooniverse, told before anything is sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kso_utils.core.errors import ConfigError, QuotaExceeded
from kso_utils.core.report import Finding, Report
from kso_utils.core.retries import again
from kso_utils.zooniverse.places import find_place_faults, read_references
from kso_utils.zooniverse.subjects import ORIGIN_COLUMNS, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from kso_utils.store.engine import Store
    from kso_utils.zooniverse.session import Session

CLIP_BYTES = 8 * 1024 * 1024
FRAME_BYTES = 1024 * 1024

_MEDIA = {
    ".mp4": ("video/mp4", 4, b"ftyp", CLIP_BYTES),
    ".jpg": ("image/jpeg", 0, b"\xff\xd8\xff", FRAME_BYTES),
    ".jpeg": ("image/jpeg", 0, b"\xff\xd8\xff", FRAME_BYTES),
    ".png": ("image/png", 0, b"\x89PNG\r\n\x1a\n", FRAME_BYTES),
}


def mime_of(path: Path) -> str:
    """Return the type of a medium by the ending of its name; `check_subjects` refuses others."""
    return _MEDIA[path.suffix.lower()][0]


def check_subjects(subjects: pd.DataFrame, store: Store) -> Report:
    """Report what would go wrong with subjects, before anything is sent."""
    report = Report("Subjects to upload")
    for column in ("path", "sha256", "metadata", "subject_type"):
        if column not in subjects.columns:
            raise ConfigError(f"The subjects have no column {column}. Plan them with plan_subjects.")
    known = read_references(store)
    for number, row in enumerate(subjects.to_dict("records"), 2):
        for column, code, value, message, fix in (*_file_faults(Path(row["path"])), *_row_faults(row, known)):
            report.add(Finding("subjects", number, column, code, "error", value, message, fix))
    return report


_Fault = tuple[str, str, str, str, str]
_FIXES = {
    "UNKNOWN_REFERENCE": "Fill the store first.",
    "BAD_CLIP": "Plan the clips again.",
    "BAD_FRAME": "Plan the frames again.",
}


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
    place = {column: plain(row.get(column)) for column in ORIGIN_COLUMNS}
    faults = [
        (column, code, value, message, _FIXES[code])
        for column, code, value, message, *_ in find_place_faults(place, known)
    ]
    try:
        json.dumps(row["metadata"], allow_nan=False)
    except (TypeError, ValueError) as error:
        message = f"The metadata are not plain JSON: {error}."
        faults.append(("metadata", "NOT_JSON", "", message, "Plan the subjects with plan_subjects."))
    return faults


def require_quota(session: Session, wanted: int) -> None:
    """Refuse what the account may not upload.

    Raises
    ------
    QuotaExceeded
        If fewer than `wanted` subjects are left of its quota.
    """
    account = again(session.me)
    limit, used = account.get("subject_limit"), account.get("uploaded_subjects_count") or 0
    if limit is None or account.get("upload_whitelist") or used + wanted <= limit:
        return
    raise QuotaExceeded(
        f"{wanted} subjects are to be uploaded, but the account {session.user} has uploaded {used} of {limit} that it "
        "may. Nothing was sent. Upload fewer, or ask Zooniverse to raise the limit."
    )
