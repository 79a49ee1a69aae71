"""Large files, sent part by part: how they are cut, and what each part's content is known by."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kso_utils.archive.disks import said_plainly
from kso_utils.core.errors import ArchiveError, NotFound
from kso_utils.core.progress import bar

if TYPE_CHECKING:
    from pathlib import Path

    from kso_utils.archive.base import RangeFile

PART_BYTES = 8 * 2**20
"""The size of a part, and so the most that is sent again after a break; files of many GB have larger ones."""
PARTS = 10_000
"""The most parts that an object of a bucket may come in."""


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
    NotFound, Denied, ArchiveError
        If there is no such file, or it cannot be read.
    """
    if not path.is_file():
        raise NotFound(f"There is no file {path}. Check the name and the folder.")
    size = path.stat().st_size
    part_bytes, whole, parts = part_size(size), hashlib.sha256(), []
    with said_plainly(path), path.open("rb") as handle, bar(f"Reading {path.name}", -(-size // part_bytes)) as shown:
        while block := handle.read(part_bytes):
            whole.update(block)
            parts.append(hashlib.md5(block, usedforsecurity=False).digest())
            shown.advance()
        read = handle.tell()
    parts = parts or [hashlib.md5(b"", usedforsecurity=False).digest()]
    return Digests(whole.hexdigest(), read, part_bytes, tuple(parts))


def read_part(path: Path, digests: Digests, number: int) -> bytes:
    """Return a part of a local file, counted from 0.

    Raises
    ------
    NotFound, Denied, ArchiveError
        If it cannot be read, or is not what it was when its digests were made.
    """
    with said_plainly(path), path.open("rb") as handle:
        handle.seek(number * digests.part_bytes)
        data = handle.read(digests.part_bytes)
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
