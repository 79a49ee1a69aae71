"""What volunteers did, from Zooniverse into the store."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from kso_utils.core.clock import utc_now
from kso_utils.core.errors import ExportTimeout, MetadataError
from kso_utils.core.paths import sha256_file
from kso_utils.core.progress import track
from kso_utils.core.report import Finding, Report
from kso_utils.core.retries import again
from kso_utils.zooniverse.answers import flatten
from kso_utils.zooniverse.exports import read_files
from kso_utils.zooniverse.session import ApiError
from kso_utils.zooniverse.subjects import ORIGIN_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from kso_utils.store.engine import Store
    from kso_utils.store.rows import Counts
    from kso_utils.zooniverse.session import Session
    from kso_utils.zooniverse.workflows import TaskMap

KINDS = ("subjects", "workflows", "classifications")

_NUMBERS = ("movie_id", "frame_number", "frame_exp_sp_id")
_TIMES = ("clip_start_time", "clip_end_time")
_MOVIE_SUFFIXES = (".mp4", ".mpeg", ".mpg", ".m4v")
_MARK_COLUMNS = (
    *("task", "label", "labels_from", "how_many", "first_seen_s", "frame", "shape"),
    *("x", "y", "width", "height", "angle", "geometry", "raw"),
)


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull brought.

    Attributes
    ----------
    report
        The files, and everything that could not be matched.
    counts
        Table -> rows inserted, updated and unchanged.
    """

    report: Report
    counts: Mapping[str, Counts]


def pull(
    session: Session,
    store: Store,
    project_id: int | str,
    folder: str | Path,
    tasks: TaskMap | None = None,
    timeout_s: float = 3600.0,
) -> Pulled:
    """Fetch the exports of a project and bring the store up to date with them.

    The files are kept as they came; their names end in the beginning of their sha256. All rows are written in one
    transaction; the same files again change nothing.

    Parameters
    ----------
    session
        The login.
    store
        Gets the rows: `subjects`, `classifications`, `annotations`.
    project_id
        The project on Zooniverse.
    folder
        Where the files are kept.
    tasks
        What the project's questions and labels mean.
    timeout_s
        How long to wait for each new export. After that the newest file that is here already is taken, with a warning.

    Raises
    ------
    ExportTimeout
        If an export is late and there is no earlier one here.
    ZooniverseError
        If the server refuses, or cannot be reached.
    MetadataError
        If a file is damaged.
    """
    report = Report(f"Pull of project {project_id}")
    exports = read_files(_fetch(session, str(project_id), Path(folder), timeout_s, report))
    report.extend(exports.report)
    rows = flatten(exports.classifications, exports.workflows, tasks)
    subjects = _subject_rows(exports.subjects, _known(store), report)
    subjects = _with_strangers(subjects, exports.classifications, store, report)
    with store.atomic():
        counts = {
            "subjects": store.upsert("subjects", _completed(subjects, rows, store), "id"),
            "classifications": store.upsert(
                "classifications", _classification_rows(exports.classifications, store), "id"
            ),
            "annotations": store.upsert(
                "annotations", _annotation_rows(rows, store), ["classification_id", "position"]
            ),
        }
    return Pulled(report, counts)


def _fetch(session: Session, project_id: str, folder: Path, timeout_s: float, report: Report) -> list[Path]:
    """Ask for all exports, so that the server makes them side by side, then fetch each."""
    for kind in KINDS:
        try:
            again(lambda kind=kind: session.request_export(kind, "projects", project_id))  # type: ignore[misc]
        except ApiError as error:
            if error.status is None or session.describe_export(kind, "projects", project_id) is None:
                raise
            message = f"A new {kind} export was refused; the latest is used. {error}"
            report.add(Finding(kind, None, None, "EXPORT_REFUSED", "warning", "", message, "Pull again tomorrow."))
    return [_fetch_one(session, kind, project_id, folder, timeout_s, report) for kind in track(KINDS, "Fetching")]


