"""Listings against a server of a few lines, which sorts or does not."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kso_utils.zooniverse.listings import count_subjects, list_newest


class Listing:
    """Stands for a session: subjects with the ids 1 to `number`."""

    def __init__(self, number, sorts):
        self.ids, self.sorts, self.requests = list(range(1, number + 1)), sorts, 0
        self.gone, self.gone_after = set(), 0

    def remove_after(self, requests, ids):
        """Remove subjects after so many requests."""
        self.gone, self.gone_after = ids, requests

    def fetch(self, path, query):
        self.requests += 1
        size, page = query["page_size"], query.get("page", 1)
        ids = [i for i in self.ids if self.requests <= self.gone_after or i not in self.gone]
        if self.sorts and query.get("sort") == "-id":
            ids = ids[::-1]
        subjects = [{"id": str(i)} for i in ids[(page - 1) * size : page * size]]
        return {
            "subjects": subjects,
            "meta": {"subjects": {"count": len(ids), "page_count": -(-len(ids) // size)}},
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


@given(number=st.integers(101, 450), removed=st.integers(0, 250), after=st.integers(1, 4), seed=st.integers(0, 99))
def test_no_newer_one_is_left_out_where_others_are_removed_meanwhile(number, removed, after, seed):
    listing = Listing(number, True)
    gone = set(random.Random(seed).sample(range(1, number + 1), min(removed, number)))  # noqa: S311  (not for secrets)
    listing.remove_after(after, gone)
    assert {int(s["id"]) for s in list_newest(listing, project_id=1)} >= set(range(1, number + 1)) - gone
