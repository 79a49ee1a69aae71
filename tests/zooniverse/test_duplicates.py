import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.core.errors import MetadataError
from kso_utils.core.report import Report
from kso_utils.store.rows import Counts
from kso_utils.zooniverse.matching.duplicates import load_duplicates, write_duplicates


@pytest.fixture
def load(tmp_path):
    """Return a function that writes a table of pairs and loads it."""

    def load_pairs(*pairs, header="dupl_subject_id,single_subject_id"):
        path = tmp_path / "duplicates.csv"
        path.write_text("\n".join([header, *(",".join(map(str, pair)) for pair in pairs)]))
        return load_duplicates(path)

    return load_pairs


@pytest.mark.parametrize(
    ("pairs", "stands"),
    [
        ([(1, 1), (2, 1), (3, 1)], {2: 1, 3: 1}),
        ([(3, 2), (2, 1)], {3: 1, 2: 1}),
        ([(2, 1), (3, 2), (4, 3), (1, 1)], {2: 1, 3: 1, 4: 1}),
        ([(2, 1), (2, 1)], {2: 1}),
        ([(1, 1)], {}),
    ],
)
def test_chains_are_followed_and_those_that_stand_for_themselves_left_out(load, pairs, stands):
    assert load(*pairs) == stands


def test_other_columns_and_capitals_do_no_harm(load):
    assert load(("x", 1, 2), header="why,Single_Subject_ID,DUPL_subject_id") == {2: 1}


@pytest.mark.parametrize(
    ("pairs", "says"),
    [
        ([(1, 2), (2, 1)], r"line 2.*circle, from 1 back to 1"),
        ([(9, 1), (1, 2), (2, 3), (3, 1)], "circle"),
        ([(2, 1), (2, 3)], r"line 3.*3 stands for 2, but 1 on line 2"),
        ([(2, 1), ("x", 3)], r"line 3.*'x' is no subject"),
        ([(2, "1.5")], "'1.5' is no subject"),
        ([(2, -1)], "'-1' is no subject"),
    ],
)
def test_a_table_that_cannot_be_is_refused_with_its_line(load, pairs, says):
    with pytest.raises(MetadataError, match=says):
        load(*pairs)


def test_a_table_without_its_columns_is_refused(load):
    with pytest.raises(MetadataError, match="one column dupl_subject_id and one column single_subject_id"):
        load((1, 2), header="a,b")


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), unique_by=lambda pair: pair[0]))
def test_every_duplicate_ends_at_one_that_is_none(tmp_path_factory, pairs):
    downwards = [(one, other) for one, other in pairs if other <= one]
    path = tmp_path_factory.mktemp("pairs") / "duplicates.csv"
    path.write_text("dupl_subject_id,single_subject_id\n1000,1000\n" + "".join(f"{a},{b}\n" for a, b in downwards))
    found = load_duplicates(path)
    assert found.keys() == {one for one, other in downwards if one != other}
    assert not set(found.values()) & found.keys()


@pytest.fixture
def clips_there(store):
    times = {"movie_id": [1, 1, 2], "clip_start_time": [0.0, 0.0, None]}
    store.upsert("subjects", pd.DataFrame({"id": [1, 2, 3], "subject_type": "clip", **times}), "id")
    return store


def test_the_store_has_what_the_table_says(clips_there):
    report = Report("Duplicates")
    assert write_duplicates(clips_there, {2: 1, 4: 1}, report) == Counts(inserted=2)
    assert write_duplicates(clips_there, {2: 1, 3: 1}, report) == Counts(inserted=1, unchanged=1, removed=1)
    columns = ["dupl_subject_id", "single_subject_id"]
    assert clips_there.read("subject_duplicates", columns, order_by=columns[0]).values.tolist() == [[2, 1], [3, 1]]
    assert write_duplicates(clips_there, {}, report) == Counts(removed=2)


def test_duplicates_that_a_repair_found_stay(clips_there):
    found = pd.DataFrame({"dupl_subject_id": [2], "single_subject_id": [1]})
    clips_there.upsert("subject_duplicates", found, "dupl_subject_id")
    report = Report("Duplicates")
    assert write_duplicates(clips_there, {3: 1}, report) == Counts(inserted=1)
    assert write_duplicates(clips_there, {}, report) == Counts(removed=1)
    assert clips_there.read("subject_duplicates")["dupl_subject_id"].tolist() == [2]


def test_pairs_of_unknown_subjects_or_at_different_places_are_listed(clips_there):
    report = Report("Duplicates")
    write_duplicates(clips_there, {2: 1, 3: 1, 4: 1, 5: 6}, report)
    assert [(f.code, f.column, f.value) for f in report] == [
        ("OTHER_PLACE", None, "3"),
        ("UNKNOWN_SUBJECT", "dupl_subject_id", "4"),
        ("UNKNOWN_SUBJECT", "dupl_subject_id", "5"),
        ("UNKNOWN_SUBJECT", "single_subject_id", "6"),
    ]


def test_the_real_table_is_read_whole(koster_data):
    found = load_duplicates(koster_data / "duplicated_subjects.csv")
    assert (len(found), len(set(found.values()))) == (1186, 1150)
