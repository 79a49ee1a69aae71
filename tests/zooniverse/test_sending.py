"""Uploads through everything that can break on the way."""

import hashlib
import os
import random
import signal
import time
from collections import Counter
from contextlib import contextmanager

import pytest
import requests

from kso_utils.core.errors import ConfigError, StoreError, ZooniverseError
from kso_utils.store.engine import open_store
from kso_utils.zooniverse import sandbox
from kso_utils.zooniverse.delivery import sending
from kso_utils.zooniverse.sandbox import Fault
from kso_utils.zooniverse.session import connect
from kso_utils.zooniverse.subjects import KEY
from kso_utils.zooniverse.uploads import upload
from tests.killing import fork
from tests.zooniverse.conftest import fill
from tests.zooniverse.uploading import all_subjects, assert_each_is_there_once


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("status", [0, 429, 503])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    "match", ["POST /api/subjects$", "PUT /blob/", "POST .*/links/subjects$", "GET /api/subjects$"]
)
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
    assert Counter(states.state) == {"verified": 4, "failed": 1}
    assert "422" in states.reason[states.state == "failed"].iloc[0]
    assert server.hits["POST /api/<kind>"] - 2 == 4


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("status", [400, 403])
def test_a_medium_that_does_not_arrive_is_sent_again(session, server, project, store, clips, status):
    planned = clips(3)
    server.faults.append(Fault("PUT /blob/", status, 1))
    states = upload(session, store, planned, "Clips", project_id=project)
    assert_each_is_there_once(session, project, store, planned, states)


@pytest.mark.usefixtures("no_waiting")
def test_a_medium_that_is_refused_fails_alone_and_leaves_no_subject_behind(session, server, project, store, clips):
    planned = clips(3)
    server.faults.append(Fault("PUT /blob/", 413, 1))
    states = upload(session, store, planned, "Clips", project_id=project)
    assert Counter(states.state) == {"verified": 2, "failed": 1}
    assert "413" in states.reason[states.state == "failed"].iloc[0]
    assert server.hits["PUT /blob/<key>"] == 2
    assert len(store.read("subjects")) == len(all_subjects(session, project)) == 2
    states = upload(session, store, planned, "Clips", project_id=project)
    assert_each_is_there_once(session, project, store, planned, states)


@pytest.mark.usefixtures("no_waiting")
def test_a_subject_that_is_gone_before_it_was_linked_is_made_anew(session, server, project, store, clips):
    planned = clips(5)
    server.faults.append(Fault("POST .*/links/subjects$", 500, 1000))
    with pytest.raises(ZooniverseError, match="0 of 5 subjects arrived"):
        upload(session, store, planned, "Clips", project_id=project)
    server.faults.clear()
    session.remove_subject(int(all_subjects(session, project)[2]["id"]))
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


@pytest.mark.usefixtures("no_waiting")
def test_an_outage_is_waited_for(session, server, project, store, clips, monkeypatch):
    monkeypatch.setattr(sending, "PATIENCE_S", 60.0)
    planned, put_media = clips(12), session.put_media

    def fail_from_now_on(*args):
        monkeypatch.undo()
        monkeypatch.setattr("kso_utils.core.retries.FIRST_WAIT_S", 0.01)
        server.faults.append(Fault("", 503, 30))
        put_media(*args)

    monkeypatch.setattr(session, "put_media", fail_from_now_on)
    states = upload(session, store, planned, "Clips", project_id=project)
    assert_each_is_there_once(session, project, store, planned, states)


@pytest.mark.usefixtures("no_waiting")
def test_a_server_that_only_reads_for_a_while_costs_no_subject(session, server, project, store, clips, monkeypatch):
    monkeypatch.setattr(sending, "PATIENCE_S", 60.0)
    server.faults.append(Fault("POST /api/subjects$", 503, 24))
    planned = clips(4)
    states = upload(session, store, planned, "Clips", project_id=project)
    assert_each_is_there_once(session, project, store, planned, states)


@pytest.mark.usefixtures("no_waiting")
def test_a_subject_that_breaks_the_server_does_not_hold_up_the_others(
    session, server, project, store, clips, monkeypatch
):
    monkeypatch.setattr(sending, "PATIENCE_S", 0.0)
    create, poison = session.create_subject, clips(1).metadata[0]

    def create_or_break(project, mime, metadata, url):
        if poison.items() <= metadata.items():
            server.faults.append(Fault("POST /api/subjects$", 500, 1))
        return create(project, mime, metadata, url)

    monkeypatch.setattr(session, "create_subject", create_or_break)
    with pytest.raises(ZooniverseError, match="3 of 4 subjects arrived"):
        upload(session, store, clips(4), "Clips", 1, project_id=project)
    assert sorted(store.read("upload_journal").state) == ["sending", "verified", "verified", "verified"]


@pytest.mark.parametrize("commit", range(1, 12, 2))
def test_a_disk_that_is_full_for_a_while(session, project, store, clips, monkeypatch, commit):
    planned, upsert, commits = clips(6), store.upsert, []

    def fill_up(*args):
        commits.append(args)
        if len(commits) >= commit:
            raise StoreError("the disk is full")
        return upsert(*args)

    with monkeypatch.context() as full, pytest.raises(StoreError, match="full"):
        full.setattr(store, "upsert", fill_up)
        upload(session, store, planned, "Clips", project_id=project, workers=1)
        raise StoreError("not full, the upload came through")
    states = upload(session, store, planned, "Clips", project_id=project)
    assert_each_is_there_once(session, project, store, planned, states)


