"""Media: sent to a signed link for a while, read by anybody."""

import base64
import hashlib
import socket

import pytest
import requests

from kso_utils.zooniverse.sandbox.server import serve
from tests.zooniverse.calling import Caller, link_of, put


def md5(data):
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


def test_medium_needs_the_signature_and_the_announced_type(call):
    url = link_of(call.new_subject())
    plain = url.partition("?")[0]
    assert put(plain, b"a").status_code == 403
    assert put(url, b"a", "image/png").status_code == 403
    assert put(url, b"a", x_ms_blob_type=None).status_code == 400
    assert requests.get(plain, timeout=5).status_code == 404
    assert put(url, b"a").status_code == 201


def test_medium_that_changed_on_the_way_is_refused(call):
    url = link_of(call.new_subject())
    assert put(url, b"a picture", Content_MD5=md5(b"another picture")).status_code == 400
    assert requests.get(url, timeout=5).status_code == 404
    taken = put(url, b"a picture", Content_MD5=md5(b"a picture"))
    assert (taken.status_code, taken.headers["Content-MD5"]) == (201, md5(b"a picture"))


def test_link_expires():
    with serve(upload_link_s=-1) as sandbox:
        sandbox.add_project("demo/reef", "Reef", {})
        answer = put(link_of(Caller(sandbox).new_subject()), b"a")
        assert (answer.status_code, "expired" in answer.text) == (403, True)


def test_too_large_a_medium_is_refused_and_the_largest_is_taken():
    with serve(max_body_bytes=200_000) as sandbox:
        sandbox.add_project("demo/reef", "Reef", {})
        url = link_of(Caller(sandbox).new_subject())
        assert put(url, b"a" * 200_001).status_code == 413
        assert put(url, b"a" * 200_000).status_code == 201


def test_medium_whose_sender_went_away_is_not_kept(call):
    url = link_of(call.new_subject())
    host, port = call.sandbox.url.removeprefix("http://").split(":")
    head = f"PUT {url.removeprefix(call.sandbox.url)} HTTP/1.1\r\nHost: a\r\nContent-Type: image/jpeg\r\n"
    with socket.create_connection((host, int(port)), timeout=5) as sender:
        sender.sendall(f"{head}x-ms-blob-type: BlockBlob\r\nContent-Length: 10\r\n\r\nhalf".encode())
        sender.shutdown(socket.SHUT_WR)
        assert sender.recv(1) == b""
    assert requests.get(url, timeout=5).status_code == 404


@pytest.mark.parametrize(
    ("headers", "status"), [({"Transfer-Encoding": "chunked"}, 411), ({"Content-Length": "many"}, 400)]
)
def test_length_must_be_told(call, headers, status):
    host = call.sandbox.url.removeprefix("http://").split(":")
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with socket.create_connection((host[0], int(host[1])), timeout=5) as sender:
        sender.sendall(f"POST /api/subjects HTTP/1.1\r\nHost: a\r\n{lines}\r\n".encode())
        assert sender.recv(100).startswith(f"HTTP/1.1 {status}".encode())


def test_part_of_a_movie_can_be_asked_for(call):
    key, _ = call.sandbox.state.add_blob("video/mp4", b"0123456789")
    url = f"{call.sandbox.url}/blob/{key}"
    part = requests.get(url, headers={"Range": "bytes=2-5"}, timeout=5)
    assert (part.status_code, part.content, part.headers["Content-Range"]) == (206, b"2345", "bytes 2-5/10")
    assert requests.get(url, headers={"Range": "bytes=10-"}, timeout=5).status_code == 416


def test_table_as_a_medium_is_served_as_it_came(call):
    key, _ = call.sandbox.state.add_blob("text/csv", b"a,b\n")
    assert requests.get(f"{call.sandbox.url}/blob/{key}", timeout=5).content == b"a,b\n"


def test_picture_that_may_hold_a_script_is_fenced_in(call):
    key, _ = call.sandbox.state.add_blob("image/svg+xml", b"<svg/>")
    answer = requests.get(f"{call.sandbox.url}/blob/{key}", timeout=5)
    assert answer.headers["Content-Security-Policy"] == "sandbox"
