import hashlib
import logging
import os
import socket
import subprocess
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import requests

from kso_utils.core.errors import ConfigError, Denied, ExportTimeout, MissingExtra, QuotaExceeded, ZooniverseError
from kso_utils.zooniverse import client as client_module
from kso_utils.zooniverse.sandbox.server import Fault, serve
from kso_utils.zooniverse.sandbox.tasks import survey_task
from kso_utils.zooniverse.session import ApiError, connect

ROOT = Path(__file__).parents[2]


@pytest.fixture
def sandbox():
    with serve(users={"demo": "s3cret"}) as running:
        yield running


@pytest.fixture
def session(sandbox):
    with connect("demo", "s3cret", sandbox.url) as connected:
        yield connected


@pytest.fixture
def project(sandbox):
    return sandbox.add_project("demo/reef", "Reef", {"clips": survey_task(["Cod"])})[0]


def test_login_comes_from_the_environment(sandbox, monkeypatch):
    monkeypatch.setenv("PANOPTES_USERNAME", "demo")
    monkeypatch.setenv("PANOPTES_PASSWORD", "s3cret")
    monkeypatch.setenv("PANOPTES_ENDPOINT", sandbox.url + "/")
    assert connect().me()["login"] == "demo"


def test_wrong_password_is_denied(sandbox):
    with pytest.raises(Denied, match="does not accept this login"):
        connect("demo", "guess", sandbox.url)


def test_stopped_sandbox_cannot_be_reached():
    with serve() as sandbox:
        url = sandbox.url
    with pytest.raises(ApiError, match=f"Cannot reach {url}") as caught:
        connect("demo", "demo", url)
    assert caught.value.temporary


def test_sandbox_that_stops_under_a_session_is_told(project, session, sandbox):
    session.me()
    sandbox.close()
    with pytest.raises(ApiError, match="Cannot reach"):
        session.me()


@pytest.mark.parametrize("endpoint", ["nonsense", "ftp://example.org", "http://"])
def test_endpoint_that_is_no_address_is_told(endpoint):
    with pytest.raises(ConfigError, match="not an address"):
        connect("demo", "demo", endpoint)


@contextmanager
def serve_other(announced=0, body=b""):
    """Run a server that is no Zooniverse; gives its address and the headers that it was sent."""
    asked = []

    class Other(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.headers)
            self.send_response(200)
            self.send_header("Content-Length", str(announced))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Other)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


def test_server_that_is_no_zooniverse_is_told():
    with serve_other() as (url, _), pytest.raises(ApiError, match="does not answer like the Zooniverse"):
        connect("demo", "demo", url)


def test_silent_server_runs_into_the_time_limit(monkeypatch):
    monkeypatch.setattr(client_module, "TIMEOUTS_S", (0.5, 0.2))
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(ApiError, match="did not answer within"):
        connect("demo", "demo", f"http://127.0.0.1:{silent.getsockname()[1]}")


def test_client_leaves_the_root_logger_alone():
    program = (
        "import logging; from kso_utils.zooniverse.client import _load_client; _load_client(); "
        "root = logging.getLogger(); raise SystemExit(len(root.handlers) + (root.level != logging.WARNING))"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    assert subprocess.run([sys.executable, "-c", program], env=env, check=False).returncode == 0


def test_missing_client_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "panoptes_client", None)
    with pytest.raises(MissingExtra, match=r"kso_utils\[zooniverse\]"):
        connect("demo", "demo", "http://127.0.0.1:1")


@pytest.mark.parametrize("kind", ["person", "client"])
def test_secrets_are_neither_shown_nor_logged_nor_told_in_errors(sandbox, caplog, kind):
    names = ("user", "password") if kind == "person" else ("client_id", "client_secret")
    secret = "s3cret"
    caplog.set_level(logging.INFO, "kso_utils.zooniverse.sandbox")
    caplog.set_level(logging.DEBUG)
    with connect(endpoint=sandbox.url, **dict(zip(names, ("demo", secret), strict=True))) as session:
        project = session.push("/projects", {"projects": {"display_name": "Reef"}})["projects"][0]["id"]
        _, link = session.create_subject(project, "image/jpeg", {})
        session.put_media(link, b"a picture", "image/jpeg")
        signature, token = link.partition("sig=")[2], session._client.bearer_token
        sandbox.close()
        told = [repr(session), repr(vars(session))]
        for call in (session.me, lambda: session.put_media(link, b"a picture", "image/jpeg")):
            with pytest.raises(ApiError) as caught:
                call()
            told += traceback.format_exception(caught.value)
    with pytest.raises(ApiError) as caught:
        connect("demo", secret, sandbox.url)
    text = "".join(told + traceback.format_exception(caught.value)) + caplog.text
    assert "/blob/" in caplog.text
    assert [word for word in (secret, signature, token) if word in text] == []


def test_a_wrong_password_is_not_in_the_error(sandbox):
    wrong = "guess"
    with pytest.raises(Denied) as caught:
        connect("demo", wrong, sandbox.url)
    assert wrong not in "".join(traceback.format_exception(caught.value))


