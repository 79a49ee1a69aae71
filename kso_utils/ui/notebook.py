"""Maps and plots where a cell of a notebook ends with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kso_utils.consensus.curves import accumulate_species, votes_over_time
from kso_utils.metadata.values import to_numbers, to_text
from kso_utils.ui import plots
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
_PLOT_STYLE = """
.kso-plot { max-width: 560px; padding: 8px; color: #10303b; background: #ffffff; }
.kso-plot svg { display: block; width: 100%; height: auto; font: 13px sans-serif; fill: #10303b; }
.kso-plot p { margin: 6px 0 0; color: #44606b; font: 14px/1.45 sans-serif; }
.kso-plot .tick { fill: #44606b; font-size: 12px; }
.kso-plot .axis { fill: #44606b; }
.kso-plot .mid { text-anchor: middle; }
.kso-plot .end { text-anchor: end; }
.kso-plot .grid { stroke: #d3e1e5; stroke-width: 1; }
.kso-plot .pale { fill: #a9cfe0; }
.kso-plot .c0 { fill: #0072b2; }
.kso-plot .line { fill: none; stroke-width: 2.2; stroke-linejoin: round; }
.kso-plot .l0 { stroke: #0072b2; }
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


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot, shown where a cell ends with it.

    Attributes
    ----------
    svg
        The drawing; empty where there is nothing to draw.
    reading
        How to read it, in a sentence.
    """

    svg: str
    reading: str

    def _repr_html_(self) -> str:
        """Show the plot and how to read it."""
        drawn = self.svg or tag("p", "There is nothing to draw.")
        return tag("div", tag("style", _PLOT_STYLE), drawn, tag("p", escape(self.reading)), class_="kso-plot")


def show_agreement(agreed: pd.DataFrame) -> Plot:
    """Draw how many of the people gave the same answer.

    Parameters
    ----------
    agreed
        From `consensus.clips` or `consensus.marks`.
    """
    reading = "Each bar counts the answers that so large a share of the people gave; the darker part was agreed on."
    return Plot(plots.draw_agreement(agreed) if len(agreed) else "", reading)


def show_support(agreed: pd.DataFrame) -> Plot:
    """Draw for each species how large a share of the people named it, where anybody did.

    Parameters
    ----------
    agreed
        From `consensus.clips` or `consensus.marks`.
    """
    reading = "The dot is the median over the clips in which anybody named the species, the bar holds the middle half."
    return Plot(plots.draw_support(agreed) if len(agreed) else "", reading)


def show_votes(rows: pd.DataFrame) -> Plot:
    """Draw how the classifications came in.

    Parameters
    ----------
    rows
        As `consensus.votes_over_time` takes them.
    """
    days = votes_over_time(rows)
    return Plot(plots.draw_votes(days) if len(days) else "", "A steep line is a busy time, a level one a pause.")


def show_accumulation(agreed: pd.DataFrame, subjects: int) -> Plot:
    """Draw how many species so many clips are expected to show.

    Parameters
    ----------
    agreed
        From `consensus.clips`; only the rows that are agreed count.
    subjects
        How many subjects people looked at, with or without anything in them.
    """
    curve = accumulate_species(agreed[agreed["agreed"].astype(bool)], subjects)
    reading = (
        "The line still rises where more clips would show more species, and levels off where they would not; the band "
        "is the 95 % interval."
    )
    return Plot(plots.draw_accumulation(curve) if len(curve) else "", reading)


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
