"""The rows of an archive's tables, a line at a time, however meta.xml says that they are written."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Literal, NamedTuple

from kso_utils.annotations.darwincore.containers import READ_ERRORS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kso_utils.annotations.darwincore.containers import Container
    from kso_utils.annotations.darwincore.descriptors import Table
    from kso_utils.annotations.darwincore.issues import Findings

_MAX_LINE = 1 << 20
_CHUNK = 1 << 16
_LOST = "\ufffd"


class Row(NamedTuple):
    """A row: where it begins, its cells (stripped, as many as meta.xml names at least), and whether none is missing."""

    file: str
    line: int
    cells: list[str]
    whole: bool


@dataclass
class Reading:
    """Reads a table's rows.

    Attributes
    ----------
    container
        Where its files are.
    table
        How it is written.
    found
        Where it tells what it could not read, None to read in silence (a table read a second time).
    complete
        Whether all was read so far; where not, nobody can say what the table does not have.
    """

    container: Container
    table: Table
    found: Findings | None = None
    complete: bool = field(default=True, init=False)

    def header(self, file: str) -> list[str]:
        """Return the cells of the last header line of a file, none where it has no header."""
        silent = Reading(self.container, self.table)
        rows = silent._raw(file, stop=self.table.header_lines) if self.table.header_lines else iter(())
        return next((cells for _, cells in rows), [])

    def rows(self) -> Iterator[Row]:
        """Yield every row that can be read; of one with too many or too few columns, that is told."""
        least = self.table.width
        for file in self.table.files:
            width = len(self.header(file))
            for line, cells in self._raw(file):
                width = width or max(least, len(cells))
                whole = len(cells) == width
                if not whole:
                    message = f"The line has {len(cells)} columns, the file {width}."
                    self._tell("COLUMN_MISMATCH", file, message, line=line, value=str(len(cells)))
                yield Row(file, line, [cell.strip() for cell in cells] + [""] * (least - len(cells)), whole)

    def _raw(self, file: str, stop: int = 0) -> Iterator[tuple[int, list[str]]]:
        """Yield the rows behind the header, or with `stop` the one in that line."""
        skip = stop - 1 if stop else self.table.header_lines
        try:
            with self.container.open(file) as stream:
                for line, cells in self._parse(file, self._lines(file, stream), skip):
                    yield line, cells
                    if stop:
                        return
        except (*READ_ERRORS, UnicodeError) as error:
            self.complete = False
            self._tell("UNREADABLE_SECTION_ERROR", file, f"The file breaks off: {error}.")

    def _parse(self, file: str, lines: Iterator[str], skip: int) -> Iterator[tuple[int, list[str]]]:
        for _ in range(skip):
            next(lines, None)
        quote, delimiter = self.table.quote or None, self.table.delimiter
        quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE
        reader = csv.reader(lines, delimiter=delimiter, quotechar=quote, quoting=quoting, strict=True)
        while True:
            start = skip + reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                self.complete = False
                self._tell("UNREADABLE_SECTION_ERROR", file, f"The row cannot be read: {error}.", line=start)
                continue
            if cells:
                yield start, cells

    def _lines(self, file: str, stream: IO[bytes]) -> Iterator[str]:
        """Yield lines of bounded length, with a line feed at the end."""
        text = io.TextIOWrapper(stream, encoding=self.table.encoding, errors="replace", newline="")
        lines = _split(text, self.table.terminator) if self.table.terminator.strip("\r\n") else _read_lines(text)
        for number, line in enumerate(lines, 1):
            if _LOST in line:
                self._tell(
                    "ENCODING_INVALID",
                    file,
                    f"The line holds bytes that are not {self.table.encoding.removesuffix('-sig')}.",
                    line=number,
                    value=line.strip(),
                )
            yield line

    def _tell(self, code: str, file: str, message: str, *, line: int | None = None, value: str = "") -> None:
        if self.found is not None:
            self.found.add(code, file, message, line=line, value=value)


def _read_lines(text: io.TextIOWrapper) -> Iterator[str]:
    while line := text.readline(_MAX_LINE):
        if len(line) == _MAX_LINE and not line.endswith(("\n", "\r")):
            raise OSError(f"a line is longer than {_MAX_LINE} characters")
        yield line


def _split(text: io.TextIOWrapper, terminator: str) -> Iterator[str]:
    """Yield what stands between line ends that are none to a text editor."""
    rest = ""
    while chunk := text.read(_CHUNK):
        *whole, rest = (rest + chunk).split(terminator)
        if len(rest) > _MAX_LINE:
            raise OSError(f"a line is longer than {_MAX_LINE} characters")
        yield from (line + "\n" for line in whole)
    if rest:
        yield rest + "\n"
