import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.annotations.counts import max_n
from kso_utils.annotations.sightings import Evidence, clips_across, find_sightings, measure_effort
from kso_utils.core.errors import ConfigError

TAXA = {"cod": "Gadus morhua", "torsk": "Gadus morhua", "crab": "Cancer pagurus"}
MOVIE = [("whole", 1, 0.0, 60.0)]
BINS = [(f"bin{k}", 1, 10.0 * k, 10.0 * (k + 1)) for k in range(6)]


def windows(rows):
    return pd.DataFrame(rows, columns=["event", "movie_id", "start_s", "end_s"])


def boxes(*rows, fps=10.0, people=5):
    """Each row is a movie, a frame, a label and perhaps a support."""
    filled = [(*row, 0.9)[:4] for row in rows]
    frame = pd.DataFrame(filled, columns=["movie_id", "frame_number", "label", "support"])
    return frame.assign(pts_s=frame["frame_number"] / fps, people=pd.array([people] * len(frame), dtype="Int64"))


def seen(*rows, people=5):
    """Each row is a movie, start and end of a clip, a label, how many, first seen."""
    columns = ["movie_id", "clip_start_time", "clip_end_time", "label", "how_many", "first_seen_s"]
    frame = pd.DataFrame(rows, columns=columns).assign(support=0.8)
    return frame.assign(people=pd.array([people] * len(frame), dtype="Int64"))


def looked_clips(*rows):
    frame = pd.DataFrame(rows, columns=["movie_id", "clip_start_time", "clip_end_time", "people"])
    return frame.astype({"people": "Int64"})


def looked_frames(*rows):
    frame = pd.DataFrame(rows, columns=["movie_id", "first_s", "step_s", "frames"])
    return frame.assign(people=pd.array([pd.NA] * len(frame), dtype="Int64"))


def doubts(*rows):
    return pd.DataFrame(rows, columns=["movie_id", "start_s", "end_s", "label"])


def sightings(events, **parts):
    return find_sightings(windows(events), Evidence("human", **parts), TAXA).set_index(["event", "taxon"])


def test_individuals_are_the_most_of_a_taxon_in_any_one_frame():
    found = sightings(MOVIE, boxes=boxes((1, 3, "cod"), (1, 7, "cod"), (1, 7, "cod"), (1, 7, "crab"), (1, 9, "cod")))
    assert found["individuals"].to_dict() == {("whole", "Cancer pagurus"): 1, ("whole", "Gadus morhua"): 2}


def test_the_frame_and_the_time_of_max_n_and_the_first_arrival_are_told():
    found = sightings(MOVIE, boxes=boxes((1, 3, "cod"), (1, 7, "cod"), (1, 7, "cod")))
    told = found.loc[("whole", "Gadus morhua"), ["first_arrival_s", "max_n_s", "max_n_frame"]]
    assert told.tolist() == [0.3, 0.7, 7]


def test_two_labels_of_one_taxon_are_counted_together_in_a_frame():
    found = sightings(MOVIE, boxes=boxes((1, 7, "cod"), (1, 7, "torsk")))
    assert found["individuals"].to_dict() == {("whole", "Gadus morhua"): 2}


def test_clips_give_the_largest_answer_and_never_a_sum():
    found = sightings(MOVIE, clips=seen((1, 0, 10, "cod", 2, 1), (1, 10, 20, "cod", 3, 4)))
    assert found["individuals"].tolist() == [3]


def test_a_median_between_two_numbers_is_the_smaller_number():
    assert sightings(MOVIE, clips=seen((1, 0, 10, "cod", 2.5, 1)))["individuals"].tolist() == [2]


def test_clips_in_which_nobody_counted_give_presence_without_a_number():
    found = sightings(MOVIE, clips=seen((1, 0, 10, "cod", np.nan, 1)))
    assert found["present"].tolist() == [True]
    assert found["individuals"].isna().all()


def test_where_clips_decide_no_frame_is_named():
    found = sightings(MOVIE, boxes=boxes((1, 7, "cod")), clips=seen((1, 0, 10, "cod", 3, 0.2)))
    row = found.loc[("whole", "Gadus morhua")]
    assert (row["individuals"], row["first_arrival_s"]) == (3, 0.2)
    assert pd.isna(row["max_n_s"])
    assert pd.isna(row["max_n_frame"])


def test_the_first_arrival_is_not_known_if_an_earlier_clip_does_not_tell_it():
    found = sightings(MOVIE, clips=seen((1, 0, 10, "cod", 1, np.nan), (1, 10, 20, "cod", 1, 4)))
    assert found["first_arrival_s"].isna().all()


def test_the_first_arrival_is_known_if_a_later_clip_does_not_tell_it():
    found = sightings(MOVIE, clips=seen((1, 0, 10, "cod", 1, 4), (1, 10, 20, "cod", 1, np.nan)))
    assert found["first_arrival_s"].tolist() == [4]


