"""The plan of an upload: what a person is told before anything is sent."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from kso_utils.cli import main
from kso_utils.core.errors import ConfigError
from kso_utils.core.paths import sha256_file
from kso_utils.project import steps
from kso_utils.project.opening import Project
from kso_utils.project.settings import TemplateSettings, WorkflowSettings, ZooniverseSettings
from kso_utils.testing.subject_files import clip_bytes
from kso_utils.zooniverse import sandbox as local

SITE = {"id": 1, "locality": "Secret reef", "decimalLatitude": 57.25, "decimalLongitude": 11.5, "countryCode": "SE"}


@pytest.fixture
def server() -> Iterator[local.Sandbox]:
    with local.serve(subject_limit=5) as running:
        yield running


@pytest.fixture
def project(tmp_path: Path, server: local.Sandbox) -> Iterator[Project]:
    """A project with a movie and three clips of it, joined with a sandbox."""
    number, workflows = server.add_project("demo/reef", "Reef", {"clip": local.survey_task(["Cod"])})
    with Project.create(tmp_path / "reef") as made:
        made.change_settings(
            zooniverse=ZooniverseSettings(number, server.url, [WorkflowSettings(workflows["clip"], "clip")]),
            metadata=TemplateSettings(clip={"lat": "decimalLatitude", "site": "locality", "country": "countryCode"}),
        )
        made.store.upsert("sites", pd.DataFrame([SITE]), "id")
        made.store.upsert("movies", pd.DataFrame({"id": [1], "filename": ["secret_reef_1.mp4"], "site_id": [1]}), "id")
        (made.folder / "clips").mkdir()
        rows = []
        for n in range(3):
            path = made.folder / "clips" / f"{n}.mp4"
            path.write_bytes(clip_bytes(n))
            rows.append([1, 10.0 * n, 10.0 * n + 10, f"clips/{n}.mp4", sha256_file(path)])
        columns = ["movie_id", "clip_start_time", "clip_end_time", "path", "sha256"]
        pd.DataFrame(rows, columns=columns).to_csv(made.folder / "clips" / "clips.csv", index=False)
        yield made


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def kso(capsys: pytest.CaptureFixture[str], *command: object) -> tuple[int, str]:
    code = main([str(word) for word in command])
    said = capsys.readouterr()
    return code, said.out + said.err


@pytest.fixture
def _login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PANOPTES_USERNAME", "demo")
    monkeypatch.setenv("PANOPTES_PASSWORD", "demo")


def test_a_plan_counts_what_is_there_and_what_is_not(project: Project, tmp_path: Path) -> None:
    with project.zooniverse("demo", "demo") as session:
        first = steps.plan_upload(project, session, "clip", "Clips", tmp_path / "m.csv")
        assert (first.counts, first.set_id, first.quota_after) == ({"planned": 3}, None, 2)
        assert first.size_bytes == sum(len(clip_bytes(n)) for n in range(3))
        assert first.workflows == [w.id for w in project.settings.workflows("clip")]
        assert [row["external_id"] for row in read(tmp_path / "m.csv")] == first.subjects["key"].tolist()
        assert project.store.read("upload_journal").empty
        (project.folder / "clips" / "3.mp4").write_bytes(clip_bytes(3))
        states = steps.upload(project, session, "clip", "Clips")
        listed = project.folder / "clips" / "clips.csv"
        row = f"1,30.0,40.0,clips/3.mp4,{sha256_file(project.folder / 'clips' / '3.mp4')}\n"
        listed.write_text(listed.read_text() + row)
        then = steps.plan_upload(project, session, "clip", "Clips", tmp_path / "m.csv")
    assert (sum(then.counts.values()), then.counts["planned"], then.quota_after) == (4, 1, 1)
    assert then.set_id is not None
    assert then.subjects["subject_id"].dropna().tolist() == states["subject_id"].tolist()
    assert [row["external_id"] for row in read(tmp_path / "m.csv")] == [then.subjects["key"].iloc[-1]]


def test_a_quota_that_is_too_small_and_faults_of_files_are_told_together(project: Project, tmp_path: Path) -> None:
    with local.serve(subject_limit=2) as small:
        small.add_project("demo/reef", "Reef", {})
        (project.folder / "clips" / "1.mp4").unlink()
        project.change_settings(zooniverse=ZooniverseSettings(project.settings.zooniverse.project_id, small.url))
        with project.zooniverse("demo", "demo") as session:
            plan = steps.plan_upload(project, session, "clip", manifest=tmp_path / "m.csv")
    assert plan.report.codes() == {"FILE_MISSING": 1, "QUOTA_EXCEEDED": 1}
    assert (plan.quota_after, plan.manifest) == (-1, None)
    assert not (tmp_path / "m.csv").exists()


def test_a_sensitive_site_is_not_told_to_anybody(project: Project, server: local.Sandbox, tmp_path: Path) -> None:
    settings = project.settings.metadata
    project.change_settings(metadata=TemplateSettings(settings.clip, settings.frame, ["Secret reef"]))
    with project.zooniverse("demo", "demo") as session:
        steps.plan_upload(project, session, "clip", manifest=tmp_path / "m.csv")
        steps.upload(project, session, "clip")
        told = [session.fetch(f"/subjects/{s}")["subjects"][0]["metadata"] for s in server.state.find("subjects")]
    assert [subject["country"] for subject in told] == ["SE"] * 3
    text = (json.dumps(told) + (tmp_path / "m.csv").read_text(encoding="utf-8")).casefold()
    assert [word for word in ("secret", "57.25", "11.5") if word in text] == []


def test_a_misspelled_sensitive_site_stops_everything(project: Project) -> None:
    project.change_settings(metadata=TemplateSettings(sensitive_sites=["Secret ref"]))
    with pytest.raises(ConfigError, match="Secret ref"):
        steps.plan_upload(project, None, "clip")


@pytest.mark.usefixtures("_login")
def test_the_command_shows_the_plan_and_sends_nothing(
    project: Project, server: local.Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command: list[Any] = ["upload", "clip", "--dry-run", "--set", "First", "--manifest", tmp_path / "m.csv"]
    code, said = kso(capsys, *command, "--project", project.folder)
    assert code == 0
    for part in ("'First' (new)", "3 planned", "0 of 5 subjects", "upload 2 more", "m.csv", "Nothing was sent"):
        assert part in said
    assert str(project.settings.workflows("clip")[0].id) in said
    assert server.state.find("subjects") == []
    code, said = kso(capsys, *command, "--project", project.folder, "--json")
    assert (code, json.loads(said)["counts"], json.loads(said)["quota_after"]) == (0, {"planned": 3}, 2)


def test_without_a_login_the_command_says_that_it_did_not_ask(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("USERNAME", "PASSWORD", "CLIENT_ID", "CLIENT_SECRET"):
        monkeypatch.delenv(f"PANOPTES_{name}", raising=False)
    code, said = kso(capsys, "upload", "clip", "--dry-run", "--project", project.folder)
    assert code == 0
    assert "The quota was not asked for. No login for Zooniverse" in said


@pytest.mark.usefixtures("_login")
def test_the_command_ends_with_1_where_something_is_wrong(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    (project.folder / "clips" / "1.mp4").unlink()
    code, said = kso(capsys, "upload", "clip", "--dry-run", "--project", project.folder)
    assert code == 1
    assert "FILE_MISSING [subjects line 3, path]" in said
    code, said = kso(capsys, "upload", "clip", "--manifest", "m.csv", "--project", project.folder)
    assert code == 1
    assert "--dry-run" in said


@pytest.mark.usefixtures("_login")
def test_the_command_tells_what_arrived_what_did_not_and_where_to_look(
    project: Project, server: local.Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    server.faults.append(local.Fault("POST /api/subjects$", 422, 1))
    command = ["upload", "clip", "--set", "New clips", "--project", project.folder]
    code, said = kso(capsys, *command)
    assert code == 1
    workflow = project.settings.workflows("clip")[0].id
    assert (
        f"'New clips' at {server.url}, shown in the workflows: {workflow}\n2 verified, 1 failed\n  1 failed: POST"
        in said
    )
    assert "1 of 3 subjects failed. The same command tries them again." in said
    code, said = kso(capsys, *command)
    assert code == 0
    assert "\n3 verified\nSee whether it is still what was sent with: kso audit 'New clips'" in said
