"""Recordings that a camera wrote as several files: which belong together, and one file of them without a seam."""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from itertools import pairwise
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from kso_utils.core.errors import ConfigError, MediaError, MediaUnsupported
from kso_utils.core.paths import sha256_file, write_atomic
from kso_utils.core.progress import bar
from kso_utils.media.frames import read_frames
from kso_utils.media.index import MovieIndex, load_index
from kso_utils.media.marks import at_hand, find_source, is_made, make_mark, read_tags
from kso_utils.media.movie import MovieInfo, probe
from kso_utils.media.remuxing import SOUND_KEPT, can_copy, copy_movies
from kso_utils.media.safety import open_movie
from kso_utils.media.sources import file_name, name_of, resolve
from kso_utils.media.verification import Wanted, validate_copy, validate_source

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kso_utils.archive.base import RangeFile
    from kso_utils.media.sources import Footage

# GOPR0123 is followed by GP010123, GP020123 (to HERO5); later cameras write GH010123, GX010123 or GS010123 first.
_FIRST = re.compile(r"GOPR(?P<number>\d{4})(?P<ending>\.\w+)", re.IGNORECASE | re.ASCII)
_LATER = re.compile(r"G(?P<kind>[PHXS])(?P<chapter>\d{2})(?P<number>\d{4})(?P<ending>\.\w+)", re.IGNORECASE | re.ASCII)

_VERSION = 1
# Clocks and timecodes name whole frames, and the last frame of a chapter may be late or early by one.
_TOLERANCE_FRAMES = 2
# Times of recording are cut off to whole seconds.
_CLOCK_S = 1.0


@dataclass(frozen=True, slots=True)
class Gap:
    """What seems to be missing (or to be there twice) between two chapters.

    Attributes
    ----------
    before, after
        Names of the chapters on both sides.
    evidence
        `name` (numbers are left out), `timecode` or `clock` (when the camera says that it began to record).
    missing
        How many chapters are left out, by their numbers.
    seconds
        How much time is left out, by timecode or clock; negative where chapters overlap.
    """

    before: str
    after: str
    evidence: Literal["name", "timecode", "clock"]
    missing: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        """Say it in a sentence."""
        lack = (
            f"{self.missing} of its chapters" if self.evidence == "name" else f"{self.seconds:.2f} s by {self.evidence}"
        )
        return f"{lack} between {self.before} and {self.after}"


@dataclass(frozen=True, slots=True)
class Joined:
    """One file made of chapters.

    Attributes
    ----------
    path
        The file.
    frames
        As many as the chapters have together.
    duration_s
        From the start of the first frame to the end of the last.
    gaps
        What seems to be missing.
    sha256
        Of the file.
    """

    path: Path
    frames: int
    duration_s: float
    gaps: tuple[Gap, ...]
    sha256: str


@dataclass(frozen=True)
class _Part:
    path: Path | RangeFile
    info: MovieInfo
    index: MovieIndex
    timecode: str | None
    traits: dict[str, object]


def group_chapters(names: Iterable[str | Path]) -> dict[str, list[str]]:
    """Return the files of each recording of a GoPro camera, chapters in order, keyed by the first of them.

    Files that are named otherwise are recordings of their own: which belong together only their owner knows.

    Parameters
    ----------
    names
        File names, with folders or without; those of different folders belong to different recordings. Small and
        capital letters are alike.
    """
    groups: dict[tuple[object, ...], list[tuple[int, str]]] = {}
    for name in map(str, names):
        found = _read_name(name)
        key = (name,) if found is None else (str(PurePath(name).parent), *found[0])
        groups.setdefault(key, []).append((0 if found is None else found[1], name))
    ordered = [[name for _, name in sorted(group)] for group in groups.values()]
    return {group[0]: group for group in ordered}


def is_chapter(name: str | Path) -> bool:
    """Whether a file is named as a GoPro camera names its chapters."""
    return _read_name(str(name)) is not None


def _read_name(name: str) -> tuple[tuple[str, ...], int] | None:
    """Return what the files of a recording share, and the number of the chapter; None where it is no GoPro's name."""
    last = PurePath(name).name
    if first := _FIRST.fullmatch(last):
        return ("P", first["number"], first["ending"].lower()), 0
    if later := _LATER.fullmatch(last):
        return (later["kind"].upper(), later["number"], later["ending"].lower()), int(later["chapter"])
    return None


