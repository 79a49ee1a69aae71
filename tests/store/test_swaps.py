"""Rows that pass unique values to each other in one write."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import CheckConstraint, UniqueConstraint

from kso_utils.core.errors import IntegrityFailed
from kso_utils.store.rows import Counts
from kso_utils.store.schema import Base
from kso_utils.store.swaps import movable_column

SITES = {"id": [1, 2, 3], "locality": ["a", "b", "c"], "locationID": ["L1", "L2", None]}


@pytest.fixture
def sites(store):
    store.upsert("sites", pd.DataFrame(SITES), "id")
    return store


def held(store, column):
    return dict(store.read("sites", columns=["id", column], order_by="id").itertuples(index=False, name=None))


def test_two_rows_swap_their_names(sites):
    assert sites.upsert("sites", pd.DataFrame({"id": [1, 2], "locality": ["b", "a"]}), "id") == Counts(updated=2)
    assert held(sites, "locality") == {1: "b", 2: "a", 3: "c"}


def test_a_ring_of_names_turns(sites):
    sites.upsert("sites", pd.DataFrame({"id": [1, 2, 3], "locality": ["b", "c", "a"]}), "id")
    assert held(sites, "locality") == {1: "b", 2: "c", 3: "a"}


def test_a_new_row_takes_the_name_that_another_gives_up(sites):
    rows = pd.DataFrame({"id": [9, 1], "locality": ["a", "new"]})
    assert sites.upsert("sites", rows, "id") == Counts(inserted=1, updated=1)
    assert held(sites, "locality") == {1: "new", 2: "b", 3: "c", 9: "a"}


def test_a_value_that_may_be_missing_changes_hands(sites):
    sites.upsert("sites", pd.DataFrame({"locality": ["a", "c"], "locationID": [None, "L1"]}), "locality")
    assert held(sites, "locationID") == {1: None, 2: "L2", 3: "L1"}


def test_several_unique_columns_change_hands_at_once(sites):
    rows = pd.DataFrame({"id": [1, 2], "locality": ["b", "a"], "locationID": ["L2", "L1"]})
    sites.upsert("sites", rows, "id")
    assert (held(sites, "locality"), held(sites, "locationID")) == (
        {1: "b", 2: "a", 3: "c"},
        {1: "L2", 2: "L1", 3: None},
    )


def test_ids_to_which_nothing_points_change_hands(sites):
    sites.upsert("sites", pd.DataFrame({"locality": ["a", "b"], "id": [2, 1]}), "locality")
    assert held(sites, "locality") == {1: "b", 2: "a", 3: "c"}


def test_places_in_a_classification_change_hands(road):
    """A whole number that is unique together with another column."""
    columns = {"id": 11, "subject_id": 101, "user": "ann", "user_kind": "registered", "workflow_id": 5}
    classification = {**columns, "version_major": 1, "version_minor": 0, "created_at": "t", "annotations": []}
    road.upsert("classifications", pd.DataFrame([classification]), "id")
    marks = pd.DataFrame({"id": [1, 2], "classification_id": 11, "position": [0, 1], "subject_id": 101})
    road.upsert("annotations", marks, "id")
    road.upsert("annotations", pd.DataFrame({"id": [1, 2], "position": [1, 0]}), "id")
    assert road.read("annotations", order_by="id")["position"].tolist() == [1, 0]


def test_a_value_that_its_row_keeps_is_refused_and_the_row_named(sites):
    rows = pd.DataFrame({"id": [3, 1], "locality": ["c", "b"]})
    with pytest.raises(IntegrityFailed, match=r"sites, row 2: Two rows have the same sites\.locality\. Nothing"):
        sites.upsert("sites", rows, "id")
    assert held(sites, "locality") == {1: "a", 2: "b", 3: "c"}


def test_one_value_for_two_rows_is_refused(sites):
    with pytest.raises(IntegrityFailed, match=r"sites, row 2: Two rows have the same sites\.locality"):
        sites.upsert("sites", pd.DataFrame({"id": [1, 2, 3], "locality": ["x", "x", "a"]}), "id")
    assert held(sites, "locality") == {1: "a", 2: "b", 3: "c"}


names = st.sampled_from("abcdef")


@settings(derandomize=True, deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.integers(1, 6), names), st.dictionaries(st.integers(1, 6), names))
def test_a_write_does_what_a_dictionary_does(store, before, change):
    """Any change that leaves the names unique is taken, any other refused whole, whatever the order of its rows."""
    start = {key: name for n, (key, name) in enumerate(before.items()) if name not in list(before.values())[:n]}
    if store.read("sites").size:
        store.remove("sites", {"id": range(10)})
    store.upsert("sites", pd.DataFrame({"id": list(start), "locality": list(start.values())}), "id")
    wanted = {**start, **change}
    rows = pd.DataFrame({"id": list(change), "locality": list(change.values())})
    if len(set(wanted.values())) == len(wanted):
        assert store.upsert("sites", rows, "id") == Counts(
            inserted=len(change.keys() - start.keys()),
            updated=sum(name != start.get(key, name) for key, name in change.items()),
            unchanged=sum(name == start.get(key) for key, name in change.items()),
        )
        assert held(store, "locality") == dict(sorted(wanted.items()))
    else:
        with pytest.raises(IntegrityFailed, match=r"sites, row \d+: Two rows have the same sites\.locality"):
            store.upsert("sites", rows, "id")
        assert held(store, "locality") == dict(sorted(start.items()))


@pytest.mark.parametrize("table", Base.metadata.sorted_tables, ids=lambda table: table.name)
def test_a_row_can_step_aside_in_every_unique_set(table):
    """In a column that points nowhere, and that no rule of the table speaks of."""
    rules = " ".join(str(c.sqltext) for c in table.constraints if isinstance(c, CheckConstraint))
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint):
            together = [column.name for column in constraint.columns]
            column = movable_column(table, together, table.columns.keys())
            assert column is not None
            assert column not in rules


def test_a_set_of_which_only_a_reference_is_written_has_no_such_column():
    annotations = Base.metadata.tables["annotations"]
    assert movable_column(annotations, ["classification_id", "position"], ["id", "classification_id"]) is None
