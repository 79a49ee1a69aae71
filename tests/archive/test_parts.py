from __future__ import annotations

import hashlib
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.archive import parts
from kso_utils.archive.parts import Digests, digest_parts, fetch_parts, hash_file, part_size, read_part
from kso_utils.core.errors import ArchiveError, ChecksumMismatch, Interrupted, NotFound
from kso_utils.core.journal import FileJournal

PART = 1_000
DATA = bytes(range(251)) * 40


class Footage:
    """A file in memory, whose connection breaks after so many pieces."""

    def __init__(self, data=DATA, identity="1", breaks_after=None):
        self.address, self.size_bytes, self.identity = "s3://bucket/movies/räka.mp4", len(data), identity
        self.data, self.left = data, breaks_after
        self.read_bytes = 0
        self._lock = threading.Lock()

    def read(self, start, stop):
        with self._lock:
            if self.left is not None:
                self.left -= 1
                if self.left < 0:
                    raise Interrupted("the connection broke")
            self.read_bytes += stop - start
        return self.data[start:stop]


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch):
    monkeypatch.setattr(parts, "PART_BYTES", PART)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "fetched" / "a.mp4"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def interrupt(target, breaks_after=7, **changes):
    file = Footage(breaks_after=breaks_after, **changes)
    with pytest.raises(Interrupted):
        fetch_parts(file, target)
    return file


def test_a_file_is_fetched_once(target):
    file = Footage()
    assert fetch_parts(file, target) == sha256(DATA)
    assert target.read_bytes() == DATA
    assert file.read_bytes == len(DATA)


@settings(deadline=None, max_examples=25)
@given(size=st.integers(0, 6 * PART), breaks=st.lists(st.integers(0, 30), max_size=4))
def test_whatever_breaks_what_is_read_again_is_one_part(tmp_path_factory, size, breaks):
    target = tmp_path_factory.mktemp("fetched") / "a.mp4"
    data, read, count = DATA[:size], 0, 0
    for breaks_after in breaks:
        file = Footage(data, breaks_after=breaks_after)
        try:
            fetch_parts(file, target)
        except Interrupted:
            count += 1
            assert not target.exists() or target.read_bytes() == data
        read += file.read_bytes
        if target.exists():
            break
    else:
        last = Footage(data)
        fetch_parts(last, target)
        read += last.read_bytes
    assert target.read_bytes() == data
    assert list(target.parent.iterdir()) == [target]
    assert read <= size + count * PART


def test_no_target_appears_before_it_is_whole(target):
    interrupt(target)
    assert all(path.name.startswith(".") for path in target.parent.iterdir())


def test_another_version_is_fetched_anew(target):
    interrupt(target)
    file = Footage(DATA[::-1], identity="2")
    assert fetch_parts(file, target) == sha256(DATA[::-1])
    assert file.read_bytes == len(DATA)
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("harm", [lambda path: path.unlink(), lambda path: path.write_bytes(b"")])
def test_a_copy_that_somebody_harmed_is_begun_anew(target, harm):
    interrupt(target)
    (part,) = target.parent.glob(".*.part")
    harm(part)
    file = Footage()
    assert fetch_parts(file, target) == sha256(DATA)
    assert file.read_bytes == len(DATA)


def test_a_journal_that_is_lost_costs_the_copy_alone(target):
    interrupt(target)
    (journal,) = target.parent.glob(".*.jsonl")
    journal.unlink()
    assert fetch_parts(Footage(), target) == sha256(DATA)
    assert list(target.parent.iterdir()) == [target]


