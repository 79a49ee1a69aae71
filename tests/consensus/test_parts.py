import dataclasses
import statistics
from collections import Counter
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.consensus import ClipRule, clips, subjects
from kso_utils.consensus.clip_labels import label_clips, label_parts
from kso_utils.consensus.counting.parts import Here
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


def count_slowly(cast, repeats):
    """The answers to each label of each subject, one a person, and how many people looked, row by row."""
    names, anonymous, files = [], set(), {}
    for number, _, user, kind, file, *_ in cast:
        hidden = user is not None and (kind == "anonymous" or user.startswith("not-logged-in-"))
        names.append((user, file if hidden else None) if user else number)
        anonymous.update(names[-1:] if hidden else [])
    people = {name: name for name in names}
    for (number, subject, *_), name in zip(cast, names, strict=True):
        if name in anonymous:
            old, new = people[name], people[files.setdefault((number, subject), name)]
            people = {each: new if person == old else person for each, person in people.items()}
    best = min if repeats == "first" else max
    counting = {}
    for (number, subject, *_), name in zip(cast, names, strict=True):
        place = subject, people[name], number % 2
        counting[place] = best(counting.get(place, number), number)
    looks, answers = set(), {}
    for (number, subject, *_, label, many), name in zip(cast, names, strict=True):
        person = people[name]
        if counting[subject, person, number % 2] == number:
            looks.add((subject, person))
            if label:
                answers.setdefault((subject, label, person), []).append(many)
    found = {}
    for (subject, label, _), given_answers in answers.items():
        known = [many for many in given_answers if many is not None]
        found.setdefault((subject, label), []).append(statistics.median(known) if known else -1.0)
    return {place: sorted(each) for place, each in found.items()}, Counter(subject for subject, _ in looks)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.lists(ballots, max_size=40), st.sampled_from(["first", "last"]))
def test_votes_are_those_counted_row_by_row(cast, repeats):
    votes = gather(table(cast), VoteRule(repeats=repeats))
    subjects_of, labels_of = votes.subject_ids[votes.choice_subject].tolist(), votes.labels[votes.choice_label]
    found = {}
    for place, many in zip(zip(subjects_of, labels_of, strict=True), votes.how_many.tolist(), strict=True):
        found.setdefault(place, []).append(-1.0 if np.isnan(many) else many)
    looked = dict(zip(votes.subject_ids.tolist(), votes.looked.tolist(), strict=True))
    assert ({place: sorted(each) for place, each in found.items()}, looked) == count_slowly(cast, repeats)


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
    """Ann looked twice at subject 1; only in the first part is no ray."""
    count = np.arange(100)
    cast = pd.DataFrame({"classification_id": count, "subject_id": np.maximum(count, 1), "user": "ann"})
    rows = cast.assign(label=["cod", "eel", *["cod"] * 97, "ray"])
    for part_rows, parts in ((1000, 1), (20, 6)):
        found = gather_parts(rows, part_rows=part_rows)
        assert found.labels.tolist() == ["cod", "ray"]
        assert [found.labels[part.choice_label[-1]] for part in found.parts] == ["cod"] * (parts - 1) + ["ray"]


def test_who_is_anonymous_in_any_piece_may_be_another_name():
    names = ["classification_id", "subject_id", "user", "user_kind", "source_sha256", "label"]
    hidden = pd.DataFrame([(1, 1, "x", "anonymous", None, "cod"), (1, 1, "y", "anonymous", "a", "cod")], columns=names)
    known = pd.DataFrame([(2, 2, "x", "registered", None, "cod")], columns=names)
    for pieces in ([hidden, known], [known, hidden]):
        assert gather(pieces).people.tolist() == ["x"]


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
