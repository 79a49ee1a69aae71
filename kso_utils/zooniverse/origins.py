"""Subjects of exports and of the store, joined with the movies that they come from."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kso_utils.core.errors import MetadataError
from kso_utils.core.progress import track
from kso_utils.core.report import Finding, Report
from kso_utils.zooniverse.matching.movie_names import plain_name, read_movie_names
from kso_utils.zooniverse.matching.origin import Known, Likeness, find_origin
from kso_utils.zooniverse.matching.places import read_references
from kso_utils.zooniverse.subjects import ORIGIN_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

    from kso_utils.store.engine import Store
    from kso_utils.store.rows import Counts
    from kso_utils.zooniverse.matching.eras import Era

_SUBJECT_COLUMNS = (
    *("id", "subject_set_id", *ORIGIN_COLUMNS, "metadata", "https_location"),
    *("created_at", "retired_at", "retirement_reason", "classifications_count"),
)
_MOST = 2**53
_FIXES = {
    "NO_MOVIE": "Say in its metadata on Zooniverse which movie_id or filename it comes from.",
    "UNKNOWN_MOVIE": "Fill the store with its movie, or give its old and new name in the list of renames.",
    "SEVERAL_MOVIES": "Say in its metadata on Zooniverse which movie_id it comes from.",
    "CHAPTER_TIMES": "Say in its metadata on Zooniverse where it lies in the joined movie.",
}
_FIX = "Fill the store with its movie, or correct its metadata on Zooniverse."


@dataclass(frozen=True, slots=True)
class OriginRules:
    """What a project knows of the names in its subjects.

    Attributes
    ----------
    eras
        Times in which clips were named after movie and place.
    renames
        Old name of a movie -> its new name.
    """

    eras: tuple[Era, ...] = ()
    renames: Mapping[str, str] = field(default_factory=dict)


def read_known(store: Store, rules: OriginRules | None = None) -> Known:
    """Return what a store and the rules of a project know of movies, species and photos."""
    rules = rules or OriginRules()
    photos = frozenset(plain_name(name) for name in store.read("photos", ["filename"])["filename"])
    return Known(read_movie_names(store, rules.renames), read_references(store), photos, rules.eras)


def describe_subjects(export: pd.DataFrame, known: Known, report: Report) -> pd.DataFrame:
    """Return rows of `subjects`, one a subject, with what `matching.find_origin` finds of their origin.

    What a subject does not say stays empty; what cannot be matched is reported, a finding each.

    Parameters
    ----------
    export
        The rows of a subjects export, as text.
    known
        What they are matched with.
    report
        Gets the findings.

    Raises
    ------
    MetadataError
        If a row cannot be read.
    """
    rows: dict[int, dict[str, Any]] = {}
    lines: dict[int, int] = {}
    for number, record in enumerate(export.to_dict("records"), 2):
        try:
            row = read_subject(record)
            row = rows.get(subject_id := row["id"], {}) | row
        except (ValueError, AttributeError, RecursionError) as error:
            raise MetadataError(
                f"The subjects export, row {number}, cannot be read: {error}. Delete the file and pull again."
            ) from error
        # A subject has one row for each of its workflows: retired in one of them, it stays retired.
        if retired_at := iso_time(record.get("retired_at")):
            row |= {"retired_at": retired_at, "retirement_reason": record.get("retirement_reason") or None}
        rows[subject_id] = row
        lines.setdefault(subject_id, number)
    return _add_origins(rows.values(), known, report, lines)


def describe_strangers(
    subject_ids: Iterable[int], subject_data: Iterable[str], known: Known, report: Report
) -> pd.DataFrame:
    """Return rows of `subjects` that no export of subjects holds, by what was exported with their classifications.

    Parameters
    ----------
    subject_ids
        The subjects wanted.
    subject_data
        The column of that name of classifications: JSON of subject -> its metadata.
    known, report
        As in `describe_subjects`.
    """
    rows: dict[int, dict[str, Any]] = {number: {"id": number, "metadata": None} for number in subject_ids}
    for text in subject_data if rows else ():
        for subject_id, metadata in _read_subject_data(text):
            if subject_id in rows:
                rows[subject_id]["metadata"] = metadata
    return _add_origins(rows.values(), known, report, {})


def match_again(store: Store, known: Known, report: Report) -> Counts:
    """Match the store's subjects without a movie again, as movies may have come since, and write those that match."""
    columns = ["id", *ORIGIN_COLUMNS, "metadata", "https_location", "created_at"]
    lost = store.read("subjects", columns, where={"movie_id": None}, order_by="id").astype(object)
    lost = lost.where(lost.notna(), None)
    found = _add_origins(lost.to_dict("records"), known, report, {})[["id", *ORIGIN_COLUMNS]]  # type: ignore[arg-type]
    found = found.where(found.notna(), lost[found.columns])
    return store.upsert("subjects", found[found["movie_id"].notna()], "id")


