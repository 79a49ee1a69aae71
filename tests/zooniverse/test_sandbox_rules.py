"""What the server itself refuses, keeps and counts, spoken to in plain HTTP."""

import contextlib
import re
import sqlite3

import pytest
import requests

from kso_utils.core.errors import ConfigError, ZooniverseError
from kso_utils.zooniverse.sandbox.accounts import read_users
from kso_utils.zooniverse.sandbox.classifications import add_classifications
from kso_utils.zooniverse.sandbox.server import serve
from kso_utils.zooniverse.sandbox.tasks import survey_task
from tests.zooniverse.calling import Caller, link_of, message_of, put


def test_without_the_accept_header_there_is_nothing(call):
    assert call("GET", "/projects", Accept="application/json").status_code == 404


def test_content_type_must_be_json(call):
    assert call("POST", "/subjects", {}, Content_Type="text/plain").status_code == 415


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("POST", "/subjects"),
        ("PUT", "/projects/1001"),
        ("DELETE", "/projects/1001"),
        ("GET", "/me"),
        ("POST", "/projects/1001/subjects_export"),
        ("POST", "/subject_sets/1/links/subjects"),
    ],
)
def test_without_a_token_only_reading_is_allowed(call, verb, path):
    assert call(verb, path, {}, Authorization=None).status_code == 401


def test_unknown_token_is_refused(call):
    assert call("GET", "/me", Authorization="Bearer nonsense").status_code == 401


def test_projects_are_public(call):
    assert call("GET", "/projects?slug=demo/reef", Authorization=None).json()["projects"][0]["id"] == "1001"


@pytest.mark.parametrize("path", ["/projects/7", "/nothing", "/subjects/1001", "/projects/1001/talk_export"])
def test_what_is_not_there_is_404(call, path):
    assert call("GET", path).status_code == 404


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"locations": []}, "Locations must be a list"),
        ({"locations": ["video/quicktime"]}, "not allowed: video/quicktime"),
        ({"locations": "image/jpeg"}, "Locations must be a list"),
        ({"locations": [["image/jpeg"]]}, "not allowed"),
        ({"locations": [{"image/jpeg": "C:/a.jpg"}]}, "must link to http or https"),
        ({"metadata": ["a"]}, "metadata must be an object"),
        ({"links": {}}, "Project must be given"),
        ({"colour": "red"}, "no attribute 'colour'"),
    ],
)
def test_invalid_subject_is_422(call, changes, reason):
    answer = call.new_subject(**changes)
    assert (answer.status_code, reason in message_of(answer)) == (422, True)


def test_subject_can_be_made_in_a_set(call):
    set_id = call.new_set()
    call.new_subject(links={"project": "1001", "subject_sets": [set_id]})
    assert len(call("GET", f"/subjects?subject_set_id={set_id}").json()["subjects"]) == 1


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/workflows", {"workflows": {"links": {"project": "1001"}}}),
        ("/workflows", {"workflows": {"display_name": 3, "links": {"project": "1001"}}}),
        ("/workflows", {"workflows": {"retirement": {"options": {"count": "many"}}, "links": {"project": "1001"}}}),
        ("/projects", {"projects": {}}),
        ("/subjects", []),
        ("/subjects", {"subjects": {"locations": ["image/jpeg"], "links": {"project": "x"}}}),
        ("/projects/1001/links/workflows", {"workflows": ["1002"]}),
        ("/workflows/1002/links/subject_sets", {"subject_sets": ["77"]}),
        ("/classifications", {"classifications": {}}),
    ],
)
def test_incomplete_message_is_422(call, path, message):
    assert call("POST", path, message).status_code == 422


def test_links_that_cannot_be_removed_are_refused(call):
    assert call("DELETE", "/projects/1001/links/workflows/1002").status_code == 422


def test_media_of_a_subject_stay_when_it_is_changed(call):
    subject = call.new_subject().json()["subjects"][0]
    path = f"/subjects/{subject['id']}"
    tag = call("GET", path).headers["ETag"]
    call("PUT", path, {"subjects": {"locations": ["image/png"], "metadata": {"a": 1}}}, If_Match=tag)
    changed = call("GET", path).json()["subjects"][0]
    assert (list(changed["locations"][0]), changed["metadata"]) == (["image/jpeg"], {"a": 1})


def test_users_are_found_by_name(call):
    (user,) = call("GET", "/users?login=demo").json()["users"]
    assert (user["login"], user["subject_limit"]) == ("demo", 10_000)
    assert call("GET", "/users/99").status_code == 404


def test_head_answers_without_a_body(call):
    answer = call("HEAD", "/projects")
    assert (answer.status_code, answer.content, int(answer.headers["Content-Length"]) > 0) == (200, b"", True)


