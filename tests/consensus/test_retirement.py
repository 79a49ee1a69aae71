import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.retirement import HALF, SEEDS, lower_bound, measure
from kso_utils.consensus import (
    ClipRule,
    InformationRule,
    VoteRule,
    fixed_rules,
    retirement,
    serengeti_rules,
    simulate_retirement,
)
from kso_utils.consensus.replay.history import build_history
from kso_utils.consensus.sight.presence import expit, fit_presence
from kso_utils.core.errors import ConfigError
from kso_utils.testing.crowd import simulate_crowd

CROWD = simulate_crowd(300, votes=(4, 12), seed=4)
RULES = {"fixed": fixed_rules(3), "serengeti": serengeti_rules(), "information": InformationRule()}
ANY = ClipRule(agreement=0.5, min_people=1)


def rows(*cast):
    """One row a choice: classification, subject, user, label."""
    return pd.DataFrame(cast, columns=["classification_id", "subject_id", "user", "label"])


def poll(*labels, subject=1):
    """One person for each label, in this order."""
    return rows(*[(100 * subject + n, subject, f"u{n}", label) for n, label in enumerate(labels)])


def one(simulation):
    assert len(simulation.subjects) == 1
    return simulation.subjects.iloc[0]


def test_votes_after_the_rule_fires_are_not_used():
    found = one(simulate_retirement(poll("crab", "crab", "cod", "cod", "cod"), fixed_rules(2), ANY))
    assert (found["votes"], found["used"], found["retired"], found["reason"]) == (5, 2, True, "classification_count")
    assert (found["labels"], found["labels_of_all"], found["changed"]) == ("crab", "cod", True)


def test_votes_are_taken_as_they_came_whoever_made_them():
    found = one(simulate_retirement(rows((7, 1, "ann", "crab"), (3, 1, "zoe", "cod")), fixed_rules(1), ANY))
    assert (found["used"], found["labels"]) == (1, "cod")


def test_totals_are_those_of_the_subjects():
    both = pd.concat([poll("crab", "crab", "cod", "cod", "cod"), poll(None, None, None, subject=2)])
    found = simulate_retirement(both, fixed_rules(2), ANY)
    assert (found.votes, found.used, found.saved, found.retired) == (8, 4, 0.5, 2)
    assert (found.changed, found.added, found.lost, found.agreement) == (1, 1, 1, 0.0)
    assert (found.f1, found.f1_of_all) == (None, None)


def test_labels_are_compared_with_the_truth():
    truth = pd.DataFrame({"subject_id": [1, 1, 7], "label": ["cod", "eel", "cod"]})
    found = simulate_retirement(poll("cod", "cod", "crab", "crab", "crab"), fixed_rules(2), ANY, truth)
    assert found.f1 == pytest.approx(2 / 3)
    assert found.f1_of_all == 0


def test_a_subject_in_which_nothing_is_has_no_error_where_nothing_is_agreed():
    truth = pd.DataFrame({"subject_id": [1], "label": [None]})
    found = simulate_retirement(poll(None, None), fixed_rules(1), ANY, truth)
    assert (found.f1, found.f1_of_all, found.agreement) == (1, 1, 1)


def test_somebody_who_comes_again_votes_once():
    cast = rows((1, 1, "ann", "cod"), (2, 1, "ann", "crab"), (3, 1, "bob", "cod"), (4, 1, "cat", "eel"))
    assert one(simulate_retirement(cast, fixed_rules(2), ANY))["labels"] == "cod"
    last = ClipRule(agreement=0.5, min_people=1, votes=VoteRule(repeats="last"))
    assert one(simulate_retirement(cast, fixed_rules(1), last))["labels"] == "crab"


def test_filters_of_the_rule_are_honoured():
    cast = poll("cod", "crab", "crab").assign(live=[False, True, True])
    assert one(simulate_retirement(cast, fixed_rules(1), ANY))[["votes", "labels"]].tolist() == [2, "crab"]


