"""The version of a store's tables, and the way from an older one to ours."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import column, inspect, select, table

from kso_utils.core.errors import SchemaTooNew, StoreError
from kso_utils.store.connection import writing

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection, Engine

HEAD = "0004"
VERSION_TABLE = "schema_version"


def read_version(connection: Connection, where: str) -> str | None:
    """Return the version of the tables behind a connection, None for an empty database.

    Parameters
    ----------
    connection
        A connection to the store.
    where
        The store, for the message.

    Raises
    ------
    StoreError
        If there are tables, but not a store's.
    """
    names = set(inspect(connection).get_table_names())
    version: str | None = None
    if VERSION_TABLE in names:
        version = connection.scalar(select(column("version_num")).select_from(table(VERSION_TABLE)))
    if version is None and names - {VERSION_TABLE}:
        raise StoreError(
            f"{where} was not made by kso_utils: it has tables ({', '.join(sorted(names)[:3])}), but no schema "
            "version. Give another file; a new store is made where there is none."
        )
    return version


def refuse_newer(version: str | None, where: str) -> None:
    """Refuse a store whose version this software does not know.

    Parameters
    ----------
    version
        What `read_version` gave.
    where
        The store, for the message.

    Raises
    ------
    SchemaTooNew
        If it was made by a newer version of this software.
    """
    if version is not None and version > HEAD:
        raise SchemaTooNew(
            f"{where} has schema version {version}, this software knows versions up to {HEAD}. "
            "It was not touched. Update kso_utils to open it: pip install --upgrade kso_utils"
        )


def migrate(engine: Engine, where: str) -> None:
    """Bring a store to our version, each revision and its record in one transaction.

    Another process may do the same at the same time: the version is read again under the right to write.

    Parameters
    ----------
    engine
        The store's engine.
    where
        The store, for messages.

    Raises
    ------
    SchemaTooNew, StoreError
        If there is no way from what is there to our version.
    """
    with writing(engine) as connection:
        while True:
            with connection.begin():
                version = read_version(connection, where)
                refuse_newer(version, where)
                if version == HEAD:
                    return
                _step(connection)


def alembic_config(connection: Connection) -> Config:
    """Return Alembic's configuration for our revisions on a connection."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("revisions")).replace("%", "%%"))
    config.attributes.update(connection=connection, version_table=VERSION_TABLE)
    return config


def _step(connection: Connection) -> None:
    from alembic import command

    command.upgrade(alembic_config(connection), "+1")
