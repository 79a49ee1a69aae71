from __future__ import annotations

import re

import pandas as pd
import pytest

from kso_utils.ui.maps import draw_map
from kso_utils.ui.notebook import map_sites

SITES = pd.DataFrame(
    {
        "locality": ["Sill", "Wall", "Lost"],
        "decimalLatitude": [58.0, 59.0, None],
        "decimalLongitude": [11.0, 12.0, None],
    }
)


def test_every_site_is_on_the_map_or_named_beside_it() -> None:
    shown = map_sites({"sites": SITES})
    assert shown.missing == ("Lost",)
    html = shown._repr_html_()
    assert "Sill" in html
    assert "Not on the map, for want of a position: Lost." in html


def test_movies_are_counted_by_site() -> None:
    shown = map_sites({"sites": SITES, "movies": pd.DataFrame({"locality": ["Wall", "Wall", "Sill", None]})})
    assert shown.svg == draw_map(SITES.iloc[:2].assign(movies=[1, 2]))


@pytest.mark.parametrize(
    "tables",
    [
        {},
        {"sites": pd.DataFrame({"decimalLatitude": [1.0]})},
        {"sites": pd.DataFrame({"locality": pd.Series([], dtype="str")})},
        {"sites": pd.DataFrame({"locality": ["Sill"]})},
        {"sites": SITES.assign(decimalLatitude="north")},
    ],
)
def test_tables_without_positions_give_no_map(tables: dict[str, pd.DataFrame]) -> None:
    assert map_sites(tables).svg == ""


def test_names_are_text_on_the_page() -> None:
    html = map_sites({"sites": SITES.assign(locality="<script>alert(1)</script>")})._repr_html_()
    assert "<script>" not in html


def test_every_shape_of_the_map_has_a_style() -> None:
    shown = map_sites({"sites": SITES})
    classes = {name for value in re.findall(r'class="([^"]+)"', shown.svg) for name in value.split()}
    assert classes <= set(re.findall(r"\.([a-z-]+)", shown._repr_html_()))
