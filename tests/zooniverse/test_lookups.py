"""Listings against a server of a few lines, which sorts or does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kso_utils.zooniverse.delivery.lookups import count_subjects, is_same_medium, list_newest, location_of


class Listing:
    """Stands for a session: subjects with the ids 1 to `number`."""

    def __init__(self, number, sorts):
        self.number, self.sorts, self.requests = number, sorts, 0

    def fetch(self, path, query):
        self.requests += 1
        size, page = query["page_size"], query.get("page", 1)
        ids = range(1, self.number + 1)
        if self.sorts and query.get("sort") == "-id":
            ids = ids[::-1]
        subjects = [{"id": str(i)} for i in ids[(page - 1) * size : page * size]]
        return {
            "subjects": subjects,
            "meta": {"subjects": {"count": self.number, "page_count": -(-self.number // size)}},
        }


@given(number=st.integers(0, 450), sorts=st.booleans())
def test_all_are_listed_newest_first_whether_the_server_sorts_or_not(number, sorts):
    listing = Listing(number, sorts)
    assert [int(s["id"]) for s in list_newest(listing, project_id=1)] == list(range(number, 0, -1))
    assert listing.requests == max(1, -(-number // 100))


@pytest.mark.parametrize(("sorts", "requests"), [(True, 1), (False, 2)])
def test_the_newest_cost_few_requests(sorts, requests):
    listing = Listing(10_000, sorts)
    assert next(list_newest(listing, project_id=1)) == {"id": "10000"}
    assert listing.requests == requests


def test_subjects_are_counted_in_one_request():
    listing = Listing(250, True)
    assert count_subjects(listing, project_id=1) == 250
    assert listing.requests == 1


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
