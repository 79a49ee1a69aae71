import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.core.errors import ConfigError, MetadataError
from kso_utils.project.settings import TemplateSettings
from kso_utils.zooniverse.subjects import choose_frames, key_of, plain, plan_subjects

CLIPS = pd.DataFrame(
    {
        "path": ["a.mp4", "b.mp4"],
        "sha256": ["1" * 64, "2" * 64],
        "movie_id": [3, 4],
        "clip_start_time": [0.0, 10.0],
        "clip_end_time": [10.0, 20.0],
        "locality": ["Reef", None],
        "depth_m": [12.5, np.nan],
    }
)


def test_metadata_follow_the_template_and_the_origin():
    planned = plan_subjects(CLIPS, {"Site": "locality", "#depth": "depth_m"}, "clip")
    hidden = {"#subject_type": "clip", "#movie_id": 3, "#clip_start_time": 0.0, "#clip_end_time": 10.0}
    assert planned.metadata[0] == {**hidden, "Site": "Reef", "#depth": 12.5}


def test_missing_values_are_left_out():
    assert (
        not {"Site", "#depth"}
        & plan_subjects(CLIPS, {"Site": "locality", "#depth": "depth_m"}, "clip").metadata[1].keys()
    )


def test_metadata_are_plain_json():
    items = CLIPS.assign(n=np.array([1, 2], dtype="int8"), ok=[True, False], when=pd.Timestamp("2026-01-02"))
    metadata = plan_subjects(items, {"n": "n", "ok": "ok", "when": "when"}, "clip").metadata[0]
    text = json.dumps(metadata, allow_nan=False)
    assert json.loads(text)["when"] == "2026-01-02T00:00:00"
    assert (metadata["n"], metadata["ok"]) == (1, True)


def test_origin_columns_are_kept():
    columns = set(plan_subjects(CLIPS, {}, "clip").columns)
    assert columns == {"path", "sha256", "metadata", "subject_type", "movie_id", "clip_start_time", "clip_end_time"}


def test_unknown_columns_of_the_template_are_named():
    with pytest.raises(ConfigError, match="depth"):
        plan_subjects(CLIPS, {"Depth": "depth"}, "clip")


def test_an_item_without_a_file_is_refused():
    with pytest.raises(MetadataError, match="path"):
        plan_subjects(CLIPS.assign(path=["a.mp4", None]), {}, "clip")


def test_what_lies_elsewhere_has_an_address_and_perhaps_no_sha256():
    items = CLIPS.assign(path=["a.mp4", None], url=[None, "https://example.org/b.mp4"], sha256=["1" * 64, None])
    planned = plan_subjects(items, {}, "clip")
    assert [plain(value) for value in planned.url] == [None, "https://example.org/b.mp4"]
    with pytest.raises(MetadataError, match="sha256"):
        plan_subjects(items.assign(sha256=None), {}, "clip")


def test_the_usual_templates_tell_what_the_project_s_volunteers_and_readers_know():
    items = CLIPS.assign(filename="m.mp4", eventDate="2026-01-02", modification=[{"speed": 2}, None], frame_number=7)
    usual = TemplateSettings()
    told = plan_subjects(items.drop(columns="frame_number"), usual.clip, "clip").metadata
    assert told[0] == {
        **{"movie_id": 3, "upl_seconds": 0.0, "Subject_type": "clip", "#subject_type": "clip", "#filename": "m.mp4"},
        **{"#clip_start_time": 0.0, "#clip_end_time": 10.0, "#clip_length": 10.0, "#created_on": "2026-01-02"},
        **{"#VideoFilename": "m.mp4", "#siteName": "Reef", "#modification": {"speed": 2}},
        "#clip_modification_details": {"speed": 2},
    }
    assert "#clip_modification_details" not in told[1]
    frames = items.drop(columns=["clip_start_time", "clip_end_time", "modification"]).assign(frame_exp_sp_id=1)
    assert plan_subjects(frames, usual.frame, "frame").metadata[0] == {
        **{"movie_id": 3, "frame_number": 7, "frame_exp_sp_id": 1, "Subject_type": "frame", "#subject_type": "frame"},
        **{"#filename": "m.mp4", "#created_on": "2026-01-02", "#VideoFilename": "m.mp4", "#siteName": "Reef"},
    }


@pytest.mark.parametrize(
    "template", [{"movie_id": "depth_m"}, {"!movie_id": "locality"}, {"a": "depth_m", "#a": "path"}]
)
def test_a_name_means_one_column_whatever_its_mark(template):
    with pytest.raises(ConfigError, match="Choose another name"):
        plan_subjects(CLIPS, template, "clip")