def judge_slowly(history, rule):
    """What `InformationRule` says after each look, look by look."""
    model, labels = fit_presence(history.votes), len(history.votes.labels)
    look, label = history.named()
    subject, position = history.subject, history.position
    for n in range(len(subject)):
        now = (subject[look] == subject[n]) & (position[look] <= position[n])
        odds = model.log_odds(np.arange(labels), np.bincount(label[now], minlength=labels), position[n] + 1)
        p, bits = expit(odds), model.expected_information(np.arange(labels), odds).sum()
        sure = np.all((p > rule.sureness) | (p < 1 - rule.sureness))
        reason = ("consensus" if (p > 0.5).any() else "nothing_here") if sure else "other"
        done = position[n] + 1 >= rule.min_people and (sure or bits < rule.least_bits)
        yield reason if done else None


@pytest.mark.parametrize(
    ("rule", "kinds"),
    [(InformationRule(min_people=3), 3), (InformationRule(0.99, 0), 3), (InformationRule(0.999, 0.2), 4)],
)
@pytest.mark.parametrize("block", [40, 10**6])
def test_information_is_that_of_each_look(monkeypatch, rule, kinds, block):
    monkeypatch.setattr(retirement, "_BLOCK", block)
    history = build_history(CROWD.rows, VoteRule())
    reasons = rule.fires(history).tolist()
    assert reasons == list(judge_slowly(history, rule))
    assert len(set(reasons)) == kinds


def test_a_subject_is_not_retired_before_its_labels_can_be_agreed():
    rule = ClipRule(agreement=0.5)
    found = simulate_retirement(CROWD.rows, InformationRule(min_people=rule.min_people), rule, CROWD.truth)
    assert found.subjects["used"].min() == rule.min_people
    assert found.f1 > 0.95


