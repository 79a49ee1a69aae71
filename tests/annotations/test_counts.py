import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.annotations.counts import max_n
from kso_utils.core.errors import ConfigError


def marks(*rows, fps=10.0):
    frame = pd.DataFrame(rows, columns=["movie_id", "frame_number", "label"])
    return frame.assign(pts_s=frame["frame_number"] / fps)


def test_species_of_one_frame_are_counted_apart():
    found = max_n(marks(*[(1, 10, "cod")] * 3, (1, 10, "crab"), (1, 20, "cod")))
    assert found[["label", "max_n", "frame_number"]].values.tolist() == [["cod", 3, 10], ["crab", 1, 10]]


def test_the_earliest_frame_wins_a_tie():
    found = max_n(marks(*[(1, 30, "cod")] * 2, *[(1, 20, "cod")] * 2, (1, 5, "cod")))
    assert found.loc[0, ["max_n", "frame_number", "pts_s"]].tolist() == [2, 20, 2.0]


def test_first_arrival_is_the_first_frame_with_the_label():
    found = max_n(marks(*[(1, 30, "cod")] * 2, (1, 7, "cod")))
    assert found["first_arrival_s"].tolist() == [0.7]


def test_frames_of_two_movies_are_never_one_frame():
    found = max_n(marks((1, 10, "cod"), (2, 10, "cod")), by=["label"])
    assert found["max_n"].tolist() == [1]


def test_movies_are_counted_apart():
    found = max_n(marks((1, 10, "cod"), (2, 10, "cod"), (2, 10, "cod")))
    assert found[["movie_id", "max_n"]].values.tolist() == [[1, 1], [2, 2]]


def test_a_file_name_can_stand_for_the_movie():
    rows = marks((1, 10, "cod"), (2, 10, "cod")).assign(filename=["a.mp4", "b.mp4"]).drop(columns="movie_id")
    assert max_n(rows, by=["filename", "label"])["max_n"].tolist() == [1, 1]
    assert max_n(rows, by=["label"])["max_n"].tolist() == [1]


def test_periods_are_cut_at_their_borders():
    found = max_n(marks((1, 0, "cod"), (1, 9, "cod"), (1, 10, "cod"), (1, 10, "cod")), bin_s=1.0)
    assert found[["bin_start_s", "max_n", "first_arrival_s"]].values.tolist() == [[0, 1, 0], [1, 2, 1]]


@pytest.mark.parametrize("step", range(1, 60))
def test_a_time_on_a_border_within_rounding_belongs_to_the_later_period(step):
    rows = pd.DataFrame({"movie_id": 1, "label": "cod", "frame_number": [step], "pts_s": [step * 0.1]})
    assert max_n(rows, bin_s=0.1)["bin_start_s"].tolist() == pytest.approx([step * 0.1])


def test_short_tracks_do_not_decide():
    rows = marks((1, 1, "cod"), (1, 2, "cod"), (1, 2, "cod"), (1, 3, "cod")).assign(track_id=[5, 5, 6, 5])
    assert max_n(rows)["max_n"].tolist() == [2]
    assert max_n(rows, min_track_frames=3)["max_n"].tolist() == [1]


def test_a_track_is_known_within_its_movie_only():
    rows = marks((1, 1, "cod"), (2, 2, "cod"), (3, 3, "cod")).assign(track_id=5)
    assert max_n(rows, min_track_frames=2).empty


def test_a_mark_without_a_track_is_not_on_a_long_one():
    rows = marks((1, 1, "cod"), (1, 2, "cod")).assign(track_id=[np.nan, np.nan])
    assert max_n(rows, min_track_frames=2).empty


def test_rows_in_which_nothing_was_seen_count_nothing():
    found = max_n(marks((1, 1, None), (1, 2, "cod"), (1, None, "cod")))
    assert found[["label", "max_n"]].values.tolist() == [["cod", 1]]


@pytest.mark.parametrize(("bin_s", "extra"), [(None, []), (5.0, ["bin_start_s"])])
def test_no_marks_give_an_empty_table_with_the_columns(bin_s, extra):
    found = max_n(marks(), bin_s=bin_s)
    assert found.empty
    assert list(found) == ["movie_id", "label", *extra, "max_n", "frame_number", "pts_s", "first_arrival_s"]
    assert found["max_n"].dtype == np.int64


def test_a_missing_column_is_named():
    with pytest.raises(ConfigError, match="pts_s"):
        max_n(marks((1, 1, "cod")).drop(columns="pts_s"))


def test_periods_need_times():
    with pytest.raises(ConfigError, match="no pts_s"):
        max_n(marks((1, 1, "cod")).assign(pts_s=np.nan), bin_s=1.0)


@pytest.mark.parametrize("wrong", [{"bin_s": 0}, {"bin_s": -1}, {"bin_s": np.nan}, {"min_track_frames": 0}])
def test_arguments_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        max_n(marks((1, 1, "cod")).assign(track_id=1), **wrong)


def slow_max_n(rows):
    """MaxN written as its definition, with dictionaries."""
    counts, first = {}, {}
    for movie, frame, label in rows:
        counts.setdefault((movie, label), {}).setdefault(frame, 0)
        counts[movie, label][frame] += 1
        first[movie, label] = min(first.get((movie, label), frame), frame)
    best = {key: min((-n, frame) for frame, n in frames.items()) for key, frames in counts.items()}
    return [[*key, -best[key][0], best[key][1], first[key] / 10.0] for key in sorted(best)]


@settings(derandomize=True, deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 6), st.sampled_from(["cod", "crab"])), max_size=60))
def test_max_n_equals_its_definition(rows):
    found = max_n(marks(*rows))
    assert found[["movie_id", "label", "max_n", "frame_number", "first_arrival_s"]].values.tolist() == slow_max_n(rows)
