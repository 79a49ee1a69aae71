import math
from zlib import crc32

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.consensus import ClipRule, VoteRule, clips, find_truth, weigh_people
from kso_utils.consensus.clip_labels import COLUMNS, label_clips
from kso_utils.consensus.counting.intervals import credible_interval
from kso_utils.consensus.gold import PRIOR_DECISIONS
from kso_utils.consensus.votes import gather
from kso_utils.core.errors import ConfigError
from kso_utils.testing.crowd import simulate_crowd
from tests.consensus.polls import one, poll, rows

GOLD = ClipRule("gold", min_people=1)


def truth(*cast):
    return pd.DataFrame(cast, columns=["subject_id", "label"])


def at(subject, *said):
    """One row a choice of people at a subject: (user, label)."""
    table = rows(*[(crc32(f"{subject} {user}".encode()), user, label, None, None) for user, label in said])
    return table.assign(subject_id=subject)


def counts(table, gold):
    people = weigh_people(gather(table), gold)
    return {p.user: (p.right, p.asked) for p in people.itertuples()}


SAID = at(1, ("ann", "cod"), ("bob", "eel"), ("cat", "cod"), ("cat", "eel"), ("dan", None))


def test_each_label_that_is_there_or_that_anybody_named_is_a_decision():
    assert counts(SAID, truth((1, "cod"))) == {"ann": (2, 2), "bob": (0, 2), "cat": (1, 2), "dan": (1, 2)}


def test_where_nothing_is_whoever_names_nothing_is_right():
    for nothing in (None, math.nan):
        assert counts(SAID, truth((1, nothing))) == {"ann": (1, 2), "bob": (1, 2), "cat": (0, 2), "dan": (2, 2)}


def test_a_label_that_nobody_named_is_one_that_all_missed():
    found = counts(SAID, truth((1, "cod"), (1, "ray")))
    assert found == {"ann": (2, 3), "bob": (0, 3), "cat": (1, 3), "dan": (1, 3)}


def test_repeats_and_subjects_at_which_nobody_looked_count_for_nothing():
    gold = truth((1, "cod"), (1, "cod"), (1, None), (9, "ray"), (None, "cod"))
    assert counts(SAID, gold) == counts(SAID, truth((1, "cod")))


def test_a_person_weighs_the_log_odds_of_being_right():
    found = weigh_people(gather(pd.concat([SAID, at(2, ("eve", "ray"))])), truth((1, "cod"))).set_index("user")
    mean = (4 + 1) / (8 + 2)
    skill = (2 + PRIOR_DECISIONS * mean) / (2 + PRIOR_DECISIONS)
    assert found.loc["ann", ["skill", "weight"]].tolist() == pytest.approx([skill, math.log(skill / (1 - skill))])
    assert found.loc["bob", "weight"] == 0
    assert found.loc["eve", ["asked", "skill", "weight"]].tolist() == [0, mean, 0]


def test_who_was_never_tested_weighs_what_the_crowd_does():
    right = at(1, *[(f"u{i}", "cod") for i in range(9)])
    found = weigh_people(gather(pd.concat([right, at(2, ("eve", "ray"))])), truth((1, "cod"))).set_index("user")
    assert found.loc["eve", "weight"] == pytest.approx(math.log(10 / 1))
    assert found.loc["u0", "weight"] > found.loc["eve", "weight"]


def test_equal_weights_give_what_no_weights_give():
    votes = gather(simulate_crowd(60, seed=3).rows)
    plain = label_clips(votes, ClipRule(agreement=0.5))
    weighed = label_clips(votes, ClipRule("gold"), np.full(len(votes.people), 2.0))
    pd.testing.assert_frame_equal(plain, weighed)


def test_support_is_the_share_of_the_weights_and_its_interval_that_of_the_votes_they_are_worth():
    found = one(label_clips(gather(poll("cod", "eel")), GOLD, np.array([3.0, 1.0])))
    low, high = credible_interval([0.75 * 1.6], [1.6])
    assert found[["support", "support_low", "support_high"]].tolist() == pytest.approx([0.75, low[0], high[0]])
    assert found["agreed"]


def test_who_weighs_nothing_has_no_vote():
    cast = rows((1, "ann", "cod", 1, 1), (2, "bob", "cod", 9, 9), (2, "bob", "eel", 1, 1), (3, "cat", "cod", 1, 1))
    found = label_clips(gather(cast), GOLD, np.array([1.0, 0.0, 1.0]))
    assert found[["label", "votes", "people", "support", "how_many"]].values.tolist() == [["cod", 2, 2, 1.0, 1.0]]


