"""What a movie is made of is checked before work on it begins, and what was made before it gets its name."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kso_utils.core.errors import Denied, MediaCorrupt, MediaError, MediaUnsupported, NotFound
from kso_utils.core.paths import to_text
from kso_utils.media.checks import examine
from kso_utils.media.movie import MovieInfo, probe
from kso_utils.media.safety import run_ffmpeg
from kso_utils.media.sources import name_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from fractions import Fraction

    from kso_utils.media.sources import Footage

# However slow the machine, a frame that takes longer hangs.
_FRAME_S = 2.0
_LEAST_S = 600.0
# What is made lasts as long as its source, give or take a frame and what ticks are too coarse for.
_NEAR_FRAMES = 1.001

# Code of a finding -> the error that it is where work is to begin; each other is damage.
_KINDS = {"MOVIE_NOT_FOUND": NotFound, "MOVIE_DENIED": Denied, "MOVIE_UNSUPPORTED": MediaUnsupported}

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
    slack
        So many frames more or less are right too.
    """

    source: str
    frames: int
    duration_s: float
    rate: Fraction | None
    slack: int = 0


def time_limit(frames: int) -> float:
    """Return after how many seconds work on so many frames is given up."""
    return _LEAST_S + _FRAME_S * frames


def validate_source(movie: Footage) -> MovieInfo:
    """Return what a movie is if it is whole, as far as that is seen without decoding all of it.

    Raises
    ------
    NotFound, Denied
        If there is no such file, or it may not be read.
    MediaUnsupported
        If it is of a kind that is not read.
    MediaCorrupt
        If it is damaged; with the first finding.
    """
    return inspect(movie)[0]


def inspect(movie: Footage) -> tuple[MovieInfo, list[str]]:
    """Return what `validate_source` does, and the warnings that `check_movie` gives.

    Raises
    ------
    NotFound, Denied, MediaUnsupported, MediaCorrupt
        As `validate_source`.
    """
    report, info = examine(movie)
    errors = [finding for finding in report if finding.severity == "error"]
    if errors or info is None:
        code, said = errors[0].code, f"{errors[0].message} {errors[0].fix}".rstrip()
        name = name_of(movie)
        raise _KINDS.get(code, MediaCorrupt)(said if to_text(name) in said else f"{name} is not whole. {said}")
    return info, [finding.message for finding in report if finding.severity == "warning"]


def validate_copy(path: Path, wanted: Wanted, advance: Callable[[int], None]) -> MovieInfo:
    """Look at a movie whose packets were copied, and return what it is; that they decode, their source showed.

    Raises
    ------
    MediaError
        If it is not what was wanted, or not whole.
    """
    made = _validate_facts(path, wanted)
    validate_source(path)
    advance(made.frames)
    return made


def validate_encoded(path: Path, wanted: Wanted, advance: Callable[[int], None]) -> MovieInfo:
    """Look at a movie that was encoded, decode all of it strictly, and return what it is.

    Raises
    ------
    MediaError
        If it is not what was wanted, or cannot be decoded.
    """
    made = _validate_facts(path, wanted)
    decoded = _count_decoded(path, made, advance)
    if decoded != made.frames:
        raise _refuse(wanted, [f"only {decoded} of {made.frames} frames can be decoded"])
    return made


def _validate_facts(path: Path, wanted: Wanted) -> MovieInfo:
    made = probe(path)
    wrong = []
    if abs(made.frames - wanted.frames) > wanted.slack:
        wrong.append(f"{made.frames} frames, not {wanted.frames}")
    if wanted.rate is not None and (made.variable_rate or made.rate != wanted.rate):
        wrong.append(f"{made.rate} frames a second, not {wanted.rate}")
    if abs(made.duration_s - wanted.duration_s) > _NEAR_FRAMES * made.duration_s / made.frames:
        wrong.append(f"{made.duration_s:.3f} s, not {wanted.duration_s:.3f} s")
    if wrong:
        raise _refuse(wanted, wrong)
    return made


def _refuse(wanted: Wanted, wrong: list[str]) -> MediaError:
    return MediaError(
        f"What was made of {wanted.source} is not right: {'; '.join(wrong)}. It was removed; look closer at the movie "
        "with: kso movies check --deep"
    )


def _count_decoded(path: Path, made: MovieInfo, advance: Callable[[int], None]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        sums = Path(folder) / "sums.txt"
        run_ffmpeg(
            path,
            sums,
            input_options=STRICT_INPUT,
            sound_filters=() if made.has_audio else None,
            output_options={**STRICT_OUTPUT, "f": "framecrc"},
            timeout_s=time_limit(made.frames),
            advance=advance,
        )
        with sums.open(encoding="utf-8") as lines:
            return sum(line.startswith("0,") for line in lines)
