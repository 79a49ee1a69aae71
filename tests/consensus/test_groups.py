import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.consensus.counting.groups import grouped_quantiles, order_by, run_starts

numbers = st.sampled_from([-(2**40), -3, 0, 1, 65_535, 65_536, 2**40])


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.lists(st.tuples(numbers, numbers), max_size=20))
def test_rows_are_ordered_by_several_columns(cast):
    first, second = np.array(cast, dtype=np.int64).reshape(-1, 2).T
    assert order_by(first, second).tolist() == np.lexsort((second, first)).tolist()


def test_a_run_ends_where_any_column_changes():
    assert run_starts(np.array([1, 1, 1, 2]), np.array([5, 5, 6, 6])).tolist() == [0, 2, 3]
    assert run_starts(np.zeros(0, dtype=np.int64)).tolist() == []


@settings(derandomize=True, deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from([np.nan, 0.0, 0.5, 7.0, 1e9])), max_size=30))
def test_quantiles_are_those_of_each_group(cast):
    group = np.array([g for g, _ in cast], dtype=np.int64)
    values = np.array([v for _, v in cast], dtype=np.float64)
    found = grouped_quantiles(group, values, 4, (0.25, 0.5))
    for g in range(4):
        known = values[(group == g) & ~np.isnan(values)]
        expected = np.quantile(known, (0.25, 0.5)) if len(known) else [np.nan, np.nan]
        assert found[:, g] == pytest.approx(expected, nan_ok=True)
