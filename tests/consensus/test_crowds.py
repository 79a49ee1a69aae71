"""The ways of agreeing on simulated people: `benchmarks.crowds` in short, and as a whole."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.crowds import NAMES, SEEDS, SUBJECTS, gain, lower_bound, score, study

METHODS = [("dawid_skene", "plurality"), ("plurality", "kso"), ("plurality", "kso_nothing")]


def test_a_score_counts_pairs_of_clip_and_label():
    found = pd.DataFrame(
        [(1, "cod", 0.9, True), (1, "ray", 0.2, False), (2, "cod", 0.6, True)],
        columns=["subject_id", "label", "probability", "agreed"],
    ).assign(support=np.nan)
    known = pd.DataFrame([(1, "cod"), (1, "ray"), (3, "eel")], columns=["subject_id", "label"])
    got = score(found, known)
    assert (got.recall, got.precision, got.f1) == pytest.approx((1 / 3, 1 / 2, 2 / 5))
    assert got.brier == pytest.approx((0.1**2 + 0.8**2 + 0.6**2) / 3)
    assert got.calibration == pytest.approx((0.1 + 0.8 + 0.6) / 3)


def test_the_lower_bound_is_that_of_students_t():
    assert lower_bound([1.0, 2.0, 3.0]) == pytest.approx(2 - 4.302653 / np.sqrt(3))


@pytest.mark.parametrize("votes", [3, 5, 8])
def test_each_method_is_no_worse_than_the_one_before(votes):
    scores = [study(votes, seed, subjects=500) for seed in range(3)]
    assert set(scores[0]) == set(NAMES)
    for better, worse in METHODS:
        assert np.mean(gain(scores, better, worse)) >= (-0.005 if votes == 3 else 0)
    off = {method: np.mean([each[method].calibration for each in scores]) for method in NAMES}
    assert off["dawid_skene"] < 0.05 < off["plurality"]


@pytest.mark.soak
@pytest.mark.parametrize("votes", [3, 5, 8])
def test_each_method_is_no_worse_than_the_one_before_over_many_crowds(votes):
    scores = [study(votes, seed, SUBJECTS) for seed in range(SEEDS)]
    for better, worse in METHODS:
        assert lower_bound(gain(scores, better, worse)) >= (-0.005 if votes == 3 else 0)
    assert np.mean([each["dawid_skene"].calibration for each in scores]) < 0.03
