import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.consensus.votes import VoteRule, count_people, counting_rows, gather
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


@pytest.mark.parametrize("column", ["live", "seen_before", "gold_standard"])
def test_a_text_is_neither_true_nor_false(column):
    with pytest.raises(ConfigError, match=column):
        counting_rows(rows((1, "ann", "cod"), (2, "bob", "cod"), **{column: ["False", None]}))


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        (VoteRule(), [1, 3, 4]),
        (VoteRule(gold_standard="keep"), [1, 2, 3, 4]),
        (VoteRule(gold_standard="only"), [2]),
        (VoteRule(experts="skip"), [1, 4]),
        (VoteRule(experts="only"), [3]),
        (VoteRule(first_version=(5, 9)), [3, 4]),
        (VoteRule(last_version=(5, 10)), [1, 3]),
        (VoteRule(first_version=(5, 10), last_version=(5, 10)), [3]),
        (VoteRule(since="2024-05-02"), [3, 4]),
        (VoteRule(until="2024-05-02T00:00:00Z"), [1]),
        (VoteRule(since="2024-05-01T13:00:00+02:00", until="2024-05-03"), [1, 3]),
        (VoteRule(users=("ann", "cat")), [1, 3]),
        (VoteRule(not_users=("ann",)), [3, 4]),
    ],
)
def test_filters_let_those_pass_that_the_rule_names(rule, kept):
    cast = rows(*[(i, name, "cod") for i, name in enumerate(["ann", "bob", "cat", "dan"], 1)])
    found = counting_rows(
        cast.assign(
            gold_standard=[False, True, False, None],
            expert=[False, False, True, None],
            version_major=[5, 5, 5, 12],
            version_minor=[5, 9, 10, 1],
            created_at=["2024-05-01T11:00:00Z", None, "2024-05-02T00:00:00Z", "2024-05-03T00:00:00Z"],
        ),
        rule,
    )
    assert found["classification_id"].tolist() == kept


@pytest.mark.parametrize(
    ("rule", "column"), [(VoteRule(first_version=(1, 1)), "version_major"), (VoteRule(until="2024"), "created_at")]
)
def test_where_there_is_a_limit_what_has_no_number_does_not_count(rule, column):
    cast = rows((1, "ann", "cod"), (2, "bob", "cod"), version_major=1, version_minor=1, created_at="2023-01-01")
    cast[column] = cast[column].where(cast["user"] == "bob")
    assert counting_rows(cast, rule)["user"].tolist() == ["bob"]


def test_a_date_that_cannot_be_read_is_told():
    cast = rows((1, "ann", "cod"), created_at="31 May, at noon")
    assert len(counting_rows(cast)) == 1
    with pytest.raises(ConfigError, match="31 May"):
        counting_rows(cast, VoteRule(since="2024-05-31"))


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


def hidden(*cast, **columns):
    """Rows of people who were not logged in: classification, name in the file, file."""
    table = pd.DataFrame(cast, columns=["classification_id", "user", "source_sha256"])
    return table.assign(**{"subject_id": 1, "label": "cod", "user_kind": "anonymous", **columns})


def people(rows):
    """Who made each classification."""
    found = counting_rows(rows)
    return dict(zip(found["classification_id"].tolist(), found["user"], strict=True))


@pytest.mark.parametrize("kind", ["anonymous", None])
def test_a_name_of_nobody_logged_in_is_known_within_its_file_only(kind):
    cast = hidden((1, "not-logged-in-7", "a"), (2, "not-logged-in-7", "b"), (3, "not-logged-in-7", "b"), user_kind=kind)
    assert set(people(cast)) == {1, 2}
    assert set(people(cast.drop(columns="user_kind"))) == {1, 2}
    assert set(people(cast.drop(columns="source_sha256"))) == {1}


def test_a_name_that_is_logged_in_is_known_in_every_file():
    cast = hidden((1, "ann", "a"), (2, "ann", "b"), user_kind="registered")
    assert people(cast) == {1: "ann"}


def test_a_classification_in_two_files_is_one_person_under_the_lowest_name():
    cast = hidden((1, "not-logged-in-9", "a"), (1, "not-logged-in-2", "b"), (4, "not-logged-in-5", "b"))
    for rows in (cast, cast[::-1]):
        assert people(rows) == {1: "not-logged-in-2 in b", 4: "not-logged-in-5 in b"}


def test_who_is_one_person_in_one_classification_is_so_in_all():
    """1 tells that x in a is y in b, and 2 that y in b is z in c, so that 7 is a repeat of 3."""
    cast = hidden((1, "x", "a"), (1, "y", "b"), (2, "y", "b"), (2, "z", "c"), (3, "x", "a"), (7, "z", "c"))
    cast["subject_id"] = [1, 1, 2, 2, 3, 3]
    votes = gather(cast)
    assert votes.people.tolist() == ["x in a"]
    assert votes.looked.tolist() == [1, 1, 1]
    assert set(people(cast)) == {1, 2, 3}


def test_a_nameless_classification_in_two_files_is_one_person():
    assert gather(hidden((1, None, "a"), (1, None, "b"))).people.tolist() == ["classification 1"]


def test_of_another_subject_a_classification_tells_nothing_of_its_people():
    """Else what is known of people would depend on which subjects lie together."""
    cast = hidden((1, "x", "a"), (1, "y", "b"), subject_id=[4, 9])
    assert gather(cast).people.tolist() == ["x in a", "y in b"]


