"""What undoes an edit, and what was changed by hand: rows and cells of files against those of the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kso_utils.core.errors import MetadataError
from kso_utils.metadata.changes import Change, Verbatim, compare, records
from kso_utils.metadata.sheets import load_sheet
from kso_utils.metadata.table_files import sha256_of
from kso_utils.metadata.terms import EDIT_COLUMN, TABLES
from kso_utils.metadata.values import to_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd

    from kso_utils.metadata.rewriting import Entry
    from kso_utils.metadata.table_files import TableFolder


def find_undone(rows: pd.DataFrame) -> dict[str, str]:
    """Return the edits that are undone -> by which; an undo that was itself undone does not count."""
    undone: dict[str, str] = {}
    for row in reversed(records(rows[rows["kind"] == "undo"])):
        if row["edit_id"] not in undone:
            undone.setdefault(row["undoes"], row["edit_id"])
    return undone


def reverse(place: TableFolder, rows: pd.DataFrame) -> list[Change]:
    """Return the changes that undo an edit."""
    tables = place.load()
    changes: list[Change] = []
    conflicts: list[str] = []
    for row in records(rows):
        name = row["table_name"]
        if name not in tables:
            raise MetadataError(f"There is no table {name} any more.")
        frame, table = tables[name], TABLES[name]
        there = _cells(place, name, frame)
        named = {e["key"]: e["after"] for e in row["changes"] if e["action"] == "set" and e["column"] == table.key}
        for entry in row["changes"]:
            key = named.get(entry["key"], entry["key"])
            done, problem = _reverse_entry(name, entry, key, there.get(key))
            changes += done
            conflicts += [problem] if problem else []
    if conflicts:
        more = f"\nand {len(conflicts) - 8} more" if len(conflicts) > 8 else ""
        raise MetadataError(
            "It cannot be undone, because what it changed was changed again since:\n"
            + "\n".join(conflicts[:8])
            + f"{more}\nUndo the later edits first, or set the cells with: kso edit"
        )
    return changes


def _reverse_entry(table: str, entry: Entry, key: str, cells: Mapping[str, str] | None) -> tuple[list[Change], str]:
    """Return the changes that undo one entry; and what stands against it, empty where nothing does."""
    action = entry["action"]
    if action == "remove":
        if cells is not None:
            return [], f"{table}, {key}: there is such a row again"
        new = {"follows": entry["follows"], "row_id": entry.get("id")}
        return [Change(table, key, h, Verbatim(text), "add", **new) for h, text in entry["cells"].items()], ""
    if cells is None:
        return [], f"{table}, {key}: the row is gone, or has another name"
    if action == "add":
        same = {h: t for h, t in cells.items() if t} == {h: t for h, t in entry["cells"].items() if t}
        return [Change(table, key, action="remove")], "" if same else f"{table}, {key}: the row has other values now"
    now = cells.get(entry["header"], "")
    if now != entry["after"]:
        return [], f"{table}, {key}: {entry['column']} is {now!r} now, not {entry['after']!r}"
    return [Change(table, key, entry["header"], Verbatim(entry["before"]))], ""


def _cells(place: TableFolder, table: str, frame: pd.DataFrame, path: Path | None = None) -> dict[str, dict[str, str]]:
    """Return key -> {header: text} of the rows of a file, without the ids of edits."""
    file, _, sheet_name = (place.files or {}).get(table, "").rpartition("#")
    sheet = load_sheet(path or place.path(table, frame), sheet_name if file else None)
    keys = to_text(frame[TABLES[table].key])
    return {
        key: {h: text for h, text in zip(sheet.header, row, strict=True) if h != EDIT_COLUMN}
        for key, row in zip(keys, sheet.rows, strict=True)
    }


def list_hand_changes(
    place: TableFolder, table: str, frame: pd.DataFrame, known: Mapping[str, Any] | None
) -> list[Entry]:
    """Return what was changed in a file by hand, as entries that can be undone; none where that cannot be told."""
    if known is None or sha256_of(place.path(table, frame)) == known["sha256_after"]:
        return []
    copy = place.copy_of(table, known["file"])
    if sha256_of(copy) != known["sha256_after"] or TABLES[table].key not in frame:
        return []
    before = place.load_file(table, copy)
    old, new = _cells(place, table, before, copy), _cells(place, table, frame)
    entries: list[Entry] = []
    for change in records(compare({table: before}, {table: frame})):
        if change["action"] == "set" and change["key"] in old and change["key"] in new:
            key, column = change["key"], change["column"]
            header = frame.attrs["headers"].get(column) or before.attrs["headers"][column]
            pair = {"before": old[key].get(header, ""), "after": new[key].get(header, "")}
            entries.append({"action": "set", "key": key, "column": column, "header": header, **pair})
    order = dict(zip(old, ["", *old], strict=False))
    for key in (key for key in old if key not in new):
        cells = {h: text for h, text in old[key].items() if text}
        entries.append({"action": "remove", "key": key, "cells": cells, "follows": order[key]})
    return [*entries, *({"action": "add", "key": k, "cells": c} for k, c in new.items() if k not in old)]
