"""Lists: filtered, sorted and paged as Panoptes does it."""

import pytest

from kso_utils.zooniverse.sandbox.classifications import add_classifications
from tests.zooniverse.calling import Caller


@pytest.fixture
def filled(call):
    """Five subjects (1003 to 1007), the first three in a set (1008) that a workflow (1002) shows."""
    state = call.sandbox.state
    ids = [state.add("subjects", {"metadata": {}, "locations": []}, 1001).id for _ in range(5)]
    set_id = int(call.new_set("first"))
    state.link_subjects(set_id, ids[:3])
    state.link_sets(1002, [set_id])
    return call


def ids_of(call, query):
    kind = query.partition("?")[0]
    return [int(found["id"]) for found in call("GET", f"/{query}").json()[kind]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("subjects?project_id=1001", [1003, 1004, 1005, 1006, 1007]),
        ("subjects?project_id=7", []),
        ("subjects?subject_set_id=1008", [1003, 1004, 1005]),
        ("subjects?subject_set_id=7,1008", [1003, 1004, 1005]),
        ("subjects?workflow_id=1002", [1003, 1004, 1005]),
        ("subjects?id=1005,1003,99", [1003, 1005]),
        ("subjects?subject_set_id=1008&id=1004,1006", [1004]),
        ("subjects?project_id=1001&sort=-id", [1007, 1006, 1005, 1004, 1003]),
        ("subjects?subject_set_id=1008&sort=-id&page_size=2", [1005, 1004]),
        ("subjects?subject_set_id=1008&sort=-id&page_size=2&page=2", [1003]),
        ("subjects?project_id=1001&page=9", []),
        # Panoptes sorts subjects by nothing but their id.
        ("subjects?subject_set_id=1008&sort=-created_at", [1003, 1004, 1005]),
        ("subjects?subject_set_id=1008&sort=id;DROP TABLE resources", [1003, 1004, 1005]),
        ("subject_sets?workflow_id=1002", [1008]),
        ("subject_sets?display_name=first", [1008]),
        ("workflows?project_id=1001&display_name=clips", [1002]),
        ("projects?slug=demo/reef", [1001]),
        ("set_member_subjects?subject_set_id=1008", [1, 2, 3]),
        ("set_member_subjects?subject_set_id=1008&subject_id=1004", [2]),
        ("subject_workflow_statuses?workflow_id=1002&subject_ids=1003, 1005", [1, 3]),
        ("project_roles?project_id=1001", [1001]),
    ],
)
def test_list_holds_what_was_asked_for(filled, query, expected):
    assert ids_of(filled, query) == expected


def test_list_tells_its_size_and_the_next_page(filled):
    answer = filled("GET", "/subjects?project_id=1001&page_size=2").json()
    meta = answer["meta"]["subjects"]
    assert (meta["count"], meta["page_count"], meta["page"], meta["page_size"]) == (5, 3, 1, 2)
    assert ids_of(filled, meta["next_href"].removeprefix("/")) == [1005, 1006]


def test_page_holds_100_at_most(filled):
    for _ in range(101):
        filled.sandbox.state.add("subjects", {"metadata": {}, "locations": []}, 1001)
    assert len(ids_of(filled, "subjects?page_size=500")) == 100


def test_filter_that_is_no_number_is_refused(filled):
    assert filled("GET", "/subjects?subject_set_id=first").status_code == 422


def test_own_classifications_are_listed_and_those_of_a_project(filled):
    other = Caller(filled.sandbox, "other")
    common = {"workflow_id": 1002, "annotations": [], "metadata": {}}
    people = [filled.sandbox.state.user_id("demo"), filled.sandbox.state.user_id("other"), None]
    add_classifications(filled.sandbox.state, [{**common, "subject_id": 1003, "user_id": p} for p in people])
    assert ids_of(filled, "classifications?workflow_id=1002") == [1]
    assert ids_of(other, "classifications") == [2]
    listed = filled("GET", "/classifications/project?project_id=1001").json()["classifications"]
    assert [found["links"]["user"] for found in listed] == [str(people[0]), str(people[1]), None]
    assert filled("GET", "/classifications?workflow_id=1002", Authorization=None).status_code == 401
    assert other("GET", "/classifications/1").status_code == 404
    assert filled("GET", "/classifications/1").json()["classifications"][0]["links"]["subjects"] == ["1003"]
