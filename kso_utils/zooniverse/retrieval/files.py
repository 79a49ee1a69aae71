"""Files of exports: what each is, whether it is whole, and its rows a batch at a time."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

from kso_utils.core.errors import MetadataError, MissingExtra
from kso_utils.core.paths import sha256_file
from kso_utils.core.report import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from kso_utils.core.report import Report

KINDS = {
    "classifications": ("classification_id", "annotations", "workflow_version"),
    "subjects": ("subject_id", "locations", "metadata"),
    "workflows": ("workflow_id", "tasks", "strings"),
}
_GZIP = b"\x1f\x8b"
_NOT_TABLES = {b"<": "a web page", b"PK\x03\x04": "a packed folder or a workbook", b"%PDF": "a PDF", b"{": "JSON"}
_HEAD = 1 << 16
# How a file is read: by several threads, who cannot tell which row is too long or too short; then by one, who can; then
# in larger blocks, where a single row is larger than a block.
_WAYS = ((True, 1 << 20), (False, 1 << 20), (False, 1 << 25), (False, (1 << 31) - 1))
_LISTED = 1_000


@dataclass(frozen=True, slots=True)
class ExportFile:
    """A file of exported rows.

    Attributes
    ----------
    path
        Where it is.
    kind
        `classifications`, `subjects` or `workflows`.
    columns
        Its header.
    packed
        Whether it is packed with gzip.
    sha256, size_bytes
        Of the file as it is.
    """

    path: Path
    kind: str
    columns: tuple[str, ...]
    packed: bool
    sha256: str
    size_bytes: int


@dataclass(slots=True)
class Tally:
    """What became of the rows of one file.

    Attributes
    ----------
    name, kind, sha256
        The file.
    rows
        How many rows it has; each of them is taken, known, repeated or refused.
    taken
        Rows that are new.
    known
        Rows whose classification was in the store already.
    repeated
        Rows that came before, in this or another file.
    refused
        Rows that cannot be used; the report has the reason of each.
    """

    name: str
    kind: str
    sha256: str
    rows: int = 0
    taken: int = 0
    known: int = 0
    repeated: int = 0
    refused: int = 0

    def __str__(self) -> str:
        """Return the counts as a sentence; those that are 0 are left out."""
        parts = ("taken", "known", "repeated", "refused")
        counts = [f"{getattr(self, part)} {part}" for part in parts if getattr(self, part)]
        return f"{self.rows} rows of {self.kind}: {', '.join(counts) or 'none taken'}."


@dataclass(slots=True)
class Refusals:
    """Lists the rows of a file that cannot be used: the first thousand of a kind one by one, the others as a number."""

    report: Report
    tally: Tally
    _counts: Counter[str] = field(default_factory=Counter)

    def add(self, line: int, column: str | None, code: str, value: str, message: str) -> None:
        """List one row by its line."""
        self.tally.refused += 1
        self._counts[code] += 1
        if self._counts[code] <= _LISTED:
            text = f"{message} The row was left out."
            self.report.add(
                Finding(self.tally.name, line, column, code, "warning", value[:80], text, "Export it again.")
            )

    def close(self) -> None:
        """Tell how many more there were."""
        for code, count in self._counts.items():
            if count > _LISTED:
                message = f"{count - _LISTED} more rows of the file were left out for this reason."
                self.report.add(Finding(self.tally.name, None, None, code, "warning", str(count - _LISTED), message))


def examine(path: Path, report: Report) -> ExportFile | None:
    """Return what export a file holds, whatever it is called; None where it is no export, which the report tells.

    Raises
    ------
    MetadataError
        If the file cannot be read, or is cut off.
    """
    with _unpacked(path) as (handle, packed):
        head = handle.read(_HEAD)
        start = head.lstrip(b"\xef\xbb\xbf \r\n\t")
        other = next((what for mark, what in _NOT_TABLES.items() if start.startswith(mark)), None)
        header = () if other else _header(head)
        kind = next((kind for kind, columns in KINDS.items() if set(columns) <= set(header)), None)
        if kind is None:
            message = f"The file is {other}" if other else "The file has the columns of no export"
            fix = "Download the export again, logged in." if other == "a web page" else ""
            finding = Finding(path.name, None, None, "NOT_AN_EXPORT", "info", "", f"{message} and was left out.", fix)
            report.add(finding)
            return None
        if _is_cut_off(head, handle):
            raise _damaged(path, "it ends inside a quoted cell")
    return ExportFile(path, kind, header, packed, sha256_file(path), path.stat().st_size)


def read_batches(
    file: ExportFile, wanted: Sequence[str], refusals: Refusals
) -> Iterator[tuple[NDArray[np.int64], pa.RecordBatch]]:
    """Yield the rows of a file in batches of some megabytes.

    Parameters
    ----------
    file
        As `examine` gives it.
    wanted
        The columns; one that the file lacks is empty.
    refusals
        Gets the rows that have more or fewer cells than the header, and counts all rows.

    Yields
    ------
    NDArray
        The line of each row as a person counts it in a spreadsheet: the first below the header is 2.
    RecordBatch
        The columns as bytes.

    Raises
    ------
    MetadataError
        If the file is damaged.
    MissingExtra
        If pyarrow is not installed.
    """
    import numpy as np

    bad: dict[int, tuple[int | None, int]] = {}
    done = 0
    for batch in _parsed(file, wanted, lambda row: _skip(row, bad)):
        lines = np.arange(done, done + len(batch), dtype=np.int64) + 2
        shifted = np.array(sorted(bad), dtype=np.int64)
        lines += np.searchsorted(shifted - np.arange(len(shifted)), lines, side="right")
        done += len(batch)
        refusals.tally.rows += len(batch)
        yield lines, batch
    refusals.tally.rows += len(bad)
    for line, (expected, actual) in sorted(bad.items()):
        message = f"The row has {actual} cells where the header has {expected}."
        refusals.add(line, None, "WRONG_LENGTH", str(actual), message)


def read_texts(
    file: ExportFile,
    wanted: Sequence[str],
    report: Report,
    tally: Tally,
    find_fault: Callable[[Mapping[str, str]], str | None] | None = None,
) -> pa.Table:
    """Return all rows of a file as text.

    Parameters
    ----------
    file, wanted
        As in `read_batches`.
    report
        Gets the rows that cannot be used, each with its line and reason.
    tally
        Gets the counts.
    find_fault
        Returns why a row cannot be used, None where it can.

    Raises
    ------
    MetadataError
        If the file is damaged.
    MissingExtra
        If pyarrow is not installed.
    """
    import pyarrow as pa

    refusals, foreign = Refusals(report, tally), Foreign(report, file.path.name)
    batches = read_batches(file, wanted, refusals)
    parts = [
        _without_faults(decode(pa.Table.from_batches([batch]), lines, foreign), lines, find_fault, refusals)
        for lines, batch in batches
    ]
    refusals.close()
    foreign.close()
    tally.taken = tally.rows - tally.refused
    return pa.concat_tables(parts) if parts else pa.table({name: pa.array([], pa.string()) for name in wanted})


def _without_faults(
    rows: pa.Table,
    lines: NDArray[np.int64],
    find_fault: Callable[[Mapping[str, str]], str | None] | None,
    refusals: Refusals,
) -> pa.Table:
    import pyarrow as pa

    faults = [find_fault(row) for row in rows.to_pylist()] if find_fault else []
    for line, fault in zip(lines.tolist(), faults, strict=False):
        if fault is not None:
            refusals.add(line, None, "UNREADABLE_ROW", "", f"The row cannot be read: {fault}.")
    return rows.filter(pa.array([fault is None for fault in faults])) if any(faults) else rows


@dataclass(slots=True)
class Foreign:
    """Counts the rows of a file that are not UTF-8."""

    report: Report
    name: str
    rows: int = 0
    first: int | None = None

    def add(self, line: int) -> None:
        """Count one row."""
        self.rows += 1
        self.first = line if self.first is None else min(line, self.first)

    def close(self) -> None:
        """Tell how many there were, and the first line."""
        if self.rows:
            message = f"{self.rows} cells from this line on are not UTF-8; they were read as Windows-1252."
            fix = "Check names with accents."
            self.report.add(Finding(self.name, self.first, None, "NOT_UTF8", "warning", str(self.rows), message, fix))


def decode(rows: pa.Table, lines: NDArray[np.int64], foreign: Foreign) -> pa.Table:
    """Return rows with their bytes as text: UTF-8, and Windows-1252 where a cell is not UTF-8."""
    import pyarrow as pa

    columns = {}
    for name, column in zip(rows.column_names, rows.columns, strict=True):
        try:
            columns[name] = column.cast(pa.string()) if pa.types.is_binary(column.type) else column
        except pa.ArrowInvalid:
            cells = zip(column.to_pylist(), lines.tolist(), strict=True)
            columns[name] = pa.chunked_array([[_text(cell, line, foreign) for cell, line in cells]], pa.string())
    return pa.table(columns)


def _text(cell: bytes, line: int, foreign: Foreign) -> str:
    try:
        return cell.decode()
    except UnicodeDecodeError:
        foreign.add(line)
        return cell.decode("cp1252", "replace")


def _header(head: bytes) -> tuple[str, ...]:
    text = head.decode("utf-8-sig", "replace")
    try:
        return tuple(next(csv.reader(io.StringIO(text, newline="")), []))
    except csv.Error:
        return ()


@contextmanager
def _unpacked(path: Path) -> Iterator[tuple[IO[bytes], bool]]:
    try:
        with path.open("rb") as raw:
            packed = raw.read(len(_GZIP)) == _GZIP
        with path.open("rb") as raw:
            handle: Any = gzip.GzipFile(fileobj=raw) if packed else raw
            yield handle, packed
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _damaged(path, str(error)) from error


def _is_cut_off(head: bytes, rest: IO[bytes]) -> bool:
    """Return whether a table ends inside a quoted cell."""
    import numpy as np

    quotes, block = 0, head
    while block:
        quotes += int(np.count_nonzero(np.frombuffer(block, np.uint8) == ord('"')))
        block = rest.read(1 << 20)
    return quotes % 2 == 1


def _damaged(path: Path, why: str) -> MetadataError:
    return MetadataError(f"{path} is damaged or cut off: {why.strip()}. Download the export again.")


def _skip(row: Any, bad: dict[int, tuple[int | None, int]]) -> str:
    bad[row.number] = (row.expected_columns, row.actual_columns)
    return "skip"


def _parsed(file: ExportFile, wanted: Sequence[str], skip: Callable[[Any], str]) -> Iterator[pa.RecordBatch]:
    """Yield batches of rows; where one way of reading fails, go on with the next."""
    try:
        import pyarrow as pa
        from pyarrow import csv as arrow_csv
    except ImportError as error:
        raise MissingExtra("pyarrow", "zooniverse") from error
    # By our own names: those that nobody wants may be empty or occur twice.
    names = [name if name in wanted else f"_{number}" for number, name in enumerate(file.columns)]
    convert = arrow_csv.ConvertOptions(
        column_types=dict.fromkeys(wanted, pa.binary()), include_columns=list(wanted), include_missing_columns=True
    )
    done = 0
    for threads, block in _WAYS:
        read = arrow_csv.ReadOptions(use_threads=threads, block_size=block, column_names=names, skip_rows=1)
        parse = arrow_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=None if threads else skip)
        seen = 0
        try:
            with (
                pa.input_stream(str(file.path), compression="gzip" if file.packed else None) as stream,
                arrow_csv.open_csv(stream, read, parse, convert) as reader,
            ):
                for batch in reader:
                    fresh = batch.slice(max(0, done - seen))
                    seen += len(batch)
                    if len(fresh):
                        done += len(fresh)
                        yield fresh
            return
        except pa.ArrowInvalid as error:
            if (threads, block) == _WAYS[-1]:
                raise _damaged(file.path, str(error)) from error
