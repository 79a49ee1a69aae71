"""Whatever a client sends, the sandbox answers; it never fails itself."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kso_utils.zooniverse.sandbox.messages import Request

NAMES = st.sampled_from(
    ["annotations", "display_name", "first_task", "links", "locations", "metadata", "project", "retirement"]
) | st.sampled_from(
    ["retirement_reason", "source_url", "strings", "subject_ids", "subject_set", "subject_sets", "subjects", "tasks"]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
KNOWN = st.sampled_from(["1001", "1002", 1001, 1003, 1004, "image/jpeg", [], {}, ["1003"], ["1003", "1003"]])
VALUES = st.recursive(
    LEAVES | KNOWN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)
ROUTES = st.sampled_from(
    [
        ("POST", "/api/projects", "projects"),
        ("POST", "/api/workflows", "workflows"),
        ("POST", "/api/subject_sets", "subject_sets"),
        ("POST", "/api/subjects", "subjects"),
        ("PUT", "/api/projects/1001", "projects"),
        ("PUT", "/api/workflows/1002", "workflows"),
        ("PUT", "/api/subjects/1003", "subjects"),
        ("PUT", "/api/subject_sets/1004", "subject_sets"),
        ("POST", "/api/subject_sets/1004/links/subjects", "subjects"),
        ("POST", "/api/workflows/1002/links/subject_sets", "subject_sets"),
        ("POST", "/api/workflows/1002/retired_subjects", "subject_ids"),
        ("POST", "/api/workflows/1002/unretire_subjects", "subject_ids"),
        ("POST", "/api/classifications", "classifications"),
        ("POST", "/api/subject_set_imports", "subject_set_imports"),
        ("POST", "/api/projects/1001/classifications_export", "media"),
        ("POST", "/users/sign_in", "user"),
    ]
)


@pytest.fixture
def answer(call):
    """Return a function that asks the sandbox without the network, which lets its errors through."""
    state = call.sandbox.state
    state.add("subjects", {"metadata": {}, "locations": []}, 1001)
    state.add("subject_sets", {"display_name": "a", "metadata": {}}, 1001)
    state.set_quota("demo", whitelisted=True)

    def ask(verb, path, body=b"", params=None):
        headers = {**call.headers, "Content-Type": "application/json"}
        if verb in ("PUT", "DELETE"):
            current = call.sandbox._server.api.answer(Request("GET", path, {}, headers, b"", "http://a"))
            headers["If-Match"] = current.headers["ETag"]
        return call.sandbox._server.api.answer(Request(verb, path, params or {}, headers, body, "http://a"))

    return ask


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(route=ROUTES, inner=VALUES, wrapped=st.booleans())
def test_any_message_is_done_or_refused_and_lists_stay_readable(answer, route, inner, wrapped):
    verb, path, name = route
    told = answer(verb, path, json.dumps({name: inner} if wrapped else inner).encode())
    assert told.status in (200, 201, 204, 401, 403, 404, 422)
    for kind in ("projects", "workflows", "subject_sets", "subjects", "classifications"):
        assert answer("GET", f"/api/{kind}", params={"page_size": "100"}).status == 200


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    kind=st.sampled_from(["subjects", "set_member_subjects", "subject_workflow_statuses", "users", "projects"]),
    params=st.dictionaries(
        st.sampled_from(["id", "subject_set_id", "project_id", "page", "page_size", "sort", "slug", "login"]),
        st.text(max_size=6) | st.integers().map(str),
    ),
)
def test_any_query_is_answered_or_refused(answer, kind, params):
    assert answer("GET", f"/api/{kind}", params=params).status in (200, 422)


@pytest.mark.parametrize("body", [b"{", b'{"a": NaN}', b'"\\ud800"', b"\xff", b"[" * 100_000])
def test_body_that_is_not_json_is_refused(answer, body):
    assert answer("POST", "/api/subjects", body).status == 422
