"""What is told of the sites beside their positions: depths, datums, countries, outlines."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pandas as pd

from kso_utils.metadata.rules import advise, check, each_column, hits, not_positive
from kso_utils.metadata.terms import COUNTRIES, DATUMS, SITES
from kso_utils.metadata.values import known_numbers, map_distinct, to_numbers, to_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kso_utils.metadata.rules import Hit, Tables
    from kso_utils.metadata.values import Cells

_DEEPEST_M = 11_000
_COUNTRY_SLIPS = {"UK": "GB", "EL": "GR", "SWE": "SE", "NOR": "NO", "DNK": "DK", "GBR": "GB", "NZL": "NZ", "USA": "US"}
_DATUM_NAMES = {
    "WORLDGEODETICSYSTEM1984": "EPSG:4326",
    "WGS84": "EPSG:4326",
    "ETRS89": "EPSG:4258",
    "NAD83": "EPSG:4269",
}
_NUMBER = r"-?\d{1,5}(?:\.\d{1,20})?"
_WKT = re.compile(
    rf"(?:POINT|LINESTRING|POLYGON|MULTI(?:POINT|LINESTRING|POLYGON)) ?[(]{{1,3}} ?{_NUMBER} {_NUMBER}[-\d. ,()]*[)]",
    re.IGNORECASE,
)


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
    "DEPTH_UNLIKELY",
    "warning",
    "A depth is below 0 m or beyond 11,000 m.",
    "Give metres below the surface, counted downwards without a sign.",
)
def _depth_unlikely(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    sites = tables.get("sites", pd.DataFrame())
    for column in ("minimumDepthInMeters", "maximumDepthInMeters"):
        if column in sites:
            depths = known_numbers(sites, SITES, column)
            above = sites.assign(_fix=advise(-depths.where(depths.lt(0))))
            yield from hits("sites", above, column, depths.lt(0), "{column} is {value}, above the surface.", "{_fix}")
            message = "{column} is {value} m, deeper than any sea."
            yield from hits("sites", sites, column, depths.gt(_DEEPEST_M), message)


@check(
    "GEODETIC_DATUM_INVALID",
    "warning",
    "The datum of a position is not one that is known.",
    "Write EPSG:4326 (which is WGS84, what GPS gives), or the EPSG code of the geographic system that was used.",
)
def _datum(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    for table, column, frame in each_column(tables, "datum"):
        cells = to_text(frame[column.name])
        wrong = cells.notna() & ~_plain_datums(cells).isin(DATUMS)
        yield from hits(table.name, frame, column.name, wrong, "{column} is {value}, which is not a known datum.")


def _plain_datums(cells: Cells) -> Cells:
    return cells.str.upper().str.replace(r"[\s_-]", "", regex=True)


@check(
    "GEODETIC_DATUM_MIXED",
    "warning",
    "The sites of one table have several datums, or one datum in several spellings.",
    "Use one for all; positions of another datum must be converted first, if they may be 100 m away.",
)
def _datum_mixed(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    for table, column, frame in each_column(tables, "datum"):
        cells = to_text(frame[column.name])
        known = cells.where(_plain_datums(cells).isin(DATUMS))
        counts = known.value_counts().sort_values(ascending=False, kind="stable")
        if len(counts) < 2:
            continue
        usual = str(counts.index[0])
        one = _plain_datums(known).replace(_DATUM_NAMES)
        alike = one.eq(_DATUM_NAMES.get(_plain_datums(pd.Series([usual]))[0], usual.upper()))
        wrong = known.notna() & known.ne(usual)
        message = f"{{column}} is {{value}}, while most sites have {usual}."
        same = f"Write {usual}, which is the same."
        other = f"Convert the position to {usual}, and then write that."
        yield from hits(table.name, frame, column.name, wrong & alike, message, same)
        yield from hits(table.name, frame, column.name, wrong & ~alike, message, other)


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
        advised = frame.assign(_fix=advise(map_distinct(cells.where(wrong), _mend_country)))
        message = "{column} is {value}, which is no country code."
        yield from hits(table.name, advised, column.name, wrong, message, "{_fix}")


def _mend_country(text: str) -> str | None:
    code = _COUNTRY_SLIPS.get(text.upper(), text.upper())
    return code if code in COUNTRIES else None


@check(
    "FOOTPRINT_WKT_INVALID",
    "warning",
    "The outline of a site is no well-known text.",
    "Write it as POLYGON ((longitude latitude, ...)), LINESTRING (...) or POINT (...), in decimal degrees.",
)
def _footprint(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    sites = tables.get("sites")
    if sites is not None and "footprintWKT" in sites:
        cells = to_text(sites["footprintWKT"])
        sound = map_distinct(cells, _is_wkt).eq(True)
        yield from hits("sites", sites, "footprintWKT", cells.notna() & ~sound, "{column} is no well-known text.")


def _is_wkt(text: str) -> bool:
    return _WKT.fullmatch(text) is not None and text.count("(") == text.count(")")
