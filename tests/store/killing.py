"""Kills writers of a store at random moments and looks at what they left: run as a process of its own.

It forks, so that a writer starts at once; a test process, with threads of other tests in it, must not.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

import alembic.command  # noqa: F401 - loaded before the forks, so that the kills fall into the writing
import pandas as pd
from sqlalchemy import Engine, event

from kso_utils.store import migrations
from kso_utils.store.backups import restore_backup
from kso_utils.store.engine import open_store
from tests.killing import kill_after

ROWS = 8_000


def populate(address, version):
    """Write 200 sites and `ROWS` movies, all of which say which version of them this is."""
    movies = pd.DataFrame({"filename": [f"{number}.mp4" for number in range(ROWS)], "frames": version})
    with open_store(address) as store, store.atomic():
        sites = pd.DataFrame({"locality": [f"site {number}" for number in range(200)], "habitat": str(version)})
        store.upsert("sites", sites, "locality")
        ids = store.read("sites", columns=["id"], order_by="id")["id"]
        store.upsert("movies", movies.assign(site_id=[ids[number % 200] for number in range(ROWS)]), "filename")


def versions(address):
    """The versions that the store holds, after a look at whether it is sound and complete."""
    # Under the right to write, for a server may still be busy with what a killed process sent last.
    with open_store(address) as store, store.atomic():
        report = store.check()
        assert report.ok, str(report)
        sites, movies = store.read("sites"), store.read("movies")
    assert len(sites) in (0, 200), len(sites)
    assert len(movies) == ROWS * bool(len(sites)), len(movies)
    return {*movies["frames"], *sites["habitat"].astype("int64")}


def timed(work, *args):
    start = time.monotonic()
    work(*args)
    return time.monotonic() - start


def repeat(kills, attempt):
    """Let `attempt(number)` try a kill and return whether it hit, until so many did; return how many that were."""
    hit = number = 0
    while hit < kills:
        assert number < 5 * kills + 20, f"only {hit} of {number} kills came in time"
        hit += attempt(number)
        number += 1
    return hit


def kill_populate(kills, rng, address):
    """Old or new, never a mixture; and a second run finishes what the killed one left."""
    populate(address, 1)
    duration = timed(populate, address, 2)

    def attempt(number):
        version = number + 3
        hit = kill_after(rng.uniform(0.02, 1.0) * duration, populate, address, version)
        found = versions(address)
        assert found in ({version - 1}, {version}), found
        populate(address, version)
        assert versions(address) == {version}
        return hit

    return repeat(kills, attempt)


def kill_creation(kills, rng, first, *others):
    """A store whose making was interrupted is made by the next who opens it; one address more than kills."""
    duration = timed(lambda: open_store(first).close())
    hit = 0
    for _, address in zip(range(kills), others, strict=True):
        hit += kill_after(rng.uniform(0.02, 1.0) * duration, lambda address: open_store(address).close(), address)
        assert versions(address) == set()
    return hit


def rows_of(path, tables):
    """The rows of some tables of a file, as they are, and whether SQLite finds it sound."""
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert raw.execute("PRAGMA foreign_key_check").fetchall() == []
        return {table: raw.execute(f'SELECT * FROM "{table}" ORDER BY 1').fetchall() for table in tables}  # noqa: S608


def is_kept(old, path):
    """Whether every row of an older store is there; columns may have come behind the old ones."""
    kept = rows_of(path, [table for table in old if table not in CHANGED])
    return all(
        [row[: len(before[0])] for row in kept[table]] == before for table, before in old.items() if table in kept
    )


def migrate(path):
    open_store(path).close()


def kill_migration(kills, rng, folder):
    """A store of the first version, with rows in every table, is of that version or of ours after a kill."""
    folder = Path(folder)
    older = folder / "older.sqlite"
    tables = make_older(older)
    old = rows_of(older, tables)
    shutil.copyfile(older, folder / "first.sqlite")
    duration = timed(migrate, folder / "first.sqlite")

    def attempt(number):
        path = folder / "store.sqlite"
        shutil.copyfile(older, path)
        hit = kill_after(rng.uniform(0.02, 1.0) * duration, migrate, path)
        check_migrated(old, path)
        return hit

    return repeat(kills, attempt)


def kill_each_statement(_kills, _rng, folder):
    """The same, killed before each statement of the way from one version to the other."""
    folder = Path(folder)
    older = folder / "older.sqlite"
    old = rows_of(older, make_older(older))
    number = 0
    while True:
        path = folder / "store.sqlite"
        shutil.copyfile(older, path)
        if not kill_after(None, migrate_until, path, number):
            return number
        check_migrated(old, path)
        number += 1


def migrate_until(path, number):
    """Migrate, but die before a statement."""
    left = [number]

    def count(*_):
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "before_cursor_execute", count)
    event.listen(Engine, "commit", count)
    migrate(path)


def check_migrated(old, path):
    """Nothing is lost by the kill, nor by the migration that follows."""
    assert is_kept(old, path)
    migrate(path)
    assert is_kept(old, path)
    with open_store(path) as store:
        assert store.check().codes().keys() <= {"FILE_MISSING"}, str(store.check())
        edits = store.read("edit_log")
        assert sum(len(changes) for changes in edits["changes"]) == len(old["edit_log"])
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()


def kill_backup(kills, rng, folder):
    """A backup is whole or not there, and the store is as it was."""
    folder = Path(folder)
    path, copies = folder / "store.sqlite", folder / "copies"
    populate(path, 1)

    def copy(target):
        with open_store(path) as store:
            store.backup(target)

    duration = timed(copy, copies / "first.db")

    def attempt(number):
        target = copies / f"{number}.db"
        hit = kill_after(rng.uniform(0.02, 1.0) * duration, copy, target)
        assert not target.exists() or versions(target) == {1}
        assert versions(path) == {1}
        for file in copies.iterdir():
            file.unlink()
        return hit

    return repeat(kills, attempt)


RESTORES = ("open", "os.link", "os.remove", "os.rename", "shutil.copyfile", "sqlite3.connect")


def kill_each_act(_kills, _rng, folder):
    """Killed before each thing that a restore does to a file, there is a store: the old one or the copy."""
    folder = Path(folder)
    old, new, path = folder / "old.sqlite", folder / "new.db", folder / "work" / "store.sqlite"
    for version, source in enumerate((old, new), 1):
        populate(source, version)
    number = 0
    while True:
        path.parent.mkdir()
        shutil.copyfile(old, path)
        hit = kill_after(None, restore_until, new, path, number)
        assert path.stat().st_size > 0, "there is no store"
        found = versions(path)
        kept = [versions(aside) for aside in path.parent.glob("store-replaced-*.sqlite")]
        assert found == {1} or (found == {2} and kept == [{1}]), (number, found, kept)
        shutil.rmtree(path.parent)
        if not hit:
            return number
        number += 1


def restore_until(backup, path, number):
    """Restore, but die before an act."""
    left = [number]

    def count(act, values):
        if act in RESTORES and str(path.parent) in str(values[0]):
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    restore_backup(backup, path, replace=True)


VALUES = {
    "subject_type": "clip",
    "user_kind": "registered",
    "countryCode": "SE",
    ("agg_runs", "kind"): "clip",
    ("model_runs", "kind"): "train",
    ("upload_journal", "state"): "planned",
    ("export_files", "kind"): "subjects",
    "state": "done",
    "support": 0.5,
    "confidence": 0.5,
}
CHANGED = {"edit_log"}


def make_older(path):
    """Make a store by the first revision alone, with two rows in every table; return the tables."""
    head, migrations.HEAD = migrations.HEAD, "0001"
    try:
        open_store(path).close()
    finally:
        migrations.HEAD = head
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("PRAGMA journal_mode = DELETE")
        listed = raw.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'schema_version'")
        tables = [name for (name,) in listed]
        for table in tables:
            columns = raw.execute(f'PRAGMA table_info("{table}")').fetchall()
            wanted = [(name, kind) for _, name, kind, needed, _, _ in columns if needed or name in VALUES]
            for number in (1, 2):
                row = [VALUES.get((table, n), VALUES.get(n, fill(kind, number))) for n, kind in wanted]
                names, marks = ", ".join(f'"{n}"' for n, _ in wanted), ", ".join("?" * len(row))
                raw.execute(f'INSERT INTO "{table}" ({names}) VALUES ({marks})', row)  # noqa: S608
        assert raw.execute("PRAGMA foreign_key_check").fetchall() == []
    return tables


def fill(kind, number):
    """A value of a column's type; references point to the row of the same number."""
    if kind in ("INTEGER", "BIGINT"):
        return number
    return {"VARCHAR": f"text {number}", "JSON": "[]", "BOOLEAN": 0}.get(kind.split("(")[0], 1.5)


def main(what, kills, seed, *places):
    kill = {
        "populate": kill_populate,
        "creation": kill_creation,
        "migration": kill_migration,
        "statements": kill_each_statement,
        "backup": kill_backup,
        "restore": kill_each_act,
    }[what]
    hit = kill(int(kills), random.Random(int(seed)), *places)  # noqa: S311 - times, not secrets
    sys.stdout.write(f"{hit}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