def join_chapters(chapters: Sequence[Footage], target: str | Path, *, allow_gaps: bool = False) -> Joined:
    """Join the chapters of a recording into one MP4 file without encoding anything.

    Its frames are those of the chapters one after another, each chapter beginning where the one before ends; sound
    stays with the pictures. What else a camera writes (GPS, motion) is left out. A chapter that is not whole is refused
    (`check_movie`). The result is looked at, and its frames at the seams compared, before it appears; one made earlier
    of the same files is kept. The chapters are never changed.

    Parameters
    ----------
    chapters
        Movies, in their order; those that are elsewhere are fetched beside `target` for the time.
    target
        The file to write, `*.mp4`.
    allow_gaps
        Join although a chapter is missing by the numbers in the names, or the timecodes do not follow each other.

    Raises
    ------
    ConfigError
        If there are fewer than two chapters, GoPro's are not in order, or `target` is one of them or another file.
    MediaUnsupported
        If they are not alike; names what differs.
    NotFound, Denied, MediaCorrupt, MediaTimeout
        If one of them cannot be read whole.
    MediaError
        If something is missing between them, or the result is not right.
    OSError
        If the disk is full.
    """
    target = Path(target)
    sources = [find_source(chapter, target) for chapter in chapters]
    if len(sources) < 2:
        raise ConfigError(f"There are {len(sources)} chapters to join; give at least two.")
    for source in sources:
        validate_source(source)
    parts, gaps = _plan(sources, allow_gaps)
    frames = sum(len(part.index) for part in parts)
    mark = make_mark(sources, ["join", _VERSION])
    if not is_made(target, mark):
        with ExitStack() as stack:
            paths = [stack.enter_context(at_hand(source, target.parent)) for source in sources]
            for source, path in zip(sources, paths, strict=True):
                if path is not source:
                    validate_source(path)
            _write(paths, target, frames, mark)
    return Joined(target, frames, probe(target).duration_s, gaps, sha256_file(target))


def find_gaps(chapters: Sequence[Footage], *, allow_gaps: bool = False) -> tuple[Gap, ...]:
    """Return what seems to be missing between chapters, without joining them or looking whether each is whole.

    Raises
    ------
    ConfigError, MediaUnsupported, MediaError, NotFound, Denied, MediaCorrupt
        As `join_chapters` does before it writes anything.
    """
    return _plan([resolve(chapter) for chapter in chapters], allow_gaps)[1]


def _plan(sources: Sequence[Path | RangeFile], allow_gaps: bool) -> tuple[list[_Part], tuple[Gap, ...]]:
    """Return the chapters, which fit together, and the gaps between them."""
    missing = _find_missing([file_name(source) for source in sources])
    parts = [_read_part(source) for source in sources]
    _validate_alike(parts)
    gaps = (*missing, *_find_pauses(parts))
    if not allow_gaps and (sure := [gap for gap in gaps if gap.evidence != "clock"]):
        raise MediaError(
            f"The recording is not whole: {sure[0]}. Find what is missing, or allow gaps (--allow-gaps); times after "
            "one are then not those of the camera."
        )
    return parts, gaps


def _write(paths: Sequence[Path], target: Path, frames: int, mark: str) -> None:
    parts = [_read_part(path) for path in paths]
    constant = not any(part.info.variable_rate for part in parts)
    rate = parts[0].info.rate if constant else None
    names = " + ".join(path.name for path in paths)
    wanted = Wanted(names, frames, sum(part.info.duration_s for part in parts), rate)
    tags = read_tags(paths[0], mark)
    if parts[0].timecode:
        tags["timecode"] = parts[0].timecode
    with write_atomic(target) as temporary, bar(f"Joining {len(parts)} chapters", 2 * frames) as progress:
        copy_movies(
            [(path, part.index) for path, part in zip(paths, parts, strict=True)],
            rate,
            temporary,
            tags,
            progress.advance,
        )
        made = validate_copy(temporary, wanted, progress.advance)
        _validate_seams(parts, temporary)
        info = parts[0].info
        if made.rotation != info.rotation or (made.color_range == "full") != (info.color_range == "full"):
            raise MediaUnsupported(f"MP4 cannot hold how {names} is turned or coloured. Standardise the parts first.")


def _validate_seams(parts: Sequence[_Part], joined: Path) -> None:
    """Compare the first and the last frame of each chapter with what they became."""
    begin = 0
    for part in parts:
        numbers = [0, len(part.index) - 1]
        became = read_frames(joined, [begin + number for number in numbers])
        for (number, _, before), (_, _, after) in zip(read_frames(part.path, numbers), became, strict=True):
            if not np.array_equal(before, after):
                raise MediaError(
                    f"Frame {number} of {name_of(part.path)} looks otherwise in the whole; what was made was removed. "
                    "Standardise the chapters, then join the results."
                )
        begin += len(part.index)


