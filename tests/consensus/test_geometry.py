import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.consensus.geometry.families import BOX, FORM
from kso_utils.consensus.geometry.known import FAMILIES
from kso_utils.consensus.geometry.regions import make_regions, middle_region
from kso_utils.core.errors import MissingExtra

pytest.importorskip("shapely")
short = settings(derandomize=True, deadline=None, max_examples=15)

place, length, degrees = st.integers(-300, 300), st.integers(5, 80), st.integers(-180, 180)
AREAS = {
    "rectangle": st.fixed_dictionaries({"x": place, "y": place, "width": length, "height": length}),
    "rotateRectangle": st.fixed_dictionaries(
        {"x": place, "y": place, "width": length, "height": length, "angle": degrees}
    ),
    "circle": st.builds(lambda x, y, r: {"x": x, "y": y, "geometry": {"r": r}}, place, place, length),
    "ellipse": st.builds(
        lambda x, y, rx, ry, angle: {"x": x, "y": y, "angle": angle, "geometry": {"rx": rx, "ry": ry}},
        *(place, place, length, length, degrees),
    ),
    "polygon": st.builds(lambda x, y, radii: star(radii, x, y), place, place, st.lists(length, min_size=3, max_size=9)),
}
POINTS = st.fixed_dictionaries({"x": place, "y": place})
TEMPORAL = st.builds(lambda mark, t: {**mark, "geometry": {"displayTime": t}}, POINTS, st.floats(0, 1))
areas = pytest.mark.parametrize("shape", AREAS)


def star(radii, x=0.0, y=0.0):
    """Return a polygon about a middle, with as many corners as radii."""
    turn = np.arange(len(radii)) * 2 * np.pi / len(radii)
    return polygon(*zip((x + radii * np.cos(turn)).tolist(), (y + radii * np.sin(turn)).tolist(), strict=True))


def polygon(*points):
    return {"geometry": {"points": [{"x": x, "y": y} for x, y in points]}}


def square(x, y, side=10):
    return polygon((x, y), (x + side, y), (x + side, y + side), (x, y + side))


def table(*marks):
    return pd.DataFrame(marks, columns=FORM)


def likeness(shape, *marks):
    """Return how alike the first mark is to each of the others."""
    other = np.arange(1, len(marks))
    return FAMILIES[shape].likeness(table(*marks), np.zeros_like(other), other)


def middle(shape, *marks):
    """Return the middle of all marks, as a mark."""
    return FAMILIES[shape].middle(table(*marks), np.zeros(len(marks), dtype=int)).iloc[0].to_dict()


def move(mark, step, degrees=0.0):
    """Turn a mark clockwise about (0, 0), then shift it."""
    turn = np.deg2rad(degrees)

    def moved(x, y):
        across, down = x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)
        return float(across + step[0]), float(down + step[1])

    if "points" in mark.get("geometry", {}):
        return polygon(*(moved(one["x"], one["y"]) for one in mark["geometry"]["points"]))
    half = (mark.get("width", 0) / 2, mark.get("height", 0) / 2)
    x, y = moved(mark["x"] + half[0], mark["y"] + half[1])
    found = {**mark, "x": x - half[0], "y": y - half[1]}
    if "angle" in mark:
        found["angle"] = mark["angle"] + degrees * (1 if "width" in mark else -1)
    return found


@areas
@short
@given(data=st.data())
def test_iou_is_symmetric_one_with_itself_and_nothing_far_away(shape, data):
    a, b = data.draw(AREAS[shape]), data.draw(AREAS[shape])
    both = table(a, b, a, move(a, (5000, 0)))
    there, back, same, away = FAMILIES[shape].likeness(both, np.array([0, 1, 0, 0]), np.array([1, 0, 2, 3]))
    assert 0 <= there == back <= 1
    assert (same, away) == (pytest.approx(1), 0)


@areas
@short
@given(data=st.data())
def test_iou_stays_when_the_picture_is_shifted_and_turned(shape, data):
    a, b = data.draw(AREAS[shape]), data.draw(AREAS[shape])
    step, turn = data.draw(st.tuples(place, place)), 0 if shape == "rectangle" else data.draw(degrees)
    moved = likeness(shape, move(a, step, turn), move(b, step, turn))
    assert moved == pytest.approx(likeness(shape, a, b), abs=1e-9)


@short
@given(POINTS, POINTS)
def test_points_are_alike_by_their_distance(a, b):
    assert likeness("point", a, b, a).tolist() == [pytest.approx(-np.hypot(a["x"] - b["x"], a["y"] - b["y"])), 0]


