import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.consensus.sight.presence import Presence, entropy_bits, expit, fit_presence, logit
from kso_utils.consensus.votes import gather
from kso_utils.testing.crowd import simulate_crowd

ONE = Presence(np.array([0.2]), np.array([0.8]), np.array([0.05]))
COD = np.zeros(1, dtype=np.int64)


def votes_of(named):
    """Votes in which (subjects, people) say whether they named cod."""
    subject, person = np.indices(named.shape).reshape(2, -1)
    label = np.where(named.ravel(), "cod", None)
    rows = {"classification_id": np.arange(named.size), "subject_id": subject, "user": person.astype(str)}
    return gather(pd.DataFrame(rows).assign(label=label))


def entropy(p):
    return sum(-q * np.log2(q) for q in (p, 1 - p) if q > 0)


def test_the_odds_are_bayes_rule():
    there, not_there = 0.2 * 0.8**2 * 0.2, 0.8 * 0.05**2 * 0.95
    assert expit(ONE.log_odds(COD, 2, 3)) == pytest.approx(there / (there + not_there))


rates = st.tuples(st.floats(0.01, 0.99), st.floats(0.02, 0.99), st.floats(0.01, 0.98))


@settings(derandomize=True, deadline=None, max_examples=100)
@given(rates)
def test_expected_information_is_the_mutual_information_of_presence_and_vote(case):
    p, sensitivity, share = case
    false_alarm = sensitivity * share
    joint = np.array([[p * sensitivity, p * (1 - sensitivity)], [(1 - p) * false_alarm, (1 - p) * (1 - false_alarm)]])
    expected = (joint * np.log2(joint / np.outer(joint.sum(1), joint.sum(0)))).sum()
    model = Presence(np.array([p]), np.array([sensitivity]), np.array([false_alarm]))
    odds = np.array([logit(p)])
    assert model.expected_information(COD, odds)[0] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("p", [1e-9, 0.05, 0.5, 0.7, 1 - 1e-9])
def test_entropy_of_yes_and_no(p):
    assert entropy_bits(np.array([logit(p)]))[0] == pytest.approx(entropy(p), rel=1e-6)


def test_what_is_certain_has_no_entropy():
    assert entropy_bits(np.array([-np.inf, np.inf, 800.0])).tolist() == [0, 0, 0]


def expected_votes(odds, most, sureness=0.95):
    """How many more votes it takes, going through every course of events."""
    if most == 0 or abs(odds) >= logit(sureness):
        return 0.0
    p = expit(odds)
    yes = p * 0.8 + (1 - p) * 0.05
    further = (odds + np.log(0.8 / 0.05), odds + np.log(0.2 / 0.95))
    return 1 + yes * expected_votes(further[0], most - 1) + (1 - yes) * expected_votes(further[1], most - 1)


@pytest.mark.parametrize("most", [1, 2, 7])
@pytest.mark.parametrize("odds", [-4.0, -1.3, 0.0, 0.4, 2.9, 3.1])
def test_votes_until_sure_equal_all_courses_of_events(odds, most):
    assert ONE.votes_until(COD, np.array([odds]), 0.95, most)[0] == pytest.approx(expected_votes(odds, most))


def test_a_crowd_that_sees_nothing_is_never_sure():
    blind = Presence(np.array([0.5]), np.array([0.3]), np.array([0.3 - 1e-9]))
    assert blind.votes_until(COD, np.zeros(1), 0.95, 9).tolist() == [9]


@pytest.mark.parametrize(
    ("sensitivity", "false_alarm", "prior"), [(0.9, 0.02, 0.3), (0.35, 0.02, 0.2), (0.9, 0.3, 0.5), (0.6, 0.05, 0.05)]
)
def test_the_rates_of_a_crowd_are_found(sensitivity, false_alarm, prior):
    rng = np.random.default_rng(1)
    there = rng.random(2000) < prior
    found = fit_presence(votes_of(rng.random((2000, 6)) < np.where(there, sensitivity, false_alarm)[:, None]))
    assert found.prior == pytest.approx([prior], abs=0.03)
    assert found.sensitivity == pytest.approx([sensitivity], abs=0.05)
    assert found.false_alarm == pytest.approx([false_alarm], abs=0.03)


def test_single_looks_teach_nothing_about_errors():
    found = fit_presence(votes_of(np.arange(100)[:, None] % 3 == 0))
    assert found.sensitivity == pytest.approx([0.8])
    assert found.false_alarm == pytest.approx([0.05])


def test_probabilities_are_calibrated():
    crowd = simulate_crowd(3000, votes=3, seed=5)
    votes = gather(crowd.rows)
    model = fit_presence(votes)
    shape = (len(votes.subject_ids), len(votes.labels))
    yes, there = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=bool)
    np.add.at(yes, (votes.choice_subject, votes.choice_label), 1)
    place = pd.Index(votes.labels).get_indexer(crowd.truth["label"])
    there[np.searchsorted(votes.subject_ids, crowd.truth["subject_id"]), place] = True
    told = expit(model.log_odds(np.broadcast_to(np.arange(shape[1]), shape), yes, 3))
    group = np.digitize(told, [0.05, 0.25, 0.75]).ravel()
    off = np.bincount(group, (told - there).ravel()) / np.bincount(group)
    assert np.abs(off).max() < 0.04


@pytest.mark.parametrize("named", [np.zeros((0, 1), dtype=bool), np.zeros((4, 3), dtype=bool)])
def test_no_labels_have_no_rates(named):
    assert len(fit_presence(votes_of(named)).prior) == 0


@pytest.mark.parametrize("named", [np.ones((1, 1), dtype=bool), np.ones((50, 9), dtype=bool)])
def test_unanimous_people_leave_the_rates_inside_0_and_1(named):
    found = fit_presence(votes_of(named))
    assert 0 < found.false_alarm[0] < found.sensitivity[0] < 1
    assert 0 < found.prior[0] < 1
