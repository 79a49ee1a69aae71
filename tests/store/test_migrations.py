from __future__ import annotations

import hashlib
import re
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from kso_utils.core.errors import SchemaTooNew, StoreError
from kso_utils.store import migrations
from kso_utils.store.connection import connect_file
from kso_utils.store.engine import open_store
from kso_utils.store.schema import Base


def tables_of(path):
    """The statements that make the tables and indexes of a file, with white space and quotes evened out."""
    with sqlite3.connect(path) as connection:
        found = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    connection.close()
    return {name: re.sub(r"[\s\"]+", "", sql)[:-1] for name, sql in found if name != "schema_version"}


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def set_version(path, version):
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE schema_version SET version_num = ?", (version,))
    connection.close()


def test_migrations_give_the_tables_of_the_schema(empty_file):
    engine = connect_file(empty_file, read_only=True)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": "schema_version", "compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def test_migrations_give_every_constraint_of_the_schema(tmp_path, empty_file):
    """Alembic's comparison does not see CHECKs, so the statements themselves are compared too."""
    path = tmp_path / "made.sqlite"
    engine = create_engine(f"sqlite:///{path}")
    Base.metadata.create_all(engine)
    engine.dispose()
    made, migrated = tables_of(path), tables_of(empty_file)
    assert migrated.keys() == made.keys()
    for name, sql in made.items():
        # Alembic writes the constraints of a table in another order.
        assert sorted(sql.split(",")) == sorted(migrated[name].split(",")), name


def test_our_version_is_that_of_the_last_revision(store):
    with store._reading() as connection:
        script = ScriptDirectory.from_config(migrations.alembic_config(connection))
        assert migrations.read_version(connection, "store") == migrations.HEAD
    assert script.get_current_head() == migrations.HEAD


@pytest.mark.parametrize("read_only", [True, False])
def test_a_newer_store_is_refused_and_not_touched(road, read_only):
    road.close()
    set_version(road.path, "9999")
    before = sha256(road.path)
    with pytest.raises(SchemaTooNew, match=r"9999.*Update kso_utils"):
        open_store(road.path, read_only=read_only)
    assert sha256(road.path) == before
    wal = road.path.with_name(f"{road.path.name}-wal")
    assert not wal.exists() or wal.stat().st_size == 0


def test_a_newer_store_in_rollback_mode_stays_in_it(tmp_path):
    path = tmp_path / "newer.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE schema_version (version_num TEXT)")
        connection.execute("INSERT INTO schema_version VALUES ('9999')")
    connection.close()
    before = sha256(path)
    with pytest.raises(SchemaTooNew):
        open_store(path)
    assert sha256(path) == before
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("read_only", [True, False])
def test_another_programs_database_is_refused_and_not_touched(tmp_path, read_only):
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE birds (id INTEGER)")
    connection.close()
    before = sha256(path)
    with pytest.raises(StoreError, match=r"not made by kso_utils.*birds"):
        open_store(path, read_only=read_only)
    assert sha256(path) == before


def test_an_older_store_is_not_brought_up_to_date_by_a_reader(road):
    road.close()
    set_version(road.path, "0000")
    with pytest.raises(StoreError, match=r"0000.*Open it for writing once"):
        open_store(road.path, read_only=True)


def test_a_failure_in_a_revision_leaves_an_empty_database(tmp_path, monkeypatch):
    path = tmp_path / "store.sqlite"
    step = migrations._step

    def fail(connection):
        step(connection)
        raise StoreError("stopped after the last statement")

    monkeypatch.setattr(migrations, "_step", fail)
    with pytest.raises(StoreError, match="stopped"):
        open_store(path)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT * FROM sqlite_master").fetchall() == []
    connection.close()
    monkeypatch.undo()
    with open_store(path) as store:
        assert store.check().ok


def test_a_store_made_meanwhile_by_another_process_is_taken(tmp_path, monkeypatch):
    path = tmp_path / "store.sqlite"
    with open_store(path) as first:
        first.close()
        monkeypatch.setattr("kso_utils.store.engine._has_content", lambda path: False)
        with open_store(path) as second:
            assert second.check().ok


def test_opening_a_store_of_this_version_does_not_load_alembic(road):
    code = "import sys; from kso_utils.store.engine import open_store; open_store(sys.argv[1]).read('sites'); "
    code += "sys.exit('alembic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code, str(road.path)]).returncode == 0


def test_cells_that_were_logged_one_by_one_become_edits(tmp_path, monkeypatch):
    path = tmp_path / "store.sqlite"
    with monkeypatch.context() as older:
        older.setattr(migrations, "HEAD", "0001")
        open_store(path).close()
    cell = ("e1", "2021-01-01", "Ada", "movies", "a.mp4", "fps")
    with closing(sqlite3.connect(path)) as connection, connection:
        insert = (
            "INSERT INTO edit_log (edit_id, created_at, who, table_name, row_key, column_name, old_value, new_value)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        )
        connection.executemany(insert, [(*cell, "25", "30"), (*cell[:5], "author", None, "Bo")])
    with open_store(path) as store:
        (edit,) = store.read("edit_log").to_dict("records")
    assert (edit["edit_id"], edit["table_name"], edit["who"], edit["kind"]) == ("e1", "movies", "Ada", "edit")
    assert edit["changes"] == [
        {"action": "set", "key": "a.mp4", "column": "fps", "before": "25", "after": "30"},
        {"action": "set", "key": "a.mp4", "column": "author", "before": None, "after": "Bo"},
    ]
