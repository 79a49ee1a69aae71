"""Parts of files that are not here: the index in front or at the end, parts in turn, and a file for a demuxer."""

from __future__ import annotations

import os
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from kso_utils.core.errors import MediaUnsupported
from kso_utils.media.containers.boxes import OPENING, read_header

if TYPE_CHECKING:
    from kso_utils.archive.base import RangeFile

_HEAD_BYTES = 2**16
# An index at the end is read with one request where no more than this is left.
_TAIL_BYTES = 2**20
_MOST_INDEX_BYTES = 2**29
_MOST_BOXES = 1000
_BLOCK_BYTES = 2**18
_MOST_BLOCKS = 128
_MOST_AHEAD_BLOCKS = 16


@dataclass(frozen=True, slots=True, eq=False)
class Opening:
    """What was read of a MOV or MP4 file to find its index.

    Attributes
    ----------
    moov
        Content of the box `moov`.
    parts
        First byte and bytes of each part that was read, without overlap.
    """

    moov: bytes
    parts: tuple[tuple[int, bytes], ...]


def find_moov(file: RangeFile) -> Opening | None:
    """Return the index of a MOV or MP4 file, read with two requests as a rule; None of a file of another kind.

    The last few stay in memory, known by the address, size and identity of the file.

    Raises
    ------
    MediaCorrupt
        If the file ends before one of its boxes does.
    MediaUnsupported
        If it has no index, or one of more than 512 MiB, or more than 1000 boxes before it.
    ArchiveError
        As `RangeFile.read`.
    """
    return _find(_Known(file))


class _Known:
    """A file, equal to another of the same address, size and identity."""

    def __init__(self, file: RangeFile) -> None:
        self.file, self.facts = file, (file.address, file.size_bytes, file.identity)

    def __hash__(self) -> int:
        return hash(self.facts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Known) and self.facts == other.facts


@lru_cache(maxsize=4)
def _find(known: _Known) -> Opening | None:
    file, size = known.file, known.file.size_bytes
    begin, head = 0, file.read(0, min(size, _HEAD_BYTES))
    if head[4:8] not in OPENING:
        return None
    parts, at = [(begin, head)], 0
    for _ in range(_MOST_BOXES):
        if at == size:
            break
        if at + 16 > begin + len(head) and begin + len(head) < size:
            begin, head = at, file.read(at, min(size, at + (_TAIL_BYTES if size - at <= _TAIL_BYTES else _HEAD_BYTES)))
            parts.append((begin, head))
        box = read_header(head[at - begin : at - begin + 16], at, size)
        if box.kind == b"moov":
            if box.stop - box.begin > _MOST_INDEX_BYTES:
                raise MediaUnsupported(
                    f"{file.address} has an index of {box.stop - box.begin} bytes. Divide the movie."
                )
            have = begin + len(head)
            if have < box.stop:
                parts.append((have, file.read(have, box.stop)))
                head += parts[-1][1]
            return Opening(head[box.start - begin : box.stop - begin], tuple(parts))
        at = box.stop
    raise MediaUnsupported(f"{file.address} has no index (box 'moov') that can be found. Copy it from its source.")


class BlockFile:
    """A file as demuxers read one, by blocks that are kept for a while; more at a time the longer reading goes on.

    Parameters
    ----------
    file
        The file of which parts are read.
    parts
        First byte and bytes of parts that are known already.
    """

    def __init__(self, file: RangeFile, parts: tuple[tuple[int, bytes], ...] = ()) -> None:
        self._file, self._parts, self._at = file, parts, 0
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._next, self._run = -1, 1

    def tell(self) -> int:
        """Return the position."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position, counted from the start, from here or from the end."""
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._file.size_bytes}[whence]
        return self._at

    def read(self, count: int) -> bytes:
        """Return at most `count` bytes, none at the end."""
        at, stop = self._at, min(self._at + count, self._file.size_bytes)
        if at >= stop:
            return b""
        found = self._known(at)
        if not found:
            number, inside = divmod(at, _BLOCK_BYTES)
            found = self._block(number)[inside:]
        found = found[: stop - at]
        self._at += len(found)
        return found

    def _known(self, at: int) -> bytes:
        for begin, data in self._parts:
            if begin <= at < begin + len(data):
                return data[at - begin :]
        return b""

    def _block(self, number: int) -> bytes:
        if number not in self._blocks:
            self._run = min(2 * self._run, _MOST_AHEAD_BLOCKS) if number == self._next else 1
            begin = number * _BLOCK_BYTES
            data = self._file.read(begin, min(begin + self._run * _BLOCK_BYTES, self._file.size_bytes))
            for k in range(self._run):
                self._blocks[number + k] = data[k * _BLOCK_BYTES : (k + 1) * _BLOCK_BYTES]
            self._next = number + self._run
            while len(self._blocks) > _MOST_BLOCKS:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(number)
        return self._blocks[number]
