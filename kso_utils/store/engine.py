"""The store itself: opened, read and written."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import pandas as pd
from sqlalchemy import delete, func, insert, or_, select

from kso_utils.core.clock import utc_now
from kso_utils.core.errors import IntegrityFailed, StoreError
from kso_utils.core.report import Report
from kso_utils.store import locks, migrations, postgres
from kso_utils.store.backups import describe_server, write_backup
from kso_utils.store.checks import check_store, damaged
from kso_utils.store.connection import (
    connect_file,
    connect_url,
    describe_url,
    plain_errors,
    to_json_text,
    writing,
)
from kso_utils.store.names import KSO_NAMES
from kso_utils.store.postgres import among, is_postgres
from kso_utils.store.provenance import describe_versions
from kso_utils.store.rows import Counts, insert_rows, upsert_rows
from kso_utils.store.schema import Base
from kso_utils.store.values import from_database, to_database
from kso_utils.version import __version__

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from types import TracebackType

    from sqlalchemy import Column, ColumnElement, Connection, Engine, Select, Table

RunKind = Literal["clip", "frame", "train", "evaluate", "detect"]

_RUN_TABLES = {
    "clip": "agg_runs",
    "frame": "agg_runs",
    "train": "model_runs",
    "evaluate": "model_runs",
    "detect": "model_runs",
}
_SQLITE_HEADER = b"SQLite format 3\0"
_MAX_VARIABLES = 10_000


def open_store(path_or_url: str | Path, read_only: bool = False) -> Store:
    """Open a store; make it where there is none, bring an older one to this version.

    Parameters
    ----------
    path_or_url
        A SQLite file, or the URL of another database (`postgresql://user@host/name`).
    read_only
        Refuse every change.

    Returns
    -------
    Store
        To be closed, or used as a context manager.

    Raises
    ------
    SchemaTooNew
        If a newer version of this software made it; it is left as it is.
    StoreBusy
        If another process writes to it for longer than 30 s.
    StoreError
        If it is not a store, is damaged, or cannot be made there.
    """
    text = str(path_or_url)
    if "://" in text and not text.startswith("sqlite:"):
        engine = connect_url(text, read_only=read_only)
        return _open_database(engine, describe_url(engine.url), read_only)
    name = text.removeprefix("sqlite:///")
    if name in ("", ":memory:") or name.startswith("sqlite:"):
        raise StoreError(f"{text!r} names no file. Give one, as folder/store.sqlite or sqlite:///folder/store.sqlite.")
    path = Path(name)
    _require_store_file(path, read_only)
    return _open_file(path, read_only)


class Store:
    """An open store; safe to use from several threads, each with transactions of its own.

    Attributes
    ----------
    path : Path or None
        The file, None for another database than SQLite.
    name : str
        The file or address, for messages.
    read_only : bool
        Whether every change is refused.
    """

    def __init__(self, engine: Engine, path: Path | None, name: str, read_only: bool) -> None:
        self.path, self.name, self.read_only = path, name, read_only
        self._engine = engine
        self._local = threading.local()

    def __enter__(self) -> Self:
        """Return the store itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the store."""
        self.close()

    def close(self) -> None:
        """Let go of the file; a closed store opens it again when it is used."""
        self._engine.dispose()

    @contextmanager
    def atomic(self) -> Iterator[None]:
        """Make everything that the block writes one transaction: all of it, or nothing if the block raises.

        The right to write is taken at the start, so that what the block reads stays true until it ends. Nested,
        it is a savepoint: an inner block that raises loses its own writes only.

        Raises
        ------
        StoreBusy
            If another process writes for longer than 30 s.
        StoreError
            If the store is read-only, or the disk is full.
        """
        if self.read_only:
            raise StoreError(f"{self.name} was opened read-only. Open it without read_only to change it.")
        held = self._held()
        with plain_errors(self.name):
            if held is not None:
                with held.begin_nested():
                    yield
                return
            with writing(self._engine) as connection, connection.begin():
                self._local.connection = connection
                try:
                    yield
                finally:
                    self._local.connection = None

    @contextmanager
    def exclusively(self, task: str) -> Iterator[None]:
        """Hold a task that takes many transactions for the length of a block; other tasks go on.

        Parameters
        ----------
        task
            What one process at a time may do, in words: `the upload of Clips`.

        Raises
        ------
        StoreBusy
            If another process, or another part of this one, is busy with it.
        """
        held: AbstractContextManager[None]
        if self.path is not None:
            held = locks.hold(self.path, 0.0, task)
        elif is_postgres(self._engine):
            held = postgres.hold(self._engine, self.name, task)
        else:
            held = nullcontext()
        with held, plain_errors(self.name):
            yield

    def read(
        self,
        table: str,
        columns: Iterable[str] | None = None,
        where: Mapping[str, Any] | None = None,
        order_by: str | Iterable[str] | None = None,
        names: Literal["dwc", "kso"] = "dwc",
    ) -> pd.DataFrame:
        """Return rows of a table.

        Parameters
        ----------
        table
            The table's name.
        columns
            The columns wanted, in that order; all by default.
        where
            Column -> the value that it must have, a list (tuple, set, Series) of values that it may have, or None for
            rows in which it is empty. Several must all hold.
        order_by
            The column or columns to sort by.
        names
            `"kso"` renames columns to the names that KSO's first databases used (`siteName`, `commonName`).

        Returns
        -------
        DataFrame
            Whole numbers are int64 (Int64 where some are missing), truth values bool (boolean), other numbers
            float64, text and JSON objects with None.

        Raises
        ------
        StoreError
            If there is no such table or column; the message names those that there are.
        """
        found = _table(table)
        wanted = list(found.columns) if columns is None else [_column(found, name) for name in columns]
        statement = select(*wanted)
        for name, value in (where or {}).items():
            statement = statement.where(self._condition(_column(found, name), value))
        order = [order_by] if isinstance(order_by, str) else list(order_by or ())
        # Databases do not agree on where empty values come; SQLite puts them first.
        frame = self.select(statement.order_by(*(_column(found, name).asc().nulls_first() for name in order)))
        return frame.rename(columns=KSO_NAMES.get(table, {})) if names == "kso" else frame

    def select(self, statement: Select[*tuple[Any, ...]]) -> pd.DataFrame:
        """Return the result of a SQLAlchemy statement, with dtypes as `read` gives them."""
        with self._reading() as connection:
            rows = connection.execute(statement).all()
        values: Iterable[Collection[Any]] = (
            zip(*rows, strict=True) if rows else ([] for _ in statement.selected_columns)
        )
        return pd.DataFrame(
            {c.name: from_database(list(v), c) for c, v in zip(statement.selected_columns, values, strict=True)}
        )

    def upsert(self, table: str, frame: pd.DataFrame, key: str | Iterable[str]) -> Counts:
        """Insert rows, or update those that are there already, in one transaction.

        Parameters
        ----------
        table
            The table's name.
        frame
            One row a record; columns are the table's. Columns that it lacks keep their values, or take their
            defaults in new rows. NaN, NaT, `pd.NA` and None are stored as NULL, dicts and lists as JSON.
        key
            The column or columns by which a row is known.

        Returns
        -------
        Counts
            Rows inserted, updated and unchanged; unchanged rows are not written.

        Raises
        ------
        StoreError
            If the table or a column is unknown, or a value does not fit its column.
        IntegrityFailed
            If a key is empty or occurs twice, or the rows break a constraint of the store.
        """
        found = _table(table)
        keys = [key] if isinstance(key, str) else list(key)
        columns = _columns(found, frame)
        absent = [name for name in keys if name not in columns]
        if absent:
            raise StoreError(f"{table}: the rows lack {', '.join(absent)}, by which they are known. Add the column.")
        with self.atomic():
            return upsert_rows(self._writing(), found, columns, keys)

    def record_run(
        self,
        kind: RunKind,
        params: Mapping[str, Any],
        inputs: Mapping[str, Any],
        rows: Mapping[str, pd.DataFrame],
        **columns: Any,
    ) -> int:
        """Write a run and the rows that it gave, in one transaction, with the versions of what computed them.

        Parameters
        ----------
        kind
            `"clip"` and `"frame"` are runs of consensus (`agg_runs`), `"train"`, `"evaluate"` and `"detect"` of a
            model (`model_runs`).
        params, inputs
            What the run was told and what it read; JSON values.
        rows
            Table -> its new rows; their `run_id` is filled in.
        **columns
            Further columns of the run itself (`model_id`, `state`, `error`).

        Returns
        -------
        int
            The run's id.

        Raises
        ------
        StoreError
            If a name is unknown, a value does not fit, or a table does not belong to this kind of run.
        IntegrityFailed
            If the rows break a constraint of the store.
        """
        if kind not in _RUN_TABLES:
            raise StoreError(f"There is no kind of run {kind!r}. Use one of: {', '.join(_RUN_TABLES)}.")
        runs = _table(_RUN_TABLES[kind])
        run = {"kind": kind, "created_at": utc_now(), "version": __version__, "params": params, "inputs": inputs}
        run["versions"] = describe_versions()
        record = _columns(runs, pd.DataFrame({name: [value] for name, value in {**run, **columns}.items()}))
        given = {_owned_table(name, runs): frame for name, frame in rows.items()}
        with self.atomic():
            connection = self._writing()
            statement = insert(runs).values({name: values[0] for name, values in record.items()}).returning(runs.c.id)
            run_id: int = connection.execute(statement).scalar_one()
            for found, frame in given.items():
                insert_rows(connection, found, _columns(found, frame.assign(run_id=run_id)))
        return run_id

    def remove(self, table: str, where: Mapping[str, Any]) -> int:
        """Remove rows and return how many; `where` is as in `read`, and an empty one is refused.

        Raises
        ------
        StoreError
            If the table or a column is unknown, or no condition is given.
        IntegrityFailed
            If other rows point to one of them; nothing is removed then.
        """
        found = _table(table)
        if not where:
            raise StoreError(f"{table}: say which rows to remove.")
        conditions = [self._condition(_column(found, name), value) for name, value in where.items()]
        with self.atomic():
            return self._writing().execute(delete(found).where(*conditions)).rowcount

    def backup(self, path: str | Path) -> Path:
        """Copy the store, as it is at this moment, into a new file; others may go on writing to it.

        The copy is checked and flushed to disk before it gets its name; its sha256 is written beside it.
        `kso_utils.store.restore_backup` puts it into the store's place.

        Raises
        ------
        StoreError
            If there is such a file, it cannot be written, or a database server keeps the store.
        IntegrityFailed
            If the store is damaged.
        """
        if self.path is None:
            raise describe_server(self.name)
        return write_backup(self._engine, self.name, Path(path))

    def check(self) -> Report:
        """Report what is wrong with the store: its file, its references, and the files that it names."""
        try:
            with self._reading() as connection:
                return check_store(connection, self.path)
        except IntegrityFailed as error:
            return Report(self.name, [damaged(str(error))])

    def _held(self) -> Connection | None:
        return getattr(self._local, "connection", None)

    def _writing(self) -> Connection:
        held = self._held()
        assert held is not None  # noqa: S101 - every caller is inside atomic()
        return held

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        held = self._held()
        with plain_errors(self.name):
            if held is not None:
                yield held
                return
            with self._engine.connect() as connection:
                yield connection

    def _condition(self, column: Column[Any], value: Any) -> ColumnElement[bool]:
        if not isinstance(value, list | tuple | set | frozenset | range | pd.Series | pd.Index | np.ndarray):
            (single,) = to_database([value], column)
            if single is not None and is_postgres(self._engine):
                return among(column, [single], to_json_text)
            return column.is_(None) if single is None else column == single
        listed = dict.fromkeys(to_database(list(value), column))
        may_miss = None in listed
        values = [one for one in listed if one is not None]
        if is_postgres(self._engine):
            there = among(column, values, to_json_text)
        elif len(values) > _MAX_VARIABLES and self.path is not None:
            # SQLite bounds the number of variables in a statement; one JSON text holds any number of values, but its
            # reader ends a text at a NUL.
            apart = {one for one in values if isinstance(one, str) and "\0" in one}
            element = func.json_each(json.dumps([one for one in values if one not in apart])).table_valued("value")
            there = or_(column.in_(select(element.c.value)), column.in_(list(apart)))
        else:
            there = column.in_(values)
        return or_(there, column.is_(None)) if may_miss else there


def _open_file(path: Path, read_only: bool) -> Store:
    name = str(path)
    version = None
    # Only a writer can roll back the journal of a killed process, so a store that has one is opened for writing.
    if read_only or (_has_content(path) and not path.with_name(f"{path.name}-journal").exists()):
        looking = connect_file(path, read_only=True)
        version = _known_version(looking, name)
        if read_only:
            return _require_current(version, Store(looking, path, name, True))
        looking.dispose()
    engine = connect_file(path, read_only=False)
    if version != migrations.HEAD:
        _migrate(engine, name)
    return Store(engine, path, name, False)


def _open_database(engine: Engine, name: str, read_only: bool) -> Store:
    version = _known_version(engine, name)
    if read_only:
        return _require_current(version, Store(engine, None, name, True))
    if version != migrations.HEAD:
        _migrate(engine, name)
    return Store(engine, None, name, False)


def _known_version(engine: Engine, name: str) -> str | None:
    try:
        with plain_errors(name), engine.connect() as connection:
            version = migrations.read_version(connection, name)
        migrations.refuse_newer(version, name)
    except StoreError:
        engine.dispose()
        raise
    return version


def _migrate(engine: Engine, name: str) -> None:
    try:
        with plain_errors(name):
            migrations.migrate(engine, name)
    except StoreError:
        engine.dispose()
        raise


def _require_current(version: str | None, store: Store) -> Store:
    if version == migrations.HEAD:
        return store
    store.close()
    raise StoreError(
        f"{store.name} has schema version {version}, this software {migrations.HEAD}. "
        "Open it for writing once, which brings it up to date."
    )


def _require_store_file(path: Path, read_only: bool) -> None:
    if path.exists() and not path.is_file():
        raise StoreError(
            f"{path} is a folder or a device. Give the store's file, for example store.sqlite in a folder."
        )
    if not path.parent.is_dir():
        raise StoreError(f"{path}: there is no folder {path.parent}. Make it first, or correct the path.")
    if read_only and not _has_content(path):
        raise StoreError(f"There is no store at {path}. Correct the path, or open it for writing to make one.")
    try:
        with path.open("rb") as handle:
            start = handle.read(len(_SQLITE_HEADER))
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}. Check its permissions.") from error
    if start and start != _SQLITE_HEADER:
        raise StoreError(f"{path} is not a store, but another kind of file. Give the store's file; it was not touched.")


def _has_content(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _table(name: str) -> Table:
    tables = Base.metadata.tables
    if name not in tables:
        raise StoreError(f"There is no table {name!r} in the store. There are: {', '.join(sorted(tables))}.")
    return tables[name]


def _column(table: Table, name: str) -> Column[Any]:
    if name not in table.columns:
        raise StoreError(f"The table {table.name} has no column {name!r}. It has: {', '.join(table.columns.keys())}.")
    return table.columns[name]


def _columns(table: Table, frame: pd.DataFrame) -> dict[str, list[Any]]:
    return {str(name): to_database(frame[name], _column(table, str(name))) for name in frame.columns}


def _owned_table(name: str, runs: Table) -> Table:
    table = _table(name)
    run = table.columns.get("run_id")
    if run is None or not any(key.column.table is runs for key in run.foreign_keys):
        raise StoreError(f"Rows of {name} do not belong to a run of {runs.name}. Write them with another kind of run.")
    return table