@pytest.mark.parametrize("value", [np.nan, np.float32("inf"), pd.NA, pd.NaT, None])
def test_values_that_json_does_not_have(value):
    assert plain(value) is None


def test_values_inside_values():
    assert plain({"a": [np.int64(1), np.nan]}) == {"a": [1, None]}


def test_the_key_depends_on_everything_and_not_on_order():
    key = key_of("1", "set", "f" * 64, {"a": 1, "b": 2})
    assert key == key_of("1", "set", "f" * 64, {"b": 2, "a": 1})
    others = [
        key_of("2", "set", "f" * 64, {"a": 1, "b": 2}),
        key_of("1", "sets", "f" * 64, {"a": 1, "b": 2}),
        key_of("1", "set", "e" * 64, {"a": 1, "b": 2}),
        key_of("1", "set", "f" * 64, {"a": 1, "b": 3}),
    ]
    assert len({key, *others}) == 5


def test_the_key_does_not_depend_on_the_type_of_whole_numbers():
    whole, floats = ({"#movie_id": n, "a": [n]} for n in (3, 3.0))
    assert key_of("1", "set", "f" * 64, whole) == key_of("1", "set", "f" * 64, floats)
    assert key_of("1", "set", "f" * 64, {"a": 3.5}) != key_of("1", "set", "f" * 64, {"a": 3})


MOVIES = pd.DataFrame({"id": [1, 2], "fps": [25.0, 30.0], "frames": [500, 400]})


def agreed(**columns):
    row = {"movie_id": 1, "clip_start_time": 4.0, "clip_end_time": 14.0, "species_id": 5, "first_seen_s": 4.0}
    return pd.DataFrame({name: columns.get(name, [value]) for name, value in row.items()})


def test_frames_spread_from_the_first_appearance_on():
    chosen = choose_frames(agreed(), MOVIES)
    assert chosen.frame_number.tolist() == [225, 275, 325]
    assert chosen.frame_exp_sp_id.tolist() == [5, 5, 5]
    assert list(chosen.columns) == ["movie_id", "frame_number", "frame_exp_sp_id"]


@pytest.mark.parametrize("first_seen_s", [np.nan, 10.0, 99.0, -1.0])
def test_without_a_usable_first_appearance_the_whole_clip_counts(first_seen_s):
    assert choose_frames(agreed(first_seen_s=[first_seen_s]), MOVIES, 2).frame_number.tolist() == [162, 287]


def test_a_frame_is_chosen_once():
    twice = agreed(
        movie_id=[1, 1], clip_start_time=[4.0] * 2, clip_end_time=[14.0] * 2, species_id=[6, 5], first_seen_s=[4.0] * 2
    )
    chosen = choose_frames(twice, MOVIES)
    assert chosen.frame_exp_sp_id.tolist() == [5, 5, 5]


def test_the_exact_rate_comes_before_the_rounded_one():
    movies = MOVIES.assign(fps_num=[50, None], fps_den=[1, None])
    assert choose_frames(agreed(), movies, 1).frame_number.tolist() == [499]


def test_a_species_may_be_unknown():
    assert choose_frames(agreed(species_id=[None]), MOVIES).frame_exp_sp_id.isna().all()


def test_no_clips_give_no_frames():
    assert choose_frames(agreed().iloc[:0], MOVIES).empty


@pytest.mark.parametrize("movies", [MOVIES.iloc[1:], MOVIES.assign(fps=np.nan)])
def test_a_movie_without_a_rate_is_named(movies):
    with pytest.raises(MetadataError, match="Movie 1 "):
        choose_frames(agreed(), movies)


def test_at_least_one_frame_a_clip():
    with pytest.raises(ConfigError, match="per_clip"):
        choose_frames(agreed(), MOVIES, 0)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    st.floats(0, 15),
    st.floats(0.5, 10),
    st.floats(0, 12),
    st.integers(1, 6),
    st.sampled_from([25.0, 29.97, 59.94, 10.0]),
)
def test_frames_lie_within_the_clip_and_the_movie(start, length, first_seen, per_clip, fps):
    movies = pd.DataFrame({"id": [1], "fps": [fps], "frames": [int(20 * fps)]})
    clips = agreed(clip_start_time=[start], clip_end_time=[start + length], first_seen_s=[first_seen])
    chosen = choose_frames(clips, movies, per_clip)
    assert 1 <= len(chosen) <= per_clip
    assert chosen.frame_number.between(0, int(20 * fps) - 1).all()
    assert (chosen.frame_number / fps < start + length).all()
    assert (chosen.frame_number.clip(lower=0) + 1 > start * fps).all()
