"""Frames of a movie by number or time, exactly those of a linear decode, at the cost of decoding each part once."""

from __future__ import annotations

import hashlib
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from kso_utils.core.errors import ConfigError, MediaCorrupt, MediaError, MissingExtra
from kso_utils.core.paths import safe_name, write_atomic
from kso_utils.core.progress import track
from kso_utils.media.index import MovieIndex, load_index
from kso_utils.media.packets import KEYS_BACK, SKIPS_UNREFERENCED, decode_ranges, plan_groups
from kso_utils.media.pixels import Pictures, leave_out_colour
from kso_utils.media.safety import open_movie
from kso_utils.media.sources import Footage, file_name, name_of, resolve

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import ArrayLike, NDArray

    from kso_utils.archive.base import RangeFile

# Frames often carry times that are not quite their own in binary; a microsecond is far below any frame's length.
_TINY_S = 1e-6
_JPEG_QUALITY = 92


def read_frames(
    movie: Footage,
    numbers: Iterable[int] | None = None,
    *,
    times_s: ArrayLike | None = None,
    pixels: str = "rgb24",
    size: tuple[int, int] | None = None,
    threads: int | None = None,
    index_cache: str | Path | None = None,
) -> Iterator[tuple[int, float, NDArray[Any]]]:
    """Yield frames of a movie in order of presentation, each distinct one once.

    The frames are those of a linear decode, pixel by pixel, turned upright where the movie says so. The packet index
    says from which key packet a frame can be decoded; a seek is made only where that lies ahead, and frames that
    neither are wanted nor referred to are left out. A frame counts only if it carries the time that the index
    promises; otherwise decoding starts further back.

    Parameters
    ----------
    movie
        A local movie, an address of one (`s3://`, `https://`), or an open file of an archive.
    numbers
        Frame numbers in any order, 0 is the first; all frames if neither these nor `times_s` are given.
    times_s
        Instead of numbers, seconds since the first frame; each gives the frame that is on screen then.
    pixels
        What the arrays hold, as pictures on a screen, whatever range the movie stores:

        - `rgb24`, `bgr24`: uint8 (height, width, 3).
        - `gray8`: uint8 (height, width), 0 black and 255 white, with the weights of BT.601: the movie's own luma
          plane, drawn out to the full range where that is limited; from the colours where the movie names others.
        - `gray16`: uint16 (height, width), the luma plane on 16 bits by the formula of `luma.to_gray16`.
        - Any other pixel format to which ffmpeg converts, by ffmpeg's name. Those of RGB and grey (`rgb48le`, `rgba`,
          `gbrp10le`, `gray10le`) are (height, width, channels) or (height, width), in the byte order of this machine,
          planes in the order R, G, B. All others (`yuv420p`, `nv12`) are the bytes of a frame, uint8 (bytes,), as
          `ffmpeg -f rawvideo` writes them.
    size
        (width, height) to scale to (bilinear, with a filter as wide as the reduction).
    threads
        Threads of the decoder, by default as many as there are cores; for a movie that is not on this machine,
        requests under way at the same time, by default 8.
    index_cache
        A folder in which packet indexes are kept between runs.

    Yields
    ------
    number : int
    pts_s : float
        Seconds since the first frame.
    array : ndarray

    Raises
    ------
    ConfigError
        If both numbers and times are given, or `pixels` or `size` cannot be had.
    MediaError
        If a frame or time lies outside the movie.
    NotFound, Denied, MediaCorrupt, MediaUnsupported
        As `safety.open_movie`; `MediaCorrupt` also where a frame cannot be decoded, `MediaUnsupported` where it
        cannot come as `pixels`.
    """
    pictures = Pictures(pixels, size)
    if numbers is not None and times_s is not None:
        raise ConfigError("Frames were asked for by number and by time. Give one of the two.")
    source = resolve(movie)
    index = load_index(source, index_cache)
    wanted = _wanted(source, index, numbers, times_s)
    return _read(source, index, wanted, pictures, threads)


