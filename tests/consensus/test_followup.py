import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.consensus import ClipRule, clips, find_settled, find_unsure
from kso_utils.consensus.followup import MOST_VOTES, SETTLED_COLUMNS, UNSURE_COLUMNS
from kso_utils.consensus.sight.presence import fit_presence, logit
from kso_utils.consensus.votes import gather
from kso_utils.core.errors import ConfigError
from kso_utils.testing.crowd import simulate_crowd

CROWD = simulate_crowd(400, votes=6, seed=3)
HALF = ClipRule(agreement=0.5)


def rows(*cast):
    """One row a choice: classification, subject, user, label."""
    return pd.DataFrame(cast, columns=["classification_id", "subject_id", "user", "label"])


def poll(*labels, subject=9001):
    """One person for each label."""
    return rows(*[(10**6 + n, subject, f"u{n}", label) for n, label in enumerate(labels)])


def among_others(*polls):
    """Polls beside those of a crowd, from which the rates are learned."""
    return pd.concat([CROWD.rows, *polls], ignore_index=True)


def unsure(*labels, rule=HALF):
    found = find_unsure(among_others(poll(*labels)), rule)
    found = found[found["subject_id"] == 9001]
    return found.iloc[0] if len(found) else None


def repeat(label, times, people):
    return [label] * times + [None] * (people - times)


@pytest.mark.parametrize(
    ("labels", "label", "reason"),
    [
        (repeat("species 01", 2, 2), "species 01", "too few looked: 2 of 3"),
        (repeat("species 01", 2, 6), "species 01", "no agreement: 2 of 6 named species 01"),
    ],
)
def test_why_a_subject_is_unsure(labels, label, reason):
    found = unsure(*labels)
    assert (found["label"], found["reason"]) == (label, reason)


def test_a_label_that_nobody_named_may_have_been_missed():
    found = unsure(None, rule=ClipRule(min_people=1))
    assert found["label"] == "species 01"
    assert found["votes"] == 0
    assert found["reason"] == "may be missed: none of 1 named species 01"


@pytest.mark.parametrize(
    ("rule", "labels", "reason"),
    [
        (ClipRule(agreement=0.8), repeat("species 01", 7, 10), "probably there, but not agreed: 7 of 10 named"),
        (ClipRule(agreement=0.05), repeat("species 01", 1, 10), "agreed, but probably not there: 1 of 10 named"),
    ],
)
def test_where_the_rule_says_other_than_what_is_sure_no_vote_helps(rule, labels, reason):
    found = unsure(*labels, rule=rule)
    assert found["reason"] == f"{reason} species 01"
    assert found["votes_needed"] == 0


@pytest.mark.parametrize("labels", [repeat("species 01", 6, 6), repeat("species 01", 0, 6), ["species 01"] * 3])
def test_agreement_is_settled(labels):
    assert unsure(*labels) is None


def test_numbers_of_the_most_doubtful_label():
    found = unsure(*repeat("species 01", 2, 6))
    assert (found["votes"], found["people"], found["support"]) == (2, 6, pytest.approx(1 / 3))
    assert found["support_low"] < 1 / 3 < found["support_high"]
    assert 0.05 < found["probability"] < 0.95
    assert 0 < found["information"] < 3
    assert 1 <= found["votes_needed"] <= MOST_VOTES


def test_a_subject_needs_at_least_the_people_of_the_rule():
    assert unsure("species 01", rule=ClipRule(min_people=8))["votes_needed"] >= 7


def test_votes_needed_are_those_of_the_label_that_needs_most_named_or_not():
    crowd = simulate_crowd(200, votes=(1, 6), labels=5, skills=(0.3, 0.9), seed=2)
    found = find_unsure(crowd.rows, ClipRule(agreement=0.5, min_people=1))
    votes = gather(crowd.rows)
    model, named = fit_presence(votes), np.zeros((len(votes.subject_ids), 5), dtype=int)
    np.add.at(named, (votes.choice_subject, votes.choice_label), 1)
    label, looked = np.indices(named.shape)[1], np.broadcast_to(votes.looked[:, None], named.shape)
    odds = model.log_odds(label, named, looked)
    needed = model.votes_until(label.ravel(), odds.ravel(), 0.95, MOST_VOTES).reshape(named.shape).max(axis=1)
    place = np.searchsorted(votes.subject_ids, found["subject_id"])
    assert found["votes_needed"].to_numpy() == pytest.approx(needed[place])
    assert found["information"].to_numpy() == pytest.approx(model.expected_information(label, odds).sum(axis=1)[place])


def test_the_one_at_which_a_look_tells_most_comes_first():
    found = find_unsure(CROWD.rows, HALF)
    assert found["information"].is_monotonic_decreasing
    assert len(found) > 20
    pd.testing.assert_frame_equal(find_unsure(CROWD.rows, HALF, limit=5), found.head(5))


def judge_slowly(rows, rule, sureness=0.95):
    """Subject, most doubtful label, bits and votes needed of each unsure subject, label by label."""
    votes, told = gather(rows), clips(rows, rule)
    model, agreed = fit_presence(votes), set(told[told["agreed"]].set_index(["subject_id", "label"]).index)
    every = np.arange(len(votes.labels))
    for place, subject in enumerate(votes.subject_ids.tolist()):
        named = np.bincount(votes.choice_label[votes.choice_subject == place], minlength=len(every))
        people = int(votes.looked[place])
        odds = model.log_odds(every, named, people)
        bits, unsure = model.expected_information(every, odds), np.abs(odds) < logit(sureness)
        differs = ~unsure & ((odds > 0) != [(subject, label) in agreed for label in votes.labels])
        if people < rule.min_people or unsure.any() or differs.any():
            worst = max(every, key=lambda n: (unsure[n], differs[n], bits[n]))
            needed = model.votes_until(every, odds, sureness, MOST_VOTES).max()
            yield subject, votes.labels[worst], bits.sum(), max(needed, rule.min_people - people)