def _read_part(path: Path | RangeFile) -> _Part:
    info, index = probe(path), load_index(path)
    if not can_copy(index):
        raise MediaUnsupported(
            f"{name_of(path)} hides frames or has no times of its own, so it cannot be joined. Standardise it first."
        )
    with open_movie(path) as (container, stream):
        named = [container.metadata, *(each.metadata for each in container.streams)]
        timecode = next((str(tags["timecode"]) for tags in named if "timecode" in tags), None)
        traits: dict[str, object] = {
            "codec": info.codec,
            "size": f"{info.width}x{info.height}",
            "pixel format": info.pixel_format,
            "rotation": info.rotation,
            "colour range": info.color_range,
            "rate": "varying" if info.variable_rate else str(info.rate),
            "encoder settings": stream.codec_context.extradata,
            "sound": next((_describe_sound(sound) for sound in container.streams.audio), "none"),
        }
    return _Part(path, info, index, timecode, traits)


def _describe_sound(sound: Any) -> str:
    context = sound.codec_context
    return f"{context.name} {context.sample_rate} Hz {context.layout.name}"


def _validate_alike(parts: Sequence[_Part]) -> None:
    first = parts[0]
    sound = str(first.traits["sound"])
    if sound != "none" and not sound.startswith(SOUND_KEPT):
        raise MediaUnsupported(
            f"The sound of {name_of(first.path)} is {sound}, which browsers cannot play. Standardise it first."
        )
    for part in parts[1:]:
        for trait, value in part.traits.items():
            if value != first.traits[trait]:
                told = "" if isinstance(value, bytes | None) else f" ({value}, not {first.traits[trait]})"
                raise MediaUnsupported(
                    f"{name_of(part.path)} differs from {name_of(first.path)} in {trait}{told}: they cannot be "
                    "joined as they are. Standardise both, then join the results."
                )


def _find_missing(files: Sequence[str]) -> list[Gap]:
    """Return where numbers are left out; nothing unless all are files of one GoPro recording."""
    read = [_read_name(file) for file in files]
    found = [each for each in read if each is not None]
    if len(found) < len(files) or len({shared for shared, _ in found}) > 1:
        return []
    numbers = [number for _, number in found]
    if any(later <= earlier for earlier, later in pairwise(numbers)):
        raise ConfigError(f"The chapters {', '.join(files)} are not in their order, or one is double.")
    begin = -1 if found[0][0][0] == "P" else 0
    names = ["the start", *files]
    return [
        Gap(names[k], names[k + 1], "name", missing=number - before - 1)
        for k, (before, number) in enumerate(zip([begin, *numbers], numbers, strict=False))
        if number > before + 1
    ]


def _find_pauses(parts: Sequence[_Part]) -> list[Gap]:
    """Return where timecodes, or else the times of recording, do not follow each other."""
    pauses = []
    for one, two in pairwise(parts):
        names, frame_s = (file_name(one.path), file_name(two.path)), float(1 / one.info.rate)
        by_timecode, by_clock = _timecode_pause(one, two), _clock_pause(one, two)
        if by_timecode is not None:
            if abs(by_timecode) > _TOLERANCE_FRAMES * frame_s:
                pauses.append(Gap(*names, "timecode", seconds=by_timecode))
        elif by_clock is not None and abs(by_clock) > _CLOCK_S + _TOLERANCE_FRAMES * frame_s:
            pauses.append(Gap(*names, "clock", seconds=by_clock))
    return pauses


def _timecode_pause(one: _Part, two: _Part) -> float | None:
    """Return the seconds left out by the timecodes, whether the camera counts frames or reads a clock for them."""
    count = round(one.info.rate)
    labels = [_read_timecode(part.timecode or "", count) for part in (one, two)]
    # Some cameras give every chapter the timecode of the recording, which says nothing.
    if labels[0] is None or labels[1] is None or labels[0] == labels[1]:
        return None
    day = 24 * 3600 * count
    left = Fraction(labels[1] - labels[0]) - one.info.frames
    by_count = ((left + day // 2) % day - day // 2) / one.info.rate
    by_clock = by_count + (1 / Fraction(count) - 1 / one.info.rate) * ((labels[1] - labels[0]) % day)
    return float(min(by_count, by_clock, key=abs))


def _clock_pause(one: _Part, two: _Part) -> float | None:
    try:
        began = [datetime.fromisoformat(part.info.created_at or "") for part in (one, two)]
        passed = (began[1] - began[0]).total_seconds()
    except (ValueError, TypeError):  # no times, or not of one kind
        return None
    # As with timecodes: all alike says nothing.
    return passed - one.info.duration_s if passed else None


def _read_timecode(text: str, count: int) -> int | None:
    """Return the number of the frame that a timecode `hh:mm:ss:ff` names; `;` leaves labels out (SMPTE 12M)."""
    found = re.fullmatch(r"(\d\d):(\d\d):(\d\d)([:;.])(\d\d+)", text)
    if found is None:
        return None
    hours, minutes, seconds, frame = (int(found[k]) for k in (1, 2, 3, 5))
    minutes += 60 * hours
    label = (60 * minutes + seconds) * count + frame
    dropped = (count // 15) * (minutes - minutes // 10) if found[4] != ":" else 0
    return label - dropped
