import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.consensus import chain, fast_boxes, make_groups, make_rows, scan_all, slow_boxes
from kso_utils.annotations.regions import iou
from kso_utils.consensus import MarkRule, VoteRule, boxes, marks
from kso_utils.consensus.shapes import BOX_COLUMNS
from kso_utils.core.errors import ConfigError

BOX = ["x", "y", "width", "height"]


def rows(*cast, label="cod"):
    """One row a mark: user, x, y, width, height; one classification a person."""
    table = pd.DataFrame(cast, columns=["user", *BOX])
    number = pd.factorize(table["user"])[0] + 1
    return table.assign(classification_id=number, subject_id=1, frame=0, shape="rectangle", label=label)


def looked(table, *users):
    """Add people who looked and drew nothing."""
    blank = pd.DataFrame({"user": users, "classification_id": range(900, 900 + len(users)), "subject_id": 1})
    return pd.concat([table, blank], ignore_index=True)


def golden_rows(data):
    return rows(*[(f"u{u}", *box) for u, box in zip(data["users"], data["boxes_xywh"], strict=True)])


@pytest.mark.parametrize(
    ("case", "rule"),
    [
        ("boxes default obj.5 eps.7 iua.4", MarkRule()),
        ("boxes eps.3", MarkRule(iou=0.7)),
        ("boxes iua.8", MarkRule(agreement=0.8)),
        ("boxes iua.67", MarkRule(agreement=0.67)),
    ],
)
def test_people_who_draw_a_box_each_agree_as_under_the_published_rule(golden, case, rule):
    data = golden("kso_rule.json")
    found = boxes(golden_rows(data["boxes_input"]), rule).query("agreed")
    assert found[BOX].values.tolist() == data[case]["boxes"]


@pytest.mark.parametrize(
    ("case", "rule"),
    [
        ("boxes default obj.5 eps.7 iua.4", {}),
        ("boxes eps.3", {"iou": 0.7}),
        ("boxes iua.8", {"agreement": 0.8}),
        ("boxes iua.67", {"agreement": 0.67}),
    ],
)
def test_the_published_rule_itself_gives_the_same_boxes(golden, case, rule):
    data = golden("kso_rule.json")
    found = boxes(golden_rows(data["boxes_input"]), MarkRule(compat="kso", **rule)).query("agreed")
    assert found[BOX].values.tolist() == data[case]["boxes"]


def test_the_published_rule_counts_the_boxes_of_one_person_as_votes(golden):
    data = golden("kso_rule.json")
    drawn = [data["boxes_input"]["boxes_xywh"][place] for place in (0, 1, 2, 3, 5)]
    table = golden_rows({"users": [1, 1, 1, 2, 3], "boxes_xywh": drawn})
    expected = data["boxes one user x3 counts as 3 votes"]
    assert boxes(table, MarkRule(compat="kso")).query("agreed")[BOX].values.tolist() == expected["boxes"]
    assert not boxes(table)["agreed"].any()


@pytest.mark.parametrize(("agreement", "agreed"), [(0.6, True), (0.61, False)])
def test_the_published_rule_has_blank_classifications_in_the_denominator_of_the_label(agreement, agreed):
    drawn = looked(rows(*[(user, 5, 5, 20, 20) for user in "abc"]), "d", "e")
    found = boxes(drawn, MarkRule(compat="kso", agreement=1, label_agreement=agreement))
    assert found[["people", "looked", "support", "agreed"]].values.tolist() == [[3, 3, 1, agreed]]


def test_the_published_rule_chains_boxes_and_cuts_them_to_whole_numbers():
    chain = rows(*[(f"u{i}", 40 * i + 0.9, -0.9, 100.7, 100.2) for i in range(8)], label="cod (Gadus morhua)")
    found = boxes(pd.concat([chain, chain]), MarkRule(compat="kso"))
    assert found[["label", *BOX, "people"]].values.tolist() == [["cod", 140, 0, 100, 100, 8]]


def test_the_published_rule_counts_classifications_not_people():
    twice = rows(*[("ann", 5, 5, 20, 20)] * 3).assign(classification_id=[1, 2, 3])
    assert boxes(twice, MarkRule(compat="kso")).loc[0, ["people", "looked", "agreed"]].tolist() == [3, 3, True]
    more = rows(*[("ann", 5, 5, 20 + i, 20) for i in range(3)])
    found = boxes(more, MarkRule(compat="kso", min_people=1))
    assert found.loc[0, ["people", "looked", "support"]].tolist() == [3, 1, 1]
    assert found.loc[0, ["support_low", "support_high"]].isna().all()


