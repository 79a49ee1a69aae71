from __future__ import annotations

import hashlib
import os
import pickle
import re
import ssl
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from pathlib import Path
from time import time

import pytest

from kso_utils.archive import web
from kso_utils.archive.http import HttpArchive, HttpFile
from kso_utils.core.errors import ArchiveError, ConfigError, Denied, Interrupted, KsoError, MissingExtra, NotFound
from kso_utils.core.retries import ATTEMPTS
from kso_utils.testing.archive_contract import ArchiveContract
from kso_utils.testing.range_server import Fault, RangeServer, serve_ranges
from tests.archive.rclone import find_rclone

Write = Callable[[str, bytes], None]
DATA = bytes(range(251)) * 400

pytestmark = pytest.mark.usefixtures("waits")


class TestHttpArchive(ArchiveContract):
    writable = False
    many = 120  # an index page has all names

    @pytest.fixture
    def archive(self, server: RangeServer) -> HttpArchive:
        return HttpArchive(server.url)

    @pytest.fixture
    def put(self, write: Write) -> Write:
        return write

    @pytest.fixture
    def interrupt(self, server: RangeServer) -> Callable[[int | None], None]:
        def interrupt(after: int | None) -> None:
            server.hang_up_after = None if after is None else server.sent_bytes + after

        return interrupt


@pytest.fixture
def address(server: RangeServer, write: Write) -> str:
    """The address of a file of the content `DATA`."""
    write("a.mp4", DATA)
    return server.address("a.mp4")


@pytest.fixture
def file(address: str) -> HttpFile:
    return HttpFile(address)


# Requests


def test_a_part_costs_one_request_over_one_connection(server: RangeServer, file: HttpFile) -> None:
    for start in range(0, 50, 10):
        assert file.read(start, start + 10) == DATA[start : start + 10]
    assert [request.status for request in server.requests] == [206] * 6
    assert (server.connections, server.sent_bytes) == (1, 51)


def test_threads_take_over_the_connections_of_others(server: RangeServer, file: HttpFile) -> None:
    for _ in range(3):
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda start: file.read(start, start + 4), range(20)))
    assert server.connections <= 2


def test_nothing_is_asked_for_where_nothing_is_wanted(server: RangeServer, file: HttpFile) -> None:
    assert file.read(7, 7) == b""
    assert len(server.requests) == 1


def test_compressed_answers_are_not_asked_for(server: RangeServer, file: HttpFile) -> None:
    file.read(0, 4)
    assert {request.headers["accept-encoding"] for request in server.requests} == {"identity"}


def test_the_software_says_who_it_is(server: RangeServer, file: HttpFile) -> None:
    assert server.requests[0].headers["user-agent"].startswith("kso_utils/")


def test_an_open_file_travels_between_processes_without_its_connection(file: HttpFile) -> None:
    copy = pickle.loads(pickle.dumps(file))  # noqa: S301 - made a moment ago
    assert copy.read(5, 9) == DATA[5:9]


def test_requests_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "requests", None)
    monkeypatch.setattr(web, "_here", threading.local())
    with pytest.raises(MissingExtra, match=r"kso_utils\[zooniverse\]"):
        HttpFile("http://127.0.0.1:9/a.mp4")


# What goes wrong for good


def test_a_server_without_parts_fails_fast(server: RangeServer, folder: Path) -> None:
    server.ranges = False
    with (folder / "large.mov").open("wb") as handle:
        handle.truncate(2**30)
    with pytest.raises(ArchiveError, match=r"large\.mov: the server gives whole files only"):
        HttpFile(server.address("large.mov"))
    assert len(server.requests) == 1
    assert server.sent_bytes < 2**25


def test_a_whole_file_in_place_of_a_part_is_refused(server: RangeServer, file: HttpFile, waits: list[float]) -> None:
    server.faults.append(Fault(whole=True))
    with pytest.raises(ArchiveError, match="whole files only"):
        file.read(0, 4)
    assert waits == []


def test_a_page_in_place_of_a_file_is_told(server: RangeServer, write: Write) -> None:
    write("login/index.html", b"<html>Who are you?</html>")
    server.faults.append(Fault(location="/login/"))
    with pytest.raises(ArchiveError, match="wants a login"):
        HttpFile(server.address("a.mp4"))


