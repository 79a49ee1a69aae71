"""Checks of single rows: each takes the cells of a few terms as text and says what is wrong with them.

Values of places, dates and vocabularies come back in row after row, so answers are remembered.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from kso_utils.annotations.darwincore.terms import (
    EVENT,
    EXTENDED_MEASUREMENT,
    MEASUREMENT,
    MULTIMEDIA,
    OCCURRENCE,
    SIMPLE_MULTIMEDIA,
    expand_term,
)
from kso_utils.metadata.terms import COUNTRIES, DATUMS, EMPTY_MARKS, VAGUE_WORDS
from kso_utils.metadata.values import read_days

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_DEPTH_M = 11_000
FIRST_YEAR = 1600
_BASES = frozenset(
    {
        *("preservedspecimen", "fossilspecimen", "livingspecimen", "materialsample", "materialentity"),
        *("materialcitation", "humanobservation", "machineobservation", "observation", "occurrence"),
    }
)
_MORE_COUNTRIES = frozenset({"XZ", "XK", "ZZ"})
_LSID = re.compile(r"urn:lsid:[a-z0-9.-]+:[\w.-]+:[\w.-]+", re.I)
_ADDRESS = re.compile(r"(https?|ftp)://[^\s/]+\S*|urn:[a-z0-9-]+:\S+|doi:\S+", re.I)
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_PLACES = (EVENT, OCCURRENCE)
_MEASURED = (MEASUREMENT, EXTENDED_MEASUREMENT)
_MEDIA = (MULTIMEDIA, SIMPLE_MULTIMEDIA)


class Flaw(NamedTuple):
    """What is wrong with a cell."""

    code: str
    column: str
    value: str
    message: str


Flaws = tuple[Flaw, ...]


class CellCheck(NamedTuple):
    """A check: of which rows, the terms whose cells it takes, in their order, and the function."""

    row_types: tuple[str, ...]
    terms: tuple[str, ...]
    find: Callable[..., Flaws]


CHECKS: list[CellCheck] = []


def _check(row_types: tuple[str, ...], *names: str) -> Callable[[Callable[..., Flaws]], Callable[..., Flaws]]:
    """Register a check and let it remember its answers."""

    def register(find: Callable[..., Flaws]) -> Callable[..., Flaws]:
        remembered = lru_cache(maxsize=1 << 16)(find)
        CHECKS.append(CellCheck(row_types, tuple(expand_term(name) for name in names), remembered))
        return remembered

    return register


def read_number(text: str) -> float | None:
    """Return a finite decimal number with a point, None where the text is none (`1_000`, `nan` and `58,8` are none)."""
    value = float(text) if _NUMBER.fullmatch(text) else math.inf
    return value if math.isfinite(value) else None


@_check(_PLACES, "decimalLatitude", "decimalLongitude")
def _position(latitude: str, longitude: str) -> Flaws:
    if not latitude and not longitude:
        return ()
    numbers = {}
    for name, text in (("decimalLatitude", latitude), ("decimalLongitude", longitude)):
        numbers[name] = read_number(text)
        if numbers[name] is None:
            what = f"{text!r} is no number" if text else "is empty, though the other coordinate is given"
            return (Flaw("COORDINATE_INVALID", name, text, f"{name} {what}."),)
    north, east = numbers["decimalLatitude"] or 0.0, numbers["decimalLongitude"] or 0.0
    both = f"{latitude}, {longitude}"
    if north == 0 and east == 0:
        return (Flaw("ZERO_COORDINATE", "decimalLatitude", both, "The position is 0, 0."),)
    if 90 < abs(north) <= 180 and abs(east) <= 90:
        message = f"A latitude of {latitude} with a longitude of {longitude}: the two seem to be swapped."
        return (Flaw("PRESUMED_SWAPPED_COORDINATE", "decimalLatitude", both, message),)
    if abs(north) > 90:
        return (Flaw("COORDINATE_OUT_OF_RANGE", "decimalLatitude", latitude, f"The latitude is {latitude}."),)
    if abs(east) > 180:
        return (Flaw("COORDINATE_OUT_OF_RANGE", "decimalLongitude", longitude, f"The longitude is {longitude}."),)
    return ()


@_check(_PLACES, "coordinateUncertaintyInMeters", "coordinatePrecision")
def _precision(uncertainty_m: str, precision: str) -> Flaws:
    flaws = []
    radius, step = read_number(uncertainty_m), read_number(precision)
    if uncertainty_m and not (radius is not None and 0 < radius < 5_000_000):
        message = f"An uncertainty of {uncertainty_m!r} m is none."
        flaws.append(
            Flaw("COORDINATE_UNCERTAINTY_METERS_INVALID", "coordinateUncertaintyInMeters", uncertainty_m, message)
        )
    if precision and not (step is not None and 0 < step <= 1):
        message = f"A precision of {precision!r} degrees is none."
        flaws.append(Flaw("COORDINATE_PRECISION_INVALID", "coordinatePrecision", precision, message))
    return tuple(flaws)


@_check(_PLACES, "geodeticDatum", "decimalLatitude")
def _datum(datum: str, latitude: str) -> Flaws:
    if not datum:
        message = "The position has no geodetic datum."
        return (Flaw("GEODETIC_DATUM_ASSUMED_WGS84", "geodeticDatum", "", message),) if latitude else ()
    if re.sub(r"[\s_-]", "", datum).upper() in DATUMS:
        return ()
    return (Flaw("GEODETIC_DATUM_INVALID", "geodeticDatum", datum, f"The datum {datum!r} is not known."),)


@_check(_PLACES, "countryCode")
def _country(code: str) -> Flaws:
    if not code or code.upper() in COUNTRIES | _MORE_COUNTRIES:
        return ()
    return (Flaw("COUNTRY_INVALID", "countryCode", code, f"There is no country {code!r}."),)


@_check(_PLACES, "minimumDepthInMeters", "maximumDepthInMeters")
def _depth(least: str, most: str) -> Flaws:
    flaws, depths = [], []
    for name, text in (("minimumDepthInMeters", least), ("maximumDepthInMeters", most)):
        depth = read_number(text)
        if depth is not None:
            depths.append(depth)
        elif text:
            flaws.append(Flaw("DEPTH_NON_NUMERIC", name, text, f"The depth {text!r} is no number."))
        if depth is not None and not 0 <= depth <= MAX_DEPTH_M:
            flaws.append(Flaw("DEPTH_UNLIKELY", name, text, f"A depth of {text} m is none of the sea."))
    if len(depths) == 2 and depths[0] > depths[1]:
        message = f"The smallest depth, {least} m, is larger than the largest, {most} m."
        flaws.append(Flaw("DEPTH_MIN_MAX_SWAPPED", "minimumDepthInMeters", least, message))
    return tuple(flaws)


@_check(_PLACES, "eventDate", "year", "month", "day")
def _event_date(text: str, *parts: str) -> Flaws:
    if not text:
        return ()
    days = read_days(text)
    if days is None:
        message = f"eventDate {text!r} is no date of ISO 8601."
        return (Flaw("RECORDED_DATE_INVALID", "eventDate", text, message),)
    first, last = days
    # Somewhere on earth it is tomorrow already.
    if first.year < FIRST_YEAR or last > datetime.now(UTC).date() + timedelta(days=1):
        return (Flaw("RECORDED_DATE_UNLIKELY", "eventDate", text, f"Nothing was filmed on {text}."),)
    if "/" in text:
        return ()
    return _date_parts(text, first, parts)


def _date_parts(text: str, day: date, parts: tuple[str, ...]) -> Flaws:
    names = ("year", "month", "day")[: text.partition("T")[0].count("-") + 1]
    for name, part in zip(names, parts, strict=False):
        if part and read_number(part) != getattr(day, name):
            message = f"The {name} is {part}, but eventDate {text}."
            return (Flaw("RECORDED_DATE_MISMATCH", name, part, message),)
    return ()


@_check(_PLACES, "dateIdentified", "modified")
def _other_dates(identified: str, modified: str) -> Flaws:
    pairs = (
        ("IDENTIFIED_DATE_INVALID", "dateIdentified", identified),
        ("MODIFIED_DATE_INVALID", "modified", modified),
    )
    return tuple(
        Flaw(code, name, text, f"{name} {text!r} is no date of ISO 8601.")
        for code, name, text in pairs
        if text and read_days(text) is None
    )


@_check(_PLACES, "sampleSizeValue", "sampleSizeUnit")
def _sample_size(value: str, unit: str) -> Flaws:
    size = read_number(value)
    if value and not (size is not None and size > 0):
        return (Flaw("SAMPLE_SIZE_INVALID", "sampleSizeValue", value, f"A sample of size {value!r} is none."),)
    if bool(value) != bool(unit):
        given, missing = ("sampleSizeValue", "sampleSizeUnit") if value else ("sampleSizeUnit", "sampleSizeValue")
        return (Flaw("SAMPLE_SIZE_INVALID", missing, "", f"{given} is {value or unit!r}, but {missing} is empty."),)
    return ()


@_check((OCCURRENCE,), "basisOfRecord")
def _basis(basis: str) -> Flaws:
    if not basis or re.sub(r"[\s_-]", "", basis).lower() in _BASES:
        return ()
    message = f"basisOfRecord {basis!r} is not of the list."
    return (Flaw("BASIS_OF_RECORD_INVALID", "basisOfRecord", basis, message),)


@_check((OCCURRENCE,), "occurrenceStatus", "individualCount")
def _count(status: str, count: str) -> Flaws:
    flaws = []
    known = status.lower() in ("present", "absent")
    if status and not known:
        message = f"occurrenceStatus is {status!r}."
        flaws.append(Flaw("OCCURRENCE_STATUS_UNPARSABLE", "occurrenceStatus", status, message))
    if count and not (count.isascii() and count.isdigit()):
        message = f"individualCount {count!r} is no whole number from 0 on."
        flaws.append(Flaw("INDIVIDUAL_COUNT_INVALID", "individualCount", count, message))
    elif count and known and (status.lower() == "absent") != (not count.strip("0")):
        message = f"{count} individuals, and {status}."
        flaws.append(Flaw("INDIVIDUAL_COUNT_CONFLICTS_WITH_OCCURRENCE_STATUS", "individualCount", count, message))
    return tuple(flaws)


@_check((OCCURRENCE,), "scientificName", "scientificNameID")
def _name(name: str, name_id: str) -> Flaws:
    flaws = []
    if name and (name.lower() in EMPTY_MARKS or VAGUE_WORDS.fullmatch(name) or not re.search(r"[^\W\d_]{2}", name)):
        message = f"{name!r} is no name of a taxon."
        flaws.append(Flaw("TAXON_MATCH_NONE", "scientificName", name, message))
    if name and not name_id:
        message = f"{name} has no scientificNameID."
        flaws.append(Flaw("SCIENTIFIC_NAME_ID_MISSING", "scientificNameID", "", message))
    if name_id and not _LSID.fullmatch(name_id):
        message = f"scientificNameID {name_id!r} is no LSID."
        flaws.append(Flaw("SCIENTIFIC_NAME_ID_INVALID", "scientificNameID", name_id, message))
    return tuple(flaws)


@_check(_MEASURED, "measurementType", "measurementTypeID", "measurementValueID", "measurementUnitID")
def _measurement(kind: str, kind_id: str, value_id: str, unit_id: str) -> Flaws:
    names = ("measurementTypeID", "measurementValueID", "measurementUnitID")
    flaws = [
        Flaw("MEASUREMENT_ID_INVALID", name, text, f"{name} {text!r} is no address.")
        for name, text in zip(names, (kind_id, value_id, unit_id), strict=True)
        if text and not _ADDRESS.fullmatch(text)
    ]
    if kind and not kind_id:
        message = f"The measurement {kind!r} has no measurementTypeID."
        flaws.append(Flaw("MEASUREMENT_TYPE_ID_MISSING", "measurementTypeID", "", message))
    return tuple(flaws)


@_check(_MEDIA, "ac:accessURI", "xmp:CreateDate", "dcterms:created")
def _medium(address: str, created: str, made: str) -> Flaws:
    flaws = []
    if address and not _ADDRESS.fullmatch(address):
        flaws.append(Flaw("MULTIMEDIA_URI_INVALID", "accessURI", address, f"{address!r} is no address on the web."))
    for name, text in (("CreateDate", created), ("created", made)):
        if text and read_days(text) is None:
            flaws.append(Flaw("MULTIMEDIA_DATE_INVALID", name, text, f"{name} {text!r} is no date of ISO 8601."))
    return tuple(flaws)


@_check(_MEDIA, "ac:xFrac", "ac:yFrac", "ac:widthFrac", "ac:heightFrac", "ac:startTime", "ac:endTime")
def _region(x: str, y: str, width: str, height: str, start: str, end: str) -> Flaws:
    texts = {"xFrac": x, "yFrac": y, "widthFrac": width, "heightFrac": height, "startTime": start, "endTime": end}
    numbers = {name: read_number(text) for name, text in texts.items() if text}
    for name, number in numbers.items():
        if number is None or number < 0 or (name.endswith("Frac") and number > 1):
            message = f"{name} {texts[name]!r} is outside the medium."
            return (Flaw("REGION_INVALID", name, texts[name], message),)
    sizes = {name: number for name, number in numbers.items() if number is not None}
    for corner, size in (("xFrac", "widthFrac"), ("yFrac", "heightFrac")):
        # Fractions are written with a few decimals, each rounded for itself.
        if sizes.get(corner, 0.0) + sizes.get(size, 0.0) > 1 + 1e-5:
            message = f"{corner} {texts[corner]} and {size} {texts[size]} reach beyond the picture."
            return (Flaw("REGION_INVALID", size, texts[size], message),)
    if {"startTime", "endTime"} <= sizes.keys() and sizes["endTime"] < sizes["startTime"]:
        message = f"The region ends at {end} s, before it starts at {start} s."
        return (Flaw("REGION_INVALID", "endTime", end, message),)
    return ()
