import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.annotations.regions import iou
from kso_utils.consensus import MarkRule, boxes, marks
from kso_utils.consensus.counting.parts import Inline
from kso_utils.consensus.shapes import BOX_COLUMNS, MARK_COLUMNS
from kso_utils.core.errors import ConfigError, MissingExtra

LINKAGES = ("complete", "components", "matching")
ALL = {"agreement": 0, "label_agreement": 0, "min_people": 1}
FORM = ["x", "y", "width", "height", "angle"]


def rows(*cast, shape="point", **columns):
    """One row a mark: user, then x, y, width, height, angle, geometry as far as they are given."""
    filled = [(*mark, *(np.nan,) * (6 - len(mark)), None)[:7] for mark in cast]
    table = pd.DataFrame(filled, columns=["user", *FORM, "geometry"])
    number = pd.factorize(table["user"])[0] + 1
    return table.assign(
        **{"classification_id": number, "subject_id": 1, "frame": 0, "shape": shape, "label": "cod", **columns}
    )


def moments(*cast):
    """Points of a movie: user, x, y, displayTime."""
    table = rows(*[mark[:3] for mark in cast], shape="temporalPoint")
    return table.assign(geometry=[{"displayTime": mark[3]} for mark in cast])


def people(found):
    return sorted(found["people"].tolist())


@pytest.mark.parametrize(
    ("case", "rule"),
    [
        ("rectangle_reducer eps20 min2", MarkRule(iou=0.5, linkage="components", **ALL)),
        ("dbscan IoU eps0.5 min2", MarkRule(iou=0.5, linkage="components", **ALL)),
        ("dbscan IoU eps0.5 min2", MarkRule(iou=0.5, **ALL)),
    ],
)
def test_boxes_gather_as_in_panoptes_aggregation(golden, case, rule):
    """Panoptes takes the mean of each number, or the box with the least squared IoU distance; here it is the median."""
    data = golden("panoptes_aggregation_5.3.1.json")[case]["frame0"]
    stem = "T0_tool0_rec" if "T0_tool0_rec_x" in data else "T0_toolIndex0_rectangle"
    drawn = zip("aabbcc", *(data[f"{stem}_{name}"] for name in FORM[:4]), strict=True)
    found = boxes(rows(*drawn, shape="rectangle"), rule).query("people > 1")
    cluster = stem.removesuffix("_rec").removesuffix("_rectangle") + "_clusters"
    assert found["people"].tolist() == data[f"{cluster}_count"]
    theirs = np.column_stack([data[f"{cluster}_{name}"] for name in FORM[:4]])
    assert np.diag(iou(found[FORM[:4]], theirs)).min() > 0.9


def test_points_are_gathered_by_their_distance():
    found = marks(rows(("a", 10, 10), ("b", 14, 13), ("c", 13, 14), ("a", 90, 90)), MarkRule(distance_px=20))
    assert found[["x", "y", "people", "looked", "agreed"]].values.tolist() == [
        [13, 13, 3, 3, True],
        [90, 90, 1, 3, False],
    ]
    assert found.loc[0, "distance_px"] == pytest.approx((np.hypot(3, 3) + 1 + 1) / 3)
    assert found["iou_spread"].isna().all()


def test_points_as_far_apart_as_the_rule_says_are_one_animal():
    pair = rows(("a", 0, 0), ("b", 3, 4))
    assert people(marks(pair, MarkRule(distance_px=5))) == [2]
    assert people(marks(pair, MarkRule(distance_px=4.99))) == [1, 1]


def test_marks_at_other_moments_are_other_animals():
    drawn = moments(("a", 5, 5, 0.1), ("b", 5, 5, 0.14), ("c", 5, 5, 0.5))
    assert people(marks(drawn)) == [1, 2]
    assert people(marks(drawn, MarkRule(time=0.4))) == [3]


def test_chains_are_one_animal_only_for_components():
    chain = rows(*[(user, 20 * place, 0) for place, user in enumerate("abcdefgh")])
    assert people(marks(chain)) == [2, 2, 2, 2]
    assert people(marks(chain, MarkRule(linkage="components"))) == [8]