def test_the_largest_support_is_told_with_the_people_behind_it():
    found = sightings(MOVIE, boxes=boxes((1, 3, "cod", 0.5), people=7), clips=seen((1, 0, 10, "cod", 1, 4), people=4))
    assert found[["support", "people"]].values.tolist() == [[0.8, 4]]


def test_an_animal_on_a_border_belongs_to_the_later_event():
    assert sightings(BINS, boxes=boxes((1, 100, "cod"))).index.tolist() == [("bin1", "Gadus morhua")]


def test_max_n_is_told_for_each_period_apart():
    found = sightings(BINS, boxes=boxes((1, 99, "cod"), (1, 100, "cod"), (1, 100, "cod"), (1, 599, "cod")))
    assert found["individuals"].to_dict() == {
        ("bin0", "Gadus morhua"): 1,
        ("bin1", "Gadus morhua"): 2,
        ("bin5", "Gadus morhua"): 1,
    }


def test_periods_hold_the_right_frames_at_29_97_frames_a_second():
    fps = 30000 / 1001
    marks = boxes(*[(1, number, "cod") for number in (299, 300)], fps=fps)
    events = [("early", 1, 0.0, 10.01), ("late", 1, 10.01, 20.02)]
    found = sightings(events, boxes=marks, looked_frames=looked_frames((1, 0.0, 1001 / 30000, 600)))
    assert found["max_n_frame"].to_dict() == {("early", "Gadus morhua"): 299, ("late", "Gadus morhua"): 300}


def test_what_lies_outside_every_event_does_not_count():
    events = [("window", 1, 5.0, 20.0)]
    found = sightings(events, boxes=boxes((1, 49, "cod"), (1, 200, "cod")), clips=seen((1, 20, 30, "cod", 1, 1)))
    assert found.empty


def test_a_movie_does_not_count_for_another():
    assert sightings(MOVIE, boxes=boxes((2, 3, "cod")), clips=seen((2, 0, 10, "cod", 1, 1))).empty


def test_a_taxon_that_was_asked_for_and_not_seen_is_absent_where_somebody_looked():
    found = sightings(
        BINS, asked_in_clips=("cod", "torsk", "other"), looked_clips=looked_clips((1, 0, 10, 5), (1, 0, 10, 3))
    )
    assert found[["present", "individuals", "people"]].reset_index().values.tolist() == [
        ["bin0", "Gadus morhua", False, 0.0, 3]
    ]


def test_frames_that_a_model_looked_at_give_absences_too():
    found = sightings(BINS, asked_in_frames=("cod",), looked_frames=looked_frames((1, 9.0, 0.5, 3)))
    assert found.reset_index()["event"].tolist() == ["bin0", "bin1"]
    assert not found["present"].any()


def test_a_taxon_that_was_not_asked_for_is_never_absent():
    assert sightings(MOVIE, looked_clips=looked_clips((1, 0, 10, 5))).empty


def test_what_was_asked_in_clips_alone_is_not_absent_from_frames():
    looked = {"looked_clips": looked_clips((1, 0, 10, 5)), "looked_frames": looked_frames((1, 15.0, 0.0, 1))}
    found = sightings(BINS, asked_in_clips=("cod", "crab"), asked_in_frames=("crab",), **looked)
    assert found.index.tolist() == [("bin0", "Cancer pagurus"), ("bin0", "Gadus morhua"), ("bin1", "Cancer pagurus")]


def test_a_doubt_is_neither_presence_nor_absence():
    looked = looked_clips((1, 0, 10, 5), (1, 10, 20, 5))
    found = sightings(BINS, asked_in_clips=("cod",), looked_clips=looked, doubts=doubts((1, 12.0, 13.0, "cod")))
    assert found.index.tolist() == [("bin0", "Gadus morhua")]


def test_a_doubt_that_ends_on_a_border_does_not_reach_across_it():
    looked = looked_clips((1, 0, 10, 5), (1, 10, 20, 5))
    found = sightings(BINS, asked_in_clips=("cod",), looked_clips=looked, doubts=doubts((1, 0.0, 10.0, "cod")))
    assert found.index.tolist() == [("bin1", "Gadus morhua")]


def test_a_clip_across_a_border_counts_nowhere_and_forbids_absence_on_both_sides():
    clips = seen((1, 5, 15, "cod", 1, 1))
    looked = looked_clips((1, 0, 5, 5), (1, 5, 15, 5), (1, 15, 20, 5), (1, 20, 30, 5))
    found = sightings(BINS, asked_in_clips=("cod",), clips=clips, looked_clips=looked)
    assert found["present"].to_dict() == {("bin2", "Gadus morhua"): False}


def test_clips_across_borders_are_listed():
    looked = looked_clips((1, 0, 10, 5), (1, 5, 15, 5), (1, 70, 80, 5), (2, 5, 15, 5))
    across = clips_across(windows(BINS), Evidence("human", looked_clips=looked))
    assert across["clip_start_time"].tolist() == [5]


