import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.consensus import ClipRule, clips
from kso_utils.consensus.clip_labels import COLUMNS
from kso_utils.consensus.intervals import credible_interval
from kso_utils.core.errors import ConfigError


def rows(*cast):
    """One row a choice: classification, user, label, how many, first seen."""
    table = pd.DataFrame(cast, columns=["classification_id", "user", "label", "how_many", "first_seen_s"])
    return table.assign(subject_id=1)


def poll(*labels):
    """One person for each label."""
    return rows(*[(i, f"u{i}", label, None, None) for i, label in enumerate(labels)])


def one(frame, label="cod"):
    found = frame[frame["label"] == label]
    assert len(found) == 1
    return found.iloc[0]


def golden_rows(golden):
    table = pd.DataFrame(golden("kso_rule.json")["labels_input"])
    return table.rename(columns={"subject_ids": "subject_id", "user_name": "user", "first_seen": "first_seen_s"})


@pytest.mark.parametrize(
    ("agreement", "min_people"),
    [(0.8, 3), (0.6, 3), (0.5, 2), (0.8, 1)],
)
def test_the_published_rule_keeps_the_same_labels(golden, agreement, min_people):
    found = clips(golden_rows(golden), ClipRule(agreement=agreement, min_people=min_people)).query("agreed")
    kept = golden("kso_rule.json")[f"labels agg_users={agreement} min_users={min_people}"]
    expected = {(k["subject_ids"], k["label"]): (k["class_n"], k["n_users"], k["aggreg"]) for k in kept}
    assert {(r.subject_id, r.label): (r.votes, r.people, r.support) for r in found.itertuples()} == expected


def test_a_missing_answer_is_not_zero(golden):
    cod = clips(golden_rows(golden)).query("subject_id == 3 and label == 'COD'").iloc[0]
    assert cod["first_seen_s"] == 6
    assert cod["how_many"] == 2.5


def test_blanks_stay_in_the_denominator():
    found = one(clips(poll("cod", "cod", "cod", None, None)))
    assert (found["votes"], found["people"], found["support"], found["agreed"]) == (3, 5, 0.6, False)


def test_one_person_three_times_is_one_vote():
    again = rows(*[(i, "ann", "cod", None, None) for i in range(3)], (9, "bob", None, None, None))
    found = one(clips(again))
    assert (found["votes"], found["people"]) == (1, 2)


def test_a_thousand_marks_of_one_person_are_one_vote():
    found = one(clips(rows(*[(1, "ann", "cod", 2, 1)] * 1000)))
    assert (found["votes"], found["people"], found["agreed"]) == (1, 1, False)


def test_answers_do_not_leak_from_one_label_to_another():
    found = clips(rows((1, "ann", "cod", 7, 3), (1, "ann", "crab", None, None)))
    assert np.isnan(one(found, "crab")[["how_many", "first_seen_s"]].astype(float)).all()


def test_medians_are_over_people_who_answered():
    found = one(
        clips(rows((1, "a", "cod", 1, 9), (2, "b", "cod", 2, None), (3, "c", "cod", 7, 1), (4, "d", "cod", None, None)))
    )
    assert (found["how_many"], found["first_seen_s"]) == (2, 5)


def test_answers_may_be_missing_as_columns_or_be_text():
    found = clips(poll("cod").drop(columns="first_seen_s").assign(how_many="many"))
    assert np.isnan(found.loc[0, ["how_many", "first_seen_s"]].astype(float)).all()


def test_too_few_people_agree_on_nothing():
    assert not one(clips(poll("cod", "cod")))["agreed"]


def test_agreement_at_the_threshold_is_enough():
    assert one(clips(poll("cod", "cod", "cod", "cod", None)))["agreed"]


@pytest.mark.parametrize("empty", [poll(), poll(None, None, None)])
def test_no_labels_give_an_empty_table_with_the_columns(empty):
    found = clips(empty)
    assert found.empty
    assert {name: str(kind) for name, kind in found.dtypes.items()} == COLUMNS


def test_a_single_vote():
    found = one(clips(poll("cod")))
    assert (found["votes"], found["people"], found["support"], found["evenness"]) == (1, 1, 1.0, 0.0)


def test_the_leading_label_comes_first():
    assert clips(poll("eel", "cod", "cod", "bass"))["label"].tolist() == ["cod", "bass", "eel"]


@pytest.mark.parametrize("case", ["unanimous", "mixed", "two species"])
def test_evenness_and_votes_equal_the_plurality_method(golden, case):
    data = golden("plurality.json")[case]
    cast = [(i, f"u{i}", label, n, None) for i, said in enumerate(data["input"]) for label, n in said]
    found = clips(rows(*cast))
    assert dict(zip(found["label"], found["votes"], strict=True)) == data["output"]["votes"]
    assert found["evenness"].tolist() == pytest.approx([data["output"]["evenness"]] * len(found))


def test_people_are_counted_not_choices(golden):
    choices = golden("panoptes_aggregation_5.3.1.json")["survey_reducer 3 users, user1 reported 2 species"]
    found = clips(
        rows(
            (1, "u1", "cod", 1, None), (1, "u1", "crab", 2, None), (2, "u2", "cod", 1, None), (3, "u3", "cod", 3, None)
        )
    )
    assert dict(zip(found["label"], found["votes"], strict=True)) == {c["choice"]: c["choice_count"] for c in choices}
    assert set(found["people"]) == {3}


def test_the_interval_equals_published_values():
    """Jeffreys intervals of Brown, Cai & DasGupta 2001, table 1; one-sided ones are quantiles of Beta(1/2, n + 1/2)."""
    low, high = credible_interval([1, 4, 15, 0, 10], [10, 10, 30, 10, 10])
    assert low == pytest.approx([0.011, 0.153, 0.328, 0, 0.829], abs=1e-3)
    assert high == pytest.approx([0.381, 0.696, 0.672, 0.171, 1], abs=1e-3)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_share(case):
    votes, people = np.array([case[0]]), np.array([case[1]])
    low, high = credible_interval(votes, people)
    assert 0 <= low[0] <= case[0] / case[1] <= high[0] <= 1


votes = st.tuples(
    st.integers(1, 12),
    st.sampled_from(["ann", "bob", "cat", "dan", None]),
    st.sampled_from(["cod", "crab", "eel", None]),
    st.sampled_from([None, 1, 2, 5]),
    st.sampled_from([None, 0, 3, 9]),
)


@settings(derandomize=True, deadline=None, max_examples=20)
@given(st.lists(votes, max_size=30), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(cast, random):
    mixed = list(cast)
    random.shuffle(mixed)
    pd.testing.assert_frame_equal(clips(rows(*cast)), clips(rows(*mixed)))


@settings(derandomize=True, deadline=None, max_examples=20)
@given(st.lists(votes, min_size=1, max_size=30))
def test_shares_and_counts_stay_in_range(cast):
    found = clips(rows(*cast))
    assert (found["votes"].between(1, found["people"])).all()
    assert found["evenness"].between(0, 1).all()
    assert (found["support_low"] <= found["support"]).all()
    assert (found["support"] <= found["support_high"]).all()


@pytest.mark.parametrize("wrong", [{"agreement": 1.2}, {"agreement": math.nan}, {"agreement": -0.1}, {"min_people": 0}])
def test_a_rule_out_of_range_is_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        ClipRule(**wrong)