def test_workflow_that_never_retires(call):
    state = call.sandbox.state
    workflow = state.get("workflows", 1002)
    state.change(workflow, {**workflow.body, "retirement": {"criteria": "never_retire", "options": {}}})
    subject = int(call.new_subject().json()["subjects"][0]["id"])
    row = {"workflow_id": 1002, "subject_id": subject, "user_id": None, "annotations": [], "metadata": {}}
    add_classifications(state, [row] * 20)
    (status,) = call("GET", "/subject_workflow_statuses").json()["subject_workflow_statuses"]
    assert (status["classifications_count"], status["retired_at"]) == (20, None)


@pytest.mark.parametrize("options", [{}, {"options": None}])
def test_workflow_that_does_not_say_when_it_retires_does_so_after_15(call, options):
    state = call.sandbox.state
    workflow = state.get("workflows", 1002)
    state.change(workflow, {**workflow.body, "retirement": {"criteria": "classification_count", **options}})
    subject = int(call.new_subject().json()["subjects"][0]["id"])
    row = {"workflow_id": 1002, "subject_id": subject, "user_id": None, "annotations": [], "metadata": {}}
    for number, retired in ((14, 0), (1, 1)):
        add_classifications(state, [row] * number)
        assert state.rows("SELECT COUNT(retired_at) FROM statuses WHERE subject_id = ?", (subject,))[0][0] == retired


def test_several_subjects_at_once_are_refused(call):
    assert call("POST", "/subjects", {"subjects": [{"locations": []}]}).status_code == 422


def test_body_that_is_not_json_is_refused(call):
    answer = requests.post(
        f"{call.sandbox.url}/api/subjects",
        data=b"{",
        headers={**call.headers, "Content-Type": "application/json"},
        timeout=5,
    )
    assert answer.status_code == 422


def test_second_project_of_that_name_is_refused(call):
    assert call("POST", "/projects", {"projects": {"display_name": "Reef"}}).status_code == 422


def test_change_needs_the_etag(call):
    assert call("PUT", "/projects/1001", {"projects": {"private": False}}).status_code == 428


def test_change_with_an_old_etag_is_refused(call):
    assert call("PUT", "/projects/1001", {"projects": {}}, If_Match='W/"old"').status_code == 412


def test_etag_of_a_list_of_one_is_that_of_the_object(call):
    tag = call("GET", "/projects?slug=demo/reef").headers["ETag"]
    assert call("PUT", "/projects/1001", {"projects": {"private": False}}, If_Match=tag).status_code == 200


def test_link_of_one_that_is_not_there_links_none(call):
    set_id, subject = call.new_set(), call.new_subject().json()["subjects"][0]["id"]
    assert call("POST", f"/subject_sets/{set_id}/links/subjects", {"subjects": [subject, "77"]}).status_code == 422
    assert call("GET", f"/subjects?subject_set_id={set_id}").json()["subjects"] == []


def test_several_subjects_are_taken_out_of_a_set(call):
    set_id, ids = call.new_set(), [call.new_subject().json()["subjects"][0]["id"] for _ in range(3)]
    call("POST", f"/subject_sets/{set_id}/links/subjects", {"subjects": ids})
    assert call("DELETE", f"/subject_sets/{set_id}/links/subjects/{ids[0]}%2C{ids[1]}").status_code == 204
    assert [s["id"] for s in call("GET", f"/subjects?subject_set_id={set_id}").json()["subjects"]] == ids[2:]


def test_link_with_an_id_named_twice_is_refused(call):
    subject = call.new_subject().json()["subjects"][0]["id"]
    path = f"/subject_sets/{call.new_set()}/links/subjects"
    assert call("POST", path, {"subjects": [subject, subject]}).status_code == 422
    assert call("POST", path, {"subjects": [subject]}).status_code == 200
    assert call("POST", path, {"subjects": [subject]}).json()["subject_sets"][0]["set_member_subjects_count"] == 1


def test_subject_elsewhere_keeps_its_link(call):
    made = call.new_subject(locations=[{"image/jpeg": "https://example.org/a.jpg"}])
    assert made.json()["subjects"][0]["locations"] == [{"image/jpeg": "https://example.org/a.jpg"}]


def test_classification_counts_and_retires(call):
    subject = int(call.new_subject().json()["subjects"][0]["id"])
    links = {"project": "1001", "workflow": "1002", "subjects": [str(subject)]}
    message = {"classifications": {"annotations": [{"task": "T0", "value": []}], "metadata": {}, "links": links}}
    assert call("POST", "/classifications", message, Authorization=None).status_code == 201
    path = f"/subject_workflow_statuses?workflow_id=1002&subject_id={subject}"
    (first,) = call("GET", path).json()["subject_workflow_statuses"]
    assert (first["classifications_count"], first["retired_at"]) == (1, None)
    call("POST", "/classifications", message)
    (second,) = call("GET", path).json()["subject_workflow_statuses"]
    assert second["retirement_reason"] == "classification_count"


