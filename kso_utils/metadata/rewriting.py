"""Files of tables written anew: some cells and rows changed, everything else as it was written.

An entry says what was done to one row or cell, as the log of edits keeps it: a dictionary with `action` and `key`;
`set` has `column`, `header`, `before` and `after`; `add` has `cells` (header -> text) and the line that the row comes
after; `remove` has `cells` and the key of the row before it. Lines are those of the file before the edit. Texts are as
`load_sheet` gives them.
"""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kso_utils.core.errors import ConfigError, MetadataError
from kso_utils.core.spreadsheets import defuse
from kso_utils.metadata.records import Sheet, clean_cell
from kso_utils.metadata.sheets import load_sheet
from kso_utils.metadata.terms import EDIT_COLUMN

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

Entry = dict[str, Any]
NEW = -1
"""Stands for the line of a row that was not there before."""

_ENDING = re.compile(r"(\r\n|\n|\r)\Z")
_SPECIAL = re.compile(r'["\r\n]|^\s|\s$')


@dataclass(slots=True)
class _Plan:
    """The entries of a file, by the line that they concern."""

    headers: list[str]
    cells: defaultdict[int, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    added: defaultdict[int, list[dict[str, str]]] = field(default_factory=lambda: defaultdict(list))
    removed: set[int] = field(default_factory=set)


def require_writable(path: Path) -> None:
    """Refuse a file that cannot be written anew cell by cell.

    Raises
    ------
    ConfigError
        If it is a workbook.
    """
    if path.suffix.lower() not in (".csv", ".tsv"):
        raise ConfigError(
            f"{path} is a workbook, which is read but not written. Save it as {path.stem}.csv (UTF-8) and remove the "
            "workbook; then edit the table."
        )


def rewrite(path: Path, entries: Sequence[Entry], edit_id: str) -> bytes:
    """Return the content of a file of a table with changes.

    Header, order, separator, line ends and cells that are not touched stay as they are written, quotation marks of
    touched rows may not. The file becomes UTF-8; a byte order mark is kept, and given to one that was in another
    encoding, whose users' spreadsheets need it. Rows that are set or added carry `edit_id` in the last column.

    Raises
    ------
    ConfigError
        If it is a workbook.
    MetadataError
        If the file cannot be read, or a text cannot be written.
    """
    require_writable(path)
    sheet = load_sheet(path)
    text = path.read_bytes().decode(sheet.encoding, "replace" if sheet.encoding == "cp1252" else "strict")
    plan = _sort(entries, sheet, edit_id)
    written = "".join(_write_records(text.removeprefix("\ufeff"), sheet, plan))
    mark = "\ufeff" if sheet.bom or sheet.encoding != "utf-8" else ""
    try:
        return f"{mark}{written}".encode()
    except UnicodeEncodeError as error:
        raise MetadataError(f"{path}: a value holds half a character, which no file can hold. Type it anew.") from error


def origins(sheet: Sheet, entries: Iterable[Entry]) -> list[int]:
    """Return the line that each row of the changed file had before, `NEW` where it had none."""
    plan = _sort(entries, sheet, "")
    before = [0, *sheet.lines]
    kept = (([] if n in plan.removed or not n else [n]) + [NEW] * len(plan.added.get(n, ())) for n in before)
    return [line for lines in kept for line in lines]


def _sort(entries: Iterable[Entry], sheet: Sheet, edit_id: str) -> _Plan:
    plan = _Plan(list(sheet.header))
    for entry in entries:
        if entry["action"] == "set":
            plan.cells[entry["line"]] |= {entry["header"]: entry["after"], EDIT_COLUMN: edit_id}
            plan.headers.append(entry["header"])
        elif entry["action"] == "add":
            plan.added[entry["line"]].append({**entry["cells"], EDIT_COLUMN: edit_id})
            plan.headers += entry["cells"]
        elif entry["action"] == "remove":
            plan.removed.add(entry["line"])
    plan.headers = [h for h in dict.fromkeys(plan.headers) if h != EDIT_COLUMN or h in sheet.header]
    if EDIT_COLUMN not in plan.headers:
        plan.headers.append(EDIT_COLUMN)
    return plan


def _write_records(text: str, sheet: Sheet, plan: _Plan) -> list[str]:
    """Return the records of the changed file, each with its line end; line 0 stands for the header."""
    lines = list(io.StringIO(text, newline=""))
    rows = set(sheet.lines)
    written: list[str] = []
    reader = csv.reader(iter(lines), delimiter=sheet.separator, strict=True, skipinitialspace=True)
    start, header = 0, True
    for number, cells in enumerate(reader, 1):
        raw = "".join(lines[start : reader.line_num])
        start = reader.line_num
        if header and any(map(clean_cell, cells)):
            header = False
            written.append(_widen(raw, cells, plan.headers[len(sheet.header) :], sheet))
            line = 0
        elif number in rows:
            line = number
            if line not in plan.removed:
                written.append(_write_row(raw, cells, plan, line, sheet))
        else:
            written.append(raw)
            continue
        for added in plan.added.get(line, ()):
            written[-1:] = [_end(one, sheet) for one in written[-1:]]
            written.append(_join((added.get(h, "") for h in plan.headers), sheet) + sheet.newline)
    return written


def _write_row(raw: str, cells: list[str], plan: _Plan, line: int, sheet: Sheet) -> str:
    width = len(sheet.header)
    changed = plan.cells.get(line)
    if changed is None:
        return _widen(raw, cells, [""] * (len(plan.headers) - width), sheet)
    kept = [*(_quote(cell, sheet) for cell in cells[:width]), *[""] * (len(plan.headers) - width)]
    for place, header in enumerate(plan.headers):
        if header in changed:
            kept[place] = _write_cell(changed[header], sheet)
    return sheet.separator.join(kept) + _ending(raw)


def _widen(raw: str, cells: list[str], more: list[str], sheet: Sheet) -> str:
    """Return a record with more cells; one that has just its own stays as it is written."""
    if not more:
        return raw
    ending = _ending(raw)
    body = raw[: len(raw) - len(ending)]
    if len(cells) != len(sheet.header):
        body = sheet.separator.join(_quote(cell, sheet) for cell in cells[: len(sheet.header)])
    return sheet.separator.join([body, _join(more, sheet)]) + ending


def _ending(raw: str) -> str:
    found = _ENDING.search(raw)
    return found[0] if found else ""


def _end(raw: str, sheet: Sheet) -> str:
    return raw if _ending(raw) else raw + sheet.newline


def _join(texts: Iterable[str], sheet: Sheet) -> str:
    return sheet.separator.join(_write_cell(text, sheet) for text in texts)


def _write_cell(text: str, sheet: Sheet) -> str:
    """Return a cell that reads back as the text and that no spreadsheet runs as a formula."""
    return _quote(defuse(text), sheet)


def _quote(text: str, sheet: Sheet) -> str:
    special = _SPECIAL.search(text) or sheet.separator in text
    return '"' + text.replace('"', '""') + '"' if special else text