ROUTES = [
    *("POST /api/subjects$", "PUT /blob/", "POST .*/links/subjects$", "GET /api/subjects$", "GET /blob/"),
    *("DELETE /api/subjects/", "GET /api/subjects/", "GET /api/me$", "GET /api/subject_sets$"),
]
KINDS = [
    *({"status": 0}, {"status": 429}, {"status": 500}, {"status": 504}, {"status": 408}),
    *({"status": 0, "after": True}, {"status": 500, "after": True}, {"status": 504, "after": True}),
    *({"kind": "reset"}, {"kind": "reset", "after": True}, {"kind": "slow", "wait_s": 0.1}, {"kind": "truncated"}),
    {"status": 429, "retry_after_s": 0},
]
SIGNALS = [signal.SIGKILL, signal.SIGKILL, signal.SIGKILL, signal.SIGINT]


def upload_alone(path, url, planned, project):
    with connect("demo", "demo", url) as session, open_store(path) as store:
        upload(session, store, planned, "Clips", workers=6, project_id=project)


class Storm:
    """Uploads in processes that are killed, to a server that fails; counts what happened."""

    def __init__(self, server, seed):
        self.server, self.dice = server, random.Random(seed)  # noqa: S311  (not for secrets)
        self.kills, self.faults = 0, []

    @property
    def struck(self):
        return sum(fault.times == 0 for fault in self.faults)

    def add_fault(self):
        # More of one route could outlast the attempts at one request.
        waiting = Counter(fault.match for fault in self.faults if fault.times)
        if routes := [route for route in ROUTES if waiting[route] < 3]:
            self.faults.append(Fault(self.dice.choice(routes), **self.dice.choice(KINDS)))
            self.server.faults.append(self.faults[-1])

    @contextmanager
    def calm(self):
        """No faults for the length of a block."""
        waiting = [fault for fault in self.server.faults if fault.times]
        self.server.faults.clear()
        yield
        self.server.faults.extend(waiting)

    def upload(self, faults, most_requests, *arguments):
        """Upload among so many faults; return whether it was killed on the way."""
        # Nobody else holds a lock of SQLite's in this moment, which the new process would wait for without end.
        with self.server.state.transaction():
            child = fork(upload_alone, *arguments)
        start = self.server.hits.total()
        end = start + self.dice.randint(1, most_requests)
        at = sorted(self.dice.randint(start, end) for _ in range(faults))
        while os.waitpid(child, os.WNOHANG) == (0, 0):
            hits = self.server.hits.total()
            while at and hits >= at[0]:
                self.add_fault()
                at.pop(0)
            if hits >= end:
                os.kill(child, self.dice.choice(SIGNALS))
                os.waitpid(child, 0)
                self.kills += 1
                return True
            time.sleep(0.001)
        return False


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize(
    ("number", "kills", "faults"), [(60, 8, 32), pytest.param(2000, 200, 800, marks=pytest.mark.soak)]
)
def test_nothing_is_lost_doubled_or_sent_twice_in_a_storm(
    session, server, project, clips, tmp_path, monkeypatch, record_figures, number, kills, faults
):
    monkeypatch.setattr(sending, "PATIENCE_S", 60.0)
    planned, path = clips(number), tmp_path / "storm.sqlite"
    with open_store(path) as store:
        fill(store)
        keys = upload(None, store, planned, "Clips", dry_run=True, project_id=project).key
    content = dict(zip(keys, planned.sha256, strict=True))
    storm, whole, so_far = Storm(server, seed=11), {}, 0
    while storm.kills < kills or storm.struck < faults:
        # There is more to upload in each run, so that each has something to lose.
        share = (min(storm.kills, kills) + min(storm.struck, faults)) / (kills + faults)
        so_far = min(number, max(so_far + 1, round(number * share)))
        storm.upload(1 + faults // kills, 4 * number // kills + 20, path, server.url, planned[:so_far], project)
        with storm.calm():
            arrived = find_whole(session, project, content, whole)
        # What arrived whole stays as it is: nobody sends it again.
        assert arrived.items() >= whole.items()
        whole = arrived
    server.faults.clear()
    with open_store(path) as store:
        states = upload(session, store, planned, "Clips", project_id=project)
        assert_each_is_there_once(session, project, store, planned, states)
        assert dict(zip(states.key, states.subject_id, strict=True)).items() >= whole.items()
        before = server.hits.copy()
        upload(session, store, planned, "Clips", project_id=project)
        assert not any(route.startswith(("POST", "PUT", "DELETE")) for route in server.hits - before)
    record_figures("uploads_in_a_storm", {"subjects": number, "kills": storm.kills, "faults": storm.struck, "lost": 0})


def find_whole(session, project, content, known):
    """Return key -> id of the subjects whose media are there as they should be."""
    there = {(s["metadata"][KEY], int(s["id"])): s["locations"][0]["video/mp4"] for s in all_subjects(session, project)}
    return {
        key: number
        for (key, number), url in there.items()
        if known.get(key) == number or hashlib.sha256(requests.get(url, timeout=10).content).hexdigest() == content[key]
    }