def test_an_application_logs_in_with_its_secret(sandbox, monkeypatch):
    monkeypatch.setenv("PANOPTES_CLIENT_ID", "demo")
    monkeypatch.setenv("PANOPTES_CLIENT_SECRET", "s3cret")
    with connect(endpoint=sandbox.url) as session:
        assert session.me()["login"] == "demo"
        sandbox.state.run("DELETE FROM tokens")
        assert session.me()["login"] == "demo"
    assert sandbox.hits["POST /users/sign_in"] == 0


def test_a_wrong_client_secret_is_denied_at_once(sandbox):
    with pytest.raises(Denied, match="client id"):
        connect(endpoint=sandbox.url, client_id="demo", client_secret="guess")


def test_an_application_of_the_environment_is_left_out_of_a_person_s_login(sandbox, monkeypatch):
    monkeypatch.setenv("PANOPTES_CLIENT_ID", "somebody")
    monkeypatch.setenv("PANOPTES_CLIENT_SECRET", "else")
    with connect("demo", "s3cret", sandbox.url) as session:
        assert session.me()["login"] == "demo"
        assert session._client.client_secret is None


@pytest.mark.parametrize("name", ["demo/reef", "1001", 1001])
def test_project_is_found(session, project, name):
    assert session.find_project(name)["id"] == str(project)


def test_unknown_project_is_told(session):
    with pytest.raises(ZooniverseError, match="no project 'demo/none'"):
        session.find_project("demo/none")


def test_subject_goes_all_the_way(session, project, sandbox):
    set_id = session.create_subject_set(project, "first")
    subject, link = session.create_subject(project, "video/mp4", {"#key": "å"})
    session.put_media(link, b"a movie", "video/mp4")
    session.link_subjects(set_id, [subject, subject])
    (listed,) = session.list_subjects(set_id)
    (url,) = listed["locations"][0].values()
    assert (listed["id"], listed["metadata"]) == (str(subject), {"#key": "å"})
    assert requests.get(url, timeout=5).content == b"a movie"


def test_links_go_in_batches_of_100(session, project, sandbox):
    set_id = session.create_subject_set(project, "first")
    body = {"metadata": {}, "locations": []}
    ids = [sandbox.state.add("subjects", body, project).id for _ in range(201)]
    session.link_subjects(set_id, ids)
    assert sandbox.hits["POST /api/<kind>/<id>/links/<rel>"] == 3
    assert [int(s["id"]) for s in session.list_subjects(set_id)] == ids
    assert sandbox.hits["GET /api/<kind>"] == 3


def test_set_is_found_by_its_whole_name(session, project):
    first = session.create_subject_set(project, "clips")
    session.create_subject_set(project, "clips")
    assert session.find_subject_set(project, "clips") == first
    assert session.find_subject_set(project, "clip") is None


def test_set_is_shown_in_a_workflow(session, project):
    set_id = session.create_subject_set(project, "first")
    session.link_set(1002, set_id)
    assert session.fetch("/workflows/1002")["workflows"][0]["links"]["subject_sets"] == [str(set_id)]


def test_threads_share_one_login(session, project, sandbox):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: session.create_subject(project, "image/jpeg", {"n": n}), range(40)))
    assert len(sandbox.state.find("subjects")) == 40
    assert (sandbox.hits["POST /users/sign_in"], sandbox.hits["POST /oauth/token"]) == (1, 1)


def test_sixteen_threads_renew_an_expiring_token_once(session, sandbox):
    session.me()
    session._client.bearer_expires = datetime.now()
    start = threading.Barrier(16)

    def ask(_):
        start.wait()
        return session.me()["login"]

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(ask, range(16))) == {"demo"}
    assert (sandbox.hits["POST /users/sign_in"], sandbox.hits["POST /oauth/token"]) == (1, 2)


def test_sixteen_threads_whose_token_is_refused_log_in_once(session, sandbox):
    session.me()
    sandbox.state.run("DELETE FROM tokens")
    with ThreadPoolExecutor(16) as pool:
        assert {account["login"] for account in pool.map(lambda _: session.me(), range(16))} == {"demo"}
    assert sandbox.hits["POST /users/sign_in"] == 2


def test_token_that_is_no_longer_accepted_is_renewed_once(session, sandbox):
    session.me()
    sandbox.state.run("DELETE FROM tokens")
    assert session.me()["login"] == "demo"
    assert sandbox.hits["POST /users/sign_in"] == 2


def test_account_that_lost_its_rights_is_denied(session, sandbox):
    sandbox.faults.append(Fault("GET /api/me", 401, times=2))
    with pytest.raises(Denied, match="does not accept this login"):
        session.me()


def test_forbidden_is_denied(session, sandbox):
    sandbox.faults.append(Fault("GET /api/me", 403))
    with pytest.raises(Denied, match="may not do that"):
        session.me()