@areas
@short
@given(data=st.data())
def test_the_middle_of_equal_shapes_is_the_shape(shape, data):
    mark = data.draw(AREAS[shape])
    found = middle(shape, mark, mark, mark)
    assert likeness(shape, mark, found) == pytest.approx(1)
    assert FAMILIES[shape].valid(table(found)).all()


@pytest.mark.parametrize("shape", ["rectangle", "circle", "polygon"])
@short
@given(data=st.data())
def test_the_box_around_the_middle_lies_within_the_boxes_of_all(shape, data):
    marks = data.draw(st.lists(AREAS[shape], min_size=1, max_size=6))
    each = FAMILIES[shape].middle(table(*marks), np.arange(len(marks)))[BOX].to_numpy()
    found = np.array([middle(shape, *marks)[name] for name in BOX])
    assert (found[:2] >= each[:, :2].min(axis=0) - 1e-9).all()
    assert (found[:2] + found[2:] <= (each[:, :2] + each[:, 2:]).max(axis=0) + 1e-9).all()


@areas
@short
@given(data=st.data())
def test_the_order_of_the_marks_does_not_move_the_middle(shape, data):
    first = data.draw(AREAS[shape])
    near = st.tuples(st.integers(-3, 3), st.integers(-3, 3))
    marks = [first, *(move(first, step) for step in data.draw(st.lists(near, min_size=2, max_size=5)))]
    found = middle(shape, *marks), middle(shape, *data.draw(st.permutations(marks)))
    assert likeness(shape, *found) == pytest.approx(1)


TRUE = {
    "rectangle": {"x": 50, "y": 60, "width": 90, "height": 40},
    "rotateRectangle": {"x": 50, "y": 60, "width": 90, "height": 40, "angle": 175},
    "circle": {"x": 50, "y": 60, "geometry": {"r": 40}},
    "ellipse": {"x": 50, "y": 60, "angle": 88, "geometry": {"rx": 50, "ry": 25}},
    "polygon": {"geometry": {"points": [{"x": x, "y": y} for x, y in ((0, 0), (60, 10), (90, 60), (50, 40), (5, 50))]}},
}


def blur(value, rng):
    """Return a mark as somebody with an unsteady hand draws it."""
    if isinstance(value, dict):
        return {name: blur(part, rng) for name, part in value.items()}
    return [blur(part, rng) for part in value] if isinstance(value, list) else value + float(rng.normal(0, 5))


@areas
def test_the_middle_of_five_is_nearer_to_the_truth_than_one(shape):
    truth, single, joint = TRUE[shape], [], []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        drawn = [blur(truth, rng) for _ in range(5)]
        *each, found = likeness(shape, truth, *drawn, middle(shape, *drawn))
        single.append(np.mean(each))
        joint.append(found)
    assert np.mean(np.array(joint) > single) > 0.8
    assert 1 - np.mean(joint) < 0.8 * (1 - np.mean(single))


@areas
def test_clusters_are_kept_apart(shape):
    mark = TRUE[shape]
    far = move(mark, (400, 0))
    found = FAMILIES[shape].middle(table(mark, far, mark, far), np.array([0, 1, 0, 1]))
    assert len(found) == 2
    for expected, one in zip((mark, far), found.to_dict("records"), strict=True):
        assert likeness(shape, expected, one) == pytest.approx(1)


@pytest.mark.parametrize("case", ["dbscan IoU eps0.5 min2", "dbscan IoU eps0.5 min2 estimate"])
@pytest.mark.parametrize("shape", ["rectangle", "rotateRectangle", "polygon"])
def test_the_spread_is_that_of_zooniverse(golden, case, shape):
    data = golden("panoptes_aggregation_5.3.1.json")[case]["frame0"]
    drawn = np.array([data[f"T0_toolIndex0_rectangle_{name}"] for name in BOX], dtype=float).T
    centres = np.array([data[f"T0_toolIndex0_clusters_{name}"] for name in BOX], dtype=float).T
    clusters = np.array(data["T0_toolIndex0_cluster_labels"])
    for number, centre in enumerate(centres):
        members = drawn[clusters == number]
        apart = 1 - likeness(shape, *(as_shape(shape, *box) for box in [centre, *members]))
        sigma = np.sqrt((apart**2).sum() / (len(members) - 1))
        assert sigma == pytest.approx(data["T0_toolIndex0_clusters_sigma"][number])


def as_shape(shape, x, y, width, height):
    if shape == "polygon":
        return polygon((x, y), (x + width, y), (x + width, y + height), (x, y + height))
    return {"x": x, "y": y, "width": width, "height": height, "angle": 0}


