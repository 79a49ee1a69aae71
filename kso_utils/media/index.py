"""The packet index of a movie: which frames there are, when each is shown, and where decoding may start.

It is read without decoding. Frame number k is the k-th frame in order of presentation, which is the k-th that a
linear decode gives: what a movie's edit list hides has no number, and what the container claims about its length
is not believed.
"""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kso_utils.archive.local import LocalFile
from kso_utils.core.errors import ArchiveError, MediaCorrupt, MediaError
from kso_utils.core.paths import write_atomic
from kso_utils.media.containers.boxes import INTRA, drop_samples, read_track
from kso_utils.media.containers.edits import lay_out
from kso_utils.media.ranges import find_moov
from kso_utils.media.safety import open_movie
from kso_utils.media.sources import Footage, name_of, resolve

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kso_utils.archive.base import RangeFile

NO_TIME = np.iinfo(np.int64).min
"""A time of decoding where the container has none."""

_FORMAT = 2
_SEGMENT = bytes.fromhex("18538067")


@dataclass(frozen=True, eq=False)
class Stored:
    """Packets in a file.

    Attributes
    ----------
    offsets, sizes
        int64 (packets,): first byte, and how many; in decoding order.
    header
        Where every picture stands alone, a `moov` box that says how to decode one; else nothing.
    """

    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]
    header: bytes


