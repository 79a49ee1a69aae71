from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kso_utils.archive.s3 import S3Archive
from kso_utils.core import retries
from kso_utils.testing.archive_contract import ArchiveContract
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
def _login(monkeypatch, tmp_path):
    for name, value in {
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "KSO_CACHE": str(tmp_path / "cache"),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(retries, "FIRST_WAIT_S", 0.0)


@pytest.fixture
def root(tmp_path):
    """A part of the bucket that is this test's own."""
    return tmp_path.name


@pytest.fixture
def folder(served, root):
    path = served[0] / root
    path.mkdir()
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
    hit, most = killed(what, 100, 8 * 2**20, tmp_path)
    record_figures("archives", {f"s3_{what}_kills": hit, f"s3_{what}_parts_again": most})
