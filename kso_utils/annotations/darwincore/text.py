"""Values as text of an archive: numbers, moments, and characters that no reader stumbles over."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pandas as pd

from kso_utils.metadata.values import read_days

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

# Line breaks of every kind and control characters (a tab is kept), halves of pairs, and what XML 1.0 does not allow.
_BREAKS = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]+")
_DATE = re.compile(r"(\d{4})(?:-(\d\d))?(?:-(\d\d))?")
_SECRETS = re.compile(r"signature|token|credential|secret|password|accesskey|expires", re.I)


def plain(value: Any) -> str:
    """Return a value as text of one line: nothing for a missing one, `30` for 30.0, each line break as a space."""
    if value is None or (not isinstance(value, str) and pd.isna(value)):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(float(value))
    return _BREAKS.sub(" ", str(value)).strip()


def seconds(value: float) -> str:
    """Return seconds rounded to a millionth: `59.926533`."""
    return plain(round(float(value), 6))


def read_moment(event_date: str) -> datetime | None:
    """Return the moment that an `eventDate` tells, None where it is no single moment with a time of day."""
    if "/" in event_date or ":" not in event_date:
        return None
    try:
        return datetime.fromisoformat(event_date.strip().replace(" ", "T"))
    except ValueError:
        return None


def say_interval(event_date: str, start_s: float, end_s: float) -> str:
    """Return the `eventDate` of a part of a movie.

    Parameters
    ----------
    event_date
        When the movie begins.
    start_s, end_s
        The part, in seconds from there.

    Returns
    -------
    str
        `start/end` where the time of day is known, else what is known: the day.
    """
    begun = read_moment(event_date)
    if begun is None:
        return plain(event_date)
    start = _say_moment(begun, start_s)
    return start if end_s in (start_s, float("inf")) else f"{start}/{_say_moment(begun, end_s)}"


def _say_moment(begun: datetime, after_s: float) -> str:
    moment = begun + timedelta(milliseconds=round(after_s * 1000))
    text = moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds")
    return text.removesuffix("+00:00") + ("Z" if text.endswith("+00:00") else "")


def say_days(dates: Iterable[str]) -> str:
    """Return the days that several dates span: `first/last`, or the day."""
    spans: list[tuple[date, date]] = [days for days in map(read_days, dates) if days]
    if not spans:
        return ""
    first, last = min(a for a, _ in spans).isoformat(), max(b for _, b in spans).isoformat()
    return first if first == last else f"{first}/{last}"


def split_date(event_date: str) -> tuple[str, str, str]:
    """Return year, month and day where a date has just one of each, without zeros in front; else nothing."""
    start, _, end = event_date.partition("/")
    found = [part.groups() if (part := _DATE.match(text)) else (None,) * 3 for text in (start, end or start)]
    parts = ["", "", ""]
    for place, (a, b) in enumerate(zip(*found, strict=True)):
        if a is None or a != b:
            break
        parts[place] = str(int(a))
    return parts[0], parts[1], parts[2]


def public_address(value: Any) -> str:
    """Return the address of a file on the web; nothing where it is none.

    Addresses of this computer or a private network, and those that hold a key which opens them for a while, are none.
    """
    text = plain(value)
    try:
        parts = urlsplit(text)
        named = _is_public(parts.hostname or "") and not (parts.username or parts.password)
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not named or _SECRETS.search(parts.query):
        return ""
    return text


def _is_public(host: str) -> bool:
    try:
        return ip_address(host).is_global
    except ValueError:
        return "." in host and not host.endswith((".local", ".localhost", ".internal"))