def test_quota_is_told():
    with serve(subject_limit=0) as sandbox, connect("demo", "demo", sandbox.url) as session:
        project, _ = sandbox.add_project("demo/reef", "Reef", {})
        with pytest.raises(QuotaExceeded, match="uploaded 0 subjects of 0 maximum"):
            session.create_subject(project, "image/jpeg", {})


@pytest.mark.parametrize(("status", "temporary"), [(404, False), (413, False), (422, False), (429, True), (503, True)])
def test_failure_tells_whether_it_may_pass(session, sandbox, status, temporary):
    sandbox.faults.append(Fault("GET /api/me", status))
    with pytest.raises(ApiError) as caught:
        session.me()
    assert (caught.value.status, caught.value.temporary) == (status, temporary)


def test_each_request_is_tried_once(session, sandbox):
    sandbox.faults.append(Fault("GET /api/me", 503, times=9))
    with pytest.raises(ApiError):
        session.me()
    assert sandbox.faults[0].times == 8


def test_broken_connection_has_no_status(session, sandbox):
    sandbox.faults.append(Fault("POST /api/subject_sets", 0))
    with pytest.raises(ApiError) as caught:
        session.create_subject_set(1, "first")
    assert caught.value.status is None


def test_media_that_are_not_accepted_are_told_without_the_signature(session, project, sandbox):
    _, link = session.create_subject(project, "image/jpeg", {})
    sandbox.faults.append(Fault("PUT /blob", 500))
    with pytest.raises(ApiError) as caught:
        session.put_media(link, b"a picture", "image/jpeg")
    assert caught.value.status == 500
    assert "sig=" not in str(caught.value)


def test_medium_is_read_back_without_the_login(session, project, sandbox):
    subject, link = session.create_subject(project, "image/jpeg", {})
    session.put_media(link, b"a picture", "image/jpeg")
    (url,) = session.fetch(f"/subjects/{subject}")["subjects"][0]["locations"][0].values()
    sandbox.state.run("DELETE FROM tokens")
    assert session.hash_media(url) == hashlib.sha256(b"a picture").hexdigest()


def test_medium_that_is_cut_short_is_told(session):
    with serve_other(10, b"half") as (url, asked), pytest.raises(ApiError, match="the connection broke") as caught:
        session.hash_media(f"{url}/a.jpg?sig=s3cret")
    assert caught.value.temporary
    assert "s3cret" not in str(caught.value)
    assert "Authorization" not in asked[0]


@pytest.mark.parametrize("place", ["file:///etc/passwd", "nowhere"])
def test_medium_elsewhere_than_on_the_web_is_told(session, place):
    with pytest.raises(ConfigError, match="not an address"):
        session.hash_media(place)


def test_metadata_are_changed_as_they_are_now(session, project):
    subject, _ = session.create_subject(project, "image/jpeg", {"depth": 3, "note": "a"})
    session.change_metadata(subject, lambda now: {"depth": now["depth"] + 1})
    assert session.fetch(f"/subjects/{subject}")["subjects"][0]["metadata"] == {"depth": 4}


def test_a_change_by_somebody_else_is_not_overwritten(session, project):
    subject, _ = session.create_subject(project, "image/jpeg", {"note": "a"})

    def meddle(now):
        if now["note"] == "a":
            session.change_metadata(subject, lambda _: {"note": "theirs"})
        return {"note": "mine"}

    with pytest.raises(ApiError) as caught:
        session.change_metadata(subject, meddle)
    assert caught.value.status == 412
    assert session.fetch(f"/subjects/{subject}")["subjects"][0]["metadata"] == {"note": "theirs"}


def test_metadata_that_are_not_json_are_told(session, project):
    with pytest.raises(ZooniverseError, match="not plain JSON"):
        session.create_subject(project, "image/jpeg", {"depth": float("nan")})


def test_export_is_awaited_and_saved(session, project, tmp_path):
    assert session.describe_export("subjects", "projects", project) is None
    session.create_subject(project, "image/jpeg", {"name": "Åsa"})
    session.request_export("subjects", "projects", project)
    medium = session.await_export("subjects", "projects", project, poll_s=0.01)
    session.download(medium["src"], tmp_path / "subjects.csv")
    assert "Åsa" in (tmp_path / "subjects.csv").read_text(encoding="utf-8")


def test_export_that_takes_too_long_is_told(project, sandbox):
    with serve(export_delay_s=60) as slow, connect("demo", "demo", slow.url) as session:
        slow.add_project("demo/reef", "Reef", {})
        session.request_export("classifications", "projects", project)
        with pytest.raises(ExportTimeout, match="classifications export of project 1001 was not ready after 0 s"):
            session.await_export("classifications", "projects", project, timeout_s=0)


def test_failed_download_leaves_no_file(session, sandbox, tmp_path):
    with pytest.raises(ApiError, match="status 404"):
        session.download(f"{sandbox.url}/blob/abc", tmp_path / "a.csv")
    assert list(tmp_path.iterdir()) == []
