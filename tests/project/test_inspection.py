from __future__ import annotations

import json
import os
import time

import pandas as pd
import pytest

from kso_utils.cli import main
from kso_utils.core.paths import sha256_file
from kso_utils.project import inspection
from kso_utils.project.inspection import diagnose, diagnose_installation
from kso_utils.project.opening import Project
from kso_utils.project.settings import ArchiveSettings
from kso_utils.store import locks


@pytest.fixture
def project(tmp_path):
    with Project.create(tmp_path / "reef") as opened:
        yield opened


def found(project, code, deep=False):
    return [finding.value for finding in diagnose(project, deep) if finding.code == code]


def age(path, days):
    then = time.time() - days * 86_400
    os.utime(path, (then, then))


def add_clip(project, content=b"clip"):
    clips = project.folder / "clips"
    clips.mkdir(exist_ok=True)
    (clips / "a.mp4").write_bytes(content)
    rows = {"movie_id": [1], "clip_start_time": 0, "clip_end_time": 1, "path": "clips/a.mp4"}
    pd.DataFrame(rows).assign(sha256=sha256_file(clips / "a.mp4")).to_csv(clips / "clips.csv", index=False)
    return clips / "a.mp4"


def test_a_new_project_lacks_nothing_but_a_backup(project):
    report = diagnose(project, deep=True)
    assert report.ok
    assert set(report.codes()) <= {"BACKUP_MISSING", "EXTRA_MISSING", "DISK_NEARLY_FULL"}


def test_every_finding_says_what_to_do(project, monkeypatch):
    monkeypatch.setattr(inspection, "_LOW_DISK_BYTES", 2**80)
    monkeypatch.setattr(inspection, "_EXTRAS", {"no_such_package": "ui"})
    add_clip(project).unlink()
    (project.folder / "clips" / "b.mp4").touch()
    assert all(finding.fix for finding in diagnose(project))
    assert {"DISK_NEARLY_FULL", "EXTRA_MISSING", "FILE_MISSING", "FILE_ORPHAN"} <= set(diagnose(project).codes())


def test_a_missing_ffmpeg_is_an_error(monkeypatch):
    def missing():
        raise inspection.ConfigError("There is no ffmpeg.")

    monkeypatch.setattr(inspection, "find_ffmpeg", missing)
    assert diagnose_installation().codes()["FFMPEG_MISSING"] == 1
    assert not diagnose_installation().ok


def test_a_clip_that_is_listed_and_gone_is_missing(project):
    clip = add_clip(project)
    assert found(project, "FILE_MISSING") == []
    clip.unlink()
    assert found(project, "FILE_MISSING") == [str(clip)]


def test_a_clip_that_changed_is_seen_by_a_deep_look_alone(project):
    clip = add_clip(project)
    clip.write_bytes(b"another")
    assert found(project, "FILE_CHANGED") == []
    assert found(project, "FILE_CHANGED", deep=True) == [str(clip)]


def test_the_weights_of_a_model_are_looked_for(project):
    row = {"name": "m", "architecture": "x", "weights_path": "models/m.pt", "weights_sha256": "0", "created_at": "t"}
    project.store.upsert("models", pd.DataFrame([{**row, "classes": []}]), "weights_sha256")
    assert found(project, "FILE_MISSING") == [str(project.folder / "models" / "m.pt")]


def test_a_product_that_nothing_names_is_an_orphan(project):
    add_clip(project)
    orphan = project.folder / "detections" / "run" / "movie_1.parquet"
    orphan.parent.mkdir(parents=True)
    orphan.touch()
    assert found(project, "FILE_ORPHAN") == [str(orphan)]


def test_what_a_killed_run_left_is_found_once_it_is_old(project):
    part = project.folder / "clips" / ".a.12-ab.part.mp4"
    part.parent.mkdir()
    part.touch()
    assert found(project, "FILE_LEFTOVER") == []
    age(part, 1)
    assert found(project, "FILE_LEFTOVER") == [str(part)]
    assert found(project, "FILE_ORPHAN") == []