@pytest.mark.parametrize("rule", [HALF, ClipRule(agreement=0.8, min_people=1), ClipRule(agreement=0, min_people=1)])
def test_the_unsure_are_those_of_each_label(rule):
    crowd = simulate_crowd(200, votes=(1, 7), labels=4, seed=6)
    found = find_unsure(crowd.rows, rule).sort_values("subject_id", ignore_index=True)
    expected = pd.DataFrame(
        judge_slowly(crowd.rows, rule), columns=["subject_id", "label", "information", "votes_needed"]
    )
    pd.testing.assert_frame_equal(found[list(expected)], expected, check_dtype=False)


def test_settled_labels_are_as_right_as_they_say():
    crowd = simulate_crowd(3000, votes=(3, 8), seed=2)
    found = find_settled(crowd.rows, HALF)
    there = crowd.truth.sort_values("label").groupby("subject_id")["label"].agg(", ".join)
    right = found["subject_id"].map(there).fillna("") == found["labels"]
    assert len(found) > 1000
    assert right.mean() == pytest.approx(found["probability"].mean(), abs=0.02)
    assert set(found.loc[found["labels"] == "", "reason"]) == {"nothing_here"}
    assert set(found.loc[found["labels"] != "", "reason"]) == {"consensus"}


def test_more_sureness_settles_less():
    sizes = [len(find_settled(CROWD.rows, HALF, sureness)) for sureness in (0.6, 0.95, 0.999)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > sizes[2]


votes = st.tuples(
    st.integers(1, 30),
    st.integers(1, 4),
    st.sampled_from(["ann", "bob", "cat", "dan", None]),
    st.sampled_from(["cod", "crab", "eel", None]),
)


@settings(derandomize=True, deadline=None, max_examples=20)
@given(st.lists(votes, max_size=40), st.randoms(use_true_random=False), st.sampled_from(["share", "plurality"]))
def test_every_subject_is_either_unsure_or_settled_whatever_the_order(cast, random, method):
    rule, mixed = ClipRule(method=method, min_people=2), list(cast)
    random.shuffle(mixed)
    found, rest = find_unsure(rows(*cast), rule), find_settled(rows(*cast), rule)
    assert sorted([*found["subject_id"], *rest["subject_id"]]) == sorted({subject for _, subject, _, _ in cast})
    pd.testing.assert_frame_equal(found, find_unsure(rows(*mixed), rule))
    pd.testing.assert_frame_equal(rest, find_settled(rows(*mixed), rule))


@pytest.mark.parametrize(("find", "columns"), [(find_unsure, UNSURE_COLUMNS), (find_settled, SETTLED_COLUMNS)])
@pytest.mark.parametrize("cast", [rows(), poll("cod"), poll(None, None, None), poll(*["cod"] * 9)])
def test_the_columns_are_always_the_same(find, columns, cast):
    assert {name: str(kind) for name, kind in find(cast).dtypes.items()} == columns


def test_where_no_label_was_ever_named_only_people_can_be_missing():
    both = pd.concat([poll(None, None, None, subject=1), poll(None, subject=2)])
    found = find_unsure(both).iloc[0]
    assert (found["subject_id"], found["votes_needed"], found["reason"]) == (2, 2, "too few looked: 1 of 3")
    assert pd.isna(found["label"])
    assert find_settled(both)["subject_id"].tolist() == [1]


@pytest.mark.parametrize("extra", [CROWD.rows, pd.concat([CROWD.rows.tail(1)] * 1000)])
def test_the_same_rows_again_change_nothing(extra):
    again = pd.concat([CROWD.rows, extra])
    pd.testing.assert_frame_equal(find_unsure(again, HALF), find_unsure(CROWD.rows, HALF))


@pytest.mark.parametrize("find", [find_unsure, find_settled])
@pytest.mark.parametrize("sureness", [0.5, 1.0, float("nan")])
def test_a_sureness_out_of_range_is_refused(find, sureness):
    with pytest.raises(ConfigError, match="sureness"):
        find(poll("cod"), sureness=sureness)


def test_the_probability_is_that_of_the_method():
    rule = ClipRule(method="dawid_skene")
    told = clips(CROWD.rows, rule).set_index(["subject_id", "label"])["probability"]
    found = find_unsure(CROWD.rows, rule).query("votes > 0").set_index(["subject_id", "label"])["probability"]
    assert len(found) > 10
    pd.testing.assert_series_equal(found, told.loc[found.index])


def test_votes_weigh_what_they_are_worth():
    rule = ClipRule(method="gold")
    found = find_unsure(CROWD.rows, rule, gold=CROWD.truth)
    rest = find_settled(CROWD.rows, rule, gold=CROWD.truth)
    assert len(found) + len(rest) == 400
    with pytest.raises(ConfigError, match="gold"):
        find_unsure(CROWD.rows, rule)


@pytest.mark.parametrize("find", [find_unsure, find_settled])
def test_a_rule_that_counts_classifications_is_refused(find):
    with pytest.raises(ConfigError, match="compat"):
        find(poll("cod"), ClipRule(compat="kso"))


def test_a_missing_column_is_named():
    with pytest.raises(ConfigError, match="user"):
        find_unsure(poll("cod").drop(columns="user"))
