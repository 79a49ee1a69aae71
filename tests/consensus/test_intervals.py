import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from kso_utils.consensus import ClipRule, clips
from kso_utils.consensus.counting.intervals import PRIOR, credible_interval


def test_the_interval_equals_published_values():
    """Jeffreys intervals of Brown, Cai & DasGupta 2001, table 1; one-sided ones are quantiles of Beta(1/2, n + 1/2)."""
    low, high = credible_interval([1, 4, 15, 0, 10], [10, 10, 30, 10, 10])
    assert low == pytest.approx([0.011, 0.153, 0.328, 0, 0.829], abs=1e-3)
    assert high == pytest.approx([0.381, 0.696, 0.672, 0.171, 1], abs=1e-3)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.6, 0.99))
def test_the_interval_holds_the_share_and_as_much_of_the_posterior_as_it_says(case, level):
    votes, people = case
    low, high = (ends[0] for ends in credible_interval([votes], [people], level))
    assert 0 <= low <= votes / people <= high <= 1
    posterior = stats.beta(votes + PRIOR[0], people - votes + PRIOR[1])
    assert posterior.cdf(high) - posterior.cdf(low) == pytest.approx(level)


@pytest.mark.parametrize("votes", [1e-9, 1e-3, 5 - 1e-9])
def test_the_interval_holds_the_share_of_a_weight_however_small(votes):
    low, high = credible_interval([votes], [5.0])
    assert low[0] <= votes / 5 <= high[0]


@settings(derandomize=True, deadline=None, max_examples=50)
@given(st.integers(2, 60))
def test_more_people_make_the_interval_of_a_share_narrower(people):
    low, high = credible_interval([people, 2 * people], [2 * people, 4 * people])
    assert high[1] - low[1] < high[0] - low[0]


@pytest.mark.parametrize("subjects", [20_000, pytest.param(200_000, marks=pytest.mark.soak)])
def test_intervals_of_shares_drawn_from_the_prior_hold_what_they_say(subjects):
    rng = np.random.default_rng(6)
    share, looked = rng.beta(*PRIOR, subjects), rng.integers(2, 9, subjects)
    subject = np.repeat(np.arange(subjects), looked)
    named = rng.random(len(subject)) < share[subject]
    rows = pd.DataFrame(
        {
            "classification_id": np.arange(len(subject)),
            "subject_id": subject,
            "user": np.char.add("person ", rng.permutation(len(subject)).astype(str)),
            "label": np.where(named, "cod", None),
        }
    )
    found = clips(rows, ClipRule(min_people=1)).set_index("subject_id")[["support_low", "support_high"]]
    # A clip in which nobody named the label has no row; its interval is that of no votes.
    none = pd.DataFrame(index=np.setdiff1d(np.arange(subjects), found.index))
    low, high = credible_interval(np.zeros(len(none)), looked[none.index])
    found = pd.concat([found, none.assign(support_low=low, support_high=high)]).sort_index()
    assert 0.94 <= np.mean((found["support_low"] <= share) & (share <= found["support_high"])) <= 0.96
