from __future__ import annotations

import re

import pandas as pd
import pytest

from kso_utils.ui.maps import draw_map
from kso_utils.ui.notebook import map_sites, show_accumulation, show_agreement, show_support, show_votes

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


AGREED = pd.DataFrame({"subject_id": [1, 2], "label": ["cod", "<b>"], "support": [0.9, 0.4], "agreed": [True, False]})


@pytest.mark.parametrize(
    ("plot", "nothing"),
    [
        (show_agreement(AGREED), show_agreement(AGREED[:0])),
        (show_support(AGREED), show_support(AGREED[:0])),
        (show_accumulation(AGREED, 5), show_accumulation(AGREED[:0], 0)),
    ],
)
def test_a_plot_says_how_to_read_it_or_that_there_is_nothing(plot, nothing) -> None:
    assert "<svg" in plot._repr_html_() and plot.reading.split(";")[0] in plot._repr_html_()
    assert "<b>" not in plot._repr_html_()
    assert "There is nothing to draw." in nothing._repr_html_()


def test_votes_are_shown_from_rows() -> None:
    rows = pd.DataFrame(
        {"classification_id": [1], "subject_id": 1, "user": "ann", "label": None, "created_at": "2024-05-01T10:00:00Z"}
    )
    assert "1 person took part" in show_votes(rows).svg
