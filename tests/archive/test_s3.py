from __future__ import annotations

import hashlib
import os
import pickle
import random
import shutil
import subprocess
import sys
import threading
from collections import deque
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kso_utils.archive import parts, uploads
from kso_utils.archive.objects import S3File
from kso_utils.archive.opening import open_archive, open_file
from kso_utils.archive.s3 import Place, S3Archive
from kso_utils.core.errors import (
    ArchiveError,
    ChecksumMismatch,
    ConfigError,
    Denied,
    Interrupted,
    NotFound,
    UnsafeInput,
)
from kso_utils.core.retries import ATTEMPTS
from kso_utils.store.engine import open_store
from kso_utils.store.journal import StoreJournal
from kso_utils.testing.archive_contract import ArchiveContract
from kso_utils.testing.range_server import serve_ranges
from tests.archive.rclone import BUCKET, KEY, SECRET, Meter, find_rclone, serve

pytest.importorskip("boto3")
if find_rclone() is None:
    pytest.skip("rclone is not installed", allow_module_level=True)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The folder of the bucket, and a metered endpoint."""
    folder = tmp_path_factory.mktemp("buckets")
    with serve(folder) as endpoint:
        meter = Meter(endpoint).start()
        yield folder / BUCKET, meter
        meter.close()


@pytest.fixture(autouse=True)
def _login(monkeypatch, tmp_path, waits):
    for name, value in {
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "KSO_CACHE": str(tmp_path / "cache"),
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def root(tmp_path):
    """A part of the bucket that is this test's own."""
    return tmp_path.name


@pytest.fixture
def folder(served, root):
    path = served[0] / root
    path.mkdir(exist_ok=True)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def meter(served):
    yield served[1]
    served[1].limit(None)


@pytest.fixture
def archive(meter, root):
    return S3Archive(f"s3://{BUCKET}/{root}", endpoint=meter.endpoint)


@pytest.fixture
def put(folder):
    def write(name, data):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    return write


class TestS3Archive(ArchiveContract):
    @pytest.fixture
    def archive(self, archive):
        return archive

    @pytest.fixture
    def put(self, put):
        return put

    @pytest.fixture
    def interrupt(self, meter):
        return meter.limit


PART = 2**18
LONG = random.Random(5).randbytes(5 * PART + 777)  # noqa: S311 - content, not secrets


@pytest.fixture
def long_file(tmp_path, monkeypatch):
    """A local file that is sent in six parts."""
    monkeypatch.setattr(parts, "PART_BYTES", PART)
    path = tmp_path / "long.bin"
    path.write_bytes(LONG)
    return path


@pytest.fixture
def broken_off(archive, meter, long_file):
    """A push that broke off in the fourth part; returns what of it is remembered."""
    meter.limit(int(3.5 * PART))
    with pytest.raises(Interrupted, match="call again to go on"):
        archive.push(long_file, "long.bin")
    meter.limit(None)
    return journals()


def journals():
    return list(Path(os.environ["KSO_CACHE"]).rglob("*.jsonl"))


def uploads_of(archive, name="long.bin"):
    place = archive._place(name)
    listed = replace(place, key="").list("list_multipart_uploads", ("NoSuchUpload",), Prefix=place.key)
    return [item["UploadId"] for item in listed]


def test_a_long_file_is_sent_in_parts(archive, folder, meter, long_file):
    before = meter.sent
    assert archive.push(long_file, "long.bin") == hashlib.sha256(LONG).hexdigest()
    assert (folder / "long.bin").read_bytes() == LONG
    assert len(LONG) < meter.sent - before < len(LONG) + 30_000
    assert archive.open("long.bin").sha256 == hashlib.sha256(LONG).hexdigest()
    assert uploads_of(archive) == journals() == []


def test_what_is_sent_again_after_a_break_is_one_part(archive, folder, meter, long_file):
    before, breaks = meter.sent, 4
    for _ in range(breaks):
        meter.limit(int(1.5 * PART))
        with pytest.raises(Interrupted):
            archive.push(long_file, "long.bin")
        assert list(archive_entries(archive, meter)) == []
    archive.push(long_file, "long.bin")
    assert (folder / "long.bin").read_bytes() == LONG
    # What the meter had taken when it broke counts too.
    assert meter.sent - before < len(LONG) + breaks * (PART + 2**16) + 40_000


def archive_entries(archive, meter):
    meter.limit(None)
    return archive.entries()


