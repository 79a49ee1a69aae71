"""Zooniverse's exports as tables: typed, freed of addresses, each classification once."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from kso_utils.core.ahead import ahead
from kso_utils.core.errors import ConfigError
from kso_utils.core.progress import track
from kso_utils.core.report import Finding, Report
from kso_utils.zooniverse.retrieval.files import Foreign, Refusals, Tally, decode, examine, read_batches, read_texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

    from kso_utils.zooniverse.retrieval.files import ExportFile

SUFFIXES = (".csv", ".gz")
_TEXTS = (
    *("user_name", "user_id", "created_at", "gold_standard", "expert"),
    *("metadata", "annotations", "subject_data", "subject_ids"),
)
_ID = "classification_id"
_READ = (_ID, "workflow_id", "workflow_version", *_TEXTS)
_CHUNK_ROWS = 10_000
_THREADS = 2
_MOST = 10**15
_WHOLE = re.compile(rb"\s*(\d{1,15})(?:\.0*)?\s*")
_VERSION = re.compile(rb"\s*(\d{1,15})(?:\.(\d{1,15}))?\s*")


@dataclass(frozen=True, slots=True)
class Exports:
    """The exports of one folder.

    Attributes
    ----------
    classifications
        One row a classification: `classification_id, user, user_kind, subject_id, subject_ids, workflow_id,
        version_major, version_minor, created_at, started_at, finished_at, seen_before, live, gold_standard, expert,
        annotations` (JSON text), `source_sha256`. Addresses and user agents are not kept.
    subjects, workflows
        The columns of the files as text; empty tables where there is no such file.
    report
        What was read, and what was wrong with it.
    files
        What became of the rows of each file.
    """

    classifications: pd.DataFrame
    subjects: pd.DataFrame
    workflows: pd.DataFrame
    report: Report = field(default_factory=lambda: Report("Zooniverse exports"))
    files: tuple[Tally, ...] = ()


class SeenIds:
    """The classifications that came before, as sorted blocks of ids.

    Parameters
    ----------
    stored
        Ids that the store has, in any order.
    """

    def __init__(self, stored: NDArray[np.int64]) -> None:
        import numpy as np

        self._stored = np.sort(stored)
        self._blocks: list[tuple[int, int, NDArray[np.int64]]] = []

    def is_stored(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which ids the store has."""
        return _among(ids, self._stored)

    def take(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which ids come for the first time, and remember them."""
        import numpy as np

        distinct, places = np.unique(ids, return_index=True)
        first = np.zeros(len(ids), dtype=bool)
        first[places] = True
        if len(ids):
            low, high = int(distinct[0]), int(distinct[-1])
            # Exports come in the order of their ids, so that most blocks lie apart.
            for start, end, block in self._blocks:
                if start <= high and low <= end:
                    first &= ~_among(ids, block)
            self._blocks.append((low, high, distinct))
        return first


def _among(ids: NDArray[np.int64], block: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which ids are in a sorted block."""
    import numpy as np

    if not len(block):
        return np.zeros(len(ids), dtype=bool)
    found: NDArray[np.bool_] = block[np.minimum(np.searchsorted(block, ids), len(block) - 1)] == ids
    return found


def read_exports(folder: str | Path) -> Exports:
    """Read every export in a folder, whatever the files are called; they may be packed with gzip.

    Cells that are not UTF-8 are read as Windows-1252, with a warning. A classification that several files hold counts
    once, as in the last of them by name.

    Raises
    ------
    ConfigError
        If there is no such folder, or no export in it.
    MetadataError
        If a file is cut off or otherwise no table.
    MissingExtra
        If pyarrow is not installed.
    """
    exports = read_files(find_exports(folder))
    if not exports.files:
        raise ConfigError(f"No export of Zooniverse in {folder}. Put the .csv files there that Zooniverse exports.")
    return exports


def find_exports(folder: str | Path) -> list[Path]:
    """Return the files of a folder that may be exports, by name.

    Raises
    ------
    ConfigError
        If there is no such folder.
    """
    root = Path(folder)
    if not root.is_dir():
        raise ConfigError(f"There is no folder {root}. Give the folder that holds the exports of Zooniverse.")
    return sorted(path for path in root.iterdir() if path.suffix.lower() in SUFFIXES and not path.name.startswith("."))


def read_files(paths: Iterable[Path]) -> Exports:
    """Read files as `read_exports` reads those of a folder.

    Raises
    ------
    MetadataError
        If a file is cut off or otherwise no table.
    MissingExtra
        If pyarrow is not installed.
    """
    import numpy as np
    import pandas as pd

    report = Report("Zooniverse exports")
    files = examine_files(paths, report)
    tables = {kind: read_table(files, kind, report) for kind in ("subjects", "workflows")}
    seen, tallies, parts = SeenIds(np.empty(0, dtype=np.int64)), [], []
    for file in classification_files(files):
        tally = Tally(file.path.name, file.kind, file.sha256)
        parts += [chunk.drop(columns="subject_data") for chunk in read_classifications(file, seen, report, tally)]
        tallies.append(tally)
    merged = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    tallies += [tally for _, told in tables.values() for tally in told]
    return Exports(merged, tables["subjects"][0], tables["workflows"][0], report, tuple(tallies))


def examine_files(paths: Iterable[Path], report: Report) -> list[ExportFile]:
    """Return which of the files are exports, each content once; the report names the others.

    Raises
    ------
    MetadataError
        If a file is cut off.
    """
    found: dict[str, ExportFile] = {}
    for path in track(list(paths), "Examining exports"):
        file = examine(path, report)
        if file is not None and file.sha256 in found:
            message = f"The file is the same as {found[file.sha256].path.name} and was left out."
            report.add(Finding(path.name, None, None, "SAME_FILE", "info", file.sha256, message))
        elif file is not None:
            found[file.sha256] = file
    return list(found.values())


def classification_files(files: Iterable[ExportFile]) -> list[ExportFile]:
    """Return the exports of classifications, the last by name first: of two equal rows, its own counts."""
    return sorted((f for f in files if f.kind == "classifications"), key=lambda f: f.path.name, reverse=True)


def read_table(
    files: Iterable[ExportFile],
    kind: str,
    report: Report,
    find_fault: Callable[[Mapping[str, str]], str | None] | None = None,
) -> tuple[pd.DataFrame, list[Tally]]:
    """Return the exports of one kind as one table of text, and what became of the rows of each file.

    `find_fault` is as in `read_texts`: rows that cannot be used are listed and left out.

    Raises
    ------
    MetadataError
        If a file is damaged.
    MissingExtra
        If pyarrow is not installed.
    """
    import pandas as pd

    tallies, parts = [], []
    for file in files:
        if file.kind == kind:
            tally = Tally(file.path.name, kind, file.sha256)
            wanted = tuple(dict.fromkeys(column for column in file.columns if column))
            parts.append(read_texts(file, wanted, report, tally, find_fault).to_pandas())
            _tell(tally, report)
            tallies.append(tally)
    return (pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()), tallies


def read_classifications(file: ExportFile, seen: SeenIds, report: Report, tally: Tally) -> Iterator[pd.DataFrame]:
    """Yield the classifications of a file that did not come before, some 10,000 at a time.

    Nothing of the others is decoded or parsed, which makes an export that holds little new quick to read.

    Parameters
    ----------
    file
        As `examine` gives it.
    seen
        What came before; gets the ids of what is new.
    report
        Gets the rows that cannot be used, each with its line and reason.
    tally
        Gets the counts.

    Yields
    ------
    DataFrame
        The columns of `Exports.classifications`, and `subject_data` as JSON text.

    Raises
    ------
    MetadataError
        If the file is damaged.
    MissingExtra
        If pyarrow is not installed.
    """
    refusals, foreign = Refusals(report, tally), Foreign(report, tally.name)
    several = 0
    gathered = _gathered(_unknown(file, seen, refusals))
    rows = (_usable(lines, table, seen, refusals) for lines, table in gathered)
    for chunk in ahead(lambda found: _typed(decode(*found, foreign)), rows, _THREADS):
        chunk["source_sha256"] = file.sha256
        several += int(chunk["subject_ids"].str.contains(";", regex=False).sum())
        yield chunk
    refusals.close()
    foreign.close()
    if several:
        message = f"{several} classifications are of several subjects; they count for the first."
        report.add(Finding(tally.name, None, "subject_ids", "SEVERAL_SUBJECTS", "info", str(several), message))
    tally.taken = tally.rows - tally.known - tally.repeated - tally.refused
    _tell(tally, report)


def _unknown(file: ExportFile, seen: SeenIds, refusals: Refusals) -> Iterator[tuple[NDArray[np.int64], pa.RecordBatch]]:
    """Yield the rows whose classification the store does not have."""
    import pyarrow as pa

    for lines, batch in read_batches(file, _READ, refusals):
        ids = _whole_numbers(batch.column("classification_id"))
        new = ~seen.is_stored(ids)
        refusals.tally.known += int(len(new) - new.sum())
        if new.all():
            yield lines, batch
        elif new.any():
            yield lines[new], batch.filter(pa.array(new))


def _gathered(
    batches: Iterable[tuple[NDArray[np.int64], pa.RecordBatch]],
) -> Iterator[tuple[NDArray[np.int64], pa.Table]]:
    """Join batches until there are enough rows to work on at once."""
    import numpy as np
    import pyarrow as pa

    lines: list[NDArray[np.int64]] = []
    rows: list[pa.RecordBatch] = []
    for some, batch in batches:
        lines.append(some)
        rows.append(batch)
        if sum(map(len, rows)) >= _CHUNK_ROWS:
            yield np.concatenate(lines), pa.Table.from_batches(rows)
            lines, rows = [], []
    if rows:
        yield np.concatenate(lines), pa.Table.from_batches(rows)


def _usable(
    lines: NDArray[np.int64], rows: pa.Table, seen: SeenIds, refusals: Refusals
) -> tuple[pa.Table, NDArray[np.int64]]:
    """Return the rows that have all their numbers and come for the first time; the numbers are in place of text."""
    import numpy as np
    import pyarrow as pa

    numbers = {name: read(rows.column(column).combine_chunks()) for name, (column, read) in _NUMBERS.items()}
    complete: NDArray[np.bool_] = np.logical_and.reduce([values >= 0 for values in numbers.values()])
    for row in np.flatnonzero(~complete).tolist():
        name = next(name for name, values in numbers.items() if values[row] < 0)
        cell, number = (rows.column(c)[row].as_py().decode("utf-8", "replace") for c in (_NUMBERS[name][0], _ID))
        refusals.add(int(lines[row]), name, "NO_NUMBER", cell, f"Classification {number!r} has no usable number here.")
    kept = complete.copy()
    kept[complete] = seen.take(numbers[_ID][complete])
    refusals.tally.repeated += int(complete.sum() - kept.sum())
    columns = {name: pa.array(values) for name, values in numbers.items()}
    table = pa.table({**columns, **{name: rows.column(name) for name in _TEXTS}})
    return table if kept.all() else table.filter(pa.array(kept)), lines[kept]


def _whole_numbers(column: pa.Array) -> NDArray[np.int64]:
    """Return ids as numbers, -1 where one is none; quick where all are."""
    import pyarrow as pa
    from pyarrow import compute

    try:
        texts = column.cast(pa.string())
        if compute.all(compute.ascii_is_decimal(texts)).as_py():
            numbers: NDArray[np.int64] = texts.cast(pa.int64()).to_numpy(zero_copy_only=False)
            if len(numbers) and numbers.max() < _MOST:
                return numbers
    except pa.ArrowInvalid:
        pass  # Not UTF-8, or far too long: read one by one.
    return _mapped(column, _whole)


def _mapped(column: pa.Array, read: Callable[[bytes], int]) -> NDArray[np.int64]:
    """Return what `read` makes of each cell, each distinct one read once."""
    import numpy as np

    coded = column.dictionary_encode()
    values = np.array([read(cell) for cell in coded.dictionary.to_pylist()], dtype=np.int64)
    numbers: NDArray[np.int64] = values[coded.indices.to_numpy(zero_copy_only=False)]
    return numbers


def _whole(cell: bytes) -> int:
    found = _WHOLE.fullmatch(cell)
    return int(found[1]) if found else -1


def _first_subject(cell: bytes) -> int:
    return _whole(cell.partition(b";")[0])


def _major(cell: bytes) -> int:
    found = _VERSION.fullmatch(cell)
    return int(found[1]) if found else -1


def _minor(cell: bytes) -> int:
    found = _VERSION.fullmatch(cell)
    return int(found[2] or 0) if found else -1


# Column -> the cells that hold it, and how they are read; -1 stands for a cell without a usable number.
_NUMBERS: dict[str, tuple[str, Callable[[pa.Array], NDArray[np.int64]]]] = {
    _ID: (_ID, _whole_numbers),
    "subject_id": ("subject_ids", partial(_mapped, read=_first_subject)),
    "workflow_id": ("workflow_id", partial(_mapped, read=_whole)),
    "version_major": ("workflow_version", partial(_mapped, read=_major)),
    "version_minor": ("workflow_version", partial(_mapped, read=_minor)),
}


def _typed(rows: pa.Table) -> pd.DataFrame:
    """Return classifications with typed columns; of their metadata only what is known to hold nothing personal."""
    import pyarrow as pa
    from pyarrow import compute

    metadata, name = rows.column("metadata"), rows.column("user_name")
    registered = compute.not_equal(rows.column("user_id"), "")
    stand_in = compute.binary_join_element_wise("unnamed", rows.column("classification_id").cast(pa.string()), "-")
    expert = compute.utf8_lower(rows.column("expert"))
    columns = {
        "classification_id": rows.column("classification_id"),
        "user": compute.if_else(compute.equal(name, ""), stand_in, name),
        "user_kind": compute.if_else(registered, "registered", "anonymous"),
        **{column: rows.column(column) for column in ("subject_id", "subject_ids", "workflow_id")},
        **{column: rows.column(column) for column in ("version_major", "version_minor")},
        "created_at": compute.replace_substring_regex(rows.column("created_at"), r"^(\S+) (\S+) UTC$", r"\1T\2Z"),
        "started_at": _time(metadata, "started_at"),
        "finished_at": _time(metadata, "finished_at"),
        "seen_before": compute.match_substring_regex(metadata, r'"(?:seen_before|already_seen)"\s*:\s*true'),
        "live": compute.invert(compute.match_substring_regex(metadata, r'"live_project"\s*:\s*false')),
        "gold_standard": compute.is_in(compute.utf8_lower(rows.column("gold_standard")), pa.array(["true", "t", "1"])),
        "expert": compute.invert(compute.is_in(expert, pa.array(["", "false", "f", "0"]))),
        "annotations": rows.column("annotations"),
        "subject_data": rows.column("subject_data"),
    }
    table: pd.DataFrame = pa.table(columns).to_pandas()
    return table


def _time(metadata: pa.ChunkedArray, key: str) -> pa.ChunkedArray:
    from pyarrow import compute

    found = compute.extract_regex(metadata, rf'"{key}"\s*:\s*"(?P<time>\d[^"\\]*)"')
    return compute.struct_field(found, "time")


def _tell(tally: Tally, report: Report) -> None:
    report.add(Finding(tally.name, None, None, "ROWS_READ", "info", str(tally.taken), str(tally)))
