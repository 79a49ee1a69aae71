"""Movies made into what every browser plays, and only where they are not; small previews of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from kso_utils.core.errors import ConfigError, MediaError
from kso_utils.core.paths import sha256_file, write_atomic
from kso_utils.core.progress import Bar, bar
from kso_utils.media.index import MovieIndex, load_index
from kso_utils.media.marks import at_hand, find_source, is_made, make_mark, read_tags
from kso_utils.media.movie import MovieInfo, probe
from kso_utils.media.pixels import RGB
from kso_utils.media.remuxing import SOUND_KEPT, can_copy, copy_movies
from kso_utils.media.safety import open_movie, run_ffmpeg
from kso_utils.media.sources import Footage, name_of
from kso_utils.media.verification import (
    STRICT_INPUT,
    STRICT_OUTPUT,
    Wanted,
    time_limit,
    validate_copy,
    validate_encoded,
    validate_source,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kso_utils.archive.base import RangeFile
    from kso_utils.media.safety import Filter

How = Literal["none", "remuxed", "encoded"]

_VERSION = 1
_PIXELS = ("yuv420p", "yuvj420p")
_CRF, _PRESET = 18, "fast"
_PREVIEW_CRF, _PREVIEW_PRESET = 28, "veryfast"
# Sound that begins with the pictures to within this is copied as it is.
_TOGETHER_S = 1e-3
_SOUND_BITS = "192k"
# Brands of files that are QuickTime or 3GPP rather than MP4.
_OTHER_BRANDS = ("qt", "3g")
_RATES = tuple(
    Fraction(rate) for whole in (24, 30, 48, 60, 120, 240) for rate in (whole, Fraction(1000 * whole, 1001))
) + tuple(Fraction(rate) for rate in (5, 10, 12, 15, 20, 25, 50, 90, 100, 200))
_NEAR_CONSTANT, _NEAR_VARIABLE = 2e-4, 0.02


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a movie is not standard.

    Attributes
    ----------
    part
        `container`, `codec`, `pixel_format`, `rotation`, `variable_rate` or `sound`.
    found, wanted
        What it is, and what it should be.
    """

    part: Literal["container", "codec", "pixel_format", "rotation", "variable_rate", "sound"]
    found: str
    wanted: str

    def __str__(self) -> str:
        """Say it in a few words."""
        return f"{self.part.replace('_', ' ')} {self.found}, not {self.wanted}"


@dataclass(frozen=True, slots=True)
class Conversion:
    """What became of a movie.

    Attributes
    ----------
    path
        The file; the movie itself, wherever it is, where nothing was to be done.
    reasons
        Why it was made.
    how
        `none`, `remuxed` (pictures copied as they are) or `encoded`.
    sha256
        Of that file; None of a movie that is not on this machine.
    info
        What it is.
    """

    path: Path | RangeFile
    reasons: tuple[Reason, ...]
    how: How
    sha256: str | None
    info: MovieInfo


def find_reasons(info: MovieInfo) -> list[Reason]:
    """Return why a movie is not standard; none if it is.

    Standard is MP4 with H.264 in yuv420p of either range, upright, of constant rate, with sound as AAC or MP3 if
    any. Where in the file its index lies does not matter: who reads a part of a file asks for the end as well.

    Raises
    ------
    NotFound, Denied, MediaCorrupt, MediaUnsupported
        As `safety.open_movie`.
    """
    with open_movie(info.path) as (container, _):
        brand = str(container.metadata.get("major_brand", "")).strip()
    is_mp4 = "mp4" in info.container and brand and not brand.startswith(_OTHER_BRANDS)
    container_name = brand if "mp4" in info.container and brand else info.container.partition(",")[0]
    found = [
        None if is_mp4 else Reason("container", container_name, "mp4"),
        None if info.codec == "h264" else Reason("codec", info.codec, "h264"),
        None if info.pixel_format in _PIXELS else Reason("pixel_format", info.pixel_format, "yuv420p"),
        Reason("rotation", f"{info.rotation} degrees", "upright") if info.rotation else None,
        _find_variation(info),
        Reason("sound", info.audio_codec, "aac") if info.audio_codec not in (None, *SOUND_KEPT) else None,
    ]
    return [reason for reason in found if reason]


def _find_variation(info: MovieInfo) -> Reason | None:
    if not info.variable_rate:
        return None
    wanted = choose_rate(info, load_index(info.path))
    return Reason("variable_rate", f"about {info.fps:.3f}", f"a constant {wanted}")


