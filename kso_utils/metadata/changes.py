"""Changes of tables: asked for in code or in a file of corrections, and told from two versions of the tables."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from kso_utils.core.errors import MetadataError
from kso_utils.metadata.records import name_place
from kso_utils.metadata.sheets import load_sheet
from kso_utils.metadata.terms import EDIT_COLUMN, TABLES
from kso_utils.metadata.values import to_flags, to_numbers, to_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kso_utils.metadata.terms import Column
    from kso_utils.metadata.values import Cells, Mask

Action = Literal["set", "add", "remove"]
ACTIONS: tuple[Action, ...] = ("set", "add", "remove")
DIFFERENCE = ("table", "key", "column", "before", "after", "action")
"""The columns of a difference."""

_CORRECTIONS = ("table", "key", "column", "value")
_NUMBERS = ("number", "integer")
_SHOWN = 8
_PLAIN_NUMBER = re.compile(r"[+-]?\d+\.\d+")


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a cell or row.

    Attributes
    ----------
    table
        The table.
    key
        The name of the row before the change: `filename`, `locality`, `vernacularName` or `eventID`.
    column
        The column, by our name or by its header in the file. None for a row that is added without further values, or
        removed.
    value
        The new value: text as it would be typed into the file, a number, a truth value, a date; None to empty the cell.
    action
        `set` changes a cell, `remove` a row. `add` gives a cell of a new row; those of one key make one row.
    follows
        The name of the row that a new row comes after; an empty text puts it first, None last.
    row_id
        The id of a new row in the store, where it is free.
    """

    table: str
    key: str
    column: str | None = None
    value: Any = None
    action: Action = "set"
    follows: str | None = None
    row_id: int | None = None


class Verbatim(str):
    """A value that is written as it stands, as when an edit is undone."""

    __slots__ = ()


def load_changes(path: str | Path) -> list[Change]:
    """Read a file of corrections.

    It is a table like others (CSV or Excel) with the columns `table`, `key`, `column`, `value` and, where rows are
    added or removed, `action` (`set`, `add`, `remove`; empty is `set`). An empty `value` empties the cell.

    Raises
    ------
    MetadataError
        If the file cannot be read, lacks a column, or a row makes no sense; the message names line and column.
    """
    file = Path(path)
    sheet = load_sheet(file)
    names = [header.casefold() for header in sheet.header]
    lacking = [name for name in _CORRECTIONS if name not in names]
    if lacking:
        raise MetadataError(
            f"{file} has no column {lacking[0]!r}. A file of corrections has: {', '.join(_CORRECTIONS)} and, where "
            "rows are added or removed, action."
        )
    return [
        _read_correction(dict(zip(names, row, strict=True)), file, line)
        for row, line in zip(sheet.rows, sheet.lines, strict=True)
    ]


def _read_correction(cells: dict[str, str], file: Path, line: int) -> Change:
    action = cells.get("action", "").lower() or "set"
    known = next((one for one in ACTIONS if one == action), None)
    if known is None:
        raise MetadataError(f"{name_place(file, line, 'action')}: {action!r} is none of {', '.join(ACTIONS)}.")
    if cells["table"] not in TABLES:
        listed = ", ".join(TABLES)
        raise MetadataError(
            f"{name_place(file, line, 'table')}: there is no table {cells['table']!r}. It is: {listed}."
        )
    if not cells["key"]:
        raise MetadataError(f"{name_place(file, line, 'key')}: the name of the row is empty. Fill it in.")
    if known == "set" and not cells["column"]:
        raise MetadataError(f"{name_place(file, line, 'column')}: it is empty. Name the column that is to change.")
    return Change(cells["table"], cells["key"], cells["column"] or None, cells["value"] or None, known)


def write_value(value: Any, column: Column | None, dates: str | None, comma: bool) -> str:
    """Return a value as the text of its cell.

    Parameters
    ----------
    value
        As in `Change`.
    column
        Its column, None for one of the project's own.
    dates
        How the project writes dates; a day in ISO 8601 is turned into that.
    comma
        Whether the column's numbers have a decimal comma.
    """
    if isinstance(value, Verbatim):
        return str(value)
    if value is None or value is pd.NA or value is pd.NaT or value != value:
        return ""
    native = value.item() if hasattr(value, "item") else value
    if isinstance(native, bool):
        return "true" if native else "false"
    if isinstance(native, float) and native.is_integer() and abs(native) < 1e15:
        native = int(native)
    text = native.isoformat() if isinstance(native, date) else str(native).strip()
    if column is None:
        return text
    if column.kind == "date" and dates and _is_day(text):
        return dates.replace("YYYY", text[:4]).replace("MM", text[5:7]).replace("DD", text[8:10])
    if column.kind == "number" and comma and _PLAIN_NUMBER.fullmatch(text):
        return text.replace(".", ",")
    return text