def test_classification_of_nothing_is_refused(call):
    links = {"project": "1001", "workflow": "1002", "subjects": ["5"]}
    message = {"classifications": {"annotations": [], "links": links}}
    assert call("POST", "/classifications", message).status_code == 404


def test_fault_of_the_server_itself_is_answered(call, monkeypatch):
    monkeypatch.setattr(call.sandbox.state, "find", None)
    answer = call("GET", "/projects")
    assert (answer.status_code, "TypeError" in message_of(answer)) == (500, True)


def test_second_add_project_changes_nothing(call):
    before = call("GET", "/workflows/1002").json()["workflows"][0]
    assert call.sandbox.add_project("demo/reef", "Reef", {"clips": survey_task(["Cod"])}, 2) == (1001, {"clips": 1002})
    assert call("GET", "/workflows/1002").json()["workflows"][0] == before


def test_change_of_a_text_alone_is_a_minor_version(call):
    workflow = call("GET", "/workflows/1002")
    tasks = workflow.json()["workflows"][0]["tasks"]
    tasks["T0"]["choices"]["COD"]["label"] = "Atlantic cod"
    changed = call("PUT", "/workflows/1002", {"workflows": {"tasks": tasks}}, If_Match=workflow.headers["ETag"])
    assert changed.json()["workflows"][0]["version"] == "1.2"


def test_add_project_brings_tasks_up_to_date(call):
    call.sandbox.add_project("demo/reef", "Reef", {"clips": survey_task(["Cod", "Crab"])}, 2)
    assert call("GET", "/workflows/1002").json()["workflows"][0]["version"] == "2.2"


def test_state_survives_a_restart(tmp_path):
    with serve(tmp_path / "sandbox.db") as sandbox:
        call = Caller(sandbox)
        sandbox.add_project("demo/reef", "Reef", {})
        put(link_of(call.new_subject()), b"a picture")
    with serve(tmp_path / "sandbox.db") as sandbox:
        call.sandbox = sandbox  # with the old token
        (link,) = call("GET", "/subjects").json()["subjects"][0]["locations"][0].values()
        assert requests.get(link, timeout=5).content == b"a picture"


def test_users_are_read_from_a_file(tmp_path):
    (tmp_path / "users").write_text("# who rehearses\nAsa:s3c:ret\n\nBo: b\n", encoding="utf-8")
    assert read_users(tmp_path / "users") == {"Asa": "s3c:ret", "Bo": "b"}


@pytest.mark.parametrize(("text", "said"), [("Asa\n", "line 1"), ("\n:b\n", "line 2"), ("", "nobody")])
def test_file_of_users_that_is_not_one_is_told(tmp_path, text, said):
    (tmp_path / "users").write_text(text)
    with pytest.raises(ConfigError, match=said):
        read_users(tmp_path / "users")


def test_file_of_users_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        read_users(tmp_path / "users")


def test_each_user_has_a_quota_of_their_own(call):
    state, other = call.sandbox.state, Caller(call.sandbox, "other")
    state.set_quota("demo", subject_limit=1)
    answers = [call.new_subject() for _ in range(2)]
    assert [a.status_code for a in answers] == [201, 403]
    assert message_of(answers[1]) == "User has uploaded 1 subjects of 1 maximum"
    assert other.new_subject().status_code == 201
    state.set_quota("demo", subject_limit=1, whitelisted=True)
    assert call.new_subject().status_code == 201
    (me,) = call("GET", "/me").json()["users"]
    assert (me["uploaded_subjects_count"], me["subject_limit"], me["upload_whitelist"]) == (2, 1, True)


def test_file_of_an_earlier_sandbox_is_taken_on(tmp_path):
    with contextlib.closing(sqlite3.connect(tmp_path / "s.db")) as old, old:
        old.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, login TEXT UNIQUE, uploaded INTEGER DEFAULT 0)")
        old.execute("CREATE TABLE blobs (key TEXT PRIMARY KEY, signature TEXT, mime TEXT, data BLOB)")
        old.execute("INSERT INTO users (login, uploaded) VALUES ('demo', 7)")
    with serve(tmp_path / "s.db") as sandbox:
        sandbox.add_project("demo/reef", "Reef", {})
        call = Caller(sandbox)
        assert call("GET", "/me").json()["users"][0]["uploaded_subjects_count"] == 7
        assert put(link_of(call.new_subject()), b"a picture").status_code == 201


def test_taken_port_is_told(call):
    port = int(re.search(r":(\d+)$", call.sandbox.url)[1])
    with pytest.raises(ZooniverseError, match=f"cannot listen on 127.0.0.1:{port}"):
        serve(port=port)


def test_file_that_is_something_else_is_told(tmp_path):
    (tmp_path / "notes.txt").write_text("These are my notes, no database at all. " * 50)
    with pytest.raises(ZooniverseError, match="cannot be used as the sandbox's file"):
        serve(tmp_path / "notes.txt")
