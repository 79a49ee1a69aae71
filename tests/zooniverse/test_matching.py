import pytest

from kso_utils.zooniverse.matching.eras import Era
from kso_utils.zooniverse.matching.movie_names import MovieNames
from kso_utils.zooniverse.matching.origin import Known, find_origin

MOVIES = [
    (1, "2021/a.mp4", ()),
    (2, "b.mov", ()),
    (3, "1/twin.mp4", ()),
    (4, "2/twin.mp4", ()),
    (5, "joined.mp4", ("GX01.MP4", "GX02.MP4")),
]
ERAS = (Era("{movie}_{start}.mp4", 10.0, "2019-11-17", "2020-05-29", ".mov"),)
THEN, LATER = "2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z"
CLIP = {"upl_seconds": 10, "#clip_length": 10}


def find(metadata, location="https://x/y.mp4", mime=None, created_at=LATER, **more):
    known = Known(MovieNames(MOVIES, **more), {"movie_id": {1, 2, 3, 4, 5}}, frozenset({"photo.jpg"}), ERAS)
    return find_origin(metadata, location, mime, created_at, known)


@pytest.mark.parametrize(
    ("metadata", "movie_id", "codes"),
    [
        ({"movie_id": 2}, 2, []),
        ({"movie_id": 1, "VideoFilename": "a.mp4"}, 1, []),
        ({"VideoFilename": "2021/a.mp4"}, 1, []),
        ({"Filename": "B.mp4"}, 2, []),
        ({"movie_id": 2, "Filename": "b_clip_10_10.mp4"}, 2, []),
        ({"VideoFilename": "b.mov", "Filename": "b_clip_10_10.mp4"}, 2, []),
        ({"movie_id": 4, "Filename": "twin.mp4"}, 4, []),
        ({"Filename": "twin.mp4"}, None, ["SEVERAL_MOVIES"]),
        ({"movie_id": 1, "Filename": "twin.mp4"}, None, ["SEVERAL_MOVIES"]),
        ({"movie_id": 1, "Filename": "b.mov"}, 2, ["MOVIE_DISAGREES"]),
        ({"movie_id": 9, "Filename": "b.mov"}, 2, ["MOVIE_DISAGREES"]),
        ({"movie_id": 1, "Filename": "z.mp4"}, 1, ["MOVIE_NAME_UNKNOWN"]),
        ({"movie_id": 9, "Filename": "z.mp4"}, None, ["UNKNOWN_REFERENCE"]),
        ({"movie_id": 9}, None, ["UNKNOWN_REFERENCE"]),
        ({"Filename": "z.mp4"}, None, ["UNKNOWN_MOVIE"]),
        ({"Filename": "photo.jpg"}, None, []),
        ({}, None, ["NO_MOVIE"]),
    ],
)
def test_number_and_name_of_a_movie(metadata, movie_id, codes):
    found = find({**metadata, **CLIP})
    assert found.columns["movie_id"] == movie_id
    assert [fault.code for fault in found.faults] == codes


def test_the_old_name_of_a_movie_agrees_with_its_number():
    found = find({"movie_id": 1, "Filename": "old.mp4", **CLIP}, renames={"old.mp4": "2021/a.mp4"})
    assert found.columns["movie_id"] == 1
    assert not found.faults


def test_a_name_that_is_only_like_that_of_the_movie_is_told():
    assert find({"Filename": "b.mp4", **CLIP}).likeness == ("b.mp4", 2, "ending")
    assert find({"Filename": "b.mov", **CLIP}).likeness is None


@pytest.mark.parametrize(
    ("metadata", "times"),
    [
        ({"upl_seconds": 10, "clip_length": "5"}, (10.0, 15.0)),
        ({"clip_start_time": 0, "clip_end_time": 2.5, "clip_length": 10}, (0.0, 2.5)),
        ({"clip_start_time": 10}, (10.0, None)),
        ({"clip_length": 10}, (None, None)),
        ({"upl_seconds": 10, "clip_length": -5}, (None, None)),
        ({"upl_seconds": -10}, (None, None)),
    ],
)
def test_a_clip_ends_its_length_after_its_start(metadata, times):
    columns = find({"movie_id": 1, **metadata}).columns
    assert (columns["clip_start_time"], columns["clip_end_time"]) == times


