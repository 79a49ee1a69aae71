"""What a movie file is: its rate, length, size and codec, from the file itself."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kso_utils.core.errors import MediaCorrupt, NotFound, UnsafeInput
from kso_utils.media.index import MovieIndex, load_index
from kso_utils.media.pixels import quarter_turns
from kso_utils.media.safety import open_movie
from kso_utils.media.sources import Footage, name_of, resolve

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kso_utils.archive.base import Archive, RangeFile

# What ffmpeg calls the ranges of brightness.
_RANGES = {1: "limited", 2: "full"}


@dataclass(frozen=True, slots=True)
class MovieInfo:
    """What a movie file is.

    Attributes
    ----------
    path
        The file.
    fps_num, fps_den
        Frames per second as an exact fraction; of a movie with a variable rate, the rate that the container names.
    frames
        Frames that are shown, counted.
    duration_s
        From the start of the first frame to the end of the last.
    width, height
        Pixels, of a frame turned upright.
    codec, pixel_format
        ffmpeg's names of them.
    has_audio
        Whether there is sound.
    variable_rate
        Whether the frames are not all equally long.
    created_at
        When the camera says that it was recorded (ISO 8601), or None.
    container
        ffmpeg's name of the file's format.
    color_range
        `limited` (black is 16 of 255), `full`, or `unknown`, which counts as limited.
    rotation
        Degrees by which players turn the stored picture to the left: 0, 90, 180 or 270. Where a movie is also to be
        mirrored, that is after it was turned upside down as in a mirror.
    start_s
        Time of the first frame on the container's own clock.
    keyframes
        Frames at which decoding may start.
    longest_gop, mean_gop
        Most frames from one of them to the next, and how many on average.
    open_gop
        Whether frames after one of them need what lies before it.
    profile
        Which subset of the codec it keeps to, or None.
    audio_codec, audio_rate, audio_channels
        ffmpeg's name of the sound's codec, samples a second and channels, or None.
    """

    path: Path | RangeFile
    fps_num: int
    fps_den: int
    frames: int
    duration_s: float
    width: int
    height: int
    codec: str
    pixel_format: str
    has_audio: bool
    variable_rate: bool
    created_at: str | None = None
    container: str = ""
    color_range: str = "unknown"
    rotation: int = 0
    start_s: float = 0.0
    keyframes: int = 0
    longest_gop: int = 0
    mean_gop: float = 0.0
    open_gop: bool = False
    profile: str | None = None
    audio_codec: str | None = None
    audio_rate: int | None = None
    audio_channels: int | None = None

    @property
    def rate(self) -> Fraction:
        """Frames per second, exact."""
        return Fraction(self.fps_num, self.fps_den)

    @property
    def fps(self) -> float:
        """Frames per second."""
        return self.fps_num / self.fps_den


def probe(path: Footage, index_cache: str | Path | None = None) -> MovieInfo:
    """Look at a movie; only its first frame is decoded.

    Frames and duration are counted from its packets, not taken from what the container claims. `index_cache` is a
    folder in which packet indexes are kept between runs.

    Raises
    ------
    NotFound, Denied, MediaCorrupt, MediaUnsupported
        As `safety.open_movie`; `MediaCorrupt` also where the file ends before its last packet.
    """
    index = load_index(path, index_cache)
    with open_movie(path) as (container, stream):
        rate = _rate(index, stream)
        facts = _read_facts(path, container, stream)
    groups = np.diff(np.append(index.keys, len(index.pts)))
    return MovieInfo(
        path=resolve(path),
        fps_num=rate.numerator,
        fps_den=rate.denominator,
        frames=len(index),
        duration_s=index.duration_s,
        variable_rate=index.is_variable,
        start_s=float(int(index.ticks[0]) * index.time_base),
        keyframes=len(index.keys),
        longest_gop=int(groups.max(initial=0)),
        mean_gop=float(groups.mean()) if len(groups) else 0.0,
        open_gop=_has_leading_frames(index),
        **facts,
    )


def _has_leading_frames(index: MovieIndex) -> bool:
    """Whether a frame is shown before the key packet that it follows in the file."""
    keys = index.keys[1:]
    return len(keys) > 0 and bool((np.minimum.reduceat(index.pts, keys) < index.pts[keys]).any())


def _read_facts(path: Footage, container: Any, stream: Any) -> dict[str, Any]:
    """Return what only the container and the first frame tell, by the attributes of `MovieInfo`."""
    first = next(container.decode(stream), None)
    if first is None:
        raise MediaCorrupt(f"{name_of(path)} cannot be decoded. Copy it again from its source.")
    turns = quarter_turns(first)
    height, width = (first.width, first.height) if turns % 2 else (first.height, first.width)
    context = stream.codec_context
    sound = next((s.codec_context for s in container.streams.audio if s.codec_context is not None), None)
    return {
        "width": width,
        "height": height,
        "codec": context.name,
        "profile": context.profile,
        "pixel_format": context.pix_fmt or "unknown",
        "color_range": _RANGES.get(int(first.color_range), "unknown"),
        "rotation": 90 * turns,
        "has_audio": bool(container.streams.audio),
        "audio_codec": sound.name if sound else None,
        "audio_rate": sound.sample_rate if sound else None,
        "audio_channels": sound.channels if sound else None,
        "created_at": container.metadata.get("creation_time"),
        "container": container.format.name,
    }


def _rate(index: MovieIndex, stream: Any) -> Fraction:
    steps = np.diff(index.ticks)
    if len(steps) and bool((steps == steps[0]).all()):
        return 1 / (int(steps[0]) * index.time_base)
    named = stream.average_rate or stream.guessed_rate
    return Fraction(named) if named else Fraction(len(index) / index.duration_s).limit_denominator(1001)


def find_movie(movie: Mapping[Any, Any], footage: Archive) -> Path | RangeFile:
    """Return the file of a movie: `associatedMedia` in the archive if it is there, else `filename`.

    Raises
    ------
    NotFound
        If neither is a file of the archive, in any Unicode form of its name.
    UnsafeInput
        If the filename leads outside the archive.
    ArchiveError
        If the archive cannot be asked.
    """
    named = movie.get("associatedMedia")
    if isinstance(named, str) and named:
        try:
            return resolve(footage.open(named))
        except (UnsafeInput, NotFound):
            pass  # an address or a path of another machine; the filename decides
    try:
        return resolve(footage.open(str(movie["filename"])))
    except NotFound as error:
        raise NotFound(
            f"The movie {movie['filename']} is not in {footage.url}. Copy it there, or give the right archive."
        ) from error
