"""Zooniverse's export files: found by their columns, decoded with care, freed of addresses."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kso_utils.core.errors import ConfigError, MetadataError
from kso_utils.core.paths import sha256_file
from kso_utils.core.progress import track
from kso_utils.core.report import Finding, Report

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pandas as pd

_KINDS = {
    "classifications": ("classification_id", "annotations", "workflow_version"),
    "subjects": ("subject_id", "locations", "metadata"),
    "workflows": ("workflow_id", "tasks", "strings"),
}
_CLASSIFICATION_COLUMNS = (
    *("classification_id", "user_name", "user_id", "workflow_id", "workflow_version", "created_at"),
    *("gold_standard", "expert", "metadata", "annotations", "subject_ids", "subject_data"),
)
_CHUNK_ROWS = 20_000
_MOST = 2.0**53


@dataclass(frozen=True, slots=True)
class Exports:
    """The exports of one folder.

    Attributes
    ----------
    classifications
        One row a classification: `classification_id, user, user_kind, subject_id, subject_ids, workflow_id,
        version_major, version_minor, created_at, seen_before, live, gold_standard, expert, annotations` (JSON text),
        `source_sha256`. Addresses and user agents are not read.
    subjects, workflows
        The columns of the files as text; empty tables where there is no such file.
    subject_data
        What the files of classifications say of their subjects, as text: `subject_ids` -> `subject_data`.
    report
        What was read, and what was wrong with it.
    """

    classifications: pd.DataFrame
    subjects: pd.DataFrame
    workflows: pd.DataFrame
    report: Report = field(default_factory=lambda: Report("Zooniverse exports"))
    subject_data: dict[str, str] = field(default_factory=dict)


def read_exports(folder: str | Path) -> Exports:
    """Read every export in a folder, whatever the files are called.

    A file that is not UTF-8 is read as Windows-1252, with a warning. A classification that several files hold counts
    once, as in the last of them by name.

    Raises
    ------
    ConfigError
        If there is no such folder, or no export in it.
    MetadataError
        If a file is cut off or otherwise no table.
    """
    root = Path(folder)
    if not root.is_dir():
        raise ConfigError(f"There is no folder {root}. Give the folder that holds the exports of Zooniverse.")
    exports = read_files(sorted(root.glob("*.csv")))
    if not (len(exports.classifications.columns) or len(exports.subjects.columns) or len(exports.workflows.columns)):
        raise ConfigError(f"No export of Zooniverse in {root}. Put the .csv files there that Zooniverse exports.")
    return exports


def read_files(paths: Iterable[Path]) -> Exports:
    """Read files as `read_exports` reads those of a folder.

    Raises
    ------
    MetadataError
        If a file is cut off or otherwise no table.
    """
    report = Report("Zooniverse exports")
    found: dict[str, list[pd.DataFrame]] = {kind: [] for kind in _KINDS}
    subject_data: dict[str, str] = {}
    for path in track(list(paths), "Reading exports"):
        encoding = _encoding(path, report)
        header = _header(path, encoding)
        kind = next((k for k, columns in _KINDS.items() if set(columns) <= set(header)), None)
        if kind is None:
            message = "The file has the columns of no export and was left out."
            report.add(Finding(path.name, None, None, "NOT_AN_EXPORT", "info", "", message))
        else:
            found[kind].append(_load(path, kind, encoding, report, subject_data))
    classifications = _merged(found["classifications"], report)
    return Exports(classifications, _joined(found["subjects"]), _joined(found["workflows"]), report, subject_data)


def _header(path: Path, encoding: str) -> list[str]:
    with path.open(encoding=encoding, errors="replace", newline="") as handle:
        try:
            return next(csv.reader(handle), [])
        except csv.Error:
            return []


def _encoding(path: Path, report: Report) -> str:
    try:
        with path.open(encoding="utf-8", errors="strict") as handle:
            while handle.read(1 << 20):
                pass
    except UnicodeDecodeError as error:
        message = f"The file is not UTF-8 (byte {error.start} of a block); it was read as Windows-1252."
        report.add(Finding(path.name, None, None, "NOT_UTF8", "warning", "", message, "Check names with accents."))
        return "cp1252"
    return "utf-8-sig"


def _load(path: Path, kind: str, encoding: str, report: Report, subject_data: dict[str, str]) -> pd.DataFrame:
    import pandas as pd

    wanted = _CLASSIFICATION_COLUMNS if kind == "classifications" else None
    parts = []
    total = kept = 0
    for part in _chunks(path, encoding, wanted):
        total += len(part)
        tidied = _tidy(part, path.name, report) if kind == "classifications" else part
        kept += len(tidied)
        if "subject_data" in part:
            subject_data.update(zip(part["subject_ids"], part["subject_data"], strict=True))
        parts.append(tidied)
    table = pd.concat(parts, ignore_index=True)
    if kind == "classifications":
        table["source_sha256"] = sha256_file(path)
    message = f"{kept} of {total} rows of {kind} were kept."
    report.add(Finding(path.name, None, None, "ROWS_KEPT", "info", str(kept), message))
    return table


def _chunks(path: Path, encoding: str, wanted: tuple[str, ...] | None) -> Iterator[pd.DataFrame]:
    import pandas as pd

    errors = "strict" if encoding != "cp1252" else "replace"
    try:
        with pd.read_csv(
            path,
            usecols=None if wanted is None else lambda column: column in wanted,
            dtype="str",
            keep_default_na=False,
            encoding=encoding,
            encoding_errors=errors,
            chunksize=_CHUNK_ROWS,
        ) as reader:
            yield from reader
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise MetadataError(
            f"{path} is damaged or cut off: {str(error).strip()}. Download the export again."
        ) from error


def _tidy(raw: pd.DataFrame, name: str, report: Report) -> pd.DataFrame:
    """Return classifications with typed columns; rows without an id or subject are reported and left out."""
    import pandas as pd

    raw = raw.reindex(columns=list(_CLASSIFICATION_COLUMNS), fill_value="")
    version = raw["workflow_version"].str.extract(r"^(\d+)(?:\.(\d+))?$")
    numbers = (
        pd.DataFrame(
            {
                "classification_id": raw["classification_id"],
                "subject_id": raw["subject_ids"].str.split(";", n=1).str[0],
                "workflow_id": raw["workflow_id"],
                "version_major": version[0],
                "version_minor": version[1].fillna("0"),
            }
        )
        .apply(pd.to_numeric, errors="coerce")
        .astype("float64")
    )
    numbers = numbers.where((numbers % 1 == 0) & numbers.abs().lt(_MOST))
    complete = numbers.notna().all(axis=1)
    for row in raw.index[~complete]:
        column = str(numbers.columns[numbers.loc[row].isna()][0])
        message = "The classification has no usable number here and was left out."
        value = str(raw.loc[row, "classification_id"])
        report.add(Finding(name, int(row) + 2, column, "NO_NUMBER", "warning", value, message, "Export it again."))
    several = int(raw["subject_ids"].str.contains(";", regex=False).sum())
    if several:
        message = f"{several} classifications are of several subjects; they count for the first."
        report.add(Finding(name, None, "subject_ids", "SEVERAL_SUBJECTS", "info", str(several), message))
    metadata = raw["metadata"]
    registered = raw["user_id"] != ""
    stamp = raw["created_at"].str.replace(r"^(\S+) (\S+) UTC$", r"\1T\2Z", regex=True)
    tidy = pd.DataFrame(
        {
            "user": raw["user_name"].mask(raw["user_name"] == "", "unnamed-" + raw["classification_id"]),
            "user_kind": registered.map({True: "registered", False: "anonymous"}),
            "subject_ids": raw["subject_ids"],
            "created_at": stamp,
            "seen_before": metadata.str.contains(r'"(?:seen_before|already_seen)"\s*:\s*true', regex=True),
            "live": ~metadata.str.contains(r'"live_project"\s*:\s*false', regex=True),
            "gold_standard": raw["gold_standard"].str.lower().isin(["true", "t", "1"]),
            "expert": ~raw["expert"].str.lower().isin(["", "false", "f", "0"]),
            "annotations": raw["annotations"],
        }
    )
    typed: pd.DataFrame = numbers[complete].astype("int64").join(tidy)
    return typed


def _merged(parts: list[pd.DataFrame], report: Report) -> pd.DataFrame:
    table = _joined(parts)
    if table.empty:
        return table
    unique = table.drop_duplicates("classification_id", keep="last", ignore_index=True)
    if repeated := len(table) - len(unique):
        message = f"{repeated} classifications occur more than once and count once."
        report.add(
            Finding("classifications", None, "classification_id", "REPEATED_ROW", "info", str(repeated), message)
        )
    return unique


def _joined(parts: list[pd.DataFrame]) -> pd.DataFrame:
    import pandas as pd

    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
