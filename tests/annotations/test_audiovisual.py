"""Media as rows of Audiovisual Core."""

import pandas as pd
import pytest

from kso_utils.annotations.audiovisual import MEDIA_TERMS, describe_media, guess_format
from kso_utils.annotations.darwincore.terms import expand_term
from kso_utils.core.errors import ConfigError

MOVIES = pd.DataFrame(
    {
        "movie_id": [1, 2],
        "event": ["reef:a", "reef:b"],
        "identifier": ["reef:a:movie", "reef:b:movie"],
        "filename": ["a.mp4", "b.avi"],
        "eventDate": ["2025-05-12T10:00:00+02:00", "2025-05-14"],
        "associatedMedia": ["https://example.org/a.mp4", "/disk/b.avi"],
        "fps": [30000 / 1001, None],
        "duration_s": [60.5, None],
        "width": [1920, None],
        "height": [1080, None],
        "sha256": ["ab" * 32, None],
    }
)
CLIPS = pd.DataFrame(
    {
        "subject_id": [7, 8],
        "movie_id": [1, 2],
        "event": ["reef:a:0", "reef:b"],
        "clip_start_time": [10.0, 0.0],
        "clip_end_time": [20.0, 5.5],
        "https_location": ["https://panoptes.example.org/7.mp4", None],
        "sha256": ["cd" * 32, None],
    }
)
BOXES = pd.DataFrame(
    {
        "movie_id": [1, 1, 2],
        "event": ["reef:a:0", "reef:a:0", "reef:b"],
        "pts_s": [12.5, 13.0, 1.0],
        "x": [480.0, 1900.0, 5.0],
        "y": [540.0, 0.0, 5.0],
        "width": [960.0, 100.0, 5.0],
        "height": [540.0, 108.0, 5.0],
        "scientificName": ["Gadus morhua", "Cancer pagurus", "Cancer pagurus"],
        "occurrenceID": ["o1", None, None],
    }
)


@pytest.fixture(scope="module")
def media():
    return describe_media(MOVIES, CLIPS, BOXES).set_index("dcterms:identifier")


def test_every_column_is_a_term():
    assert list(describe_media(MOVIES).columns) == list(MEDIA_TERMS)
    assert all(expand_term(name) for name in MEDIA_TERMS)


def test_a_movie_tells_what_is_known_of_it(media):
    movie = media.loc["reef:a:movie"]
    assert movie["ac:accessURI"] == "https://example.org/a.mp4"
    assert movie["dcterms:format"] == "video/mp4"
    assert movie["ac:mediaDuration"] == "60.5"
    assert (movie["ac:startTimestamp"], movie["ac:endTimestamp"]) == (
        "2025-05-12T10:00:00+02:00",
        "2025-05-12T10:01:00.500+02:00",
    )
    assert (movie["ac:hashFunction"], movie["ac:hashValue"]) == ("SHA-256", "ab" * 32)
    assert (movie["exif:PixelXDimension"], movie["exif:PixelYDimension"]) == ("1920", "1080")


def test_of_a_movie_with_a_day_alone_no_time_of_day_is_told(media):
    movie = media.loc["reef:b:movie"]
    assert movie["xmp:CreateDate"] == "2025-05-14"
    assert movie[["ac:startTimestamp", "ac:endTimestamp", "ac:accessURI", "ac:hashFunction"]].eq("").all()


def test_a_clip_derives_from_its_movie_and_lies_at_its_time(media):
    clip = media.loc["reef:a:movie:clip:7"]
    assert clip["ac:derivedFrom"] == "reef:a:movie"
    assert clip["ac:startTimestamp"] == "2025-05-12T10:00:10+02:00"
    assert clip["ac:endTimestamp"] == "2025-05-12T10:00:20+02:00"
    assert clip["ac:mediaDuration"] == "10"
    assert clip["ac:hashValue"] == "cd" * 32
    assert clip["eventID"] == "reef:a:0"


def test_a_box_is_a_region_of_its_movie_at_a_moment(media):
    region = media.loc["reef:a:movie:region:0"]
    assert region["ac:isROIOf"] == "reef:a:movie"
    assert region[["ac:xFrac", "ac:yFrac", "ac:widthFrac", "ac:heightFrac"]].tolist() == [
        "0.25",
        "0.5",
        "0.5",
        "0.5",
    ]
    assert (region["ac:startTime"], region["ac:endTime"]) == ("12.5", "12.5")
    assert region["ac:associatedObservationReference"] == "o1"


def test_a_box_that_reaches_outside_is_cut_to_the_picture(media):
    region = media.loc["reef:a:movie:region:1"]
    assert float(region["ac:xFrac"]) + float(region["ac:widthFrac"]) == pytest.approx(1.0)
    assert float(region["ac:widthFrac"]) == pytest.approx(20 / 1920, abs=1e-6)


def test_a_box_in_a_picture_of_unknown_size_is_left_out(media):
    assert not media["ac:isROIOf"].eq("reef:b:movie").any()


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("a.MP4", "video", "video/mp4"),
        ("https://x.org/a.jpeg?size=2", "image", "image/jpeg"),
        ("a.xyz", "video", "video/*"),
        ("a.jpg", "video", "video/*"),
    ],
)
def test_the_format_is_guessed_from_the_name(name, kind, expected):
    assert guess_format(name, kind) == expected


@pytest.mark.parametrize(
    ("tables", "missing"),
    [
        ((MOVIES.drop(columns="event"),), "movies have no column event"),
        ((MOVIES, CLIPS.drop(columns="subject_id")), "clips have no column subject_id"),
        ((MOVIES, CLIPS, BOXES.drop(columns="pts_s")), "boxes have no column pts_s"),
    ],
)
def test_a_missing_column_is_named(tables, missing):
    with pytest.raises(ConfigError, match=missing):
        describe_media(*tables)
