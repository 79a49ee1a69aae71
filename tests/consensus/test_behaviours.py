import json

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.consensus import VoteRule, answers, clips
from kso_utils.consensus.behaviours import COLUMNS
from kso_utils.core.errors import ConfigError


def rows(*cast):
    """One row a choice: classification, user, label, answers or the text of `raw`."""
    table = pd.DataFrame(cast, columns=["classification_id", "user", "label", "raw"]).assign(subject_id=1)
    table["raw"] = [json.dumps({"choice": "X", "answers": a}) if isinstance(a, dict) else a for a in table["raw"]]
    return table


def told(found):
    return found[["label", "question", "answer", "votes", "people"]].values.tolist()


def test_each_answer_has_its_share_of_those_who_named_the_label():
    found = answers(
        rows((1, "a", "cod", {"DOING": "EATING"}), (2, "b", "cod", {"DOING": "RESTING"}), (3, "c", "cod", {}))
    )
    assert told(found) == [["cod", "DOING", "EATING", 1, 3], ["cod", "DOING", "RESTING", 1, 3]]
    assert found["share"].tolist() == [1 / 3, 1 / 3]


def test_several_answers_to_one_question_count_each():
    found = answers(
        rows((1, "a", "cod", {"DOING": ["EATING", "MOVING"], "YOUNG": "NO"}), (2, "b", "cod", {"DOING": ["MOVING"]}))
    )
    assert told(found) == [
        ["cod", "DOING", "MOVING", 2, 2],
        ["cod", "DOING", "EATING", 1, 2],
        ["cod", "YOUNG", "NO", 1, 2],
    ]


def test_answers_are_counted_as_another_program_does(golden):
    """The counters of panoptes_aggregation's survey reducer."""
    choices = golden("panoptes_aggregation_5.3.1.json")["survey_reducer 3 users, user1 reported 2 species"]
    said = [(1, "u1", "cod", 1), (1, "u1", "crab", 2), (2, "u2", "cod", 1), (3, "u3", "cod", 3)]
    found = answers(rows(*[(i, user, label, {"HOWMANY": str(n)}) for i, user, label, n in said]))
    expected = {(c["choice"], answer): n for c in choices for answer, n in c["answers_howmany"].items()}
    assert {(r.label, r.answer): r.votes for r in found.itertuples()} == expected


def test_one_person_twice_is_one_vote():
    twice = rows((1, "a", "cod", {"DOING": "EATING"}), (1, "a", "cod", {"DOING": "EATING"}))
    again = rows((2, "a", "cod", {"DOING": "RESTING"}))
    assert told(answers(pd.concat([twice, again]))) == [["cod", "DOING", "EATING", 1, 1]]
    assert told(answers(pd.concat([twice, again]), VoteRule(repeats="last"))) == [["cod", "DOING", "RESTING", 1, 1]]


def test_a_thousand_rows_of_one_person_are_one_vote():
    assert told(answers(rows(*[(1, "a", "cod", {"DOING": "EATING"})] * 1000))) == [["cod", "DOING", "EATING", 1, 1]]


@pytest.mark.parametrize("raw", [None, "[1, 2]", '"text"', '{"answers": 5}', '{"answers": {"DOING": [null, "", {}]}}'])
def test_text_without_answers_leaves_its_person_in_the_denominator(raw):
    found = answers(rows((1, "a", "cod", {"DOING": "EATING"}), (2, "b", "cod", raw)))
    assert told(found) == [["cod", "DOING", "EATING", 1, 2]]


def test_text_that_cannot_be_read_is_told(caplog):
    found = answers(rows((1, "a", "cod", {"DOING": "EATING"}), (2, "b", "cod", "{broken"), (3, "c", "eel", "{broken")))
    assert told(found) == [["cod", "DOING", "EATING", 1, 2]]
    assert "2 of 3 rows" in caplog.text


@pytest.mark.parametrize("empty", [rows(), rows((1, "a", None, None)), rows((1, "a", "cod", {}))])
def test_no_answers_give_an_empty_table_with_the_columns(empty):
    found = answers(empty)
    assert found.empty
    assert {name: str(kind) for name, kind in found.dtypes.items()} == COLUMNS


def test_a_missing_column_is_named():
    with pytest.raises(ConfigError, match="raw"):
        answers(rows((1, "a", "cod", {})).drop(columns="raw"))


said = st.tuples(
    st.integers(1, 9),
    st.sampled_from(["ann", "bob", None]),
    st.sampled_from(["cod", "eel", None]),
    st.dictionaries(st.sampled_from(["DOING", "YOUNG"]), st.lists(st.sampled_from(["A", "B"]), max_size=2)),
)


@settings(derandomize=True, deadline=None, max_examples=20)
@given(st.lists(said, max_size=20), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter_and_people_are_those_of_clips(cast, random):
    mixed = list(cast)
    random.shuffle(mixed)
    found = answers(rows(*cast))
    pd.testing.assert_frame_equal(found, answers(rows(*mixed)))
    votes = clips(rows(*cast)).set_index("label")["votes"]
    assert (found["people"] == found["label"].map(votes)).all()
    assert found["share"].between(0, 1).all()