def test_where_votes_tell_nothing_a_subject_is_retired_without_consensus():
    said = np.random.default_rng(1).choice(["cod", None], 300).tolist()
    found = simulate_retirement(rows(*[(n, n // 3, f"u{n % 3}", said[n]) for n in range(300)]), InformationRule())
    assert found.subjects["reason"].eq("other").all()


votes = st.tuples(
    st.integers(1, 30),
    st.integers(1, 4),
    st.sampled_from(["ann", "bob", "cat", "dan", None]),
    st.sampled_from(["cod", "crab", "eel", None]),
)


@settings(derandomize=True, deadline=None, max_examples=20)
@given(st.lists(votes, max_size=40), st.randoms(use_true_random=False), st.sampled_from(list(RULES)))
def test_the_order_of_the_rows_does_not_matter(cast, random, name):
    mixed = list(cast)
    random.shuffle(mixed)
    found, again = (simulate_retirement(rows(*some), RULES[name], ANY) for some in (cast, mixed))
    pd.testing.assert_frame_equal(found.subjects, again.subjects)
    assert (found.used, found.added, found.lost) == (again.used, again.added, again.lost)


@settings(derandomize=True, deadline=None, max_examples=20)
@given(st.lists(votes, max_size=40))
def test_a_rule_that_never_fires_saves_nothing_and_changes_nothing(cast):
    found = simulate_retirement(rows(*cast), fixed_rules(1000), ANY)
    assert (found.saved, found.retired, found.changed, found.added, found.lost) == (0, 0, 0, 0, 0)
    assert found.used == found.votes
    assert found.agreement == 1
    assert found.subjects["reason"].isna().all()


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("agreed", ["cod", None])
def test_a_prediction_that_agrees_only_speeds_up(name, agreed):
    unanimous = pd.concat([CROWD.rows.replace({"label": "species 01"}, "cod"), poll(*[agreed] * 30, subject=9001)])
    seen = pd.DataFrame({"subject_id": [9001], "label": [agreed]})
    alone, helped = (
        simulate_retirement(unanimous, RULES[name], ANY, predictions=given).subjects.set_index("subject_id").loc[9001]
        for given in (None, seen)
    )
    assert helped["used"] <= alone["used"]
    assert helped["labels"] == alone["labels"]


@pytest.mark.parametrize(
    ("confidence", "labels"), [({}, "cod"), ({"confidence": [0.5]}, "cod"), ({"confidence": [0.49]}, "")]
)
def test_a_prediction_is_one_vote_that_costs_nothing(confidence, labels):
    seen = pd.DataFrame({"subject_id": [1], "label": ["cod"], **confidence})
    found = one(simulate_retirement(poll(None, None), fixed_rules(2), ANY, predictions=seen))
    assert (found["votes"], found["used"], found["labels"], found["labels_of_all"]) == (2, 1, labels, "")


def test_a_person_may_be_called_as_the_model_is():
    seen = pd.DataFrame({"subject_id": [1, 5], "label": ["cod", "cod"]})
    cast = poll("crab", "crab").replace({"user": "u0"}, "model")
    assert one(simulate_retirement(cast, fixed_rules(9), ANY, predictions=seen))["used"] == 2


def test_a_model_answers_every_task():
    seen = pd.DataFrame({"subject_id": [1], "label": ["cod"]})
    cast = poll(*["cod"] * 12).assign(task="T0")
    assert simulate_retirement(cast, serengeti_rules("T0"), ANY, predictions=seen).used == 9


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("predictions", [None, pd.DataFrame({"subject_id": [1], "label": ["cod"]})])
def test_no_votes_need_none(name, predictions):
    found = simulate_retirement(rows(), RULES[name], predictions=predictions)
    assert found.subjects.empty
    assert (found.votes, found.saved, found.agreement) == (0, 0, 1)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize(
    ("cast", "labels"),
    [
        (poll("cod"), "cod"),
        (poll(*[None] * 30), ""),
        (rows(*[(1, 1, "ann", "cod")] * 1000), "cod"),
        (poll(*["a fish, unknown"] * 3), "a fish, unknown"),
    ],
)
def test_odd_votes_are_replayed(name, cast, labels):
    found, twice = (one(simulate_retirement(some, RULES[name], ANY)) for some in (cast, pd.concat([cast, cast])))
    assert found["labels"] == found["labels_of_all"] == labels
    assert found.equals(twice)


@pytest.mark.parametrize(
    "wrong", [{"sureness": 0.5}, {"sureness": 1}, {"least_bits": -1}, {"least_bits": float("nan")}, {"min_people": 0}]
)
def test_a_rule_out_of_range_is_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        InformationRule(**wrong)


def test_a_rule_that_counts_classifications_is_refused():
    with pytest.raises(ConfigError, match="compat"):
        simulate_retirement(poll("cod"), fixed_rules(1), ClipRule(compat="kso"))


@pytest.mark.parametrize("rule", [ClipRule(method="dawid_skene"), ClipRule(method="gold")])
def test_labels_are_agreed_as_the_rule_says(rule):
    gold = CROWD.truth if rule.method == "gold" else None
    found = simulate_retirement(CROWD.rows, fixed_rules(5), rule, CROWD.truth, gold=gold)
    assert 0.85 < found.f1 < found.f1_of_all


@pytest.mark.parametrize("table", ["truth", "predictions"])
def test_a_missing_column_is_named(table):
    with pytest.raises(ConfigError, match="label"):
        simulate_retirement(poll("cod"), fixed_rules(1), **{table: pd.DataFrame({"subject_id": [1]})})


def test_information_saves_two_votes_of_five_at_equal_f1():
    saved = pd.concat([measure(seed, cases=(("half", HALF, 0.95),)) for seed in range(2)])["saved"]
    assert saved.mean() >= 0.4


@pytest.mark.soak
def test_information_saves_two_votes_of_five_over_twenty_seeds(record_figures):
    saved = pd.concat([measure(seed, cases=(("half", HALF, 0.95),)) for seed in range(SEEDS)])["saved"]
    record_figures("retirement", {"half_0.95_saved_low": lower_bound(saved)})
    assert lower_bound(saved) >= 0.4
