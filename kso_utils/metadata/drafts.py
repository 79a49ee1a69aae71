"""What changes would make of the tables: an entry for each row and cell, the new files, and what the checks find."""

from __future__ import annotations

import difflib
import unicodedata
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from kso_utils.core.clock import find_zone
from kso_utils.core.errors import MetadataError
from kso_utils.core.report import Report
from kso_utils.metadata.changes import Change, differing, tabulate, write_value
from kso_utils.metadata.checks import check_tables
from kso_utils.metadata.records import UNREADABLE, clean_cell
from kso_utils.metadata.rewriting import NEW, origins, require_writable, rewrite
from kso_utils.metadata.sheets import load_sheet
from kso_utils.metadata.table_files import sha256_of, staged
from kso_utils.metadata.terms import EDIT_COLUMN, TABLES, Table, known_headers
from kso_utils.metadata.values import comma_numbers, point_numbers, to_iso_dates, to_numbers, to_text, to_zoned_times

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from kso_utils.core.report import Finding
    from kso_utils.metadata.records import Sheet
    from kso_utils.metadata.rewriting import Entry
    from kso_utils.metadata.table_files import TableFolder

NAMED_BY = {"sites": "locality", "surveys": "parentEventID"}
"""Table -> the column by which movies and photos name its rows."""


@dataclass(slots=True)
class Draft:
    """An edit that was not made yet.

    Attributes
    ----------
    before, after
        The tables; `after` has those alone that change.
    entries
        Table -> what is done, as `rewriting` describes it.
    paths, sha256_before, contents
        Table -> its file, the sha256 of what is in it, and what will be.
    lines
        Table -> the line that each row of `after` had before, `NEW` where it had none.
    report
        Findings that the tables did not have before.
    """

    before: Mapping[str, pd.DataFrame]
    entries: dict[str, list[Entry]]
    after: dict[str, pd.DataFrame] = field(default_factory=dict)
    paths: dict[str, Path] = field(default_factory=dict)
    sha256_before: dict[str, str | None] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)
    lines: dict[str, list[int]] = field(default_factory=dict)
    report: Report = field(default_factory=lambda: Report("Edit"))

    def difference(self) -> pd.DataFrame:
        """Return what changes, a row a cell, as `compare` gives it; values are texts of the files."""
        return tabulate(row for name, entries in self.entries.items() for one in entries for row in _tell(name, one))

    def rows(self) -> dict[str, dict[int, str]]:
        """Return table -> line of its file as it will be -> name of the row, of the tables that change."""
        return {
            name: dict(zip(frame.index, to_text(frame[TABLES[name].key]).fillna(""), strict=True))
            for name, frame in self.after.items()
        }


def draft_changes(
    place: TableFolder,
    tables: Mapping[str, pd.DataFrame],
    changes: Iterable[Change],
    edit_id: str,
    footage: pd.DataFrame | None = None,
) -> Draft:
    """Return what changes would make of the tables.

    A site or survey that gets a new name gets it in the movies and photos too that name it.

    Parameters
    ----------
    place
        The files.
    tables
        The tables as they are.
    changes
        What is to change.
    edit_id
        The id of the edit.
    footage
        What is known of the files of movies, under their names before the edit.

    Raises
    ------
    MetadataError
        If a change names what is not there, contradicts another, changes nothing, or cannot be written so that it is
        read again as it is meant. It carries no report: what the checks find is in the draft's.
    ConfigError
        If a table is a workbook.
    """
    wanted = _follow_names(tables, list(changes))
    draft = Draft(tables, {})
    sheets: dict[str, Sheet] = {}
    for name in TABLES:
        asked = [change for change in wanted if change.table == name]
        if not asked:
            continue
        path = place.path(name, tables[name])
        require_writable(path)
        draft.sha256_before[name], sheets[name] = sha256_of(path), load_sheet(path)
        entries = _Table(TABLES[name], tables[name], sheets[name], place).enter(asked)
        if entries:
            draft.paths[name], draft.entries[name] = path, entries
    if not draft.entries:
        raise MetadataError("The edit changes nothing: every cell has that value already.")
    for name, entries in draft.entries.items():
        content = rewrite(draft.paths[name], entries, edit_id)
        with staged(draft.paths[name].name, content) as path:
            draft.after[name] = place.load_file(name, path)
        draft.contents[name], draft.lines[name] = content, origins(sheets[name], entries)
        _require_as_meant(TABLES[name], draft, place)
    draft.report = _find_new(draft, footage)
    return draft