@pytest.mark.parametrize("step", [0, 3, 20, 39.5, 41, 79, 81])
def test_circles_equal_ellipses_and_polygons_of_many_corners(step):
    rounds = [{"x": 0, "y": 0, "geometry": {"r": 50}}, {"x": step, "y": 0, "geometry": {"r": 30}}]
    ellipses = [{**one, "angle": 17, "geometry": dict.fromkeys(("rx", "ry"), one["geometry"]["r"])} for one in rounds]
    polygons = [star([one["geometry"]["r"]] * 400, one["x"]) for one in rounds]
    expected = likeness("circle", *rounds)
    assert likeness("ellipse", *ellipses) == pytest.approx(expected, abs=3e-5)
    assert likeness("polygon", *polygons) == pytest.approx(expected, abs=1e-4)


def test_the_shared_lens_of_two_circles():
    # Two circles of radius 1 through each other's middle share 2 pi / 3 - sqrt(3) / 2.
    lens = 2 * np.pi / 3 - np.sqrt(3) / 2
    found = likeness("circle", {"x": 0, "y": 0, "geometry": {"r": 1}}, {"x": 1, "y": 0, "geometry": {"r": 1}})
    assert found == pytest.approx(lens / (2 * np.pi - lens))


def test_ellipses_turn_their_own_way_in_each_classifier():
    old = {"x": 0, "y": 0, "angle": 30, "geometry": {"rx": 60, "ry": 10}}
    new = {"angle": -30, "geometry": {"x_center": 0, "y_center": 0, "rx": 60, "ry": 10}}
    upright = {"x": 0, "y": 0, "angle": 120, "geometry": {"rx": 10, "ry": 60}}
    assert likeness("ellipse", old, new, upright) == pytest.approx(1)
    # Its right end is above the middle, where y is less.
    end = {"x": 50, "y": -29, "angle": 0, "geometry": {"rx": 5, "ry": 5}}
    assert likeness("ellipse", old, end, {**end, "y": 29})[0] > 0
    assert likeness("ellipse", old, {**end, "y": 29})[0] == 0


def test_the_middle_ellipse_has_the_longer_radius_first_and_its_box():
    drawn = [{"x": 0, "y": 0, "angle": angle, "geometry": {"rx": 20, "ry": 60}} for angle in (88, 91, -90)]
    found = middle("ellipse", *drawn)
    assert found["geometry"] == pytest.approx({"x_center": 0, "y_center": 0, "rx": 60, "ry": 20})
    assert min(found["angle"], 180 - found["angle"]) == pytest.approx(0, abs=1e-9)
    assert [found[name] for name in BOX] == pytest.approx([-60, -20, 120, 40])


def test_a_circle_drawn_as_an_ellipse_has_no_direction():
    drawn = [{"x": 0, "y": 0, "angle": angle, "geometry": {"rx": 50, "ry": 50}} for angle in (10, 80, 130)]
    found = middle("ellipse", *drawn)
    assert (found["angle"], found["geometry"]["rx"], found["geometry"]["ry"]) == (0, 50, 50)


@pytest.mark.parametrize(
    ("drawn", "expected"),
    [
        ([(100, 20, 178), (100, 20, 2), (100, 20, 4)], (100, 20, 2)),
        ([(100, 20, -2), (20, 100, 90), (100, 20, 181)], (100, 20, 0)),
        ([(100, 20, 0), (100, 20, 0), (100, 20, 50)], (100, 20, 0)),
        ([(50, 48, 0), (48, 50, 0), (50, 48, 90), (48, 50, 90)], (49, 49, 0)),
        ([(50, 48, 1), (48, 50, 2), (50, 48, 3)], (50, 48, 2)),
    ],
)
def test_the_middle_of_rotated_rectangles_knows_their_axes(drawn, expected):
    def centred(width, height, angle):
        return {"x": -width / 2, "y": -height / 2, "width": width, "height": height, "angle": angle}

    found = middle("rotateRectangle", *(centred(*one) for one in drawn))
    assert found["width"] >= found["height"]
    assert 0 <= found["angle"] < 180
    assert likeness("rotateRectangle", found, centred(*expected))[0] > 0.95


def test_the_box_of_a_rotated_rectangle_turns_about_its_middle():
    lying = {"x": 0, "y": 40, "width": 100, "height": 20, "angle": 90}
    standing = {"x": 40, "y": 0, "width": 20, "height": 100, "angle": 0}
    assert likeness("rotateRectangle", lying, standing) == pytest.approx(1)


