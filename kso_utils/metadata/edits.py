"""Edits of tables: made in the store and its log first, then written into the files; shown, undone, set aside.

An edit is all or nothing. Its rows and its log are one transaction; the files follow, and where a process was
stopped between the two, the next that opens the project writes them (`table_files.settle`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import pandas as pd

from kso_utils.core.clock import utc_now
from kso_utils.core.errors import MetadataError, StoreError
from kso_utils.core.paths import write_atomic
from kso_utils.metadata.changes import Change as Change
from kso_utils.metadata.changes import compare as compare
from kso_utils.metadata.changes import load_changes as load_changes
from kso_utils.metadata.changes import records
from kso_utils.metadata.drafts import draft_changes
from kso_utils.metadata.edit_rows import free_names, known_footage, name_ids, remove_rows, write_rows
from kso_utils.metadata.ingest import populate
from kso_utils.metadata.reversals import find_undone, list_hand_changes, reverse
from kso_utils.metadata.table_files import TableFolder as TableFolder
from kso_utils.metadata.table_files import find_changed, require_unchanged, settle, sha256_of
from kso_utils.metadata.terms import TABLES
from kso_utils.store import queries
from kso_utils.store.rows import Counts
from kso_utils.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from pathlib import Path

    from kso_utils.core.report import Report
    from kso_utils.metadata.drafts import Draft
    from kso_utils.metadata.rewriting import Entry
    from kso_utils.store.engine import Store

_LOG = "edit_log"
_LOG_KEY = ("edit_id", "table_name")


@dataclass(frozen=True, slots=True)
class Edit:
    """What an edit did, or would do.

    Attributes
    ----------
    edit_id
        Its id; None where it was only tried.
    difference
        What changes, as `compare` gives it.
    report
        Findings that the tables did not have before; none is an error.
    rows
        Table -> line of its file after the edit, as findings have it -> name of the row.
    """

    edit_id: str | None
    difference: pd.DataFrame
    report: Report
    rows: Mapping[str, Mapping[int, str]]


def apply(
    store: Store,
    place: TableFolder,
    changes: Iterable[Change],
    *,
    who: str | None = None,
    reason: str | None = None,
    dry_run: bool = False,
    files: Mapping[str, pd.DataFrame] | None = None,
) -> Edit:
    """Change cells and rows of tables, in the store and in their files.

    A row that gets a new name keeps its id in the store; a site or survey that gets one gets it in the movies and
    photos too. A table that was never taken in changes in its file alone. Errors that the tables had before do not
    stop an edit, new ones do.

    Parameters
    ----------
    store
        The store.
    place
        The files of the tables; they must be as the store knows them.
    changes
        What to change; all of it or nothing. Names of rows are those before the edit.
    who, reason
        Kept in the log.
    dry_run
        Say what would change, and change nothing.
    files
        `movies` or `photos` -> what new files say of themselves: rows with `filename` and what `check_tables` takes,
        of movies also `frames`, `width`, `height`, `codec`, `size_bytes`; of photos `width`, `height`, `sha256`.

    Returns
    -------
    Edit
        What changed.

    Raises
    ------
    MetadataError
        If a file was changed by hand, a change names what is not there or cannot be written, or the checks find an
        error that the tables did not have (it carries the report). Nothing is changed then.
    ConfigError
        If a table is a workbook.
    StoreError
        If the store cannot be written; or a file cannot: then the edit is made, and the message says so.
    """
    asked = list(changes)
    if dry_run:
        draft, _ = _prepare(store, place, asked, files or {})
        return Edit(None, draft.difference(), draft.report, draft.rows())
    return _make(store, place, lambda: (asked, {"kind": "edit", "who": who, "reason": reason}), files or {})


def undo(
    store: Store,
    place: TableFolder,
    edit_id: str | None = None,
    *,
    who: str | None = None,
    reason: str | None = None,
) -> Edit:
    """Undo an edit, by an edit that does the opposite; to undo that one is to do the first again.

    Parameters
    ----------
    store, place, who, reason
        As in `apply`.
    edit_id
        The edit, or the id under which changes by hand were taken in; by default the last edit that is not undone.

    Raises
    ------
    MetadataError
        If there is no such edit, it is undone already, or cells that it changed were changed again since; the message
        names them. As in `apply` otherwise.
    ConfigError, StoreError
        As in `apply`.
    """

    def find_changes() -> tuple[list[Change], dict[str, Any]]:
        wanted = edit_id or _last_edit(store)
        rows = store.read(_LOG, where={"edit_id": wanted}, order_by="id")
        _require_undoable(store, wanted, rows)
        require_unchanged(store, place)
        return reverse(place, rows), {"kind": "undo", "who": who, "reason": reason, "undoes": wanted}

    return _make(store, place, find_changes)


def history(store: Store) -> pd.DataFrame:
    """Return every edit, the newest first.

    Returns
    -------
    DataFrame
        One row an edit and table: `edit_id`, `kind` (`edit`, `undo`, `take_in`, `set_aside`), `created_at`, `table`,
        `changes` (how many cells and rows), `who`, `reason`, `undoes`, `undone_by` and `written` (whether the file is
        written).
    """
    rows = store.read(_LOG, order_by="id")
    undone = find_undone(rows)
    told = pd.DataFrame(
        {
            **{name: rows[name] for name in ("edit_id", "kind", "created_at")},
            "table": rows["table_name"],
            "changes": rows["changes"].map(len).astype("int64"),
            **{name: rows[name] for name in ("who", "reason", "undoes")},
            "undone_by": pd.Series([undone.get(one) for one in rows["edit_id"]], dtype="object"),
            "written": rows["written"],
        }
    )
    return told.iloc[::-1].reset_index(drop=True)


def take_in(
    store: Store,
    place: TableFolder,
    footage: pd.DataFrame | None = None,
    *,
    strict: bool = False,
    replaced: Collection[str] = (),
    who: str | None = None,
    reason: str | None = None,
) -> dict[str, Counts]:
    """Check the tables and write them into the store, all or nothing; changes by hand become the log's.

    Rows that were removed by hand are removed from the store too, where no clip, count or other row refers to them;
    the log keeps them, so that `undo` puts them back.

    Parameters
    ----------
    store, place, who, reason
        As in `apply`.
    footage, strict
        As in `check_tables`.
    replaced
        As in `populate`.

    Returns
    -------
    dict
        Table -> rows inserted, updated, unchanged and removed.

    Raises
    ------
    MetadataError
        If the checks find an error (it carries the report), a file is gone, a row that was removed is referred to, or
        a movie is not the one that was registered.
    StoreError
        As in `apply`.
    """
    with store.atomic():
        _settle(store, place)
        tables = place.load()
        known = {row["table_name"]: row for row in records(queries.last_edits(store))}
        for name in sorted(set(known) - set(tables)):
            lost = place.folder / known[name]["file"]
            raise MetadataError(
                f"There is no file {lost} any more, but the store knows its table. "
                "Write it back with: kso edit --set-aside"
            )
        for name, frame in tables.items():
            _refuse_emptied(store, place, name, frame)
        entries = {name: list_hand_changes(place, name, frame, known.get(name)) for name, frame in tables.items()}
        gone = _let_go(store, entries)
        counts = populate(store, tables, footage, strict, replaced)
        remove_rows(store, gone)
        edit_id, taken = _next_id(store), queries.tables_taken_in(store)
        for name, frame in tables.items():
            path, last = place.path(name, frame), known.get(name, {})
            if name not in taken or last.get("sha256_after") != sha256_of(path):
                line = {"kind": "take_in", "who": who, "reason": reason, "sha256_before": last.get("sha256_after")}
                _log(store, place, name, path, {**line, "edit_id": edit_id, "changes": entries[name]})
    _settle(store, place)
    return {name: _with_removed(one, len(gone.get(name, ()))) for name, one in counts.items()}


def _refuse_emptied(store: Store, place: TableFolder, table: str, frame: pd.DataFrame) -> None:
    """Refuse a file that lost all its rows: more likely an accident than a survey without sites."""
    stored = len(store.read(table, columns=["id"])) if frame.empty else 0
    if stored:
        raise MetadataError(
            f"{place.path(table, frame)} has no rows any more, but the store has {stored}. Write them back with: "
            "kso edit --set-aside; remove single ones with: kso edit --remove"
        )


def set_aside(store: Store, place: TableFolder, *, who: str | None = None, reason: str | None = None) -> list[Path]:
    """Put files that were changed by hand aside, and write back those that the store knows.

    Returns
    -------
    list of Path
        The files as they were made by hand, now beside the others as `movies.set-aside-<time>.csv`; none of a file
        that was gone.

    Raises
    ------
    MetadataError
        If there is no copy of what the store knows; nothing is changed then.
    StoreError
        As in `apply`.
    """
    aside = []
    with store.atomic():
        _settle(store, place)
        edit_id = _next_id(store)
        known = {row["table_name"]: row for row in records(queries.last_edits(store))}
        for change in find_changed(store, place):
            last = known[change.table]
            if sha256_of(place.copy_of(change.table, last["file"])) != last["sha256_after"]:
                raise MetadataError(
                    f"{change.file} cannot be set aside: there is no copy of what it was. Take it in with: kso movies"
                )
            if change.file.is_file():
                aside.append(_keep_aside(change.table, change.file))
            line: dict[str, Any] = {
                "kind": "set_aside",
                "who": who,
                "reason": reason,
                "edit_id": edit_id,
                "changes": [],
            }
            after = {"sha256_before": sha256_of(change.file), "sha256_after": last["sha256_after"]}
            _log(store, place, change.table, change.file, {**line, **after})
    _settle(store, place)
    return aside


def _keep_aside(table: str, file: Path) -> Path:
    """Copy a file to a free name that is not taken for a table."""
    stem = f"{table}.set-aside-{utc_now().replace(':', '').replace('-', '')}"
    names = (f"{stem}{'' if n == 1 else f'-{n}'}{file.suffix}" for n in count(1))
    target = next(path for path in map(file.with_name, names) if not path.exists())
    with write_atomic(target) as temporary:
        temporary.write_bytes(file.read_bytes())
    return target


def _prepare(
    store: Store, place: TableFolder, changes: list[Change], files: Mapping[str, pd.DataFrame]
) -> tuple[Draft, set[str]]:
    """Return the draft of an edit without errors, and the tables that the store has."""
    require_unchanged(store, place)
    tables = place.load()
    footage = known_footage(store, files.get("movies"))
    draft = draft_changes(place, tables, changes, _next_id(store), footage if len(footage) else None)
    draft.report.raise_if_errors()
    taken = queries.tables_taken_in(store)
    for name in draft.entries:
        if name not in taken and len(store.read(name, columns=["id"])):
            raise MetadataError(f"The store has rows of {name}, but not its file. Take the file in with: kso movies")
    return draft, taken


def _make(
    store: Store,
    place: TableFolder,
    find_changes: Callable[[], tuple[list[Change], Mapping[str, Any]]],
    files: Mapping[str, pd.DataFrame] | None = None,
) -> Edit:
    """Make an edit; what it changes is found under the right to write, so that nobody else changes it meanwhile."""
    with store.atomic():
        _settle(store, place)
        changes, line = find_changes()
        draft, taken = _prepare(store, place, changes, files or {})
        name_ids(draft, store, taken)
        write_rows(store, draft, taken, files or {})
        edit_id = _next_id(store)
        for name, entries in draft.entries.items():
            after = hashlib.sha256(draft.contents[name]).hexdigest()
            states = {"sha256_before": draft.sha256_before[name], "sha256_after": after}
            _log(store, place, name, draft.paths[name], {**line, **states, "edit_id": edit_id, "changes": entries})
    _settle(store, place)
    return Edit(edit_id, draft.difference(), draft.report, draft.rows())


def _log(store: Store, place: TableFolder, table: str, path: Path, line: Mapping[str, Any]) -> None:
    file = path.relative_to(place.folder).as_posix()
    state = {"sha256_after": sha256_of(path), "created_at": utc_now(), "version": __version__, "written": False}
    store.upsert(_LOG, pd.DataFrame([{**state, "table_name": table, "file": file, **line}]), _LOG_KEY)


def _settle(store: Store, place: TableFolder) -> None:
    try:
        settle(store, place)
    except OSError as error:
        raise StoreError(
            f"The change is kept in {store.name}, but {error.filename or place.folder} could not be written "
            f"({error.strerror}). Make room, or allow writing there; the next opening of the project writes it."
        ) from error


def _next_id(store: Store) -> str:
    ids = queries.last_edits(store)["id"]
    return f"e{1 if ids.empty else int(ids.max()) + 1}"


def _last_edit(store: Store) -> str:
    rows = store.read(_LOG, columns=["edit_id", "kind", "undoes"], order_by="id")
    undone = find_undone(rows)
    made = [one for one in rows.loc[rows["kind"] == "edit", "edit_id"] if one not in undone]
    if not made:
        raise MetadataError("There is no edit to undo.")
    return str(made[-1])


def _require_undoable(store: Store, edit_id: str, rows: pd.DataFrame) -> None:
    if rows.empty:
        raise MetadataError(f"There is no edit {edit_id!r}. See them with: kso edit --history")
    undone = find_undone(store.read(_LOG, columns=["edit_id", "kind", "undoes"], order_by="id"))
    if edit_id in undone:
        raise MetadataError(f"{edit_id} is undone already, by {undone[edit_id]}. Undo that to do it again.")
    if not rows["changes"].map(len).any():
        raise MetadataError(f"{edit_id} changed no cell, so there is nothing to undo.")


def _let_go(store: Store, entries: Mapping[str, list[Entry]]) -> dict[str, dict[str, int]]:
    """Return the rows that are to be removed, their names already free for others."""
    gone: dict[str, dict[str, int]] = {}
    for name, table in TABLES.items():
        keys = [entry["key"] for entry in entries.get(name, ()) if entry["action"] == "remove"]
        if keys:
            rows = store.read(name, columns=["id", table.key], where={table.key: keys})
            gone[name] = dict(zip(rows[table.key], rows["id"].tolist(), strict=True))
            free_names(store, table, gone[name].values())
            for entry in entries[name]:
                if entry["action"] == "remove" and entry["key"] in gone[name]:
                    entry["id"] = gone[name][entry["key"]]
    return gone


def _with_removed(counts: Counts, removed: int) -> Counts:
    return Counts(counts.inserted, counts.updated, counts.unchanged, removed)
