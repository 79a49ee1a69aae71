"""The rows of the store that an edit changes: known by their id, so that a new name is no new row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from kso_utils.core.errors import MetadataError
from kso_utils.metadata.changes import records
from kso_utils.metadata.ingest import REFERENCES, prepare_rows
from kso_utils.metadata.rewriting import NEW
from kso_utils.metadata.terms import TABLES
from kso_utils.metadata.values import is_placeholder, to_text
from kso_utils.store import queries

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from kso_utils.metadata.drafts import Draft
    from kso_utils.metadata.rewriting import Entry
    from kso_utils.metadata.terms import Table
    from kso_utils.store.engine import Store

_OF_FILES = ("frames", "width", "height", "codec", "sha256", "size_bytes")
_OF_SPECIES = ("scientificNameID", "taxonRank", "kingdom", "phylum", "class", "order", "family", "genus")
_OF_BOTH = ("fps", "fps_num", "fps_den", "duration_s")


def known_footage(store: Store, new: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return what the store knows from the files of movies themselves, as `check_tables` takes it, and what is new."""
    movies = store.read("movies", columns=["filename", *_OF_FILES, *_OF_BOTH])
    known = movies[movies[list(_OF_FILES)].notna().any(axis=1)].drop(columns="fps").reset_index(drop=True)
    if new is None:
        return known
    return pd.concat([known.astype("object"), new.astype("object")], ignore_index=True) if len(known) else new


def name_ids(draft: Draft, store: Store, tables: Collection[str]) -> None:
    """Add to each entry that removes a row the id that it has in the store, for when it is put back."""
    for name in tables:
        removals = [entry for entry in draft.entries.get(name, ()) if entry["action"] == "remove"]
        ids = _ids(store, TABLES[name]) if removals else {}
        for entry in removals:
            if entry["key"] in ids:
                entry["id"] = ids[entry["key"]]


def write_rows(store: Store, draft: Draft, tables: Collection[str], files: Mapping[str, pd.DataFrame]) -> None:
    """Write into the store what an edit changes, inside a transaction.

    Movies keep what was measured from their files; where nothing was, rate and duration are the table's.

    Parameters
    ----------
    store
        The store.
    draft
        The edit.
    tables
        The tables that the store has; others are left to be taken in.
    files
        Table -> what new files say of themselves.

    Raises
    ------
    MetadataError
        If a row that changes is not in the store, names one that is not, or is referred to and would be removed.
    IntegrityFailed
        If the rows break a constraint of the store.
    """
    gone = {}
    for name, table in TABLES.items():
        if name in draft.entries and name in tables:
            ids = _ids(store, table)
            _require_stored(table, draft, ids)
            gone[name] = {e["key"]: ids[e["key"]] for e in draft.entries[name] if e["action"] == "remove"}
            _rename(store, table, draft, ids)
            _write(store, table, draft, files.get(name))
    remove_rows(store, gone)


def remove_rows(store: Store, rows: Mapping[str, Mapping[str, int]]) -> None:
    """Remove rows to which no other refers.

    Parameters
    ----------
    store
        The store.
    rows
        Table -> {name of the row: its id}.

    Raises
    ------
    MetadataError
        If others refer to them; it names the first.
    """
    for name in reversed(TABLES):
        ids = {number: key for key, number in rows.get(name, {}).items()}
        if not ids:
            continue
        counts = queries.count_references(store, name, ids.keys())
        if len(counts):
            listed = [f"{ids[c['id']]} ({c['rows']} of {c['table']})" for c in records(counts)]
            more = f" and {len(listed) - 5} more" if len(listed) > 5 else ""
            raise MetadataError(
                f"{name}: rows cannot be removed, because others refer to them: {', '.join(listed[:5])}{more}. "
                "To give a row another name use: kso edit; else put the row back."
            )
        store.remove(name, {"id": list(ids)})


def free_names(store: Store, table: Table, ids: Collection[int]) -> None:
    """Let go of the names of rows that get others, or go, so that names can be exchanged."""
    if not ids:
        return
    rows = pd.DataFrame({"id": list(ids)})
    # No name that a person writes begins with a control character.
    rows[table.key] = [f"\x1f{number}" for number in ids]
    for name in table.unique:
        rows[name] = None
    if table.name == "species":
        rows["zoo_label"] = rows[table.key]
    store.upsert(table.name, rows, "id")


