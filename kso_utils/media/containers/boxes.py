"""The boxes of MOV and MP4 files (ISO/IEC 14496-12, QuickTime File Format): where each picture's bytes lie, and when
it is shown. Takes bytes, opens nothing, and believes no count before it has seen the bytes that it counts.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kso_utils.core.errors import MediaCorrupt, MediaUnsupported

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

INTRA = frozenset(("apcn", "apch", "apcs", "apco", "ap4h", "ap4x", "mjpg", "mjpa", "jpeg", "AVdn", "AVdh"))
"""Codings in which every picture stands alone: ProRes, MJPEG, DNxHD."""

PLAIN = INTRA | {"avc1", "avc3", "hvc1", "hev1"}
"""Codings of which a sample is a packet for the decoder as it is stored."""

OPENING = frozenset((b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"))
"""Boxes with which a file of this kind begins."""

# Of 12 hours at 120 frames per second there are 5 million; more are a mistake, and would fill the memory.
_MOST_SAMPLES = 2**25
# Steps between times, and times of an edit list, beyond which a demuxer corrects what it believes to be a mistake.
_DEEPEST, _LATEST = 2**28, 2**48
_MOST_EDITS = 64


@dataclass(frozen=True, slots=True)
class Box:
    """A box: its kind, where it begins, where its content begins, and where it ends."""

    kind: bytes
    begin: int
    start: int
    stop: int


@dataclass(frozen=True, eq=False)
class Track:
    """The first video track, one entry a sample in decoding order.

    Attributes
    ----------
    coding
        Four letters that name the codec.
    timescale, movie_timescale
        Ticks a second, of the track and of the movie's edit list.
    offsets, sizes
        int64 (samples,): first byte in the file, and how many.
    durations
        int64 (samples,): ticks from one sample's time of decoding to the next.
    shifts
        int64 (samples,): ticks from the time of decoding to that of presentation, or None where they are the same.
    delay
        Ticks by which decoding begins before zero, so that no picture of a negative shift is late.
    is_key
        bool (samples,): whether decoding may start there.
    edits
        int64 (edits, 2): duration in ticks of the movie, and first tick of the track (-1: nothing is shown).
    """

    coding: str
    timescale: int
    movie_timescale: int
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]
    durations: NDArray[np.int64]
    shifts: NDArray[np.int64] | None
    delay: int
    is_key: NDArray[np.bool_]
    edits: NDArray[np.int64]


def read_header(data: bytes, at: int, size_bytes: int) -> Box:
    """Return the box whose first bytes are `data`, which begins at byte `at` of a file.

    Raises
    ------
    MediaCorrupt
        If the box is shorter than its header, or ends after the file.
    """
    if len(data) < 8:
        raise MediaCorrupt(f"The file ends at byte {size_bytes} within the head of a box. Copy it again.")
    length, kind = struct.unpack_from(">I4s", data)
    head = 8
    if length == 1:
        if len(data) < 16:
            raise MediaCorrupt(f"The file ends at byte {size_bytes} within the head of a box. Copy it again.")
        (length,), head = struct.unpack_from(">Q", data, 8), 16
    stop = size_bytes if length == 0 else at + length
    if stop < at + head or stop > size_bytes:
        raise MediaCorrupt(
            f"The file ends too early, or is damaged: at byte {at} a box {kind.decode('latin-1')!r} of {length} bytes "
            f"begins, and the file has {size_bytes}. Copy it again from its source."
        )
    return Box(kind, at, at + head, stop)


def read_track(moov: bytes, size_bytes: int) -> Track | None:
    """Return the first video track that a `moov` box describes.

    Parameters
    ----------
    moov
        The content of the box.
    size_bytes
        Size of the file; no sample may end after it.

    Returns
    -------
    Track or None
        None where these tables alone do not tell the packets: the movie is in fragments, its tables do not agree, it
        has several descriptions, or a coding whose samples a demuxer divides or joins.

    Raises
    ------
    MediaCorrupt
        If a box or table is longer than what holds it, or a sample ends after the file.
    MediaUnsupported
        If there is no video, or it is encrypted.
    """
    whole = Box(b"moov", 0, 0, len(moov))
    inside = _children(moov, whole)
    if b"mvex" in inside:
        return None
    header = _only(inside, b"mvhd")
    movie_timescale = _unpack(">I", moov, header, 20 if _is_wide(moov, header) else 12)
    for trak in inside.get(b"trak", []):
        media = _descend(moov, trak, b"mdia")
        if media and _handler(moov, media) == b"vide":
            return _read_video(moov, trak, media, movie_timescale, size_bytes)
    raise MediaUnsupported("The movie has no video track. Give a movie file.")


def drop_samples(moov: bytes) -> bytes:
    """Return a `moov` box, its head included, like one whose content is given but with empty tables and no edits.

    What remains says how to decode, and is short whatever the length of the movie.
    """
    return _box(b"moov", _emptied(moov, Box(b"moov", 0, 0, len(moov)), _FOLDERS))


_TABLES = frozenset((b"stts", b"stsc", b"stsz", b"stz2", b"stco", b"co64"))
_SURPLUS = frozenset(
    (b"ctts", b"stss", b"stps", b"sdtp", b"sbgp", b"sgpd", b"cslg", b"edts", b"udta", b"tref", b"meta")
)
_FOLDERS = (b"trak", b"mdia", b"minf", b"stbl")


def _emptied(data: bytes, parent: Box, folders: tuple[bytes, ...]) -> bytes:
    parts = []
    for box in _walk(data, parent):
        if box.kind in folders[:1]:
            parts.append(_box(box.kind, _emptied(data, box, folders[1:])))
        elif box.kind in _TABLES:
            parts.append(_box(box.kind, bytes(12 if box.kind in (b"stsz", b"stz2") else 8)))
        elif box.kind not in _SURPLUS:
            parts.append(data[box.begin : box.stop])
    return b"".join(parts)


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def _walk(data: bytes, parent: Box) -> Iterator[Box]:
    at = parent.start
    while at + 8 <= parent.stop:
        if not any(data[at : at + 4]):
            return  # QuickTime ends some lists of boxes with four bytes of zero
        box = read_header(data[at : at + 16], at, parent.stop)
        yield box
        at = box.stop


def _children(data: bytes, parent: Box) -> dict[bytes, list[Box]]:
    found: dict[bytes, list[Box]] = {}
    for box in _walk(data, parent):
        found.setdefault(box.kind, []).append(box)
    return found


def _descend(data: bytes, box: Box, *kinds: bytes) -> Box | None:
    """Return the first box on a path, or None."""
    for kind in kinds:
        boxes = _children(data, box).get(kind)
        if not boxes:
            return None
        box = boxes[0]
    return box


def _only(boxes: dict[bytes, list[Box]], kind: bytes) -> Box:
    if kind not in boxes:
        raise MediaCorrupt(f"The movie's index has no box {kind.decode()!r}. Copy the file again from its source.")
    return boxes[kind][0]


def _unpack(form: str, data: bytes, box: Box, offset: int) -> int:
    if box.start + offset + struct.calcsize(form) > box.stop:
        raise MediaCorrupt(
            f"The box {box.kind.decode('latin-1')!r} of the movie's index ends too early. Copy it again."
        )
    (value,) = struct.unpack_from(form, data, box.start + offset)
    return int(value)


def _is_wide(data: bytes, box: Box) -> bool:
    """Whether a box is of version 1, which has longer numbers."""
    return _unpack(">B", data, box, 0) == 1


def _handler(data: bytes, media: Box) -> bytes:
    box = _descend(data, media, b"hdlr")
    return b"" if box is None else data[box.start + 8 : min(box.start + 12, box.stop)]


def _table(data: bytes, box: Box, columns: str, head: int = 4) -> NDArray[Any]:
    """Return the rows of a table behind version, flags and a count, as a view of the bytes: (rows, columns)."""
    kind = np.dtype(columns)
    count = _unpack(">I", data, box, head)
    start = box.start + head + 4
    if count * kind.itemsize > box.stop - start:
        raise MediaCorrupt(
            f"The table {box.kind.decode('latin-1')!r} of the movie's index claims {count} entries and has room for "
            f"{(box.stop - start) // kind.itemsize}. Copy the file again from its source."
        )
    return np.frombuffer(data, kind, count, start)


def _read_video(data: bytes, trak: Box, media: Box, movie_timescale: int, size_bytes: int) -> Track | None:
    header = _only(_children(data, media), b"mdhd")
    timescale = _unpack(">I", data, header, 20 if _is_wide(data, header) else 12)
    stbl = _descend(data, media, b"minf", b"stbl")
    if stbl is None:
        raise MediaCorrupt("The movie's index has no tables of samples. Copy the file again from its source.")
    tables = _children(data, stbl)
    coding = _read_coding(data, _only(tables, b"stsd"))
    if coding not in PLAIN or not 0 < timescale < 2**31 or not 0 < movie_timescale < 2**31:
        return None
    sizes = _read_sizes(data, tables, size_bytes)
    offsets = None if sizes is None else _read_offsets(data, tables, sizes, size_bytes)
    durations = None if sizes is None else _read_durations(data, tables, len(sizes))
    if sizes is None or offsets is None or durations is None:
        return None
    shifted, keys = _read_shifts(data, tables, len(sizes)), _read_keys(data, tables, len(sizes))
    edits = _read_edits(data, _descend(data, trak, b"edts", b"elst"))
    if keys is None or shifted is None or edits is None or (len(edits) and not durations[:-1].all()):
        return None
    # Where parts are joined and nothing is reordered, ffmpeg sometimes shortens the last picture of a part.
    if shifted[0] is None and len(np.trim_zeros(edits[:, 1] + 1, "f")) > 1:
        return None
    return Track(coding, timescale, movie_timescale, offsets, sizes, durations, *shifted, keys, edits)


def _read_coding(data: bytes, stsd: Box) -> str:
    """Return the four letters of the only description, or none of several."""
    count = _unpack(">I", data, stsd, 4)
    entry = read_header(data[stsd.start + 8 : min(stsd.start + 24, stsd.stop)], stsd.start + 8, stsd.stop)
    if entry.kind in (b"encv", b"drmi"):
        raise MediaUnsupported("The movie is encrypted. Ask whoever made it for a copy that is not.")
    return entry.kind.decode("latin-1") if count == 1 else ""


def _read_sizes(data: bytes, tables: dict[bytes, list[Box]], size_bytes: int) -> NDArray[np.int64] | None:
    if b"stsz" not in tables:
        return None
    box = tables[b"stsz"][0]
    uniform, count = _unpack(">I", data, box, 4), _unpack(">I", data, box, 8)
    table = None if uniform else _table(data, box, ">u4", 8)
    if uniform * count > size_bytes:
        raise MediaCorrupt(
            f"The file ends too early: its index names {count} pictures of {uniform} bytes, and it has {size_bytes}. "
            "Copy it again from its source."
        )
    if count > _MOST_SAMPLES:
        raise MediaUnsupported(f"The movie claims {count} pictures, more than {_MOST_SAMPLES}. Divide it.")
    sizes = np.full(count, uniform, np.int64) if table is None else table.astype(np.int64)
    return sizes if count and sizes.all() else None


def _read_offsets(
    data: bytes, tables: dict[bytes, list[Box]], sizes: NDArray[np.int64], size_bytes: int
) -> NDArray[np.int64] | None:
    wide = b"co64" in tables
    chunks = _table(data, _only(tables, b"co64" if wide else b"stco"), ">u8" if wide else ">u4")
    runs = _table(data, _only(tables, b"stsc"), "3>u4").reshape(-1, 3).astype(np.int64)
    if not len(runs) or runs[0, 0] != 1 or (np.diff(runs[:, 0]) <= 0).any() or runs[-1, 0] > len(chunks):
        return None
    lengths = np.diff(np.append(runs[:, 0], len(chunks) + 1))
    if (runs[:, 2] != 1).any() or (runs[:, 1] > len(sizes)).any() or int(lengths @ runs[:, 1]) != len(sizes):
        return None
    if int(chunks.max()) >= size_bytes:
        raise _too_early(int(chunks.max()), size_bytes)
    counts = np.repeat(runs[:, 1], lengths)
    before = np.cumsum(sizes) - sizes
    first = np.cumsum(counts) - counts
    filled = np.flatnonzero(counts)
    offsets: NDArray[np.int64] = before + np.repeat(
        chunks[filled].astype(np.int64) - before[first[filled]], counts[filled]
    )
    last = int((offsets + sizes).max())
    if last > size_bytes:
        raise _too_early(last, size_bytes)
    return offsets


def _too_early(promised: int, size_bytes: int) -> MediaCorrupt:
    return MediaCorrupt(
        f"The file ends too early: its index names pictures up to byte {promised}, and it has {size_bytes}. "
        "Copy it again from its source."
    )


def _read_durations(data: bytes, tables: dict[bytes, list[Box]], samples: int) -> NDArray[np.int64] | None:
    runs = _table(data, _only(tables, b"stts"), "2>u4").reshape(-1, 2).astype(np.int64)
    agreed = len(runs) and int(runs[:, 0].sum()) == samples and bool((runs[:, 1] < _DEEPEST).all())
    return np.repeat(runs[:, 1], runs[:, 0]) if agreed else None


def _read_shifts(
    data: bytes, tables: dict[bytes, list[Box]], samples: int
) -> tuple[NDArray[np.int64] | None, int] | None:
    if b"ctts" not in tables:
        return None, 0
    table = _table(data, tables[b"ctts"][0], ">u4,>i4")
    counts, shifts = table["f0"].astype(np.int64), table["f1"].astype(np.int64)
    if int(counts.sum()) != samples or not counts.all() or (np.abs(shifts) >= _DEEPEST).any():
        return None
    # Demuxers leave the last two runs out: writers often have them wrong.
    return np.repeat(shifts, counts), max(0, -int(shifts[:-2].min(initial=0)))


def _read_keys(data: bytes, tables: dict[bytes, list[Box]], samples: int) -> NDArray[np.bool_] | None:
    if b"stps" in tables:
        return None
    is_key = np.ones(samples, np.bool_)
    if b"stss" in tables:
        numbers = _table(data, tables[b"stss"][0], ">u4").astype(np.int64) - 1
        if not len(numbers) or numbers[0] < 0 or numbers[-1] >= samples or (np.diff(numbers) <= 0).any():
            return None
        is_key[:] = False
        is_key[numbers] = True
    for box in tables.get(b"sbgp", []):
        if data[box.start + 4 : box.start + 8] == b"rap ":
            groups = _table(data, box, "2>u4", 12 if _is_wide(data, box) else 8).reshape(-1, 2).astype(np.int64)
            if int(groups[:, 0].sum()) > samples:
                return None
            starts = np.repeat(groups[:, 1] > 0, groups[:, 0])
            is_key[: len(starts)] |= starts
    return is_key


def _read_edits(data: bytes, box: Box | None) -> NDArray[np.int64] | None:
    if box is None:
        return np.zeros((0, 2), np.int64)
    table = _table(data, box, ">u8,>i8,>u4" if _is_wide(data, box) else ">u4,>i4,>u4")
    edits = np.stack([table["f0"].astype(np.int64), table["f1"].astype(np.int64)], axis=1)
    usual = len(edits) <= _MOST_EDITS and bool((edits >= -1).all()) and bool((edits < _LATEST).all())
    return edits if usual else None
