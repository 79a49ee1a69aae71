"""Files of tables as people write them: text cells with the line they stand on, whatever encoding and separator."""

from __future__ import annotations

import csv
import io
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kso_utils.core.errors import MetadataError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table of text cells.

    Attributes
    ----------
    header
        The header's cells.
    rows
        The cells of each row, as many as the header has.
    lines
        The line of each row as a spreadsheet counts it; the header is line 1.
    encoding
        How the file was read: `utf-8` or `cp1252`.
    separator
        What stands between two cells.
    """

    header: list[str]
    rows: list[list[str]]
    lines: list[int]
    encoding: str
    separator: str


def load_sheet(path: Path) -> Sheet:
    """Read a CSV file into text cells, stripped and normalised (NFC).

    Raises
    ------
    MetadataError
        If it is unreadable, empty, binary or ragged; the message names the line.
    """
    text, encoding = _read_text(path)
    first = text.lstrip().partition("\n")[0]
    separator = max(",;\t", key=first.count)
    header, rows, lines = _parse(text, path, separator)
    return Sheet(header, rows, lines, encoding, separator)


def _read_text(path: Path) -> tuple[str, str]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MetadataError(f"{path} cannot be read: {error.strerror}. Check the file and its permissions.") from error
    try:
        text, encoding = data.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError:
        text, encoding = data.decode("cp1252", errors="replace"), "cp1252"
    if any(unicodedata.category(c) == "Cc" and c not in "\t\r\n" for c in set(text)) or "\ufffd" in text:
        raise MetadataError(f"{path} is not a text file. Save the table as CSV (UTF-8).")
    return unicodedata.normalize("NFC", text), encoding


def _parse(text: str, path: Path, separator: str) -> tuple[list[str], list[list[str]], list[int]]:
    try:
        records = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    except csv.Error as error:
        raise MetadataError(
            f"{path} is not a readable CSV file: {error}. Look for a quotation mark that is not closed."
        ) from error
    numbered = [(n, [c.strip() for c in record]) for n, record in enumerate(records, 1) if any(map(str.strip, record))]
    if not numbered:
        raise MetadataError(f"{path} is empty. It must have a header line and at least one row.")
    header = numbered[0][1]
    while header and not header[-1]:
        header.pop()
    if len(numbered) == 1:
        raise MetadataError(f"{path} has a header but no rows. Fill it in, or remove the file.")
    width = len(header)
    for number, record in numbered[1:]:
        if len(record) < width or any(record[width:]):
            raise MetadataError(
                f"{path}, line {number}: {len(record)} values under a header of {width}. "
                "Quote values that contain a separator, and give every row as many values as the header."
            )
    return header, [record[:width] for _, record in numbered[1:]], [number for number, _ in numbered[1:]]