@pytest.mark.parametrize(
    ("metadata", "location", "mime", "kind"),
    [
        ({"Subject_type": "frame"}, "https://x/y.mp4", None, "frame"),
        ({"subject_type": "other"}, "https://x/y.MP4?sig=1.png", None, "clip"),
        ({}, "https://x/y.jpeg", None, "frame"),
        ({}, "https://x/y", "video/mp4", "clip"),
        ({}, "https://x/y", "image/png", "frame"),
        ({"upl_seconds": 5}, None, None, "clip"),
        ({"frame_number": 5}, None, None, "frame"),
        ({}, None, None, None),
    ],
)
def test_a_subject_without_a_type_is_what_its_file_is(metadata, location, mime, kind):
    assert find(metadata, location, mime).columns["subject_type"] == kind


def test_a_clip_of_an_era_tells_by_its_name():
    found = find({"filename": "b_130.mp4"}, created_at=THEN)
    columns = [found.columns[name] for name in ("movie_id", "clip_start_time", "clip_end_time", "filename")]
    assert columns == [2, 130.0, 140.0, "b_130.mp4"]
    assert (found.era, found.faults, found.likeness) == (ERAS[0], [], None)


@pytest.mark.parametrize(
    ("metadata", "location", "created_at"),
    [
        ({"filename": "b_130.mp4"}, "https://x/y.mp4", LATER),
        ({"filename": "b_130.mp4"}, "https://x/y.mp4", None),
        ({"filename": "b_130.mp4"}, "https://x/y.jpg", THEN),
        ({"filename": "b_130.mp4", "upl_seconds": 5}, "https://x/y.mp4", THEN),
    ],
)
def test_a_name_tells_nothing_of_other_times_of_frames_or_where_metadata_do(metadata, location, created_at):
    found = find(metadata, location, created_at=created_at)
    assert found.era is None
    assert found.columns["clip_start_time"] == metadata.get("upl_seconds")


def test_the_length_that_metadata_say_counts_in_an_era():
    assert find({"filename": "b_130.mp4", "clip_length": 5}, created_at=THEN).columns["clip_end_time"] == 135


def test_the_own_name_of_a_movie_is_not_taken_apart():
    known = Known(MovieNames([(1, "b_130.mp4", ())]), {}, eras=ERAS)
    assert find_origin({"filename": "b_130.mp4"}, "https://x/y.mp4", None, THEN, known).era is None


def test_times_in_the_first_chapter_are_those_of_the_movie():
    found = find({"filename": "GX01.MP4", **CLIP})
    assert (found.columns["movie_id"], found.columns["clip_start_time"]) == (5, 10)
    assert found.likeness == ("GX01.MP4", 5, "chapter")


def test_times_in_a_later_chapter_are_taken_back():
    found = find({"filename": "GX02.MP4", "frame_number": 3, **CLIP})
    assert found.columns["movie_id"] == 5
    assert [found.columns[name] for name in ("clip_start_time", "clip_end_time", "frame_number")] == [None] * 3
    assert [fault.code for fault in found.faults] == ["CHAPTER_TIMES"]


@pytest.mark.parametrize(
    ("metadata", "location", "column"),
    [
        ({}, "https://x/y.mp4", "clip_start_time"),
        ({"upl_seconds": 5}, "https://x/y.mp4", "clip_end_time"),
        ({}, "https://x/y.jpg", "frame_number"),
    ],
)
def test_a_subject_without_a_place_in_its_movie_is_told(metadata, location, column):
    found = find({"movie_id": 1, **metadata}, location)
    assert [(fault.code, fault.column, fault.severity) for fault in found.faults] == [("NO_PLACE", column, "info")]
