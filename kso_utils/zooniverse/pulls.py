"""What volunteers did, from Zooniverse into the store."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kso_utils.core.report import Finding, Report
from kso_utils.zooniverse.answers import flatten
from kso_utils.zooniverse.exports import read_files
from kso_utils.zooniverse.fetching import fetch_exports
from kso_utils.zooniverse.origins import OriginRules, describe_strangers, describe_subjects, read_known

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from kso_utils.store.engine import Store
    from kso_utils.store.rows import Counts
    from kso_utils.zooniverse.exports import Exports
    from kso_utils.zooniverse.matching import Known
    from kso_utils.zooniverse.session import Session
    from kso_utils.zooniverse.workflows import TaskMap

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
    rules: OriginRules | None = None,
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
    rules
        What the project knows of the names in its subjects.

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
    exports = read_files(fetch_exports(session, str(project_id), Path(folder), timeout_s, report))
    report.extend(exports.report)
    rows = flatten(exports.classifications, exports.workflows, tasks)
    known = read_known(store, rules)
    subjects = describe_subjects(exports.subjects, known, report)
    subjects = _with_strangers(subjects, exports, known, store, report)
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


def _with_strangers(
    subjects: pd.DataFrame, exports: Exports, known: Known, store: Store, report: Report
) -> pd.DataFrame:
    """Add the subjects that were classified but are neither in the export of subjects nor in the store."""
    import pandas as pd

    classified = set(exports.classifications["subject_id"]) - set(subjects["id"])
    lost = sorted(classified - set(store.read("subjects", ["id"], {"id": classified})["id"]))
    for subject_id in lost:
        message = f"Subject {subject_id} was classified, but is not in the export of subjects."
        report.add(
            Finding("classifications", None, "subject_ids", "UNKNOWN_SUBJECT", "warning", str(subject_id), message)
        )
    strangers = describe_strangers(lost, exports.subject_data.values(), known, report)
    return pd.concat([subjects, strangers], ignore_index=True)


def _completed(subjects: pd.DataFrame, rows: pd.DataFrame, store: Store) -> pd.DataFrame:
    """Fill what the export does not say with what the store knows already, and guess what kind of subject it is."""
    columns = [column for column in subjects.columns if column != "id"]
    known = store.read("subjects", ["id", *columns], {"id": subjects["id"]}).astype(object)
    kept = known.set_index("id").reindex(subjects["id"]).reset_index(drop=True)
    filled = subjects.assign(**{c: subjects[c].where(subjects[c].notna(), kept[c]) for c in columns})
    drawn = set(rows.loc[rows["shape"].notna(), "subject_id"])
    guessed = filled["id"].isin(drawn).map({True: "frame", False: "clip"})
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