def test_where_no_vote_weighs_anything_no_label_is_left():
    found = clips(SAID, GOLD, gold=truth((1, "ray")))
    assert found.empty
    assert {name: str(kind) for name, kind in found.dtypes.items()} == COLUMNS


def f1(found, there):
    said = set(found.loc[found["agreed"], ["subject_id", "label"]].itertuples(index=False, name=None))
    right = set(there[["subject_id", "label"]].itertuples(index=False, name=None))
    return 2 * len(said & right) / (len(said) + len(right))


@pytest.mark.parametrize("votes", [3, 5, 8])
def test_where_many_answer_by_chance_weights_find_more_of_what_is_there(votes):
    gain = []
    for seed in range(3):
        crowd = simulate_crowd(800, votes=votes, spammers=0.3, seed=seed)
        known = pd.DataFrame({"subject_id": np.arange(1, 201)}).merge(crowd.truth[["subject_id", "label"]], how="left")
        asked = crowd.truth.query("subject_id > 200")
        weighed, plain = clips(crowd.rows, GOLD, gold=known), clips(crowd.rows, ClipRule(agreement=0.5, min_people=1))
        gain.append(f1(weighed.query("subject_id > 200"), asked) - f1(plain.query("subject_id > 200"), asked))
    assert min(gain) > 0
    assert np.mean(gain) > 0.03


def test_people_who_answer_by_chance_weigh_little():
    crowd = simulate_crowd(800, spammers=0.3, seed=1)
    found = weigh_people(gather(crowd.rows), crowd.truth).merge(crowd.people, on="user").query("asked >= 30")
    assert found.loc[found["spam"], "weight"].max() < found.loc[~found["spam"], "weight"].median() / 2


choices = st.tuples(
    st.integers(1, 12), st.sampled_from(["ann", "bob", "cat", None]), st.sampled_from(["cod", "crab", None])
)


@settings(derandomize=True, deadline=None, max_examples=20)
@given(st.lists(choices, max_size=30), st.randoms(use_true_random=False), st.lists(st.integers(0, 30)))
def test_the_order_of_the_rows_and_their_parts_do_not_matter(cast, random, cuts):
    looked = poll("cod", "cod", "crab").assign(classification_id=[100, 101, 102])
    table = rows(*[(*choice, None, None) for choice in cast])
    table = pd.concat([table.assign(subject_id=table["classification_id"] % 3), looked], ignore_index=True)
    gold = truth((1, "cod"), (2, None))
    mixed = list(range(len(table)))
    random.shuffle(mixed)
    parts = [table.iloc[a:b] for a, b in zip([0, *sorted(cuts)], [*sorted(cuts), len(table)], strict=True)]
    found = clips(table, GOLD, gold=gold)
    assert found["support"].between(0, 1).all()
    assert (found["support_low"] <= found["support"]).all()
    assert (found["support"] <= found["support_high"]).all()
    for same in (table.iloc[mixed], parts, [table, table]):
        pd.testing.assert_frame_equal(found, clips(same, GOLD, gold=gold[::-1]))


def test_the_truth_is_what_more_than_half_of_the_experts_named():
    one_clip = at(1, ("ann", "cod"), ("bob", "cod"), ("bob", "eel"), ("cat", None))
    table = pd.concat([one_clip, at(2, ("ann", "ray"), ("bob", None)), at(3, ("ann", None))]).assign(gold_standard=True)
    others = at(1, ("dan", "eel"), ("eve", "eel")).assign(gold_standard=False)
    found = find_truth(pd.concat([table, others]))
    assert found.astype(object).where(found.notna(), None).values.tolist() == [[1, "cod"], [2, None], [3, None]]
    assert find_truth(others.assign(expert=True), VoteRule(experts="only")).values.tolist() == [[1, "eel"]]


def test_a_gold_standard_in_the_rows_tests_people():
    table = pd.concat([SAID.assign(gold_standard=False), at(1, ("boss", "cod")).assign(gold_standard=True)])
    assert counts(table, find_truth(table)) == counts(SAID, truth((1, "cod")))


@pytest.mark.parametrize(
    ("rule", "gold", "message"),
    [
        (GOLD, None, "needs a gold standard"),
        (ClipRule(), truth((1, "cod")), "no use for a gold standard"),
        (GOLD, truth((9, "cod")), "Nobody can be tested"),
        (GOLD, truth(), "Nobody can be tested"),
        (GOLD, truth((1, "cod")).drop(columns="label"), "label"),
        (GOLD, truth((1.5, "cod")), "whole numbers"),
    ],
)
def test_a_gold_standard_that_is_of_no_use_is_refused(rule, gold, message):
    with pytest.raises(ConfigError, match=message):
        clips(SAID, rule, gold=gold)