def test_an_empty_name_is_no_name():
    votes = gather(rows((1, "", "cod"), (2, "", "cod"), (3, "ann", "cod")))
    assert votes.people.tolist() == ["ann", "classification 1", "classification 2"]


def test_names_that_are_numbers_are_the_same_where_one_is_missing():
    cast = rows((1, 7, 3), (2, 8, 4), (3, 7, None), (4, None, 4), subject_id=[1, 1, 2, 2])
    for pieces in (cast, [cast[:2].astype("int64"), cast[2:]], [cast.astype({"user": object, "label": "category"})]):
        votes = gather(pieces)
        assert votes.people.tolist() == ["7", "8", "classification 4"]
        assert votes.labels.tolist() == ["3", "4"]
    assert counting_rows(cast)["label"].tolist() == ["3", "4", np.nan, "4"]
    assert counting_rows(cast, VoteRule(users=("7",)))["classification_id"].tolist() == [1, 3]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"repeats": "all"}, "repeats"),
        ({"experts": True}, "experts"),
        ({"since": "soon"}, "soon"),
        ({"until": "NaT"}, "NaT"),
    ],
)
def test_a_rule_that_cannot_be_followed_is_refused(wrong, message):
    with pytest.raises(ConfigError, match=message):
        VoteRule(**wrong)


@pytest.mark.parametrize("dtype", ["float64", "Int64", "category", object])
def test_a_missing_workflow_is_one_in_every_dtype(dtype):
    cast = rows((1, "ann", "cod"), (2, "ann", "eel"), (3, "ann", "ray"))
    found = counting_rows(cast.assign(workflow_id=pd.Series([7, None, None]).astype(dtype)))
    assert found["classification_id"].tolist() == [1, 2]


@pytest.mark.parametrize("dtype", [object, "str", "category", "string"])
def test_names_are_read_in_every_dtype(dtype):
    cast = rows((1, "bob", "cod"), (2, "ann", None), (3, None, "crab"), (3, None, "ray"))
    votes = gather(cast.astype({"user": dtype, "label": dtype}))
    assert votes.people.tolist() == ["ann", "bob", "classification 3"]
    assert votes.labels.tolist() == ["cod", "crab", "ray"]
    assert votes.named.tolist() == [0, 1, 2]


def test_names_are_read_from_a_dictionary_of_arrow():
    arrow = pytest.importorskip("pyarrow")
    cast = rows((1, "bob", "cod"), (2, "ann", None), (3, "bob", "cod"), subject_id=[1, 1, 2])
    kind = pd.ArrowDtype(arrow.dictionary(arrow.int32(), arrow.string()))
    votes = gather([cast.astype({"user": kind, "label": kind}), cast[2:]])
    assert (votes.people.tolist(), votes.labels.tolist()) == (["ann", "bob"], ["cod"])


def test_categories_that_no_row_has_are_no_people():
    cast = rows((1, "ann", "cod"), (2, "bob", "eel")).astype("category")
    assert gather(cast[:1]).people.tolist() == ["ann"]


def test_several_answers_to_one_label_are_their_median():
    cast = rows((1, "ann", "cod"), (1, "ann", "cod"), (1, "ann", "cod"), (2, "bob", "cod"), (3, "cat", None))
    votes = gather(cast.assign(how_many=[1.0, 9.0, 2.0, 4.0, np.nan]))
    assert votes.how_many.tolist() == [2.0, 4.0]


def test_a_label_named_in_two_workflows_is_named_once():
    votes = gather(rows((1, "ann", "cod"), (2, "ann", "cod"), (2, "ann", "bass"), workflow_id=[7, 8, 8]))
    assert votes.looked.tolist() == [1]
    assert votes.labels[votes.choice_label].tolist() == ["bass", "cod"]


def count_plainly(cast, best):
    """The labels that each person named in each subject, written as the rule says it."""
    counts = {}
    for classification, subject, user, workflow, _ in cast:
        key = (subject, user, workflow)
        counts[key] = best(counts.get(key, classification), classification)
    named = {}
    for classification, subject, user, workflow, label in cast:
        if counts[subject, user, workflow] == classification:
            named.setdefault((subject, user), set()).update({label} - {None})
    return {look: sorted(labels) for look, labels in named.items()}


choices = st.tuples(
    st.integers(1, 9),
    st.integers(1, 3),
    st.sampled_from(["ann", "bob"]),
    st.integers(7, 8),
    st.sampled_from(["cod", "eel", None]),
)


@settings(derandomize=True, deadline=None, max_examples=50)
@given(st.lists(choices, max_size=25), st.sampled_from(["first", "last"]))
def test_votes_are_those_that_the_rule_says(cast, repeats):
    table = pd.DataFrame(cast, columns=["classification_id", "subject_id", "user", "workflow_id", "label"])
    votes = gather(table, VoteRule(repeats=repeats))
    looks = zip(votes.subject_ids[votes.look_subject].tolist(), votes.people[votes.look_person], strict=True)
    found = {look: votes.labels[votes.choice_label[votes.choice_look == n]].tolist() for n, look in enumerate(looks)}
    assert found == count_plainly(cast, {"first": min, "last": max}[repeats])
