"""Rows of exports on their way into the store, within one transaction."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from kso_utils.core.clock import utc_now
from kso_utils.core.report import Finding, Report
from kso_utils.store import queries
from kso_utils.store.rows import Counts
from kso_utils.version import __version__
from kso_utils.zooniverse.answers import flatten
from kso_utils.zooniverse.marking.marks import decode
from kso_utils.zooniverse.origins import (
    OriginRules,
    describe_strangers,
    describe_subjects,
    iso_time,
    read_known,
    read_subject,
)
from kso_utils.zooniverse.workflows import TaskMap, Workflows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd

    from kso_utils.store.engine import Store
    from kso_utils.zooniverse.retrieval.files import ExportFile, Tally

_MARK_COLUMNS = (
    *("task", "label", "labels_from", "how_many", "first_seen_s", "frame", "shape"),
    *("x", "y", "width", "height", "angle", "geometry", "raw"),
)
_READ_AGAIN = 20_000
_LISTED = 1_000


class Intake:
    """Writes what exports hold into a store; made and used inside one `store.atomic()`.

    Parameters
    ----------
    store
        Gets the rows.
    workflows
        The workflows export; empty where there is none.
    tasks
        What the project's questions and labels mean.
    report
        Gets what cannot be matched or read.
    rules
        What the project knows of the names in its subjects.
    """

    def __init__(
        self,
        store: Store,
        workflows: pd.DataFrame,
        tasks: TaskMap | None,
        report: Report,
        rules: OriginRules | None = None,
    ) -> None:
        self._store, self._report = store, report
        self._workflows, self._tasks = Workflows(workflows), tasks or TaskMap()
        self._known = read_known(store, rules)
        self._counts = dict.fromkeys(("subjects", "subject_workflows", "classifications", "annotations"), Counts())
        self._answers = Report("Answers")
        self._guessed: set[int] = set()
        self._drawn: set[int] = set()
        self._strangers = 0

    def write_subjects(self, export: pd.DataFrame) -> None:
        """Write the rows of a subjects export: the subjects, and how far each is in its workflows."""
        if export.empty:
            return
        described = describe_subjects(export, self._known, self._report)
        self._write_subjects(described)
        links = list_links(export)
        key = ["subject_id", "workflow_id", "subject_set_id"]
        there = self._store.read("subject_workflows", ["id", *key], {"subject_id": described["id"]})
        merged = there.merge(links[key], on=key, how="left", indicator=True)
        if gone := merged.loc[merged["_merge"] == "left_only", "id"].tolist():
            self._count("subject_workflows", Counts(removed=self._store.remove("subject_workflows", {"id": gone})))
        self._count("subject_workflows", self._store.upsert("subject_workflows", links, key))

    def read_again(self) -> None:
        """Read the answers in the store again whose meaning is another now than when they were read."""
        before = self._params()
        answered = queries.answered_versions(self._store)
        stale = {version for version in answered if self._is_known(version)} - _versions(before)
        if before is None or any(before[name] != value for name, value in self._meaning().items()):
            stale = answered
        ids = queries.classification_ids(self._store, stale).tolist() if stale else []
        for start in range(0, len(ids), _READ_AGAIN):
            some = ids[start : start + _READ_AGAIN]
            rows = self._flatten(self._store.read("classifications", where={"id": some}, order_by="id"))
            self._write_annotations(_with_emptied(rows, self._store))

    def write_classifications(self, chunk: pd.DataFrame, tally: Tally) -> None:
        """Write classifications that the store does not have, with their annotations."""
        import pandas as pd

        rows = self._flatten(chunk)
        # One that cannot be read has no rows: as an empty answer it would count as somebody who saw nothing.
        readable = chunk["classification_id"].isin(rows["classification_id"])
        tally.refused += int((~readable).sum())
        chunk = chunk[readable].reset_index(drop=True)
        self._add_strangers(chunk)
        # Parsed once for all rows of the same text, who then share the object.
        parsed = {text: decode(text) for text in chunk["annotations"].unique()}
        several = chunk["subject_ids"].str.contains(";", regex=False)
        lists = [
            [int(part) for part in text.split(";") if part.strip().isdecimal()] if more else None
            for text, more in zip(chunk["subject_ids"], several, strict=True)
        ]
        table = chunk.drop(columns=["subject_ids", "subject_data"]).rename(columns={"classification_id": "id"})
        table = table.assign(
            annotations=chunk["annotations"].astype(object).map(parsed),
            subject_ids=pd.Series(lists, dtype=object, index=table.index),
        )
        self._count("classifications", self._store.upsert("classifications", table, "id"))
        self._write_annotations(_positioned(rows))

    def finish(self, files: Mapping[ExportFile, str | None], tallies: Sequence[Tally]) -> dict[str, Counts]:
        """Write what is known only at the end, and return what was done to each table.

        Parameters
        ----------
        files
            The files that were taken in, and when each was made, where that is known.
        tallies
            What became of their rows.
        """
        import pandas as pd

        if frames := sorted(self._guessed & self._drawn):
            self._store.upsert("subjects", pd.DataFrame({"id": frames, "subject_type": "frame"}), "id")
        self._report.extend(_join_counts(self._answers))
        if self._strangers > _LISTED:
            message = f"{self._strangers - _LISTED} more subjects were classified, but are in no export of subjects."
            self._report.add(_unknown_subject(None, message))
        self._count("classifications", Counts(unchanged=sum(tally.known for tally in tallies)))
        self._write_files(files, {tally.sha256: tally.rows for tally in tallies})
        return self._counts

    def _write_subjects(self, described: pd.DataFrame) -> None:
        filled, guessed = complete_subjects(described, self._store)
        self._guessed |= guessed
        self._count("subjects", self._store.upsert("subjects", filled, "id"))

    def _add_strangers(self, chunk: pd.DataFrame) -> None:
        """Write the subjects that were classified but are neither in the export of subjects nor in the store.

        What is known of them is what was exported with their classifications.
        """
        classified = set(chunk["subject_id"].tolist())
        there = set(self._store.read("subjects", ["id"], {"id": classified})["id"])
        strangers = sorted(classified - there)
        for subject_id in strangers[: max(0, _LISTED - self._strangers)]:
            message = f"Subject {subject_id} was classified, but is in no export of subjects."
            self._report.add(_unknown_subject(subject_id, message))
        self._strangers += len(strangers)
        if strangers:
            told = chunk.loc[chunk["subject_id"].isin(strangers), "subject_data"].unique()
            self._write_subjects(describe_strangers(strangers, told, self._known, self._report))

    def _flatten(self, classifications: pd.DataFrame) -> pd.DataFrame:
        rows = flatten(classifications, self._workflows, self._tasks, self._answers)
        drawn = rows["shape"].notna()
        if drawn.any():
            self._drawn.update(rows.loc[drawn, "subject_id"].tolist())
        return rows

    def _write_annotations(self, rows: pd.DataFrame) -> None:
        self._count("annotations", self._store.upsert("annotations", rows, ["classification_id", "position"]))

    def _count(self, table: str, more: Counts) -> None:
        old = self._counts[table]
        names = ("inserted", "updated", "unchanged", "removed")
        self._counts[table] = Counts(*(getattr(old, name) + getattr(more, name) for name in names))

    def _is_known(self, version: tuple[int, int, int]) -> bool:
        return self._workflows.find(*version) is not None

    def _meaning(self) -> dict[str, Any]:
        tasks = {
            name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self._tasks).items()
        }
        return {"tasks": tasks, "version": __version__}

    def _params(self) -> dict[str, Any] | None:
        """Return how the answers in the store were read; None where that is not known."""
        found = [params for params in self._store.read("export_files", ["params"])["params"] if params]
        return found[-1] if found else None

    def _write_files(self, files: Mapping[ExportFile, str | None], rows: Mapping[str, int]) -> None:
        import pandas as pd

        versions = sorted(v for v in queries.answered_versions(self._store) if self._is_known(v))
        params = {**self._meaning(), "versions": [list(version) for version in versions]}
        table = pd.DataFrame([(f.sha256, f.kind, f.path.name, f.size_bytes, made) for f, made in files.items()])
        table.columns = pd.Index(["sha256", "kind", "name", "size_bytes", "exported_at"])
        table = table.assign(
            rows=table["sha256"].map(rows), taken_in_at=utc_now(), params=pd.Series([params] * len(table))
        )
        # What earlier files say of how the answers were read holds no more; a file that comes again stays as it was.
        earlier = self._store.read("export_files", ["sha256"])
        again = table["sha256"].isin(earlier["sha256"])
        self._store.upsert("export_files", earlier.assign(params=None), "sha256")
        self._store.upsert("export_files", table.loc[again, ["sha256", "params"]], "sha256")
        self._store.upsert("export_files", table[~again], "sha256")


def find_subject_fault(record: Mapping[str, str]) -> str | None:
    """Return why a row of a subjects export cannot be read; None where it can."""
    try:
        read_subject(record)
        list(_workflows_of(record))
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        return str(error)
    return None


def list_links(export: pd.DataFrame) -> pd.DataFrame:
    """Return rows of `subject_workflows`: one a subject, workflow and set of a subjects export.

    Older exports have one row a subject, and tell of its workflows in `workflow_ids`, `classifications_by_workflow` and
    `retired_in_workflow`.
    """
    import pandas as pd

    key = ["subject_id", "workflow_id", "subject_set_id"]
    columns = [*key, "classifications_count", "retired_at", "retirement_reason"]
    rows: dict[tuple[int, int, str], dict[str, Any]] = {}
    for record in export.to_dict("records"):
        subject_id, set_id = int(record["subject_id"]), record.get("subject_set_id")
        for workflow_id, count, retired_at in _workflows_of(record):
            if set_id:
                rows[subject_id, workflow_id, set_id] = {
                    "classifications_count": count,
                    "retired_at": retired_at,
                    "retirement_reason": (record.get("retirement_reason") or None) if retired_at else None,
                }
    return pd.DataFrame([(*link, *row.values()) for link, row in rows.items()], columns=columns, dtype=object)


def _workflows_of(record: Mapping[Any, Any]) -> Iterable[tuple[int, int | None, str | None]]:
    """Yield workflow, number of classifications and time of retirement of one row of a subjects export."""
    workflow_id = record.get("workflow_id")
    if workflow_id:
        count = record.get("classifications_count")
        yield int(workflow_id), int(count) if count else None, iso_time(record.get("retired_at"))
    elif record.get("workflow_ids"):
        counts = json.loads(record.get("classifications_by_workflow") or "{}")
        for number in json.loads(record["workflow_ids"]):
            yield int(number), counts.get(str(number)), None


def complete_subjects(subjects: pd.DataFrame, store: Store) -> tuple[pd.DataFrame, set[int]]:
    """Fill what the export does not say with what the store knows already.

    Returns
    -------
    DataFrame
        The rows of `subjects`.
    set of int
        The ids of those that are a clip for want of anything that tells; they may turn out to be frames.
    """
    columns = [column for column in subjects.columns if column != "id"]
    known = store.read("subjects", ["id", *columns], {"id": subjects["id"]}).astype(object)
    kept = known.set_index("id").reindex(subjects["id"]).reset_index(drop=True)
    filled = subjects.assign(**{c: subjects[c].where(subjects[c].notna(), kept[c]) for c in columns})
    blind = filled["subject_type"].isna()
    kinds = filled["subject_type"].where(~blind, "clip")
    return filled.assign(subject_type=kinds), set(filled.loc[blind, "id"])


def _positioned(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows of `annotations`."""
    table = rows[["classification_id", "subject_id", *_MARK_COLUMNS]]
    return table.assign(position=table.groupby("classification_id").cumcount())