@pytest.mark.parametrize("fault", [Fault(shift=3), Fault(short=2), Fault(packed=True), Fault(416), Fault(204)])
def test_another_part_than_the_one_asked_for_is_refused(
    server: RangeServer, file: HttpFile, fault: Fault, waits: list[float]
) -> None:
    server.faults.append(fault)
    with pytest.raises(ArchiveError, match=r"a\.mp4: (the answer holds no plain part|bytes \d+ to)"):
        file.read(10, 20)
    assert waits == []


@pytest.mark.parametrize(
    ("status", "error"), [(401, Denied), (403, Denied), (404, NotFound), (410, NotFound), (400, ArchiveError)]
)
def test_a_refusal_is_told_at_once(server: RangeServer, address: str, status: int, error, waits: list[float]) -> None:
    server.always = Fault(status)
    with pytest.raises(error, match=r"a\.mp4") as caught:
        HttpFile(address)
    assert type(caught.value) is error
    assert (len(server.requests), waits) == (1, [])


def test_a_certificate_that_nobody_trusts_is_refused(
    folder: Path, certificate: ssl.SSLContext, waits: list[float]
) -> None:
    with serve_ranges(folder, certificate) as server, pytest.raises(ArchiveError, match="certificate"):
        HttpFile(server.address("a.mp4"))
    assert waits == []


@pytest.mark.parametrize("address", ["http://", "http://[::1", "https:///a.mp4", "http://h:x/a.mp4", "http://.h/a"])
def test_what_is_no_address_is_told(address: str) -> None:
    with pytest.raises((ConfigError, Interrupted)):
        HttpFile(address)


# What may pass


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(server: RangeServer, file: HttpFile, status: int, waits: list[float]) -> None:
    server.faults += [Fault(status), Fault(status)]
    assert file.read(5, 9) == DATA[5:9]
    assert len(waits) == 2


@pytest.mark.parametrize("after", [-1, 0, 1, 3_000])
def test_a_broken_connection_is_made_again(server: RangeServer, file: HttpFile, after: int, waits: list[float]) -> None:
    server.faults.append(Fault(drop_after=after))
    assert file.read(0, 5_000) == DATA[:5_000]
    assert len(waits) == 1


@pytest.mark.parametrize("after", [-1, 3_000])
def test_a_server_that_goes_silent_is_asked_again(
    server: RangeServer, file: HttpFile, after: int, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "TIMEOUTS_S", (1.0, 0.2))
    server.faults.append(Fault(stall_after=after))
    assert file.read(0, 5_000) == DATA[:5_000]
    assert len(waits) == 1


def test_a_server_is_given_the_time_it_asks_for(server: RangeServer, file: HttpFile, waits: list[float]) -> None:
    server.faults += [Fault(429, retry_after_s=7)]
    file.read(0, 4)
    assert waits == [7.0]


@pytest.mark.parametrize("fault", [Fault(503), Fault(drop_after=2)])
def test_what_does_not_pass_is_interrupted(server: RangeServer, file: HttpFile, fault: Fault) -> None:
    server.always = fault
    with pytest.raises(Interrupted, match=r"a\.mp4.*again later"):
        file.read(0, 5_000)
    assert len(server.requests) == 1 + ATTEMPTS


def test_a_server_that_cannot_be_reached_is_told() -> None:
    with pytest.raises(Interrupted, match=r"http://127\.0\.0\.1:9/a\.mp4: the server cannot be reached"):
        HttpFile("http://127.0.0.1:9/a.mp4")


def in_an_hour() -> str:
    return formatdate(time() + 3600, usegmt=True)


@pytest.mark.parametrize(
    ("text", "wait_s"), [(lambda: "12", 12.0), (in_an_hour, 3600.0), (lambda: "soon", None), (str, None)]
)
def test_servers_ask_for_time_in_seconds_or_until_a_moment(text: Callable[[], str], wait_s: float | None) -> None:
    import requests

    answer = requests.Response()
    answer.headers["Retry-After"] = text()
    assert web._wait_s(answer) == (wait_s if wait_s is None else pytest.approx(wait_s, abs=60))


# Versions


@pytest.mark.parametrize("validators", ["etag", "weak", "date"])
def test_a_file_that_changed_is_told_by_whatever_the_server_says(server: RangeServer, address: str, validators) -> None:
    server.validators = validators
    file = HttpFile(address)
    assert file.read(0, 4) == DATA[:4]
    server.faults.append(Fault(changed=True))
    with pytest.raises(ArchiveError, match=r"a\.mp4 was changed"):
        file.read(4, 8)


