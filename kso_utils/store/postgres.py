"""What is PostgreSQL's own: its connections, the right to write, its errors in plain words, and its new ids."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Double,
    Float,
    Integer,
    String,
    Text,
    cast,
    create_engine,
    event,
    func,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, REGCLASS
from sqlalchemy.exc import DBAPIError, OperationalError

from kso_utils.core.errors import IntegrityFailed, StoreBusy, StoreError
from kso_utils.store.schema import Base

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import URL, Column, ColumnElement, Connection, Engine, Table

NAME = "postgresql"
DRIVER = "postgresql+psycopg"

_CONNECT_TIMEOUT_S = 5
# The number of the lock that a writer holds until its transaction ends: "kso_util" in ASCII. Every database of a
# server has locks of its own.
_WRITERS = 0x6B736F5F7574696C
_TRY_AGAIN = "What was not finished was undone. Try again."
_FAILURES: dict[str, tuple[type[StoreError], str]] = {
    "25006": (
        StoreError,
        "the server refuses the change: the store was opened read-only, or the server is a copy that only answers.",
    ),
    "40001": (StoreBusy, f"another process changed the same rows. {_TRY_AGAIN}"),
    "40P01": (StoreBusy, f"another process and this one waited for each other. {_TRY_AGAIN}"),
    "42501": (
        StoreError,
        "the user may not do that ({said}). Let the database's owner grant it: USAGE and CREATE on the schema to make "
        "a store, SELECT, INSERT, UPDATE and DELETE on its tables, USAGE and UPDATE on its sequences to use one.",
    ),
    "53100": (StoreError, "the server's disk is full ({said}). Make room and try again; nothing was changed."),
    "XX001": (IntegrityFailed, "the database is damaged ({said}). Restore it from a copy; do not write to it."),
    "XX002": (IntegrityFailed, "an index is damaged ({said}). Let the database's owner run REINDEX DATABASE."),
}
"""SQLSTATE -> our error and what it says; {said} is the server's own sentence."""


def connect_server(url: URL, to_json: Callable[[Any], str], wait_s: float, *, read_only: bool) -> Engine:
    """Return an engine on a PostgreSQL database.

    Parameters
    ----------
    url
        The address, with the driver psycopg.
    to_json
        Turns a value into JSON text.
    wait_s
        How long to wait for the right to write, or for any other lock.
    read_only
        Open it so that the server itself refuses every change.
    """
    settings = {"connect_timeout": _CONNECT_TIMEOUT_S, "client_encoding": "utf8"}
    engine = create_engine(
        url,
        # What is read after the right to write was taken must be what the writer before has left.
        isolation_level="READ COMMITTED",
        connect_args={name: value for name, value in settings.items() if name not in url.query},
        json_serializer=to_json,
        max_overflow=-1,
        pool_pre_ping=True,
    )
    event.listen(engine, "connect", partial(_prepare, wait_s, read_only))
    event.listen(engine, "begin", _begin)
    return engine


def is_postgres(at: Connection | Engine) -> bool:
    """Return whether a connection or engine is one to PostgreSQL."""
    return at.dialect.name == NAME


@contextmanager
def hold(engine: Engine, where: str, task: str) -> Iterator[None]:
    """Hold the server's lock of a task for the length of a block; it is gone with the connection.

    Raises
    ------
    StoreBusy
        If another process holds it.
    """
    number = int.from_bytes(hashlib.sha256(task.encode()).digest()[:8], signed=True)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not connection.execute(select(func.pg_try_advisory_lock(number))).scalar_one():
            raise StoreBusy(f"{where}: another process is busy with it: {task}. Wait for it, or stop it.")
        try:
            yield
        finally:
            # Where the server hung up meanwhile, the lock went with the connection.
            with suppress(DBAPIError):
                connection.execute(select(func.pg_advisory_unlock(number)))


def constraint_failure(error: DBAPIError) -> str | None:
    """Return what a violated constraint is in SQLite's words (`UNIQUE constraint failed: sites.locality`).

    None where PostgreSQL did not say it, or the error is no such violation.
    """
    diagnosis = getattr(error.orig, "diag", None)
    if diagnosis is None:
        return None
    state, table, constraint = diagnosis.sqlstate, diagnosis.table_name, diagnosis.constraint_name
    if state == "23502":
        return f"NOT NULL constraint failed: {table}.{diagnosis.column_name}"
    if state == "23503":
        return "FOREIGN KEY constraint failed"
    if state == "23505":
        return f"UNIQUE constraint failed: {_columns_of(table, constraint)}"
    return f"CHECK constraint failed: {constraint}" if state == "23514" else None


