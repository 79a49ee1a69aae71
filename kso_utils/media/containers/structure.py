"""Whether the outer form of a movie file is whole: its boxes, elements, chunks or packets, without their contents."""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

Fault = Literal["TRUNCATED", "ZEROED", "DAMAGED", "LEFT_OVER"]


@dataclass(frozen=True, slots=True)
class Flaw:
    """A place at which a file is not what its format says.

    Attributes
    ----------
    fault
        `TRUNCATED`: bytes are missing at the end; `ZEROED`: zeros stand where data was; `DAMAGED`: it contradicts
        itself; `LEFT_OVER`: bytes that no reader looks at.
    at
        Byte of the file.
    message
        What is wrong there, in one sentence.
    """

    fault: Fault
    at: int
    message: str


# A movie's index is a few hundred bytes a second of it; more than this is none.
_INDEX_BYTES = 2**28
_TOP_BOXES = (
    b"ftyp",
    b"moov",
    b"mdat",
    b"free",
    b"skip",
    b"wide",
    b"moof",
    b"mfra",
    b"sidx",
    b"styp",
    b"uuid",
    b"pnot",
)
_INNER_BOXES = (b"mdia", b"minf", b"stbl")
# Bytes an entry of the tables of an index, after the bytes before the number of entries.
_TABLES = {b"stts": (4, 8), b"ctts": (4, 8), b"stsc": (4, 12), b"stco": (4, 4), b"co64": (4, 8), b"stss": (4, 4)}
_ELEMENTS = (0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1F43B675, 0x1C53BB6B, 0x1941A469, 0x1043A770, 0x1254C367, 0xEC, 0xBF)
_SEGMENT, _HEADER, _VOID, _CRC = 0x18538067, 0x1A45DFA3, 0xEC, 0xBF
_SYNC = 0x47
# Bytes of an MPEG packet and its first one, in broadcasts and on cameras.
_STRIDES = ((188, 0), (192, 4))
# RIFF, Matroska, MPEG program streams, ASF.
_HEADS = (b"RIFF", b"\x1a\x45\xdf\xa3", b"\0\0\1\xba", b"\x30\x26\xb2\x75")
_BLOCK_BYTES = 2**24


