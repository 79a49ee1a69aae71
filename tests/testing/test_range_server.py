"""What the range server answers, as a plain client sees it."""

from __future__ import annotations

import gzip
import http.client
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from email.utils import formatdate
from pathlib import Path

import pytest

from kso_utils.testing import range_server
from kso_utils.testing.range_server import Fault, RangeServer, serve_ranges

DATA = bytes(range(200)) * 50


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RangeServer]:
    (tmp_path / "a b.mp4").write_bytes(DATA)
    (tmp_path / "below").mkdir()
    with serve_ranges(tmp_path) as running:
        yield running


def connect(server: RangeServer) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", int(server.url.rpartition(":")[2]), timeout=0.5)


Answer = tuple[int, dict[str, str], bytes]


@pytest.fixture
def ask(server: RangeServer) -> Iterator[Callable[..., Answer]]:
    """Send a request over one connection that stays open."""
    connection = connect(server)

    def send(path: str = "/a%20b.mp4", method: str = "GET", **headers: str) -> Answer:
        connection.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()

    yield send
    connection.close()


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [("bytes=0-0", 0, 1), ("bytes=9990-20000", 9990, 10000), ("bytes=400-", 400, 10000), ("bytes=-7", 9993, 10000)],
)
def test_a_part_is_served_byte_for_byte(ask, asked: str, start: int, stop: int) -> None:
    status, headers, body = ask(Range=asked)
    assert (status, body) == (206, DATA[start:stop])
    assert headers["Content-Range"] == f"bytes {start}-{stop - 1}/10000"


def test_without_a_range_the_whole_file_is_served(ask) -> None:
    status, headers, body = ask()
    assert (status, body, headers["Accept-Ranges"]) == (200, DATA, "bytes")


def test_a_part_behind_the_end_is_refused_with_the_size(ask) -> None:
    status, headers, _ = ask(Range="bytes=10000-")
    assert (status, headers["Content-Range"]) == (416, "bytes */10000")


def test_the_head_tells_what_the_file_would(ask) -> None:
    status, headers, body = ask(method="HEAD")
    assert (status, headers["Content-Length"], body) == (200, "10000", b"")


def test_another_version_is_not_sent(ask, server: RangeServer) -> None:
    etag = ask()[1]["ETag"]
    assert ask(If_Match=etag)[0] == 200
    assert ask(Range="bytes=0-9", If_Range=etag)[0] == 206
    os.utime(server.folder / "a b.mp4", (0, 0))
    assert ask(If_Match=etag)[0] == 412
    assert ask(Range="bytes=0-9", If_Range=etag)[0] == 200


def test_without_etags_the_date_tells_versions_apart(ask, server: RangeServer) -> None:
    server.validators = "date"
    _, headers, _ = ask()
    assert "ETag" not in headers
    assert ask(If_Unmodified_Since=headers["Last-Modified"])[0] == 200
    assert ask(If_Unmodified_Since=formatdate(0, usegmt=True))[0] == 412


def test_a_weak_etag_never_matches(ask, server: RangeServer) -> None:
    server.validators = "weak"
    etag = ask()[1]["ETag"]
    assert etag.startswith('W/"')
    assert ask(If_Match=etag)[0] == 412


def test_a_server_may_have_no_parts(ask, server: RangeServer) -> None:
    server.ranges = False
    status, headers, body = ask(Range="bytes=0-9")
    assert (status, body) == (200, DATA)
    assert "Accept-Ranges" not in headers


@pytest.mark.parametrize(("path", "status"), [("/none", 404), ("/../etc", 400), ("/below", 301), ("/a%20b.mp4/", 404)])
def test_what_is_no_file_is_refused(ask, path: str, status: int) -> None:
    assert ask(path)[0] == status


@pytest.mark.parametrize("listing", ["apache", "nginx", "caddy"])
def test_a_folder_has_an_index_page(ask, server: RangeServer, listing) -> None:
    server.listing = listing
    status, _, body = ask("/")
    assert status == 200
    assert b'a%20b.mp4">a b.mp4</a>' in body
    assert b'below/">' in body


def test_a_folder_may_have_no_index_page(ask, server: RangeServer) -> None:
    server.listing = None
    assert ask("/")[0] == 403


def test_a_signed_address_is_served_as_it_was_signed_only(ask, server: RangeServer) -> None:
    server.query = "X-Signature=abc"
    assert ask()[0] == 403
    assert ask("/a%20b.mp4?X-Signature=abc")[0] == 200
    assert server.address("a b.mp4").endswith("/a%20b.mp4?X-Signature=abc")


def test_requests_are_written_down(ask, server: RangeServer) -> None:
    ask(Range="bytes=100-299", If_None="x")
    ask("/none", method="HEAD")
    first, second = server.requests
    assert (first.method, first.path, first.status, first.start, first.stop) == ("GET", "/a%20b.mp4", 206, 100, 300)
    assert first.headers["range"] == "bytes=100-299"
    assert (second.method, second.status) == ("HEAD", 404)
    assert (server.sent_bytes, server.connections) == (200, 1)


