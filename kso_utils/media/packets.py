"""Frames of a movie that is not here, decoded from just those bytes that they need.

Only for movies whose index says where each packet lies. Bytes are fetched ahead by several threads, in order.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np

from kso_utils.core.ahead import ahead
from kso_utils.core.errors import MediaCorrupt
from kso_utils.media.pixels import leave_out_colour
from kso_utils.media.safety import open_header, open_movie

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from numpy.typing import NDArray

    from kso_utils.archive.base import RangeFile
    from kso_utils.media.index import MovieIndex, Stored

SEEK_GAIN = 2
"""Packets that it does not pay to jump over: at a jump the decoder's threads wait for each other."""

KEYS_BACK = (0, 1, 4)
"""Key packets to step further back where a frame does not arrive after a jump; then comes a decode without jumps."""

SKIPS_UNREFERENCED = ("h264", "hevc")
"""Decoders that can leave out frames to which no other refers."""

FETCH_THREADS = 8
"""Requests under way at the same time, unless said otherwise."""

# Bytes of other tracks between two packets that are cheaper to fetch than to ask around: in a group of pictures, and
# as a share of the packets' own bytes where each picture stands alone.
_GAP_BYTES = 2**18
_GAP_SHARE = 1 / 128
_MOST_BYTES = 2**22


@dataclass(frozen=True, slots=True)
class Group:
    """Packets `start` up to `stop`, decoded without a jump for the sake of those wanted, in order of presentation."""

    start: int
    stop: int
    wanted: tuple[int, ...]


def decode_ranges(
    file: RangeFile, index: MovieIndex, wanted: NDArray[np.int64], threads: int | None, is_luma: bool = False
) -> Iterator[tuple[int, Any]]:
    """Yield (number, decoded frame) of the wanted frames, increasing numbers.

    Parameters
    ----------
    file
        The movie.
    index
        Its index, with the places of the packets (`index.stored`).
    wanted
        int64, increasing.
    threads
        Requests under way at the same time.
    is_luma
        Whether the brightness of the frames is all that is wanted.

    Raises
    ------
    MediaCorrupt
        If a frame cannot be decoded.
    ArchiveError
        As `RangeFile.read`.
    """
    if index.stored is not None and index.stored.header:
        yield from _decode_single(file, index, index.stored, wanted, threads or FETCH_THREADS, is_luma)
        return
    done = 0
    for back in [*KEYS_BACK, None]:
        for frame in _decode_groups(file, index, wanted[done:], back, threads):
            yield int(wanted[done]), frame
            done += 1
        if done == len(wanted):
            return
    raise MediaCorrupt(
        f"Frame {wanted[done]} of {file.address} cannot be decoded. Copy the movie again from its source."
    )


def fetch_packets(
    file: RangeFile, stored: Stored, packets: Iterable[int], threads: int | None = None
) -> Generator[tuple[int, bytes], None, None]:
    """Yield (packet, its bytes) in the order of `packets`; those close together are fetched with one request."""

    def fetch(span: list[tuple[int, int, int]]) -> list[tuple[int, bytes]]:
        start = span[0][1]
        data = file.read(start, span[-1][2])
        return [(packet, data[begin - start : end - start]) for packet, begin, end in span]

    with closing(ahead(fetch, _spans(stored, packets), threads or FETCH_THREADS)) as spans:
        for span in spans:
            yield from span


def _spans(stored: Stored, packets: Iterable[int]) -> Iterator[list[tuple[int, int, int]]]:
    """Yield runs of (packet, first byte, byte after the last) that are worth one request."""
    span: list[tuple[int, int, int]] = []
    for packet in packets:
        start = int(stored.offsets[packet])
        stop = start + int(stored.sizes[packet])
        most = _GAP_SHARE * (stop - start) if stored.header else _GAP_BYTES
        if span and not (0 <= start - span[-1][2] <= most and stop - span[0][1] <= _MOST_BYTES):
            yield span
            span = []
        span.append((packet, start, stop))
    if span:
        yield span