def choose_rate(info: MovieInfo, index: MovieIndex) -> Fraction:
    """Return the constant rate of a movie, exact; where it varies, the common rate nearest to its typical one.

    Typical is one frame a median step. Ticks too coarse for the rate (Matroska's milliseconds) are seen through: what
    is as good as a common rate (30000/1001) is that.
    """
    steps = np.diff(index.ticks)
    # Recordings that were put one behind the other repeat times; frames of one time tell nothing about the rate.
    steps = steps[steps > 0]
    if not len(steps) or bool((steps == steps[0]).all()):
        return info.rate
    typical = 1 / (Fraction(float(np.median(steps))) * index.time_base) if info.variable_rate else info.rate
    nearest = min(_RATES, key=lambda rate: abs(rate / typical - 1))
    if abs(nearest / typical - 1) <= (_NEAR_VARIABLE if info.variable_rate else _NEAR_CONSTANT):
        return nearest
    if not info.variable_rate:
        return typical
    return Fraction(max(1, round(typical))) if typical >= 1 else Fraction(1, round(1 / typical))


def standardise(movie: Footage, target: str | Path, *, threads: int | None = None) -> Conversion:
    """Make a movie that every browser plays, changing only what must be (`find_reasons`).

    Where container or sound alone are to blame, pictures are copied bit by bit; else they are encoded as H.264 (x264,
    crf 18). The rate stays exactly as it is (30000/1001); one that varies becomes the nearest common one, with the
    frame on screen at each of its times. A movie that is not whole is refused (`check_movie`). The result is looked
    at, and decoded whole where it was encoded, before it appears; one made earlier of the same file is kept. The
    movie itself is never changed.

    Parameters
    ----------
    movie
        A local movie; or one that is elsewhere, which is fetched beside `target` for the time where it is needed whole.
    target
        The file to write, `*.mp4`; not written where the movie is standard.
    threads
        Threads of the encoder; by default as many as x264 likes.

    Raises
    ------
    ConfigError
        If `target` is the movie itself, or another file that is there.
    NotFound, Denied, MediaCorrupt, MediaUnsupported, MediaTimeout
        If the movie cannot be read whole.
    ArchiveError
        If it is elsewhere and cannot be fetched.
    MediaError
        If the result is not right; it is removed.
    OSError
        If the disk is full.
    """
    target = Path(target)
    source = find_source(movie, target)
    info, index = validate_source(source), load_index(source)
    reasons = tuple(find_reasons(info))
    if not reasons:
        return Conversion(source, (), "none", sha256_file(source) if isinstance(source, Path) else None, info)
    rate = choose_rate(info, index)
    copies = {reason.part for reason in reasons} <= {"container", "sound"} and can_copy(index)
    mark = make_mark([source], ["standardise", _VERSION])
    if not is_made(target, mark):
        with at_hand(source, target.parent) as path:
            _standardise(path, target, rate, mark, copies, threads)
    how: How = "remuxed" if copies else "encoded"
    return Conversion(target, reasons, how, sha256_file(target), replace(probe(target), path=target))


def _standardise(path: Path, target: Path, rate: Fraction, mark: str, copies: bool, threads: int | None) -> None:
    info, index = probe(path), load_index(path)
    wanted = _expect(info, rate)
    with write_atomic(target) as temporary, bar(f"Standardising {path.name}", 2 * wanted.frames) as progress:
        if copies:
            copy_movies([(path, index)], rate, temporary, read_tags(path, mark), progress.advance)
            made = validate_copy(temporary, wanted, progress.advance)
        else:
            _encode(info, temporary, rate, mark, progress, _standard_options(rate, threads))
            made = validate_encoded(temporary, wanted, progress.advance)
        if left := find_reasons(made):
            raise MediaError(f"What was made of {path} is not standard: {left[0]}. It was removed.")
        progress.fill()


def make_preview(movie: Footage, target: str | Path, height: int = 360) -> Conversion:
    """Make a small movie without sound through which a browser scrubs fast: two key frames a second, exact rate.

    Frame k of the preview is frame k of the movie; where the rate varies, as in `standardise`.

    Parameters
    ----------
    movie
        A local movie; or one that is elsewhere, which is fetched beside `target` for the time where it is needed whole.
    target
        The file to write, `*.mp4`; one made earlier of the same file is kept.
    height
        Pixels, even; a lower movie keeps its size.

    Raises
    ------
    ConfigError
        If `height` is not positive and even, or as `standardise`.
    NotFound, Denied, MediaCorrupt, MediaUnsupported, MediaTimeout, MediaError, OSError
        As `standardise`.
    """
    if height < 2 or height % 2:
        raise ConfigError(f"A preview cannot be {height} pixels high. Give an even number from 2 on.")
    target = Path(target)
    source = find_source(movie, target)
    validate_source(source)
    mark = make_mark([source], ["preview", _VERSION, height])
    if not is_made(target, mark):
        with at_hand(source, target.parent) as path:
            _preview(path, target, mark, height)
    return Conversion(target, (), "encoded", sha256_file(target), replace(probe(target), path=target))


