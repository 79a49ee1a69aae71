import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from kso_utils.consensus import accumulate_species
from kso_utils.ui.plots import (
    WIDTH,
    draw_accumulation,
    draw_agreement,
    draw_bars,
    draw_counts,
    draw_curves,
    draw_support,
    draw_votes,
)


def parse(svg):
    return ElementTree.fromstring(svg)  # noqa: S314 - our own text


def answers(*support):
    return pd.DataFrame({"support": support, "agreed": [s >= 0.6 for s in support]})


def curves(name, *values):
    return pd.DataFrame({"epoch": range(1, len(values) + 1), "name": name, "value": values})


def bars(svg, kind):
    return [r for r in parse(svg).iter("rect") if r.get("class") == kind and r.find("title") is not None]


@pytest.mark.parametrize("support", [0.1, 0.2, 0.3, 0.6, 0.7, 1.0])
def test_a_share_on_a_border_belongs_to_the_lower_tenth(support):
    (bar,) = bars(draw_agreement(answers(support)), "c0" if support >= 0.6 else "pale")
    assert bar.find("title").text.startswith(f"{round(support * 100) - 10} to {round(support * 100)} %")


def test_the_histogram_counts_agreed_and_not_agreed_apart():
    svg = draw_agreement(answers(0.2, 0.2, 1.0, 1.0, 1.0))
    assert bars(svg, "pale")[0].find("title").text == "10 to 20 %: 0 agreed, 2 not agreed"
    assert bars(svg, "c0")[0].find("title").text == "90 to 100 %: 3 agreed, 0 not agreed"


def test_bars_are_as_long_as_their_numbers():
    svg = draw_bars([("cod", "3 of 4", 3, 4), ("eel", "1 of 2", 1, 2)], "bars")
    assert [float(b.get("width")) for b in bars(svg, "pale")] == [WIDTH, WIDTH / 2]
    assert [float(b.get("width")) for b in bars(svg, "c0")] == [0.75 * WIDTH, 0.25 * WIDTH]


def test_bars_of_nothing_are_drawn():
    assert parse(draw_bars([("cod", "0 of 0", 0, 0)], "bars")).get("aria-label") == "bars"


def test_a_curve_goes_through_its_points():
    svg = draw_curves(curves("mAP50", 0.0, 0.5, 1.0), "scores")
    points = re.search(r'points="([^"]*)"', svg).group(1).split()
    heights = [float(p.split(",")[1]) for p in points]
    assert heights == pytest.approx([200, 115, 30])


def test_values_that_are_no_numbers_are_left_out():
    svg = draw_curves(curves("loss", 3.0, np.nan, 1.0, np.inf), "losses")
    assert len(re.search(r'points="([^"]*)"', svg).group(1).split()) == 2


def test_one_epoch_is_a_dot():
    assert len(list(parse(draw_curves(curves("mAP50", 0.4), "scores")).iter("circle"))) == 1


def test_scores_that_never_rise_are_drawn():
    assert parse(draw_curves(curves("mAP50", 0.0, 0.0), "scores")) is not None


def test_more_curves_than_colours_differ_by_dashes():
    many = pd.concat([curves(f"loss {i}", 1.0, 2.0) for i in range(10)])
    lines = [p for p in parse(draw_curves(many, "losses")).iter("polyline")]
    assert len({(p.get("class"), p.get("stroke-dasharray")) for p in lines}) == 10


def test_the_ring_is_the_truth_and_the_dot_what_was_found():
    svg = draw_counts([("a.mp4", 2.0, 3.0)], "counts")
    circles = {c.get("class"): float(c.get("cx")) for c in parse(svg).iter("circle")}
    assert circles["c0"] < circles["ring"]


def test_an_exact_count_has_no_gap():
    assert 'class="gap"' not in draw_counts([("a.mp4", 3.0, 3.0)], "counts")
    assert 'class="gap"' in draw_counts([("a.mp4", 2.0, 3.0)], "counts")


@pytest.mark.parametrize("row", [("a.mp4", np.nan, 3.0), ("a.mp4", 2.0, np.nan), ("a.mp4", np.nan, np.nan)])
def test_an_unknown_count_is_not_drawn(row):
    drawn = len(list(parse(draw_counts([row], "counts")).iter("circle")))
    assert drawn == np.isfinite(row[1:]).sum()


def test_hostile_names_are_text():
    name = '"><script>alert(1)</script>'
    for svg in (
        draw_bars([(name, name, 1, 2)], name),
        draw_curves(curves(name, 1.0), name),
        draw_counts([(name, 1.0, 2.0)], name),
    ):
        parse(svg)
        assert "<script" not in svg


def days(*rows):
    table = pd.DataFrame(rows, columns=["day", "total", "new_people"])
    return table.assign(day=pd.to_datetime(table["day"]))


def places(svg, kind="polyline"):
    (line,) = parse(svg).iter(kind)
    return [tuple(map(float, point.split(","))) for point in line.get("points").split()]


def test_votes_rise_over_their_day_and_stay_level_between():
    points = places(draw_votes(days(("2024-05-01", 10, 2), ("2024-05-05", 40, 1))))
    assert [y for _, y in points] == pytest.approx([196, 196, 154.5, 154.5, 30])
    assert points[-1][0] - points[-2][0] == pytest.approx(points[2][0] - points[1][0])


@pytest.mark.parametrize("last", ["2024-05-01", "2024-05-02", "2024-05-03", "2031-01-01"])
def test_a_few_dates_stand_below_the_votes(last):
    svg = draw_votes(days(("2024-05-01", 1, 1), (last, 2, 1)).drop_duplicates("day", keep="last"))
    assert 1 <= len(re.findall(r">\d{4}-\d\d-\d\d<", svg)) <= 3


def test_the_accumulation_ends_at_all_species():
    seen = pd.DataFrame({"subject_id": [1, 2, 3, 3], "label": ["cod", "cod", "cod", "eel"]})
    svg = draw_accumulation(accumulate_species(seen, 20))
    assert "2 in 20 clips" in parse(svg).get("aria-label")
    assert places(svg)[-1][1] > min(y for _, y in places(svg, "polygon"))


def test_the_dot_of_a_species_is_at_its_median_support():
    table = pd.DataFrame({"label": "cod", "support": [0.0, 0.5, 1.0], "agreed": [False, False, True]})
    svg = draw_support(table)
    (dot,) = parse(svg).iter("circle")
    low, high = (float(line.get("x1")) for line in list(parse(svg).iter("line"))[:5:4])
    assert float(dot.get("cx")) == pytest.approx((low + high) / 2, abs=0.01)
    assert "1 of 3" in svg


def test_species_that_were_agreed_on_most_are_drawn_and_the_rest_counted():
    table = pd.DataFrame({"label": [f"s{i}" for i in range(30)], "support": 0.5, "agreed": [i > 24 for i in range(30)]})
    svg = draw_support(table, most=5)
    assert "and 25 more species" in svg
    assert all(f"s{i}<" in svg for i in range(25, 30))
