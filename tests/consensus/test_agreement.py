from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.consensus.judging.agreement import code_answers, describe_labels, describe_subjects, fleiss_kappa
from kso_utils.consensus.judging.agreement import krippendorff_alpha as alpha
from kso_utils.consensus.votes import gather

# Krippendorff 2011, section C: four observers, twelve units; and section A: two observers, ten units.
NOMINAL = """
    1 2 3 3 2 1 4 1 2 . . .
    1 2 3 3 2 2 4 1 2 5 . 3
    . 3 3 3 2 3 4 2 2 5 1 .
    1 2 3 3 2 4 4 1 2 5 1 .
"""
BINARY = """
    0 1 0 0 0 0 0 0 1 0
    1 1 1 0 0 1 0 0 0 0
"""
# Fleiss 1971, table 1: thirty patients, six psychiatrists, five diagnoses.
DIAGNOSES = """
    00060 03003 01401 00006 03030 20400 00402 20310 20040 00006 10050 11040 03300 10050 02031
    00501 30012 51000 02040 10203 00006 01050 02013 20040 10041 05010 40002 02040 10500 00006
"""
# Ten subjects, fourteen raters, five kinds: the worked example of the Wikipedia page on Fleiss' kappa.
TEN = [
    *([0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1]),
    *([7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7]),
]


def observed(text):
    table = [line.split() for line in text.strip().splitlines()]
    unit = [place for line in table for place in range(len(line))]
    return np.array(unit), np.array([None if v == "." else v for line in table for v in line], dtype=object)


def counted(table):
    unit, value = np.nonzero(np.array(table))
    many = np.array(table)[unit, value]
    return np.repeat(unit, many), np.repeat(value, many)


@pytest.mark.parametrize(("text", "expected"), [(NOMINAL, 0.743), (BINARY, 0.095)])
def test_alpha_equals_krippendorffs_examples(text, expected):
    assert alpha(*observed(text)) == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize(
    ("table", "expected"), [([[int(n) for n in row] for row in DIAGNOSES.split()], 0.430), (TEN, 0.210)]
)
def test_kappa_equals_the_worked_examples(table, expected):
    assert fleiss_kappa(*counted(table)) == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize("measure", [alpha, fleiss_kappa])
@pytest.mark.parametrize(("unit", "value"), [([], []), ([1, 2], ["a", "b"]), ([1, 1], ["a", "a"]), ([1, 1], [None, 2])])
def test_where_agreement_tells_nothing_there_is_no_number(measure, unit, value):
    assert np.isnan(measure(unit, np.array(value, dtype=object)))


@pytest.mark.parametrize("measure", [alpha, fleiss_kappa])
def test_full_agreement_is_one(measure):
    assert measure([1, 1, 2, 2, 2], ["a", "a", "b", "b", "b"]) == pytest.approx(1)


ratings = st.lists(st.tuples(st.integers(0, 5), st.sampled_from("abc")), max_size=25)


@settings(derandomize=True, deadline=None, max_examples=50)
@given(ratings)
def test_alpha_is_that_of_the_coincidences(cast):
    units = {unit: [v for u, v in cast if u == unit] for unit, _ in cast}
    units = {unit: values for unit, values in units.items() if len(values) > 1}
    values = [v for each in units.values() for v in each]
    seen = sum((c != k) / (len(each) - 1) for each in units.values() for c, k in permutations(each, 2))
    expected = sum(c != k for c, k in permutations(values, 2))
    wanted = 1 - (len(values) - 1) * seen / expected if expected else np.nan
    found = alpha([u for u, _ in cast], np.array([v for _, v in cast], dtype=object))
    assert found == pytest.approx(wanted, nan_ok=True)


looks = st.lists(
    st.tuples(st.integers(1, 4), st.sampled_from("uvwxy"), st.sampled_from(["cod", "crab", "eel", None])), max_size=25
)


def gathered(cast):
    table = pd.DataFrame(cast, columns=["subject_id", "user", "label"])
    number = table["subject_id"] * 100 + table["user"].map(ord)
    return gather(table.assign(classification_id=number)), table


@settings(derandomize=True, deadline=None, max_examples=50)
@given(looks)
def test_the_measures_of_a_label_are_those_of_its_decisions(cast):
    votes, table = gathered(cast)
    found, over_all = describe_labels(votes)
    said = {key: set(part["label"].dropna()) for key, part in table.groupby(["subject_id", "user"])}
    pooled = [(f"{s} {label}", label in names) for label in found["label"] for (s, _), names in said.items()]
    assert over_all == pytest.approx(alpha([u for u, _ in pooled], [v for _, v in pooled]), nan_ok=True)
    for row in found.itertuples():
        unit, value = [s for s, _ in said], [row.label in names for names in said.values()]
        assert row.alpha == pytest.approx(alpha(unit, value), nan_ok=True)
        assert row.kappa == pytest.approx(fleiss_kappa(unit, value), nan_ok=True)
        assert row.votes == sum(value)
        assert row.subjects == len({s for s, yes in zip(unit, value, strict=True) if yes})


@settings(derandomize=True, deadline=None, max_examples=50)
@given(looks)
def test_two_looks_share_a_code_if_they_named_the_same(cast):
    votes, table = gathered(cast)
    code = code_answers(votes.choice_look, votes.choice_label, len(votes.look_subject))
    said = [frozenset(part["label"].dropna()) for _, part in table.groupby(["subject_id", "user"])]
    assert len(said) == len(code)
    assert len(set(zip(said, code.tolist(), strict=True))) == len(set(said)) == len(set(code.tolist()))
    assert [c == 0 for c in code] == [not names for names in said]


def test_the_agreement_of_a_subject_is_the_share_of_its_pairs():
    votes, _ = gathered([(1, "u", "cod"), (1, "v", "cod"), (1, "w", "cod"), (1, "w", "eel"), (2, "u", None)])
    found = describe_subjects(votes, code_answers(votes.choice_look, votes.choice_label, 4))
    assert found["people"].tolist() == [3, 1]
    assert found["agreement"].tolist() == pytest.approx([1 / 3, np.nan], nan_ok=True)


def test_the_agreement_on_a_label_is_the_share_of_pairs_who_decide_alike():
    votes, _ = gathered([(1, "u", "cod"), (1, "v", "cod"), (1, "w", "eel"), (2, "u", None), (2, "v", None)])
    assert describe_labels(votes)[0]["agreement"].tolist() == [0.5, 0.5]