def _decode_single(
    file: RangeFile, index: MovieIndex, stored: Stored, wanted: NDArray[np.int64], threads: int, is_luma: bool
) -> Iterator[tuple[int, Any]]:
    """Decode pictures each of which stands alone, several at the same time."""
    workers = min(threads, len(wanted), os.cpu_count() or 1)
    with _decoders(file, stored, workers, is_luma) as decoders:

        def decode(sample: tuple[int, bytes]) -> Any:
            context = decoders.get()
            try:
                return next(iter(context.decode(_packet(index, *sample))), None)
            finally:
                decoders.put(context)

        samples = fetch_packets(file, stored, index.shown[wanted].tolist(), threads)
        with closing(samples), closing(ahead(decode, samples, workers)) as frames:
            for number, frame in zip(wanted.tolist(), frames, strict=True):
                if frame is None:
                    raise MediaCorrupt(
                        f"Frame {number} of {file.address} cannot be decoded. Copy the movie again from its source."
                    )
                yield number, _timed(index, frame)


@contextmanager
def _decoders(file: RangeFile, stored: Stored, count: int, is_luma: bool) -> Iterator[SimpleQueue[Any]]:
    found: SimpleQueue[Any] = SimpleQueue()
    with ExitStack() as stack:
        for _ in range(count):
            _, stream = stack.enter_context(open_header(stored.header, file.address))
            context = stream.codec_context
            context.thread_type, context.thread_count = "SLICE", max(1, (os.cpu_count() or 1) // count)
            if is_luma:
                leave_out_colour(context)
            found.put(context)
        yield found


def _decode_groups(
    file: RangeFile, index: MovieIndex, wanted: NDArray[np.int64], back: int | None, threads: int | None
) -> Iterator[Any]:
    """Yield the wanted frames and end early at the first that does not arrive; jump only if `back` is a number."""
    if index.stored is None:
        return
    groups = list(plan_groups(index, wanted, back))
    packets = (packet for group in groups for packet in range(group.start, group.stop))
    with open_movie(file) as (_, stream), closing(fetch_packets(file, index.stored, packets, threads)) as samples:
        context = stream.codec_context
        context.thread_type, context.thread_count = "AUTO", 0
        for group in groups:
            arrived = 0
            for frame in _decode_group(context, index, group, samples):
                if arrived < len(group.wanted) and frame.pts == group.wanted[arrived]:
                    arrived += 1
                    yield _timed(index, frame)
            if arrived < len(group.wanted):
                return


def plan_groups(index: MovieIndex, wanted: NDArray[np.int64], back: int | None) -> Iterator[Group]:
    """Yield what to decode for the sake of some frames, increasing numbers.

    Parameters
    ----------
    index
        Of the movie.
    wanted
        Frame numbers, int64, increasing.
    back
        Begin so many key packets before the one that should do; None never jumps.
    """
    packets = index.shown[wanted]
    keys = np.full(len(wanted), -1) if back is None else np.maximum(index.key_before(wanted) - back, -1)
    starts = np.where(keys < 0, 0, index.keys[keys]) if len(index.keys) else np.zeros(len(wanted), np.int64)
    members: list[int] = []
    start = stop = 0
    for packet, key in zip(packets.tolist(), starts.tolist(), strict=True):
        if members and key > stop + SEEK_GAIN:
            yield Group(start, stop, tuple(members))
            members = []
        if not members:
            start, stop = key, packet + 1
        start, stop = min(start, key), max(stop, packet + 1)
        members.append(packet)
    yield Group(start, stop, tuple(members))


def _decode_group(context: Any, index: MovieIndex, group: Group, samples: Iterator[tuple[int, bytes]]) -> Iterator[Any]:
    """Yield every frame of a group that is decoded; its `pts` is the number of its packet."""
    wanted, skips, skipping = set(group.wanted), context.name in SKIPS_UNREFERENCED, False
    for packet, data in islice(samples, group.stop - group.start):
        # A frame that no other refers to need not be decoded unless it is wanted itself.
        if skips and skipping is (packet in wanted):
            skipping = not skipping
            context.skip_frame = "NONREF" if skipping else "DEFAULT"
        yield from context.decode(_packet(index, packet, data))
    yield from context.decode(None)
    context.flush_buffers()


def _packet(index: MovieIndex, number: int, data: bytes) -> Any:
    import av

    # A packet that owns its bytes: one that borrows them asks for Python when the decoder's threads let it go, and
    # whoever closes the decoder meanwhile would wait for ever.
    packet = av.Packet(len(data))
    packet.update(data)
    # Decoders hand the time through; the packet's number in its place tells frames of the same time apart.
    packet.pts = packet.dts = number
    packet.time_base = index.time_base
    return packet


def _timed(index: MovieIndex, frame: Any) -> Any:
    frame.pts = int(index.pts[frame.pts])
    return frame
