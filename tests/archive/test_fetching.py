"""What a fetch promises when connections break, disks fill and processes die."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kso_utils.archive import fetching
from kso_utils.archive.fetching import AT_ONCE, fetch_file
from kso_utils.archive.http import HttpFile
from kso_utils.core import progress
from kso_utils.core.errors import ArchiveError, ChecksumMismatch, Interrupted
from kso_utils.core.journal import FileJournal
from kso_utils.core.paths import sha256_file
from kso_utils.testing.range_server import Fault, RangeServer

KILLING = Path(__file__).with_name("killing.py")
ROOT = KILLING.parents[2]
PIECE = 4_096
DATA = random.Random(1).randbytes(30 * PIECE + 77)  # noqa: S311 - no secret
SHA256 = hashlib.sha256(DATA).hexdigest()

pytestmark = pytest.mark.usefixtures("waits")


@pytest.fixture
def file(server: RangeServer, write: Callable[[str, bytes], None], monkeypatch: pytest.MonkeyPatch) -> HttpFile:
    """A file of 31 pieces."""
    monkeypatch.setattr(fetching, "PIECE_BYTES", PIECE)
    write("a.mov", DATA)
    return HttpFile(server.address("a.mov"))


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "fetched" / "b.mov"


def break_off(
    file: HttpFile, server: RangeServer, target: Path, after: int, journal: FileJournal | None = None
) -> None:
    server.hang_up_after = server.sent_bytes + after
    with pytest.raises(Interrupted):
        fetch_file(file, target, SHA256, journal)
    server.hang_up_after = None


def test_each_byte_comes_once(file: HttpFile, server: RangeServer, target: Path) -> None:
    assert fetch_file(file, target, SHA256) == SHA256
    assert target.read_bytes() == DATA
    assert server.sent_bytes == 1 + len(DATA)


def test_a_small_file_takes_one_request_more_and_no_connection(file: HttpFile, server: RangeServer, target) -> None:
    (server.folder / "small").write_bytes(b"abc")
    fetch_file(HttpFile(server.address("small")), target)
    assert (len(server.requests), server.connections) == (3, 1)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_what_had_come_does_not_come_again(file: HttpFile, server: RangeServer, target: Path, share: float) -> None:
    break_off(file, server, target, int(share * len(DATA)))
    assert not target.exists()
    fetch_file(file, target, SHA256)
    whole = [r for r in server.requests if r.sent_bytes == r.stop - r.start > 1]
    again = sum(r.sent_bytes for r in whole) - len(DATA)
    assert target.read_bytes() == DATA
    assert again <= 2 * AT_ONCE * PIECE


def test_a_fetch_may_break_off_many_times(file: HttpFile, server: RangeServer, target: Path) -> None:
    for _ in range(4):
        break_off(file, server, target, 6 * PIECE)
    assert fetch_file(file, target) == SHA256
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("more", [b"", b"more"])
def test_where_no_versions_are_told_apart_it_begins_anew(
    file: HttpFile, server: RangeServer, target: Path, write: Callable[[str, bytes], None], more: bytes
) -> None:
    """Else two files of one size would become one, and nobody would know."""
    server.validators = "none"
    break_off(HttpFile(file.address), server, target, len(DATA) // 2)
    write("a.mov", DATA[::-1] + more)
    fetch_file(HttpFile(file.address), target)
    assert target.read_bytes() == DATA[::-1] + more
    assert list(target.parent.iterdir()) == [target]


def test_where_the_sha256_tells_it_is_gone_on_with(file: HttpFile, server: RangeServer, target: Path) -> None:
    server.validators = "none"
    break_off(HttpFile(file.address), server, target, len(DATA) // 2)
    before = server.sent_bytes
    assert fetch_file(HttpFile(file.address), target, SHA256) == SHA256
    assert server.sent_bytes - before < 0.8 * len(DATA)


def test_a_journal_of_ones_own_remembers_it(file: HttpFile, server: RangeServer, target: Path, tmp_path: Path) -> None:
    journal = FileJournal(tmp_path / "journal")
    break_off(file, server, target, len(DATA) // 2, journal)
    (state,) = journal.pending().values()
    assert len(DATA) // 2 - 2 * AT_ONCE * PIECE <= state["done"] <= len(DATA) // 2
    before = len(server.requests)
    fetch_file(file, target, SHA256, FileJournal(tmp_path / "journal"))
    assert min(request.start for request in server.requests[before:]) == state["done"]
    assert FileJournal(tmp_path / "journal").pending() == {}
    assert list(target.parent.iterdir()) == [target]


def test_a_part_that_was_thrown_away_comes_again(file: HttpFile, server: RangeServer, target: Path) -> None:
    break_off(file, server, target, len(DATA) // 2)
    next(target.parent.glob("*.part")).unlink()
    assert fetch_file(file, target) == SHA256


def test_two_targets_of_one_file_do_not_disturb_each_other(file: HttpFile, server: RangeServer, target: Path) -> None:
    break_off(file, server, target, len(DATA) // 2)
    assert fetch_file(file, target.with_name("c.mov")) == SHA256
    assert fetch_file(file, target) == SHA256


def test_a_target_that_is_right_is_not_fetched_again(file: HttpFile, server: RangeServer, target: Path) -> None:
    fetch_file(file, target)
    before = server.sent_bytes
    assert fetch_file(file, target, SHA256) == SHA256
    assert server.sent_bytes == before


def test_what_is_remembered_of_a_fetch_that_ended_is_forgotten(file: HttpFile, server, target: Path) -> None:
    break_off(file, server, target, 12 * PIECE)
    next(target.parent.glob("*.part")).unlink()
    target.write_bytes(DATA)  # as if the process had died when everything was in its place
    fetch_file(file, target, SHA256)
    assert list(target.parent.iterdir()) == [target]


def test_a_file_that_changes_on_the_way_is_no_mixture(file: HttpFile, server: RangeServer, target: Path) -> None:
    server.faults += [None] * 10
    server.always = Fault(changed=True)
    with pytest.raises(ArchiveError, match="was changed"):
        fetch_file(file, target)
    server.always = None
    assert not target.exists()


def test_another_content_than_expected_leaves_nothing(file: HttpFile, target: Path) -> None:
    with pytest.raises(ChecksumMismatch, match=SHA256):
        fetch_file(file, target, "0" * 64)
    assert list(target.parent.iterdir()) == []


def test_a_name_may_be_as_long_as_the_disk_allows(file: HttpFile, tmp_path: Path) -> None:
    target = tmp_path / ("\xe4" * 125 + ".mov")
    assert fetch_file(file, target) == SHA256


def test_two_processes_that_fetch_the_same_do_no_harm(file: HttpFile, server: RangeServer, target: Path) -> None:
    def fetch(_: int) -> str:
        try:
            return fetch_file(file, target)
        except Interrupted as error:
            return str(error)

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(fetch, range(2)))
    assert SHA256 in found
    assert all(text == SHA256 or "another process fetches it too" in text for text in found)
    assert sha256_file(target) == SHA256


def test_what_vanishes_on_the_way_is_told(file: HttpFile, target: Path, meanwhile) -> None:
    target.parent.mkdir()
    target.write_bytes(b"older")
    meanwhile(lambda: next(target.parent.glob("*.part")).unlink())
    with pytest.raises(Interrupted, match="removed what had come"):
        fetch_file(file, target)
    assert fetch_file(file, target) == SHA256


def test_a_disk_that_fills_up_keeps_what_came(file: HttpFile, server: RangeServer, target: Path, small_disk) -> None:
    small_disk(60_000)
    with pytest.raises(ArchiveError, match="File too large"):
        fetch_file(file, target)
    small_disk(2**30)
    before = server.sent_bytes
    assert fetch_file(file, target) == SHA256
    assert server.sent_bytes - before < len(DATA) - 60_000 + 2 * AT_ONCE * PIECE


def test_a_disk_that_is_too_small_is_told_before(
    file: HttpFile, server: RangeServer, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(target.parent.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1_000))
    with pytest.raises(ArchiveError, match=r"room for 0\.0 GB more"):
        fetch_file(file, target)
    assert len(server.requests) == 1


def test_a_folder_that_cannot_be_made_is_told(file: HttpFile, tmp_path: Path) -> None:
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(ArchiveError, match="taken"):
        fetch_file(file, tmp_path / "taken" / "b.mov")


class Seen:
    """The progress that was shown last."""

    def show(self, label: str, done: int, total: int | None, elapsed_s: float, finished: bool) -> None:
        self.last = (label, done, total)


def test_progress_counts_what_came_before_too(file: HttpFile, server: RangeServer, target: Path) -> None:
    break_off(file, server, target, len(DATA) // 2)
    before, seen = progress.use(seen := Seen()), seen
    fetch_file(file, target)
    progress.use(before)
    assert seen.last == ("Fetching a.mov (MiB)", 31, 31)


def kill(server: RangeServer, folder: Path, kills: int, piece_bytes: int, size_bytes: int) -> tuple[int, int]:
    """Kill fetches of such a file so many times; return the kills, and the most that came again for one kill."""
    data = random.Random(2).randbytes(size_bytes)  # noqa: S311 - no secret
    (server.folder / "long.mov").write_bytes(data)
    folder.mkdir()
    digest = hashlib.sha256(data).hexdigest()
    arguments = [KILLING, server.address("long.mov"), folder, digest, kills, 1, piece_bytes]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, *map(str, arguments)], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    hits = json.loads(done.stdout)
    sent: Counter[str] = Counter()
    for request in server.requests:
        sent[request.path.partition("?")[2]] += request.sent_bytes if request.stop - request.start > 1 else 0
    again = [(sent[str(number)] - size_bytes) / hit for number, hit in enumerate(hits) if hit]
    return sum(hits), int(max(again))


def test_of_a_killed_fetch_at_most_one_part_comes_again(server: RangeServer, tmp_path: Path) -> None:
    kills, again = kill(server, tmp_path / "out", 3, 2**16, 2**23)
    assert kills >= 3
    assert again <= 2 * AT_ONCE * 2**16


@pytest.mark.soak
def test_of_60_killed_fetches_at_most_one_part_comes_again(server: RangeServer, tmp_path: Path, record_figures) -> None:
    kills, again = kill(server, tmp_path / "out", 60, 2**20, 2**27)
    assert again <= 8 * 2**20
    record_figures("http_fetch_kills", {"kills": kills, "most_mib_again": again / 2**20, "wrong_sha256": 0})
