import gzip
import os
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from kso_utils.core.errors import ExportTimeout, ZooniverseError
from kso_utils.store.rows import Counts
from kso_utils.zooniverse import sandbox
from kso_utils.zooniverse.pulls import pull
from kso_utils.zooniverse.retrieval import fetching
from kso_utils.zooniverse.sandbox import Fault, simulate, survey_task
from kso_utils.zooniverse.session import ApiError, connect
from kso_utils.zooniverse.uploads import upload
from tests.zooniverse.test_pulls import add_workflow, says

CODES = ("EXPORT_RECENT", "EXPORT_REFUSED", "EXPORT_LATE", "EXPORT_FETCHED")


@pytest.fixture
def workflow(server, session, project, store, clips):
    """Two clips, each seen by one person."""
    upload(session, store, clips(2), "Clips", project_id=project)
    number = add_workflow(session, project, survey_task(["Cod"]))
    simulate(server, number, lambda *_: says(("COD", {})), people=1)
    return number


@pytest.fixture
def fetch(session, project, store, tmp_path, monkeypatch):
    """Return a function that pulls as from Zooniverse, and counts classifications and what was told of exports."""
    monkeypatch.setattr(fetching, "ZOONIVERSE", session.url)
    monkeypatch.setattr(session, "await_export", partial(session.await_export, poll_s=0.02))

    def run(timeout_s=20.0, **more):
        pulled = pull(session, store, project, tmp_path / "exports", timeout_s=timeout_s, **more)
        codes = pulled.report.codes()
        return pulled.counts["classifications"], {code: codes[code] for code in CODES if codes[code]}

    return run


def more_people(server, workflow):
    simulate(server, workflow, lambda *_: says(("COD", {})), people=2)


def test_a_young_export_is_not_asked_for_again(fetch, server, workflow):
    fetch()
    more_people(server, workflow)
    assert fetch() == (Counts(unchanged=2), {"EXPORT_RECENT": 3, "EXPORT_FETCHED": 3})


@pytest.mark.parametrize(("ask", "new"), [("due", True), ("always", True), ("never", False)])
def test_an_old_export_is_asked_for_again_unless_told_otherwise(fetch, server, workflow, monkeypatch, ask, new):
    fetch()
    more_people(server, workflow)
    monkeypatch.setattr(fetching, "GAP_S", 0)
    counts, codes = fetch(ask=ask)
    assert (counts.inserted > 0, codes) == (new, {"EXPORT_FETCHED": 3})


def test_a_sandbox_is_always_asked(fetch, server, workflow, monkeypatch):
    monkeypatch.setattr(fetching, "ZOONIVERSE", "https://www.zooniverse.org")
    fetch()
    more_people(server, workflow)
    assert fetch()[0].inserted > 0


def test_a_young_export_is_asked_for_again_where_that_is_wished(fetch, server, workflow):
    fetch()
    more_people(server, workflow)
    assert fetch(ask="always")[0].inserted > 0


def test_nothing_is_asked_for_where_only_the_last_exports_are_wanted(fetch, workflow):
    with pytest.raises(ExportTimeout, match="subjects export"):
        fetch(ask="never")


def test_a_refused_export_leaves_the_last_one(fetch, server, workflow):
    fetch()
    server.faults.append(Fault("POST .*classifications_export$", 422, 1))
    assert fetch(ask="always") == (Counts(unchanged=2), {"EXPORT_REFUSED": 1, "EXPORT_FETCHED": 3})


def late(kind, *_):
    raise ExportTimeout(f"The {kind} export is late.")


def test_a_late_export_is_replaced_by_the_last_one_of_the_server(fetch, session, workflow, monkeypatch):
    fetch()
    monkeypatch.setattr(session, "await_export", late)
    assert fetch() == (Counts(unchanged=2), {"EXPORT_RECENT": 3, "EXPORT_LATE": 3, "EXPORT_FETCHED": 3})


def test_a_late_export_is_replaced_by_the_last_one_of_the_folder(fetch, session, server, workflow, monkeypatch):
    fetch()
    monkeypatch.setattr(session, "await_export", late)
    server.faults.append(Fault("GET /blob/", 404, 3))
    assert fetch() == (Counts(unchanged=2), {"EXPORT_RECENT": 3, "EXPORT_LATE": 3})