def explain(where: str, error: DBAPIError, wait_s: float) -> StoreError | None:
    """Return an error of PostgreSQL in plain words, None where the error is not PostgreSQL's.

    Parameters
    ----------
    where
        The store, for the message.
    error
        What SQLAlchemy raised.
    wait_s
        How long a lock was waited for, for the message.
    """
    diagnosis = getattr(error.orig, "diag", None)
    if diagnosis is None:
        return None
    state, said = diagnosis.sqlstate, " ".join((diagnosis.message_primary or str(error.orig)).split()).rstrip(".")
    if error.connection_invalidated:
        return StoreError(
            f"{where}: the connection to the server broke ({said}). Nothing half-done was kept. "
            "Run the same step again when the server answers."
        )
    if state is None and isinstance(error, OperationalError):
        return StoreError(
            f"{where}: there is no connection to the server ({said}). Check that it runs, that it can be reached from "
            "here, and that its database and user are spelled as in the address. A password can stand in ~/.pgpass."
        )
    if state == "55P03":
        return StoreBusy(
            f"{where}: another process is writing to the store and did not finish in {wait_s:.0f} s. "
            "Wait for it, or stop it, and try again."
        )
    kind, sentence = _FAILURES.get(state or "", (StoreError, "{said}."))
    return kind(f"{where}: {sentence.format(said=said)}")


def among(column: Column[Any], values: Sequence[Any], to_json: Callable[[Any], str]) -> ColumnElement[bool]:
    """Return the condition that a column has one of any number of values, as one parameter.

    Parameters
    ----------
    column
        The column.
    values
        Values as the database keeps them, none of them None.
    to_json
        Turns a value into JSON text, as it was when it was written.
    """
    if isinstance(column.type, JSON):
        return cast(column, Text) == func.any(literal([to_json(value) for value in values], ARRAY(Text)))
    # No text holds a NUL there, and a parameter may not either.
    listed = [value for value in values if not _has_nul(value)]
    return column == func.any(literal(listed, ARRAY(_plain_type(column))))


def prepare_rows(connection: Connection, table: Table, columns: dict[str, list[Any]]) -> None:
    """See that rows can go into a table; on other databases there is nothing to do.

    Ids that are given to rows are not drawn for others later: SQLite takes the number after the largest id, but
    PostgreSQL counts, and knows nothing of ids that were given.

    Parameters
    ----------
    connection
        In a transaction that may write.
    table
        Where the rows go.
    columns
        One list of database values a column.

    Raises
    ------
    StoreError
        If a text holds a NUL character, which PostgreSQL cannot keep; the message names table, row (the first is 1)
        and column.
    """
    if not is_postgres(connection):
        return
    for name, values in columns.items():
        if isinstance(table.c[name].type, String):
            _refuse_nul(f"{table.name}, row {{}}, {name}", values)
    primary = table.autoincrement_column
    largest = (
        0 if primary is None else max((one for one in columns.get(primary.name, ()) if one is not None), default=0)
    )
    if primary is not None and largest > 0:
        sequence = _sequence(primary)
        last = func.coalesce(func.pg_sequence_last_value(sequence), 0)
        connection.execute(select(func.setval(sequence, largest)).where(last < largest))


def fill_ids(connection: Connection, table: Table, columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Return the columns of new rows with an id drawn where theirs is None, as SQLite does it by itself.

    Parameters
    ----------
    connection
        In a transaction that may write.
    table
        Where the rows go.
    columns
        One list of database values a column.
    """
    primary = table.autoincrement_column
    if not is_postgres(connection) or primary is None or None not in columns.get(primary.name, ()):
        return columns
    ids = columns[primary.name]
    drawn = select(func.nextval(_sequence(primary))).select_from(func.generate_series(1, ids.count(None)))
    new = iter(connection.scalars(drawn).all())
    return {**columns, primary.name: [next(new) if one is None else one for one in ids]}


def _prepare(wait_s: float, read_only: bool, connection: Any, record: Any) -> None:
    """Set a new connection up; what is set holds until it is closed."""
    name, encoding = connection.info.dbname, connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        connection.close()
        raise StoreError(
            f"The database {name} keeps text as {encoding}, which does not hold every name. "
            "Make one with ENCODING 'UTF8' and TEMPLATE template0."
        )
    settings = {"lock_timeout": f"{wait_s * 1000:.0f}ms"}
    if read_only:
        settings["default_transaction_read_only"] = "on"
    for name, value in settings.items():
        connection.execute("SELECT set_config(%s, %s, false)", (name, value))
    connection.commit()


def _begin(connection: Connection) -> None:
    if connection.get_execution_options().get("kso_writes", False):
        connection.execute(select(func.pg_advisory_xact_lock(_WRITERS)))


def _columns_of(table: str, constraint: str) -> str:
    """Return the columns of a unique constraint as SQLite names them, or its own name where we do not know it."""
    for found in Base.metadata.tables[table].constraints if table in Base.metadata.tables else ():
        if found.name == constraint:
            return ", ".join(f"{table}.{column.name}" for column in found.columns)  # type: ignore[attr-defined]
    return constraint


def _plain_type(column: Column[Any]) -> Any:
    if isinstance(column.type, Boolean):
        return Boolean
    if isinstance(column.type, Integer):
        return BigInteger
    return Double if isinstance(column.type, Float) else Text


def _refuse_nul(place: str, values: list[Any]) -> None:
    for number, value in enumerate(values, 1):
        if _has_nul(value):
            raise StoreError(
                f"{place.format(number)}: {value!r} holds a NUL character, which PostgreSQL cannot keep. Remove it."
            )


def _has_nul(value: Any) -> bool:
    return isinstance(value, str) and "\0" in value


def _sequence(column: Column[Any]) -> ColumnElement[Any]:
    return cast(func.pg_get_serial_sequence(column.table.name, column.name), REGCLASS)