def _is_day(text: str) -> bool:
    if len(text) != 10:
        return False
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def differing(first: Cells, second: Cells, column: Column | None) -> Mask:
    """Return where two columns with one index differ in value; what is missing is the same as what is missing."""
    one, other = to_text(first), to_text(second)
    same = one.eq(other).fillna(False).astype(bool) | (one.isna() & other.isna())
    if column is not None and column.kind in _NUMBERS:
        same |= to_numbers(first).eq(to_numbers(second))
    elif column is not None and column.kind == "flag":
        same |= to_flags(first).eq(to_flags(second)).fillna(False).astype(bool)
    return ~same


def compare(before: Mapping[str, pd.DataFrame], after: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return what differs between two versions of tables.

    Rows are known by their key; order, spelling of headers and of numbers, and the ids of edits do not count.

    Parameters
    ----------
    before, after
        Tables as `load_tables` gives them.

    Returns
    -------
    DataFrame
        One row a cell: `table`, `key`, `column`, `before`, `after` (None where empty) and `action`: `set` for a cell
        that changed, `add` and `remove` for the cells of rows that came or went.
    """
    parts = [
        _compare_table(name, before.get(name, pd.DataFrame()), after.get(name, pd.DataFrame()))
        for name in TABLES
        if name in before or name in after
    ]
    return tabulate([row for part in parts for row in part])


def tabulate(rows: Iterable[tuple[str, str, str, Any, Any, str]]) -> pd.DataFrame:
    """Return rows of a difference as a DataFrame."""
    return pd.DataFrame(list(rows), columns=list(DIFFERENCE), dtype="object")


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a DataFrame as dictionaries."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _compare_table(name: str, before: pd.DataFrame, after: pd.DataFrame) -> list[tuple[str, str, str, Any, Any, str]]:
    table = TABLES[name]
    old, new = _by_key(before, table.key), _by_key(after, table.key)
    both = old.index.intersection(new.index, sort=False)
    columns = [c for c in dict.fromkeys([*old.columns, *new.columns]) if c != EDIT_COLUMN]
    rows: list[tuple[int, str, str, Any, Any, str]] = []
    places = {index: place for place, index in enumerate(old.index)}
    for column in columns:
        if column == table.key:
            continue
        first, second = (
            frame[column].reindex(both) if column in frame else pd.Series(None, index=both, dtype="object")
            for frame in (old, new)
        )
        changed = differing(first, second, table.column(column)).to_numpy()
        for index, was, now in zip(both[changed], first[changed], second[changed], strict=True):
            rows.append((places[index], index[0], column, _shown(was), _shown(now), "set"))
    told = [(name, *row[1:]) for row in sorted(rows, key=lambda row: row[0])]
    for frame, other, action in ((new, old, "add"), (old, new, "remove")):
        for index in frame.index.difference(other.index, sort=False):
            for column, value in frame.loc[index].items():
                if column != EDIT_COLUMN and (shown := _shown(value)) is not None:
                    pair = (None, shown) if action == "add" else (shown, None)
                    told.append((name, index[0], str(column), *pair, action))
    return told


def _by_key(frame: pd.DataFrame, key: str) -> pd.DataFrame:
    """Return the rows under their key and how often it came before, so that repeated keys are told apart."""
    keys = to_text(frame[key]).fillna("") if key in frame else pd.Series("", index=frame.index)
    times = keys.groupby(keys).cumcount()
    return frame.set_axis(pd.MultiIndex.from_arrays([keys.astype("object"), times]), axis=0)


def _shown(value: Any) -> Any:
    if value is None or value is pd.NA or value is pd.NaT or value != value:
        return None
    return value.item() if hasattr(value, "item") else value


def describe_difference(difference: pd.DataFrame, shown: int = _SHOWN) -> str:
    """Return a difference as lines of text, the first few changes of it."""
    lines: list[str] = []
    for (table, key, action), cells in difference.groupby(["table", "key", "action"], sort=False):
        if action == "set":
            lines += [f"{table}, {key}: {c.column} {_quote(c.before)} -> {_quote(c.after)}" for c in cells.itertuples()]
        else:
            lines.append(f"{table}, {key}: row {'added' if action == 'add' else 'removed'}")
    more = [f"and {len(lines) - shown} more"] if len(lines) > shown else []
    return "\n".join(lines[:shown] + more)


def _quote(value: Any) -> str:
    return "(empty)" if value in (None, "") else repr(value) if isinstance(value, str) else str(value)
