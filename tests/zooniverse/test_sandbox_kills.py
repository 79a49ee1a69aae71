"""A sandbox that is killed at any moment has kept everything that it confirmed."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import requests

from kso_utils.zooniverse.sandbox.server import serve
from tests.zooniverse.calling import Caller, link_of, put

ROOT = Path(__file__).parents[2]
PROGRAM = "import sys; from kso_utils.zooniverse.sandbox import run; run(sys.argv[1], 0, lambda s: print(s.url))"


@contextmanager
def running(path):
    """Run a sandbox in a process of its own that is killed at the end of the block; give its address."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-uc", PROGRAM, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        try:
            yield server.stdout.readline().strip()
        finally:
            server.send_signal(signal.SIGKILL)


def upload(call, set_id, kept, stop):
    """Upload subjects one after the other until the server is gone; note in `kept` what it confirmed of each."""
    while not stop.is_set():
        data = os.urandom(5_000)
        try:
            made = call.new_subject()
            subject = {"id": made.json()["subjects"][0]["id"], "url": link_of(made).partition("/blob/")[2]}
            kept.append(subject)
            if put(link_of(made), data).status_code == 201:
                subject["data"] = data
            linked = call("POST", f"/subject_sets/{set_id}/links/subjects", {"subjects": [subject["id"]]})
            subject["linked"] = linked.status_code == 200
        except requests.RequestException:
            return


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
@pytest.mark.parametrize("kills", [3, pytest.param(40, marks=pytest.mark.soak)])
def test_killed_server_keeps_what_it_confirmed(tmp_path, kills):
    path, chance, kept = tmp_path / "s.db", np.random.default_rng(0), []
    with serve(path) as sandbox:
        sandbox.add_project("demo/reef", "Reef", {})
        call = Caller(sandbox)
        set_id = call.new_set()
    for _ in range(kills):
        with running(path) as call.sandbox.url:
            stop = threading.Event()
            people = [threading.Thread(target=upload, args=(call, set_id, kept, stop)) for _ in range(4)]
            for person in people:
                person.start()
            time.sleep(chance.uniform(0.05, 0.5))
        stop.set()
        for person in people:
            person.join()
    with serve(path) as call.sandbox:
        members = {str(i) for i in call.sandbox.state.subjects_of(int(set_id))}
        assert {s["id"] for s in kept} <= {str(i) for i in call.sandbox.state.find("subjects")}
        assert {s["id"] for s in kept if s.get("linked")} <= members
        for subject in kept:
            if "data" in subject:
                assert call.sandbox.state.blob(subject["url"].partition("?")[0])["data"] == subject["data"]
    assert sum("data" in s for s in kept) > kills