def _follow_names(tables: Mapping[str, pd.DataFrame], changes: list[Change]) -> list[Change]:
    """Return the changes with those of movies and photos whose site or survey gets a new name."""
    for change in changes:
        if change.table not in tables:
            known = ", ".join(tables)
            raise MetadataError(f"There is no table {change.table!r}. There are: {known}.")
    more = []
    for change in changes:
        column = NAMED_BY.get(change.table)
        if column is None or change.action != "set":
            continue
        frame = tables[change.table]
        if _name_column(TABLES[change.table], frame, change)[0] != TABLES[change.table].key:
            continue
        for name in ("movies", "photos"):
            if name in tables and column in tables[name]:
                there = tables[name]
                named = there[to_text(there[column]).eq(_plain(change.key)).fillna(False)]
                mine = {_plain(c.key) for c in changes if c.table == name and _is_about(c, tables, column)}
                keys = [key for key in to_text(named[TABLES[name].key]).dropna() if key not in mine]
                more += [Change(name, key, column, change.value) for key in keys]
    return [*changes, *more]


def _is_about(change: Change, tables: Mapping[str, pd.DataFrame], column: str) -> bool:
    if change.action != "set":
        return True
    return _name_column(TABLES[change.table], tables[change.table], change)[0] == column


def _name_column(table: Table, frame: pd.DataFrame, change: Change) -> tuple[str, str]:
    """Return our name and the file's header of the column that a change names; a new header where there is none."""
    headers: dict[str, str] = frame.attrs["headers"]
    name = change.column or ""
    if name == EDIT_COLUMN:
        raise MetadataError(f"{table.name}: the column {EDIT_COLUMN} is written by the software alone.")
    column = next((c for c, header in headers.items() if header == name), name)
    if column not in headers:
        column = known_headers(table).get(name.casefold(), "")
    if not column:
        columns = ", ".join([*headers, *(c.name for c in table.columns if c.name not in headers)])
        raise MetadataError(f"{table.name} has no column {name!r}. Columns are: {columns}.")
    return column, headers.get(column, column)


