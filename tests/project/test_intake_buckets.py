"""New movies into a bucket: the same steps, where the archive is a real service."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kso_utils.core.paths import sha256_file
from kso_utils.media.safety import find_ffmpeg
from kso_utils.metadata.changes import Change
from kso_utils.project import steps
from kso_utils.project.opening import Project
from kso_utils.project.settings import ArchiveSettings
from tests.archive.rclone import BUCKET, KEY, SECRET, find_rclone, serve

pytest.importorskip("boto3")
if find_rclone() is None:
    pytest.skip("rclone is not installed", allow_module_level=True)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A project of one site whose footage lies in a bucket."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "KSO_CACHE": str(tmp_path / "cache"),
    }.items():
        monkeypatch.setenv(name, value)
    with serve(tmp_path / "buckets") as endpoint, Project.create(tmp_path / "fjord") as opened:
        (opened.folder / "species.csv").unlink()
        steps.edit(opened, [Change("sites", "Reef", "countryCode", "SE", "add")])
        steps.fill_store(opened)
        opened.change_settings(archive=ArchiveSettings(f"s3://{BUCKET}/reef", endpoint))
        yield opened


def test_movies_come_into_a_bucket_once(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "reef.avi"
    source = ("-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25", "-frames:v", "10", "-c:v", "mjpeg")
    subprocess.run([find_ffmpeg(), "-nostdin", "-v", "error", *source, str(path)], check=True, timeout=60)
    added = steps.add_movies(project, [path], site="Reef")
    assert added[["filename", "state", "error"]].to_numpy().tolist() == [["reef.mp4", "added", None]]
    there = tmp_path / "buckets" / BUCKET / "reef" / "reef.mp4"
    assert project.store.read("movies")["sha256"].tolist() == [sha256_file(there)]
    assert steps.add_movies(project, [path], site="Reef")["state"].tolist() == ["there"]
    assert not (project.folder / ".kso" / "incoming").exists()
