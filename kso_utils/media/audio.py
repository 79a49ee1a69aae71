"""Sound of recordings and movies, in blocks of samples."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kso_utils.core.errors import ConfigError, MediaCorrupt, MediaError
from kso_utils.media.safety import open_recording
from kso_utils.media.sources import Footage, file_name, name_of, resolve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from kso_utils.archive.base import RangeFile

# What one step of a whole number is in full scale, and where silence lies.
_SCALES = {"u8": (2.0**-7, 128), "s16": (2.0**-15, 0), "s32": (2.0**-31, 0), "s64": (2.0**-63, 0)}
# Containers whose times count samples, and whose sound can be entered anywhere without a warm-up of the decoder.
_SEEKABLE = {"wav", "aiff", "flac"}
# A hole in the sound shorter than this is a rounded time (Matroska counts in milliseconds).
_GAP_S = 0.1
# Sizes that a recorder writes before it knows the right one.
_UNFINISHED = (0, 2**32 - 1)


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """What a recording is.

    Attributes
    ----------
    path
        The file.
    rate_hz
        Samples a second.
    channels
        Channels.
    samples
        Samples of each channel.
    codec
        ffmpeg's name of it.
    """

    path: Path | RangeFile
    rate_hz: int
    channels: int
    samples: int
    codec: str

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.samples / self.rate_hz


def probe_audio(recording: Footage) -> AudioInfo:
    """Look at a recording, or at the sound of a movie.

    Samples are counted: from the header where that is certain (WAV, AIFF, FLAC), else by decoding.

    Raises
    ------
    NotFound, Denied, MediaCorrupt, MediaUnsupported
        As `safety.open_recording`; `MediaCorrupt` also where a file ends before the end that its header names.
    """
    source: Any = resolve(recording)
    key = source.stat().st_mtime_ns if isinstance(source, Path) and source.is_file() else 0
    return _probe(source, key)


@lru_cache(maxsize=32)
def _probe(source: Any, mtime_ns: int) -> AudioInfo:
    with open_recording(source) as (container, stream):
        name, context = container.format.name, stream.codec_context
        rate, channels = int(context.sample_rate), int(context.channels)
        if not rate or not channels:
            raise MediaCorrupt(f"{name_of(source)} names no sample rate or no channel. Copy it again from its source.")
        promised = stream.duration
        if isinstance(source, Path):
            _require_whole(source)
        if name in _SEEKABLE and promised and stream.time_base == Fraction(1, rate):
            samples = int(promised)
        else:
            samples = sum(frame.samples for frame in container.decode(stream))
            # MP4 says how much of its last packet is padding; decoders give that too.
            if promised and "mov" in name:
                samples = min(samples, round(promised * stream.time_base * rate))
    if not samples:
        raise MediaCorrupt(f"{name_of(source)} has no sound in it. Copy it again from its source.")
    return AudioInfo(source, rate, channels, samples, context.name)


def _require_whole(path: Path) -> None:
    """Refuse a file that is shorter than its outermost chunk says (RIFF and RF64: little-endian; AIFF: big-endian)."""
    with path.open("rb") as handle:
        head = handle.read(40)
    kind, order = head[:4], "big" if head[:4] == b"FORM" else "little"
    if kind not in (b"RIFF", b"RF64", b"FORM"):
        return
    size = int.from_bytes(head[4:8], order)  # type: ignore[arg-type]
    if kind == b"RF64":
        size = int.from_bytes(head[20:28], "little")
    if size == 0:
        raise MediaCorrupt(f"{path} was never finished by the recorder: its header names no length. Repair it first.")
    if size not in _UNFINISHED and size + 8 > path.stat().st_size:
        raise MediaCorrupt(
            f"{path} ends too early: {path.stat().st_size} of {size + 8} bytes are there. Copy it again."
        )


def read_audio(
    recording: Footage, start: int = 0, stop: int | None = None, *, block: int = 2**20
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield the sound of a recording or a movie in blocks.

    Whole numbers become fractions of full scale, from -1 up to below 1 (16 bit: divided by 32,768). What a part of a
    recording gives does not depend on where reading began.

    Parameters
    ----------
    recording
        A local recording or movie, an address of one, or an open file of an archive.
    start, stop
        Samples from `start` up to `stop`, by default to the end.
    block
        Samples a block; the last one may be shorter.

    Yields
    ------
    first : int
        Sample at which the block begins.
    array : ndarray of float32, shape (channels, samples)

    Raises
    ------
    ConfigError
        If `block` is not positive.
    MediaError
        If the range lies outside the recording.
    NotFound, Denied, MediaCorrupt, MediaUnsupported
        As `probe_audio`; `MediaCorrupt` also where samples are missing.
    """
    if block < 1:
        raise ConfigError(f"Sound is read at least a sample at a time, not {block}.")
    info = probe_audio(recording)
    end = info.samples if stop is None else stop
    if not 0 <= start <= end <= info.samples:
        raise MediaError(
            f"{file_name(recording)} has {info.samples} samples; there is no part from {start} to {end} in it."
        )
    return _read(info, start, end, block)


def _read(info: AudioInfo, start: int, end: int, block: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
    whole = np.empty((info.channels, min(block, end - start)), np.float32)
    first = at = start
    with open_recording(info.path) as (container, stream):
        for begin, part in _decode(container, stream, info, start):
            if at >= end:
                break
            if begin > at:
                raise MediaCorrupt(f"{name_of(info.path)} lacks the samples {at} to {begin}. Copy it again.")
            part = part[:, at - begin :]
            while part.shape[1] and at < end:
                taken = min(part.shape[1], whole.shape[1] - (at - first))
                whole[:, at - first : at - first + taken] = part[:, :taken]
                part, at = part[:, taken:], at + taken
                if at - first == whole.shape[1]:
                    yield first, whole
                    first, whole = at, np.empty((info.channels, min(block, end - at)), np.float32)
    if at < end:
        raise MediaCorrupt(f"{name_of(info.path)} has {at} of its {info.samples} samples. Copy it again.")


def _decode(container: Any, stream: Any, info: AudioInfo, start: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield (first sample, part) from a sample at or before `start` on."""
    seekable = container.format.name in _SEEKABLE and stream.time_base == Fraction(1, info.rate_hz)
    if seekable and start:
        container.seek(start, stream=stream)
    at: int | None = None
    begin_s = 0.0
    for frame in container.decode(stream):
        if seekable and frame.pts is not None:
            at = int(frame.pts)
        elif at is None:
            at, begin_s = 0, frame.time or 0.0
        elif frame.time is not None and abs(frame.time - begin_s - at / info.rate_hz) > _GAP_S:
            raise MediaCorrupt(
                f"The sound of {name_of(info.path)} has a hole near {frame.time:.1f} s, so that "
                "later times would be wrong. Copy it again from its source, or cut it there."
            )
        part = _to_float(frame)
        if part.shape[0] != info.channels:
            raise MediaCorrupt(f"{name_of(info.path)} changes its channels on the way. Copy it again from its source.")
        if at + part.shape[1] > start:
            yield at, part
        at += part.shape[1]


def _to_float(frame: Any) -> NDArray[np.float32]:
    """Return the samples of a frame, (channels, samples)."""
    values = frame.to_ndarray()
    if not frame.format.is_planar:
        values = values.reshape(-1, frame.layout.nb_channels).T
    scale, zero = _SCALES.get(frame.format.name.removesuffix("p"), (1.0, 0))
    result: NDArray[np.float32] = values.astype(np.float32)
    if zero:
        result -= np.float32(zero)
    if scale != 1.0:
        result *= np.float32(scale)
    return result