def read_subject(record: Mapping[Any, Any]) -> dict[str, Any]:
    """Return what one row of a subjects export says of the subject itself.

    Raises
    ------
    ValueError, AttributeError, RecursionError
        If the row cannot be read.
    """
    subject_id = int(record["subject_id"])
    if not 0 <= subject_id < _MOST:
        raise ValueError(f"{subject_id} is the number of no subject")
    metadata = json.loads(record["metadata"] or "{}") or {}
    locations = json.loads(record["locations"] or "{}") or {}
    if not isinstance(metadata, dict) or not isinstance(locations, dict):
        raise ValueError("its metadata and its locations must be JSON objects")
    first = min(locations, key=lambda place: int(place) if place.isdecimal() else 0, default=None)
    counted = record.get("classifications_count") or None
    return {
        "id": subject_id,
        "subject_set_id": record.get("subject_set_id") or None,
        "metadata": metadata,
        "https_location": None if first is None else locations[first],
        "mime": first,
        "created_at": iso_time(record.get("created_at")),
        "classifications_count": counted and int(counted),
    }


def _read_subject_data(text: str) -> list[tuple[int, dict[str, Any]]]:
    """Return the subjects of a classification with their metadata; what is no JSON says nothing of any."""
    try:
        told = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return []
    subjects = told.items() if isinstance(told, dict) else ()
    return [
        (int(key), {name: value for name, value in metadata.items() if name != "retired"})
        for key, metadata in subjects
        if key.isdecimal() and isinstance(metadata, dict)
    ]


def _add_origins(
    rows: Iterable[dict[str, Any]], known: Known, report: Report, lines: Mapping[int, int]
) -> pd.DataFrame:
    """Return the rows with their origins, and report what is wrong; `lines` are those of the export."""
    import pandas as pd

    likenesses: Counter[Likeness] = Counter()
    eras: Counter[Era] = Counter()
    described = []
    for row in track(rows, "Matching subjects"):
        location, mime, created_at = (row.get(column) for column in ("https_location", "mime", "created_at"))
        origin = find_origin(row["metadata"] or {}, location, mime, created_at, known)
        described.append(row | origin.columns)
        for fault in origin.faults:
            text, fix = f"Subject {row['id']}: {fault.message}", _FIXES.get(fault.code, _FIX)
            line = lines.get(row["id"])
            report.add(Finding("subjects", line, fault.column, fault.code, fault.severity, fault.value, text, fix))
        likenesses.update([origin.likeness] if origin.likeness else ())
        eras.update([origin.era] if origin.era else ())
    for (name, movie_id, difference), count in likenesses.items():
        told = "is a chapter of it" if difference == "chapter" else f"differs in its {difference}"
        text = f"{name} is taken for the movie {known.movies.name_of(movie_id)}; it {told} (subjects: {count})."
        report.add(Finding("subjects", None, "filename", "MOVIE_BY_LIKENESS", "info", name, text))
    for era, count in eras.items():
        text = f"{count} subjects had only a name like {era.name} to tell where they come from."
        report.add(Finding("subjects", None, "filename", "ORIGIN_BY_NAME", "info", str(count), text))
    return pd.DataFrame(described, columns=_SUBJECT_COLUMNS, dtype=object)


def iso_time(stamp: str | None) -> str | None:
    """Return a time of an export (`2026-05-01 09:30:00 UTC`) as the store has times; None where there is none."""
    return f"{stamp[:10]}T{stamp[11:19]}Z" if stamp else None
