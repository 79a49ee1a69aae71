from __future__ import annotations

import os
import threading

import pytest

from kso_utils.core import journal as module
from kso_utils.core.errors import ConfigError
from kso_utils.core.journal import FileJournal


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "journal.jsonl"


def test_a_journal_is_found_again(path):
    first = FileJournal(path)
    first.put("b", {"part": 1, "name": "räka \ud800"})
    first.put("a", {"part": 2})
    first.put("b", {"part": 3})
    first.put("c", {})
    first.drop("c")
    again = FileJournal(path)
    assert list(again.pending().items()) == [("b", {"part": 3}), ("a", {"part": 2})]
    assert again.get("c") is None


def test_nothing_is_written_before_the_first_put(path):
    FileJournal(path).drop("unknown")
    assert not path.exists()


def test_states_are_not_shared_with_the_caller(path):
    journal = FileJournal(path)
    state = {"part": 1}
    journal.put("a", state)
    state["part"] = 2
    journal.get("a")["part"] = 3
    journal.pending()["a"]["part"] = 4
    assert journal.get("a") == {"part": 1}


def test_a_journal_is_compacted_when_it_is_opened(path):
    journal = FileJournal(path)
    for part in range(10):
        journal.put("a", {"part": part})
    FileJournal(path)
    assert path.read_text() == '["a", {"part": 9}]\n'


def test_a_journal_that_is_compact_is_not_written_again(path):
    FileJournal(path).put("a", {})
    before = path.stat().st_ino
    FileJournal(path)
    assert path.stat().st_ino == before


def test_a_last_line_cut_off_at_any_byte_is_as_if_never_written(path):
    path.parent.mkdir()
    first, second = b'["a", {"part": 1}]\n', '["b", {"name": "räka"}]\n'.encode()
    for length in range(len(second)):
        path.write_bytes(first + second[:length])
        assert FileJournal(path).pending() == {"a": {"part": 1}}
        assert path.read_bytes() == first


def test_work_goes_on_after_a_line_that_was_cut_off(path):
    path.parent.mkdir()
    path.write_bytes(b'["a", {"part": 1}]\n["b", {"pa')
    FileJournal(path).put("b", {"part": 2})
    assert FileJournal(path).pending() == {"a": {"part": 1}, "b": {"part": 2}}


@pytest.mark.parametrize("line", [b"locality,habitat", b"5", b'"ab"', b"[1, 2]", b'["a", 3]', b'["a"]', b"\xff", b""])
def test_another_file_is_refused_and_not_touched(path, line):
    path.parent.mkdir()
    content = b'["a", {}]\n' + line + b"\n"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"journal\.jsonl, line 2: not a journal"):
        FileJournal(path)
    assert path.read_bytes() == content


def test_a_state_that_json_does_not_know_changes_nothing(path):
    journal = FileJournal(path)
    journal.put("a", {"part": 1})
    with pytest.raises(TypeError):
        journal.put("a", {"part": object()})
    assert journal.get("a") == FileJournal(path).get("a") == {"part": 1}


def test_a_line_that_does_not_reach_the_disk_is_taken_back(path, monkeypatch):
    journal = FileJournal(path)
    journal.put("a", {"part": 1})

    def fail(handle):
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module.os, "fsync", fail)
        with pytest.raises(OSError, match="no space"):
            journal.put("a", {"part": 2})
    journal.put("b", {"part": 3})
    assert journal.pending() == FileJournal(path).pending() == {"a": {"part": 1}, "b": {"part": 3}}


def test_half_a_line_on_a_full_disk_is_taken_back(path):
    """A limit on the size of files stands for the full disk; the kernel then writes what still fits."""
    resource = pytest.importorskip("resource")
    journal = FileJournal(path)
    journal.put("a", {"part": 1})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = path.stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 5, hard))
    try:
        with pytest.raises(OSError, match="space"):
            journal.put("b", {"part": 2})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.stat().st_size == size
    assert journal.get("b") is None


def test_a_put_is_on_the_disk_when_it_returns(path, monkeypatch):
    flushed = []
    fsync = os.fsync
    monkeypatch.setattr(module.os, "fsync", lambda handle: (flushed.append(os.fstat(handle).st_size), fsync(handle)))
    FileJournal(path).put("a", {})
    assert flushed[0] == path.stat().st_size


def test_threads_do_not_mix_their_lines(path):
    journal = FileJournal(path)

    def put(name):
        for part in range(20):
            journal.put(f"{name}{part}", {"part": part})

    threads = [threading.Thread(target=put, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(FileJournal(path).pending()) == 80
