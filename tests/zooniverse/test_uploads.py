import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import requests

from kso_utils.core.errors import ConfigError, MetadataError, QuotaExceeded, ZooniverseError
from kso_utils.core.report import Report
from kso_utils.zooniverse import sandbox
from kso_utils.zooniverse.media_checks import FRAME_BYTES
from kso_utils.zooniverse.sandbox import Fault
from kso_utils.zooniverse.session import connect
from kso_utils.zooniverse.subjects import KEY
from kso_utils.zooniverse.uploads import upload

ROOT = Path(__file__).resolve().parents[2]


def all_subjects(session, project):
    return session.fetch("/subjects", {"project_id": project, "page_size": 100})["subjects"]


def assert_each_is_there_once(session, project, store, planned, states):
    """What must hold after any upload that ended well, whatever happened before."""
    there = all_subjects(session, project)
    set_id = str(session.find_subject_set(project, "Clips"))
    assert Counter(s["metadata"][KEY] for s in there) == Counter(states.key)
    assert all(s["links"]["subject_sets"] == [set_id] for s in there)
    contents = {s["metadata"][KEY]: requests.get(s["locations"][0]["video/mp4"], timeout=10).content for s in there}
    assert contents == {key: Path(path).read_bytes() for key, path in zip(states.key, planned.path, strict=True)}
    assert set(states.state) == {"linked"}
    assert set(store.read("upload_journal").state) == {"linked"}
    assert sorted(store.read("subjects").id) == sorted(int(s["id"]) for s in there) == sorted(states.subject_id)


def test_every_subject_arrives_once_in_its_set(session, project, store, clips):
    planned = clips(7)
    states = upload(session, store, planned, "Clips", project_id=project)
    assert_each_is_there_once(session, project, store, planned, states)


def test_rows_in_the_store_say_where_subjects_come_from(session, project, store, clips):
    states = upload(session, store, clips(2), "Clips", project_id=project)
    row = store.read("subjects", where={"id": int(states.subject_id[1])}).iloc[0]
    assert row[["subject_type", "movie_id", "clip_start_time", "clip_end_time"]].tolist() == ["clip", 2, 10, 20]
    assert row[["upload_state", "subject_set_id"]].tolist() == [
        "linked",
        str(session.find_subject_set(project, "Clips")),
    ]
    assert row["metadata"] == {
        **{"Site": "Reef", "#movie_id": 2, "#clip_start_time": 10, "#clip_end_time": 20, "#subject_type": "clip"},
        KEY: states.key[1],
    }


def test_requests_are_few(session, server, project, store, clips):
    before = server.hits.total()
    upload(session, store, clips(250), "Clips", project_id=project)
    assert server.hits.total() - before <= 2 * 250 + 3 + 10
    assert server.hits["POST /api/<kind>/<id>/links/<rel>"] == 3


def test_a_second_run_sends_nothing(session, server, project, store, clips):
    planned = clips(5)
    first = upload(session, store, planned, "Clips", project_id=project)
    journal = store.read("upload_journal")
    before = server.hits.total()
    second = upload(session, store, planned, "Clips", project_id=project)
    assert server.hits.total() - before <= 2
    pd.testing.assert_frame_equal(first, second)
    pd.testing.assert_frame_equal(journal, store.read("upload_journal"))


def test_more_subjects_join_the_same_set(session, project, store, clips):
    upload(session, store, clips(3), "Clips", project_id=project)
    planned = clips(6)
    states = upload(session, store, planned, "Clips", project_id=project)
    assert_each_is_there_once(session, project, store, planned, states)


def test_the_same_subject_twice_in_a_plan_is_one(session, project, store, clips):
    planned = pd.concat([clips(2), clips(1)], ignore_index=True)
    states = upload(session, store, planned, "Clips", project_id=project)
    assert states.subject_id[0] == states.subject_id[2]
    assert len(all_subjects(session, project)) == 2


