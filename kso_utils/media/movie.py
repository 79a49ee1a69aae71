"""What a movie file is: its rate, length, size and codec, from the file itself."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from kso_utils.core.errors import KsoError, MediaCorrupt, NotFound, UnsafeInput
from kso_utils.core.paths import sha256_file
from kso_utils.core.progress import track
from kso_utils.media.index import MovieIndex, load_index
from kso_utils.media.pixels import quarter_turns
from kso_utils.media.safety import open_movie
from kso_utils.media.sources import Footage, name_of, resolve

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kso_utils.archive.base import Archive, RangeFile

SUFFIXES = frozenset(
    (
        *(".mp4", ".m4v", ".mov", ".qt", ".3gp", ".mkv", ".webm", ".avi", ".mts", ".m2ts", ".ts"),
        *(".mpg", ".mpeg", ".vob", ".wmv", ".asf", ".flv", ".mxf"),
    )
)
"""File name endings by which footage is found, in small letters."""

SURVEY_COLUMNS = (
    *("filename", "path", "size_bytes", "sha256", "fps_num", "fps_den", "frames", "duration_s"),
    *("width", "height", "codec", "created_at", "error"),
)

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
        Degrees by which players turn the stored picture to the left: 0, 90, 180 or 270.
    start_s
        Time of the first frame on the container's own clock.
    keyframes
        Frames at which decoding may start.
    longest_gop
        Most frames from one of them to the next.
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
        first = next(container.decode(stream), None)
        if first is None:
            raise MediaCorrupt(f"{name_of(path)} cannot be decoded. Copy it again from its source.")
        turns = quarter_turns(first)
        height, width = (first.width, first.height) if turns % 2 else (first.height, first.width)
        return MovieInfo(
            path=resolve(path),
            fps_num=rate.numerator,
            fps_den=rate.denominator,
            frames=len(index),
            duration_s=index.duration_s,
            width=width,
            height=height,
            codec=stream.codec_context.name,
            pixel_format=stream.codec_context.pix_fmt or "unknown",
            has_audio=bool(container.streams.audio),
            variable_rate=index.is_variable,
            created_at=container.metadata.get("creation_time"),
            container=container.format.name,
            color_range=_RANGES.get(int(first.color_range), "unknown"),
            rotation=90 * turns,
            start_s=float(int(index.ticks[0]) * index.time_base),
            keyframes=len(index.keys),
            longest_gop=int(np.diff(np.append(index.keys, len(index.pts))).max(initial=0)),
        )


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


def survey_footage(folder: str | Path) -> pd.DataFrame:
    """Look at every movie in a folder and those below it.

    A file that cannot be read gets a row too, with the reason in `error`.

    Parameters
    ----------
    folder
        A folder; hidden files are left out.

    Returns
    -------
    DataFrame
        `filename` (relative to `folder`, with `/`), `path`, `size_bytes`, `sha256`, `fps_num`, `fps_den`, `frames`,
        `duration_s`, `width`, `height`, `codec`, `created_at`, `error`; one row a movie file, sorted by name.

    Raises
    ------
    NotFound
        If there is no such folder.
    """
    root = Path(folder)
    if not root.is_dir():
        raise NotFound(f"There is no folder {root}. Check the name.")
    rows = [_survey(root, path) for path in track(sorted(_movies(root)), "Looking at footage")]
    table = pd.DataFrame(rows, columns=list(SURVEY_COLUMNS))
    whole = dict.fromkeys(("fps_num", "fps_den", "frames", "width", "height"), "Int64")
    return table.astype({**whole, "duration_s": "float64"})


def _movies(root: Path) -> Iterator[Path]:
    for path in root.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
        if path.suffix.lower() in SUFFIXES and not hidden and path.is_file():
            yield path


def _survey(root: Path, path: Path) -> dict[str, object]:
    row: dict[str, object] = {"filename": path.relative_to(root).as_posix(), "path": str(path), "error": None}
    try:
        row |= {"size_bytes": path.stat().st_size, "sha256": sha256_file(path)}
        info = probe(path)
    except (KsoError, OSError) as error:
        return row | {"error": str(error)}
    return row | {
        "fps_num": info.fps_num,
        "fps_den": info.fps_den,
        "frames": info.frames,
        "duration_s": info.duration_s,
        "width": info.width,
        "height": info.height,
        "codec": info.codec,
        "created_at": info.created_at,
    }
