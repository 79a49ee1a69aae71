import numpy as np
import pandas as pd
import pytest

from kso_utils.consensus.votes import VoteRule, count_people, counting_rows
from kso_utils.core.errors import ConfigError


def rows(*cast, **columns):
    table = pd.DataFrame(cast, columns=["classification_id", "user", "label"])
    return table.assign(**{"subject_id": 1, **columns})


def test_the_first_classification_of_a_person_counts():
    found = counting_rows(rows((9, "ann", "crab"), (3, "ann", "cod"), (5, "bob", "cod")))
    assert sorted(found["classification_id"]) == [3, 5]


def test_all_rows_of_the_first_classification_stay():
    found = counting_rows(rows((3, "ann", "cod"), (3, "ann", "crab"), (9, "ann", "ray")))
    assert sorted(found["label"]) == ["cod", "crab"]


def test_another_subject_or_workflow_is_no_repeat():
    cast = rows((1, "ann", "cod"), (2, "ann", "cod"), (3, "ann", "cod"))
    found = counting_rows(cast.assign(subject_id=[1, 2, 2], workflow_id=[7, 7, 8]))
    assert len(found) == 3
    assert count_people(found).to_dict() == {1: 1, 2: 1}


def test_a_row_without_a_user_is_a_person_of_its_own():
    found = counting_rows(rows((1, None, "cod"), (2, np.nan, "cod"), (3, "ann", "cod")))
    assert count_people(found).tolist() == [3]


def test_one_nameless_classification_with_two_labels_is_one_person():
    assert count_people(counting_rows(rows((1, None, "cod"), (1, None, "crab")))).tolist() == [1]


def test_blanks_are_people_too():
    assert count_people(counting_rows(rows((1, "ann", None), (2, "bob", "cod")))).tolist() == [2]


@pytest.mark.parametrize(("column", "dropped"), [("live", False), ("seen_before", True)])
def test_tests_and_second_looks_are_dropped(column, dropped):
    cast = rows((1, "ann", "cod"), (2, "bob", "cod"), (3, "cat", "cod"))
    cast[column] = pd.Series([dropped, not dropped, None], dtype=object)
    assert counting_rows(cast)["user"].tolist() == ["bob", "cat"]
    assert len(counting_rows(cast, VoteRule(live_only=False, skip_seen_before=False))) == 3


@pytest.mark.parametrize("dtype", ["bool", "boolean", "int64", object])
def test_truth_is_read_in_every_dtype(dtype):
    cast = rows((1, "ann", "cod"), (2, "bob", "cod"))
    cast["live"] = pd.Series([False, True]).astype(dtype)
    assert counting_rows(cast)["user"].tolist() == ["bob"]


def test_a_row_without_a_subject_is_dropped():
    cast = rows((1, "ann", "cod"), (2, "bob", "cod"), subject_id=[np.nan, 4])
    assert counting_rows(cast)["subject_id"].tolist() == [4]


def test_no_rows_stay_no_rows():
    assert counting_rows(rows()).empty


def test_a_missing_column_is_named():
    with pytest.raises(ConfigError, match="user"):
        counting_rows(rows((1, "ann", "cod")).drop(columns="user"))


@pytest.mark.parametrize("subject_id", ["12;13", 12.5])
def test_an_id_that_is_no_whole_number_is_refused(subject_id):
    with pytest.raises(ConfigError, match="subject_id"):
        counting_rows(rows((1, "ann", "cod"), subject_id=subject_id))


def test_the_input_is_left_alone():
    cast = rows((1, None, "cod"))
    before = cast.copy(deep=True)
    counting_rows(cast)
    pd.testing.assert_frame_equal(cast, before)
