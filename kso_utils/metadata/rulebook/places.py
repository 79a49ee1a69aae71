"""Where the sites lie: positions, depths, datums and countries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from kso_utils.metadata.rules import check, each_column, hits, not_positive
from kso_utils.metadata.terms import COUNTRIES, DATUMS, SITES
from kso_utils.metadata.values import known_numbers, to_numbers, to_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kso_utils.metadata.rules import Hit, Tables


def _positions(tables: Tables) -> tuple[pd.DataFrame, pd.Series[float], pd.Series[float]] | None:
    sites = tables.get("sites")
    if sites is None or not {"decimalLatitude", "decimalLongitude"} <= set(sites):
        return None
    return sites, to_numbers(sites["decimalLatitude"]), to_numbers(sites["decimalLongitude"])


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
    "COORDINATE_UNCERTAINTY_METERS_INVALID",
    "error",
    "The uncertainty of a position is not above 0 m.",
    "Give metres above 0, or leave it empty.",
)
def _uncertainty(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    yield from not_positive(tables, SITES, "coordinateUncertaintyInMeters")


@check(
    "DEPTH_MIN_MAX_SWAPPED",
    "error",
    "The least depth of a site is more than its greatest.",
    "Swap the two; depths count downwards from the surface.",
)
def _depths(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    sites = tables.get("sites")
    if sites is not None and {"minimumDepthInMeters", "maximumDepthInMeters"} <= set(sites):
        wrong = to_numbers(sites["minimumDepthInMeters"]).gt(to_numbers(sites["maximumDepthInMeters"]))
        message = "{column} is {value}, more than maximumDepthInMeters {maximumDepthInMeters}."
        yield from hits("sites", sites, "minimumDepthInMeters", wrong, message)


@check(
    "GEODETIC_DATUM_INVALID",
    "warning",
    "The datum of a position is not one that is known.",
    "Write EPSG:4326 (which is WGS84, what GPS gives), or the EPSG code of the geographic system that was used.",
)
def _datum(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    for table, column, frame in each_column(tables, "datum"):
        cells = to_text(frame[column.name])
        wrong = cells.notna() & ~cells.str.upper().str.replace(r"[\s_-]", "", regex=True).isin(DATUMS)
        yield from hits(table.name, frame, column.name, wrong, "{column} is {value}, which is not a known datum.")


@check(
    "COUNTRY_INVALID",
    "error",
    "A country code is not one of the two-letter codes of ISO 3166.",
    "Write two capital letters (SE, NZ); leave it empty on the high seas.",
)
def _country(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    for table, column, frame in each_column(tables, "country"):
        cells = to_text(frame[column.name])
        wrong = cells.notna() & ~cells.isin(COUNTRIES)
        yield from hits(table.name, frame, column.name, wrong, "{column} is {value}, which is no country code.")