def test_of_a_persons_marks_in_a_chain_the_one_most_like_the_others_stays():
    drawn = rows(("a", 0, 0), ("a", 18, 0), ("b", 20, 0), ("c", 22, 0))
    found = marks(drawn, MarkRule(linkage="components"))
    assert found[["x", "people", "looked"]].values.tolist() == [[20, 3, 3]]
    assert found.loc[0, "distance_px"] == pytest.approx(4 / 3)


def test_matching_gives_up_the_nearest_pair_for_two_pairs():
    drawn = rows(("a", 0, 0), ("a", 25, 0), ("b", 10, 0), ("b", -20, 0))
    assert people(marks(drawn)) == [1, 1, 2]
    assert people(marks(drawn, MarkRule(linkage="matching"))) == [2, 2]


def test_people_with_as_many_marks_are_matched_by_name_whoever_comes_first():
    drawn = rows(*[(user, x, 0) for user, x in zip("cababc", (0, 30, 40, 60, 80, 110), strict=True)])
    found = marks(drawn, MarkRule(linkage="matching"))
    pd.testing.assert_frame_equal(marks(drawn[::-1], MarkRule(linkage="matching")), found)
    renamed = drawn.assign(user=drawn["user"].map({"a": "c", "b": "b", "c": "a"}))
    assert not marks(renamed, MarkRule(linkage="matching"))["x"].equals(found["x"])


def test_shapes_are_kept_apart():
    point = rows(("a", 10, 10), ("b", 10, 10))
    box = rows(("a", 5, 5, 10, 10), shape="rectangle")
    found = marks(pd.concat([box, point]))
    assert found[["shape", "people", "agreed"]].values.tolist() == [["point", 2, False], ["rectangle", 1, False]]
    assert marks(point, MarkRule(min_people=2))["agreed"].tolist() == [True]


def test_a_shape_that_cannot_be_gathered_leaves_its_maker_in_the_denominator():
    line = rows(("b", 1, 1), shape="line")
    assert marks(pd.concat([rows(("a", 1, 1)), line]))[["people", "looked"]].values.tolist() == [[1, 2]]


def test_all_shapes_have_their_own_middle():
    outline = {"points": [{"x": x, "y": y} for x, y in ((0, 0), (40, 0), (40, 30), (0, 30))]}
    drawn = [
        rows(*[(user, 50, 60, None, None, None, {"r": 10}) for user in "abc"], shape="circle"),
        rows(*[(user, 50, 60, None, None, 20, {"rx": 30, "ry": 10}) for user in "abc"], shape="ellipse"),
        rows(*[(user, 5, 5, 40, 20, 15) for user in "abc"], shape="rotateRectangle"),
        rows(*[(user, None, None, None, None, None, outline) for user in "abc"], shape="polygon"),
        moments(*[(user, 1, 2, 0.5) for user in "abc"]),
    ]
    found = marks(pd.concat(drawn)).set_index("shape")
    assert found.index.tolist() == ["circle", "ellipse", "polygon", "rotateRectangle", "temporalPoint"]
    assert (found["people"] == 3).all()
    assert found["iou_spread"].dropna().tolist() == pytest.approx([1, 1, 1, 1])
    assert str(found.loc["temporalPoint", "distance_px"]) == "0.0"
    assert found.loc["polygon", FORM[:4]].tolist() == [0, 0, 40, 30]
    assert found.loc["temporalPoint", "geometry"]["displayTime"] == 0.5


def test_a_geometry_may_be_json_text():
    drawn = rows(*[(user, 50, 60, None, None, None, {"r": 10}) for user in "abc"], ("d", 50, 60), shape="circle")
    texts = drawn.assign(geometry=['{"r": 10}'] * 3 + ["{"])
    assert marks(texts)[["people", "looked"]].values.tolist() == [[3, 4]]
    pd.testing.assert_frame_equal(marks(texts), marks(drawn))


mixed = st.tuples(
    st.integers(1, 3),
    st.sampled_from("abcd"),
    st.sampled_from(["point", "rectangle", "circle", "ellipse", "temporalPoint", "line"]),
    st.sampled_from(["cod", "crab", None]),
    *[st.sampled_from([0, 2, 5, 9, None])] * 2,
    *[st.sampled_from([0, 4, 6])] * 2,
)


