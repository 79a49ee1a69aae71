"""Packets of movies into an MP4 file, pictures untouched: the only place that copies them.

Times are written anew from the packet indexes, so that a constant rate is kept exactly whatever the ticks of the
source, and the first frame is at 0. Sound stays with the pictures; what is not AAC or MP3 becomes AAC.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from kso_utils.core.errors import MediaError, MediaUnsupported, MissingExtra
from kso_utils.media.safety import open_movie

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from kso_utils.media.index import MovieIndex

SOUND_KEPT = ("aac", "mp3")
"""Codecs of sound that every browser plays in MP4."""

_SOUND_RATE = 48_000
_SOUND_RATES = (8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 64_000, 88_200, 96_000)
_SOUND_BITS = 192_000
_TOLD_EVERY = 256
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True, eq=False)
class _Times:
    """When each packet of several movies in a row is decoded and shown, in ticks of one clock, in decoding order."""

    tick: Fraction
    pts: NDArray[np.int64]
    dts: NDArray[np.int64]
    durations: NDArray[np.int64]
    starts: tuple[int, ...]
    counts: tuple[int, ...]


def can_copy(index: MovieIndex) -> bool:
    """Whether the times of a movie are known, and none of its packets is hidden."""
    return not index.by_count and len(index.shown) == len(index.pts)


def copy_movies(
    movies: Sequence[tuple[Path, MovieIndex]],
    rate: Fraction | None,
    target: Path,
    metadata: Mapping[str, str],
    advance: Callable[[int], None],
) -> None:
    """Write the video and the first sound of movies one after another into an MP4 file with its index in front.

    Parameters
    ----------
    movies
        Files with their indexes (`can_copy`), alike in codec and size.
    rate
        Frames per second where it is constant; None keeps the times of each movie.
    target
        A file that does not exist yet.
    metadata
        Tags of the new file.
    advance
        Told how many frames were copied since it was told last.

    Raises
    ------
    NotFound, Denied, MediaCorrupt, MediaUnsupported
        As `safety.open_movie`; `MediaUnsupported` also where MP4 cannot hold the codec.
    MediaError
        If the file cannot be written.
    OSError
        If the disk is full.
    """
    try:
        import av
    except ImportError as error:
        raise MissingExtra("av", "media") from error
    times = _schedule([index for _, index in movies], rate)
    try:
        options = {"movflags": "+faststart"}
        with av.open(f"file:{target}", "w", format="mp4", options=options) as container:
            container.metadata.update(metadata)
            writer = _Writer(container, target, times, advance)
            for number, (path, index) in enumerate(movies):
                with open_movie(path) as (source, stream):
                    writer.add(number, path, source, stream, int(index.ticks[0]) * index.time_base)
    except av.FFmpegError as error:  # at the end, when the index is written
        raise _explain(error, target) from error


def _explain(error: Any, target: Path) -> Exception:
    if error.errno in _FULL:
        return OSError(error.errno, error.strerror, str(target))
    return MediaError(f"{target} could not be written: {error.strerror}. Check the disk and the folder.")


def _schedule(indexes: Sequence[MovieIndex], rate: Fraction | None) -> _Times:
    """Line the movies up: each begins where the one before ends."""
    tick = indexes[0].time_base if rate is None else 1 / rate
    parts, starts, end, last = [], [], 0, 1
    for index in indexes:
        if rate is None:
            scale = index.time_base / tick
            shown = np.array([round(int(t - index.ticks[0]) * scale) for t in index.ticks], np.int64)
            length = max(round((index.end - int(index.ticks[0])) * scale), int(shown[-1]) + 1)
        else:
            shown, length = np.arange(len(index), dtype=np.int64), len(index)
        pts = np.empty(len(index), np.int64)
        pts[index.shown] = shown + end
        parts.append(pts)
        starts.append(end)
        end, last = end + length, length - int(shown[-1])
    pts = np.concatenate(parts)
    order = np.argsort(pts)
    steps = np.append(np.diff(pts[order]), last)
    ranks = np.empty(len(pts), np.int64)
    ranks[order] = np.arange(len(pts))
    # A frame is decoded before it is shown: as late as all frames allow, at the times at which others are shown.
    delay = int((np.arange(len(pts)) - ranks).max())
    before = pts[order[0]] - int(np.median(steps)) * np.arange(delay, 0, -1)
    dts = np.concatenate([before, pts[order][: len(pts) - delay]])
    return _Times(tick, pts, dts, steps[ranks], tuple(starts), tuple(len(p) for p in parts))


class _Writer:
    """One MP4 file that the packets of movies go into."""

    def __init__(self, container: Any, target: Path, times: _Times, advance: Callable[[int], None]) -> None:
        self.container, self.target, self.times, self.advance = container, target, times, advance
        self.video: Any = None
        self.sound: Any = None
        self.encodes_sound = False
        self.written = 0
        self.sound_end = 0

    def add(self, number: int, path: Path, source: Any, stream: Any, first_s: Fraction) -> None:
        """Copy the packets of a movie whose first frame is at `first_s` on its own clock."""
        sounds = [sound for sound in source.streams.audio if sound.codec_context is not None][:1]
        if number == 0:
            self._open(path, stream, *sounds)
        stop = self.written + self.times.counts[number]
        delay_s = self.times.starts[number] * self.times.tick - first_s
        end_s = self.times.starts[number + 1] * self.times.tick if number + 1 < len(self.times.starts) else None
        for packet in source.demux([stream, *sounds]):
            if packet.stream is not stream:
                self._add_sound(packet, delay_s, end_s)
            elif packet.size and self.written < stop:
                self._add_picture(packet)
            elif packet.size:
                raise MediaError(f"{path} changed while it was read. Try again.")
        if self.written < stop:
            raise MediaError(f"{path} changed while it was read. Try again.")
        if self.encodes_sound:
            self._encode(None)

    def _open(self, path: Path, stream: Any, sound: Any = None) -> None:
        try:
            self.video = self.container.add_stream_from_template(stream, opaque=True)
            self.video.time_base = self.times.tick
            if sound is not None and sound.codec_context.name in SOUND_KEPT:
                self.sound = self.container.add_stream_from_template(sound)
                self.sound.time_base = Fraction(1, sound.rate)
            elif sound is not None:
                rate = sound.rate if sound.rate in _SOUND_RATES else _SOUND_RATE
                self.sound = self.container.add_stream("aac", rate=rate, layout=sound.layout.name)
                self.sound.bit_rate = _SOUND_BITS
                self.encodes_sound = True
        except ValueError as error:
            raise MediaUnsupported(
                f"MP4 cannot hold {path} as it is ({stream.codec_context.name}). Standardise it first."
            ) from error

    def _add_picture(self, packet: Any) -> None:
        times, number = self.times, self.written
        packet.stream = self.video
        packet.time_base = times.tick
        packet.pts, packet.dts = int(times.pts[number]), int(times.dts[number])
        packet.duration = int(times.durations[number])
        self._mux(packet)
        self.written += 1
        if self.written % _TOLD_EVERY == 0 or self.written == len(times.pts):
            self.advance((self.written - 1) % _TOLD_EVERY + 1)

    def _add_sound(self, packet: Any, delay_s: Fraction, end_s: Fraction | None) -> None:
        """Keep a piece of sound if it begins no earlier than the one before ends, or the pictures begin."""
        if self.encodes_sound:
            for frame in packet.decode():
                self._encode_sound(frame, delay_s)
            return
        if not packet.size:
            return
        rate = self.sound.time_base.denominator
        length = round((packet.duration or 0) * packet.time_base * rate)
        at = self.sound_end if packet.pts is None else round((packet.pts * packet.time_base + delay_s) * rate)
        if at < self.sound_end - length // 2 or (end_s is not None and at >= end_s * rate):
            return
        packet.stream, packet.time_base = self.sound, self.sound.time_base
        packet.pts = packet.dts = at
        packet.duration = length
        self._mux(packet)
        self.sound_end = at + max(length, 1)

    def _encode_sound(self, frame: Any, delay_s: Fraction) -> None:
        rate = frame.sample_rate
        at = self.sound_end if frame.pts is None else round((frame.pts * frame.time_base + delay_s) * rate)
        self.sound_end = at + frame.samples
        if self.sound_end > 0:
            frame.pts, frame.time_base = at, Fraction(1, rate)
            self._encode(frame)

    def _encode(self, frame: Any) -> None:
        from av import FFmpegError

        try:
            packets = self.sound.encode(frame)
        except FFmpegError as error:
            layout = self.sound.layout.name
            raise MediaUnsupported(f"The sound ({layout}) cannot be made AAC: {error.strerror}.") from error
        self._mux(packets)

    def _mux(self, packets: Any) -> None:
        from av import FFmpegError

        try:
            self.container.mux(packets)
        except FFmpegError as error:
            raise _explain(error, self.target) from error