def test_faults_come_once_each_and_then_always(ask, server: RangeServer) -> None:
    server.faults += [Fault(503, retry_after_s=2), None]
    server.always = Fault(404)
    status, headers, _ = ask()
    assert (status, headers["Retry-After"]) == (503, "2")
    assert [ask()[0], ask()[0], ask()[0]] == [200, 404, 404]


@pytest.mark.parametrize("count", [-1, 0, 5000])
def test_a_connection_is_cut(ask, server: RangeServer, count: int) -> None:
    server.faults.append(Fault(drop_after=count))
    with pytest.raises((http.client.IncompleteRead, http.client.RemoteDisconnected)):
        ask()
    assert server.sent_bytes == max(count, 0)


@pytest.mark.parametrize("count", [-1, 5000])
def test_an_answer_stalls(ask, server: RangeServer, count: int) -> None:
    server.faults.append(Fault(stall_after=count))
    with pytest.raises(TimeoutError):
        ask()


def test_a_changed_file_has_another_etag_and_other_bytes(ask, server: RangeServer) -> None:
    before = ask()
    server.faults.append(Fault(changed=True))
    after = ask()
    assert before[1]["ETag"] != after[1]["ETag"]
    assert not any(a == b for a, b in zip(before[2], after[2], strict=True))


@pytest.mark.parametrize(
    ("fault", "told", "body"),
    [
        (Fault(shift=3), "bytes 13-22/10000", DATA[13:23]),
        (Fault(short=4), "bytes 10-15/10000", DATA[10:16]),
        (Fault(whole=True), None, DATA),
    ],
)
def test_a_part_may_be_another_than_the_one_asked_for(ask, server: RangeServer, fault, told, body) -> None:
    server.faults.append(fault)
    _, headers, sent = ask(Range="bytes=10-19")
    assert (headers.get("Content-Range"), sent) == (told, body)


def test_a_body_may_be_compressed(ask, server: RangeServer) -> None:
    server.faults.append(Fault(packed=True))
    _, headers, body = ask(Range="bytes=10-19")
    assert (headers["Content-Encoding"], gzip.decompress(body)) == ("gzip", DATA[10:20])


def test_a_redirect_names_its_place(ask, server: RangeServer) -> None:
    server.faults.append(Fault(location="http://localhost/elsewhere"))
    status, headers, _ = ask()
    assert (status, headers["Location"]) == (302, "http://localhost/elsewhere")


def test_answers_are_kept_back(ask, server: RangeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(server.stopping, "wait", waits.append)
    server.latency_s = 0.08
    ask()
    assert waits == [0.08]


class Clock:
    """Time that passes while someone waits, if it does."""

    now_s = 50.0
    passes = True

    def __init__(self) -> None:
        self.waits: list[float] = []

    def wait(self, seconds: float) -> None:
        if seconds:
            self.waits.append(seconds)
            self.now_s += seconds * self.passes


@pytest.fixture
def clock(server: RangeServer, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Take the place of time in a server whose line carries 1000 bytes a second."""
    running = Clock()
    monkeypatch.setattr(range_server, "monotonic", lambda: running.now_s)
    monkeypatch.setattr(server.stopping, "wait", running.wait)
    server.bytes_per_s = 1000.0
    return running


def test_a_line_carries_no_more_than_it_can(ask, server: RangeServer, clock: Clock, monkeypatch) -> None:
    monkeypatch.setattr(range_server, "_CHUNK_BYTES", 4000)
    ask()
    ask(Range="bytes=0-499")
    assert clock.waits == pytest.approx([4.0, 4.0, 2.0, 0.5])


def test_connections_share_the_line(server: RangeServer, clock: Clock) -> None:
    clock.passes = False
    for _ in range(2):
        with closing(connect(server)) as connection:
            connection.request("GET", "/a%20b.mp4")
            assert connection.getresponse().read() == DATA
    assert server.connections == 2
    assert clock.waits == pytest.approx([10.0, 20.0])


@pytest.mark.parametrize(("idle_s", "wait_s"), [(0.0005, 0.4995), (20.0, 0.5)])
def test_a_line_saves_up_no_time(ask, clock: Clock, idle_s: float, wait_s: float) -> None:
    ask()
    clock.now_s += idle_s
    ask(Range="bytes=0-499")
    assert clock.waits == pytest.approx([10.0, wait_s])


def test_no_connection_outlives_the_server(tmp_path: Path) -> None:
    with serve_ranges(tmp_path) as server:
        connection = connect(server)
        connection.request("GET", "/none")
        connection.getresponse().read()
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        connection.request("GET", "/none")
        connection.getresponse()
