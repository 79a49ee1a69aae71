"""Copies of a store: made while others write to it, checked, and put in its place again."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kso_utils.core.clock import utc_now
from kso_utils.core.errors import IntegrityFailed, StoreBusy, StoreError
from kso_utils.core.paths import flush_folder, sha256_file, write_atomic
from kso_utils.core.progress import Bar, bar
from kso_utils.store.connection import alone, connect_file, plain_errors
from kso_utils.store.migrations import read_version, refuse_newer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Engine

_PAGES_A_STEP = 2_048
_CLOSING_S = 5.0
_SIDE_FILES = ("-journal", "-wal", "-shm")
_SERVER = "{name} is kept by a database server. {act} with the server's own tools: {tool}"


def backup_name(store_name: str) -> str:
    """Return the name of a copy of a store that is made now (`kso-2026-11-21T093000Z.db`)."""
    name = Path(store_name)
    return f"{name.stem}-{_now()}{name.suffix}"


def write_backup(engine: Engine, name: str, path: Path) -> Path:
    """Copy a store, as it is at this moment, into a file of its own; others may go on writing to it.

    The copy is checked page by page and flushed to disk before it gets its name; its sha256 is written beside it, as
    `sha256sum` does.

    Parameters
    ----------
    engine
        Of a SQLite store.
    name
        The store, for messages.
    path
        The copy; it must not exist, its folder is made.

    Returns
    -------
    Path
        The copy.

    Raises
    ------
    StoreError
        If there is such a file, or it cannot be written.
    IntegrityFailed
        If the store is damaged; then no copy is kept.
    """
    if path.exists():
        raise StoreError(f"{path} exists already. Give another name; a backup is never overwritten.")
    _copy(engine, path, name)
    _write_hash(path)
    return path


def restore_backup(backup: str | Path, store: str | Path, replace: bool = False) -> Path | None:
    """Put a copy of a store into its place.

    The copy is checked before anything is touched. A store that is there is never deleted: with `replace` it gets
    another name in its folder. Programs that have it open must be closed first.

    Parameters
    ----------
    backup
        What `Store.backup` wrote, or any store file.
    store
        Where it goes.
    replace
        Put aside a store that is there.

    Returns
    -------
    Path or None
        The store that was put aside.

    Raises
    ------
    SchemaTooNew
        If a newer version of this software made the copy.
    IntegrityFailed
        If the copy is damaged, or is not what was written.
    StoreBusy
        If another program has the store open.
    StoreError
        If there is no such copy, it is no store, or there is a store already and `replace` is not given.
    """
    source, target = Path(backup), Path(store)
    if "://" in str(store):
        raise StoreError(
            _SERVER.format(name="The store", act="Restore it", tool="pg_restore --clean --dbname=ADDRESS FILE")
        )
    if not source.is_file():
        raise StoreError(f"There is no backup {source}. Correct the path.")
    _verify_hash(source)
    present = target.exists() and target.stat().st_size > 0
    if present and source.samefile(target):
        raise StoreError(f"{source} is the store itself. Give a backup of it.")
    if present and not replace:
        raise StoreError(
            f"There is a store at {target} already. Say that it is to be replaced (--replace, or replace=True); "
            "it is then kept under another name."
        )
    aside: list[Path] = []
    engine = connect_file(source, read_only=True)
    try:
        with plain_errors(str(source)), engine.connect() as connection:
            version = read_version(connection, str(source))
        refuse_newer(version, str(source))
        if version is None:
            raise StoreError(f"{source} holds no store. Give a backup.")
        with alone(target):
            _copy(engine, target, str(source), lambda: aside.extend(_put_aside(target)))
    finally:
        engine.dispose()
    return aside[0] if aside else None


def describe_server(name: str) -> StoreError:
    """Return the error for a store that a database server keeps: servers have tools of their own for this."""
    return StoreError(_SERVER.format(name=name, act="Back it up", tool="pg_dump --format=custom --file=FILE ADDRESS"))


def _copy(engine: Engine, path: Path, where: str, before_rename: Callable[[], object] | None = None) -> None:
    """Copy what an engine reads into a file; it gets its name when it is whole and sound, and on disk."""
    with write_atomic(path) as temporary:
        with plain_errors(where), closing(sqlite3.connect(temporary)) as copy, engine.connect() as connection:
            # From the first look on, the connection sees the store as it is now, whatever others write.
            read_version(connection, where)
            raw: Any = connection.connection.driver_connection
            with bar("Copying the store", 0) as shown:
                raw.backup(copy, pages=_PAGES_A_STEP, progress=partial(_show, shown))
            # One file, without a write-ahead log beside it, until it is opened as a store.
            copy.execute("PRAGMA journal_mode = DELETE")
            said = [row[0] for row in copy.execute("PRAGMA integrity_check")]
        if said != ["ok"]:
            raise IntegrityFailed(
                f"{where}: the file is damaged ({' '.join(said[0].split())}). No copy was made of it."
            )
        if before_rename is not None:
            before_rename()


def _show(shown: Bar, status: int, remaining: int, total: int) -> None:
    shown.total = total
    shown.advance(total - remaining - shown.done)


def _put_aside(store: Path) -> Iterator[Path]:
    """Keep a store, and what SQLite has beside it, under another name; yield that of the store if there was one.

    The store stands under its old name too until the copy is renamed over it: killed at any moment, there is one.
    """
    _fold(store)
    aside = _free_name(store)
    if store.exists():
        _keep(store, aside)
    for end in _SIDE_FILES:
        file = store.with_name(f"{store.name}{end}")
        if file.exists():
            file.rename(aside.with_name(f"{aside.name}{end}"))
    flush_folder(store.parent)
    if aside.exists():
        yield aside


def _keep(store: Path, aside: Path) -> None:
    try:
        os.link(store, aside)
    except OSError:  # Not every disk lets a file have two names.
        with write_atomic(aside) as temporary:
            shutil.copyfile(store, temporary)


def _fold(store: Path) -> None:
    """Take a store's write-ahead log into its file, which works only if nobody else has it open."""
    if not store.exists():
        return
    try:
        with closing(sqlite3.connect(store, timeout=_CLOSING_S)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.DatabaseError as error:
        if "locked" in str(error):
            raise StoreBusy(f"{store}: another program has the store open. Close it and try again.") from error
        # A damaged store is put aside as it is, with all that lies beside it.


def _free_name(store: Path) -> Path:
    stem = f"{store.stem}-replaced-{_now()}"
    names = (f"{stem}{end}{store.suffix}" for end in chain([""], (f"-{n}" for n in count(2))))
    return next(store.with_name(name) for name in names if not store.with_name(name).exists())


def _write_hash(path: Path) -> None:
    with write_atomic(_hash_file(path)) as temporary:
        temporary.write_text(f"{sha256_file(path)}  {path.name}\n", encoding="utf-8")


def _verify_hash(path: Path) -> None:
    beside = _hash_file(path)
    if beside.exists() and beside.read_text(encoding="utf-8").split()[:1] != [sha256_file(path)]:
        raise IntegrityFailed(
            f"{path} is not what was written: {beside.name} says another sha256. Take another backup."
        )


def _hash_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _now() -> str:
    return utc_now().replace(":", "")
