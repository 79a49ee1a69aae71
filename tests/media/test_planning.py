import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.core.errors import ConfigError
from kso_utils.media.planning import plan_clips


def movies(*rows):
    return pd.DataFrame(rows, columns=["id", "duration_s", "sampling_start_s", "sampling_end_s"])


def starts(plan):
    return plan["clip_start_time"].tolist()


def test_the_window_is_tiled_and_a_short_tail_dropped():
    plan = plan_clips(movies((1, 100.0, 10.0, 45.0)), 10)
    assert starts(plan) == [10, 20, 30]
    assert plan["clip_end_time"].tolist() == [20, 30, 40]


def test_without_a_window_the_whole_movie_is_used():
    assert starts(plan_clips(movies((1, 25.0, None, np.nan)), 10)) == [0, 10]


def test_a_window_beyond_the_movie_ends_with_it():
    assert starts(plan_clips(movies((1, 25.0, 5.0, 99.0)), 10)) == [5, 15]


def test_few_clips_are_spread_evenly_from_the_start():
    assert starts(plan_clips(movies((1, 100.0, 0.0, 100.0)), 10, per_movie=4)) == [0, 20, 50, 70]


def test_taken_parts_are_left_out():
    taken = pd.DataFrame({"movie_id": [1, 2], "clip_start_time": [12.0, 0.0], "clip_end_time": [22.0, 50.0]})
    assert starts(plan_clips(movies((1, 50.0, 0.0, 50.0)), 10, taken=taken)) == [0, 22, 32]


def test_a_random_choice_depends_on_seed_and_movie_alone():
    one, two = (1, 500.0, 0.0, 500.0), (2, 500.0, 0.0, 500.0)
    both = plan_clips(movies(one, two), 10, per_movie=5, seed=3)
    alone = plan_clips(movies(two), 10, per_movie=5, seed=3)
    assert both[both["movie_id"] == 2].reset_index(drop=True).equals(alone)
    assert starts(both[both["movie_id"] == 1]) != starts(alone)
    assert not alone.equals(plan_clips(movies(two), 10, per_movie=5, seed=4))


def test_no_movies_give_an_empty_plan():
    plan = plan_clips(movies(), 10)
    assert list(plan.columns) == ["movie_id", "clip_start_time", "clip_end_time"]
    assert plan.empty


def test_a_movie_without_an_end_is_refused():
    with pytest.raises(ConfigError, match="Movie 7"):
        plan_clips(movies((7, None, 0.0, None)), 10)


@pytest.mark.parametrize(("length", "n"), [(0, None), (-1, None), (float("nan"), None), (10, 0)])
def test_lengths_and_numbers_are_positive(length, n):
    with pytest.raises(ConfigError, match="positive"):
        plan_clips(movies((1, 50.0, 0.0, 50.0)), length, per_movie=n)


def test_a_negative_seed_is_refused():
    with pytest.raises(ConfigError, match="from 0"):
        plan_clips(movies((1, 50.0, 0.0, 50.0)), 5, per_movie=2, seed=-1)


seconds = st.floats(0, 300, allow_nan=False, width=32)


@given(
    st.lists(st.tuples(seconds, seconds, seconds), min_size=1, max_size=3),
    st.floats(0.5, 40),
    st.lists(st.tuples(st.integers(0, 2), seconds, st.floats(0.1, 50)), max_size=6),
    st.one_of(st.none(), st.integers(1, 5)),
    st.one_of(st.none(), st.integers(0, 9)),
)
@settings(derandomize=True, deadline=None, max_examples=100)
def test_clips_never_overlap_and_never_leave_the_window(windows, length, before, n, seed):
    table = movies(*[(k, duration, start, end) for k, (duration, start, end) in enumerate(windows)])
    taken = pd.DataFrame(
        [(k, start, start + span) for k, start, span in before],
        columns=["movie_id", "clip_start_time", "clip_end_time"],
    )
    plan = plan_clips(table, length, n, taken, seed)
    for k, (duration, start, end) in enumerate(windows):
        mine = plan[plan["movie_id"] == k]
        assert n is None or len(mine) <= n
        assert (mine["clip_start_time"] >= start).all()
        assert (mine["clip_end_time"] <= min(duration, end)).all()
        assert np.allclose(mine["clip_end_time"] - mine["clip_start_time"], length, atol=2e-6)
        spans = pd.concat([mine, taken[taken["movie_id"] == k]])
        for clip in mine.itertuples():
            overlap = (spans["clip_start_time"] < clip.clip_end_time) & (spans["clip_end_time"] > clip.clip_start_time)
            others = spans[overlap]
            assert len(others) == 1