@dataclass(frozen=True, eq=False)
class MovieIndex:
    """Packets of a movie's video stream.

    Attributes
    ----------
    pts, dts
        int64 (packets,): presentation and decoding time in ticks of `time_base`, in decoding order; `dts` is `NO_TIME`
        where the container has none.
    is_key
        bool (packets,): whether decoding may start there.
    shown
        int64 (frames,): packet of each frame, in order of presentation.
    time_base
        Seconds a tick.
    end
        Tick at which the last frame ends.
    by_count
        Whether the container's times do not tell frames apart, so that frames are found by counting from the start.
    stored
        Where the packets lie in the file, or None where only a demuxer can tell.
    """

    pts: NDArray[np.int64]
    dts: NDArray[np.int64]
    is_key: NDArray[np.bool_]
    shown: NDArray[np.int64]
    time_base: Fraction
    end: int
    by_count: bool
    stored: Stored | None = None

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.shown)

    @cached_property
    def ticks(self) -> NDArray[np.int64]:
        """Presentation time of each frame in ticks, int64 (frames,), increasing."""
        return self.pts[self.shown]

    @cached_property
    def pts_s(self) -> NDArray[np.float64]:
        """Presentation time of each frame in seconds since the first one, float64 (frames,)."""
        numerator, denominator = self.time_base.as_integer_ratio()
        seconds: NDArray[np.float64] = (self.ticks - self.ticks[0]) * numerator / denominator
        return seconds

    @property
    def duration_s(self) -> float:
        """Seconds from the start of the first frame to the end of the last."""
        return float((self.end - int(self.ticks[0])) * self.time_base)

    @cached_property
    def is_variable(self) -> bool:
        """Whether the frames are not all equally long; coarse ticks may make equal ones differ by one."""
        steps = np.diff(self.ticks)
        return len(steps) > 0 and bool((np.abs(steps - np.median(steps)) > 1).any())

    @cached_property
    def keys(self) -> NDArray[np.int64]:
        """Packets at which decoding may start, increasing."""
        return np.flatnonzero(self.is_key)

    @cached_property
    def _by_time(self) -> NDArray[np.int64]:
        return np.argsort(self.pts, kind="stable")

    def packet_at(self, pts: int | None) -> int | None:
        """Return the packet presented at a tick, or None."""
        if pts is None:
            return None
        rank = int(np.searchsorted(self.pts, pts, sorter=self._by_time))
        packet = int(self._by_time[min(rank, len(self.pts) - 1)])
        return packet if self.pts[packet] == pts else None

    def key_before(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return, for each frame, the position in `keys` of the key packet from which it can be decoded.

        A frame shown before the key packet that precedes it in the file (a leading frame of an open group of
        pictures) needs the one before; -1 means the start of the file.
        """
        packets, ticks = self.shown[numbers], self.ticks[numbers]
        found = np.searchsorted(self.keys, packets, side="right") - 1
        while True:
            leading = (found >= 0) & (self.pts[self.keys[found]] > ticks)
            if not leading.any():
                return found
            found = found - leading


def load_index(path: Footage, cache: str | Path | None = None) -> MovieIndex:
    """Return a movie's index, reading its packets without decoding them.

    Of most MOV and MP4 files only the boxes are read, of others the whole file. The last few indexes stay in memory,
    known by the file's path or address, its size, and its modification time or ETag.

    Parameters
    ----------
    path
        A local movie, an address of one (`s3://`, `https://`), or an open file of an archive.
    cache
        A folder in which indexes are kept between runs.

    Raises
    ------
    NotFound, Denied, MediaCorrupt, MediaUnsupported
        As `safety.open_movie`; `MediaCorrupt` also where the file ends before its last packet.
    ArchiveError
        As `RangeFile.read`.
    """
    source = resolve(path)
    known = _Source(source if not isinstance(source, Path) else source.absolute(), cache)
    index = _load(known)
    if known.kept is not None and not known.kept.exists():
        with write_atomic(known.kept) as temporary:
            _write(temporary, index)
    return index


class _Source:
    """A movie, equal to another of the same place, size and time of change, wherever their indexes are kept."""

    def __init__(self, movie: Path | RangeFile, cache: str | Path | None) -> None:
        self.movie = movie
        if isinstance(movie, Path):
            try:
                stat = movie.stat()
            except OSError:
                stat = None
            self.size = stat.st_size if stat else 0
            self.facts = f"{movie}\0{self.size}\0{stat.st_mtime_ns if stat else 0}"
        else:
            self.size = movie.size_bytes
            self.facts = f"{movie.address}\0{self.size}\0{movie.identity}"
        digest = hashlib.sha256(f"{_FORMAT}\0{self.facts}".encode("utf-8", "surrogateescape")).hexdigest()
        self.kept = Path(cache) / f"{digest[:32]}.npz" if cache else None

    def __hash__(self) -> int:
        return hash(self.facts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Source) and self.facts == other.facts


@lru_cache(maxsize=8)
def _load(source: _Source) -> MovieIndex:
    if source.kept is not None:
        try:
            return _read(source.kept)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            source.kept.unlink(missing_ok=True)
    return _scan(source.movie, source.size)


def _read(path: Path) -> MovieIndex:
    with np.load(path, allow_pickle=False) as kept:
        numerator, denominator, end, by_count = kept["facts"].tolist()
        arrays = (kept["pts"], kept["dts"], kept["is_key"], kept["shown"])
        offsets, sizes, header = kept["offsets"], kept["sizes"], kept["header"].tobytes()
    stored = Stored(offsets, sizes, header) if len(offsets) else None
    return MovieIndex(*arrays, Fraction(numerator, denominator), end, bool(by_count), stored)


def _write(path: Path, index: MovieIndex) -> None:
    facts = np.array([*index.time_base.as_integer_ratio(), index.end, index.by_count], np.int64)
    arrays = {name: getattr(index, name) for name in ("pts", "dts", "is_key", "shown")}
    stored = index.stored or Stored(np.zeros(0, np.int64), np.zeros(0, np.int64), b"")
    header = np.frombuffer(stored.header, np.uint8)
    np.savez_compressed(path, **arrays, facts=facts, offsets=stored.offsets, sizes=stored.sizes, header=header)


def _scan(movie: Path | RangeFile, size: int) -> MovieIndex:
    if not isinstance(movie, Path):
        return _unbox(movie) or _demux(movie, size)
    try:
        found = _unbox(LocalFile(movie))
    except (ArchiveError, MediaError):
        found = None  # what is wrong with a file on this machine is for the demuxer to say, which costs nothing here
    return found or _demux(movie, size)


def _unbox(file: RangeFile) -> MovieIndex | None:
    """Return the index of a MOV or MP4 file from its boxes, or None where they alone do not tell."""
    if not file.size_bytes:
        return None
    opening = find_moov(file)
    track = None if opening is None else read_track(opening.moov, file.size_bytes)
    if opening is None or track is None:
        return None
    packets = lay_out(track)
    if packets.is_hidden.all():
        return None
    whole = (track.is_key[packets.samples], packets.is_hidden, np.zeros(len(packets.samples), np.int64))
    table = np.stack([packets.pts, packets.dts, packets.durations, *whole], axis=1)
    header = drop_samples(opening.moov) if track.coding in INTRA else b""
    stored = Stored(track.offsets[packets.samples], track.sizes[packets.samples], header)
    return replace(_index(table, Fraction(1, track.timescale), False), stored=stored)


def _demux(movie: Path | RangeFile, size: int) -> MovieIndex:
    with open_movie(movie) as (container, stream):
        rows = [_row(packet) for packet in container.demux(stream) if packet.size]
        table = np.array(rows, np.int64).reshape(-1, 6)
        if table[:, 4].all():
            raise MediaCorrupt(f"{name_of(movie)} has no pictures in it. Copy it again from its source.")
        if (
            table[-1, 5]
            or _promised_bytes(movie, container, stream) > size
            or _promised_frames(container, stream) > len(table)
        ):
            raise MediaCorrupt(
                f"{name_of(movie)} ends too early: only {len(table)} frames are in it. Copy it again from its source."
            )
        # AVI numbers its packets as they are stored, which is no time of presentation where frames are reordered.
        unordered = container.format.name == "avi" and stream.codec_context.has_b_frames
        times_missing = bool(unordered) or bool((table[:, 0] == NO_TIME).any())
        rate = Fraction(stream.guessed_rate or stream.average_rate or 25)
        time_base = Fraction(stream.time_base)
    if times_missing:
        table[:, 0], table[:, 2], time_base = np.arange(len(table)), 1, 1 / rate
    return _index(table, time_base, times_missing)


def _row(packet: Any) -> tuple[Any, ...]:
    """Return (pts, dts, duration, key, discard, corrupt)."""
    pts, dts = packet.pts, packet.dts
    return (
        NO_TIME if pts is None else pts,
        NO_TIME if dts is None else dts,
        packet.duration or 0,
        packet.is_keyframe,
        packet.is_discard,
        packet.is_corrupt,
    )


def _promised_bytes(movie: Path | RangeFile, container: Any, stream: Any) -> int:
    """Return how long the file must be by its own index (MP4) or its outermost element (Matroska); 0 if it says not."""
    if "mov" in container.format.name:
        return max((entry.pos + entry.size for entry in stream.index_entries), default=0)
    if "matroska" in container.format.name:
        file = LocalFile(movie) if isinstance(movie, Path) else movie
        return _matroska_bytes(file.read(0, min(4096, file.size_bytes)))
    return 0


def _matroska_bytes(head: bytes) -> int:
    """Return where the segment ends (RFC 8794: an element is an id, a size of variable length, and its data)."""
    at = head.find(_SEGMENT) + len(_SEGMENT)
    if at < len(_SEGMENT) or at >= len(head) or not head[at]:
        return 0
    length = 9 - head[at].bit_length()
    unknown = (1 << 7 * length) - 1
    inside = int.from_bytes(head[at : at + length], "big") & unknown
    return 0 if inside == unknown else at + length + inside


def _promised_frames(container: Any, stream: Any) -> int:
    # Elsewhere the container's count is not to be believed: an edit list hides frames, and some name none.
    return int(stream.frames) if container.format.name == "avi" else 0


def _index(table: NDArray[np.int64], time_base: Fraction, times_missing: bool) -> MovieIndex:
    pts = np.ascontiguousarray(table[:, 0])
    visible = np.flatnonzero(table[:, 4] == 0)
    shown = visible[np.argsort(pts[visible], kind="stable")]
    steps = np.diff(pts[shown])
    step = int(np.median(steps)) if len(steps) else 1
    end = int(pts[shown[-1]]) + (int(table[shown[-1], 2]) or step)
    return MovieIndex(
        pts=pts,
        dts=np.ascontiguousarray(table[:, 1]),
        is_key=table[:, 3] == 1,
        shown=shown,
        time_base=time_base,
        end=end,
        by_count=times_missing or bool((steps <= 0).any()),
    )