def test_a_file_that_changed_is_told_by_its_size_at_least(server: RangeServer, address: str, write: Write) -> None:
    server.validators = "none"
    file = HttpFile(address)
    write("a.mp4", DATA + b"more")
    with pytest.raises(ArchiveError, match="was changed"):
        file.read(4, 8)


def test_an_etag_that_becomes_strong_is_no_change(server: RangeServer, address: str) -> None:
    server.validators = "weak"
    file = HttpFile(address)
    server.validators = "etag"
    assert file.read(4, 8) == DATA[4:8]


# Secrets


@pytest.mark.parametrize(
    "fault",
    [Fault(404), Fault(403), Fault(503), Fault(drop_after=-1), Fault(whole=True), Fault(shift=9), Fault(changed=True)],
)
def test_a_signature_is_in_no_message(server: RangeServer, address: str, fault: Fault) -> None:
    server.query = "X-Amz-Signature=hush"
    file = HttpFile(f"{address}?{server.query}")
    server.always = fault
    with pytest.raises(ArchiveError) as caught:
        file.read(0, 4)
    told = "".join(traceback.format_exception(caught.value)) + repr(file) + file.address
    assert "hush" not in told


def test_a_login_from_netrc_stays_with_its_host(
    server: RangeServer, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password hush")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    server.faults.append(Fault(location=address.replace("127.0.0.1", "localhost")))
    HttpFile(address)
    first, second = server.requests
    assert first.headers["authorization"].startswith("Basic ")
    assert "authorization" not in second.headers


# Redirects


def test_a_redirect_is_followed_once(server: RangeServer, address: str, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "b.mp4").write_bytes(DATA)
    with serve_ranges(tmp_path / "there") as other:
        server.always = Fault(location=other.address("b.mp4"))
        file = HttpFile(address)
        assert file.read(5, 9) == DATA[5:9]
        assert (len(server.requests), len(other.requests)) == (1, 2)
    assert file.address == address


def test_where_a_redirect_led_may_expire(server: RangeServer, address: str) -> None:
    server.faults += [Fault(location="/a.mp4?old"), None, Fault(403), Fault(location="/a.mp4?new")]
    file = HttpFile(address)
    assert file.read(5, 9) == DATA[5:9]
    assert file.read(9, 12) == DATA[9:12]
    assert [request.path for request in server.requests][1:] == [
        "/a.mp4?old",
        "/a.mp4?old",
        "/a.mp4",
        *["/a.mp4?new"] * 2,
    ]


@pytest.mark.parametrize(
    "place", ["file:///etc/passwd", "ftp://host/a", "http://me:hush@127.0.0.1/a", "http://[", "data:,a"]
)
def test_a_redirect_to_where_nothing_should_be_asked_is_refused(server: RangeServer, address: str, place: str) -> None:
    server.faults.append(Fault(location=place))
    with pytest.raises(ArchiveError, match="sends on to") as caught:
        HttpFile(address)
    assert "hush" not in str(caught.value)
    assert len(server.requests) == 1


def test_redirects_have_an_end(server: RangeServer, address: str) -> None:
    server.always = Fault(location="/b.mp4")
    with pytest.raises(ArchiveError, match="more than 5 times"):
        HttpFile(address)


def test_a_redirect_may_lead_into_protection_and_not_out_of_it(
    server: RangeServer, address: str, tmp_path: Path, certificate: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "server.pem"))
    with serve_ranges(server.folder, certificate) as safe:
        server.faults.append(Fault(location=safe.address("a.mp4")))
        assert HttpFile(address).read(0, 4) == DATA[:4]
        safe.faults.append(Fault(location=address))
        with pytest.raises(ArchiveError, match="not safe to follow"):
            HttpFile(safe.address("a.mp4"))


# Index pages


@pytest.mark.parametrize("listing", ["apache", "nginx", "caddy"])
@pytest.mark.parametrize("below", ["", "/deep/er"])
def test_index_pages_are_read(server: RangeServer, write: Write, listing, below: str) -> None:
    server.listing = listing
    names = ["a/b c.mp4", "a/100%.mp4", "d.mp4"]
    for name in names:
        write(f"{below[1:]}/{name}" if below else name, DATA)
    archive = HttpArchive(server.url + below + "/")
    assert [entry.name for entry in archive.entries()] == sorted(names)
    assert archive.url == server.url + below


