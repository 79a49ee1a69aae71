from __future__ import annotations

import datetime
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import JSON, Boolean, Column, Float, Integer, MetaData, String, Table

from kso_utils.core.errors import StoreError
from kso_utils.store.values import from_database, to_database, to_json

THINGS = Table(
    "things",
    MetaData(),
    Column("text", String),
    Column("whole", Integer),
    Column("number", Float),
    Column("flag", Boolean),
    Column("tree", JSON),
)


def convert(name, value):
    (done,) = to_database([value], THINGS.c[name])
    return done


@pytest.mark.parametrize("name", THINGS.c.keys())
@pytest.mark.parametrize("missing", [None, math.nan, np.float32("nan"), pd.NA, pd.NaT, np.datetime64("NaT")])
def test_everything_missing_becomes_none(name, missing):
    assert convert(name, missing) is None


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("text", "a", "a"),
        ("text", np.str_("å"), "å"),
        ("text", 12, "12"),
        ("text", 12.0, "12"),
        ("text", 12.5, "12.5"),
        ("text", pd.Timestamp("2026-01-02T03:04:05Z"), "2026-01-02T03:04:05Z"),
        ("text", np.datetime64("2026-01-02T03:04:05", "ns"), "2026-01-02T03:04:05"),
        ("text", datetime.date(2026, 1, 2), "2026-01-02"),
        ("whole", 3.0, 3),
        ("whole", np.int32(3), 3),
        ("whole", True, 1),
        ("number", 3, 3.0),
        ("number", np.float64(0.1), 0.1),
        ("flag", 1, True),
        ("flag", np.bool_(False), False),
        ("tree", {"a": np.int64(1), 2: [np.nan, (1.5, "å")]}, {"a": 1, "2": [None, [1.5, "å"]]}),
        ("tree", np.array([[1, 2]]), [[1, 2]]),
        ("tree", pd.Timestamp("2026-01-02"), "2026-01-02T00:00:00"),
        ("tree", False, False),
    ],
)
def test_a_value_takes_its_columns_type(name, value, expected):
    done = convert(name, value)
    assert done == expected
    assert type(done) is type(expected)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("text", True, "'?True'? is not text"),
        ("text", ["a"], "type list"),
        ("text", "\ud800", "surrogates"),
        ("whole", "3", "not a whole number"),
        ("whole", 3.5, "would be changed"),
        ("whole", math.inf, "not a whole number"),
        ("whole", 2**63, "64 bits"),
        ("number", "3.5", "not a number"),
        ("number", pd.Timedelta(1, "s"), "not a number"),
        ("flag", 2, "not true or false"),
        ("flag", "yes", "not true or false"),
        ("tree", math.inf, "infinite"),
        ("tree", {"a": object()}, "object has no JSON form"),
        ("tree", {"\ud800": 1}, "surrogates"),
    ],
)
def test_a_value_of_another_type_is_refused(name, value, why):
    with pytest.raises(StoreError, match=why):
        convert(name, value)


def test_a_refusal_names_table_row_and_column():
    with pytest.raises(StoreError, match=r"^things, row 2, whole: 'x' is not a whole number"):
        to_database(pd.Series([1, "x"]), THINGS.c.whole)


@pytest.mark.parametrize(
    ("name", "values", "dtype"),
    [
        ("whole", [1, 2], "int64"),
        ("whole", [1, None], "Int64"),
        ("flag", [True], "bool"),
        ("flag", [True, None], "boolean"),
        ("number", [1.5, None], "float64"),
        ("text", ["a", None], "object"),
        ("tree", [{}, None], "object"),
        ("whole", [], "int64"),
        ("text", [], "object"),
    ],
)
def test_a_column_comes_back_with_its_dtype(name, values, dtype):
    series = from_database(values, THINGS.c[name])
    assert series.dtype == dtype
    assert [None if pd.isna(v) else v for v in series] == values


def test_large_whole_numbers_with_gaps_stay_exact():
    assert from_database([2**63 - 1, None], THINGS.c.whole)[0] == 2**63 - 1


trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(trees)
def test_json_values_stay_as_they_are(tree):
    assert to_json(tree) == tree
