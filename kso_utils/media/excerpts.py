"""A part of a movie that is not here, as a small file that is: its packets, copied, not encoded again."""

from __future__ import annotations

from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kso_utils.core.errors import MediaCorrupt, MediaError, MediaUnsupported
from kso_utils.core.paths import write_atomic
from kso_utils.media.frames import Feed, read_frames
from kso_utils.media.index import NO_TIME, MovieIndex, load_index
from kso_utils.media.packets import KEYS_BACK, fetch_packets
from kso_utils.media.safety import open_header, open_movie

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from kso_utils.archive.base import RangeFile

# An edit list would hide what is shown before the first key packet.
_OPTIONS = {"use_editlist": "0"}


def copy_packets(movie: RangeFile, first: int, count: int, target: str | Path) -> int:
    """Copy the packets that some frames of a movie need into a local file, from the key packet that suffices on.

    Parameters
    ----------
    movie
        A movie that is not on this machine.
    first, count
        The frames `first` up to `first + count - 1`.
    target
        The file to write, a QuickTime movie without sound; it appears when it is complete.

    Returns
    -------
    int
        Number of frame `first` in the excerpt; the others follow it.

    Raises
    ------
    MediaError
        If the frames are not in the movie, or their packets cannot be copied.
    MediaUnsupported
        If an edit list joins parts of the movie so that no excerpt shows these frames one after another, or the movie
        has no times of presentation (AVI with reordered frames).
    NotFound, Denied, MediaCorrupt, ArchiveError
        As `load_index`.
    """
    index = load_index(movie)
    if first < 0 or count < 1 or first + count > len(index):
        raise MediaError(
            f"{movie.address} has the frames 0 to {len(index) - 1}; {count} frames from frame {first} on are not in it."
        )
    if index.by_count and index.stored is None:
        raise MediaUnsupported(f"{movie.address} does not say when a frame is shown. Copy it to this machine.")
    wanted = np.arange(first, first + count)
    for back in [*KEYS_BACK, None]:
        key = -1 if back is None else int(index.key_before(wanted).min()) - back
        with suppress(MediaCorrupt):
            return _excerpt(movie, index, wanted, 0 if key < 0 or index.by_count else int(index.keys[key]), target)
    raise MediaCorrupt(f"Frame {first} of {movie.address} cannot be decoded. Copy the movie again from its source.")


def _excerpt(movie: RangeFile, index: MovieIndex, wanted: NDArray[np.int64], start: int, target: str | Path) -> int:
    """Write an excerpt that begins with packet `start`; `MediaCorrupt` if its first frame cannot be decoded so."""
    packets = index.shown[wanted] - start
    with write_atomic(target) as temporary:
        _copy(movie, index, range(start, int(packets.max()) + start + 1), temporary)
        shown = load_index(temporary).shown
        number = int(np.argmax(shown == packets[0]))
        if not np.array_equal(shown[number : number + len(packets)], packets):
            raise MediaUnsupported(
                f"{movie.address} does not store frames {wanted[0]} to {wanted[-1]} as it shows them. Copy the whole "
                "movie to this machine."
            )
        next(read_frames(temporary, [number]))
    return number


def _copy(movie: RangeFile, index: MovieIndex, packets: range, target: Path) -> None:
    import av

    single = index.stored is not None and index.stored.header
    with _open_source(movie, index) as (container, stream):
        try:
            with av.open(str(target), "w", format="mov" if single else "mp4", options=_OPTIONS) as copy:
                # Without a decoder or encoder of that codec in between: some can be read and not be written.
                into = copy.add_stream_from_template(stream, opaque=True)
                into.time_base = index.time_base
                for packet in _packets(movie, index, packets, container, stream):
                    packet.stream = into
                    copy.mux(packet)
        except (av.FFmpegError, ValueError) as error:
            raise MediaError(
                f"Frames of {movie.address} cannot be copied ({error}). Copy the whole movie to this machine."
            ) from error


def _open_source(movie: RangeFile, index: MovieIndex) -> AbstractContextManager[tuple[Any, Any]]:
    if index.stored is not None and index.stored.header:
        return open_header(index.stored.header, movie.address)
    return open_movie(movie)


def _packets(movie: RangeFile, index: MovieIndex, wanted: range, container: Any, stream: Any) -> Iterator[Any]:
    """Yield packets whose times of decoding begin at zero."""
    import av

    if index.stored is None or index.by_count:
        feed = Feed(container, stream, index)
        # A program stream is not divided into the same packets after a jump.
        jumps = wanted.start > 0 and container.format.name != "mpeg"
        if jumps and not feed.seek(int(np.searchsorted(index.keys, wanted.start))):
            raise MediaCorrupt(f"{movie.address} cannot be read from packet {wanted.start} on. Copy it again.")
        packets = (packet for packet in feed.packets if packet.size)
        for number, packet in zip(wanted, islice(packets, wanted.start - feed.position, None), strict=False):
            # Times that a demuxer works out differ after a jump; those of the index are right.
            dts = int(index.dts[number])
            packet.pts, packet.dts = int(index.pts[number]), None if dts == NO_TIME else dts
            yield packet
        return
    origin = int(index.dts[wanted.start])
    for number, data in fetch_packets(movie, index.stored, wanted):
        packet = av.Packet(len(data))
        packet.update(data)
        packet.pts, packet.dts = int(index.pts[number]) - origin, int(index.dts[number]) - origin
        packet.time_base, packet.is_keyframe = index.time_base, bool(index.is_key[number])
        yield packet
