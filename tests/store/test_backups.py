from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import threading
from contextlib import closing

import pandas as pd
import pytest

from kso_utils.core import progress
from kso_utils.core.errors import IntegrityFailed, SchemaTooNew, StoreBusy, StoreError
from kso_utils.store import backups, connection
from kso_utils.store.backups import backup_name, restore_backup
from kso_utils.store.engine import open_store
from kso_utils.store.schema import Base

# A server has tools of its own for copies.
pytestmark = pytest.mark.only_on("sqlite")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def localities(path):
    with open_store(path, read_only=True) as store:
        return store.read("sites", order_by="locality")["locality"].tolist()


def add_site(store, name):
    store.upsert("sites", pd.DataFrame({"locality": [name]}), "locality")


@pytest.fixture
def backup(road, tmp_path):
    return road.backup(tmp_path / "backups" / "road.db")


def test_a_backup_holds_every_row_in_one_file(road, backup):
    with open_store(backup, read_only=True) as copy:
        for table in Base.metadata.tables:
            pd.testing.assert_frame_equal(copy.read(table), road.read(table))
    assert names(backup.parent) == ["road.db", "road.db.sha256"]


def test_a_backup_has_its_sha256_beside_it(backup):
    said = backup.with_name("road.db.sha256").read_text()
    assert said == f"{hashlib.sha256(backup.read_bytes()).hexdigest()}  road.db\n"


def test_a_backup_is_never_overwritten(road, backup):
    content = backup.read_bytes()
    with pytest.raises(StoreError, match="exists already"):
        road.backup(backup)
    assert backup.read_bytes() == content


def test_a_backup_is_of_one_moment_while_others_write(road, tmp_path, monkeypatch):
    """Every other page is copied, and then two sites at a time are written: the copy has both or none."""
    monkeypatch.setattr(backups, "_PAGES_A_STEP", 1)
    written = threading.Event()

    def write():
        with open_store(road.path) as other:
            for number in range(20):
                with other.atomic():
                    add_site(other, f"left {number}")
                    add_site(other, f"right {number}")
                written.set()

    class Wait(progress.Silent):
        def show(self, *_):
            written.wait(10)

    previous = progress.use(Wait())
    writer = threading.Thread(target=write)
    writer.start()
    try:
        copy = road.backup(tmp_path / "copy.db")
    finally:
        progress.use(previous)
        writer.join()
    found = localities(copy)
    assert sum(name.startswith("left") for name in found) == sum(name.startswith("right") for name in found)
    assert len(road.read("sites")) == 42


def test_a_damaged_store_gives_no_backup(road, tmp_path):
    road.close()
    with closing(sqlite3.connect(road.path)) as raw:
        page = raw.execute("SELECT rootpage FROM sqlite_master WHERE name = 'sites'").fetchone()[0]
        size = raw.execute("PRAGMA page_size").fetchone()[0]
    with road.path.open("r+b") as handle:
        # An empty page in place of the table, to which its indexes then point in vain.
        handle.seek((page - 1) * size)
        handle.write(bytes([13, *[0] * 7]) + bytes(size - 8))
    with (
        open_store(road.path) as store,
        pytest.raises(IntegrityFailed, match=r"store\.sqlite: the file is damaged.*No copy"),
    ):
        store.backup(tmp_path / "copies" / "copy.db")
    assert names(tmp_path / "copies") == []


