import dataclasses
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.consensus import ClipRule, clips, subjects
from kso_utils.consensus.clip_labels import label_clips, label_parts
from kso_utils.consensus.parts import Here
from kso_utils.consensus.votes import VoteRule, gather, gather_parts
from kso_utils.core.errors import ConfigError
from kso_utils.testing.crowd import simulate_crowd


def table(cast):
    names = ["classification_id", "subject_id", "user", "user_kind", "source_sha256", "label", "how_many"]
    return pd.DataFrame(cast, columns=names).assign(workflow_id=lambda rows: rows["classification_id"] % 2)


def cut(rows, *places):
    """The rows in pieces, as many as places and one."""
    edges = [0, *sorted(places), len(rows)]
    return [rows.iloc[start:stop] for start, stop in pairwise(edges)]


def assert_same_votes(one, other):
    for field in dataclasses.fields(one):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name), err_msg=field.name)


def put_together(parts):
    """The votes of all parts as if they were one."""
    looks = np.cumsum([0, *(len(part.look_subject) for part in parts)])
    firsts = np.cumsum([0, *(len(part.subject_ids) for part in parts)])
    columns = {}
    for field in ("subject_ids", "look_person", "choice_label", "how_many", "first_seen_s"):
        columns[field] = np.concatenate([getattr(part, field) for part in parts])
    columns["look_subject"] = np.concatenate([p.look_subject + n for p, n in zip(parts, firsts, strict=False)])
    columns["choice_look"] = np.concatenate([p.choice_look + n for p, n in zip(parts, looks, strict=False)])
    return dataclasses.replace(parts[0], **columns)


ballots = st.tuples(
    st.integers(1, 12),
    st.sampled_from([4, 9, 10, 300_000_000]),
    st.sampled_from(["ann", "bob", "not-logged-in-1", "not-logged-in-2", None]),
    st.sampled_from(["registered", "anonymous", None]),
    st.sampled_from(["file a", "file b", None]),
    st.sampled_from(["cod", "crab", "eel", None]),
    st.sampled_from([None, 0.0, -0.0, 2.0, 5.0]),
)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(
    st.lists(ballots, max_size=40),
    st.randoms(use_true_random=False),
    st.lists(st.integers(0, 40), max_size=4),
    st.integers(1, 40),
    st.sampled_from(["first", "last"]),
)
def test_order_pieces_and_parts_do_not_matter(cast, random, places, part_rows, repeats):
    mixed = list(cast)
    random.shuffle(mixed)
    rule = VoteRule(repeats=repeats)
    whole = gather(table(cast), rule)
    pieces = cut(table(mixed), *places)
    assert_same_votes(whole, gather(pieces, rule))
    parts = gather_parts(pieces, rule, part_rows=part_rows)
    assert_same_votes(whole, put_together(parts.parts))
    assert all(len(part.subject_ids) or len(parts.parts) == 1 for part in parts.parts)


@pytest.mark.parametrize("part_rows", [10_000, 400, 150])
def test_labels_agree_whatever_the_parts(part_rows):
    rows = simulate_crowd(200, seed=1).rows.sample(frac=1, random_state=1)
    parts = gather_parts(cut(rows, 100, 700), part_rows=part_rows)
    assert len(parts.parts) == -(-len(rows) // part_rows)
    found = pd.concat(parts.map(label_clips, ClipRule()), ignore_index=True)
    pd.testing.assert_frame_equal(found, clips(rows))


@pytest.mark.parametrize("parts", [1, 3, 7])
@pytest.mark.parametrize("method", ["plurality", "dawid_skene"])
def test_methods_agree_whatever_the_parts(method, parts):
    rows = simulate_crowd(400, seed=2).rows.sample(frac=1, random_state=2)
    rule = ClipRule(method=method)
    gathered = gather_parts(cut(rows, 100, 700), part_rows=len(rows) // parts + 50)
    assert len(gathered.parts) == parts
    pd.testing.assert_frame_equal(label_parts(gathered, rule), clips(rows, rule), rtol=0, atol=1e-9)


def test_names_are_shared_by_all_parts():
    rows = simulate_crowd(200, seed=1).rows
    parts = gather_parts(rows, part_rows=200).parts
    assert len(parts) > 3
    assert all(part.people is parts[0].people and part.labels is parts[0].labels for part in parts)


def test_a_label_that_nobody_counting_named_is_left_out():
    cast = pd.DataFrame({"classification_id": [1, 2, 3], "subject_id": [1, 1, 7], "user": ["ann", "ann", "bob"]})
    rows = cast.assign(label=["cod", "eel", "ray"])
    for part_rows in (100, 1):
        assert gather_parts(rows, part_rows=part_rows).labels.tolist() == ["cod", "ray"]


@pytest.mark.parametrize("pieces", [[], [pd.DataFrame(columns=["classification_id", "subject_id", "user", "label"])]])
def test_no_rows_are_one_empty_part(pieces):
    parts = gather_parts(pieces)
    assert [len(part.subject_ids) for part in parts.parts] == [0]
    assert clips(pieces).empty
    assert subjects(pieces).empty


def test_a_piece_without_a_column_is_refused():
    rows = simulate_crowd(5).rows
    with pytest.raises(ConfigError, match="user"):
        gather_parts([rows, rows.drop(columns="user")])


def test_parts_here_are_mapped_in_order():
    parts = Here(gather_parts(simulate_crowd(50).rows, part_rows=100).parts)
    assert parts.map(lambda votes, add: len(votes.look_subject) + add, 1) == [
        len(part.look_subject) + 1 for part in parts.parts
    ]
    assert parts.people is parts.parts[0].people