def mix(cast):
    table = pd.DataFrame(cast, columns=["subject_id", "user", "shape", "label", "x", "y", "width", "height"])
    number = table.groupby(["subject_id", "user"]).ngroup() + 1
    geometry = [
        {"r": w, "rx": w, "ry": h, "displayTime": w / 10} for w, h in zip(table["width"], table["height"], strict=True)
    ]
    return table.assign(classification_id=number, geometry=geometry, angle=0.0, frame=0)


@pytest.mark.parametrize("linkage", LINKAGES)
@settings(derandomize=True, deadline=None, max_examples=12)
@given(st.lists(mixed, max_size=30), st.randoms(use_true_random=False))
def test_neither_order_nor_repeats_nor_parts_nor_other_subjects_matter(linkage, cast, random):
    rule, table = MarkRule(linkage=linkage, distance_px=4, **ALL), mix(cast)
    found = marks(table, rule)
    order = [*range(len(table)), *range(len(table))]
    random.shuffle(order)
    pd.testing.assert_frame_equal(marks(table.iloc[order], rule), found)
    pd.testing.assert_frame_equal(marks([table[:7], table[7:]], rule), found)
    apart = [marks(part, rule) for _, part in table.groupby("subject_id")]
    pd.testing.assert_frame_equal(pd.concat([found[:0], *apart], ignore_index=True).astype(MARK_COLUMNS), found)


@settings(derandomize=True, deadline=None, max_examples=12)
@given(st.lists(mixed, max_size=30))
def test_boxes_are_the_rectangles_among_marks(cast):
    found = marks(mix(cast)).query("shape == 'rectangle'")[list(BOX_COLUMNS)]
    pd.testing.assert_frame_equal(boxes(mix(cast)), found.reset_index(drop=True))


@pytest.mark.parametrize("linkage", LINKAGES)
@pytest.mark.parametrize(("animals", "crew"), [(20, 10), (1000, 1)])
def test_crowded_frames(linkage, animals, crew):
    rng = np.random.default_rng(0)
    places = np.column_stack([np.arange(animals) % 40, np.arange(animals) // 40]) * 100 + rng.uniform(
        0, 4, (animals, 2)
    )
    drawn = [(f"u{n:02d}", *(place + rng.normal(0, 2, 2)), 60, 50) for n in range(crew) for place in places]
    found = boxes(rows(*drawn, shape="rectangle"), MarkRule(linkage=linkage, min_people=2))
    assert found["people"].tolist() == [crew] * animals
    assert found["agreed"].all() == (crew > 1)


@pytest.mark.parametrize("empty", [[], rows(), rows(("a",)), rows(("a", 1, 1), label=None), rows(("a", np.inf, 1))])
def test_nothing_marked_gives_an_empty_table_with_the_columns(empty):
    found = marks(empty)
    assert found.empty
    assert {name: str(kind) for name, kind in found.dtypes.items()} == MARK_COLUMNS


def test_only_outlines_need_shapely(monkeypatch):
    monkeypatch.setitem(sys.modules, "shapely", None)
    plain = pd.concat([rows(("a", 5, 5, 9, 9), shape="rectangle"), rows(("a", 5, 5)), moments(("a", 1, 1, 0.5))])
    assert len(marks(plain)) == 3
    with pytest.raises(MissingExtra, match="shapely"):
        marks(rows(("a", 5, 5, 9, 9, 30), ("b", 5, 5, 9, 9, 30), shape="rotateRectangle"))


def test_the_published_rule_counts_in_one_process():
    with pytest.raises(ConfigError, match="client"):
        boxes(rows(("a", 5, 5, 9, 9)), MarkRule(compat="kso"), client=Inline())


def test_marks_outside_the_picture_are_kept_as_drawn():
    found = boxes(rows(("a", -50, -40, 20, 10), shape="rectangle"))
    assert found[FORM[:4]].values.tolist() == [[-50, -40, 20, 10]]


@pytest.mark.parametrize(
    "wrong",
    [{"distance_px": 0}, {"distance_px": np.inf}, {"distance_px": np.nan}, {"time": 1.5}, {"linkage": "single"}],
)
def test_a_rule_out_of_range_is_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        MarkRule(**wrong)