def _wanted(
    movie: Path | RangeFile, index: MovieIndex, numbers: Iterable[int] | None, times_s: ArrayLike | None
) -> NDArray[np.int64]:
    if times_s is not None:
        times = np.atleast_1d(np.asarray(times_s, np.float64))
        outside = ~((times >= 0) & (times < index.duration_s))
        if outside.any():
            raise MediaError(
                f"{name_of(movie)} lasts {index.duration_s:.3f} s; there is no frame at {times[outside][0]:g} s."
            )
        return np.unique(np.searchsorted(index.pts_s, times + _TINY_S, side="right") - 1)
    if numbers is None:
        return np.arange(len(index))
    wanted = np.unique(np.fromiter(numbers, np.int64))
    if len(wanted) and not 0 <= wanted[0] <= wanted[-1] < len(index):
        wrong = wanted[0] if wanted[0] < 0 else wanted[-1]
        raise MediaError(f"{name_of(movie)} has the frames 0 to {len(index) - 1}; there is no frame {wrong}.")
    return wanted


def _read(
    movie: Path | RangeFile,
    index: MovieIndex,
    wanted: NDArray[np.int64],
    pictures: Pictures,
    threads: int | None,
) -> Iterator[tuple[int, float, NDArray[Any]]]:
    if not len(wanted):
        return
    for number, frame in _decode(movie, index, wanted, threads, pictures.is_luma):
        yield number, float(index.pts_s[number]), pictures.convert(frame)


def _decode(
    movie: Path | RangeFile, index: MovieIndex, wanted: NDArray[np.int64], threads: int | None, is_luma: bool
) -> Iterator[tuple[int, Any]]:
    """Yield (number, decoded frame); where a frame does not arrive, begin again with seeks that go further back."""
    if not isinstance(movie, Path) and index.stored is not None and not index.by_count:
        yield from decode_ranges(movie, index, wanted, threads, is_luma)
        return
    done = 0
    for back in [None] if index.by_count else [*KEYS_BACK, None]:
        with open_movie(movie) as (container, stream):
            stream.thread_type, stream.thread_count = "AUTO", threads or 0
            if is_luma:
                leave_out_colour(stream.codec_context)
            for frame in _decode_pass(Feed(container, stream, index, wanted), wanted[done:], back):
                yield int(wanted[done]), frame
                done += 1
        if done == len(wanted):
            return
    raise MediaCorrupt(
        f"Frame {wanted[done]} of {name_of(movie)} cannot be decoded. Copy the movie again from its source."
    )


def _decode_pass(feed: Feed, wanted: NDArray[np.int64], back: int | None) -> Iterator[Any]:
    """Yield the wanted frames and end early at the first that does not arrive; seek only if `back` is a number."""
    index = feed.index
    stamps = iter((wanted if index.by_count else index.ticks[wanted]).tolist())
    for group in plan_groups(index, wanted, back):
        if group.start > feed.position and not feed.seek(int(np.searchsorted(index.keys, group.start))):
            return
        # The last pass goes on to the end of the movie: its frames may need packets after their own.
        frames = feed.frames(None if back is None else group.stop)
        for stamp in islice(stamps, len(group.wanted)):
            arrived = next((pair for pair in frames if pair[0] >= stamp), None)
            if arrived is None or arrived[0] != stamp:
                return
            yield arrived[1]