def test_the_published_rule_knows_rectangles_alone():
    table = pd.concat([rows(("a", 5, 5, 20, 20)), rows(("a", 5, 5, 20, 20)).assign(shape="ellipse")])
    assert marks(table, MarkRule(compat="kso", min_people=1))["shape"].tolist() == ["rectangle"]
    assert boxes(rows(), MarkRule(compat="kso")).empty


@pytest.mark.parametrize(
    ("name", "value"), [("linkage", "matching"), ("time", 0.2), ("distance_px", 5), ("votes", VoteRule(users=("ann",)))]
)
def test_what_the_published_rule_never_had_is_refused(name, value):
    with pytest.raises(ConfigError, match="users" if name == "votes" else name):
        MarkRule(compat="kso", **{name: value})


def test_boxes_of_few_among_many_who_looked_are_not_agreed(golden):
    few = golden_rows(golden("kso_rule.json")["boxes_input"]).query("user == 'u1'")
    found = boxes(looked(few, *[f"p{i}" for i in range(9)]))
    assert not found["agreed"].any()
    assert found["support"].tolist() == [0.1, 0.1]


def test_three_boxes_of_one_person_are_one_person(golden):
    data = golden("kso_rule.json")["boxes_input"]
    found = boxes(golden_rows({**data, "users": [1, 1, 1, 2, 3, 4]}))
    assert found["people"].max() == 2
    assert not found[found["x"] < 100]["agreed"].any()


def test_a_chain_of_boxes_is_not_one_animal():
    found = boxes(rows(*[(f"u{i}", 40 * i, 0, 100, 100) for i in range(8)]))
    assert len(found) == 4
    assert found["people"].max() == 2


def test_people_who_drew_nothing_lower_the_support():
    found = boxes(looked(rows(("a", 0, 0, 9, 9), ("b", 0, 0, 9, 9)), "c", "d"))
    assert found.loc[0, ["people", "looked", "support"]].tolist() == [2, 4, 0.5]


def test_the_label_must_have_been_drawn_by_enough():
    drawn = looked(rows(("a", 0, 0, 9, 9), ("b", 0, 0, 9, 9)), "c", "d", "e")
    assert not boxes(drawn).loc[0, "agreed"]
    assert boxes(drawn, MarkRule(label_agreement=0.4)).loc[0, "agreed"]


def test_labels_and_frames_are_kept_apart():
    a, b = rows(("a", 0, 0, 9, 9)), rows(("b", 0, 0, 9, 9), label="crab").assign(classification_id=2)
    found = boxes(pd.concat([a, b, a.assign(frame=1)]))
    assert found[["frame", "label", "people"]].values.tolist() == [[0, "cod", 1], [0, "crab", 1], [1, "cod", 1]]


def test_the_spread_is_one_where_all_drew_the_same():
    assert boxes(rows(*[(u, 5, 5, 20, 20) for u in "abc"])).loc[0, "iou_spread"] == pytest.approx(1)


def test_the_spread_is_the_mean_iou_with_the_median_box():
    drawn = [(0, 0, 10, 10), (0, 0, 12, 10), (0, 0, 14, 10)]
    found = boxes(rows(*[(u, *b) for u, b in zip("abc", drawn, strict=True)]))
    assert found.loc[0, "iou_spread"] == pytest.approx(iou(drawn, [[0, 0, 12, 10]]).mean())


@pytest.mark.parametrize("bad", [(5, 5, 0, 9), (5, 5, 9, -1), (np.nan, 5, 9, 9), (5, np.inf, 9, 9), (5, 5, "wide", 9)])
def test_a_mark_that_is_no_box_leaves_its_maker_in_the_denominator(bad):
    found = boxes(rows(("a", 5, 5, 9, 9), ("b", *bad)))
    assert found[["people", "looked"]].values.tolist() == [[1, 2]]


def test_other_shapes_are_no_boxes():
    assert boxes(rows(("a", 5, 5, 9, 9)).assign(shape="ellipse")).empty


@pytest.mark.parametrize("rule", [MarkRule(), MarkRule(compat="kso")])
def test_labels_that_are_numbers_are_read_as_text(rule):
    assert boxes(rows(("a", 5, 5, 9, 9), label=3.0), rule)["label"].tolist() == ["3"]


def test_shape_and_frame_may_be_missing():
    plain = rows(("a", 5, 5, 9, 9), ("b", 5, 5, 9, 9))
    assert boxes(plain.drop(columns=["shape", "frame"])).equals(boxes(plain.assign(shape=None, frame=np.nan)))


