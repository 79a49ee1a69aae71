"""What every archive promises: the test class of an archive inherits these tests, and says how one is made."""

from __future__ import annotations

import hashlib
import pickle
import unicodedata
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from kso_utils.archive.base import RangeFile
from kso_utils.core.errors import (
    ArchiveError,
    ChecksumMismatch,
    ConfigError,
    Denied,
    Interrupted,
    NotFound,
    UnsafeInput,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kso_utils.archive.base import Archive

    Put = Callable[[str, bytes], None]
    Interrupt = Callable[[int | None], None]

DATA = bytes(range(251)) * 400
OTHER = DATA[::-1]
HOSTILE = (
    "",
    ".",
    "..",
    "../a.mp4",
    "a/../../b.mp4",
    "/a.mp4",
    "a\0.mp4",
    "..\\a.mp4",
    "C:\\a.mp4",
    "C:/a.mp4",
    "a\nb.mp4",
)
ODD = (
    "a b.mp4", "100%.mp4", "a%20b.mp4", "a#b.mp4", "a?b=c.mp4", "a+b.mp4", "a&b;c.mp4", "it's.mp4", '"a".mp4',
    "<a>.mp4", "-i.mp4", "10:30.mp4", "a@b.mp4", "~a.mp4", "[a].mp4", "a,b.mp4", "a..b/c...mp4", "d/e/a.mp4",
    "\U0001f988.mp4",
)  # fmt: skip


def sha256(data: bytes) -> str:
    """Return the sha256 of a content."""
    return hashlib.sha256(data).hexdigest()


class ArchiveContract:
    """The tests that every archive passes.

    A test class inherits this one and overrides the fixtures `archive` and `put`; `interrupt` too where a copy can
    break off on its way.

    Attributes
    ----------
    writable
        Whether files can be pushed; if not, every push is `Denied`.
    many
        How many files a long listing has; more than the service lists in one go.
    piece_bytes
        The most that is sent again after a break.
    """

    writable = True
    many = 1_050
    piece_bytes = 8 * 2**20

    @pytest.fixture
    def archive(self) -> Archive:
        """An archive without files."""
        raise NotImplementedError

    @pytest.fixture
    def put(self) -> Put:
        """Put a file there behind the archive's back: `put(name, data)`; one of that name is replaced."""
        raise NotImplementedError

    @pytest.fixture
    def interrupt(self) -> Interrupt:
        """Break every connection after so many bytes of files, until it is called with None."""
        pytest.skip("no copy breaks off on its way to or from this archive")

    @pytest.fixture
    def movie(self, put: Put) -> str:
        """The name of a file of the content `DATA`."""
        put("movies/a.mp4", DATA)
        return "movies/a.mp4"

    @pytest.fixture
    def target(self, tmp_path: Path) -> Path:
        """A path in a folder that is not there yet."""
        return tmp_path / "fetched" / "b.mp4"

    @pytest.fixture
    def source(self, tmp_path: Path) -> Path:
        """A local file of the content `DATA`."""
        path = tmp_path / "source.mp4"
        path.write_bytes(DATA)
        return path

    # Listing

    def test_an_empty_archive_has_no_entries(self, archive: Archive) -> None:
        """Nothing is there, and that is no error."""
        assert list(archive.entries()) == []

    def test_entries_are_listed_by_name(self, archive: Archive, put: Put) -> None:
        """In the order of the letters' numbers, whatever folders they are in."""
        names = ["a/x.mp4", "a-b/x.mp4", "a.mp4", "B.mp4", "a/b/c.mp4", "\xe4.mp4"]
        for name in names:
            put(name, DATA)
        assert [entry.name for entry in archive.entries()] == sorted(names)

    @pytest.mark.parametrize(
        ("prefix", "found"),
        [
            ("a/", ["a/b.mp4", "a/c/d.mp4"]),
            ("a", ["a/b.mp4", "a/c/d.mp4", "ab.mp4"]),
            ("a/b.", ["a/b.mp4"]),
            ("x/", []),
        ],
    )
    def test_entries_begin_with_the_prefix(self, archive: Archive, put: Put, prefix: str, found: list[str]) -> None:
        """A prefix may end within a name, and lead nowhere."""
        for name in ("a/b.mp4", "a/c/d.mp4", "ab.mp4", "b/a.mp4"):
            put(name, DATA)
        assert [entry.name for entry in archive.entries(prefix)] == found

    def test_a_long_listing_is_complete(self, archive: Archive, put: Put) -> None:
        """Services list some thousand names in one go."""
        names = [f"{number:05d}.jpg" for number in range(self.many)]
        for name in names:
            put(f"many/{name}", b"")
        assert [entry.name for entry in archive.entries("many/")] == [f"many/{name}" for name in names]

    def test_what_is_hidden_is_no_entry(self, archive: Archive, put: Put, movie: str) -> None:
        """What systems and copies under way leave behind is no footage."""
        for name in (".DS_Store", "movies/.a.part", ".trash/b.mp4"):
            put(name, DATA)
        assert [entry.name for entry in archive.entries()] == [movie]

    def test_an_entry_is_what_find_finds(self, archive: Archive, movie: str) -> None:
        """One description of a file."""
        assert list(archive.entries()) == [archive.find(movie)]

    def test_an_entry_describes_its_file(self, archive: Archive, movie: str) -> None:
        """Size, time of the last change, and what tells versions apart."""
        entry = archive.find(movie)
        assert (entry.name, entry.size_bytes) == (movie, len(DATA))
        assert entry.identity
        if entry.modified_at is not None:
            moment = datetime.fromisoformat(entry.modified_at)
            assert abs((datetime.now(UTC) - moment).total_seconds()) < 3600

    def test_the_identity_stays_until_the_content_changes(self, archive: Archive, put: Put, movie: str) -> None:
        """It is what caches go by."""
        before = archive.find(movie).identity
        assert archive.find(movie).identity == before
        assert archive.open(movie).identity == before
        put(movie, DATA + b"more")
        assert archive.find(movie).identity != before

    # Names

    @pytest.mark.parametrize("name", ODD)
    def test_any_letter_may_be_in_a_name(self, archive: Archive, put: Put, target: Path, name: str) -> None:
        """Names are never taken for addresses, options or patterns."""
        put(name, DATA)
        put("a", OTHER)
        assert archive.find(name).name == name
        assert archive.open(name).read(3, 9) == DATA[3:9]
        assert archive.fetch(name, target) == sha256(DATA)
        assert [entry.name for entry in archive.entries(name)] == [name]

    @pytest.mark.parametrize("name", HOSTILE)
    @pytest.mark.parametrize("verb", ["find", "open", "link", "fetch", "push"])
    def test_no_name_leads_out(self, archive: Archive, target: Path, source: Path, verb: str, name: str) -> None:
        """Every verb refuses it, and nothing is written."""
        calls: dict[str, Callable[[], object]] = {
            "find": lambda: archive.find(name),
            "open": lambda: archive.open(name),
            "link": lambda: archive.link(name),
            "fetch": lambda: archive.fetch(name, target),
            "push": lambda: archive.push(source, name),
        }
        with pytest.raises((UnsafeInput, Denied) if verb == "push" and not self.writable else UnsafeInput):
            calls[verb]()
        assert not target.exists()
        assert list(archive.entries()) == []

    @pytest.mark.parametrize(("there", "asked"), [("NFC", "NFD"), ("NFD", "NFC")])
    def test_a_name_is_found_in_either_unicode_form(
        self, archive: Archive, put: Put, target: Path, there: str, asked: str
    ) -> None:
        """Some systems write one letter as two; the archive's spelling is what is returned."""
        spelled = {form: unicodedata.normalize(form, "S\xe4cken/r\xe4ka.mp4") for form in ("NFC", "NFD")}
        put(spelled[there], DATA)
        assert archive.find(spelled[asked]).name == spelled[there]
        assert archive.open(spelled[asked]).read(0, 4) == DATA[:4]
        assert archive.fetch(spelled[asked], target) == sha256(DATA)

    @pytest.mark.parametrize("name", ["none.mp4", "movies", "movies/none.mp4", "movies/a.mp4/b"])
    @pytest.mark.parametrize("verb", ["find", "open", "fetch"])
    @pytest.mark.usefixtures("movie")
    def test_what_is_not_there_is_not_found(self, archive: Archive, target: Path, verb: str, name: str) -> None:
        """A folder is no file either."""
        arguments = (name, target) if verb == "fetch" else (name,)
        with pytest.raises(NotFound):
            getattr(archive, verb)(*arguments)
        assert not target.parent.exists() or list(target.parent.iterdir()) == []

    # Reading

    def test_an_open_file_says_what_it_is(self, archive: Archive, movie: str) -> None:
        """It is a `RangeFile`, and its address ends with its name."""
        file = archive.open(movie)
        assert isinstance(file, RangeFile)
        assert file.size_bytes == len(DATA)
        assert file.address.endswith("a.mp4")

    @pytest.mark.parametrize(
        ("start", "stop"), [(0, 1), (0, len(DATA)), (5, 5), (len(DATA) - 3, len(DATA)), (777, 4_096)]
    )
    def test_a_part_is_read(self, archive: Archive, movie: str, start: int, stop: int) -> None:
        """Byte for byte, the first, the last and none included."""
        assert archive.open(movie).read(start, stop) == DATA[start:stop]

    @pytest.mark.parametrize(("start", "stop"), [(len(DATA) - 3, len(DATA) + 1), (len(DATA) + 5, len(DATA) + 9)])
    def test_a_part_behind_the_end_is_an_error(self, archive: Archive, movie: str, start: int, stop: int) -> None:
        """Fewer bytes than were asked for are never returned."""
        with pytest.raises(ArchiveError):
            archive.open(movie).read(start, stop)

    def test_an_empty_file_is_read(self, archive: Archive, put: Put, target: Path) -> None:
        """It has no part, and yet it is there."""
        put("empty.csv", b"")
        assert archive.find("empty.csv").size_bytes == archive.open("empty.csv").size_bytes == 0
        assert archive.fetch("empty.csv", target) == sha256(b"")
        assert target.read_bytes() == b""

    def test_eight_threads_read_one_file(self, archive: Archive, movie: str) -> None:
        """Each gets its own bytes."""
        file = archive.open(movie)
        parts = [(start, min(start + 997, len(DATA))) for start in range(0, len(DATA), 997)]
        with ThreadPoolExecutor(8) as pool:
            read = list(pool.map(lambda part: file.read(*part), parts))
        assert b"".join(read) == DATA

    def test_an_open_file_travels_to_another_process(self, archive: Archive, movie: str) -> None:
        """It is pickled without what cannot be, such as connections."""
        file = archive.open(movie)
        file.read(0, 4)
        copy = pickle.loads(pickle.dumps(file))  # noqa: S301 - made a moment ago
        assert (copy.address, copy.size_bytes, copy.identity) == (file.address, file.size_bytes, file.identity)
        assert copy.read(7, 99) == DATA[7:99]

    def test_a_file_that_changed_is_not_read_on(self, archive: Archive, put: Put, movie: str) -> None:
        """Parts of two versions are never put together."""
        file = archive.open(movie)
        file.read(0, 4)
        put(movie, OTHER + b"more")
        with pytest.raises(ArchiveError):
            file.read(4, 8)

    # Fetching

    def test_a_fetched_file_is_whole(self, archive: Archive, movie: str, target: Path) -> None:
        """Folders are made, the sha256 is told, and nothing else is left there."""
        assert archive.fetch(movie, target, sha256(DATA)) == sha256(DATA)
        assert target.read_bytes() == DATA
        assert list(target.parent.iterdir()) == [target]

    def test_a_fetched_file_replaces_an_older_one(self, archive: Archive, movie: str, target: Path) -> None:
        """As writing a file does everywhere."""
        target.parent.mkdir()
        target.write_bytes(b"older")
        archive.fetch(movie, target)
        assert target.read_bytes() == DATA

    def test_another_content_than_expected_is_refused(self, archive: Archive, movie: str, target: Path) -> None:
        """What stood there stays, and no part of the other is left."""
        target.parent.mkdir()
        target.write_bytes(b"older")
        with pytest.raises(ChecksumMismatch, match=sha256(DATA)):
            archive.fetch(movie, target, sha256(OTHER))
        assert list(target.parent.iterdir()) == [target]
        assert target.read_bytes() == b"older"

    def test_an_interrupted_fetch_is_gone_on_with(
        self, archive: Archive, put: Put, interrupt: Interrupt, target: Path
    ) -> None:
        """The target appears when it is whole, and then nothing else is there."""
        data = DATA * 40
        put("long.mp4", data)
        interrupt(len(data) // 2)
        with pytest.raises(Interrupted):
            archive.fetch("long.mp4", target, sha256(data))
        assert not target.exists()
        interrupt(None)
        assert archive.fetch("long.mp4", target, sha256(data)) == sha256(data)
        assert target.read_bytes() == data
        assert list(target.parent.iterdir()) == [target]

    def test_a_file_that_changed_meanwhile_is_fetched_anew(
        self, archive: Archive, put: Put, interrupt: Interrupt, target: Path
    ) -> None:
        """The part that was fetched of the older version is not used."""
        data = DATA * 40
        put("long.mp4", data)
        interrupt(len(data) // 2)
        with pytest.raises(Interrupted):
            archive.fetch("long.mp4", target)
        interrupt(None)
        put("long.mp4", data[::-1] + b"more")
        assert archive.fetch("long.mp4", target) == sha256(data[::-1] + b"more")
        assert list(target.parent.iterdir()) == [target]

    # Pushing

    @pytest.mark.parametrize("name", ["b.mp4", "new/folder/b.mp4", "a b%20#?+.mp4", "r\xe4ka.mp4"])
    def test_a_pushed_file_is_there(self, archive: Archive, source: Path, target: Path, name: str) -> None:
        """With its content, or not at all."""
        self._needs_writing()
        assert archive.push(source, name) == sha256(DATA)
        assert [entry.name for entry in archive.entries()] == [name]
        assert archive.fetch(name, target) == sha256(DATA)

    def test_an_empty_file_is_pushed(self, archive: Archive, source: Path) -> None:
        """It is a file like others."""
        self._needs_writing()
        source.write_bytes(b"")
        assert archive.push(source, "empty.csv") == sha256(b"")
        assert archive.find("empty.csv").size_bytes == 0

    def test_the_same_content_may_be_pushed_again(self, archive: Archive, source: Path) -> None:
        """The file that is there stays as it is."""
        self._needs_writing()
        archive.push(source, "b.mp4")
        before = archive.find("b.mp4")
        assert archive.push(source, "b.mp4") == sha256(DATA)
        assert archive.find("b.mp4") == before

    def test_the_same_content_that_others_put_there_stays(self, archive: Archive, movie: str, source: Path) -> None:
        """Even where the archive did not write it."""
        self._needs_writing()
        before = archive.find(movie)
        assert archive.push(source, movie) == sha256(DATA)
        assert archive.find(movie) == before

    @pytest.mark.parametrize("other", [b"", DATA[:-1] + b"x", DATA + b"more"])
    def test_another_content_of_that_name_is_refused(
        self, archive: Archive, movie: str, source: Path, other: bytes
    ) -> None:
        """Footage is never overwritten."""
        self._needs_writing()
        source.write_bytes(other)
        with pytest.raises(ConfigError):
            archive.push(source, movie)
        assert archive.open(movie).read(0, len(DATA)) == DATA

    def test_a_name_in_another_unicode_form_is_the_same_file(self, archive: Archive, put: Put, source: Path) -> None:
        """There are never two files that nobody can tell apart."""
        self._needs_writing()
        there = unicodedata.normalize("NFD", "r\xe4ka.mp4")
        put(there, DATA)
        assert archive.push(source, "r\xe4ka.mp4") == sha256(DATA)
        assert [entry.name for entry in archive.entries()] == [there]

    def test_what_is_not_there_cannot_be_pushed(self, archive: Archive, tmp_path: Path) -> None:
        """The local file is missing."""
        self._needs_writing()
        with pytest.raises(NotFound):
            archive.push(tmp_path / "none.mp4", "b.mp4")

    def test_an_interrupted_push_is_gone_on_with(
        self, archive: Archive, interrupt: Interrupt, source: Path, target: Path
    ) -> None:
        """The file appears when it is whole."""
        self._needs_writing()
        data = DATA * 40
        source.write_bytes(data)
        interrupt(len(data) // 2)
        with pytest.raises(Interrupted):
            archive.push(source, "long.mp4")
        interrupt(None)
        assert list(archive.entries()) == []
        assert archive.push(source, "long.mp4") == sha256(data)
        assert archive.fetch("long.mp4", target) == sha256(data)

    def test_where_nothing_can_be_written_a_push_is_denied(self, archive: Archive, source: Path) -> None:
        """It says so, and does not look like a fault."""
        if self.writable:
            pytest.skip("files can be pushed here")
        with pytest.raises(Denied):
            archive.push(source, "b.mp4")

    def _needs_writing(self) -> None:
        if not self.writable:
            pytest.skip("nothing can be pushed here")

    # The rest

    @pytest.mark.parametrize("name", ["a.mp4", "a b%20#?+.mp4", "r\xe4ka.mp4"])
    def test_a_link_leads_to_the_file(self, archive: Archive, put: Put, name: str) -> None:
        """Without any login."""
        put(name, DATA)
        with urllib.request.urlopen(archive.link(name), timeout=10) as answer:  # noqa: S310 - the archive's own address
            assert answer.read() == DATA

    def test_cleaning_up_touches_no_whole_file(self, archive: Archive, movie: str) -> None:
        """Nothing was interrupted, so nothing goes."""
        assert archive.clean_up(older_than_s=0.0) == []
        assert archive.find(movie).size_bytes == len(DATA)