def test_a_lost_journal_does_not_double_a_set(session, project, store, clips, tmp_path):
    planned = clips(4)
    first = upload(session, store, planned, "Clips", project_id=project)
    from kso_utils.store.engine import open_store

    with open_store(tmp_path / "other.sqlite") as empty:
        for table in ("sites", "movies", "species"):
            empty.upsert(table, store.read(table), "id")
        second = upload(session, empty, planned, "Clips", project_id=project)
        assert_each_is_there_once(session, project, empty, planned, second)
    assert first.subject_id.tolist() == second.subject_id.tolist()


def test_a_set_made_anew_gets_the_same_subjects(session, project, store, clips):
    planned = clips(3)
    first = upload(session, store, planned, "Clips", project_id=project)
    set_id = session.find_subject_set(project, "Clips")
    old = session._answer("GET", f"/subject_sets/{set_id}", {})
    session._answer("DELETE", f"/subject_sets/{set_id}", {"etag": old.headers["ETag"]})
    second = upload(session, store, planned, "Clips", project_id=project)
    assert first.subject_id.tolist() == second.subject_id.tolist()
    assert_each_is_there_once(session, project, store, planned, second)


def test_a_dry_run_sends_and_writes_nothing(server, store, clips):
    before = server.hits.total()
    states = upload(None, store, clips(3), "Clips", dry_run=True, project_id=1)
    assert states.state.tolist() == ["planned"] * 3
    assert server.hits.total() == before
    assert store.read("upload_journal").empty


def test_no_subjects_are_no_work(session, project, store, clips):
    assert upload(session, store, clips(1).iloc[:0], "Clips", project_id=project).empty


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("status", [0, 429, 503])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("match", ["POST /api/subjects$", "PUT /blob/", "POST .*/links/subjects$"])
def test_broken_and_lost_answers(session, server, project, store, clips, match, status, after):
    if after and status == 429:
        pytest.skip("who is told to wait was not served")
    server.faults.append(Fault(match, status, 3, after))
    planned = clips(12)
    states = upload(session, store, planned, "Clips", project_id=project)
    assert_each_is_there_once(session, project, store, planned, states)


@pytest.mark.usefixtures("no_waiting")
def test_a_refused_subject_fails_alone_and_once(session, server, project, store, clips):
    server.faults.append(Fault("POST /api/subjects$", 422, 1))
    states = upload(session, store, clips(5), "Clips", project_id=project)
    assert Counter(states.state) == {"linked": 4, "failed": 1}
    assert "422" in states.reason[states.state == "failed"].iloc[0]
    assert server.hits["POST /api/<kind>"] - 2 == 4


@pytest.mark.usefixtures("no_waiting")
def test_a_medium_that_does_not_arrive_is_noticed_and_repaired(session, server, project, store, clips):
    planned = clips(3)
    server.faults.append(Fault("PUT /blob/", 403, 1))
    states = upload(session, store, planned, "Clips", project_id=project)
    assert Counter(states.state) == {"linked": 2, "failed": 1}
    assert "medium" in states.reason[states.state == "failed"].iloc[0]
    assert len(store.read("subjects")) == 2
    states = upload(session, store, planned, "Clips", project_id=project)
    assert_each_is_there_once(session, project, store, planned, states)


@pytest.mark.usefixtures("no_waiting")
def test_a_subject_that_is_gone_does_not_hold_up_the_others(session, server, project, store, clips):
    planned = clips(5)
    server.faults.append(Fault("POST .*/links/subjects$", 500, 5))
    with pytest.raises(ZooniverseError):
        upload(session, store, planned, "Clips", project_id=project)
    session.remove_subject(int(all_subjects(session, project)[2]["id"]))
    states = upload(session, store, planned, "Clips", project_id=project)
    assert Counter(states.state) == {"linked": 4, "failed": 1}
    states = upload(session, store, planned, "Clips", project_id=project)
    assert_each_is_there_once(session, project, store, planned, states)