def test_unfinished_uploads_transfers_and_runs_are_told(project):
    upload = {"key": "k", "project_id": "1", "subject_set_id": "2", "path": "x", "sha256": "0", "metadata": {}}
    project.store.upsert("upload_journal", pd.DataFrame([{**upload, "state": "sending", "updated_at": "t"}]), "key")
    transfer = pd.DataFrame([{"key": "s3\x1fa.mp4", "state": {}, "updated_at": "t"}])
    project.store.upsert("transfer_journal", transfer, "key")
    run = project.store.record_run("detect", {}, {}, {}, state="running")
    assert found(project, "UPLOAD_UNFINISHED") == ["1"]
    assert found(project, "TRANSFER_UNFINISHED") == ["s3 a.mp4"]
    assert found(project, "RUN_UNFINISHED") == [str(run)]


def test_a_store_that_cannot_be_opened_is_a_finding_among_others(project):
    project.close()
    project.store_path.write_bytes(b"no store at all")
    assert found(project, "STORE_UNUSABLE") == [str(project.store_path)]
    assert found(project, "BACKUP_MISSING") == [""]


def test_a_network_disk_and_its_lock_are_told(project, monkeypatch):
    monkeypatch.setattr(inspection, "is_network_path", lambda path: True)
    with locks.hold(project.store_path, 0):
        assert found(project, "STORE_ON_NETWORK") == [str(project.store_path)]
        assert len(found(project, "STORE_LOCKED")) == 1
    assert found(project, "STORE_LOCKED") == []


def test_a_backup_is_asked_for_when_there_is_none_or_an_old_one(project):
    assert len(found(project, "BACKUP_MISSING")) == 1
    assert main(["backup", "--project", str(project.folder)]) == 0
    assert not {"BACKUP_OLD", "BACKUP_MISSING"} & set(diagnose(project).codes())
    for copy in (project.folder / "backups").iterdir():
        age(copy, 40)
    assert len(found(project, "BACKUP_OLD")) == 1


def test_outside_a_project_the_installation_alone_is_examined(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["doctor"]) == 0
    assert "There is no project here" in capsys.readouterr().out


def test_a_store_goes_back_to_its_backup_by_command(project, capsys):
    folder = str(project.folder)
    project.store.upsert("sites", pd.DataFrame({"locality": ["kept"]}), "locality")
    assert main(["backup", str(project.folder / "copy.db"), "--project", folder]) == 0
    project.store.upsert("sites", pd.DataFrame({"locality": ["later"]}), "locality")
    project.close()
    assert main(["restore", str(project.folder / "copy.db"), "--project", folder]) == 1
    assert "--replace" in capsys.readouterr().err
    assert main(["restore", str(project.folder / "copy.db"), "--project", folder, "--replace", "--json"]) == 0
    assert "kso-replaced-" in json.loads(capsys.readouterr().out)["kept"]
    assert project.store.read("sites")["locality"].tolist() == ["kept"]


@pytest.fixture
def outside(project, tmp_path):
    """What a copy that was killed long ago left in an archive outside of the project."""
    project.change_settings(archive=ArchiveSettings(url=str(tmp_path / "footage")))
    left = tmp_path / "footage" / "new" / ".a.12-0123abcd.part.mp4"
    left.parent.mkdir(parents=True)
    left.touch()
    age(left, 8)
    return left


def test_what_interrupted_copies_left_in_the_archive_is_told_and_stays(project, outside):
    assert found(project, "COPY_INTERRUPTED") == [f"new/{outside.name}"]
    age(outside, 6)
    assert found(project, "COPY_INTERRUPTED") == []
    assert outside.exists()


def test_the_command_removes_what_interrupted_copies_left(project, outside, capsys):
    assert main(["doctor", "--clean-up", "--project", str(project.folder)]) == 0
    said = capsys.readouterr().out
    assert f"Removed what was left of an interrupted copy: new/{outside.name}" in said
    assert "COPY_INTERRUPTED" not in said
    assert not outside.exists()


def test_an_archive_that_cannot_be_asked_is_told(project, tmp_path):
    project.change_settings(archive=ArchiveSettings(url=str(tmp_path / "nothing")))
    assert found(project, "ARCHIVE_NOT_EXAMINED") == [str(tmp_path / "nothing")]