class _Table:
    """One table on its way from changes to entries."""

    def __init__(self, table: Table, frame: pd.DataFrame, sheet: Sheet, place: TableFolder) -> None:
        self.table, self.frame, self.sheet, self.place = table, frame, sheet, place
        if table.key not in frame:
            raise MetadataError(f"{table.name} has no column {table.key}, by which its rows are known. Add it.")
        self.cells = {
            line: dict(zip(sheet.header, row, strict=True)) for line, row in zip(sheet.lines, sheet.rows, strict=True)
        }
        self.keys = dict(zip(sheet.lines, to_text(frame[table.key]).fillna(""), strict=True))
        ids = to_numbers(frame["id"]).max() if "id" in frame else 0
        self.last_id = int(ids) if ids > 0 else 0
        self.found: dict[str, list[int]] = {}
        for line, key in self.keys.items():
            self.found.setdefault(key, []).append(line)

    def enter(self, changes: Sequence[Change]) -> list[Entry]:
        """Return the entries of the changes; what changes nothing has none."""
        sets: dict[tuple[int, str], Entry] = {}
        removed = {self.line(c.key): c for c in changes if c.action == "remove"}
        for change in (c for c in changes if c.action == "set"):
            entry = self.set(change)
            earlier = sets.setdefault((entry["line"], entry["header"]), entry)
            if earlier["after"] != entry["after"] or entry["line"] in removed:
                raise MetadataError(
                    f"{self.table.name}, {entry['key']}: {entry['column']} is changed to {entry['after']!r}, but the "
                    f"same edit {'removes the row' if entry['line'] in removed else 'gives ' + repr(earlier['after'])}."
                )
        changed = [entry for entry in sets.values() if entry["before"] != entry["after"]]
        return [*changed, *(self.remove(line) for line in sorted(removed)), *self.add(changes)]

    def line(self, key: str) -> int:
        """Return the line of the row with a name."""
        name = _plain(key)
        lines = self.found.get(name, []) if name else []
        if len(lines) == 1:
            return lines[0]
        if lines:
            raise MetadataError(
                f"{self.table.name}: {name!r} stands on the lines {', '.join(map(str, lines))}. "
                "Give each row a name of its own in the file, then take it in with: kso movies"
            )
        alike = difflib.get_close_matches(name, self.found, 3) or [k for k in self.found if k][:3]
        meant = f"Is it one of these: {', '.join(alike)}?" if alike else "It has no rows; add one with: kso edit --add"
        raise MetadataError(f"{self.table.name} has no row {name!r}. {meant}")

    def set(self, change: Change) -> Entry:
        """Return the entry of a changed cell."""
        line = self.line(change.key)
        column, header = _name_column(self.table, self.frame, change)
        before, after = self.cells[line].get(header, ""), self.write(change.value, column, header)
        entry = {"action": "set", "line": line, "key": _plain(change.key), "column": column, "header": header}
        return {**entry, "before": before, "after": after}

    def remove(self, line: int) -> Entry:
        """Return the entry of a removed row, with all that is needed to put it back."""
        place = self.sheet.lines.index(line)
        cells = {h: text for h, text in self.cells[line].items() if text and h != EDIT_COLUMN}
        follows = self.keys[self.sheet.lines[place - 1]] if place else ""
        return {"action": "remove", "line": line, "key": self.keys[line], "cells": cells, "follows": follows}

    def add(self, changes: Sequence[Change]) -> list[Entry]:
        """Return the entries of new rows."""
        entries: dict[str, Entry] = {}
        for change in (c for c in changes if c.action == "add"):
            key = _plain(change.key)
            if not key:
                raise MetadataError(f"{self.table.name}: a new row needs a name ({self.table.key}).")
            entry = entries.get(key)
            if entry is None:
                header = self.frame.attrs["headers"][self.table.key]
                line = self.after(change.follows, entries)
                entry = {"action": "add", "line": line, "key": key, "cells": {header: key}}
                entries[key] = entry | ({} if change.row_id is None else {"id": change.row_id})
                entry = entries[key]
                self.number(entry["cells"])
            if change.column is not None:
                column, header = _name_column(self.table, self.frame, change)
                entry["cells"][header] = self.write(change.value, column, header)
        return list(entries.values())

    def number(self, cells: dict[str, str]) -> None:
        """Give a new row the next id, where the file has ids."""
        header = self.frame.attrs["headers"].get("id")
        if header is not None:
            self.last_id += 1
            cells[header] = str(self.last_id)

    def after(self, follows: str | None, entries: Mapping[str, Entry]) -> int:
        """Return the line after which a new row is put."""
        if follows == "":
            return 0
        if follows is not None and follows in entries:
            return int(entries[follows]["line"])
        return max(self.found.get(follows or "", self.sheet.lines), default=0)

    def write(self, value: Any, column: str, header: str) -> str:
        """Return a value as the text of its cell, as it will be read."""
        comma = self.place.decimal == ","
        if not comma and header in self.sheet.header:
            written = pd.Series([cells[header] for cells in self.cells.values()], dtype="str")
            comma = bool(comma_numbers(written).any() and not point_numbers(written).any())
        text = write_value(value, self.table.column(column), self.place.dates, comma)
        if UNREADABLE.search(text):
            raise MetadataError(f"{self.table.name}, {column}: {text!r} holds a character that no text holds.")
        return unicodedata.normalize("NFC", text).strip()


def _plain(key: str) -> str:
    return clean_cell(str(key))


