from __future__ import annotations

import os

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
    return path


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
