"""Errors made on purpose reach the client as the real ones would."""

import socket
from types import SimpleNamespace

import pytest
import requests

from kso_utils.zooniverse.sandbox.faults import Chance, Fault
from kso_utils.zooniverse.sandbox.server import serve
from tests.zooniverse.calling import message_of


def test_fault_hits_as_often_as_asked(call):
    call.sandbox.faults.append(Fault("GET /api/projects", status=503, times=2))
    assert [call("GET", "/projects").status_code for _ in range(3)] == [503, 503, 200]


def test_fault_can_break_the_connection(call):
    call.sandbox.faults.append(Fault("GET /api/projects", status=0))
    with pytest.raises(requests.ConnectionError):
        call("GET", "/projects")


def test_fault_before_the_work_leaves_nothing_and_one_after_it_does(call):
    call.sandbox.faults += [Fault("POST /api/subjects$", 500), Fault("POST /api/subjects$", 500, after=True)]
    assert [call.new_subject().status_code for _ in range(3)] == [500, 500, 201]
    assert len(call.sandbox.state.find("subjects")) == 2


def test_busy_server_says_when_to_come_back(call):
    call.sandbox.faults.append(Fault("GET /api/me", 429, retry_after_s=7))
    answer = call("GET", "/me")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")


def test_gateway_answers_with_a_page(call):
    call.sandbox.faults.append(Fault("GET /api/me", 504))
    answer = call("GET", "/me")
    assert (answer.status_code, answer.headers["Content-Type"]) == (504, "text/html")


def test_stale_object_is_told_as_panoptes_tells_it(call):
    call.sandbox.faults.append(Fault("PUT /api/projects", 412))
    assert message_of(call("PUT", "/projects/1001", {"projects": {}})) == "Attempted to update a stale object"


@pytest.mark.parametrize("after", [False, True])
def test_connection_is_reset(call, after):
    call.sandbox.faults.append(Fault("GET /api/me", kind="reset", after=after))
    host, port = call.sandbox.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as caller:
        caller.sendall(b"GET /api/me HTTP/1.1\r\nHost: a\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            caller.recv(1)
    assert call.sandbox.hits["GET /api/me"] == after


def test_answer_breaks_off_in_the_midst_of_its_body(call):
    call.sandbox.faults.append(Fault("GET /api/projects", kind="truncated"))
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        call("GET", "/projects")
    assert call("GET", "/projects").status_code == 200


def test_slow_answer_trickles_and_is_whole_in_the_end(call, monkeypatch):
    naps = []
    monkeypatch.setattr("kso_utils.zooniverse.sandbox.server.time", SimpleNamespace(sleep=naps.append))
    whole = call("GET", "/projects").content
    call.sandbox.faults.append(Fault("GET /api/projects", kind="slow", wait_s=8.0))
    assert call("GET", "/projects").content == whole
    assert sum(naps) == pytest.approx(8.0)


def hits(seed):
    with serve(faults=[Fault("GET /users", 500, times=1000, probability=0.5)], seed=seed) as sandbox:
        return [requests.get(f"{sandbox.url}/users/sign_in", timeout=5).status_code for _ in range(40)]


def test_dice_fall_alike_with_the_same_seed():
    first = hits(1)
    assert first == hits(1)
    assert first != hits(2)
    assert 8 < first.count(500) < 32


def test_requests_wait_the_latency_and_some_more():
    chance = Chance([], 0.05, 0.02, seed=0)
    waits = [chance.wait_s() for _ in range(100)]
    assert 0.05 <= min(waits) < max(waits) <= 0.07
    assert Chance([], 0.05, 0.0, seed=0).wait_s() == 0.05
