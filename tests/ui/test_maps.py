import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.ui.maps import KM_PER_DEGREE, WIDTH, draw_map, frame_view, has_position


def sites(*places):
    """One row a site: latitude, longitude."""
    table = pd.DataFrame(places, columns=["decimalLatitude", "decimalLongitude"])
    return table.assign(locality=[f"site {i}" for i in range(len(table))], movies=1)


def dots(svg):
    return [(float(x), float(y)) for x, y in re.findall(r'<circle cx="([-\d.]+)" cy="([-\d.]+)"', svg)]


def height(svg):
    return float(re.search(r'viewBox="0 0 \S+ ([\d.]+)"', svg).group(1))


def texts(svg, kind):
    return re.findall(rf'<text x="[-\d.]+" y="[-\d.]+" class="{kind}">([^<]*)', svg)


def inside(svg):
    return all(0 < x < WIDTH and 0 < y < height(svg) for x, y in dots(svg))


def test_north_is_up_and_east_is_right():
    (x0, y0), (x1, y1) = dots(draw_map(sites((58.0, 11.0), (59.0, 12.0))))
    assert x1 > x0
    assert y1 < y0


def test_a_single_site_is_in_the_middle():
    svg = draw_map(sites((58.0, 11.0)))
    assert inside(svg)
    assert texts(svg, "site-name") == ["site 0"]


def test_sites_across_the_antimeridian_stay_together():
    svg = draw_map(sites((-17.0, 179.5), (-17.5, -179.5)))
    (x0, _), (x1, _) = dots(svg)
    assert inside(svg)
    assert 20 < x1 - x0 < WIDTH
    assert "180.0°" in texts(svg, "tick mid")


def test_all_sites_of_one_meridian_or_parallel_are_drawn():
    assert inside(draw_map(sites((10.0, 5.0), (40.0, 5.0))))
    assert inside(draw_map(sites((10.0, 5.0), (10.0, 95.0))))


def test_distances_are_true_at_the_middle_latitude():
    view = frame_view(np.array([10.0, 11.0]), np.array([60.0, 60.0]))
    across = view.x(11.0) - view.x(10.0)
    assert across / view.scale == pytest.approx(np.cos(np.radians(60.0)))


@pytest.mark.parametrize("latitude", [0.0, 58.9, -70.0])
def test_the_scale_bar_is_as_long_as_it_says(latitude):
    table = sites((latitude - 0.1, 11.0), (latitude + 0.1, 11.3))
    svg = draw_map(table)
    x0, x1 = map(float, re.search(r'd="M([\d.]+) [\d.]+V[\d.]+H([\d.]+)V', svg).groups())
    shown = next(t for t in texts(svg, "tick") if t.endswith("m"))
    metres = float(shown.split()[0]) * (1000 if shown.endswith("km") else 1)
    degrees = 0.3 * np.cos(np.radians(latitude))
    (east0, _), (east1, _) = dots(svg)
    assert (x1 - x0) / (east1 - east0) * degrees * KM_PER_DEGREE * 1000 == pytest.approx(metres, rel=1e-3)


def test_a_degree_of_latitude_is_111_km():
    assert pytest.approx(111.195, abs=1e-3) == KM_PER_DEGREE


def test_the_graticule_is_labelled_with_its_sides():
    svg = draw_map(sites((-0.5, -0.5), (0.5, 0.5)))
    assert {"0.0°", "0.4° W"} & set(texts(svg, "tick mid"))
    assert any(t.endswith("S") for t in texts(svg, "tick end"))
    assert any(t.endswith("N") for t in texts(svg, "tick end"))


def name_boxes(svg):
    found = re.findall(r'<text x="([-\d.]+)" y="([-\d.]+)" class="site-name">([^<]*)', svg)
    return [(float(x), float(y) - 9, float(x) + 0.5 * 12 * len(name), float(y) + 2) for x, y, name in found]


def test_names_do_not_overlap():
    rng = np.random.default_rng(0)
    svg = draw_map(sites(*rng.normal([58.0, 11.0], 0.1, (40, 2))))
    boxes = name_boxes(svg)
    assert len(boxes) >= 10
    for i, a in enumerate(boxes):
        for b in boxes[i + 1 :]:
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


def test_a_hostile_name_is_text():
    svg = draw_map(sites((58.0, 11.0)).assign(locality="</svg><script>alert(1)</script>"))
    assert "<script" not in svg


def test_positions_that_are_missing_or_off_the_globe_are_told_apart():
    table = sites((58.0, 11.0), (np.nan, np.nan), (91.0, 0.0), (0.0, 181.0), (np.inf, 0.0))
    assert has_position(table).tolist() == [True, False, False, False, False]


def test_missing_positions_may_be_none():
    assert has_position(sites((None, None), (1.0, 2.0)).astype(object)).tolist() == [False, True]


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.floats(-90, 90), st.floats(-180, 180)), min_size=1, max_size=8))
def test_every_site_on_the_globe_is_on_the_map(places):
    assert inside(draw_map(sites(*places)))