def test_a_late_export_without_an_earlier_one(store, tmp_path):
    with sandbox.serve(export_delay_s=60) as running, connect("demo", "demo", running.url) as opened:
        project = opened.push("/projects", {"projects": {"display_name": "Reef"}})["projects"][0]["id"]
        with pytest.raises(ExportTimeout):
            pull(opened, store, project, tmp_path / "exports", timeout_s=0.0)


def test_classifications_of_chosen_workflows(fetch, session, server, project, workflow, tmp_path):
    other = add_workflow(session, project, survey_task(["Cod"]), name="Other")
    simulate(server, other, lambda *_: says(("COD", {})), people=3)
    counts, codes = fetch(workflow_ids=[workflow])
    assert (counts, codes) == (Counts(inserted=2), {"EXPORT_FETCHED": 3})
    assert len(list((tmp_path / "exports").glob(f"classifications_workflow_{workflow}_*.csv"))) == 1
    assert fetch(workflow_ids=[workflow, other])[0] == Counts(inserted=6, unchanged=2)


@pytest.mark.parametrize(
    ("body", "said"),
    [(b"<html>Log in</html>", "a web page"), (b"site,depth\nA,3\n", "no export"), (b'subject_id,"cut', "no export")],
)
def test_what_is_no_export_is_not_kept(fetch, session, workflow, tmp_path, monkeypatch, body, said):
    def download(_src, path):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(body)

    monkeypatch.setattr(session, "download", download)
    with pytest.raises(ZooniverseError, match=said):
        fetch()
    assert list((tmp_path / "exports").iterdir()) == []


def test_an_export_that_was_cut_off_is_not_kept(fetch, session, workflow, tmp_path, monkeypatch):
    real = session.download

    def download(src, path):
        real(src, path)
        path.write_bytes(path.read_bytes() + b'1,"cut')

    monkeypatch.setattr(session, "download", download)
    with pytest.raises(ApiError, match="cut off"):
        fetch()
    assert list((tmp_path / "exports").iterdir()) == []


def test_what_a_killed_download_left_is_removed_after_a_day(fetch, workflow, tmp_path):
    old, young = (tmp_path / "exports" / f".classifications.1-{name}.part.csv" for name in ("old", "young"))
    young.parent.mkdir()
    for path in (old, young):
        path.touch()
    os.utime(old, (0, 0))
    fetch()
    assert [path.exists() for path in (old, young)] == [False, True]


@pytest.mark.parametrize(
    ("seconds", "text"), [(5, "less than a minute"), (60, "1 minute"), (7_300, "2 hours"), (86_400 * 3, "3 days")]
)
def test_ages_are_spelt_out(seconds, text):
    assert fetching._spell(seconds) == text


TEXT = b"a,b\n" + b"1,2\n" * 50_000
PACKED = gzip.compress(TEXT)
DAMAGED = PACKED[:100] + b"\0\0\0\0" + PACKED[104:]
ANSWERS = {
    "/plain": (TEXT, len(TEXT), ""),
    "/packed": (PACKED, len(PACKED), "gzip"),
    "/plain-short": (TEXT[:5000], len(TEXT), ""),
    "/packed-short": (PACKED[:-50], len(PACKED), "gzip"),
    "/packed-cut": (PACKED[:-50], len(PACKED) - 50, "gzip"),
    "/packed-damaged": (DAMAGED, len(DAMAGED), "gzip"),
    "/packed-twice": (PACKED + b"rest", len(PACKED) + 4, "gzip"),
}


class Answers(BaseHTTPRequestHandler):
    def do_GET(self):
        body, length, encoding = ANSWERS[self.path]
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        if encoding:
            self.send_header("Content-Encoding", encoding)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def files():
    """The address of a server that gives `ANSWERS`: body, announced length, encoding."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


@pytest.mark.parametrize("name", ["plain", "packed"])
def test_files_arrive_unpacked(session, files, tmp_path, name):
    session.download(f"{files}/{name}", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == TEXT


@pytest.mark.parametrize("name", ["plain-short", "packed-short", "packed-cut", "packed-damaged", "packed-twice"])
def test_files_that_are_cut_off_or_damaged_are_noticed(session, files, tmp_path, name):
    with pytest.raises(ApiError):
        session.download(f"{files}/{name}", tmp_path / "file")
    assert not list(tmp_path.glob("*file*"))
