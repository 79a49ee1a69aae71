"""Text files of cells: encodings, separators, line ends and quotes as people and programs write them."""

from __future__ import annotations

import codecs
import csv
import re
from typing import TYPE_CHECKING, TextIO

from kso_utils.core.errors import MetadataError
from kso_utils.metadata.records import MAX_COLUMNS, Sheet, clean_cell, name_place, require_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_MAX_LINE = 1_000_000
_CHUNK = 2**20
_START = 2**16
_REMEMBERED = 100_000
_QUOTED = re.compile(r'"[^"]*("|$)')
_LINE_END = re.compile(r"\r\n|\n|\r")
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_WRITABLE_BYTES = bytes(b for b in range(256) if b >= 32 or b in b"\t\r\n")


def load_delimited(path: Path) -> Sheet:
    """Read a CSV or TSV file into text cells.

    Raises
    ------
    MetadataError
        If it is binary, empty, ragged, or not readable; the message names line and column where there is one.
    OSError
        If the file cannot be read.
    """
    encoding, bom = _find_encoding(path)
    errors = "replace" if encoding == "cp1252" else "strict"
    with path.open(encoding=encoding, errors=errors, newline="") as file:
        try:
            start = file.read(_START)
            file.seek(0)
            separator = _find_separator(start)
            found = _LINE_END.search(start)
            header, rows, lines = require_table(path, _read_records(file, path, separator))
        except UnicodeError as error:
            raise MetadataError(
                f"{path} is not a text file: it begins as {encoding}, but does not go on so. Save it as CSV (UTF-8)."
            ) from error
    return Sheet(header, rows, lines, encoding, separator, found[0] if found else "\n", bom)


def _find_encoding(path: Path) -> tuple[str, bool]:
    """Return the encoding of a file and whether it begins with a byte order mark."""
    with path.open("rb") as file:
        start = file.read(_START)
        for mark, name in _BOMS:
            if start.startswith(mark) and name != "utf-8":
                return name, True
        bom = start.startswith(codecs.BOM_UTF8)
        if kind := _guess_utf16(start):
            return kind, False
        file.seek(0)
        decoder = codecs.getincrementaldecoder("utf-8")()
        strange, valid = 0, True
        while chunk := file.read(_CHUNK):
            strange += len(chunk.translate(None, _WRITABLE_BYTES))
            if valid:
                try:
                    decoder.decode(chunk)
                except UnicodeDecodeError:
                    valid = False
        if strange > 10 and strange * 100 > file.tell():
            raise MetadataError(f"{path} is not a text file. Save the table as CSV (UTF-8).")
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            valid = False
        if not valid:
            file.seek(0)
            _refuse_mixed(file.readline, path, bom)
    return ("utf-8" if valid else "cp1252"), bom


def _guess_utf16(start: bytes) -> str | None:
    """Return the kind of UTF-16 where every second byte of the beginning is NUL, and no other."""
    odd, even = start[1:200:2], start[0:200:2]
    if len(start) >= 4 and len(start) % 2 == 0:
        if odd.count(0) * 10 >= len(odd) * 9 and not even.count(0):
            return "utf-16-le"
        if even.count(0) * 10 >= len(even) * 9 and not odd.count(0):
            return "utf-16-be"
    return None


def _refuse_mixed(readline: Callable[[int], bytes], path: Path, bom: bool) -> None:
    """Refuse a file of which some lines are UTF-8 and others are not: read as one of them, it has wrong letters."""
    good, bad, number = bom, 0, 0
    while line := readline(_MAX_LINE):
        number += 1
        if not line.isascii():
            try:
                line.decode("utf-8")
                good = True
            except UnicodeDecodeError:
                bad = bad or number
        if good and bad:
            raise MetadataError(
                f"{name_place(path, bad)}: letters are not UTF-8 here, but elsewhere in the file they are. "
                "Correct the names on that line and save the table as CSV (UTF-8)."
            )


def _find_separator(start: str) -> str:
    """Return the separator that stands oftenest, outside quotes, in the first two lines that are not blank."""
    lines = [_QUOTED.sub("", line) for line in _LINE_END.split(start, maxsplit=50) if line.strip()]
    header, row = (*lines[:2], "", "")[:2]
    return max(",;\t", key=lambda one: (min(header.count(one), row.count(one)), header.count(one)))


class _Lines:
    """The lines of a file, none without end; `pending` are those of the record that is being read."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.pending: list[str] = []
        self.endless = False

    def __iter__(self) -> Iterator[str]:
        first = True
        while line := self._file.readline(_MAX_LINE):
            self.pending.append(line)
            if len(line) == _MAX_LINE and line[-1] not in "\r\n":
                self.endless = True
                return
            yield line.removeprefix("\ufeff") if first else line
            first = False


class _Cells(dict[str, str]):
    """Raw cell -> clean cell; equal cells are one text in memory."""

    def __missing__(self, text: str) -> str:
        cell = clean_cell(text)
        if len(self) < _REMEMBERED:
            self[text] = cell
        return cell


def _read_records(file: TextIO, path: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    lines, cells = _Lines(file), _Cells()
    reader = csv.reader(lines, delimiter=separator, strict=True, skipinitialspace=True)
    header: list[str] = []
    number = 0
    while True:
        number += 1
        lines.pending.clear()
        problem = ""
        record: list[str] | None = None
        try:
            record = next(reader, None)
        except csv.Error as error:
            problem = str(error)
        if lines.endless or problem:
            raise _describe_unreadable(path, number, header, "".join(lines.pending), separator, problem)
        if record is None:
            return
        cleaned = [cells[text] for text in record]
        header = header or (cleaned if any(cleaned) else [])
        yield number, cleaned


def _describe_unreadable(
    path: Path, number: int, header: list[str], text: str, separator: str, problem: str
) -> MetadataError:
    # A cell that goes on after its closing quotation mark is where reading stopped.
    stopped = re.search(rf'"(?:[^"]|"")*"(?![{re.escape(separator)}\r\n]|$)', text) if "expected" in problem else None
    before = _QUOTED.sub("", text[: stopped.start()] if stopped else text).count(separator)
    if before >= MAX_COLUMNS:
        return MetadataError(
            f"{name_place(path, number)}: the line has more than {MAX_COLUMNS:,} columns. Give a table of metadata."
        )
    column = header[before] if before < len(header) else str(before + 1)
    if not problem or "field limit" in problem:
        problem = "a cell has more characters than a cell of a table can have"
    return MetadataError(
        f"{name_place(path, number, column)} is not readable CSV: {problem}. "
        "Look for a quotation mark that is not closed, in this line or above."
    )
