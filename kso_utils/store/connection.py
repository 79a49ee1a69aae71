"""How a store is reached: SQLite's settings, transactions that begin where we say, and errors in plain words."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError
from sqlalchemy.pool import QueuePool

from kso_utils.core.errors import IntegrityFailed, MissingExtra, StoreBusy, StoreError
from kso_utils.core.log import logger
from kso_utils.store import postgres
from kso_utils.store.locks import hold, lock_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL, Connection, Engine

BUSY_TIMEOUT_S = 30.0

_MOUNTS = Path("/proc/mounts")
# fmt: off
_NETWORK_SYSTEMS = frozenset((
    "9p", "acfs", "afs", "beegfs", "ceph", "cifs", "cvmfs", "davfs", "fuse.ceph", "fuse.davfs", "fuse.gcsfuse",
    "fuse.glusterfs", "fuse.juicefs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs", "glusterfs", "gpfs", "lustre", "mmfs",
    "ncpfs", "nfs", "nfs4", "orangefs", "panfs", "pvfs2", "smb3", "smbfs", "virtiofs", "wekafs",
))
# fmt: on
_LOCKED = "kso_locked"
_log = logger(__name__)


def is_network_path(path: Path, mounts: Path = _MOUNTS) -> bool:
    """Return whether `path` lies on a network file system, where SQLite's write-ahead log is not safe.

    Parameters
    ----------
    path
        A file or folder; it need not exist.
    mounts
        The table of mounts (Linux's `/proc/mounts`). Where there is none, only paths that begin with the name of a
        server (as shares do on Windows) count as on a network: network disks of macOS and drive letters of
        Windows are not recognised.
    """
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return path.drive.startswith("\\\\")
    target = path.resolve()
    best, kind = -1, ""
    for fields in (line.split() for line in lines):
        if len(fields) < 3:
            continue
        point = Path(re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), fields[1]))
        # A later mount on the same point hides the earlier one, hence >=.
        if (point == target or point in target.parents) and len(point.parts) >= best:
            best, kind = len(point.parts), fields[2]
    return kind in _NETWORK_SYSTEMS


def connect_file(path: Path, *, read_only: bool) -> Engine:
    """Return an engine on a SQLite file; a file that does not exist is made at the first write.

    Parameters
    ----------
    path
        The file.
    read_only
        Open it so that SQLite itself refuses every change.
    """
    uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
    if read_only and not os.access(path.parent, os.W_OK) and not path.with_name(f"{path.name}-wal").exists():
        # Even a reader keeps a lock file beside a store in WAL mode; on a read-only medium nobody writes.
        uri += "&immutable=1"
    journal = None if read_only else _journal_mode(path)
    engine = create_engine(
        "sqlite://",
        creator=partial(_connect, uri, journal),
        poolclass=QueuePool,
        max_overflow=-1,
        execution_options={_LOCKED: path if journal == "DELETE" else None},
        json_serializer=to_json_text,
    )
    event.listen(engine, "begin", _begin)
    return engine


def connect_url(url: str, *, read_only: bool) -> Engine:
    """Return an engine on another database than SQLite.

    Parameters
    ----------
    url
        SQLAlchemy's form; `postgresql://` means the driver of the extra `postgres`, psycopg.
    read_only
        Open it so that PostgreSQL itself refuses every change.

    Raises
    ------
    StoreError
        If the text is not a database URL, or names a driver that is not installed.
    MissingExtra
        If psycopg is not installed.
    """
    shown = url.split("://")[0]
    try:
        address = make_url(re.sub("^postgres(ql)?://", f"{postgres.DRIVER}://", url))
        if address.drivername == postgres.DRIVER:
            return postgres.connect_server(address, to_json_text, BUSY_TIMEOUT_S, read_only=read_only)
        if address.get_backend_name() != postgres.NAME:
            return create_engine(address, json_serializer=to_json_text, pool_pre_ping=True)
    except ModuleNotFoundError as error:
        if error.name == "psycopg":
            raise MissingExtra("psycopg", "postgres") from error
        raise StoreError(f"{shown}://... needs the package '{error.name}', which is not installed.") from error
    except (ArgumentError, NoSuchModuleError, ValueError):
        pass  # What they say may hold the password, so it is not passed on.
    raise StoreError(
        f"Not a database address: {shown}://... Give a file, or a URL such as postgresql://user@host/name."
    )


def require_no_password(url: str) -> None:
    """Refuse a database's address that holds a password.

    Raises
    ------
    StoreError
        If it does, or is no address; the message does not show it.
    """
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):
        # What they say may hold the password, so it is not passed on.
        raise StoreError("Not a database address. Give a URL such as postgresql://user@host/name.") from None
    if address.password is not None or any("password" in name.lower() for name in address.query):
        raise StoreError(
            "A password stands in the database's address, where others read it. Take it out, and put it into "
            "~/.pgpass or the environment variable PGPASSWORD."
        )


def describe_url(url: URL) -> str:
    """Return a database's address for messages: without a password, and without options, which may hold one."""
    bare = url.create(url.get_backend_name(), url.username, None, url.host, url.port, url.database)
    return bare.render_as_string()


def alone(store: Path) -> AbstractContextManager[None]:
    """Return a block in which nobody else writes to a store on a network disk; elsewhere it does nothing."""
    return hold(store, BUSY_TIMEOUT_S) if is_network_path(store, _MOUNTS) else nullcontext()


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Give a connection whose transactions take the right to write when they begin (`BEGIN IMMEDIATE`).

    Where the store is on a network file system, its lock file is held as long.

    Raises
    ------
    StoreBusy
        If another process holds that lock for longer than `BUSY_TIMEOUT_S`.
    """
    store: Path | None = engine.get_execution_options().get(_LOCKED)
    with hold(store, BUSY_TIMEOUT_S) if store else nullcontext(), engine.connect() as connection:
        yield connection.execution_options(kso_writes=True)


@contextmanager
def plain_errors(where: str) -> Iterator[None]:
    """Turn a database's errors into ours, with a sentence that says what to do.

    Parameters
    ----------
    where
        The store, for the message.

    Raises
    ------
    IntegrityFailed, StoreBusy, StoreError
        By what the database said.
    """
    try:
        yield
    except IntegrityError as error:
        raise IntegrityFailed(f"{where}: {describe_constraint(failure_of(error))} Nothing was changed.") from error
    except DBAPIError as error:
        raise (postgres.explain(where, error, BUSY_TIMEOUT_S) or _explained(where, str(error.orig))) from error
    except sqlite3.Error as error:
        raise _explained(where, str(error)) from error


def failure_of(error: IntegrityError) -> str:
    """Return what a violated constraint is, in SQLite's words where the database has others that we know."""
    return postgres.constraint_failure(error) or str(error.orig)


def describe_constraint(said: str) -> str:
    """Return a sentence for a violated constraint, naming its table and itself where the database did."""
    kind, _, what = said.partition(" constraint failed")
    what = what.removeprefix(":").strip()
    if kind == "UNIQUE":
        return f"Two rows have the same {what}."
    if kind == "NOT NULL":
        return f"{what} is empty, but must not be."
    if kind == "CHECK":
        return f"A row breaks the rule {what}."
    if kind == "FOREIGN KEY":
        return "A row points to a row of another table that is not there (foreign key)."
    return f"Rows contradict the store's constraints: {said.strip()}."


def _explained(where: str, said: str) -> StoreError:
    if "locked" in said or "busy" in said:
        return StoreBusy(
            f"{where}: another process is writing to the store and did not finish in {BUSY_TIMEOUT_S:.0f} s. "
            "Wait for it, or stop it, and try again."
        )
    if "full" in said or "disk I/O" in said:
        return StoreError(
            f"{where}: the disk is full or cannot be written ({said}). Make room and try again; "
            "the store is as it was before."
        )
    if "readonly" in said or "unable to open" in said:
        return StoreError(
            f"{where}: the store cannot be opened or written. Check the permissions of the file and its folder."
        )
    if "malformed" in said or "not a database" in said:
        return IntegrityFailed(f"{where}: the file is damaged ({said}). Restore it from a copy; do not write to it.")
    return StoreError(f"{where}: {said}.")


def _connect(uri: str, journal: str | None) -> sqlite3.Connection:
    # isolation_level None: the driver begins no transaction by itself, `_begin` does.
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA foreign_keys = ON")
    if journal:
        connection.execute(f"PRAGMA journal_mode = {journal}")
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _journal_mode(path: Path) -> str:
    if not is_network_path(path, _MOUNTS):
        return "WAL"
    _log.warning(
        "%s is on a network file system: the store uses the slower rollback journal there, and %s lets one process "
        "write at a time. Keep the store on a local disk if you can.",
        path,
        lock_path(path).name,
    )
    return "DELETE"


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("kso_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


to_json_text = partial(json.dumps, ensure_ascii=False, allow_nan=False)