def test_effort_counts_each_second_of_clips_once():
    looked = looked_clips((1, 0, 4, 5), (1, 2, 6, 4), (1, 8, 9, 6))
    effort = measure_effort(windows(BINS[:1]), Evidence("human", looked_clips=looked))
    assert effort[["clips", "clips_s", "people"]].values.tolist() == [[3, 7.0, 4]]


def test_effort_counts_the_frames_of_each_event():
    looked = looked_frames((1, 0.0, 0.1, 101), (1, 25.0, 0.0, 1), (2, 0.0, 1.0, 5))
    effort = measure_effort(windows([*BINS[:3], ("other", 2, 0.0, 3.0)]), Evidence("machine", looked_frames=looked))
    assert effort["frames"].tolist() == [100, 1, 1, 3]


def test_an_event_whose_end_is_not_known_holds_everything_after_its_start():
    found = sightings([("open", 1, 0.0, np.inf)], boxes=boxes((1, 10**6, "cod")))
    assert found["individuals"].tolist() == [1]


def test_events_that_overlap_are_refused():
    with pytest.raises(ConfigError, match="late overlaps"):
        sightings([("early", 1, 0.0, 10.0), ("late", 1, 9.0, 20.0)])


def test_events_without_a_column_are_refused():
    with pytest.raises(ConfigError, match="end_s"):
        find_sightings(windows(MOVIE).drop(columns="end_s"), Evidence("human"), TAXA)


def test_all_labels_asked_or_given_are_named():
    evidence = Evidence(
        "human",
        asked_in_clips=("eel",),
        asked_in_frames=("gull",),
        boxes=boxes((1, 3, "cod")),
        clips=seen((1, 0, 10, "crab", 1, 1)),
    )
    assert evidence.labels() == ["cod", "crab", "eel", "gull"]


LABELS = st.sampled_from(["cod", "torsk", "crab", "stone"])
BOX = st.tuples(st.integers(1, 2), st.integers(0, 79), LABELS)
CLIP = st.tuples(
    st.integers(1, 2), st.integers(0, 60), st.integers(1, 20), LABELS, st.integers(1, 9), st.integers(0, 5)
)
LOOKED = st.tuples(st.integers(1, 2), st.integers(0, 60), st.integers(1, 20), st.integers(3, 9))


def count_by_hand(events, marks, clips, looked):
    """Count with loops alone: event and taxon -> presence, number, first arrival."""
    answer = {}
    for event, movie, start, end in events:
        hinted = {
            TAXA[label]
            for m, first, length, label, *_ in clips
            if label in TAXA and m == movie and first < end and first + length > start
        }
        inside = [c for c in clips if c[0] == movie and start <= c[1] and c[1] + c[2] <= end]
        for taxon in set(TAXA.values()):
            frames, times = {}, []
            for m, number, label in marks:
                if m == movie and TAXA.get(label) == taxon and start <= number / 10 < end:
                    frames[number] = frames.get(number, 0) + 1
                    times.append(number / 10)
            counts = list(frames.values())
            for _, first, length, label, how_many, at in inside:
                if TAXA.get(label) == taxon:
                    counts.append(how_many)
                    times.append(min(first + at, first + length))
            if counts:
                answer[event, taxon] = (True, max(counts), min(times))
            elif taxon not in hinted and any(
                m == movie and start <= first and first + length <= end for m, first, length, _ in looked
            ):
                answer[event, taxon] = (False, 0, None)
    return answer


@settings(max_examples=120, deadline=None)
@given(st.lists(BOX, max_size=25), st.lists(CLIP, max_size=8), st.lists(LOOKED, max_size=8), st.integers(3, 40))
def test_sightings_equal_a_count_by_hand(marks, clips, looked, length):
    events = [
        (f"{movie}-{k}", movie, float(k * length), float((k + 1) * length))
        for movie in (1, 2)
        for k in range(80 // length)
    ]
    found = sightings(
        events,
        asked_in_clips=tuple(TAXA),
        boxes=boxes(*marks),
        clips=seen(*[(m, s, s + n, label, count, at) for m, s, n, label, count, at in clips]),
        looked_clips=looked_clips(*[(m, s, s + n, people) for m, s, n, people in looked]),
    )
    ours = {
        key: (row["present"], row["individuals"], row["first_arrival_s"] if row["present"] else None)
        for key, row in found.iterrows()
    }
    assert ours == count_by_hand(events, marks, clips, looked)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.just(1), st.integers(0, 400), st.just("cod")), min_size=1, max_size=30))
def test_periods_are_those_of_max_n(marks):
    rows = boxes(*marks, fps=30000 / 1001)
    events = [(f"{k}", 1, k * 0.1, (k + 1) * 0.1) for k in range(140)]
    found = sightings(events, boxes=rows)
    assert found["individuals"].sum() == max_n(rows, bin_s=0.1)["max_n"].sum()