def _ids(store: Store, table: Table) -> dict[str, int]:
    rows = store.read(table.name, columns=["id", table.key])
    return dict(zip(rows[table.key], rows["id"].tolist(), strict=True))


def _require_stored(table: Table, draft: Draft, ids: Mapping[str, int]) -> None:
    for entry in draft.entries[table.name]:
        if entry["action"] != "add" and entry["key"] not in ids:
            raise MetadataError(f"{table.name}: {entry['key']} is not in the store yet. Take it in with: kso movies")
        if entry["action"] == "set" and entry["column"] == "id":
            raise MetadataError(
                f"{table.name}, {entry['key']}: the id of a row does not change, because clips and counts refer to it."
            )


def _rename(store: Store, table: Table, draft: Draft, ids: Mapping[str, int]) -> None:
    naming = {table.key, *table.unique, "zoo_label"}
    after, lines = draft.after[table.name], draft.lines[table.name]
    places = {line: at for at, line in enumerate(lines)}
    moved = {
        e["line"]: ids[e["key"]]
        for e in draft.entries[table.name]
        if e["action"] == "remove" or (e["action"] == "set" and e["column"] in naming)
    }
    free_names(store, table, moved.values())
    kept = {line: number for line, number in moved.items() if line in places}
    if kept:
        names = to_text(after[table.key].iloc[[places[line] for line in kept]])
        store.upsert(table.name, pd.DataFrame({"id": list(kept.values()), table.key: names.to_numpy()}), "id")


def _write(store: Store, table: Table, draft: Draft, found: pd.DataFrame | None) -> None:
    entries = draft.entries[table.name]
    changed = {NEW, *(e["line"] for e in entries if e["action"] == "set")}
    touched = [at for at, line in enumerate(draft.lines[table.name]) if line in changed]
    if not touched:
        return
    frame = draft.after[table.name].iloc[touched]
    wished = {e["key"]: e["id"] for e in entries if e["action"] == "add" and "id" in e}
    if wished and "id" not in frame:
        frame = frame.assign(id=to_text(frame[table.key]).map(wished).astype("Int64"))
    # The names are those of the store already; a list of renames has nothing to add.
    frame.attrs = {name: value for name, value in frame.attrs.items() if name != "old_names"}
    footage = found
    if table.name == "species":
        _forget_cells(store, table, entries)
    if table.name == "movies":
        footage = known_footage(store, found)
        _forget(store, frame, footage)
    rows = prepare_rows(store, table, frame, footage)
    _require_targets(table, frame, rows)
    store.upsert(table.name, rows, table.key)


def _forget(store: Store, frame: pd.DataFrame, footage: pd.DataFrame) -> None:
    """Empty rate and duration of movies that have them from the table alone, so that an emptied cell empties them."""
    names = to_text(frame["filename"])
    ids = _ids(store, TABLES["movies"])
    mine = [ids[name] for name in names[~names.isin(footage["filename"])] if name in ids]
    if mine:
        store.upsert("movies", pd.DataFrame({"id": mine, **dict.fromkeys(_OF_BOTH)}), "id")


def _forget_cells(store: Store, table: Table, entries: list[Entry]) -> None:
    """Empty in the store what was emptied in the table; taking in leaves there what the table says nothing of."""
    emptied = [e for e in entries if e["action"] == "set" and e["column"] in _OF_SPECIES and not e["after"]]
    renamed = [e for e in entries if e["action"] == "set" and e["column"] == table.key]
    names: dict[str, str] = {e["key"]: e["after"] for e in renamed}
    ids = _ids(store, table) if emptied else {}
    for entry in emptied:
        key: str = entry["key"]
        number = ids[names.get(key, key)]
        store.upsert(table.name, pd.DataFrame({"id": [number], entry["column"]: [None]}), "id")


def _require_targets(table: Table, frame: pd.DataFrame, rows: pd.DataFrame) -> None:
    for target, (column, source, _) in REFERENCES.items():
        known = table.column(column)
        if known is None or target not in rows:
            continue
        lost = frame[column][
            rows[target].isna() & to_text(frame[column]).notna() & ~is_placeholder(frame[column], known)
        ]
        if len(lost):
            raise MetadataError(
                f"{table.name}, {column}: {lost.iloc[0]!r} of the {source} is not in the store yet. "
                "Take it in with: kso movies"
            )
