import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.zooniverse.matching.subject_metadata import read_metadata


@pytest.mark.parametrize("mark", ["", "#", "//", "!", "#!"])
@pytest.mark.parametrize(
    ("key", "value", "column", "said"),
    [
        ("movie_id", "7", "movie_id", 7),
        ("Subject_type", "Clip", "subject_type", "clip"),
        ("subject_type", "frame", "subject_type", "frame"),
        ("upl_seconds", "12.5", "clip_start_time", 12.5),
        ("clip_start_time", 0, "clip_start_time", 0.0),
        ("clip_end_time", 20, "clip_end_time", 20.0),
        ("clip_length", "10", "clip_length", 10.0),
        ("frame_number", "125", "frame_number", 125),
        ("frame_exp_sp_id", 3.0, "frame_exp_sp_id", 3),
        ("VideoFilename", "a.mp4", "filenames", ("a.mp4",)),
        ("Filename", "a.mp4", "filenames", ("a.mp4",)),
        ("filename", "a.mp4", "filenames", ("a.mp4",)),
        ("modification", {"speed": 2}, "modification", {"speed": 2}),
    ],
)
def test_every_name_is_known_behind_every_mark(mark, key, value, column, said):
    found = read_metadata({mark + key: value, "created_on": "2019-01-01", "frame": "25"})
    assert getattr(found, column) == said
    assert not found.faults


def test_the_file_of_the_movie_comes_first_whatever_the_order():
    said = {"Filename": "a_clip_10_10.mp4", "#filename": "a.mp4", "#VideoFilename": "a.mp4"}
    assert read_metadata(said).filenames == ("a.mp4", "a_clip_10_10.mp4")


@pytest.mark.parametrize("empty", [None, ""])
def test_an_empty_value_says_nothing(empty):
    assert read_metadata({"movie_id": empty, "filename": empty, "upl_seconds": empty}) == read_metadata({})


@pytest.mark.parametrize(
    ("key", "value", "column"),
    [
        ("movie_id", "7.5", "movie_id"),
        ("movie_id", True, "movie_id"),
        ("#frame_number", "many", "frame_number"),
        ("#frame_number", "1e30", "frame_number"),
        ("upl_seconds", "10 s", "clip_start_time"),
        ("upl_seconds", "nan", "clip_start_time"),
        ("clip_length", [10], "clip_length"),
    ],
)
def test_what_is_no_number_is_told(key, value, column):
    found = read_metadata({key: value})
    assert getattr(found, column) is None
    assert [(fault.code, fault.column, fault.value) for fault in found.faults] == [("NO_NUMBER", column, str(value))]


def test_variants_that_contradict_each_other_are_told():
    found = read_metadata({"upl_seconds": 20, "#clip_start_time": "10.0"})
    assert found.clip_start_time == 10
    assert [(fault.code, fault.value) for fault in found.faults] == [("SAID_TWICE", "10.0 and 20.0")]
    assert not read_metadata({"upl_seconds": 10, "#clip_start_time": "10.0"}).faults


PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
JSON = PLAIN | st.just(10**400) | st.lists(PLAIN, max_size=2) | st.dictionaries(st.just("x"), PLAIN)
KEYS = st.sampled_from(["#movie_id", "Filename", "VideoFilename", "upl_seconds", "//frame_number", "Subject_type", "x"])


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.dictionaries(KEYS, JSON))
def test_no_metadata_are_too_odd(metadata):
    found = read_metadata(metadata)
    assert found.subject_type in (None, "clip", "frame")
    assert found.movie_id is None or isinstance(found.movie_id, int)
