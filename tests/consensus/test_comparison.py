import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.consensus import ClipRule, clips, compare, subjects
from kso_utils.core.errors import ConfigError
from kso_utils.testing.crowd import simulate_crowd

MEASURES = ("precision", "recall", "f1", "how_many_error", "how_many_bias")


def table(*cast):
    """One row a subject and label: subject, label, how many."""
    return pd.DataFrame([(*row, None)[:3] for row in cast], columns=["subject_id", "label", "how_many"])


def label(found, name):
    row = found.labels[found.labels["label"] == name]
    assert len(row) == 1
    return row.iloc[0]


def average(found, name):
    return found.overall.set_index("average").loc[name]


def test_precision_recall_and_f1_of_a_label():
    people = table((1, "cod"), (2, "cod"), (3, "cod"), (4, "eel"))
    found = label(compare(people, table((1, "cod"), (2, "cod"), (3, None), (4, "cod"), (4, "cod"))), "cod")
    assert found[["experts", "agreed", "both"]].tolist() == [3, 3, 2]
    assert found[["precision", "recall", "f1"]].tolist() == pytest.approx([2 / 3, 2 / 3, 2 / 3])


def test_overall_is_over_all_labels_or_the_mean_of_them():
    people = table((1, "cod"), (2, "cod"), (3, "cod"), (4, "eel"), (5, "ray"))
    found = compare(people, table((1, "cod"), (2, "cod"), (3, "cod"), (4, "crab"), (5, "ray")))
    assert average(found, "micro")[["precision", "recall", "f1"]].tolist() == pytest.approx([0.8, 0.8, 0.8])
    # Nobody agreed on a crab and no expert saw an eel, so that crabs have no precision, and eels no recall.
    assert average(found, "macro")[["precision", "recall", "f1"]].tolist() == pytest.approx([2 / 3, 2 / 3, 0.5])
    assert np.isnan(label(found, "crab")["precision"])
    assert np.isnan(label(found, "eel")["recall"])


def test_only_subjects_that_both_saw_count():
    people, experts = table((1, "cod"), (2, "cod"), (3, "eel")), table((1, "cod"), (8, "cod"), (9, None))
    found = compare(people, experts)
    assert (found.subjects, found.only_people, found.only_experts) == (1, 2, 2)
    assert average(found, "micro")["f1"] == 1
    assert found.labels["label"].tolist() == ["cod"]


def test_what_nobody_named_is_missed_where_it_is_known_that_people_looked():
    people, experts = table((1, "cod")), table((1, "cod"), (2, "cod"))
    looked = pd.DataFrame({"subject_id": [1, 2]})
    assert label(compare(people, experts), "cod")["recall"] == 1
    assert label(compare(people, experts, looked), "cod")["recall"] == 0.5


def test_what_is_not_agreed_was_looked_at_but_not_found():
    people = table((1, "cod"), (2, "cod"), (3, "eel")).assign(agreed=[True, False, False])
    found = compare(people, table((1, "cod"), (2, "cod"), (3, None)))
    assert found.subjects == 3
    assert label(found, "cod")[["precision", "recall"]].tolist() == [1, 0.5]
    assert found.labels["label"].tolist() == ["cod"]


def test_counts_are_compared_where_both_counted_what_both_found():
    people = table((1, "cod", 3), (2, "cod", 5), (3, "cod", None), (4, "cod", 9), (5, "cod", 1))
    found = label(compare(people, table((1, "cod", 5), (2, "cod", 4), (3, "cod", 4), (4, None), (5, "cod"))), "cod")
    assert found[["counted", "how_many_error", "how_many_bias"]].tolist() == [2, 1.5, -0.5]


def test_a_label_named_twice_is_there_once_with_the_median_of_its_counts():
    found = label(compare(table((1, "cod", 3)), table((1, "cod", 2), (1, "cod", 8), (1, None))), "cod")
    assert found[["experts", "both", "how_many_bias"]].tolist() == [1, 1, -2]


@pytest.mark.parametrize(
    ("people", "experts"), [([], []), ([(1, "cod")], []), ([], [(1, None)]), ([(1, None)], [(1, None)])]
)
def test_nothing_to_compare_gives_no_numbers(people, experts):
    found = compare(table(*people), table(*experts))
    assert found.labels.empty
    assert found.overall["average"].tolist() == ["micro", "macro"]
    assert found.overall.drop(columns="average").isna().all(axis=None)
    full = compare(table((1, "cod", 1)), table((1, "cod", 1)))
    assert found.labels.dtypes.to_dict() == full.labels.dtypes.to_dict()


def test_a_wrong_table_is_named():
    good = table((1, "cod"))
    with pytest.raises(ConfigError, match=r"experts.*label"):
        compare(good, good.drop(columns="label"))
    with pytest.raises(ConfigError, match=r"agreed.*subject_id"):
        compare(good.drop(columns="subject_id"), good)
    with pytest.raises(ConfigError, match="whole numbers"):
        compare(good, good.assign(subject_id="a"))
    with pytest.raises(ConfigError, match="draws"):
        compare(good, good, draws=-1)


findings = st.lists(
    st.tuples(st.integers(1, 6), st.sampled_from(["cod", "crab", "eel", None]), st.sampled_from([None, 1.0, 2.0, 5.0])),
    max_size=15,
)


@settings(derandomize=True, deadline=None, max_examples=20)
@given(findings, findings, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(people, experts, random):
    mixed = [random.sample(side, len(side)) for side in (people, experts)]
    one, two = compare(table(*people), table(*experts), draws=20), compare(*(table(*side) for side in mixed), draws=20)
    pd.testing.assert_frame_equal(one.labels, two.labels)
    pd.testing.assert_frame_equal(one.overall, two.overall)


def coverage(samples, draws):
    """How many intervals of samples of 150 subjects hold the measures of all, from whom they were taken."""
    crowd = simulate_crowd(150 * samples, votes=3, people=400, seed=2)
    agreed = clips(crowd.rows, ClipRule(agreement=0.6))
    nothing = pd.DataFrame({"subject_id": np.setdiff1d(crowd.rows["subject_id"], crowd.truth["subject_id"])})
    sides = agreed, pd.concat([crowd.truth, nothing]), subjects(crowd.rows)
    true = average(compare(*sides, draws=0), "micro")
    parts = zip(*(side.groupby((side["subject_id"] - 1) // 150) for side in sides), strict=True)
    found = [average(compare(*(part for _, part in three), draws=draws), "micro") for three in parts]
    assert len(found) == samples
    return {name: np.mean([f[f"{name}_low"] <= true[name] <= f[f"{name}_high"] for f in found]) for name in MEASURES}


def test_the_intervals_hold_the_measures_of_all_subjects():
    assert all(0.87 <= share <= 1 for share in coverage(60, 200).values())


@pytest.mark.soak
def test_the_intervals_hold_as_much_as_they_say():
    held = coverage(1000, 500)
    assert all(0.93 <= held[name] <= 0.97 for name in ("precision", "recall", "f1")), held
    # Few counts differ at all, and some by much: 90 of them are few for an interval.
    assert all(0.91 <= held[name] <= 0.97 for name in ("how_many_error", "how_many_bias")), held


def test_draws_can_be_repeated_and_left_out():
    crowd = simulate_crowd(200, seed=1)
    agreed = clips(crowd.rows)
    one, two, other = (compare(agreed, crowd.truth, seed=seed).overall for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(one, two)
    assert not one.equals(other)
    none = compare(agreed, crowd.truth, draws=0).overall
    assert none.filter(regex="_low|_high").isna().all(axis=None)
    assert none["f1"].tolist() == one["f1"].tolist()
