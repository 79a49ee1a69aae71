"""One writer at a time on a network disk; the table of mounts is made up, the disk is a local one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import create_engine

from kso_utils.core.errors import StoreBusy, StoreError
from kso_utils.store import connection, locks
from kso_utils.store.engine import Store, open_store
from kso_utils.store.locks import Holder, hold, is_stale, lock_path, read_holder

ROOT = Path(__file__).resolve().parents[2]
SITES = pd.DataFrame({"locality": ["a"]})


@pytest.fixture
def mounts(tmp_path, monkeypatch):
    """Make the folder of the test a network share."""
    path = tmp_path / "mounts"
    path.write_text(f"server:/ {tmp_path.resolve()} nfs4 rw 0 0\n")
    monkeypatch.setattr(connection, "_MOUNTS", path)
    monkeypatch.setattr(connection, "BUSY_TIMEOUT_S", 0.2)
    return path


@pytest.fixture
def shared(tmp_path, mounts):
    with open_store(tmp_path / "store.db") as store:
        yield store


def ours(**changes):
    return replace(Holder("here", locks._system(), os.getpid(), "2026-01-01T00:00:00Z", "t"), **changes)


def leave(lock, holder):
    lock.write_text(json.dumps(asdict(holder)))


def test_the_lock_is_held_while_a_transaction_writes_and_gone_afterwards(shared):
    lock = lock_path(shared.path)
    with shared.atomic():
        assert read_holder(lock).pid == os.getpid()
        shared.upsert("sites", SITES, "locality")
    assert not lock.exists()


def test_a_transaction_that_raises_lets_go_of_the_lock(shared):
    with pytest.raises(RuntimeError), shared.atomic():
        raise RuntimeError
    assert not lock_path(shared.path).exists()


@pytest.mark.only_on("sqlite")
def test_a_local_store_has_no_lock(store):
    with store.atomic():
        assert not lock_path(store.path).exists()


def test_reading_needs_no_lock(shared):
    with hold(shared.path, 0):
        assert shared.read("sites").empty


def test_a_writer_on_another_computer_is_named_with_what_to_do(shared):
    lock = lock_path(shared.path)
    leave(lock, ours(host="ship", system="ship 7", pid=99))
    with pytest.raises(StoreBusy, match=r"process 99 on ship, since 2026-01-01.*If it no longer runs, remove .*\.lock"):
        shared.upsert("sites", SITES, "locality")
    assert read_holder(lock).host == "ship"


def test_a_lock_that_nobody_can_read_is_respected(shared):
    lock_path(shared.path).write_text("")
    with pytest.raises(StoreBusy, match="another process is writing"):
        shared.upsert("sites", SITES, "locality")


def test_threads_wait_for_each_other(shared, monkeypatch):
    monkeypatch.setattr(connection, "BUSY_TIMEOUT_S", 30)

    def write(name):
        for number in range(3):
            shared.upsert("sites", pd.DataFrame({"locality": [f"{name}{number}"]}), "locality")

    threads = [threading.Thread(target=write, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(shared.read("sites")) == 9


HOLD = """
import sys
from pathlib import Path
from kso_utils.store.locks import hold

with hold(Path(sys.argv[1]), 0):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_lock_outlives_a_kill_and_the_next_writer_takes_it_over(shared):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", HOLD, str(shared.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as killed:
        assert killed.stdout.readline() == b"held\n"
        with pytest.raises(StoreBusy, match=f"process {killed.pid} on "):
            shared.upsert("sites", SITES, "locality")
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    assert is_stale(read_holder(lock_path(shared.path)))
    shared.upsert("sites", SITES, "locality")
    assert [path.name for path in sorted(shared.path.parent.iterdir())] == ["mounts", "store.db"]


def test_a_task_is_done_by_one_at_a_time(store, address):
    with open_store(address) as other:
        with store.exclusively("the upload"):
            with pytest.raises(StoreBusy, match="is busy with it: the upload"), other.exclusively("the upload"):
                pass
            with other.exclusively("another upload"):
                other.upsert("sites", SITES, "locality")
        with other.exclusively("the upload"):
            pass


def test_a_task_that_raises_is_over(store):
    for _ in range(2):
        with pytest.raises(RuntimeError), store.exclusively("the upload"):
            raise RuntimeError


@pytest.mark.only_on("sqlite")
def test_a_task_leaves_no_file(store):
    with store.exclusively("the upload"):
        assert read_holder(lock_path(store.path, "the upload")).pid == os.getpid()
    assert not list(store.path.parent.glob("*.lock"))


def test_a_database_without_locks_of_tasks_does_them_all_the_same():
    with Store(create_engine("sqlite://"), None, "another database", False).exclusively("the upload") as done:
        assert done is None


def test_a_process_of_another_user_is_alive():
    assert not is_stale(ours(pid=1))


def test_a_process_number_of_another_computer_says_nothing():
    assert not is_stale(ours(system="elsewhere", pid=2**22 + 1))


def test_a_signal_that_is_not_allowed_means_alive(monkeypatch):
    def refuse(pid, signal):
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    assert not is_stale(ours(pid=2**22 + 1))


def test_a_lock_that_was_taken_over_meanwhile_is_put_back(tmp_path):
    lock = lock_path(tmp_path / "store.db")
    leave(lock, ours(token="new"))
    locks._put_away(lock, ours(token="stale"))
    assert read_holder(lock).token == "new"
    assert [path.name for path in tmp_path.iterdir()] == [lock.name]


def test_a_stale_lock_that_another_put_away_is_no_trouble(tmp_path):
    locks._put_away(lock_path(tmp_path / "store.db"), ours())
    assert list(tmp_path.iterdir()) == []


def test_who_lost_its_lock_does_not_remove_that_of_another(tmp_path):
    store = tmp_path / "store.db"
    with hold(store, 0):
        leave(lock_path(store), ours(token="another"))
    assert read_holder(lock_path(store)).token == "another"


def test_a_folder_in_which_no_lock_can_be_made_is_named(tmp_path):
    with (
        pytest.raises(StoreError, match=r"store\.db\.lock cannot be made \(No such file"),
        hold(tmp_path / "no" / "store.db", 0),
    ):
        pass


def test_a_disk_too_full_for_a_lock_is_named_and_left_clean(tmp_path, monkeypatch):
    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left"), hold(tmp_path / "store.db", 0):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_computer_without_these_files_is_known_by_its_name(monkeypatch):
    def absent(*_):
        raise FileNotFoundError

    monkeypatch.setattr(locks, "_read_line", absent)
    monkeypatch.setattr(os, "readlink", absent)
    assert locks._system() == locks.socket.gethostname()
