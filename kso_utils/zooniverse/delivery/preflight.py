"""What would go wrong with subjects on their way to Zooniverse, told before anything is sent."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kso_utils.core.errors import ConfigError, QuotaExceeded
from kso_utils.core.progress import bar
from kso_utils.core.report import Finding, Report
from kso_utils.core.retries import again
from kso_utils.zooniverse.delivery.items import ARRIVED, MADE
from kso_utils.zooniverse.delivery.media_checks import Fault, find_faults
from kso_utils.zooniverse.matching.places import find_place_faults, read_references
from kso_utils.zooniverse.subjects import KEY, ORIGIN_COLUMNS, bare_name, key_subject, plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd

    from kso_utils.store.engine import Store
    from kso_utils.zooniverse.session import Session

LONGEST_NAME = 255
_PLACES = {"clip": ("movie_id", "clip_start_time", "clip_end_time"), "frame": ("movie_id", "frame_number")}
_MOST_THREADS = 8
_FIXES = {
    "UNKNOWN_REFERENCE": "Fill the store first.",
    "BAD_CLIP": "Plan the clips again.",
    "BAD_FRAME": "Plan the frames again.",
}
_SAID_ONCE = "Nothing, if that is meant; else leave the row out."


@dataclass(frozen=True, slots=True)
class Quota:
    """How many subjects an account has uploaded, and may; `limit` is None where there is none."""

    used: int
    limit: int | None

    @property
    def left(self) -> int | None:
        """How many more it may; None where there is no limit."""
        return None if self.limit is None else max(0, self.limit - self.used)


def check_subjects(
    subjects: pd.DataFrame,
    store: Store,
    subject_set: str,
    project_id: int | str,
    *,
    allow_large: bool = False,
    allow_expiring: bool = False,
) -> Report:
    """Report what would go wrong with subjects, before anything is sent.

    Files are looked at, and decoded, several at a time; those of subjects that are in their set already are not.

    Parameters
    ----------
    subjects
        As `plan_subjects` gives them. Row 2 of the report is the first, as in the manifest.
    store
        What was uploaded before, and the movies and species that rows may name.
    subject_set, project_id
        Where they are to go.
    allow_large
        Accept clips above 8 MiB and frames above 1 MiB.
    allow_expiring
        Accept links that are signed for a time.

    Raises
    ------
    ConfigError
        If a column is missing.
    MissingExtra
        If what decodes media is not installed.
    """
    report = Report("Subjects to upload")
    for column in ("metadata", "subject_type", "url" if "url" in subjects.columns else "path"):
        if column not in subjects.columns:
            raise ConfigError(f"The subjects have no column {column}. Plan them with plan_subjects.")
    rows: list[dict[Any, Any]] = subjects.to_dict("records")
    known = read_references(store)
    journal = store.read("upload_journal", ["key", "sha256", "subject_set_id", "state", "subject_id"])
    done = set(journal.loc[journal["state"].isin(ARRIVED), "key"])
    keys = [_key(row, subject_set, str(project_id)) for row in rows]
    with bar("Checking subjects", len(rows)) as progress, ThreadPoolExecutor(_threads()) as pool:

        def look(row: dict[Any, Any], key: str | None) -> list[Fault]:
            faults = _row_faults(row, known)
            if key not in done:
                path, url, sha256 = (plain(row.get(c)) for c in ("path", "url", "sha256"))
                faults = [*find_faults(path, url, sha256, allow_large, allow_expiring), *faults]
            progress.advance()
            return faults

        found = list(pool.map(look, rows, keys))
    places = sorted({column for place in _PLACES.values() for column in place})
    there = store.read("subjects", ["id", "subject_set_id", "subject_type", *places])
    repeats = _find_repeats(rows, keys, journal, there)
    for number, (faults, repeated) in enumerate(zip(found, repeats, strict=True), 2):
        for column, code, value, message, fix, severity in (*faults, *repeated):
            report.add(Finding("subjects", number, column, code, severity, value, message, fix))
    return report


def _threads() -> int:
    return min(_MOST_THREADS, 2 * (os.cpu_count() or 1))


def _key(row: Mapping[Any, Any], subject_set: str, project: str) -> str | None:
    """Return what identifies a subject, None where its metadata are no JSON."""
    try:
        return key_subject(row, subject_set, project)
    except (TypeError, ValueError):
        return None


def _row_faults(row: Mapping[Any, Any], known: dict[str, set[int]]) -> list[Fault]:
    place = {column: plain(row.get(column)) for column in ORIGIN_COLUMNS}
    faults = [
        Fault(column, code, value, message, _FIXES[code])
        for column, code, value, message, *_ in find_place_faults(place, known)
    ]
    return [*faults, *_metadata_faults(row["metadata"])]


def _metadata_faults(metadata: Any) -> Iterator[Fault]:
    try:
        json.dumps(metadata, allow_nan=False)
    except (TypeError, ValueError) as error:
        message = f"The metadata are not plain JSON: {error}."
        yield Fault("metadata", "NOT_JSON", "", message, "Plan the subjects with plan_subjects.")
        return
    for name in metadata:
        if not isinstance(name, str) or not bare_name(name.strip()).strip():
            message = f"The metadata have the name {name!r}; a name is text with more than a mark."
            yield Fault("metadata", "BAD_NAME", str(name), message, "Correct the template in project.toml.")
        elif len(name) > LONGEST_NAME:
            message = f"A name in the metadata has {len(name)} letters; {LONGEST_NAME} are the most."
            yield Fault("metadata", "BAD_NAME", name[:40], message, "Give it a shorter name in project.toml.")
        elif name == KEY:
            message = f"The metadata hold {KEY}, by which subjects are known again."
            yield Fault("metadata", "BAD_NAME", name, message, "Leave it out of the template in project.toml.")


def _find_repeats(
    rows: list[dict[Any, Any]], keys: list[str | None], journal: pd.DataFrame, there: pd.DataFrame
) -> Iterator[list[Fault]]:
    """Yield, for each row, what says that it was, or will be, uploaded otherwise too."""
    sent: dict[str, list[dict[Any, Any]]] = {}
    for entry in journal[journal["state"].isin(MADE)].to_dict("records"):
        sent.setdefault(entry["sha256"], []).append(entry)
    own = dict(zip(journal["key"], journal["subject_id"], strict=True))
    placed: dict[tuple[Any, ...], list[dict[Any, Any]]] = {}
    for subject in there.to_dict("records"):
        placed.setdefault(_place_of(subject), []).append(subject)
    first_key: dict[str, int] = {}
    first_content: dict[str, int] = {}
    for line, (row, key) in enumerate(zip(rows, keys, strict=True), 2):
        faults: list[Fault] = []
        sha256 = str(plain(row.get("sha256")) or "")
        if key is not None and first_key.setdefault(key, line) != line:
            faults.append(_repeat("DUPLICATE_IN_PLAN", f"It is the same as line {first_key[key]} and sent once."))
        elif sha256 and first_content.setdefault(sha256, line) != line:
            faults.append(_repeat("SAME_CONTENT", f"Its content is the same as that of line {first_content[sha256]}."))
        others = {e["subject_id"]: e["subject_set_id"] for e in sent.get(sha256, []) if sha256 and e["key"] != key}
        for subject, subject_set in others.items():
            told = f"Its content was uploaded already, as subject {subject} in the subject set {subject_set}."
            faults.append(_repeat("UPLOADED_BEFORE", told))
        for subject in placed.get(_place_of(row), []):
            if subject["id"] not in others and subject["id"] != plain(own.get(key)):
                told = f"Subject {subject['id']} in the subject set {subject['subject_set_id']} shows the same place."
                faults.append(_repeat("SHOWN_BEFORE", told))
        yield faults


def _repeat(code: str, message: str) -> Fault:
    return Fault("sha256", code, "", message, _SAID_ONCE, "warning")


def _place_of(row: Mapping[Any, Any]) -> tuple[Any, ...]:
    """Return which part of which movie a subject shows; something of its own where that is not known."""
    kind = plain(row.get("subject_type"))
    place = tuple(plain(row.get(column)) for column in _PLACES.get(str(kind), ()))
    return (object(),) if not place or None in place else (kind, *place)


def read_quota(session: Session) -> Quota:
    """Ask how many subjects the account may upload."""
    account = again(session.me)
    limit = None if account.get("upload_whitelist") else account.get("subject_limit")
    return Quota(int(account.get("uploaded_subjects_count") or 0), None if limit is None else int(limit))


def require_quota(session: Session, wanted: int) -> None:
    """Refuse what the account may not upload.

    Raises
    ------
    QuotaExceeded
        If fewer than `wanted` subjects are left of its quota.
    """
    quota = read_quota(session)
    if quota.left is None or wanted <= quota.left:
        return
    raise QuotaExceeded(
        f"{wanted} subjects are to be uploaded, but the account {session.user} has uploaded {quota.used} of "
        f"{quota.limit} that it may. None of them was sent. Upload fewer, or ask Zooniverse to raise the limit."
    )
