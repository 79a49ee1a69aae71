"""Tables as they arrive on bad days, each with what a reader must say about it."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from kso_utils.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Outcome = Literal["read", "found", "refused"]

SPARSE_BYTES = 2 * 2**30
_MANY_ROWS = 600_000
_SITES = ("siteName", "decimalLatitude", "decimalLongitude", "geodeticDatum", "countryCode", "habitat")
_MOVIES = ("filename", "siteName", "created_on", "author", "fps", "duration")
_WORDS = ("Inre", "Yttre", "Norra", "Stora", "Lilla")
_PLACES = ("gr\u00e4nsen", "\u00f6n", "b\u00e5den", "viken", "sk\u00e4ret")


@dataclass(frozen=True, slots=True)
class HostileTable:
    """One file, and what must come of it.

    Attributes
    ----------
    kind
        What is wrong with it.
    path
        The file.
    outcome
        `read`: its rows are all there; `found`: a check finds `code`; `refused`: a `MetadataError`.
    code
        The finding's code.
    line, column
        The place that the finding or the error names, where there is one.
    rows
        How many rows a reader finds.
    """

    kind: str
    path: Path
    outcome: Outcome
    code: str = ""
    line: int | None = None
    column: str | None = None
    rows: int = 0


@dataclass(frozen=True, slots=True)
class _Draft:
    """A table before it is written; `content` stands for header and rows where they cannot say it."""

    table: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    outcome: Outcome = "read"
    code: str = ""
    line: int | None = None
    column: str | None = None
    content: bytes | None = None
    size: int | None = None

    def text(self, separator: str = ",", newline: str = "\n") -> str:
        """Return the table as CSV; cells are written as they are."""
        return newline.join(separator.join(row) for row in (self.header, *self.rows)) + newline

    def holds(self, content: str | bytes) -> _Draft:
        """Return the same table with other content."""
        return replace(self, content=content if isinstance(content, bytes) else content.encode())

    def refused(self, line: int | None = None, column: str | None = None) -> _Draft:
        """Return the same table, to be refused at a place."""
        return replace(self, outcome="refused", line=line, column=column)

    def refused_here(self) -> _Draft:
        """Return the same table, to be refused at the place that is wrong."""
        return replace(self, outcome="refused", code="")

    def with_cell(self, rng: np.random.Generator, column: str, value: str, code: str) -> _Draft:
        """Return the table with another value in a row by chance, where a check is to find it."""
        at, place = int(rng.integers(len(self.rows))), self.header.index(column)
        row = (*self.rows[at][:place], value, *self.rows[at][place + 1 :])
        rows = (*self.rows[:at], row, *self.rows[at + 1 :])
        return replace(self, rows=rows, outcome="found", code=code, line=at + 2, column=column)


def write_hostile_tables(folder: str | Path, count: int = 200, seed: int = 0) -> Iterator[HostileTable]:
    """Write hostile CSV files, one after the other, each into a folder of its own.

    Parameters
    ----------
    folder
        Where to; folders that are there already are written over.
    count
        How many; kinds take turns, each time with other values.
    seed
        What chance begins with.

    Yields
    ------
    HostileTable
        The file that was just written; the sparse ones are of 2 GiB, but take no room on a disk that knows holes.

    Raises
    ------
    ConfigError
        If `count` is below 1.
    """
    if count < 1:
        raise ConfigError(f"{count} files cannot be written. Give 1 or more.")
    names = list(KINDS)
    for number in range(count):
        kind, turn = names[number % len(names)], number // len(names)
        rng = np.random.default_rng([seed, number])
        draft = KINDS[kind](rng, turn)
        path = Path(folder) / f"{number:03}_{kind}" / f"{draft.table}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.write(draft.text().encode() if draft.content is None else draft.content)
            if draft.size is not None:
                file.truncate(draft.size)
        yield HostileTable(kind, path, draft.outcome, draft.code, draft.line, draft.column, len(draft.rows))


def _sites(rng: np.random.Generator) -> _Draft:
    rows = tuple(
        (
            f"{_WORDS[int(rng.integers(5))]} {_PLACES[int(rng.integers(5))]} {n}",
            f"{58 + rng.random():.4f}",
            f"{11 + rng.random():.4f}",
            *("EPSG:4326", "SE", "gr\u00e5 lera"),
        )
        for n in range(int(rng.integers(4, 30)))
    )
    return _Draft("sites", _SITES, rows)


def _movies(rng: np.random.Generator) -> _Draft:
    rows = tuple(
        (f"dive_{n:03}.mp4", "Inre viken", f"2021-08-{n % 28 + 1:02}", "M. Berg", "25", str(int(rng.integers(60, 900))))
        for n in range(int(rng.integers(4, 30)))
    )
    return _Draft("movies", _MOVIES, rows)


def _byte_order_mark(rng: np.random.Generator, _: int) -> _Draft:
    draft = _sites(rng)
    return draft.holds(draft.text().encode("utf-8-sig"))


def _utf16(rng: np.random.Generator, turn: int) -> _Draft:
    draft = _sites(rng)
    encoding = ("utf-16-le", "utf-16-be")[turn % 2]
    return draft.holds(("\ufeff" * (turn // 2 % 2) + draft.text("\t" if turn % 3 else ",")).encode(encoding))


def _utf16_cut(rng: np.random.Generator, turn: int) -> _Draft:
    draft = _sites(rng)
    return draft.holds(draft.text().encode(("utf-16-le", "utf-16-be")[turn % 2])[: -1 - 2 * turn]).refused()


def _latin1(rng: np.random.Generator, turn: int) -> _Draft:
    draft = replace(_sites(rng), outcome="found", code="FILE_NOT_UTF8")
    return draft.holds(draft.text().encode(("latin-1", "cp1252")[turn % 2]))


def _two_encodings(rng: np.random.Generator, _: int) -> _Draft:
    draft = _sites(rng)
    lines = draft.text().encode().splitlines(keepends=True)
    at = int(rng.integers(1, len(lines)))
    lines[at] = lines[at].decode().encode("latin-1")
    return draft.holds(b"".join(lines)).refused(at + 1)


def _line_ends(rng: np.random.Generator, turn: int) -> _Draft:
    draft = _sites(rng)
    text = draft.text(newline=("\r\n", "\r", "\n\n")[turn % 3])
    return draft.holds(text if turn < 3 else text.replace("\r\n", "\n", 2))


def _ragged(rng: np.random.Generator, turn: int) -> _Draft:
    draft = _movies(rng)
    at = int(rng.integers(len(draft.rows)))
    row = draft.rows[at]
    broken = row[: 1 + turn % 5] if turn % 2 else (*row, "x" * turn, "one more")
    column = draft.header[len(broken)] if turn % 2 else draft.header[-1]
    return replace(draft, rows=(*draft.rows[:at], broken, *draft.rows[at + 1 :])).refused(at + 2, column)


def _duplicate_header(rng: np.random.Generator, turn: int) -> _Draft:
    draft = _sites(rng)
    again = ("siteName", "locality", "SITENAME", "habitat", "Latitude")[turn % 5]
    return replace(draft, header=(*draft.header, again), rows=tuple((*row, "x") for row in draft.rows)).refused(1)


def _nul(rng: np.random.Generator, turn: int) -> _Draft:
    column = _SITES[turn % 2 * 5]
    return _sites(rng).with_cell(rng, column, f"In{chr(0) * (turn + 1)}re", "CONTROL_CHARACTER")


def _control(rng: np.random.Generator, turn: int) -> _Draft:
    return _sites(rng).with_cell(rng, "siteName", f"In{chr((1, 7, 8, 27, 127)[turn % 5])}re", "CONTROL_CHARACTER")


def _zeroed(rng: np.random.Generator, turn: int) -> _Draft:
    draft = _sites(rng)
    return draft.holds(draft.text().encode() + bytes(2 ** (12 + turn))).refused()


def _huge_cell(rng: np.random.Generator, turn: int) -> _Draft:
    quote = '"' * (turn % 2)
    cell = quote + "x" * (2**20 if turn % 4 < 2 else 200_000) + quote
    return _sites(rng).with_cell(rng, "habitat", cell, "").refused_here()


def _million_columns(rng: np.random.Generator, turn: int) -> _Draft:
    draft = _sites(rng)
    if turn % 3 == 0:
        return draft.holds(",".join(f"c{n}" for n in range(10**6)) + "\n" + "," * (10**6 - 1) + "\n").refused(1)
    if turn % 3 == 1:
        return draft.holds("siteName" + "," * 10**6 + "x\nInre" + "," * 10**6 + "\n").refused(1)
    return draft.holds(draft.text() + "Inre" + ",x" * 10**6 + "\n").refused(len(draft.rows) + 2)


def _decimals_mixed(rng: np.random.Generator, turn: int) -> _Draft:
    column = ("decimalLatitude", "decimalLongitude")[turn % 2]
    return _sites(rng).with_cell(rng, column, f'"{11 + turn},2{turn}5"', "DECIMAL_SIGNS_MIXED")


def _thousands(rng: np.random.Generator, turn: int) -> _Draft:
    return _movies(rng).with_cell(rng, "duration", f'"{turn + 1},{rng.integers(100, 999)}"', "DECIMAL_COMMA_DOUBTFUL")


def _dates(rng: np.random.Generator, turn: int) -> _Draft:
    date = ("03/04/2021", "13/08/2021", "08/13/2021", "3.4.21", "2021-02-30", "44421", "13-aug-21")[turn % 7]
    return _movies(rng).with_cell(rng, "created_on", date, "RECORDED_DATE_INVALID")


def _swapped(rng: np.random.Generator, turn: int) -> _Draft:
    draft = _sites(rng)
    rows = tuple((row[0], f"17{turn % 8}.25", "-36.5", *row[3:]) for row in draft.rows)
    return replace(draft, rows=rows, outcome="found", code="COORDINATE_OUT_OF_RANGE", line=2, column="decimalLatitude")


def _duplicate_key(rng: np.random.Generator, turn: int) -> _Draft:
    draft = _sites(rng) if turn % 2 else _movies(rng)
    row = draft.rows[int(rng.integers(len(draft.rows)))]
    line, column = len(draft.rows) + 2, draft.header[0]
    return replace(draft, rows=(*draft.rows, row), outcome="found", code="DUPLICATE_KEY", line=line, column=column)


def _formula(rng: np.random.Generator, turn: int) -> _Draft:
    cell = ("=1+1", "=HYPERLINK(A1)", "@SUM(A1)", "+cmd|' /C calc'!A0", "-SUM(A1)", "=A2&B2")[turn % 6]
    return _sites(rng).with_cell(rng, ("siteName", "habitat")[turn % 2], cell, "FORMULA_CELL")


def _empty(rng: np.random.Generator, turn: int) -> _Draft:
    content = ("", "\n", " \n\t\n", ",,,\n,,,\n", "\ufeff", '""\n', ";;\n" * 1000, "\r" * 5000)[turn % 8]
    return replace(_sites(rng), rows=()).holds(content).refused()


def _only_header(rng: np.random.Generator, turn: int) -> _Draft:
    draft = replace(_movies(rng), rows=(), outcome="found", code="TABLE_EMPTY")
    return draft.holds(draft.text((",", ";", "\t")[turn % 3], "\r\n") + "\r\n" * turn)


def _sparse(rng: np.random.Generator, turn: int) -> _Draft:
    draft = _sites(rng).refused()
    return replace(draft if turn % 2 else draft.holds(b""), size=SPARSE_BYTES if turn < 4 else 2**25)


def _unclosed_quote(rng: np.random.Generator, turn: int) -> _Draft:
    draft = _movies(rng) if turn % 2 else _sites(rng)
    return draft.with_cell(rng, draft.header[turn % 6], '"never closed', "").refused_here()


def _stray_quote(rng: np.random.Generator, turn: int) -> _Draft:
    draft = _sites(rng)
    return draft.with_cell(rng, draft.header[turn % 6], '"so" called', "").refused_here()


def _binary(rng: np.random.Generator, turn: int) -> _Draft:
    noise = rng.bytes(4_000)
    content = (noise, zlib.compress(noise), b"PK\x03\x04" + noise, b"SQLite format 3\0" + noise, b"\x89PNG\r\n" + noise)
    return _sites(rng).holds(content[turn % 5]).refused()


def _separators(rng: np.random.Generator, turn: int) -> _Draft:
    draft = _sites(rng)
    separator = (";", "\t", ",")[turn % 3]
    rows = tuple((f'"{row[0]}{separator} ""inner""\nand outer"', *row[1:]) for row in draft.rows)
    return draft.holds(replace(draft, rows=rows).text(separator))


def _no_numbers(rng: np.random.Generator, turn: int) -> _Draft:
    cell = ("25 fps", "1e999", "NaN!", "twenty", "25.0.1", "--25", "0x19")[turn % 7]
    return _movies(rng).with_cell(rng, ("fps", "duration")[turn % 2], cell, "NOT_A_NUMBER")


def _too_many_rows(rng: np.random.Generator, turn: int) -> _Draft:
    if turn % 4:  # large, but not too large
        rows = tuple((f"a{n}.mp4", *("Inre viken", "2021-08-13", "M. Berg", "25", str(n))) for n in range(20_000))
        return replace(_movies(rng), rows=rows)
    return _sites(rng).holds("siteName,habitat\n" + "a,\n" * _MANY_ROWS).refused(500_002)


KINDS: dict[str, Callable[[np.random.Generator, int], _Draft]] = {
    make.__name__.lstrip("_"): make
    for make in (
        *(_byte_order_mark, _utf16, _utf16_cut, _latin1, _two_encodings, _line_ends, _ragged, _duplicate_header),
        *(_nul, _control, _zeroed, _huge_cell, _million_columns, _decimals_mixed, _thousands, _dates, _swapped),
        *(_duplicate_key, _formula, _empty, _only_header, _sparse, _unclosed_quote, _stray_quote, _binary),
        *(_separators, _no_numbers, _too_many_rows),
    )
}
"""Name -> what makes a table of that kind, given chance and the number of the turn."""
