"""Which movie, clip or frame a subject on Zooniverse is, by its metadata."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from kso_utils.core.errors import MetadataError
from kso_utils.core.report import Finding, Report
from kso_utils.zooniverse.subjects import ORIGIN_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from kso_utils.store.engine import Store

_NUMBERS = ("movie_id", "frame_number", "frame_exp_sp_id")
_TIMES = ("clip_start_time", "clip_end_time")


def known_references(store: Store) -> dict[str, set[int]]:
    """Return the ids of movies and species that subjects may name, by the column that names them."""
    tables = {"movie_id": "movies", "frame_exp_sp_id": "species"}
    return {column: set(store.read(table, ["id"])["id"]) for column, table in tables.items()}


def describe_subjects(export: pd.DataFrame, known: Mapping[str, set[int]], report: Report) -> pd.DataFrame:
    """Return rows of `subjects`, one a subject, with what their metadata say about their origin."""
    import pandas as pd

    rows: dict[int, dict[str, Any]] = {}
    for number, record in enumerate(export.to_dict("records"), 2):
        try:
            subject_id = int(record["subject_id"])
            metadata = json.loads(record["metadata"] or "{}") or {}
            locations = json.loads(record["locations"] or "{}") or {}
            location = next(iter(locations.values()), None)
            origin, faults = _origin(metadata, known)
        except (ValueError, AttributeError) as error:
            raise MetadataError(
                f"The subjects export, row {number}, cannot be read: {error}. Delete the file and pull again."
            ) from error
        if subject_id not in rows:
            for column, code, value, message in faults:
                text = f"Subject {subject_id}: {message}"
                fix = "Fill the store with its movie, or correct its metadata on Zooniverse."
                report.add(Finding("subjects", number, column, code, "warning", value, text, fix))
        counted = record.get("classifications_count") or None
        retired_at, reason = _iso(record.get("retired_at")), record.get("retirement_reason") or None
        if retired_at is None and subject_id in rows:
            # A subject has one row for each of its workflows: retired in one of them, it stays retired.
            retired_at, reason = (rows[subject_id][column] for column in ("retired_at", "retirement_reason"))
        rows[subject_id] = {
            "id": subject_id,
            "subject_set_id": record.get("subject_set_id") or None,
            **origin,
            "metadata": metadata,
            "https_location": location,
            "created_at": _iso(record.get("created_at")),
            "retired_at": retired_at,
            "retirement_reason": reason,
            "classifications_count": counted and int(counted),
        }
    return pd.DataFrame(list(rows.values()), columns=_SUBJECT_COLUMNS, dtype=object)


_SUBJECT_COLUMNS = (
    *("id", "subject_set_id", *ORIGIN_COLUMNS, "metadata", "https_location"),
    *("created_at", "retired_at", "retirement_reason", "classifications_count"),
)


def _origin(
    metadata: Mapping[str, Any], known: Mapping[str, set[int]]
) -> tuple[dict[str, Any], list[tuple[str, str, str, str]]]:
    """Return the columns of `ORIGIN_COLUMNS` and what is wrong with them: column, code, value, message."""
    named = {key.lstrip("#/!"): value for key, value in metadata.items()}
    origin: dict[str, Any] = {column: _number(named.get(column), int) for column in _NUMBERS}
    origin |= {column: _number(named.get(column), float) for column in _TIMES}
    origin |= {"filename": named.get("filename"), "modification": named.get("modification")}
    if not isinstance(origin["modification"], dict):
        origin["modification"] = None
    kind = named.get("subject_type")
    origin["subject_type"] = kind if kind in ("clip", "frame") else None
    faults = []
    for column, ids in known.items():
        if origin[column] is not None and origin[column] not in ids:
            faults.append((column, "UNKNOWN_REFERENCE", str(origin[column]), f"the store has no such {column}."))
            origin[column] = None
        elif column == "movie_id" and origin[column] is None:
            faults.append((column, "NO_MOVIE", "", "its metadata do not say which movie it comes from."))
    start, end = (origin[column] for column in _TIMES)
    if start is not None and end is not None and not 0 <= start < end:
        faults.append(("clip_start_time", "BAD_CLIP", str(start), f"its clip goes from {start} s to {end} s."))
        origin |= dict.fromkeys(_TIMES)
    if origin["frame_number"] is not None and origin["frame_number"] < 0:
        faults.append(("frame_number", "BAD_FRAME", str(origin["frame_number"]), "its frame number is negative."))
        origin["frame_number"] = None
    return origin, faults


def _number(value: Any, kind: type[int] | type[float]) -> int | float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return kind(number) if math.isfinite(number) else None


def _iso(stamp: str | None) -> str | None:
    return f"{stamp[:10]}T{stamp[11:19]}Z" if stamp else None