def test_only_folders_that_may_hold_the_prefix_are_asked_for(server: RangeServer, write: Write) -> None:
    for name in ("a/b.mp4", "b/b.mp4", "b/c/b.mp4"):
        write(name, DATA)
    assert [entry.name for entry in HttpArchive(server.url).entries("b/b")] == ["b/b.mp4"]
    assert [request.path for request in server.requests] == ["/", "/b/", "/b/b.mp4"]


def test_a_server_without_index_pages_says_so(server: RangeServer) -> None:
    server.listing = None
    with pytest.raises(Denied, match="gives no list of its files"):
        list(HttpArchive(server.url).entries())


@pytest.mark.parametrize("page", [b"", b"<html>Welcome</html>", b"<a href='https://elsewhere/'>x</a>"])
def test_a_page_that_is_no_index_is_told(server: RangeServer, write: Write, page: bytes) -> None:
    write("index.html", page)
    with pytest.raises(ArchiveError, match="gives no list of its files"):
        list(HttpArchive(server.url).entries())


def test_a_file_in_place_of_a_folder_is_no_index(server: RangeServer, address: str) -> None:
    server.faults.append(Fault(location="/a.mp4"))
    with pytest.raises(ArchiveError, match="gives no list of its files"):
        list(HttpArchive(server.url).entries())


def test_links_of_a_page_lead_nowhere_else(server: RangeServer, write: Write) -> None:
    links = [
        "a.mp4", "./b.mp4", "/deep/c.mp4", "d.mp4?version=2", "e.mp4#t=1", "../f.mp4", "/g.mp4", "..%2fh.mp4",
        "%2e%2e/i.mp4", "//elsewhere/deep/j.mp4", "file:///deep/k.mp4", "javascript:l", "http://[", "?C=N", "",
        ".", "n/o.mp4",
    ]  # fmt: skip
    write("deep/index.html", "".join(f"<a href='{link}'>x</a>" for link in links).encode() + b"<a>y</a><![bad ]>")
    for name in "abcdefghijklmno":
        write(f"deep/{name}.mp4", DATA)
    archive = HttpArchive(f"{server.url}/deep")
    assert [entry.name for entry in archive.entries()] == ["a.mp4", "b.mp4", "c.mp4", "d.mp4", "e.mp4"]


def test_folders_without_end_are_told(server: RangeServer, folder: Path) -> None:
    (folder / "deep").mkdir()
    (folder / "deep" / "again").symlink_to(folder / "deep")
    with pytest.raises(ArchiveError, match="no end"):
        list(HttpArchive(f"{server.url}/deep").entries())


# The rest


def test_what_is_behind_the_address_of_a_folder_goes_with_every_request(server: RangeServer, write: Write) -> None:
    write("a.mp4", DATA)
    server.query = "token=hush"
    archive = HttpArchive(f"{server.url}/?token=hush")
    assert [entry.name for entry in archive.entries()] == ["a.mp4"]
    assert archive.open("a.mp4").read(0, 4) == DATA[:4]
    assert "hush" not in archive.url


def test_a_user_name_in_an_address_is_refused() -> None:
    with pytest.raises(ConfigError, match="netrc") as caught:
        HttpArchive("https://me:hush@host/folder")
    assert "hush" not in str(caught.value)


def test_an_error_is_one_that_a_user_can_read(server: RangeServer) -> None:
    with pytest.raises(KsoError, match=r"no file .*/none\.mp4\. Check the name"):
        HttpArchive(server.url).find("none.mp4")


@pytest.mark.skipif(find_rclone() is None, reason="there is no rclone")
def test_a_server_of_others_is_read_alike(folder: Path, write: Write, tmp_path: Path) -> None:
    names = ["a b%20#?+.mp4", "deep/er/r\xe4ka.mp4", "empty.csv"]
    for name in names:
        write(name, b"" if name == "empty.csv" else DATA)
    command = [find_rclone(), "serve", "http", "--config", os.devnull, "--addr", "127.0.0.1:0", str(folder)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as rclone:
        try:
            archive = HttpArchive(re.search(r"\[(http://.*)/\]", rclone.stderr.readline())[1])
            assert [entry.name for entry in archive.entries()] == names
            assert archive.open(names[1]).read(5, 9) == DATA[5:9]
            archive.fetch(names[0], tmp_path / "b.mp4", hashlib.sha256(DATA).hexdigest())
            with pytest.raises(NotFound):
                archive.find("deep")
        finally:
            rclone.kill()
