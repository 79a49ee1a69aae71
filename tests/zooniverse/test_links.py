"""Addresses of media."""

import pytest

from kso_utils.zooniverse.delivery.links import is_same_medium, location_of


@pytest.mark.parametrize(
    ("locations", "location"),
    [
        ([], None),
        ([{"video/mp4": None}], None),
        ([{"image/png": "https://a/1.png"}, {"image/png": "https://a/2.png"}], "https://a/1.png"),
    ],
)
def test_the_first_medium_counts(locations, location):
    assert location_of({"locations": locations}) == location


def test_a_medium_keeps_its_name_wherever_it_is_shown_from():
    sent = "https://uploads.blob.example/public/production/subject_location/5c1f.mp4?sig=x"
    assert is_same_medium(sent, "https://uploads.example.org/subject_location/5c1f.mp4")
    assert not is_same_medium(sent, "https://uploads.example.org/subject_location/77aa.mp4")
