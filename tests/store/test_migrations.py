from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from kso_utils.core.errors import SchemaTooNew, StoreError
from kso_utils.store import migrations
from kso_utils.store.engine import open_store
from kso_utils.store.schema import Base


def set_version(databases, address, version):
    databases.execute(address, f"UPDATE schema_version SET version_num = '{version}'")  # noqa: S608 - ours


def test_migrations_give_the_tables_of_the_schema(store):
    options = {"version_table": "schema_version", "compare_type": True, "compare_server_default": True}
    with store._engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Base.metadata) == []


def test_migrations_give_every_constraint_of_the_schema(databases, empty, new_address):
    """Alembic's comparison does not see CHECKs, so the definitions themselves are compared too."""
    url = f"sqlite:///{new_address}" if isinstance(new_address, Path) else new_address
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    Base.metadata.create_all(engine)
    engine.dispose()
    migrated = databases.definitions(empty)
    del migrated["schema_version"]
    assert migrated == databases.definitions(new_address)


def test_our_version_is_that_of_the_last_revision(store):
    with store._reading() as connection:
        script = ScriptDirectory.from_config(migrations.alembic_config(connection))
        assert migrations.read_version(connection, "store") == migrations.HEAD
    assert script.get_current_head() == migrations.HEAD


@pytest.mark.parametrize("read_only", [True, False])
def test_a_newer_store_is_refused_and_not_touched(databases, road, address, read_only):
    road.close()
    set_version(databases, address, "9999")
    before = databases.fingerprint(address)
    with pytest.raises(SchemaTooNew, match=r"9999.*Update kso_utils"):
        open_store(address, read_only=read_only)
    assert databases.fingerprint(address) == before


def test_a_newer_store_in_rollback_mode_stays_in_it(tmp_path):
    path = tmp_path / "newer.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE schema_version (version_num TEXT)")
        connection.execute("INSERT INTO schema_version VALUES ('9999')")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(SchemaTooNew):
        open_store(path)
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("read_only", [True, False])
def test_another_programs_database_is_refused_and_not_touched(databases, new_address, read_only):
    databases.execute(new_address, "CREATE TABLE birds (id INTEGER)")
    before = databases.fingerprint(new_address)
    with pytest.raises(StoreError, match=r"not made by kso_utils.*birds"):
        open_store(new_address, read_only=read_only)
    assert databases.fingerprint(new_address) == before


def test_an_older_store_is_not_brought_up_to_date_by_a_reader(databases, road, address):
    road.close()
    set_version(databases, address, "0000")
    with pytest.raises(StoreError, match=r"0000.*Open it for writing once"):
        open_store(address, read_only=True)


def test_a_failure_in_a_revision_leaves_an_empty_database(databases, new_address, monkeypatch):
    step = migrations._step

    def fail(connection):
        step(connection)
        raise StoreError("stopped after the last statement")

    with monkeypatch.context() as broken:
        broken.setattr(migrations, "_step", fail)
        with pytest.raises(StoreError, match="stopped"):
            open_store(new_address)
    assert databases.definitions(new_address) == {}
    with open_store(new_address) as store:
        assert store.check().ok


def test_a_store_made_meanwhile_by_another_process_is_taken(tmp_path, monkeypatch):
    path = tmp_path / "store.sqlite"
    with open_store(path) as first:
        first.close()
        monkeypatch.setattr("kso_utils.store.engine._has_content", lambda path: False)
        with open_store(path) as second:
            assert second.check().ok


def test_opening_a_store_of_this_version_does_not_load_alembic(address):
    code = "import sys; from kso_utils.store.engine import open_store; open_store(sys.argv[1]).read('sites'); "
    code += "sys.exit('alembic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code, str(address)]).returncode == 0


def test_cells_that_were_logged_one_by_one_become_edits(databases, new_address, monkeypatch):
    with monkeypatch.context() as older:
        older.setattr(migrations, "HEAD", "0001")
        open_store(new_address).close()
    databases.execute(
        new_address,
        "INSERT INTO edit_log (edit_id, created_at, who, table_name, row_key, column_name, old_value, new_value)"
        " VALUES ('e1', '2021-01-01', 'Ada', 'movies', 'a.mp4', 'fps', '25', '30'),"
        " ('e1', '2021-01-01', 'Ada', 'movies', 'a.mp4', 'author', NULL, 'Bo')",
    )
    with open_store(new_address) as store:
        (edit,) = store.read("edit_log").to_dict("records")
    assert (edit["edit_id"], edit["table_name"], edit["who"], edit["kind"]) == ("e1", "movies", "Ada", "edit")
    assert edit["changes"] == [
        {"action": "set", "key": "a.mp4", "column": "fps", "before": "25", "after": "30"},
        {"action": "set", "key": "a.mp4", "column": "author", "before": None, "after": "Bo"},
    ]
