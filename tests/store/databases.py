"""The databases that the store is tested on: each makes, copies and drops small ones for single tests."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sqlite3
import uuid
from contextlib import closing
from pathlib import Path

import psycopg
from psycopg.sql import SQL, Identifier

from kso_utils.store.engine import open_store

VARIABLE = "KSO_TEST_POSTGRES"
WITHOUT_SERVER = f"{VARIABLE} names no PostgreSQL server: run the tests through .ci/postgres, which starts one"

_TABLES = (
    "SELECT relname, xmin::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1"
)
_COLUMNS = """SELECT table_name::text, column_name || ' ' || data_type, is_nullable::text, column_default::text,
    collation_name::text FROM information_schema.columns WHERE table_schema = 'public'"""
_CONSTRAINTS = """SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), NULL, NULL
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace"""
_INDEXES = "SELECT tablename::text, indexdef, NULL, NULL, NULL FROM pg_indexes WHERE schemaname = 'public'"


class Files:
    """SQLite: a database is a file in the test's folder."""

    def new(self, folder: Path) -> Path:
        """The address of a database that is not there yet."""
        return folder / "store.sqlite"

    def copy(self, address: Path, folder: Path) -> Path:
        """The address of a copy; the database itself must be closed."""
        return Path(shutil.copyfile(address, self.new(folder)))

    def execute(self, address: Path, statement: str) -> None:
        """Execute a statement as another program would."""
        with closing(sqlite3.connect(address)) as connection, connection:
            connection.execute(statement)

    def definitions(self, address: Path) -> dict[str, list[str]]:
        """What each table and index is made of, in no order, with white space and quotes evened out."""
        with closing(sqlite3.connect(address)) as connection:
            found = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
        return {name: sorted(re.sub(r"[\s\"]+", "", sql)[:-1].split(",")) for name, sql in found}

    def fingerprint(self, address: Path) -> object:
        """What changes when anything in the database does."""
        files = [(path.name, path.read_bytes()) for path in sorted(address.parent.glob(f"{address.name}*"))]
        # Even a reader keeps a file of locks, and a log without content.
        return {name: hashlib.sha256(text).hexdigest() for name, text in files if text and not name.endswith("-shm")}

    def drop(self, address: Path) -> None:
        """The test's folder goes with its files."""

    def close(self) -> None:
        """There is nothing to let go of."""


class Server:
    """PostgreSQL: a database of its own on the server that the environment names."""

    def __init__(self) -> None:
        self._url = os.environ[VARIABLE]
        self._connection = psycopg.connect(self._url, autocommit=True)
        recent = self._connection.info.server_version >= 150000
        # The other strategy, the default from version 15 on, takes twice as long for databases as small as these.
        self._strategy = "STRATEGY FILE_COPY" if recent else ""
        languages = "SELECT count(*) FROM pg_collation WHERE collname = 'sv-SE-x-icu'"
        self.knows_languages = recent and self._connection.execute(languages).fetchone() == (1,)

    def new(self, folder: Path) -> str:
        """The address of an empty database."""
        return self.create("TEMPLATE template0 ENCODING 'UTF8'")

    def copy(self, address: str, folder: Path) -> str:
        """The address of a copy; nobody may be connected to the database itself."""
        return self.create(f'TEMPLATE "{self._name(address)}" {self._strategy}')

    def create(self, options: str) -> str:
        """Make a database with options of CREATE DATABASE and return its address."""
        name = f"kso_test_{uuid.uuid4().hex}"
        self._connection.execute(f'CREATE DATABASE "{name}" {options}')
        return f"{self._url.rpartition('/')[0]}/{name}"

    def execute(self, address: str, statement: str) -> None:
        """Execute a statement as another program would."""
        with psycopg.connect(address) as connection:
            connection.execute(statement)

    def definitions(self, address: str) -> dict[str, list[str]]:
        """What each table is made of, in no order."""
        found: dict[str, list[str]] = {}
        with psycopg.connect(address) as connection:
            for table, *parts in connection.execute(_COLUMNS + " UNION ALL " + _CONSTRAINTS + " UNION ALL " + _INDEXES):
                found.setdefault(table, []).append(" ".join(map(str, parts)))
        return {table: sorted(parts) for table, parts in found.items()}

    def fingerprint(self, address: str) -> object:
        """What changes when any table or row does: which transactions wrote them last."""
        with psycopg.connect(address) as connection:
            tables = connection.execute(_TABLES).fetchall()
            rows = [SQL("SELECT max(xmin::text), count(*) FROM {}").format(Identifier(name)) for name, _ in tables]
            return tables, [connection.execute(statement).fetchone() for statement in rows]

    def drop(self, address: str) -> None:
        """Remove a database, whoever is still connected to it."""
        self._connection.execute(f'DROP DATABASE IF EXISTS "{self._name(address)}" WITH (FORCE)')

    def close(self) -> None:
        """Let go of the server."""
        self._connection.close()

    @staticmethod
    def _name(address: str) -> str:
        return address.rpartition("/")[2]


def make_empty(databases: Files | Server, folder: Path) -> Path | str:
    """Make a store with nothing in it; return its address."""
    address = databases.new(folder)
    open_store(address).close()
    return address