@pytest.mark.parametrize("empty", [rows(), looked(rows(), "a", "b"), rows(("a", 5, 5, 0, 0))])
def test_nothing_drawn_gives_an_empty_table_with_the_columns(empty):
    found = boxes(empty)
    assert found.empty
    assert {name: str(kind) for name, kind in found.dtypes.items()} == BOX_COLUMNS


def test_a_thousand_marks_of_one_person_agree_on_nothing():
    found = boxes(rows(*[("a", 5 + i / 1000, 5, 90, 90) for i in range(1000)]))
    assert len(found) == 1000
    assert not found["agreed"].any()


def test_a_missing_column_is_named():
    with pytest.raises(ConfigError, match="width"):
        boxes(rows(("a", 5, 5, 9, 9)).drop(columns="width"))


def draw(animals, people, rng, miss=0.1, noise=0.06):
    """Return the marks of people who miss some animals and draw each edge with an error."""
    cast = [(f"u{p}", np.nan, np.nan, np.nan, np.nan) for p in range(people)]
    for p in range(people):
        for x, y, w, h in animals:
            if rng.random() >= miss:
                left, right = np.array([x, x + w]) + rng.normal(0, noise * w, 2)
                top, bottom = np.array([y, y + h]) + rng.normal(0, noise * h, 2)
                cast.append((f"u{p}", left, top, right - left, bottom - top))
    return rows(*cast)


def shifted(overlap):
    """Return two boxes of 100 x 60 with the given IoU, one beside the other."""
    return [(100.0, 100.0, 100.0, 60.0), (100.0 + 100 * (1 - overlap) / (1 + overlap), 100.0, 100.0, 60.0)]


@pytest.mark.parametrize(
    ("overlap", "seeds", "most_wrong"),
    [(0.0, 8, 1), (0.2, 8, 1), (0.4, 8, 1), *(pytest.param(o / 10, 40, 3, marks=pytest.mark.soak) for o in range(5))],
)
def test_two_animals_that_overlap_stay_two(overlap, seeds, most_wrong):
    truth = shifted(overlap)
    assert iou(truth, truth)[0, 1] == pytest.approx(overlap)
    right, likeness = 0, []
    for seed in range(seeds):
        found = boxes(draw(truth, 5, np.random.default_rng(seed)), MarkRule(agreement=0.6)).query("agreed")
        best = iou(truth, found[BOX]).max(axis=1) if len(found) else np.zeros(2)
        right += len(found) == 2
        likeness += best.tolist()
    assert right >= seeds - most_wrong
    assert np.mean(likeness) >= 0.83


def test_two_animals_that_overlap_stay_two_where_nobody_misses_one():
    for overlap in (0.1, 0.3, 0.4):
        for seed in range(4):
            found = boxes(draw(shifted(overlap), 5, np.random.default_rng(seed), miss=0), MarkRule(agreement=0.6))
            assert found["agreed"].sum() == 2


def test_one_animal_is_one_box():
    one_animal = [(50.0, 60.0, 80.0, 40.0)]
    counts = [boxes(draw(one_animal, 5, np.random.default_rng(s), miss=0))["agreed"].sum() for s in range(20)]
    assert np.mean(np.array(counts) == 1) >= 0.95


drawn = st.tuples(
    st.sampled_from("abcde"), st.integers(0, 30), st.integers(0, 30), st.integers(0, 25), st.integers(0, 25)
)


@settings(derandomize=True, deadline=None, max_examples=20)
@given(st.lists(drawn, max_size=25), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(cast, random):
    table = rows(*cast)
    order = list(range(len(table)))
    random.shuffle(order)
    pd.testing.assert_frame_equal(boxes(table), boxes(table.iloc[order]))


def test_boxes_equal_the_rule_written_row_by_row():
    table = make_rows(15, seed=4)
    assert len(fast_boxes(table, MarkRule())) >= 40
    assert fast_boxes(table, MarkRule()) == slow_boxes(table, MarkRule())


@pytest.mark.parametrize("eps", [0.3, 0.5, 0.7])
def test_chains_of_boxes_equal_dbscan(eps):
    groups = make_groups(60, seed=2)
    assert chain(groups, 1 - eps).tolist() == scan_all(groups, eps).tolist()


@pytest.mark.parametrize(
    "wrong", [{"iou": 0}, {"iou": 1.1}, {"agreement": 2}, {"label_agreement": -1}, {"min_people": 0}]
)
def test_a_rule_out_of_range_is_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        MarkRule(**wrong)