CROSSED = {
    "a bow tie": (polygon((0, 0), (10, 10), (10, 0), (0, 10)), 50),
    "gone around twice": (polygon(*[(0, 0), (10, 0), (10, 10), (0, 10)] * 2), 100),
    "gone around twice, closer": (
        polygon((0, 0), (10, 0), (10, 10), (0, 10), (0, 0), (1, 1), (9, 1), (9, 9), (1, 9), (1, 1)),
        100,
    ),
    "ends that cross": (polygon((0, 0), (10, 0), (10, 10), (0, 10), (0, -2), (2, -2)), 102),
    "a ring": (polygon((0, 0), (10, 0), (10, 10), (0, 10), (0, 0), (2, 2), (2, 8), (8, 8), (8, 2), (2, 2)), 64),
}


@pytest.mark.parametrize("name", CROSSED)
def test_all_that_a_crossed_outline_goes_around_is_inside(name):
    mark, area = CROSSED[name]
    assert FAMILIES["polygon"].valid(table(mark)).all()
    assert likeness("polygon", mark, square(-50, -50, 100))[0] == pytest.approx(area / 100**2)


@pytest.mark.parametrize(
    ("drawn", "expected"),
    [
        ([(0, 0), (2, 0), (50, 50)], {"x": 2, "y": 0, "width": 8, "height": 10}),
        ([(0, 0), (2, 0), (4, 0)], {"x": 2, "y": 0, "width": 10, "height": 10}),
        ([(0, 0), (4, 0)], {"x": 0, "y": 0, "width": 14, "height": 10}),
        ([(0, 0), (20, 0), (40, 0)], {"x": 0, "y": 0, "width": 10, "height": 10}),
    ],
)
def test_the_middle_polygon_is_what_half_of_them_cover(drawn, expected):
    found = middle("polygon", *(square(*corner) for corner in drawn))
    assert {name: found[name] for name in BOX} == pytest.approx(expected)


def test_where_nothing_is_shared_by_half_the_most_alike_is_the_middle():
    found = middle("polygon", square(0, 0), square(9, 0), square(18, 0), square(100, 0), square(200, 0))
    assert [found[name] for name in BOX] == pytest.approx([9, 0, 10, 10])


@pytest.mark.parametrize("name", CROSSED)
def test_the_middle_of_equal_outlines_is_the_outline_however_it_is_crossed(name):
    mark = CROSSED[name][0]
    assert likeness("polygon", mark, middle("polygon", mark), middle("polygon", mark, mark)) == pytest.approx(1)


def test_small_holes_and_parts_are_no_part_of_the_middle():
    hole = [(0, 0), (10, 0), (10, 10), (0, 10), (0, 0), (4, 4), (4, 5), (5, 5), (5, 4), (4, 4)]
    with_loop = polygon((0, 0), (10, 0), (10, 10), (0, 10), (0, -1), (1, -1))
    found = middle("polygon", polygon(*hole), with_loop, polygon(*hole), with_loop, square(0, 0))
    assert likeness("polygon", found, square(0, 0)) == pytest.approx(1)


@short
@given(
    st.lists(st.lists(st.floats(5, 80), min_size=7, max_size=7), min_size=1, max_size=6),
    st.integers(0, 1000),
)
def test_the_middle_polygon_equals_the_count_at_each_place(radii, seed):
    shapely = pytest.importorskip("shapely")
    turn = np.arange(7) * 2 * np.pi / 7
    regions = make_regions([np.column_stack([np.cos(turn), np.sin(turn)]) * np.array(r)[:, None] for r in radii])
    x, y = np.random.default_rng(seed).uniform(-80, 80, (2, 300))
    covered = sum(shapely.contains_xy(one, x, y).astype(int) for one in regions)
    # All hold the middle and are seen from there as a whole, so what half of them cover is one part without holes.
    assert (shapely.contains_xy(middle_region(regions)[0], x, y) == (2 * covered >= len(radii))).all()


def test_freehand_lines_are_closed_and_polygons_of_their_points():
    path = {"geometry": {"pathX": [0, 10, 10, 0], "pathY": [0, 0, 10, 10]}}
    assert likeness("freehandLine", path, square(0, 0)) == pytest.approx(1)
    found = middle("freehandLine", path, path)["geometry"]
    assert found["pathX"][0] == found["pathX"][-1]
    assert len(found["pathX"]) == len(found["pathY"]) == 5


