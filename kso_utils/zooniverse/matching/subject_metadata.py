"""What the metadata of a subject say of where it comes from, whatever their names were over the years."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from kso_utils.zooniverse.matching.movie_names import plain_name
from kso_utils.zooniverse.matching.places import PlaceFault

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# Column -> its names, of which the first counts most; capitals, spaces and underscores make no difference.
_VARIANTS = {
    "subject_type": ("subject_type",),
    "movie_id": ("movie_id",),
    "filename": ("VideoFilename", "filename"),
    "clip_start_time": ("clip_start_time", "upl_seconds"),
    "clip_end_time": ("clip_end_time",),
    "clip_length": ("clip_length",),
    "frame_number": ("frame_number",),
    "frame_exp_sp_id": ("frame_exp_sp_id",),
    "modification": ("modification",),
}
_N = TypeVar("_N", int, float)
_TIMES = ("clip_start_time", "clip_end_time", "clip_length")
_MOST = 2.0**53
_WHOLE = ("movie_id", "frame_number", "frame_exp_sp_id")


def _plain_key(key: str) -> str:
    return key.strip().casefold().replace("_", "").replace(" ", "")


_COLUMNS = {_plain_key(name): (column, rank) for column, names in _VARIANTS.items() for rank, name in enumerate(names)}


@dataclass(frozen=True, slots=True)
class SubjectMetadata:
    """What metadata say; None where they say nothing.

    Attributes
    ----------
    subject_type
        `clip` or `frame`.
    filenames
        Names of files, plain; that of the movie first.
    movie_id, frame_number, frame_exp_sp_id
        Whole numbers.
    clip_start_time, clip_end_time, clip_length
        Seconds.
    modification
        What was done to its pictures.
    faults
        What is no number, or said twice.
    """

    subject_type: str | None
    filenames: tuple[str, ...]
    movie_id: int | None
    frame_number: int | None
    frame_exp_sp_id: int | None
    clip_start_time: float | None
    clip_end_time: float | None
    clip_length: float | None
    modification: dict[str, Any] | None
    faults: tuple[PlaceFault, ...]


def read_metadata(metadata: Mapping[str, Any]) -> SubjectMetadata:
    """Return what the metadata of a subject say.

    Names lose the marks that hide them on Zooniverse (`#`, `//`, `!`), and those that changed over the years are taken
    for one (`upl_seconds` is `clip_start_time`).
    """
    said: dict[str, list[tuple[int, Any]]] = {}
    for key, value in metadata.items():
        found = _column_of(key)
        if found is not None and value is not None and value != "":
            said.setdefault(found[0], []).append((found[1], value))
    values = {column: [value for _, value in sorted(pairs, key=lambda one: one[0])] for column, pairs in said.items()}
    kinds = (str(value).strip().casefold() for value in values.get("subject_type", ()))
    names = [value for value in values.get("filename", ()) if isinstance(value, str) and value.strip()]
    faults: list[PlaceFault] = []
    # Most subjects lack most columns.
    whole = {column: _pick(column, values[column], _whole, faults) for column in _WHOLE if column in values}
    times = {column: _pick(column, values[column], _number, faults) for column in _TIMES if column in values}
    return SubjectMetadata(
        subject_type=next((kind for kind in kinds if kind in ("clip", "frame")), None),
        filenames=tuple(dict.fromkeys(map(plain_name, names))) if names else (),
        movie_id=whole.get("movie_id"),
        frame_number=whole.get("frame_number"),
        frame_exp_sp_id=whole.get("frame_exp_sp_id"),
        clip_start_time=times.get("clip_start_time"),
        clip_end_time=times.get("clip_end_time"),
        clip_length=times.get("clip_length"),
        modification=next((value for value in values.get("modification", ()) if isinstance(value, dict)), None),
        faults=tuple(faults),
    )


@lru_cache(4096)
def _column_of(key: str) -> tuple[str, int] | None:
    """Return what a name means, and how little it counts among those that mean the same."""
    return _COLUMNS.get(_plain_key(key.lstrip("#/!")))


def _pick(column: str, values: list[Any], read: Callable[[Any], _N | None], faults: list[PlaceFault]) -> _N | None:
    """Return the number that counts; one that is none, or that another variant contradicts, is a fault."""
    told: list[_N] = []
    for value in values:
        number = read(value)
        if number is None:
            what = "a whole number" if column in _WHOLE else "a number"
            faults.append(PlaceFault(column, "NO_NUMBER", str(value), f"Its {column} {value!r} is not {what}."))
        elif number not in told:
            told.append(number)
    if len(told) > 1:
        listed = " and ".join(map(str, told))
        message = f"Its metadata say {column} twice, {listed}; the first counts."
        faults.append(PlaceFault(column, "SAID_TWICE", listed, message))
    return told[0] if told else None


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and not isinstance(value, bool) else None


def _whole(value: Any) -> int | None:
    number = _number(value)
    return int(number) if number is not None and number.is_integer() and abs(number) < _MOST else None