def test_a_process_that_died_after_the_renaming_fetches_nothing_again(target, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(parts, "flush_folder", lambda folder: (_ for _ in ()).throw(KeyboardInterrupt))
        fetch_parts(Footage(), target)
    assert target.read_bytes() == DATA
    file = Footage()
    assert fetch_parts(file, target) == sha256(DATA)
    assert file.read_bytes == 0
    assert list(target.parent.iterdir()) == [target]


def test_a_target_that_has_the_content_already_stays(target):
    target.parent.mkdir()
    target.write_bytes(DATA)
    file = Footage()
    assert fetch_parts(file, target, sha256(DATA)) == sha256(DATA)
    assert file.read_bytes == 0


def test_what_has_another_sha256_is_removed(target):
    with pytest.raises(ChecksumMismatch, match=r"s3://bucket/movies/räka\.mp4 has the sha256"):
        fetch_parts(Footage(), target, sha256(b"other"))
    assert list(target.parent.iterdir()) == []


def test_a_journal_of_the_caller_is_used_and_cleared(target, tmp_path):
    journal = FileJournal(tmp_path / "journal.jsonl")
    journal.put("another", {})
    with pytest.raises(Interrupted):
        fetch_parts(Footage(breaks_after=7), target, journal=journal)
    assert len(journal.pending()) == 2
    fetch_parts(Footage(), target, journal=journal)
    assert journal.pending() == {"another": {}}
    assert journal.path.exists()


def test_a_full_disk_keeps_what_arrived(target):
    """A limit on the size of files stands for the full disk."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(DATA) // 2, hard))
    try:
        with pytest.raises(ArchiveError, match="Make room"):
            fetch_parts(Footage(), target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    file = Footage()
    assert fetch_parts(file, target) == sha256(DATA)
    assert file.read_bytes < len(DATA)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ArchiveError, match=r"file/b\.mp4 cannot be written"):
        fetch_parts(Footage(), tmp_path / "file" / "b.mp4")


def test_at_most_a_part_is_on_its_way(target):
    class Slow(Footage):
        most = now = 0

        def read(self, start, stop):
            with self._lock:
                self.now += stop - start
                self.most = max(self.most, self.now)
            started.wait(0.01)
            with self._lock:
                self.now -= stop - start
            return self.data[start:stop]

    started = threading.Event()
    file = Slow()
    fetch_parts(file, target)
    assert PART // 2 < file.most <= PART


@pytest.mark.parametrize(
    ("data", "tag"),
    [
        (b"", "d41d8cd98f00b204e9800998ecf8427e"),
        (b"a" * PART, "cabe45dcc9ae5b66ba86600cca6b8ba8"),
        # As Amazon makes it of two parts: the MD5 of their MD5s, and their number.
        (b"a" * PART + b"b", "8579a3ad015530dfbb5dc55295cfe210-2"),
    ],
)
def test_the_tag_of_a_file_is_the_services(tmp_path, data, tag):
    path = tmp_path / "a.bin"
    path.write_bytes(data)
    digests = digest_parts(path)
    assert digests.tag == tag
    assert (digests.sha256, digests.size_bytes) == (sha256(data), len(data))


@given(st.integers(0, 5 * 2**40))
def test_any_file_fits_into_ten_thousand_parts(size):
    part = part_size(size)
    assert part * parts.PARTS >= size
    assert part == PART or (part // 2) * parts.PARTS < size


def test_parts_are_those_that_were_digested(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(DATA)
    digests = digest_parts(path)
    assert b"".join(read_part(path, digests, number) for number in range(len(digests.parts))) == DATA
    path.write_bytes(DATA[::-1])
    with pytest.raises(ArchiveError, match="changed while it was copied"):
        read_part(path, digests, 3)


def test_what_is_not_there_has_no_digests(tmp_path):
    with pytest.raises(NotFound, match=r"none\.bin"):
        digest_parts(tmp_path / "none.bin")


def test_a_file_of_an_archive_is_hashed_by_reading_it():
    assert hash_file(Footage()) == sha256(DATA)


def test_digests_are_of_one_part_at_least(tmp_path):
    path = tmp_path / "empty"
    path.touch()
    assert digest_parts(path) == Digests(sha256(b""), 0, PART, (hashlib.md5(b"", usedforsecurity=False).digest(),))
