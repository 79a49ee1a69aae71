"""What was made of a movie, checked before it gets its name."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kso_utils.core.errors import MediaCorrupt, MediaError, MediaTimeout
from kso_utils.media.movie import MovieInfo, probe
from kso_utils.media.safety import run_ffmpeg

if TYPE_CHECKING:
    from collections.abc import Callable
    from fractions import Fraction

# However slow the machine, a frame that takes longer hangs.
_FRAME_S = 2.0
_LEAST_S = 600.0

STRICT_INPUT: dict[str, object] = {"err_detect": "explode"}
STRICT_OUTPUT: dict[str, object] = {"xerror": None}
"""Options with which ffmpeg ends at the first damage instead of hiding it."""


@dataclass(frozen=True)
class Wanted:
    """What a made movie must be.

    Attributes
    ----------
    source
        What it was made of, for messages.
    frames
        How many it has.
    duration_s
        How long it lasts, give or take a frame.
    rate
        Frames per second; None where it varies.
    """

    source: str
    frames: int
    duration_s: float
    rate: Fraction | None


def time_limit(frames: int) -> float:
    """Return after how many seconds work on so many frames is given up."""
    return _LEAST_S + _FRAME_S * frames


def validate_movie(path: Path, wanted: Wanted, advance: Callable[[int], None]) -> MovieInfo:
    """Look at a made movie, decode all of it strictly, and return what it is.

    Raises
    ------
    MediaError
        If it is not what was wanted.
    MediaCorrupt
        If it cannot be decoded, as what it was made of is damaged.
    """
    made = probe(path)
    frame_s = made.duration_s / made.frames
    wrong = []
    if made.frames != wanted.frames:
        wrong.append(f"{made.frames} frames, not {wanted.frames}")
    if wanted.rate is not None and (made.variable_rate or made.rate != wanted.rate):
        wrong.append(f"{made.rate} frames a second, not {wanted.rate}")
    if abs(made.duration_s - wanted.duration_s) > 1.001 * frame_s:
        wrong.append(f"{made.duration_s:.3f} s, not {wanted.duration_s:.3f} s")
    if not wrong and (decoded := _count_decoded(path, made, wanted.source, advance)) != made.frames:
        wrong.append(f"only {decoded} of {made.frames} frames can be decoded")
    if wrong:
        raise MediaError(
            f"What was made of {wanted.source} is not right: {'; '.join(wrong)}. It was removed; the movie is as it "
            "was, and may be damaged."
        )
    return made


def _count_decoded(path: Path, made: MovieInfo, source: str, advance: Callable[[int], None]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        sums = Path(folder) / "sums.txt"
        try:
            run_ffmpeg(
                path,
                sums,
                input_options=STRICT_INPUT,
                sound_filters=() if made.has_audio else None,
                output_options={**STRICT_OUTPUT, "fps_mode": "passthrough", "f": "framecrc"},
                timeout_s=time_limit(made.frames),
                advance=advance,
            )
        except MediaTimeout:
            raise
        except MediaError as error:
            reason = str(error).rpartition(": ")[2]
            raise MediaCorrupt(
                f"{source} is damaged: not all of it can be decoded ({reason}). Copy it again from its source."
            ) from error
        with sums.open(encoding="utf-8") as lines:
            return sum(line.startswith("0,") for line in lines)