@pytest.mark.usefixtures("broken_off")
def test_a_source_that_changed_is_sent_anew(archive, folder, long_file):
    old = uploads_of(archive)
    long_file.write_bytes(LONG[::-1])
    archive.push(long_file, "long.bin")
    assert (folder / "long.bin").read_bytes() == LONG[::-1]
    assert len(old) == 1
    assert uploads_of(archive) == journals() == []


def test_a_source_that_changes_while_it_is_sent_is_refused(archive, long_file, monkeypatch):
    begin = uploads.Upload._begin
    monkeypatch.setattr(uploads.Upload, "_begin", lambda self: (begin(self), long_file.write_bytes(LONG[::-1])))
    with pytest.raises(ArchiveError, match=r"long\.bin was changed while it was copied"):
        archive.push(long_file, "long.bin")
    assert list(archive.entries()) == []


@pytest.mark.usefixtures("broken_off")
def test_a_copy_that_the_service_forgot_is_begun_anew(archive, folder, long_file):
    for upload in uploads_of(archive):
        archive._place("long.bin").ask("abort_multipart_upload", UploadId=upload)
    archive.push(long_file, "long.bin")
    assert (folder / "long.bin").read_bytes() == LONG


def test_an_object_whose_making_was_not_confirmed_is_looked_at(archive, folder, broken_off, long_file, put):
    """The process died after the last request; the journal says that nobody has looked yet."""
    remembered = [(path, path.read_bytes()) for path in broken_off]
    archive.push(long_file, "long.bin")
    for path, content in remembered:
        path.write_bytes(content)
    assert archive.push(long_file, "long.bin") == hashlib.sha256(LONG).hexdigest()
    assert journals() == []
    for path, content in remembered:
        path.write_bytes(content)
    put("long.bin", LONG[:-1] + b"?")
    with pytest.raises(ConfigError, match="another content"):
        archive.push(long_file, "long.bin")


@pytest.mark.usefixtures("broken_off")
def test_cleaning_up_removes_old_copies_below_the_prefix_alone(archive, meter, long_file):
    assert S3Archive(f"{archive.url}/elsewhere", endpoint=meter.endpoint).clean_up(0.0) == []
    assert archive.clean_up() == []
    assert archive.clean_up(0.0, dry_run=True) == ["long.bin"]
    assert len(uploads_of(archive)) == len(journals()) == 1
    assert archive.clean_up(0.0) == ["long.bin"]
    assert uploads_of(archive) == journals() == []


def test_a_store_remembers_copies(meter, root, folder, long_file, tmp_path):
    with open_store(tmp_path / "store.sqlite") as store:
        journal = StoreJournal(store, "archive")
        archive = S3Archive(f"s3://{BUCKET}/{root}", journal, endpoint=meter.endpoint)
        (folder / "other.bin").write_bytes(LONG * 3)
        for copy in (lambda: archive.push(long_file, "a.bin"), lambda: archive.fetch("other.bin", tmp_path / "b.bin")):
            meter.limit(3 * PART)
            with pytest.raises(Interrupted):
                copy()
            meter.limit(None)
            assert len(journal.pending()) == 1
            copy()
            assert journal.pending() == {}
    assert journals() == []


def test_a_file_of_the_same_size_is_another_version(archive, put):
    put("a.bin", b"one")
    file = archive.open("a.bin")
    put("a.bin", b"two")
    with pytest.raises(ArchiveError, match="changed while it was read"):
        file.read(0, 3)


def test_what_was_pushed_is_verified_when_it_is_fetched(archive, tmp_path):
    told = {"sha256": hashlib.sha256(b"what was meant").hexdigest()}
    archive._place("a.bin").ask("put_object", Body=b"what is there", Metadata=told)
    with pytest.raises(ChecksumMismatch, match=told["sha256"]):
        archive.fetch("a.bin", tmp_path / "a.bin")


def test_a_bucket_is_not_left(served, meter, folder, root):
    for name in ("a.bin", f"../{root}-b/b.bin", "../c.bin"):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    archive = S3Archive(f"s3://{BUCKET}/{root}/", endpoint=meter.endpoint)
    assert [entry.name for entry in archive.entries()] == ["a.bin"]
    assert list(archive.entries("../")) == []


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("s3://", ConfigError),
        ("s3:///a", ConfigError),
        ("s3://ab", ConfigError),
        ("s3://user:canary@bucket", ConfigError),
        ("s3://bucket/../other", UnsafeInput),
        ("s3://bucket/a\0b", UnsafeInput),
    ],
)
def test_an_address_names_a_bucket_and_what_is_in_it(url, error):
    with pytest.raises(error) as raised:
        S3Archive(url)
    assert "canary" not in str(raised.value)