def _preview(path: Path, target: Path, mark: str, height: int) -> None:
    info = probe(path)
    rate = choose_rate(info, load_index(path))
    wanted = _expect(info, rate)
    options = {"crf": _PREVIEW_CRF, "preset": _PREVIEW_PRESET, "g": max(1, round(rate / 2))}
    with write_atomic(target) as temporary, bar(f"Preview of {path.name}", 2 * wanted.frames) as progress:
        silent = replace(info, has_audio=False)
        _encode(silent, temporary, rate, mark, progress, options, min(height, info.height))
        validate_encoded(temporary, wanted, progress.advance)
        progress.fill()


def _expect(info: MovieInfo, rate: Fraction) -> Wanted:
    name = name_of(info.path)
    if info.variable_rate:
        # The last frame may be shown for less than half a frame of the new rate.
        return Wanted(name, max(1, round(info.duration_s * rate)), info.duration_s, rate, slack=1)
    return Wanted(name, info.frames, info.duration_s, rate)


def _standard_options(rate: Fraction, threads: int | None) -> dict[str, object]:
    # A key frame every two seconds lets a clip begin anywhere without decoding much.
    options: dict[str, object] = {"crf": _CRF, "preset": _PRESET, "g": max(1, round(2 * rate))}
    return options if threads is None else {**options, "threads": threads}


def _encode(
    info: MovieInfo,
    target: Path,
    rate: Fraction,
    mark: str,
    progress: Bar,
    options: dict[str, object],
    height: int | None = None,
) -> None:
    path = Path(name_of(info.path))
    sound: list[Filter] | None = None
    if info.has_audio:
        sound, sound_options = _place_sound(info)
        options = {**options, **sound_options}
    run_ffmpeg(
        path,
        target,
        input_options=STRICT_INPUT,
        filters=_picture_filters(info, rate, height),
        sound_filters=sound,
        output_options={
            **STRICT_OUTPUT,
            "c:v": "libx264",
            **options,
            "enc_time_base:v": str(1 / rate),
            "movflags": "+faststart",
            "map_chapters": -1,
            **_tag_options(read_tags(path, mark)),
            "f": "mp4",
        },
        timeout_s=time_limit(info.frames),
        advance=progress.advance,
    )


def _tag_options(tags: Mapping[str, str]) -> dict[str, object]:
    # One option bears one tag, and can be named in as many ways as there are tags.
    return {
        option: f"{tag}={value}" for option, (tag, value) in zip(("metadata", "metadata:g"), tags.items(), strict=False)
    }


def _picture_filters(info: MovieInfo, rate: Fraction, height: int | None) -> list[Filter]:
    if info.variable_rate:
        times: list[Filter] = [("setpts", {"expr": "PTS-STARTPTS"}), ("fps", {"fps": str(rate), "round": "near"})]
    else:
        times = [("setpts", {"expr": f"N*{1 / rate}/TB"})]
    scale: dict[str, Any] = {"w": -2, "h": height} if height else {"w": "iw", "h": "ih"}
    scale["out_range"] = "tv"
    filters: list[Filter] = [
        *times,
        ("crop", {"w": "trunc(iw/2)*2", "h": "trunc(ih/2)*2"}),
        ("scale", scale),
        ("format", {"pix_fmts": "yuv420p"}),
    ]
    if info.pixel_format.startswith(RGB):
        scale["out_color_matrix"] = "bt709"
        filters.append(("setparams", {"colorspace": "bt709"}))
    return filters


def _place_sound(info: MovieInfo) -> tuple[list[Filter], dict[str, object]]:
    """Return filters and options that keep sound with pictures of which the first is moved to 0."""
    with open_movie(info.path) as (container, _):
        first_s = info.start_s - (container.start_time or 0) / 1e6
    if abs(first_s) < _TOGETHER_S and info.audio_codec in SOUND_KEPT:
        return [], {"c:a": "copy"}
    moved: list[Filter] = [
        ("atrim", {"start": f"{max(first_s, 0.0):.6f}"}),
        ("asetpts", {"expr": f"PTS-({first_s:.6f})/TB"}),
    ]
    return moved, {"c:a": "aac", "b:a": _SOUND_BITS}