@pytest.mark.usefixtures("no_waiting")
def test_a_server_that_stops_leaves_a_journal_to_go_on_from(project, session, server, store, clips, tmp_path):
    planned = clips(40)
    server.faults.append(Fault("(POST|PUT|GET) ", 0, 10_000))
    server.faults[0].times = 0

    def stop_in_the_middle():
        server.faults[0].times = 10_000

    original = session.put_media
    sent = []

    def put_media(*args):
        original(*args)
        sent.append(1)
        if len(sent) == 15:
            stop_in_the_middle()

    session.put_media = put_media
    with pytest.raises(ZooniverseError, match="Run the upload again"):
        upload(session, store, planned, "Clips", project_id=project, workers=4)
    states = store.read("upload_journal").state
    assert len(states) == 40
    assert not set(states) & {"linked", "failed"}
    server.faults.clear()
    states = upload(session, store, planned, "Clips", project_id=project)
    assert_each_is_there_once(session, project, store, planned, states)


@pytest.mark.usefixtures("no_waiting")
def test_a_stopped_sandbox_gives_one_sentence(store, clips):
    with sandbox.serve() as running:
        opened = connect("demo", "demo", running.url)
        project = opened.push("/projects", {"projects": {"display_name": "Reef"}})["projects"][0]["id"]
    with pytest.raises(ZooniverseError, match="sandbox must be running"):
        upload(opened, store, clips(2), "Clips", project_id=project)
    assert store.read("subjects").empty


def test_the_quota_is_looked_at_first(store, clips):
    with sandbox.serve(subject_limit=3) as running, connect("demo", "demo", running.url) as opened:
        project = opened.push("/projects", {"projects": {"display_name": "Reef"}})["projects"][0]["id"]
        with pytest.raises(QuotaExceeded, match="4 subjects are to be uploaded"):
            upload(opened, store, clips(4), "Clips", project_id=project)
        assert all_subjects(opened, project) == []
        assert store.read("upload_journal").empty


def test_a_quota_that_ends_on_the_way_keeps_what_arrived(store, clips, monkeypatch):
    monkeypatch.setattr("kso_utils.zooniverse.uploads.require_quota", lambda *_: None)
    with sandbox.serve(subject_limit=3) as running, connect("demo", "demo", running.url) as opened:
        project = opened.push("/projects", {"projects": {"display_name": "Reef"}})["projects"][0]["id"]
        with pytest.raises(QuotaExceeded):
            upload(opened, store, clips(6), "Clips", project_id=project)
        assert Counter(store.read("upload_journal").state) == {"linked": 3, "planned": 3}
        assert len(store.read("subjects")) == 3


@pytest.mark.parametrize("error", [KeyError("locations"), ConfigError("no address")])
@pytest.mark.parametrize("step", ["create_subject", "put_media"])
def test_an_answer_nobody_expected_ends_the_upload_and_can_be_repaired(
    session, project, store, clips, monkeypatch, error, step
):
    def fail(*_):
        raise error

    planned = clips(3)
    with monkeypatch.context() as broken_session, pytest.raises((ZooniverseError, ConfigError)):
        broken_session.setattr(session, step, fail)
        upload(session, store, planned, "Clips", project_id=project)
    states = upload(session, store, planned, "Clips", project_id=project)
    assert_each_is_there_once(session, project, store, planned, states)


def broken(planned, **columns):
    return planned.assign(**{name: [value] * len(planned) for name, value in columns.items()})


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("missing.mp4", None, "FILE_MISSING"),
        ("text.mp4", b"this is no movie at all", "NOT_WHAT_IT_SAYS"),
        ("empty.mp4", b"", "NOT_WHAT_IT_SAYS"),
        ("clip.avi", b"RIFF", "UNKNOWN_MEDIA_TYPE"),
        ("large.jpg", b"\xff\xd8\xff" + bytes(FRAME_BYTES), "FILE_TOO_LARGE"),
    ],
)
def test_files_are_checked_before_anything_is_sent(store, clips, tmp_path, name, content, code):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(MetadataError, match=code) as caught:
        upload(None, store, broken(clips(1), path=str(tmp_path / name)), "Clips", project_id=1)
    assert [f.row for f in caught.value.report] == [2]