@pytest.mark.parametrize("open_points", [0, 1])
def test_each_second_point_of_a_curve_bends_it(open_points):
    # A parabola over a chord of 2 with its control point 2 above rises to 1: it holds 4 / 3.
    points = [(-1, 0), (0, -2), (1, 0), (0, 0)][: 4 - open_points]
    parabola = polygon(*points)
    around = polygon((-10, -10), (0, -10), (10, -10), (10, 0), (10, 10), (0, 10), (-10, 10), (-10, 0))
    assert likeness("bezier", parabola, around)[0] * 400 == pytest.approx(4 / 3, rel=5e-3)
    assert likeness("bezier", parabola, middle("bezier", parabola, parabola)) == pytest.approx(1)


def test_marks_on_a_movie_are_gathered_at_the_median_moment():
    drawn = [{"x": x, "y": 5, "geometry": {"displayTime": t}} for x, t in ((1, 0.2), (3, 0.5), (8, 0.4))]
    family = FAMILIES["temporalPoint"]
    assert family.measure == "distance"
    assert family.times(table(*drawn)).tolist() == [0.2, 0.5, 0.4]
    found = middle("temporalPoint", *drawn)
    assert (found["x"], found["y"], found["geometry"]) == (3, 5, {"displayTime": 0.4})
    assert family.valid(table(drawn[0], {"x": 1, "y": 1})).tolist() == [True, False]


def test_marks_on_a_picture_have_no_moment():
    for shape in ("point", "rectangle", "circle", "ellipse", "polygon"):
        assert np.isnan(FAMILIES[shape].times(table({}, {}))).all()


BAD = [
    *((shape, {}) for shape in FAMILIES),
    ("point", {"x": 1, "y": np.inf}),
    ("circle", {"x": 1, "y": 1, "geometry": {"r": 0}}),
    ("circle", {"x": 1, "y": 1, "geometry": {"r": "9"}}),
    ("circle", {"x": 1, "y": 1, "geometry": {"r": True}}),
    ("circle", {"x": 1, "y": 1, "geometry": {"r": 10**400}}),
    ("circle", {"x": 1, "y": 1, "geometry": {"r": 1e300}}),
    ("ellipse", {"x": 1, "y": 1, "geometry": {"rx": 4, "ry": 4}}),
    ("ellipse", {"x": 1, "y": 1, "angle": 0, "geometry": {"rx": 4, "ry": -4}}),
    ("rotateRectangle", {"x": 1, "y": 1, "width": 4, "height": 4}),
    ("rotateRectangle", {"x": 1, "y": 1, "width": 4, "height": 0, "angle": 1}),
    ("polygon", {"geometry": {"points": []}}),
    ("polygon", {"geometry": {"points": "abc"}}),
    ("polygon", {"geometry": {"points": [1, 2, 3]}}),
    ("polygon", polygon((0, 0), (9, 9))),
    ("polygon", polygon((0, 0), (5, 5), (9, 9))),
    ("polygon", polygon((0, 0), (5, 0), (None, 9))),
    ("polygon", polygon((0, 0), (5, 0), (10**400, 9))),
    ("polygon", polygon((0, 0.5), (5, 0), (10**400, 9))),
    ("polygon", polygon((0, 0), (5, 0), ("9", 9))),
    ("polygon", polygon(([0, 1], [0, 1]), ([5, 5], [0, 1]), ([9, 8], [9, 8]))),
    ("polygon", polygon((0, 0), (1e300, 0), (0, 1e300))),
    ("freehandLine", {"geometry": {"pathX": [0, 9, 9], "pathY": [0, 0]}}),
    ("bezier", polygon((0, 0), (9, 9))),
]


@pytest.mark.parametrize(("shape", "bad"), BAD)
def test_what_is_no_shape_is_known_and_like_nothing(shape, bad):
    family = FAMILIES[shape]
    assert family.valid(table(bad)).tolist() == [False]
    if family.measure == "iou":
        assert family.likeness(table(bad, bad), np.array([0]), np.array([1])).tolist() == [0]


@pytest.mark.parametrize("shape", FAMILIES)
def test_no_marks_have_no_middles(shape):
    family, nothing = FAMILIES[shape], np.zeros(0, dtype=int)
    assert len(family.valid(table())) == len(family.times(table())) == 0
    assert len(family.likeness(table(), nothing, nothing)) == 0
    assert family.middle(table(), nothing).columns.tolist() == FORM


def test_without_shapely_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "shapely", None)
    assert likeness("circle", {"x": 0, "y": 0, "geometry": {"r": 1}}, {"x": 0, "y": 0, "geometry": {"r": 1}}) == [1]
    with pytest.raises(MissingExtra, match="zooniverse"):
        likeness("polygon", square(0, 0), square(1, 1))
