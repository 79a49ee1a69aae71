"""Which frames of a movie to look at: the only place where times of samples are chosen."""

from __future__ import annotations

from fractions import Fraction
from math import isfinite
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from kso_utils.core.errors import ConfigError
from kso_utils.media.index import MovieIndex, load_index
from kso_utils.media.safety import open_movie
from kso_utils.media.sources import Footage, resolve

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from kso_utils.archive.base import RangeFile

Rounding = Literal["near", "up", "down"]

# Times that people write are often not quite those of frames in binary; a microsecond is far below a frame's length.
_TINY_S = 1e-6
# Rates of movies are fractions with denominators far below this.
_DENOMINATOR = 1_000_000
_CLOCK = 1_000_000
# Containers whose streams ffmpeg lets begin by themselves.
_BROADCAST = ("mpegts", "mpeg")


def sample_frames(
    movie: Footage,
    every_s: float | Fraction | None = None,
    n: int | None = None,
    stride: int | None = None,
    start_s: float | None = None,
    end_s: float | None = None,
    *,
    ffmpeg_rounding: Rounding | None = None,
    index_cache: str | Path | None = None,
) -> pd.DataFrame:
    """Choose frames of a movie by their true times; nothing is decoded.

    Sample k is the first frame whose time is not before `start_s + k * every_s`; with `n`, the interval is that
    which makes n samples of the window; with `stride`, every stride-th frame of the window is taken. A window with
    frames in it gives at least one.

    Parameters
    ----------
    movie
        A local movie, an address of one (`s3://`, `https://`), or an open file of an archive.
    every_s, n, stride
        Seconds between samples, the number of samples, or frames from sample to sample: exactly one of them.
    start_s, end_s
        The window in seconds since the first frame, its end not included; by default the whole movie.
    ffmpeg_rounding
        Choose instead the pictures that `ffmpeg -vf fps=1/every_s:round=...` makes of the whole movie, row by row, to
        repeat what others did with it: `near` is what it does where nothing is said. A picture is then up to half
        an interval (`near`) or a whole one (`down`) from the time that its number says, a frame may come several
        times, and a short movie may give none.
    index_cache
        A folder in which packet indexes are kept between runs.

    Returns
    -------
    DataFrame
        `frame_number`, `pts_s`, the frame's own time; increasing, each frame once (a gap in the movie longer than the
        interval, or more samples than frames, makes fewer of them).

    Raises
    ------
    ConfigError
        If not exactly one of the three is given, it is not positive, the window is none, or `ffmpeg_rounding` goes
        with anything but `every_s`.
    NotFound, Denied, MediaCorrupt, MediaUnsupported
        As `safety.open_movie`.
    """
    _validate(every_s, n, stride, start_s, end_s, ffmpeg_rounding)
    source = resolve(movie)
    index = load_index(source, index_cache)
    if ffmpeg_rounding is not None and every_s is not None:
        interval = Fraction(every_s).limit_denominator(_DENOMINATOR)
        numbers = _pick_as_ffmpeg(index, interval, ffmpeg_rounding, _start_of_clock(source))
    else:
        numbers = _pick(index, every_s, n, stride, start_s or 0.0, end_s)
    return pd.DataFrame({"frame_number": numbers.astype(np.int64), "pts_s": index.pts_s[numbers]})


def _validate(
    every_s: float | Fraction | None,
    n: int | None,
    stride: int | None,
    start_s: float | None,
    end_s: float | None,
    rounding: Rounding | None,
) -> None:
    given = [v for v in (every_s, n, stride) if v is not None]
    if len(given) != 1 or not (given[0] > 0 and isfinite(given[0])):
        raise ConfigError("Say how to sample with exactly one positive number: every_s, n or stride.")
    if every_s is None and given[0] != int(given[0]):
        raise ConfigError(f"The number of samples, or of frames between them, cannot be {given[0]}. Give a whole one.")
    if rounding not in (None, "near", "up", "down"):
        raise ConfigError(f"ffmpeg cannot round {rounding!r}. Choose near, up or down.")
    if rounding and (every_s is None or start_s is not None or end_s is not None):
        raise ConfigError("Rounding as ffmpeg does goes with every_s and the whole movie.")
    begin, end = start_s or 0.0, np.inf if end_s is None else end_s
    if not 0 <= begin <= end:
        raise ConfigError(f"There is no window from {start_s} to {end_s} s. Give times from 0 in their order.")


def _pick(
    index: MovieIndex,
    every_s: float | Fraction | None,
    n: int | None,
    stride: int | None,
    start_s: float,
    end_s: float | None,
) -> NDArray[np.int64]:
    end = index.duration_s if end_s is None else min(end_s, index.duration_s)
    first, last = np.searchsorted(index.pts_s, np.array([start_s, end]) - _TINY_S)
    if stride is not None:
        return np.arange(first, last, stride)
    span = max(end - start_s, 0.0)
    step = float(every_s) if every_s is not None else span / (n or 1)
    count = n if n is not None else int(np.ceil(span / step - _TINY_S))
    targets = start_s + step * np.arange(count)
    numbers = np.unique(np.searchsorted(index.pts_s, targets - _TINY_S))
    inside: NDArray[np.int64] = numbers[(numbers >= first) & (numbers < last)]
    return inside


def _start_of_clock(source: Path | RangeFile) -> Fraction:
    """Return the second that ffmpeg calls 0 where pictures alone are asked for."""
    with open_movie(source) as (container, stream):
        if container.format.name in _BROADCAST and stream.start_time is not None:
            return Fraction(stream.start_time * stream.time_base)
        return Fraction(container.start_time or 0, _CLOCK)


def _pick_as_ffmpeg(index: MovieIndex, every_s: Fraction, rounding: Rounding, clock: Fraction) -> NDArray[np.int64]:
    """Return the frame of each picture that ffmpeg's filter `fps` makes, frames again where it repeats them.

    The filter rounds each frame's time to a whole number of intervals and shows, at each number, the last frame that
    came to it or before. ffmpeg counts from `clock`, the start of the container, of its sound for one.
    """
    origin = round(clock / index.time_base)
    step = every_s / index.time_base
    # Python's whole numbers have no end: ticks times denominators outgrow 64 bits.
    scaled = (np.append(index.ticks, index.end) - origin).astype(object) * step.denominator
    if rounding == "near":
        slots = (2 * scaled + step.numerator) // (2 * step.numerator)
    elif rounding == "up":
        slots = -(-scaled // step.numerator)
    else:
        slots = scaled // step.numerator
    whole = slots.astype(np.int64)
    numbers: NDArray[np.int64] = np.searchsorted(whole[:-1], np.arange(whole[0], whole[-1]), side="right") - 1
    return numbers