def test_a_backup_to_where_nothing_can_be_written_says_so(road, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        road.backup(tmp_path / "file" / "copy.db")


@pytest.mark.only_on("postgresql")
def test_a_servers_store_names_the_servers_tools(store):
    with pytest.raises(StoreError, match="pg_dump"):
        store.backup("copy.db")
    with pytest.raises(StoreError, match="pg_restore"):
        restore_backup("copy.db", "postgresql://me:secret@host/kso")


def test_the_name_of_a_backup_tells_when_it_was_made():
    assert backup_name("kso.db")[:6] == "kso-20"
    assert backup_name("kso.db").endswith("Z.db")


# Restoring


def test_a_backup_takes_the_place_of_a_lost_store(road, backup):
    road.close()
    road.path.unlink()
    assert restore_backup(backup, road.path) is None
    assert localities(road.path) == ["North reef", "South reef"]


def test_a_store_that_is_there_is_not_replaced_unless_told(road, backup):
    with pytest.raises(StoreError, match=r"There is a store at .*--replace"):
        restore_backup(backup, road.path)


def test_a_replaced_store_keeps_every_row_under_another_name(road, backup):
    add_site(road, "later")
    road.close()
    aside = restore_backup(backup, road.path, replace=True)
    assert localities(road.path) == ["North reef", "South reef"]
    assert localities(aside) == ["North reef", "South reef", "later"]
    assert names(road.path.parent) == sorted(["backups", aside.name, road.path.name])


def test_a_replaced_store_is_kept_where_files_cannot_have_two_names(road, backup, monkeypatch):
    def refuse(*_):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    add_site(road, "Later")
    road.close()
    aside = restore_backup(backup, road.path, replace=True)
    assert localities(aside) == ["Later", "North reef", "South reef"]
    assert localities(road.path) == ["North reef", "South reef"]


def test_stores_that_are_replaced_in_one_second_are_all_kept(road, backup, monkeypatch):
    monkeypatch.setattr(backups, "utc_now", lambda: "2026-01-01T00:00:00Z")
    road.close()
    kept = [restore_backup(backup, road.path, replace=True).name for _ in range(3)]
    stem = "store-replaced-2026-01-01T000000Z"
    assert kept == [f"{stem}.sqlite", f"{stem}-2.sqlite", f"{stem}-3.sqlite"]


def test_a_store_that_is_open_elsewhere_is_not_replaced(road, backup, monkeypatch):
    monkeypatch.setattr(backups, "_CLOSING_S", 0.05)
    road.read("sites")
    before = names(road.path.parent)
    with pytest.raises(StoreBusy, match="another program has the store open"):
        restore_backup(backup, road.path, replace=True)
    assert names(road.path.parent) == before
    assert len(road.read("sites")) == 2


def test_what_was_committed_to_the_log_alone_is_kept_with_the_replaced_store(road, backup, tmp_path):
    """As after a kill: the log of the old store holds its last rows, and must not stay beside the restored one."""
    add_site(road, "in the log")
    killed = tmp_path / "killed"
    killed.mkdir()
    for end in ("", "-wal"):
        shutil.copyfile(f"{road.path}{end}", killed / f"kso.db{end}")
    aside = restore_backup(backup, killed / "kso.db", replace=True)
    assert localities(killed / "kso.db") == ["North reef", "South reef"]
    assert "in the log" in localities(aside)


def test_a_log_without_its_store_is_put_aside(backup, tmp_path):
    lone = tmp_path / "lone"
    lone.mkdir()
    (lone / "kso.db-wal").write_bytes(b"old")
    assert restore_backup(backup, lone / "kso.db") is None
    assert "kso.db-wal" not in names(lone)
    assert (lone / next(name for name in names(lone) if name.endswith("-wal"))).read_bytes() == b"old"


def test_a_damaged_store_is_put_aside_as_it_is(road, backup):
    road.close()
    content = b"SQLite format 3\0" + os.urandom(5000)
    road.path.write_bytes(content)
    aside = restore_backup(backup, road.path, replace=True)
    assert aside.read_bytes() == content
    assert localities(road.path) == ["North reef", "South reef"]


def test_a_backup_with_another_sha256_is_refused(road, backup):
    with closing(sqlite3.connect(backup)) as raw, raw:
        raw.execute("DELETE FROM subjects")
    with pytest.raises(IntegrityFailed, match=r"not what was written: road\.db\.sha256"):
        restore_backup(backup, road.path, replace=True)


def test_a_backup_without_its_sha256_is_checked_all_the_same(road, backup):
    backup.with_name("road.db.sha256").unlink()
    backup.write_bytes(backup.read_bytes()[:5000])
    with pytest.raises(IntegrityFailed, match="damaged"):
        restore_backup(backup, road.path, replace=True)
    assert len(road.read("sites")) == 2


def test_a_newer_backup_is_refused(road, backup):
    backup.with_name("road.db.sha256").unlink()
    with closing(sqlite3.connect(backup)) as raw, raw:
        raw.execute("UPDATE schema_version SET version_num = '9999'")
    with pytest.raises(SchemaTooNew):
        restore_backup(backup, road.path, replace=True)
    assert len(road.read("sites")) == 2


def test_an_empty_file_is_no_backup(road, tmp_path):
    (tmp_path / "empty.db").touch()
    with pytest.raises(StoreError, match="holds no store"):
        restore_backup(tmp_path / "empty.db", road.path, replace=True)


def test_a_missing_backup_is_named(road, tmp_path):
    with pytest.raises(StoreError, match=r"no backup .*gone\.db"):
        restore_backup(tmp_path / "gone.db", road.path)


def test_a_store_is_no_backup_of_itself(road):
    with pytest.raises(StoreError, match="is the store itself"):
        restore_backup(road.path, road.path, replace=True)


def test_on_a_network_disk_nobody_writes_during_the_restore(road, backup, monkeypatch):
    road.close()
    mounts = road.path.with_name("mounts")
    mounts.write_text(f"server:/ {road.path.parent.resolve()} nfs4 rw 0 0\n")
    monkeypatch.setattr(connection, "_MOUNTS", mounts)
    monkeypatch.setattr(connection, "BUSY_TIMEOUT_S", 0.1)
    with connection.alone(road.path), pytest.raises(StoreBusy, match=r"remove .*store\.sqlite\.lock"):
        restore_backup(backup, road.path, replace=True)
    assert restore_backup(backup, road.path, replace=True) is not None