class Feed:
    """Packets of one movie on their way through the decoder.

    `packets` are those that follow, `position` counts them from the start of the movie, `decoded` the frames that came
    out.
    """

    def __init__(self, container: Any, stream: Any, index: MovieIndex, wanted: NDArray[np.int64] | None = None) -> None:
        self.container, self.stream, self.index = container, stream, index
        self.position = self.decoded = 0
        self._wanted_ticks = set() if wanted is None else set(index.ticks[wanted].tolist())
        self.packets: Iterator[Any] = container.demux(stream)

    def frames(self, stop: int | None) -> Iterator[tuple[int, Any]]:
        """Yield (stamp, frame) up to a packet: the time in ticks, or the frame's number where times are missing."""
        for frame in self._decode(stop):
            stamp = self.decoded if self.index.by_count else frame.pts
            self.decoded += 1
            if stamp is not None:
                yield stamp, frame

    def _decode(self, stop: int | None) -> Iterator[Any]:
        context = self.stream.codec_context
        skips = context.name in SKIPS_UNREFERENCED and not self.index.by_count
        skipping = False
        for packet in self.packets:
            self.position += 1
            # A frame that no other refers to need not be decoded unless it is wanted itself.
            if skips and skipping is (packet.pts in self._wanted_ticks):
                skipping = not skipping
                context.skip_frame = "NONREF" if skipping else "DEFAULT"
            yield from packet.decode()
            if stop is not None and self.position >= stop:
                # What the decoder holds back comes out at once, without more packets to push it.
                yield from context.decode(None)
                return

    def seek(self, key: int) -> bool:
        """Go on from a key packet; whether that worked.

        Demuxers may land elsewhere than asked. The packet that they land on is looked up in the index; where it
        lies behind the target a seek goes further back, and packets before the target are left out.
        """
        index, target, step = self.index, int(self.index.keys[key]), 1
        while True:
            packet = int(index.keys[key])
            # MP4 looks times up among decoding times, the others among presentation times.
            times = index.dts if "mov" in self.container.format.name else index.pts
            self.container.seek(int(times[packet]), stream=self.stream)
            packets = self.container.demux(self.stream)
            first = next(packets)
            landed = index.packet_at(first.pts)
            if landed is not None and landed <= target:
                self.packets = islice(chain([first], packets), target - landed, None)
                self.position = target
                return True
            if key == 0:
                return False
            key, step = max(0, key - step), 2 * step


def save_frames(
    movie: Footage,
    numbers: Iterable[int],
    out_dir: str | Path,
    stem: str | None = None,
    index_cache: str | Path | None = None,
) -> pd.DataFrame:
    """Save frames of a movie as JPEG files of quality 92, named `<stem>_frame_<number>.jpg`.

    A file appears only when it is complete; one of that name is replaced.

    Parameters
    ----------
    movie
        A local movie, an address of one (`s3://`, `https://`), or an open file of an archive.
    numbers
        Frame numbers; each distinct one gives one file.
    out_dir
        The folder, made if need be.
    stem
        Start of the file names; by default that of the movie's name.
    index_cache
        A folder in which packet indexes are kept between runs.

    Returns
    -------
    DataFrame
        `frame_number`, `pts_s`, `path`, `sha256`, `width`, `height`; in order of presentation.

    Raises
    ------
    MediaError
        As `read_frames`, or if a file cannot be written.
    """
    try:
        import cv2
    except ImportError as error:
        raise MissingExtra("cv2", "media") from error
    folder, name = Path(out_dir), safe_name(stem or Path(file_name(movie)).stem)
    wanted = list(numbers)
    rows = []
    for number, pts_s, picture in track(
        read_frames(movie, wanted, pixels="bgr24", index_cache=index_cache), f"Frames of {name}", len(set(wanted))
    ):
        written, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        if not written:
            raise MediaError(f"Frame {number} of {name_of(movie)} could not be made a JPEG picture.")
        data = encoded.tobytes()
        path = folder / f"{name}_frame_{number}.jpg"
        with write_atomic(path) as temporary:
            temporary.write_bytes(data)
        height, width = picture.shape[:2]
        rows.append((number, pts_s, str(path), hashlib.sha256(data).hexdigest(), width, height))
    return pd.DataFrame(rows, columns=["frame_number", "pts_s", "path", "sha256", "width", "height"])