def find_flaws(path: Path) -> list[Flaw]:
    """Return what is wrong with the outer form of a local movie; nothing for formats that say nothing about it.

    Checked are that the parts of the file tile it (ISO 14496-12 boxes, RIFF chunks, RFC 8794 elements, MPEG packets),
    that the tables of an MP4 agree with each other, and the checksums of a Matroska file where it has them.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        head = file.read(400)
        if head[:4] == b"RIFF":
            return list(_riff(file, size))
        if head[:4] == _HEADER.to_bytes(4, "big"):
            return list(_matroska(file, size))
        if head[4:8] in _TOP_BOXES:
            return list(_boxes(file, size))
        for stride, offset in _STRIDES:
            if len(head) > stride + offset and head[offset] == head[stride + offset] == _SYNC:
                return list(_transport(file, size, stride, offset))
    return []


def is_known(head: bytes) -> bool:
    """Whether a file that begins like this may be a movie at all."""
    packets = any(len(head) > n + o and head[o] == head[n + o] == _SYNC for n, o in _STRIDES)
    return packets or head[4:8] in _TOP_BOXES or head.startswith(_HEADS)


def _boxes(file: IO[bytes], size: int) -> Iterator[Flaw]:
    at, movies, media = 0, 0, 0
    while at < size:
        file.seek(at)
        head = file.read(16)
        length, kind = int.from_bytes(head[:4], "big"), head[4:8]
        if not any(head[:8]):
            yield Flaw("LEFT_OVER" if movies and media else "ZEROED", at, f"zeros stand from byte {at} on")
            return
        start = at + (16 if length == 1 else 8)
        end = size if length == 0 else at + (int.from_bytes(head[8:], "big") if length == 1 else length)
        if kind not in _TOP_BOXES and not (kind.isalnum() and kind.isascii() and end <= size):
            yield Flaw("LEFT_OVER" if movies and media else "DAMAGED", at, f"byte {at} begins no part of a movie file")
            return
        if end > size or end < start:
            yield Flaw(
                "TRUNCATED", size, f"it ends at byte {size}, {end - size} bytes before its part {_name(kind)} does"
            )
            return
        if kind == b"mdat":
            media += 1
        if kind == b"moov":
            movies += 1
            if end - start > _INDEX_BYTES:
                yield Flaw("DAMAGED", at, f"its index claims {end - start} bytes")
                return
            file.seek(start)
            yield from _moov(file.read(end - start), start)
        at = end
    if not movies:
        yield Flaw("TRUNCATED", size, "it has no index; the recording was not finished, or its end is missing")
    if movies > 1:
        yield Flaw("DAMAGED", 0, f"{movies} movies stand in it one after the other, and players show only the first")


class _Broken(Exception):
    """A place in an index from which it cannot be read on."""

    def __init__(self, at: int, message: str) -> None:
        super().__init__(message)
        self.at, self.message = at, message


def _moov(data: bytes, origin: int) -> Iterator[Flaw]:
    """Yield what is wrong in the index of an MP4, whose first byte is byte `origin` of the file."""
    try:
        for kind, start, end in _parts(data, 0, len(data)):
            if kind == b"trak":
                for message in _contradictions(dict(_tables(data, start, end))):
                    yield Flaw("DAMAGED", origin + start, message)
    except _Broken as broken:
        yield Flaw("DAMAGED", origin + broken.at, f"{broken.message} at byte {origin + broken.at} of it")


def _parts(data: bytes, at: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    while at < stop:
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if length < 8 or at + length > stop:
            raise _Broken(at, f"its index has a part {_name(kind)} of an impossible size")
        yield kind, at + 8, at + length
        at += length


def _tables(data: bytes, at: int, stop: int) -> Iterator[tuple[bytes, NDArray[np.int64]]]:
    for kind, start, end in _parts(data, at, stop):
        if kind in _INNER_BOXES:
            yield from _tables(data, start, end)
        elif kind in _TABLES or kind == b"stsz":
            entries = _table(kind, data[start:end])
            if entries is None:
                raise _Broken(start, f"its index has a table {_name(kind)} that is cut off")
            yield kind, entries


def _table(kind: bytes, body: bytes) -> NDArray[np.int64] | None:
    """Return the entries of a table of an index, (entries, columns); None if it is shorter than it says."""
    if kind == b"stsz":
        fixed, count = (int(v) for v in np.frombuffer(body[4:12].ljust(8, b"\0"), ">u4"))
        if fixed:
            return np.broadcast_to(np.int64(fixed), (count, 1))
        rest, width, columns = body[12:], 4, 1
    else:
        skip, width = _TABLES[kind]
        count = int.from_bytes(body[skip : skip + 4], "big")
        rest, columns = body[skip + 4 :], 1 if kind == b"co64" else width // 4
    if len(rest) < count * width:
        return None
    entries = np.frombuffer(rest[: count * width], ">u8" if kind == b"co64" else ">u4")
    return entries.astype(np.int64).reshape(count, columns)


def _contradictions(tables: dict[bytes, NDArray[np.int64]]) -> Iterator[str]:
    if b"stsz" not in tables:
        yield "its index does not tell the sizes of the frames"
        return
    count = len(tables[b"stsz"])
    for name, what in ((b"stts", "lengths"), (b"ctts", "times")):
        if name in tables and int(tables[name][:, 0].sum()) != count:
            yield f"its index tells the {what} of {int(tables[name][:, 0].sum())} frames, but the sizes of {count}"
    chunks = tables.get(b"stco", tables.get(b"co64"))
    runs = tables.get(b"stsc")
    if chunks is not None and runs is not None and count:
        spans = np.diff(np.append(runs[:, 0], len(chunks) + 1))
        if not len(runs) or runs[0, 0] != 1 or (spans < 1).any() or int((spans * runs[:, 1]).sum()) != count:
            yield f"its index places another number of frames than the {count} whose sizes it tells"
    keys = tables.get(b"stss")
    if keys is not None and len(keys) and ((np.diff(keys[:, 0]) <= 0).any() or keys[0, 0] < 1 or keys[-1, 0] > count):
        yield "its list of key frames is out of order"
    # Sizes that are all one are one number, however many there are said to be.
    if count > 1 and tables[b"stsz"].strides[0] and (tables[b"stsz"] == 0).any():
        yield "its index has frames of no bytes"


def _name(kind: bytes) -> str:
    return repr(kind.decode("latin-1"))


def _riff(file: IO[bytes], size: int) -> Iterator[Flaw]:
    at = 0
    while at + 8 <= size:
        file.seek(at)
        head = file.read(8)
        length = int.from_bytes(head[4:], "little")
        if head[:4] not in (b"RIFF", b"JUNK"):
            zeros = not any(head)
            yield Flaw(
                "LEFT_OVER" if at else "DAMAGED", at, f"{'zeros stand' if zeros else 'it goes on'} from byte {at} on"
            )
            return
        end = at + 8 + length
        if end > size or not length:
            yield Flaw("TRUNCATED", size, f"it ends at byte {size}, but says that it has {end} bytes")
            return
        at = end + length % 2


def _matroska(file: IO[bytes], size: int) -> Iterator[Flaw]:
    at, end = 0, size
    while at < end:
        file.seek(at)
        found = _element(file.read(12))
        if found is None:
            yield Flaw("DAMAGED", at, f"byte {at} begins no part of a Matroska file")
            return
        kind, head, length = found
        if kind in (_SEGMENT, _HEADER):
            if length is None:
                return  # written by a camera that never looked back; its length is not known
            if at + head + length > size:
                yield Flaw(
                    "TRUNCATED", size, f"it ends at byte {size}, but says that it has {at + head + length} bytes"
                )
                return
            at += head + (0 if kind == _SEGMENT else length)
            end = at + length if kind == _SEGMENT else end
            continue
        if kind not in _ELEMENTS or length is None or at + head + length > end:
            yield Flaw("DAMAGED", at, f"byte {at} begins no part of a Matroska file")
            return
        if length <= _INDEX_BYTES and kind not in (_VOID, _CRC):
            yield from _checksum(file, at + head, length)
        at += head + length
    if end < size:
        yield Flaw("LEFT_OVER", end, f"it goes on for {size - end} bytes from byte {end} on")


def _checksum(file: IO[bytes], start: int, length: int) -> Iterator[Flaw]:
    file.seek(start)
    data = file.read(length)
    if data[:2] == bytes((_CRC, 0x84)) and zlib.crc32(data[6:]) != int.from_bytes(data[2:6], "little"):
        yield Flaw("DAMAGED", start, f"the checksum of its part at byte {start} is wrong")


def _element(head: bytes) -> tuple[int, int, int | None] | None:
    """Return the id of an element, the bytes before its data, and how many those are; None if it is none."""
    if len(head) < 2 or not head[0] >> 4:
        return None
    wide = 9 - head[0].bit_length()
    if len(head) <= wide or not head[wide]:
        return None
    length = 9 - head[wide].bit_length()
    unknown = (1 << 7 * length) - 1
    inside = int.from_bytes(head[wide : wide + length], "big") & unknown
    return int.from_bytes(head[:wide], "big"), wide + length, None if inside == unknown else inside


def _transport(file: IO[bytes], size: int, stride: int, offset: int) -> Iterator[Flaw]:
    file.seek(0)
    at = 0
    while block := file.read(_BLOCK_BYTES // stride * stride):
        rows = np.frombuffer(block[: len(block) // stride * stride], np.uint8).reshape(-1, stride)
        lost = np.flatnonzero(rows[:, offset] != _SYNC)
        if len(lost):
            where = at + int(lost[0]) * stride
            zeros = not rows[lost[0]].any()
            yield Flaw(
                "ZEROED" if zeros else "DAMAGED", where, f"its packet at byte {where} is {'empty' if zeros else 'none'}"
            )
            return
        at += len(block)
    if size % stride:
        yield Flaw("TRUNCATED", size, f"it ends at byte {size}, in the middle of a packet")
