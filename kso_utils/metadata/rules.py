"""What a check is, and how it names the rows in which it finds something."""

from __future__ import annotations

from dataclasses import dataclass
from string import Formatter
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from kso_utils.core.report import Finding, Severity
from kso_utils.metadata.tables import LINE
from kso_utils.metadata.terms import TABLES, Column, Table
from kso_utils.metadata.values import known_numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from kso_utils.metadata.values import Cells, Mask

    Tables = dict[str, pd.DataFrame]
    Find = Callable[[Tables, pd.DataFrame | None], Iterable["Hit"]]


class Hit(NamedTuple):
    """One place in which a check found what it looks for; its own fix, where there is one, stands for the check's."""

    table: str
    row: int | None
    column: str | None
    value: str
    message: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """A check of the tables.

    Attributes
    ----------
    code
        Its stable name; GBIF's where GBIF has the same issue.
    severity
        `error`: the store would be wrong; `warning`: suspicious, or cannot be published.
    meaning
        What is wrong, in one sentence, without a place.
    fix
        What to do about it.
    find
        Yields the places.
    """

    code: str
    severity: Severity
    meaning: str
    fix: str
    find: Find

    def run(self, tables: Tables, footage: pd.DataFrame | None) -> Iterator[Finding]:
        """Yield a finding for each place."""
        for hit in self.find(tables, footage):
            fix = hit.fix or self.fix
            yield Finding(hit.table, hit.row, hit.column, self.code, self.severity, hit.value, hit.message, fix)


CHECKS: dict[str, Check] = {}
"""Code -> check, in the order in which they run."""


def check(code: str, severity: Severity, meaning: str, fix: str) -> Callable[[Find], Find]:
    """Register a function as a check."""

    def register(find: Find) -> Find:
        CHECKS[code] = Check(code, severity, meaning, fix, find)
        return find

    return register


def each_column(tables: Tables, *kinds: str) -> Iterator[tuple[Table, Column, pd.DataFrame]]:
    """Yield every known column that the tables have, of the kinds given or of all."""
    for name, frame in tables.items():
        for column in TABLES[name].columns:
            if column.name in frame and (not kinds or column.kind in kinds):
                yield TABLES[name], column, frame


def hits(table: str, frame: pd.DataFrame, column: str, wrong: Mask, message: str, fix: str = "") -> Iterator[Hit]:
    """Yield a hit for each row that is wrong.

    Parameters
    ----------
    table
        The table's name.
    frame
        Its rows.
    column
        The column that is blamed.
    wrong
        One truth value a row, in the order of the rows.
    message
        A sentence in which `{column}` (the header in the file) and `{value}`, and any other column's name, are
        replaced; columns that the table lacks are blank.
    fix
        What to do about these rows, with the same replacements; where nothing is left, the check's own advice stands.
    """
    mask = wrong.to_numpy(dtype=bool)
    if not mask.any():
        return
    named = {name for text in (message, fix) for _, name, _, _ in Formatter().parse(text) if name}
    chosen = frame.loc[mask, [name for name in frame if name == column or name in named]]
    cells = {str(name): [show(value) for value in chosen[name].tolist()] for name in chosen}
    blanks = [""] * len(chosen)
    values = cells.get(column, blanks)
    cells |= {"column": [written(frame, column)] * len(chosen), "value": values}
    for k, line in enumerate(lines(frame)[mask]):
        texts = {name: _visible(cells.get(name, blanks)[k]) for name in named}
        yield Hit(table, int(line), column, values[k], message.format_map(texts), fix.format_map(texts))


def advise(mended: Cells, text: str = "Write {}.") -> Cells:
    """Return what to do about each cell, given what it should be; empty where that is missing."""
    return mended.map(lambda value: text.format(show(value)) if show(value) else "")


def repeats(table: str, frame: pd.DataFrame, column: str, cells: Cells, message: str) -> Iterator[Hit]:
    """Yield the rows whose cell (not empty) stands in an earlier row, whose line is `{_first}` in the message."""
    known = cells.notna() & cells.ne("")
    again = known & cells.duplicated()
    if again.any():
        numbers = pd.Series(lines(frame).to_numpy(), index=frame.index)
        first = dict(zip(cells[known & ~again], numbers[known & ~again], strict=True))
        yield from hits(table, frame.assign(_first=cells.map(first)), column, again, message)


def not_positive(tables: Tables, table: Table, column: str) -> Iterator[Hit]:
    """Yield the rows whose number is 0 or less."""
    frame = tables.get(table.name)
    if frame is not None and column in frame:
        wrong = known_numbers(frame, table, column).le(0)
        yield from hits(table.name, frame, column, wrong, "{column} is {value}; it must be above 0.")


def lines(frame: pd.DataFrame) -> pd.Index[int]:
    """Return the line of each row: that of the file, or for tables made otherwise as if the header were line 1."""
    return frame.index if frame.index.name == LINE else pd.RangeIndex(2, len(frame) + 2)


def written(frame: pd.DataFrame, column: str) -> str:
    """Return the header under which the file has a column."""
    return str(frame.attrs.get("headers", {}).get(column, column))


def show(value: Any) -> str:
    """Return a cell as a person wrote it, as near as its type tells."""
    if value is None or value is pd.NA or value != value:
        return ""
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _visible(text: str) -> str:
    """Return text in which control characters and their like are written as codes, so that a terminal is safe."""
    return text if text.isprintable() else "".join(c if c.isprintable() else f"<U+{ord(c):04X}>" for c in text)
