from __future__ import annotations

import logging
import sqlite3
import sys
from pathlib import PureWindowsPath

import pytest

from kso_utils.core.errors import IntegrityFailed, MissingExtra, StoreBusy, StoreError
from kso_utils.store import connection
from kso_utils.store.connection import describe_constraint, is_network_path
from kso_utils.store.engine import open_store


@pytest.fixture
def mounts(tmp_path):
    """A table of mounts: a local root, a network share in it, a local disk in the share, a name with a space."""
    path = tmp_path / "mounts"
    path.write_text(
        "/dev/sda / ext4 rw 0 0\n"
        "server:/data /net nfs4 rw 0 0\n"
        "/dev/sdb /net/local xfs rw 0 0\n"
        "//server/share /my\\040share cifs rw 0 0\n"
        "/dev/sdc /twice ext4 rw 0 0\n"
        "you@host: /twice fuse.sshfs rw 0 0\n"
        "broken\n"
    )
    return path


@pytest.mark.parametrize(
    ("path", "network"),
    [
        ("/home/store.sqlite", False),
        ("/net/store.sqlite", True),
        ("/net", True),
        ("/network/store.sqlite", False),
        ("/net/local/store.sqlite", False),
        ("/my share/store.sqlite", True),
        ("/twice/store.sqlite", True),
    ],
)
def test_the_longest_and_latest_mount_decides(tmp_path, mounts, path, network):
    assert is_network_path(type(tmp_path)(path), mounts) is network


def test_without_a_table_of_mounts_every_path_is_local(tmp_path):
    assert not is_network_path(tmp_path, tmp_path / "none")


def test_a_path_on_a_named_server_is_none_of_a_local_disk(tmp_path):
    assert is_network_path(PureWindowsPath(r"\\server\share\store.sqlite"), tmp_path / "none")


def pragma(store, name):
    with store._reading() as opened:
        return opened.exec_driver_sql(f"PRAGMA {name}").scalar_one()


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize(
    ("name", "value"), [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 30_000)]
)
def test_settings_on_a_local_disk(store, name, value):
    assert pragma(store, name) == value


def test_a_network_disk_gets_the_rollback_journal_and_a_warning(tmp_path, monkeypatch, caplog):
    mounts = tmp_path / "mounts"
    mounts.write_text(f"server:/ {tmp_path.resolve()} nfs rw 0 0\n")
    monkeypatch.setattr(connection, "_MOUNTS", mounts)
    with caplog.at_level(logging.WARNING), open_store(tmp_path / "store.sqlite") as store:
        assert pragma(store, "journal_mode") == "delete"
    assert "network file system" in caplog.text


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("UNIQUE constraint failed: sites.locality", "Two rows have the same sites.locality."),
        ("NOT NULL constraint failed: sites.locality", "sites.locality is empty, but must not be."),
        ("CHECK constraint failed: ck_sites_x", "A row breaks the rule ck_sites_x."),
        ("FOREIGN KEY constraint failed", "A row points to a row of another table that is not there"),
        ('duplicate key value violates unique constraint "uq_sites_locality"', "constraints: duplicate key"),
    ],
)
def test_a_constraint_is_put_in_words(said, meaning):
    assert meaning in describe_constraint(said)


@pytest.mark.parametrize(
    ("said", "error", "meaning"),
    [
        ("database is locked", StoreBusy, "another process is writing"),
        ("database or disk is full", StoreError, "Make room"),
        ("disk I/O error", StoreError, "Make room"),
        ("attempt to write a readonly database", StoreError, "permissions"),
        ("database disk image is malformed", IntegrityFailed, "Restore it from a copy"),
        ("file is not a database", IntegrityFailed, "Restore it from a copy"),
        ("unable to open database file", StoreError, "permissions"),
        ("no such function: x", StoreError, "no such function"),
    ],
)
def test_an_error_of_the_database_is_put_in_words(said, error, meaning):
    explained = connection._explained("store.sqlite", said)
    assert type(explained) is error
    assert meaning in str(explained)


def test_an_error_of_the_driver_itself_is_put_in_words_too(tmp_path):
    with pytest.raises(StoreError, match="Check the permissions"), connection.plain_errors("store.sqlite"):
        sqlite3.connect(tmp_path / "none" / "store.sqlite")


@pytest.mark.parametrize("url", ["nonsense://host/name", "postgresql+nonsense://host/name"])
def test_a_url_of_no_known_database_is_refused(url):
    with pytest.raises(StoreError, match="Not a database address"):
        open_store(url)


def test_a_password_in_a_bad_url_is_not_shown():
    with pytest.raises(StoreError) as caught:
        open_store("nonsense://me:secret@host/name")
    assert "secret" not in str(caught.value)


def test_a_missing_driver_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtra, match=r"kso_utils\[postgres\]"):
        open_store("postgresql://me@localhost/store")


def test_a_missing_driver_of_another_database_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pymysql", None)
    with pytest.raises(StoreError, match="'pymysql', which is not installed"):
        open_store("mysql+pymysql://me@localhost/store")


@pytest.mark.only_on("sqlite")
def test_a_store_on_a_read_only_medium_can_be_read(road, monkeypatch):
    road.close()
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with open_store(road.path, read_only=True) as reader:
        assert len(reader.read("sites")) == 2
    assert [path.name for path in road.path.parent.iterdir()] == [road.path.name]