def _with_emptied(rows: pd.DataFrame, store: Store) -> pd.DataFrame:
    """Return rows of `annotations`; those that an earlier pull gave and this one does not are emptied."""
    import pandas as pd

    table = _positioned(rows)
    key = ["classification_id", "position"]
    there = store.read("annotations", [*key, "subject_id"], {"classification_id": set(rows["classification_id"])})
    merged = there.merge(table[key], on=key, how="left", indicator=True)
    stale = there[(merged["_merge"] == "left_only").to_numpy()]
    if stale.empty:
        return table
    return pd.concat([table.astype(object), stale.reindex(columns=table.columns).astype(object)], ignore_index=True)


def _join_counts(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings of many chunks, those that count classifications as if there had been one chunk."""
    joined: dict[tuple[str, str], Finding] = {}
    for finding in findings:
        counted = f"{finding.value} classifications"
        key = (finding.code, finding.message.replace(counted, "# classifications"))
        other = joined.get(key)
        if other is None:
            joined[key] = finding
        else:
            total = str(int(other.value) + int(finding.value))
            joined[key] = replace(other, value=total, message=key[1].replace("# ", f"{total} "))
    return list(joined.values())


def _unknown_subject(subject_id: int | None, message: str) -> Finding:
    value = "" if subject_id is None else str(subject_id)
    return Finding("classifications", None, "subject_ids", "UNKNOWN_SUBJECT", "warning", value, message)


def _versions(params: Mapping[str, Any] | None) -> set[tuple[int, ...]]:
    return {tuple(version) for version in params["versions"]} if params else set()
