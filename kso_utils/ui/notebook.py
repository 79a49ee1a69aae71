"""What a notebook shows of tables that are not in the store yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kso_utils.metadata.values import to_numbers, to_text
from kso_utils.ui.maps import draw_map, has_position
from kso_utils.ui.svg import escape, tag

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

_STYLE = """
.kso-map { max-width: 640px; color: #12303a; background: #ffffff; }
.kso-map svg { display: block; width: 100%; height: auto; font: 13px sans-serif; fill: #12303a; }
.kso-map .sea { fill: #e2f0f4; stroke: #9fb9c1; }
.kso-map .grid { stroke: #5b7680; stroke-opacity: .25; }
.kso-map .tick { fill: #4a6068; font-size: 12px; }
.kso-map .mid { text-anchor: middle; }
.kso-map .end { text-anchor: end; }
.kso-map .site { fill: #0a6478; stroke: #ffffff; stroke-width: 1.5; }
.kso-map .site-name { font-size: 12px; font-weight: 600; paint-order: stroke; stroke: #e2f0f4; stroke-width: 3px; }
.kso-map .scale { fill: none; stroke: #12303a; stroke-width: 2; }
"""


@dataclass(frozen=True, slots=True)
class SiteMap:
    """A map of sites, shown where a cell ends with it.

    Attributes
    ----------
    svg
        The drawing; empty where no site has a position.
    missing
        The sites that are not on it, for want of a position.
    """

    svg: str
    missing: tuple[str, ...]

    def _repr_html_(self) -> str:
        """Show the map, and the sites that are not on it."""
        note = f"Not on the map, for want of a position: {', '.join(self.missing)}." if self.missing else ""
        return tag("div", tag("style", _STYLE), self.svg, tag("p", escape(note)), class_="kso-map")


def map_sites(tables: Mapping[str, pd.DataFrame]) -> SiteMap:
    """Draw the sites of tables on a map; a larger dot has more movies.

    Parameters
    ----------
    tables
        As `load_tables` gives them.
    """
    if "sites" not in tables or "locality" not in tables["sites"]:
        return SiteMap("", ())
    sites = tables["sites"].reindex(columns=["locality", "decimalLatitude", "decimalLongitude"]).reset_index(drop=True)
    movies = tables.get("movies")
    where = (
        to_text(movies["locality"])
        if movies is not None and "locality" in movies
        else to_text(sites["locality"]).iloc[:0]
    )
    sites = sites.assign(
        locality=to_text(sites["locality"]).fillna("without a name"),
        decimalLatitude=to_numbers(sites["decimalLatitude"]),
        decimalLongitude=to_numbers(sites["decimalLongitude"]),
    )
    sites = sites.assign(movies=sites["locality"].map(where.value_counts()).fillna(0).astype(int))
    placed = has_position(sites)
    missing = tuple(sites.loc[~placed, "locality"])
    return SiteMap(draw_map(sites[placed]) if placed.any() else "", missing)