def _require_as_meant(table: Table, draft: Draft, place: TableFolder) -> None:
    """Refuse a draft whose file reads otherwise than the changes say."""
    before, after, lines = draft.before[table.name], draft.after[table.name], draft.lines[table.name]
    path = draft.paths[table.name]
    if len(after) != len(lines):
        raise MetadataError(f"{path}: a new row would not be read as one. Look for values of blanks alone.")
    kept = [at for at, line in enumerate(lines) if line != NEW]
    old = before.loc[[lines[at] for at in kept]]
    new = after.iloc[kept].set_axis(old.index, axis=0)
    sets = {(e["line"], e["column"]): e for e in draft.entries[table.name] if e["action"] == "set"}
    for name in dict.fromkeys([*old.columns, *new.columns]):
        if name == EDIT_COLUMN:
            continue
        first, second = (f[name] if name in f else pd.Series(None, index=old.index, dtype="object") for f in (old, new))
        moved = old.index[differing(first, second, table.column(name))]
        for line in (line for line in moved if (line, name) not in sets):
            raise MetadataError(
                f"{path}: the edit would also change {name} on line {line}, from {first[line]!r} to {second[line]!r}. "
                "Give the value as the others of its column are written."
            )
    for (line, name), entry in sets.items():
        _require_same(table, name, {entry["key"]: entry["after"]}, [new.loc[line].get(name)], place)
    _require_added(table, draft, place)


def _require_added(table: Table, draft: Draft, place: TableFolder) -> None:
    after, lines = draft.after[table.name], draft.lines[table.name]
    entries = {e["key"]: e for e in draft.entries[table.name] if e["action"] == "add"}
    added = after.iloc[[at for at, line in enumerate(lines) if line == NEW]]
    added = added.set_axis(added[table.key].astype(str), axis=0)
    if strange := [key for key in added.index if key not in entries]:
        raise MetadataError(f"{table.name}: the new row would be read as {strange[0]!r}. Choose another name.")
    for name, header in after.attrs["headers"].items():
        texts = {key: entries[key]["cells"][header] for key in added.index if header in entries[key]["cells"]}
        if texts:
            _require_same(table, name, texts, added.loc[list(texts), name].tolist(), place)


def _require_same(table: Table, name: str, texts: Mapping[str, str], cells: list[Any], place: TableFolder) -> None:
    """Refuse texts, by the names of their rows, that are read as other cells than they are meant."""
    column = table.column(name)
    meant = pd.Series(list(texts.values()), dtype="str")
    if column is not None and column.kind == "date":
        meant = to_iso_dates(to_text(meant), place.dates) if place.dates else to_text(meant)
        meant = to_zoned_times(meant, find_zone(place.time_zone)) if place.time_zone else meant
    elif column is not None and column.kind == "number":
        meant = meant.mask(comma_numbers(meant), meant.str.replace(",", ".", regex=False))
    wrong = differing(meant, pd.Series(cells, dtype="object"), column)
    for (key, text), cell, is_wrong in zip(texts.items(), cells, wrong, strict=True):
        if is_wrong:
            raise MetadataError(
                f"{table.name}, {key}: {name} {text!r} would be read as {cell!r}. Give the value in another way."
            )


def _find_new(draft: Draft, footage: pd.DataFrame | None) -> Report:
    """Return the findings that the tables did not have before; rows are known by the line that they had."""
    renamed = {
        e["key"]: e["after"]
        for e in draft.entries.get("movies", ())
        if e["action"] == "set" and e["column"] == TABLES["movies"].key
    }
    moved = footage
    if footage is not None and renamed:
        moved = footage.assign(filename=footage["filename"].replace(renamed))
    found = check_tables({**draft.before, **draft.after}, moved)
    known = Counter(_identity(f, f.row) for f in check_tables(draft.before, footage)) if len(found) else Counter()
    before = {name: dict(zip(after.index, draft.lines[name], strict=True)) for name, after in draft.after.items()}
    report = Report("Edit")
    for finding in found:
        lines = before.get(finding.table)
        line = finding.row if lines is None or finding.row is None else lines[finding.row]
        identity = _identity(finding, line)
        if known[identity] > 0:
            known[identity] -= 1
        else:
            report.add(finding)
    return report


def _identity(finding: Finding, line: int | None) -> Finding:
    return replace(finding, row=line, message="", fix="")


def _tell(name: str, entry: Entry) -> list[tuple[str, str, str, Any, Any, str]]:
    key, action = entry["key"], entry["action"]
    if action == "set":
        return [(name, key, entry["column"], entry["before"] or None, entry["after"] or None, action)]
    told = []
    for header, text in entry["cells"].items():
        pair = (None, text) if action == "add" else (text, None)
        told.append((name, key, header, *pair, action))
    return told
