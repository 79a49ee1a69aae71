"""Times in which all that is known of a clip stands in the name of its file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import PurePosixPath
from typing import NamedTuple

from kso_utils.core.errors import ConfigError

_PARTS = {"{movie}": r"(?P<movie>.+)", "{start}": r"(?P<start>\d+(?:\.\d+)?)"}
_MOMENTS = {10: "%Y-%m-%d", 20: "%Y-%m-%dT%H:%M:%SZ"}


class NamedClip(NamedTuple):
    """What the name of a clip's file says: the name of its movie, and seconds of the movie."""

    movie: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Era:
    """A time in which clips were named after movie and place.

    Attributes
    ----------
    name
        How clips were named, as `{movie}_{start}.mp4`: the movie's name without its ending, and the clip's start in
        seconds. Capitals and small letters are alike.
    clip_length_s
        Seconds a clip.
    since, until
        When the subjects were made on Zooniverse, in UTC: from `since` on, before `until`, each a day (`2019-11-17`) or
        a moment (`2019-11-17T12:00:00Z`); empty for any time.
    ending
        What the movie's name ends in (`.mov`), where it is not what the clip's ends in.
    """

    name: str
    clip_length_s: float
    since: str = ""
    until: str = ""
    ending: str = ""

    def holds(self, created_at: str | None) -> bool:
        """Return whether a subject made then (`2019-11-17T12:00:00Z`) is of this time; one of no known time is not."""
        return created_at is not None and self.since <= created_at and (not self.until or created_at < self.until)

    def read(self, file_name: str) -> NamedClip | None:
        """Return what a file's name says, None where it is not named like this."""
        found = _pattern(self.name).fullmatch(file_name)
        if found is None:
            return None
        start = float(found["start"])
        return NamedClip(found["movie"] + (self.ending or _ending(self.name)), start, start + self.clip_length_s)


def require_era(era: Era) -> None:
    """Refuse a time that cannot be.

    Raises
    ------
    ConfigError
        If a moment is none, the time ends before it begins, the name lacks a part, or clips have no length.
    """
    for moment in filter(None, (era.since, era.until)):
        try:
            datetime.strptime(moment, _MOMENTS[len(moment)])
        except (KeyError, ValueError) as error:
            raise ConfigError(f"{moment!r} is no time. Give a day as 2019-11-17, or 2019-11-17T12:00:00Z.") from error
    if era.until and era.since >= era.until:
        raise ConfigError(f"It lasts from {era.since} until {era.until}. Give an until that is later than since.")
    if any(era.name.count(part) != 1 for part in _PARTS):
        raise ConfigError(f"The name is {era.name!r}. It must hold {{movie}} and {{start}} once each.")
    if not 0 < era.clip_length_s < float("inf"):
        raise ConfigError(f"clip_length_s is {era.clip_length_s}. Give the seconds of a clip.")


@lru_cache
def _ending(name: str) -> str:
    return PurePosixPath(name).suffix


@lru_cache
def _pattern(name: str) -> re.Pattern[str]:
    parts = (_PARTS.get(part, re.escape(part)) for part in re.split(r"(\{movie\}|\{start\})", name))
    return re.compile("".join(parts), re.IGNORECASE | re.DOTALL)
