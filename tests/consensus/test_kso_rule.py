import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.consensus import ClipRule, VoteRule, clips
from kso_utils.consensus.clip_labels import COLUMNS, label_clips
from kso_utils.consensus.votes import gather
from kso_utils.core.errors import ConfigError
from tests.consensus.polls import golden_rows, one, poll, rows

KEPT = ["subject_id", "label", "votes", "people", "support", "how_many", "first_seen_s"]


def kso(agreement=0.8, min_people=3, **more):
    return ClipRule(agreement=agreement, min_people=min_people, compat="kso", **more)


def keep_slowly(table, agreement, min_people):
    """The published rule, step by step."""
    table = table.dropna(subset="label").fillna({"how_many": 0, "first_seen_s": 0})
    looks = table.groupby("subject_id")["classification_id"]
    table = table.assign(people=looks.transform("nunique"))
    table = table[table["people"] >= min_people]
    by_label = table.groupby(["subject_id", "label"])
    table = table.assign(
        votes=by_label["classification_id"].transform("nunique"),
        how_many=by_label["how_many"].transform("median").astype(int),
        first_seen_s=by_label["first_seen_s"].transform("median").astype(int),
    )
    table["support"] = table["votes"] / table["people"]
    kept = table[table["support"] >= agreement].drop_duplicates(["subject_id", "label"])
    return kept[KEPT].sort_values(["subject_id", "label"], ignore_index=True)


def agreed(table, rule):
    found = clips(table, rule).query("agreed")
    return found[KEPT].sort_values(["subject_id", "label"], ignore_index=True)


@pytest.mark.parametrize(("agreement", "min_people"), [(0.8, 3), (0.6, 3), (0.5, 2), (0.8, 1)])
def test_the_published_rule_gives_the_published_rows(golden, agreement, min_people):
    found = clips(golden_rows(golden), kso(agreement, min_people)).query("agreed")
    found = found.assign(class_n_agg=found.groupby("subject_id")["label"].transform("size"))
    kept = pd.DataFrame(golden("kso_rule.json")[f"labels agg_users={agreement} min_users={min_people}"])
    kept = kept.sort_values(["subject_ids", "label"])
    names = ["subject_id", "label", "how_many", "first_seen_s", "people", "votes", "support", "class_n_agg"]
    assert found.sort_values(["subject_id", "label"])[names].values.tolist() == kept.values.tolist()


choices = st.tuples(
    st.integers(1, 9),
    st.sampled_from(["ann", "bob", None]),
    st.sampled_from(["cod", "crab", "eel", None]),
    st.sampled_from([None, 1, 2, 5]),
    st.sampled_from([None, 0, 3.5, 9]),
)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(
    st.lists(choices, max_size=25), st.sampled_from([0.2, 0.5, 0.8]), st.integers(1, 3), st.lists(st.integers(0, 25))
)
def test_any_rows_give_what_the_steps_give(cast, agreement, min_people, cuts):
    table = rows(*cast)
    table["subject_id"] = table["classification_id"] % 3
    expected = keep_slowly(table, agreement, min_people)
    parts = [table.iloc[a:b] for a, b in zip([0, *sorted(cuts)], [*sorted(cuts), len(table)], strict=True)]
    for given_rows in (table, table[::-1], parts):
        pd.testing.assert_frame_equal(
            agreed(given_rows, kso(agreement, min_people)), expected, check_dtype=False, check_column_type=False
        )


def test_the_order_of_the_rows_does_not_move_a_bit():
    labels = np.repeat([*"abcdefghijk"], [1, 2, 3, 5, 7, 11, 13, 17, 19, 23, 29])
    table = poll(*labels)
    mixed = table.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(clips(mixed, kso()), clips(table, kso()), check_exact=True)


def test_classifications_count_where_people_should():
    again = rows((1, "ann", "cod", 1, 1), (2, "ann", "cod", 1, 1), (3, "ann", "cod", 1, 1), (4, "bob", "eel", 1, 1))
    found = one(clips(again, kso()))
    assert (found["votes"], found["people"]) == (3, 4)


def test_classifications_without_a_label_are_not_in_the_denominator():
    found = one(clips(poll("cod", "cod", "cod", None, None), kso()))
    assert (found["people"], found["agreed"]) == (3, True)


def test_no_filter_is_at_work():
    table = poll("cod", "cod", "cod").assign(live=False, seen_before=True, gold_standard=True)
    assert one(clips(table, kso()))["votes"] == 3


def test_the_rule_says_which_classifications_it_counts():
    rule = kso(votes=VoteRule(tasks=("T4",)))
    assert rule.votes == VoteRule(
        live_only=False, skip_seen_before=False, gold_standard="keep", experts="keep", tasks=("T4",)
    )
    table = poll("cod", "cod", "eel").assign(task=["T4", "T4", "T0"])
    assert clips(table, rule)["label"].tolist() == ["cod"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"method": "plurality"}, "plurality"),
        ({"compat": "k21"}, "k21"),
        ({"votes": VoteRule(repeats="last", users=("ann",))}, "repeats, users"),
        ({"votes": VoteRule(since="2024-05-01")}, "since"),
        ({"votes": VoteRule(gold_standard="only")}, "gold_standard"),
    ],
)
def test_what_the_published_rule_never_had_is_refused(wrong, message):
    with pytest.raises(ConfigError, match=message):
        ClipRule(**{"compat": "kso", **wrong})


def test_it_takes_no_gold_standard_and_no_votes():
    with pytest.raises(ConfigError, match="no use for a gold standard"):
        clips(poll("cod"), kso(), gold=pd.DataFrame({"subject_id": [1], "label": ["cod"]}))
    with pytest.raises(ConfigError, match="counts classifications"):
        label_clips(gather(poll("cod")), kso())


@pytest.mark.parametrize("empty", [poll(), poll(None, None, None), []])
def test_no_labels_give_an_empty_table_with_the_columns(empty):
    found = clips(empty, kso())
    assert found.empty
    assert {name: str(kind) for name, kind in found.dtypes.items()} == COLUMNS


def test_answers_that_are_no_numbers_are_zero():
    found = one(clips(poll("cod").drop(columns="first_seen_s").assign(how_many="many"), kso()))
    assert (found["how_many"], found["first_seen_s"]) == (0, 0)
    assert np.isnan(found["how_many_spread"])