@pytest.mark.parametrize("url", ["s3://bucket/a b/c/", "S3://bucket/a b//c"])
def test_an_address_has_one_spelling(url):
    assert open_archive(url).url == "s3://bucket/a b/c"


def test_an_endpoint_holds_no_login():
    with pytest.raises(ConfigError, match="holds a login") as raised:
        S3Archive("s3://bucket", endpoint="http://user:canary@127.0.0.1:9")
    assert "canary" not in str(raised.value)


def test_a_name_that_is_no_text_is_refused(archive):
    for ask in (archive.find, lambda name: list(archive.entries(name))):
        with pytest.raises(UnsafeInput, match=r"\\xe9\.mp4 is not text"):
            ask("\udce9.mp4")


@pytest.mark.parametrize("tls", [True, False])
def test_a_service_that_is_not_trusted_is_told_at_once(meter, waits, tls, tmp_path, certificate):
    with serve_ranges(tmp_path, certificate) as server:
        endpoint = server.url if tls else meter.endpoint.replace("http:", "https:")
        with pytest.raises(ArchiveError, match="AWS_CA_BUNDLE"):
            S3Archive("s3://bucket", endpoint=endpoint).find("a.bin")
    assert waits == []


def test_a_service_that_cannot_be_reached_is_named():
    with pytest.raises(Interrupted, match=r"http://127\.0\.0\.1:9 cannot be reached"):
        S3Archive("s3://bucket", endpoint="http://127.0.0.1:9").find("a.bin")


@pytest.mark.parametrize(
    "answer", [(200, "", {"Last-Modified": "now"}), (301, "", {"Location": "/bucket/"})], ids=["header", "redirect"]
)
def test_what_is_no_s3_service_is_told(scripted, answering, answer):
    archive = S3Archive("s3://bucket", endpoint=answering([answer] * 2000))
    with pytest.raises(ArchiveError, match="does not answer as an S3 service does"):
        archive.find("a.bin")
    scripted.left.clear()


@pytest.mark.parametrize("endpoint", ["nonsense", "http://"])
def test_an_endpoint_is_an_address(endpoint):
    with pytest.raises(ConfigError, match="Check the endpoint"):
        S3Archive("s3://bucket", endpoint=endpoint).find("a.bin")


def test_the_environment_names_the_endpoint(archive, meter, root, put, monkeypatch):
    put("a.bin", b"x")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", meter.endpoint)
    assert open_file(f"s3://{BUCKET}/{root}/a.bin").read(0, 1) == b"x"


@pytest.mark.parametrize("lifetime_s", [0, 7 * 86_400 + 1])
def test_a_link_lives_a_week_at_most(archive, put, lifetime_s):
    put("a.bin", b"x")
    with pytest.raises(ConfigError, match="a week"):
        archive.link("a.bin", lifetime_s)


def test_names_are_no_longer_than_a_bucket_takes(archive):
    with pytest.raises(UnsafeInput, match="1024 bytes"):
        archive.find("a" * 1025)


def test_what_is_no_file_name_elsewhere_is_left_out_and_told(archive, put, caplog):
    put("a\\b.bin", b"x")
    put("c.bin", b"x")
    with caplog.at_level("WARNING", "kso_utils"):
        assert [entry.name for entry in archive.entries()] == ["c.bin"]
    assert "left out" in caplog.text


def test_a_bucket_that_is_not_there_is_not_found(meter):
    archive = S3Archive("s3://nothing", endpoint=meter.endpoint)
    for ask in (lambda: list(archive.entries()), lambda: archive.push(__file__, "a.py")):
        with pytest.raises(NotFound, match=r"There is no bucket s3://nothing\. Check"):
            ask()


def test_a_service_that_is_not_there_interrupts(archive, meter):
    meter.limit(0)
    with pytest.raises(Interrupted, match="connection broke"):
        archive.find("a.bin")


