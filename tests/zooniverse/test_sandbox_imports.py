"""Subjects from a manifest of links to media elsewhere."""

import json

import pytest

from kso_utils.zooniverse.sandbox import imports
from kso_utils.zooniverse.sandbox.background import Background
from kso_utils.zooniverse.sandbox.imports import Importer
from tests.zooniverse.calling import message_of

HEAD = "external_id,location:1,location:2,metadata:#kso_key,metadata:Depth\n"


def serve_manifest(call, text):
    """Put a manifest where the sandbox can read it: on itself."""
    key, _ = call.sandbox.state.add_blob("text/csv", text.encode())
    return f"{call.sandbox.url}/blob/{key}"


def row(number, location="https://example.org/{}.mp4", depth="3"):
    return f"key{number},{location.format(number)},,k{number},{depth}\n"


def start(call, url, set_id):
    message = {"source_url": url, "links": {"subject_set": set_id}}
    return call("POST", "/subject_set_imports", {"subject_set_imports": message})


def finish(call, started):
    """Wait for an import's end and return what the server tells about it."""
    call.sandbox._background.wait()
    (told,) = call("GET", f"/subject_set_imports/{started['id']}").json()["subject_set_imports"]
    return told


def run(call, text, set_id):
    answer = start(call, serve_manifest(call, text), set_id)
    assert answer.status_code == 201
    return finish(call, answer.json()["subject_set_imports"][0])


def listed(call, set_id):
    return call("GET", f"/subjects?subject_set_id={set_id}&page_size=100").json()["subjects"]


def test_rows_become_subjects_of_the_set(call):
    set_id = call.new_set()
    told = run(call, HEAD + "".join(row(n) for n in range(3)), set_id)
    assert (told["manifest_count"], told["imported_count"], told["failed_count"]) == (3, 3, 0)
    first = listed(call, set_id)[0]
    assert first["locations"] == [{"video/mp4": "https://example.org/0.mp4"}]
    assert (first["metadata"], first["external_id"]) == ({"#kso_key": "k0", "Depth": "3"}, "key0")
    assert call("GET", "/me").json()["users"][0]["uploaded_subjects_count"] == 3


def test_manifest_sent_again_makes_no_subject_twice_and_brings_metadata_up_to_date(call):
    set_id = call.new_set()
    run(call, HEAD + row(1) + row(2), set_id)
    told = run(call, HEAD + row(2, depth="4") + row(3) + row(3), set_id)
    assert (told["imported_count"], told["failed_count"]) == (3, 0)
    assert [(s["external_id"], s["metadata"]["Depth"]) for s in listed(call, set_id)] == [
        ("key1", "3"),
        ("key2", "4"),
        ("key3", "3"),
    ]


@pytest.mark.parametrize("location", ["https://example.org/{}.mov", "file:///etc/{}.mp4", ""])
def test_row_that_is_not_valid_is_named_and_the_others_are_taken(call, location):
    set_id = call.new_set()
    told = run(call, HEAD + row(1, location) + row(2), set_id)
    assert (told["imported_count"], told["failed_count"], told["failed_uuids"]) == (2, 1, ["key1"])
    assert [s["external_id"] for s in listed(call, set_id)] == ["key2"]


def test_quota_holds_for_manifests_too(call):
    set_id = call.new_set()
    call.sandbox.state.set_quota("demo", subject_limit=1)
    told = run(call, HEAD + row(1) + row(2), set_id)
    assert told["failed_uuids"] == ["key2"]


@pytest.mark.parametrize(
    "url", ["http://example.org/a.csv", "file:///etc/passwd", "https://127.0.0.1/a.csv", "http://10.0.0.1/a.csv", "x"]
)
def test_manifest_is_read_from_this_computer_only(call, url):
    answer = start(call, url, call.new_set())
    assert (answer.status_code, "from this computer only" in message_of(answer)) == (422, True)


def test_manifest_that_is_not_there_is_refused(call):
    answer = start(call, f"{call.sandbox.url}/blob/{'0' * 32}", call.new_set())
    assert (answer.status_code, "Failed to download manifest" in message_of(answer)) == (422, True)


def test_manifest_that_is_no_text_is_refused(call):
    key, _ = call.sandbox.state.add_blob("text/csv", b"external_id\n\xff\xfe\n")
    assert start(call, f"{call.sandbox.url}/blob/{key}", call.new_set()).status_code == 422


@pytest.mark.parametrize("message", [[], {}, {"subject_set_imports": {"links": {}}}])
def test_incomplete_import_is_refused(call, message):
    assert call("POST", "/subject_set_imports", message).status_code == 422


def test_import_into_no_set_is_refused(call):
    assert start(call, serve_manifest(call, HEAD), "77").status_code == 404


def test_import_needs_a_login(call):
    assert call("POST", "/subject_set_imports", {}, Authorization=None).status_code == 401


def test_too_long_a_manifest_is_refused(call, monkeypatch):
    monkeypatch.setattr(imports, "MOST_ROWS", 2)
    answer = start(call, serve_manifest(call, HEAD + row(1) + row(2) + row(3)), call.new_set())
    assert "Manifest row count (3) exceeds the limit (2)" in message_of(answer)


def test_import_that_a_stopped_server_had_begun_is_finished_by_the_next(call):
    state, set_id = call.sandbox.state, call.new_set()
    url = serve_manifest(call, HEAD + "".join(row(n) for n in range(5)))
    stopped, following = Background(), Background()
    stopped.stopped.set()
    message = {"subject_set_imports": {"source_url": url, "links": {"subject_set": set_id}}}
    begun = Importer(state, stopped, 100).start(message, state.user_id("demo"))
    stopped.wait()
    assert listed(call, set_id) == []
    Importer(state, following, 100).resume()
    following.wait()
    (ended,) = state.rows("SELECT * FROM imports WHERE id = ?", (begun["id"],))
    assert (ended["state"], ended["imported_count"], json.loads(ended["failed_uuids"])) == ("done", 5, [])


def test_import_whose_set_was_deleted_meanwhile_ends(call):
    state, set_id = call.sandbox.state, call.new_set()
    url = serve_manifest(call, HEAD + row(1))
    stopped, following = Background(), Background()
    stopped.stopped.set()
    message = {"subject_set_imports": {"source_url": url, "links": {"subject_set": set_id}}}
    Importer(state, stopped, 100).start(message, state.user_id("demo"))
    state.remove(state.get("subject_sets", int(set_id)))
    Importer(state, following, 100).resume()
    following.wait()
    assert [tuple(r) for r in state.rows("SELECT state, imported_count FROM imports")] == [("done", 0)]
