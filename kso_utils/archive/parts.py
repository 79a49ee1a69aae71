"""Large files, copied part by part: what arrived is remembered, so that a copy goes on after its process died."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kso_utils.core.errors import ArchiveError, ChecksumMismatch, KsoError, NotFound
from kso_utils.core.journal import FileJournal
from kso_utils.core.paths import flush_folder, sha256_file
from kso_utils.core.progress import bar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from io import FileIO

    from kso_utils.archive.base import RangeFile
    from kso_utils.core.journal import Journal

PART_BYTES = 8 * 2**20
"""The least size of a part that is sent, and the most that is copied again after a break."""
PARTS = 10_000
"""The most parts that an object of a bucket may come in."""
THREADS = 4
"""Pieces of one file that are fetched at a time; together they are as large as a part."""


@dataclass(frozen=True, slots=True)
class Digests:
    """What is known of a local file by reading it once.

    Attributes
    ----------
    sha256
        Of the whole.
    size_bytes
        Its size.
    part_bytes
        The size of every part but the last.
    parts
        The MD5 of each part, 16 bytes: what S3 services compare a part with as it arrives. One part if it is empty.
    """

    sha256: str
    size_bytes: int
    part_bytes: int
    parts: tuple[bytes, ...]

    @property
    def tag(self) -> str:
        """The ETag of a plain object with this content, sent in these parts (in one piece, if there is one)."""
        if len(self.parts) == 1:
            return self.parts[0].hex()
        return f"{hashlib.md5(b''.join(self.parts), usedforsecurity=False).hexdigest()}-{len(self.parts)}"


def part_size(size_bytes: int) -> int:
    """Return the size of the parts in which a file is sent: `PART_BYTES`, doubled until `PARTS` parts will do."""
    size = PART_BYTES
    while size * PARTS < size_bytes:
        size *= 2
    return size


def digest_parts(path: Path) -> Digests:
    """Read a local file once, for all the checksums that sending it takes.

    Raises
    ------
    NotFound
        If there is no such file.
    ArchiveError
        If it may not be read.
    """
    if not path.is_file():
        raise NotFound(f"There is no file {path}. Check the name and the folder.")
    size = path.stat().st_size
    part_bytes, whole, parts = part_size(size), hashlib.sha256(), []
    try:
        with path.open("rb") as handle, bar(f"Reading {path.name}", -(-size // part_bytes)) as progress:
            while block := handle.read(part_bytes):
                whole.update(block)
                parts.append(hashlib.md5(block, usedforsecurity=False).digest())
                progress.advance()
            read = handle.tell()
    except OSError as error:
        raise ArchiveError(f"{path} cannot be read ({error.strerror}). Check the disk and the rights.") from error
    parts = parts or [hashlib.md5(b"", usedforsecurity=False).digest()]
    return Digests(whole.hexdigest(), read, part_bytes, tuple(parts))


def read_part(path: Path, digests: Digests, number: int) -> bytes:
    """Return a part of a local file, counted from 0.

    Raises
    ------
    ArchiveError
        If it is not what it was when its digests were made.
    """
    try:
        with path.open("rb") as handle:
            handle.seek(number * digests.part_bytes)
            data = handle.read(digests.part_bytes)
    except OSError as error:
        raise ArchiveError(f"{path} cannot be read ({error.strerror}). Check the disk and the rights.") from error
    if hashlib.md5(data, usedforsecurity=False).digest() != digests.parts[number]:
        raise ArchiveError(f"{path} was changed while it was copied. Copy it again when it is complete.")
    return data


def hash_file(file: RangeFile) -> str:
    """Return the sha256 of a file of an archive, by reading all of it."""
    whole = hashlib.sha256()
    with bar(f"Reading {file.address}", -(-file.size_bytes // PART_BYTES)) as progress:
        for start in range(0, file.size_bytes, PART_BYTES):
            whole.update(file.read(start, min(start + PART_BYTES, file.size_bytes)))
            progress.advance()
    return whole.hexdigest()


def forget(journal: Journal, key: str) -> None:
    """Drop a key of a journal, and the file of a journal that then says nothing more."""
    journal.drop(key)
    if isinstance(journal, FileJournal) and not journal.pending():
        journal.path.unlink(missing_ok=True)


def fetch_parts(file: RangeFile, target: Path, sha256: str | None = None, journal: Journal | None = None) -> str:
    """Copy a file of an archive to a local path, several pieces at a time, and return its sha256.

    What arrived lies in a hidden file beside `target`, under a name of this version of the file; `target` appears by
    renaming it. After a break no more than `PART_BYTES` are fetched again.

    Parameters
    ----------
    file
        What is copied; nothing of an older version of it is used.
    target
        Where to; missing folders are made.
    sha256
        What the content must have; a `target` that has it already stays.
    journal
        Remembers what arrived; by default a hidden file beside `target`.

    Raises
    ------
    ChecksumMismatch
        If the content has another sha256; what arrived is removed.
    ArchiveError
        If a part cannot be read or written; what arrived is kept.
    """
    target = target.absolute()
    with _writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    copy = _Copy(file, target, FileJournal(_beside(target, "jsonl")) if journal is None else journal)
    wanted = sha256 or copy.state.get("sha256")
    if wanted is None or not _holds(target, file.size_bytes, wanted):
        copy.fill()
        wanted = copy.move_to(target, sha256)
    copy.forget()
    return wanted


class _Copy:
    """A copy under way: a file beside the target, and what the journal says of it."""

    def __init__(self, file: RangeFile, target: Path, journal: Journal) -> None:
        self.file, self.journal = file, journal
        self.key = f"fetch {file.address} {target}"
        # Another version, or other pieces, have another file.
        self.piece_bytes = PART_BYTES // THREADS
        version = f"{file.address}\n{file.identity}\n{file.size_bytes}\n{self.piece_bytes}"
        self.path = _beside(target, "part", version)
        self.state: dict[str, Any] = journal.get(self.key) or {}
        # Every piece before `first` is there, and those in `further`.
        self.first, self.further = 0, set[int]()
        if self.state.get("part") != self.path.name:
            self._remove_older()
            self.state = {}
        elif self.path.exists() and self.path.stat().st_size >= self.state["size_bytes"]:
            self.first, self.further = self.state["first"], set(self.state["further"])

    def fill(self) -> None:
        """Fetch the pieces that are missing, and note each when it is on the disk."""
        count = -(-self.file.size_bytes // self.piece_bytes)
        missing = [number for number in range(self.first, count) if number not in self.further]
        label = f"Fetching {self.file.address.rpartition('/')[2]}"
        with _writing(self.path):
            handle = self.path.open("r+b" if self.path.exists() else "x+b", buffering=0)
        with handle, bar(label, count) as shown:
            self._note(handle, {})
            shown.advance(count - len(missing))
            for arrived in self._read(missing):
                self._note(handle, arrived)
                shown.advance(len(arrived))

    def move_to(self, target: Path, sha256: str | None) -> str:
        """Give the complete file its name, if it is the right one, and return its sha256."""
        found = sha256_file(self.path)
        if sha256 is not None and found != sha256:
            self.path.unlink()
            self.forget()
            raise ChecksumMismatch(f"{self.file.address} has the sha256 {found}, not {sha256}. Fetch the right file.")
        # Noted before the file is renamed, so that what was fetched is known whenever the process dies.
        with _writing(target):
            self.journal.put(self.key, {**self.state, "sha256": found})
            self.path.replace(target)
            flush_folder(target.parent)
        return found

    def forget(self) -> None:
        """Remove what is not needed any more."""
        self.path.unlink(missing_ok=True)
        forget(self.journal, self.key)

    def _read(self, missing: Iterable[int]) -> Iterator[dict[int, bytes]]:
        """Yield pieces as they arrive; there are never more than `THREADS` that are not noted yet."""
        waiting: dict[Future[bytes], int] = {}
        left = iter(missing)
        with ThreadPoolExecutor(THREADS) as pool:
            while True:
                for number in islice(left, THREADS - len(waiting)):
                    start = number * self.piece_bytes
                    stop = min(start + self.piece_bytes, self.file.size_bytes)
                    waiting[pool.submit(self.file.read, start, stop)] = number
                if not waiting:
                    return
                arrived = wait(waiting, return_when=FIRST_COMPLETED).done
                yield {waiting.pop(future): future.result() for future in arrived}

    def _note(self, handle: FileIO, pieces: dict[int, bytes]) -> None:
        with _writing(self.path):
            for number, data in pieces.items():
                handle.seek(number * self.piece_bytes)
                left = memoryview(data)
                while left:
                    left = left[handle.write(left) :]
            os.fsync(handle.fileno())
            self.further.update(pieces)
            while self.first in self.further:
                self.further.remove(self.first)
                self.first += 1
            self.state = {
                "part": self.path.name,
                "size_bytes": handle.seek(0, os.SEEK_END),
                "first": self.first,
                "further": sorted(self.further),
            }
            self.journal.put(self.key, self.state)

    def _remove_older(self) -> None:
        if older := self.state.get("part"):
            self.path.with_name(Path(older).name).unlink(missing_ok=True)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except KsoError:  # some of which are errors of the system too
        raise
    except OSError as error:
        raise ArchiveError(
            f"{path} cannot be written ({error.strerror}). Make room or check the rights; call again to go on."
        ) from error


def _beside(target: Path, ending: str, version: str = "") -> Path:
    """Return the hidden name of what belongs to a copy to `target`."""
    tag = hashlib.sha256(f"{target.name}\n{version}".encode(errors="surrogateescape")).hexdigest()[:16]
    return target.with_name(f".{target.stem[:40]}.{tag}.{ending}")


def _holds(path: Path, size_bytes: int, sha256: str) -> bool:
    return path.is_file() and path.stat().st_size == size_bytes and sha256_file(path) == sha256