def test_keys_that_are_wrong_are_denied(archive, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    for ask in (lambda: archive.find("a.bin"), lambda: list(archive.entries())):
        with pytest.raises(Denied, match="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
            ask()


def test_no_keys_are_denied(archive, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(Denied, match=r"~/\.aws"):
        archive.find("a.bin")


def test_a_profile_that_is_not_there_is_named(archive, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(ConfigError, match="AWS_PROFILE"):
        archive.find("a.bin")


def test_keys_are_nowhere(archive, meter, put, broken_off, caplog, monkeypatch):
    put("a.bin", b"x")
    file = archive.open("a.bin")
    with caplog.at_level("DEBUG", "kso_utils"):
        archive.push(Path(__file__), "b.py")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "canary-of-the-key-id")
        with pytest.raises(Denied) as raised:
            archive.find("a.bin")
    said = [repr(file.place), repr(vars(archive)), str(raised.value), repr(raised.value), archive.url, file.address]
    written = [path.read_bytes() for path in broken_off]
    assert written
    for secret in (KEY, SECRET, "canary"):
        assert all(secret not in text for text in [*said, caplog.text])
        assert all(secret.encode() not in data for data in [*written, pickle.dumps(file)])


ANSWERS = [
    (400, "ExpiredToken", Denied),
    (400, "InvalidRequest", ArchiveError),
    (403, "AccessDenied", Denied),
    (404, "NoSuchKey", NotFound),
    (412, "PreconditionFailed", ArchiveError),
    (416, "InvalidRange", ArchiveError),
    (500, "InternalError", Interrupted),
    (501, "NotImplemented", ArchiveError),
    (503, "SlowDown", Interrupted),
]


@pytest.mark.parametrize(("status", "code", "error"), ANSWERS)
def test_an_answer_is_the_error_that_it_means(answering, status, code, error):
    endpoint = answering([(status, code)] * (ATTEMPTS if error is Interrupted else 1))
    with pytest.raises(ArchiveError) as raised:
        list(S3Archive(f"s3://{BUCKET}", endpoint=endpoint).entries())
    assert type(raised.value) is error
    assert "canary" not in str(raised.value)


def test_what_may_pass_is_asked_again(answering):
    passing = [(503, "SlowDown"), (500, "InternalError"), (400, "RequestTimeout")]
    endpoint = answering([*passing, (200, "<ListBucketResult/>")])
    assert list(S3Archive(f"s3://{BUCKET}", endpoint=endpoint).entries()) == []


CONTENT = b"one part"
TAG = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()


@pytest.fixture
def push_to(answering, tmp_path):
    """Push a small file to a service of such answers."""

    def push(*answers):
        path = tmp_path / "a.bin"
        path.write_bytes(CONTENT)
        return S3Archive(f"s3://{BUCKET}", endpoint=answering(answers)).push(path, "a.bin")

    return push


def head(content=CONTENT, **told):
    return 200, "", {"Content-Length": len(content), "Last-Modified": "Sat, 21 Nov 2026 12:00:00 GMT", **told}


def test_a_service_that_knows_no_conditions_is_asked_without(push_to):
    answers = [(404, ""), (501, "NotImplemented"), (200, "", {"ETag": TAG}), head(ETag=TAG)]
    assert push_to(*answers) == hashlib.sha256(CONTENT).hexdigest()


@pytest.mark.parametrize("size", [len(CONTENT) - 1, len(CONTENT)])
def test_what_another_put_there_meanwhile_stays(push_to, size):
    other = {"ETag": "other", "x-amz-meta-sha256": hashlib.sha256(b"other").hexdigest()}
    with pytest.raises(ConfigError, match="another content"):
        push_to((404, ""), (412, "PreconditionFailed"), head(b"x" * size, **other))


def test_an_attempt_whose_answer_was_lost_is_no_other_writer(push_to):
    ours = {"ETag": "encrypted", "x-amz-meta-Sha256": hashlib.sha256(CONTENT).hexdigest()}
    assert push_to((404, ""), (500, "InternalError"), (412, "PreconditionFailed"), head(**ours))


def test_what_arrives_with_another_content_is_told(push_to):
    with pytest.raises(ChecksumMismatch, match="arrived with another content"):
        push_to((404, ""), (200, "", {"ETag": "other"}), head(CONTENT[1:], ETag="other"))


def test_an_etag_that_says_nothing_makes_the_copy_be_read(push_to):
    part = {"ETag": "other", "Content-Range": f"bytes 0-{len(CONTENT) - 1}/{len(CONTENT)}"}
    told = [(404, ""), (200, "", {"ETag": "other"}), head(ETag="other")]
    assert push_to(*told, (206, CONTENT.decode(), part))
    with pytest.raises(ChecksumMismatch):
        push_to(*told, (206, CONTENT[::-1].decode(), part))


BEGUN = (200, "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>")
GONE = (404, "NoSuchUpload")


@pytest.mark.parametrize(
    "answers",
    [
        [(200, ""), (200, ""), (400, "InvalidPart"), GONE],
        [(200, ""), GONE, GONE],
        [(200, ""), (200, ""), GONE, (404, ""), GONE],
    ],
    ids=["of its parts", "while it was sent", "at its end"],
)
def test_a_copy_that_the_service_lost_is_forgotten(answering, long_file, answers):
    long_file.write_bytes(b"a" * PART + b"b")
    endpoint = answering([(404, ""), BEGUN, *answers])
    with pytest.raises(Interrupted, match="begin anew"):
        S3Archive(f"s3://{BUCKET}", endpoint=endpoint).push(long_file, "a.bin")
    assert journals() == []


def test_finished_parts_are_known_where_an_etag_is_no_md5(answering, long_file):
    """As with services that encrypt: the journal tells which parts are there, and the copy is read to verify it."""
    long_file.write_bytes(content := b"a" * PART + b"b")
    part = f"<Part><PartNumber>1</PartNumber><ETag>enc1</ETag><Size>{PART}</Size></Part>"
    completed = "<CompleteMultipartUploadResult><ETag>enc</ETag></CompleteMultipartUploadResult>"
    first = [(404, ""), BEGUN, (200, "", {"ETag": "enc1"}), (400, "InvalidRequest")]
    second = [(404, ""), (200, f"<ListPartsResult>{part}</ListPartsResult>"), (200, "", {"ETag": "enc2"})]
    read = [
        (206, text, {"ETag": "enc", "Content-Range": f"bytes {start}-{start + len(text) - 1}/{PART + 1}"})
        for start, text in ((0, "a" * PART), (PART, "b"))
    ]
    endpoint = answering([*first, *second, (200, completed), head(content, ETag="enc"), *read])
    archive = S3Archive(f"s3://{BUCKET}", endpoint=endpoint)
    with pytest.raises(ArchiveError, match="InvalidRequest"):
        archive.push(long_file, "a.bin")
    assert archive.push(long_file, "a.bin") == hashlib.sha256(content).hexdigest()
    assert journals() == []


def test_a_service_without_ranges_sends_no_whole_movie(answering):
    endpoint = answering([(200, "x" * 100, {"ETag": "a"})])
    file = S3File(Place(endpoint, None, BUCKET, "a.bin"), {"ContentLength": 100, "ETag": "a"})
    with pytest.raises(ArchiveError, match="no parts of files"):
        file.read(0, 4)


class Answers(BaseHTTPRequestHandler):
    """Gives the answers of the server's list, in their order: status, code or content, headers."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, text, *more = self.server.left.popleft()
        body = f"<Error><Code>{text}</Code><Message>canary</Message></Error>" if status >= 400 else text
        headers = {"Content-Length": len(body), **(more[0] if more else {})}
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body.encode())

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def scripted():
    """A service of nothing but given answers; one for all tests, as each new address costs a new client."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def answering(scripted):
    """Let the service give such answers; return its endpoint."""

    def answer(answers):
        scripted.left = deque(answers)
        return "http://{}:{}".format(*scripted.server_address)

    yield answer
    assert not scripted.left, "not every answer was asked for"


KILLING = Path(__file__).with_name("killing_s3.py")


def killed(what, kills, part_bytes, tmp_path):
    """Kill so many copies; return how many that were, and the most that was copied again, in parts."""
    with serve(tmp_path / "buckets") as endpoint:
        places = [endpoint, tmp_path / "buckets" / BUCKET, tmp_path]
        environment = {**os.environ, "PYTHONPATH": str(KILLING.parents[2])}
        arguments = [sys.executable, KILLING, what, kills, 1, part_bytes, *places]
        done = subprocess.run([*map(str, arguments)], env=environment, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr
    hit, most = done.stdout.split()
    return int(hit), float(most)


@pytest.mark.parametrize("what", ["push", "fetch"])
def test_killed_copies_are_gone_on_with(tmp_path, what):
    assert killed(what, 2, 2**20, tmp_path)[0] == 2


@pytest.mark.soak
@pytest.mark.parametrize("what", ["push", "fetch"])
def test_100_killed_copies_are_gone_on_with(tmp_path, what, record_figures):
    hit, most = killed(what, 100, 2 * 2**20, tmp_path)
    record_figures("archives", {f"s3_{what}_kills": hit, f"s3_{what}_parts_again": most})