@pytest.mark.parametrize(
    ("columns", "code"),
    [
        ({"metadata": {"depth": np.nan}}, "NOT_JSON"),
        ({"metadata": {"depth": np.int64(3)}}, "NOT_JSON"),
        ({"movie_id": 99}, "UNKNOWN_REFERENCE"),
        ({"frame_exp_sp_id": 99}, "UNKNOWN_REFERENCE"),
        ({"clip_end_time": 0.0}, "BAD_CLIP"),
        ({"frame_number": -1}, "BAD_FRAME"),
    ],
)
def test_rows_are_checked_before_anything_is_sent(store, clips, columns, code):
    with pytest.raises(MetadataError, match=code):
        upload(None, store, broken(clips(1), **columns), "Clips", project_id=1)


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_a_subject_need_not_expect_a_species(session, project, store, clips, missing):
    planned = broken(clips(1), frame_exp_sp_id=missing, frame_number=missing)
    assert upload(session, store, planned, "Clips", project_id=project).state.tolist() == ["linked"]


@pytest.mark.parametrize("workers", [0, 17])
def test_the_number_of_workers_has_limits(store, clips, workers):
    with pytest.raises(ConfigError, match="workers"):
        upload(None, store, clips(1), "Clips", workers, project_id=1)


def test_an_upload_needs_a_session(store, clips):
    with pytest.raises(ConfigError, match="session"):
        upload(None, store, clips(1), "Clips", project_id=1)


def test_a_file_that_changes_after_the_checks_is_not_sent(session, project, store, clips, monkeypatch):
    monkeypatch.setattr("kso_utils.zooniverse.uploads.check_subjects", lambda *_, **__: Report("checked before"))
    planned = clips(2)
    path = Path(planned.path[0])
    path.write_bytes(path.read_bytes() + b"!")
    states = upload(session, store, planned, "Clips", project_id=project)
    assert states.state.tolist() == ["failed", "linked"]
    assert len(all_subjects(session, project)) == 1


CHILD = """
import json, sys
from pathlib import Path
import pandas as pd
from kso_utils.store.engine import open_store
from kso_utils.zooniverse.session import connect
from kso_utils.zooniverse.uploads import upload
path, url, planned, project = sys.argv[1:]
subjects = pd.DataFrame(json.loads(Path(planned).read_text()))
with connect("demo", "demo", url) as session, open_store(path) as store:
    upload(session, store, subjects, "Clips", workers=6, project_id=project)
"""


def run_and_kill(server, arguments, requests_first):
    """Upload in another process and kill it after so many requests; return whether it ended by itself before that."""
    before = server.hits.total()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-c", CHILD, *arguments], env=environment)
    try:
        while process.poll() is None and server.hits.total() - before < requests_first:
            time.sleep(0.001)
    finally:
        process.kill()
        process.wait()
    return process.returncode == 0


@pytest.mark.parametrize("kills", [4, pytest.param(20, marks=pytest.mark.soak)])
def test_killed_at_any_moment_it_goes_on(session, server, project, store, clips, tmp_path, kills):
    number = 30 * kills
    planned = clips(number)
    (tmp_path / "planned.json").write_text(json.dumps(planned.to_dict("records")))
    arguments = [str(store.path), server.url, str(tmp_path / "planned.json"), str(project)]
    dice = np.random.default_rng(11)
    # A login costs about 5 requests, a subject 2: so each run gets a share of the way before it is killed.
    ended = [run_and_kill(server, arguments, int(dice.integers(6, 2 * number // kills))) for _ in range(kills)]
    assert not any(ended)
    states = upload(session, store, planned, "Clips", project_id=project)
    there = []
    for page in range(1, 2 + number // 100):
        there += session.fetch("/subjects", {"project_id": project, "page_size": 100, "page": page})["subjects"]
    assert Counter(s["metadata"][KEY] for s in there) == Counter(states.key)
    assert all(len(s["links"]["subject_sets"]) == 1 for s in there)
    assert set(store.read("upload_journal").state) == {"linked"}
    assert sorted(store.read("subjects").id) == sorted(int(s["id"]) for s in there)
    assert all(requests.get(s["locations"][0]["video/mp4"], timeout=10).status_code == 200 for s in there)