def _fetch_one(session: Session, kind: str, project_id: str, folder: Path, timeout_s: float, report: Report) -> Path:
    try:
        medium = again(lambda: session.await_export(kind, "projects", project_id, timeout_s))
    except ExportTimeout as error:
        earlier = sorted(folder.glob(f"{kind}_*.csv"))
        if not earlier:
            raise
        message = f"{error} The file {earlier[-1].name}, fetched earlier, is used instead."
        report.add(Finding(kind, None, None, "EXPORT_LATE", "warning", earlier[-1].name, message, "Pull again later."))
        return earlier[-1]
    arriving = folder / f"{kind}.part"
    again(lambda: session.download(str(medium["src"]), arriving))
    digest = sha256_file(arriving)
    known = next(iter(sorted(folder.glob(f"{kind}_*_{digest[:12]}.csv"))), None)
    path = known or folder / f"{kind}_{utc_now().replace(':', '')}_{digest[:12]}.csv"
    arriving.replace(path)
    message = f"The {kind} export of {medium['updated_at']} was fetched."
    report.add(Finding(path.name, None, None, "EXPORT_FETCHED", "info", digest, message))
    return path


def _known(store: Store) -> dict[str, set[int]]:
    tables = {"movie_id": "movies", "frame_exp_sp_id": "species"}
    return {column: set(store.read(table, ["id"])["id"]) for column, table in tables.items()}


def _subject_rows(export: pd.DataFrame, known: Mapping[str, set[int]], report: Report) -> pd.DataFrame:
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


def _with_strangers(
    subjects: pd.DataFrame, classifications: pd.DataFrame, store: Store, report: Report
) -> pd.DataFrame:
    """Add the subjects that were classified but are neither in the export of subjects nor in the store."""
    import pandas as pd

    classified = set(classifications["subject_id"]) - set(subjects["id"])
    lost = sorted(classified - set(store.read("subjects", ["id"], {"id": classified})["id"]))
    for subject_id in lost:
        message = f"Subject {subject_id} was classified, but is not in the export of subjects. Its movie is not known."
        report.add(
            Finding("classifications", None, "subject_ids", "UNKNOWN_SUBJECT", "warning", str(subject_id), message)
        )
    return pd.concat([subjects, pd.DataFrame({"id": lost}, dtype=object)], ignore_index=True)


def _completed(subjects: pd.DataFrame, rows: pd.DataFrame, store: Store) -> pd.DataFrame:
    """Fill what the export does not say with what the store knows already, and guess what kind of subject it is."""
    columns = [column for column in subjects.columns if column != "id"]
    known = store.read("subjects", ["id", *columns], {"id": subjects["id"]}).astype(object)
    kept = known.set_index("id").reindex(subjects["id"]).reset_index(drop=True)
    filled = subjects.assign(**{c: subjects[c].where(subjects[c].notna(), kept[c]) for c in columns})
    drawn = set(rows.loc[rows["shape"].notna(), "subject_id"])
    suffixes = filled["https_location"].map(lambda url: Path(urlsplit(url).path).suffix.lower(), na_action="ignore")
    clip = filled["clip_start_time"].notna() | suffixes.isin(_MOVIE_SUFFIXES) | ~filled["id"].isin(drawn)
    frame = suffixes.notna() & ~suffixes.isin(_MOVIE_SUFFIXES) & filled["clip_start_time"].isna()
    guessed = (clip & ~frame).map({True: "clip", False: "frame"})
    return filled.assign(subject_type=filled["subject_type"].where(filled["subject_type"].notna(), guessed))


def _classification_rows(classifications: pd.DataFrame, store: Store) -> pd.DataFrame:
    """Return rows of `classifications`; each names the file that its user name was first read in.

    The names of people who did not log in are made anew in every export, so a name is worth nothing without its file.
    """
    table = classifications.rename(columns={"classification_id": "id"}).drop(columns="subject_ids")
    known = store.read("classifications", ["id", "user", "source_sha256"], {"id": table["id"]}).set_index("id")
    known = known.reindex(table["id"]).reset_index(drop=True)
    source = table["source_sha256"].mask(known["user"] == table["user"], known["source_sha256"])
    annotations = [json.loads(text or "[]") for text in table["annotations"]]
    return table.assign(source_sha256=source, annotations=annotations)


def _annotation_rows(rows: pd.DataFrame, store: Store) -> pd.DataFrame:
    """Return rows of `annotations`; those that an earlier pull gave and this one does not are emptied."""
    import pandas as pd

    table = rows[["classification_id", "subject_id", *_MARK_COLUMNS]]
    table = table.assign(position=table.groupby("classification_id").cumcount())
    key = ["classification_id", "position"]
    there = store.read("annotations", [*key, "subject_id"], {"classification_id": set(rows["classification_id"])})
    merged = there.merge(table[key], on=key, how="left", indicator=True)
    stale = there[(merged["_merge"] == "left_only").to_numpy()]
    if stale.empty:
        return table
    return pd.concat([table.astype(object), stale.reindex(columns=table.columns).astype(object)], ignore_index=True)