def seen(*rows, movie_id=1):
    table = pd.DataFrame(rows, columns=["pts_s", "confidence"], dtype=float)
    return table.assign(movie_id=movie_id)


def test_a_kept_tail_is_a_short_clip():
    plan = plan_clips(movies((1, 27.0, 0.0, 27.0)), 10, tail="keep")
    assert plan["clip_end_time"].tolist() == [10, 20, 27]


def test_a_tail_of_less_than_a_second_is_dropped_always():
    assert starts(plan_clips(movies((1, 20.9, 0.0, 20.9)), 10, tail="keep")) == [0, 10]


def test_clips_lie_where_most_was_seen_the_best_first():
    detections = seen((31.0, 0.5), (32.0, 0.5), (33.0, 0.5), (80.0, 0.9), (80.5, 0.4))
    plan = plan_clips(movies((1, 100.0, 0.0, 100.0)), 10, detections=detections)
    assert starts(plan) == [27, 75.25]


def test_without_confidences_detections_are_counted():
    detections = pd.DataFrame({"movie_id": 1, "pts_s": [20.0, 60.0, 61.0]})
    assert starts(plan_clips(movies((1, 100.0, 0.0, 100.0)), 10, 1, detections=detections)) == [55.5]


def test_where_nothing_was_seen_there_is_no_clip():
    assert plan_clips(movies((1, 100.0, 0.0, 100.0)), 10, 3, detections=seen(movie_id=1)).empty


def test_clips_by_detections_keep_to_the_window_and_off_what_was_taken():
    detections = seen((5.0, 1.0), (21.0, 1.0), (39.5, 1.0), (95.0, 1.0))
    taken = pd.DataFrame({"movie_id": [1], "clip_start_time": [40.0], "clip_end_time": [50.0]})
    plan = plan_clips(movies((1, 100.0, 20.0, 90.0)), 10, taken=taken, detections=detections)
    assert starts(plan) == [20, 30]


@given(
    st.lists(st.tuples(seconds, st.integers(1, 9)), max_size=12),
    st.floats(1, 40, width=16),
    st.lists(st.tuples(seconds, st.floats(0.1, 50)), max_size=4),
    st.integers(1, 4),
)
@settings(derandomize=True, deadline=None, max_examples=100)
def test_no_place_shows_more_than_the_first_clip_by_detections(rows, length, before, n):
    detections = seen(*[(time, weight / 10) for time, weight in rows])
    taken = pd.DataFrame([(1, a, a + b) for a, b in before], columns=["movie_id", "clip_start_time", "clip_end_time"])
    plan = plan_clips(movies((1, 300.0, 0.0, 300.0)), length, n, taken, detections=detections)
    spans = pd.concat([plan, taken]).to_numpy(float)[:, 1:]
    for start, end in plan.to_numpy(float)[:, 1:]:
        assert 0 <= start < end <= 300
        assert ((spans[:, 0] < end) & (spans[:, 1] > start)).sum() == 1

    def score(start):
        inside = (detections["pts_s"] >= start) & (detections["pts_s"] < start + length - 1e-6)
        return round(detections.loc[inside, "confidence"].sum(), 6)

    busy = taken.to_numpy(float)[:, 1:]
    fits = [
        t for t in detections["pts_s"] if t + length <= 300 and not ((busy[:, 0] < t + length) & (busy[:, 1] > t)).any()
    ]
    scores = [score(start) for start in plan["clip_start_time"]]
    assert max(map(score, fits), default=0) <= max(scores, default=0) + 1e-6
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("other", [{"seed": 1}, {"tail": "keep"}])
def test_two_ways_to_choose_are_refused(other):
    with pytest.raises(ConfigError, match="by detections"):
        plan_clips(movies((1, 50.0, 0.0, 50.0)), 5, detections=seen((1, 1)), **other)


def test_an_unknown_rule_for_tails_is_refused():
    with pytest.raises(ConfigError, match="'drop', 'keep'"):
        plan_clips(movies((1, 50.0, 0.0, 50.0)), 5, tail="shift")
