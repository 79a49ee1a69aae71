from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap as scipy_bootstrap

from kso_utils.consensus.judging.bootstrap import bootstrap


def ratio(sums):
    """The first of two columns by both together, NaN where there is nothing."""
    with np.errstate(invalid="ignore"):
        return sums[:, :1] / sums.sum(axis=1, keepdims=True)


def run(table, draws, seed=0, measure=ratio):
    subject, column = np.nonzero(table)
    found = bootstrap(subject, column, table[subject, column], table.shape, measure, draws, seed)
    return [float(ends[0]) for ends in found]


def draw_slowly(table, draws, seed=0):
    rng = np.random.default_rng(seed)
    return np.array(
        [ratio(table[rng.integers(0, len(table), len(table))].sum(axis=0)[None])[0, 0] for _ in range(draws)]
    )


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 2)), min_size=2, max_size=12))
def test_the_interval_is_that_of_scipy_for_the_same_draws(cast):
    table = np.array(cast, dtype=np.float64)
    draws = draw_slowly(table, 60)
    point, low, high = run(table, 60)
    assert point == pytest.approx(ratio(table.sum(axis=0)[None])[0, 0])
    if np.ptp(draws) == 0:
        assert (low, high) == pytest.approx((point, point))
        return
    wanted = scipy_bootstrap(
        tuple(table.T),
        lambda one, two, axis: one.sum(axis) / (one.sum(axis) + two.sum(axis)),
        paired=True,
        n_resamples=0,
        bootstrap_result=SimpleNamespace(bootstrap_distribution=draws),
    ).confidence_interval
    assert (low, high) == pytest.approx(tuple(wanted), rel=1e-6)


def test_draws_in_which_there_is_nothing_are_left_out():
    table = np.zeros((9, 2))
    table[0, 0] = 1
    assert np.isnan(draw_slowly(table, 50)).any()
    assert run(table, 50) == [1, 1, 1]


@pytest.mark.parametrize("table", [np.zeros((0, 2)), np.zeros((4, 2))])
def test_nothing_has_no_interval(table):
    assert np.isnan(run(table, 10)).all()


def test_no_draws_give_no_interval():
    assert np.isnan(run(np.ones((4, 2)), 0)).tolist() == [False, True, True]
