"""Where the sites lie: on Earth, and among each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kso_utils.metadata.rules import check, each_column, hits, repeats
from kso_utils.metadata.terms import SITES
from kso_utils.metadata.values import known_numbers, to_numbers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kso_utils.metadata.rules import Hit, Tables
    from kso_utils.metadata.values import Mask

    Degrees = pd.Series[float]
    Vectors = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

_EARTH_KM = 6371.0
_FEWEST_OTHERS = 3
_FAR_KM = 500.0
_FAR_SPREADS = 10.0
_NEAR_KM = 100.0
_NEAR_SPREADS = 3.0
_GBIF_DECIMALS = 6


@dataclass(frozen=True, slots=True)
class _Positions:
    """Where the sites lie beside each other."""

    sites: pd.DataFrame
    latitude: Degrees
    longitude: Degrees
    centre: Vectors
    spread_km: float
    far: Mask

    def mends(self, latitude: Degrees, longitude: Degrees) -> Mask:
        """Return which of the sites that lie far away would lie among the others at these positions."""
        limit = max(_NEAR_KM, _NEAR_SPREADS * self.spread_km)
        return self.far & _distances(latitude, longitude, self.centre).le(limit)


def _positions(tables: Tables) -> tuple[pd.DataFrame, Degrees, Degrees] | None:
    sites = tables.get("sites")
    if sites is None or not {"decimalLatitude", "decimalLongitude"} <= set(sites):
        return None
    return sites, to_numbers(sites["decimalLatitude"]), to_numbers(sites["decimalLongitude"])


def _beside_others(tables: Tables) -> _Positions | None:
    """Return the positions, and which lie far from the others; None where there are too few to tell.

    Far is more than 500 km and more than ten times the usual (median) distance from the middle of all sites. Positions
    that are off the Earth count as far, those at (0, 0) not at all.
    """
    found = _positions(tables)
    if found is None:
        return None
    sites, latitude, longitude = found
    there = latitude.notna() & longitude.notna() & ~(latitude.eq(0) & longitude.eq(0))
    latitude, longitude = latitude.where(there), longitude.where(there)
    if len(pd.DataFrame({"y": latitude, "x": longitude}).dropna().drop_duplicates()) <= _FEWEST_OTHERS:
        return None
    centre, spread = _centre(latitude, longitude)
    distance = _distances(latitude, longitude, centre)
    off_earth = latitude.abs().gt(90) | longitude.abs().gt(180)
    far = off_earth | distance.gt(max(_FAR_KM, _FAR_SPREADS * spread))
    return _Positions(sites, latitude, longitude, centre, spread, far)


def _vectors(latitude: Degrees, longitude: Degrees) -> Vectors:
    """Return unit vectors (n, 3), NaN where there is no position on Earth."""
    y = np.radians(latitude.where(latitude.abs().le(90)).to_numpy(dtype="float64"))
    x = np.radians(longitude.where(longitude.abs().le(180)).to_numpy(dtype="float64"))
    return np.stack([np.cos(y) * np.cos(x), np.cos(y) * np.sin(x), np.sin(y)], axis=1)


def _centre(latitude: Degrees, longitude: Degrees) -> tuple[Vectors, float]:
    """Return the middle (median) of distinct positions as a unit vector, and their median distance from it in km."""
    vectors = np.unique(_vectors(latitude, longitude), axis=0)
    vectors = vectors[~np.isnan(vectors).any(axis=1)]
    if not len(vectors):
        return np.array([1.0, 0.0, 0.0]), 0.0
    middle = np.median(vectors, axis=0)
    middle /= np.linalg.norm(middle) or 1.0
    return middle, float(np.median(_EARTH_KM * np.arccos(np.clip(vectors @ middle, -1.0, 1.0))))


def _distances(latitude: Degrees, longitude: Degrees, centre: Vectors) -> Degrees:
    """Return great-circle distances in km, NaN where there is no position."""
    cosines = np.clip(_vectors(latitude, longitude) @ centre, -1.0, 1.0)
    return pd.Series(_EARTH_KM * np.arccos(cosines), index=latitude.index)


@check(
    "COORDINATE_OUT_OF_RANGE",
    "error",
    "A latitude is not within -90 to 90, or a longitude not within -180 to 180.",
    "Give decimal degrees; look whether latitude and longitude were swapped.",
)
def _coordinate_range(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    for _table, column, sites in each_column({k: v for k, v in tables.items() if k == "sites"}, "number"):
        limit = {"decimalLatitude": 90, "decimalLongitude": 180}.get(column.name)
        if limit:
            wrong = to_numbers(sites[column.name]).abs().gt(limit)
            yield from hits("sites", sites, column.name, wrong, "{column} is {value}, which is not on Earth.")


@check(
    "ZERO_COORDINATE",
    "error",
    "A site lies at latitude 0, longitude 0, in the Gulf of Guinea.",
    "Give its position; leave both empty if the position is unknown.",
)
def _zero_coordinate(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    if found := _positions(tables):
        sites, latitude, longitude = found
        wrong = latitude.eq(0) & longitude.eq(0)
        yield from hits("sites", sites, "decimalLatitude", wrong, "The site {locality} lies at (0, 0).")


@check(
    "COORDINATE_INCOMPLETE",
    "error",
    "A site has a latitude without a longitude, or the other way round.",
    "Give both; leave both empty if the position is unknown.",
)
def _coordinate_incomplete(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    sites = tables.get("sites", pd.DataFrame())
    pair = [c for c in ("decimalLatitude", "decimalLongitude") if c in sites]
    if not pair:
        return
    missing = [known_numbers(sites, SITES, name).isna() for name in pair]
    wrong = missing[0] != missing[1] if len(pair) == 2 else ~missing[0]
    yield from hits("sites", sites, pair[0], wrong, "The site has only one of latitude and longitude.")


@check(
    "PRESUMED_SWAPPED_COORDINATE",
    "warning",
    "Latitude and longitude seem to be swapped: exchanged, the site lies among the others.",
    "Exchange the two.",
)
def _swapped(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    if places := _beside_others(tables):
        wrong = places.mends(places.longitude, places.latitude)
        yield from _presumed(places, wrong, "decimalLatitude", places.longitude, places.latitude)


@check(
    "PRESUMED_NEGATED_LATITUDE",
    "warning",
    "The sign of a latitude seems to be wrong: with the other, the site lies among the others.",
    "Write north without a sign and south with a minus.",
)
def _negated_latitude(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    if places := _beside_others(tables):
        wrong = places.mends(-places.latitude, places.longitude)
        yield from _presumed(places, wrong, "decimalLatitude", -places.latitude, places.longitude)


@check(
    "PRESUMED_NEGATED_LONGITUDE",
    "warning",
    "The sign of a longitude seems to be wrong: with the other, the site lies among the others.",
    "Write east without a sign and west with a minus.",
)
def _negated_longitude(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    if places := _beside_others(tables):
        wrong = places.mends(places.latitude, -places.longitude)
        yield from _presumed(places, wrong, "decimalLongitude", places.latitude, -places.longitude)


def _presumed(places: _Positions, wrong: Mask, column: str, latitude: Degrees, longitude: Degrees) -> Iterator[Hit]:
    known = places.sites.assign(_latitude=latitude, _longitude=longitude)
    message = "The site {locality} lies at ({decimalLatitude}, {decimalLongitude}), far from all others."
    fix = "Write ({_latitude}, {_longitude}), which is among them, if that is meant."
    yield from hits("sites", known, column, wrong, message, fix)


@check(
    "SITE_FAR_AWAY",
    "warning",
    "A site lies alone, far from all others of the project.",
    "Look its position up on a map; digits may be missing or exchanged.",
)
def _far_away(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    places = _beside_others(tables)
    if places is None or not places.far.any():
        return
    latitude, longitude = places.latitude, places.longitude
    mended = places.mends(longitude, latitude) | places.mends(-latitude, longitude) | places.mends(latitude, -longitude)
    wrong = places.far & ~mended & latitude.abs().le(90) & longitude.abs().le(180)
    # Several sites within a degree or two are a second region, not a slip.
    cells = pd.DataFrame({"y": np.floor(latitude), "x": np.floor(longitude)})[wrong].value_counts()
    count = {
        cell: sum(cells.get((cell[0] + i, cell[1] + j), 0) for i in (-1, 0, 1) for j in (-1, 0, 1))
        for cell in cells.index
    }
    crowd = pd.Series(
        [count.get(c, 0) for c in zip(np.floor(latitude), np.floor(longitude), strict=True)], index=latitude.index
    )
    message = "The site {locality} lies at ({decimalLatitude}, {decimalLongitude}), far from all others."
    yield from hits("sites", places.sites, "decimalLatitude", wrong & crowd.le(1), message)


@check(
    "DUPLICATE_POSITION",
    "warning",
    "Two sites lie at exactly the same position, as if it had been copied.",
    "Give each its own position, merge them if they are one place, or leave the unknown position empty.",
)
def _duplicate_position(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    if found := _positions(tables):
        sites, latitude, longitude = found
        latitude, longitude = latitude.where(latitude.abs().le(90)), longitude.where(longitude.abs().le(180))
        known = latitude.notna() & longitude.notna() & ~(latitude.eq(0) & longitude.eq(0))
        place = pd.Series(
            list(zip(latitude.round(7), longitude.round(7), strict=True)), index=sites.index, dtype="object"
        )
        message = (
            "The site {locality} lies at ({decimalLatitude}, {decimalLongitude}), exactly as that on line {_first}."
        )
        yield from repeats("sites", sites, "decimalLatitude", place.where(known), message)


@check(
    "COORDINATE_IMPRECISE",
    "warning",
    "A position is given in whole degrees, which may be 100 km from the site.",
    "Give at least four decimals; if no more is known, say so in coordinateUncertaintyInMeters.",
)
def _imprecise(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    if found := _positions(tables):
        sites, latitude, longitude = found
        whole = (latitude % 1).eq(0) & (longitude % 1).eq(0) & ~(latitude.eq(0) & longitude.eq(0))
        told = known_numbers(sites, SITES, "coordinateUncertaintyInMeters").ge(1000)
        message = "The site {locality} lies at ({decimalLatitude}, {decimalLongitude}), in whole degrees."
        yield from hits("sites", sites, "decimalLatitude", whole & ~told, message)


@check(
    "COORDINATE_ROUNDED",
    "info",
    "A position has more decimals than GBIF keeps (six, a tenth of a metre).",
    "Nothing needs to be done: GBIF rounds it.",
)
def _rounded(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    if found := _positions(tables):
        sites, latitude, longitude = found
        wrong = _finer(latitude) | _finer(longitude)
        message = "The site {locality} lies at ({decimalLatitude}, {decimalLongitude}); GBIF keeps six decimals."
        yield from hits("sites", sites, "decimalLatitude", wrong, message)


def _finer(degrees: Degrees) -> Mask:
    scaled = degrees.where(degrees.abs().le(180)) * 10**_GBIF_DECIMALS
    finer: Mask = (scaled - scaled.round()).abs().gt(1e-3)
    return finer
