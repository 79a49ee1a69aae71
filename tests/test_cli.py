"""Every command of `kso`: what it prints for people and for machines, and its exit code."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from kso_utils.cli import COMMANDS, main, terminal
from kso_utils.core.report import Finding, Report
from kso_utils.project import steps
from kso_utils.project.opening import Project
from kso_utils.project.settings import ZooniverseSettings
from kso_utils.zooniverse import sandbox as local
from kso_utils.zooniverse.session import connect

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
KSO = [sys.executable, "-m", "kso_utils.cli"]


@pytest.fixture
def kso(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a command in this process; returns its exit code, what it printed, and what it said beside."""
    monkeypatch.setenv("PANOPTES_USERNAME", "demo")
    monkeypatch.setenv("PANOPTES_PASSWORD", "demo")

    def run(*argv: object) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            code = main([str(arg) for arg in argv])
        except SystemExit as stop:
            code = int(str(stop.code))
        return (code, *capsys.readouterr())

    return run


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_argument_has_help(kso: Any, name: str) -> None:
    code, text, _ = kso(*name.split(), "--help")
    assert code == 0
    assert "--json" in text
    assert COMMANDS[name][0] in " ".join(text.split())
    assert all(options.get("help") for _, options in COMMANDS[name][2])


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["swim"],
        ["upload"],
        ["upload", "photo"],
        ["clips", "--length", "0"],
        ["clips", "--length", "long"],
        ["clips", "--per-movie", "-1"],
        ["clips", "--seed", "-1"],
        ["clips", "--by-detections", "first"],
        ["clips", "--tail", "shift"],
        ["clips", "--max-mb", "0"],
        ["aggregate", "clip", "--agreement", "1.5"],
        ["detect", "--conf", "nan"],
        ["sandbox", "--port", "99999"],
        ["sandbox", "--latency", "-1"],
        ["train", "--epochs", "1.5"],
    ],
)
def test_bad_usage_is_2(kso: Any, argv: list[str]) -> None:
    code, text, said = kso(*argv)
    assert code == 2
    assert text == ""
    assert said.startswith("usage: kso")


def test_a_bad_number_says_what_is_wanted(kso: Any) -> None:
    assert "argument --length: '0' is not a number above 0" in kso("clips", "--length", "0")[2]


def test_the_version_is_printed(kso: Any) -> None:
    code, text, _ = kso("--version")
    assert code == 0
    assert re.fullmatch(r"kso_utils \d+\.\d+\.\d+\S*\n", text)


def test_values_become_json_that_every_reader_takes() -> None:
    report = Report("Title", [Finding("sites", 2, None, "CODE", "info", "1", "Message.")])
    frame = pd.DataFrame({"a": [1.0, np.nan], "b": pd.array([1, None], dtype="Int64"), "p": [Path("x"), None]})
    values = {"report": report, "frame": frame, "n": np.int64(3), "nan": float("inf"), 1: (np.bool_(True), pd.NaT)}
    assert json.loads(terminal._format_json(values)) == {
        "report": report.rows(),
        "frame": [{"a": 1.0, "b": 1, "p": "x"}, {"a": None, "b": None, "p": None}],
        "n": 3,
        "nan": None,
        "1": [True, None],
    }


def test_a_project_is_made_checked_and_examined(kso: Any, tmp_path: Path) -> None:
    code, text, _ = kso("init", tmp_path / "fjord", "--name", "Fjord")
    assert code == 0
    assert "kso check" in text
    assert kso("init", tmp_path / "fjord")[0] == 1
    code, text, _ = kso("info", "--project", tmp_path / "fjord", "--json")
    assert (code, json.loads(text)["project"], json.loads(text)["movies"]) == (0, "Fjord", 0)
    code, text, _ = kso("doctor", "--project", tmp_path / "fjord", "--json")
    assert code == 0
    assert isinstance(json.loads(text), list)


def test_findings_are_rows_and_are_written_to_a_file(kso: Any, reef_project: Path, tmp_path: Path) -> None:
    sites = reef_project / "sites.csv"
    sites.write_text(re.sub(r"5\d\.\d+,1\d\.\d+", "0,0", sites.read_text(), count=1))
    code, text, _ = kso("check", reef_project, "--csv", tmp_path / "findings.csv", "--json")
    rows = json.loads(text)
    assert code == (1 if any(row["severity"] == "error" for row in rows) else 0)
    assert "ZERO_COORDINATE" in {row["code"] for row in rows}
    assert len(pd.read_csv(tmp_path / "findings.csv")) == len(rows)


def test_strict_takes_warnings_for_errors(kso: Any, reef_project: Path) -> None:
    movies = reef_project / "movies.csv"
    movies.write_text(re.sub(r"\b20\d\d-\d\d-\d\d\b", "2121-01-01", movies.read_text(), count=1))
    assert kso("check", reef_project)[0] == 0
    assert kso("check", reef_project, "--strict")[0] == 1
    code, _, told = kso("movies", "--project", reef_project, "--strict")
    assert code == 1
    assert "RECORDED_DATE_UNLIKELY" in told
    assert json.loads(kso("info", "--project", reef_project, "--json")[1])["sites"] == 0


def test_a_folder_of_tables_is_checked_without_being_a_project(kso: Any, reef_project: Path) -> None:
    (reef_project / "project.toml").unlink()
    code, text, _ = kso("check", reef_project)
    assert code == 0
    assert text.startswith("Tables:")
    assert not (reef_project / "kso.db").exists()


def test_findings_beyond_three_of_a_kind_are_counted_unless_asked_for(kso: Any, reef_project: Path) -> None:
    species = reef_project / "species.csv"
    species.write_text(species.read_text() + "".join(f"{n + 90},Fish {n},Piscis {n},,\n" for n in range(9)))
    brief, whole = kso("check", reef_project)[1], kso("check", reef_project, "--verbose")[1]
    assert "more of this kind" in brief
    assert brief.endswith("All of them: --verbose, or --csv FILE.\n")
    assert len(whole.splitlines()) == len(json.loads(kso("check", reef_project, "--json")[1])) + 1


def test_tables_that_are_refused_come_with_their_findings(kso: Any, reef_project: Path) -> None:
    movies = reef_project / "movies.csv"
    movies.write_text(movies.read_text().replace("Torskgrundet", "Elsewhere"))
    code, text, said = kso("movies", "--project", reef_project, "--json")
    answer = json.loads(text)
    assert (code, answer["error"]) == (1, "MetadataError")
    assert any(row["severity"] == "error" for row in answer["findings"])
    assert said.startswith("kso: ")


@pytest.mark.parametrize(
    ("command", "hint"),
    [
        (["clips"], "kso movies"),
        (["frames"], "kso aggregate clip"),
        (["upload", "clip", "--dry-run"], "kso clips"),
        (["aggregate", "clip"], "kso pull"),
        (["dataset"], "kso aggregate frame"),
        (["train"], "kso dataset"),
        (["counts"], "kso detect"),
    ],
)
def test_a_command_too_early_names_the_one_before_it(
    kso: Any, reef_project: Path, command: list[str], hint: str
) -> None:
    code, text, said = kso(*command, "--project", reef_project, "--json")
    assert code == 1
    assert hint in said
    assert json.loads(text)["message"] in said


def test_a_project_is_found_by_its_listed_name(kso: Any, reef_project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (reef_project.parent / "projects_list.csv").write_text(
        f"Project_name,Zooniverse_number,csv_folder\nThe Reef,1,{reef_project.name}\n"
    )
    monkeypatch.chdir(reef_project.parent)
    code, text, _ = kso("info", "--project", "The Reef", "--json")
    assert (code, json.loads(text)["folder"]) == (0, str(reef_project))


def test_clips_travel_to_a_sandbox_and_back(kso: Any, reef_project: Path) -> None:
    def row(*command: object) -> Any:
        code, text, said = kso(*command, "--project", reef_project, "--json")
        assert code == 0, said
        return json.loads(text)

    with local.serve() as sandbox:
        assert row("movies")["movies"] == {"inserted": 2, "updated": 0, "unchanged": 0, "removed": 0}
        with Project.open(reef_project) as project:
            steps.join_sandbox(project, sandbox)
        assert [clip["state"] for clip in row("clips", "--per-movie", "1")] == ["done", "done"]
        assert row("upload", "clip", "--dry-run")["counts"] == {"planned": 2}
        assert [subject["state"] for subject in row("upload", "clip", "--set", "First")] == ["verified", "verified"]
        assert set(row("pull")) == {"report", "counts", "files"}
        taken = row("pull", "--exports", reef_project / "exports")["files"]
        assert [file["kind"] for file in taken] == ["subjects", "workflows", "classifications"]
    code, _, said = kso("pull", "--project", reef_project)
    assert code == 1
    assert "Cannot reach" in said


def test_a_clip_that_fails_is_told_beside_the_others(kso: Any, reef_project: Path) -> None:
    kso("movies", "--project", reef_project)
    (reef_project / "movies" / "torskgrundet_01.mp4").write_bytes(b"no movie")
    code, text, said = kso("clips", "--project", reef_project, "--per-movie", "1")
    assert code == 1
    assert text == "1 new clip from 1 movie.\n"
    assert said.startswith("kso: 1 clip failed. ")
    assert "torskgrundet_01.mp4" in said


def test_why_there_is_no_new_clip_is_said(kso: Any, reef_project: Path) -> None:
    kso("movies", "--project", reef_project)
    code, text, _ = kso("clips", "--project", reef_project, "--length", "60")
    assert code == 0
    assert text.startswith("0 new clips from 0 movies. Earlier clips take every place, or")


def test_clips_are_modified_as_asked(kso: Any, reef_project: Path) -> None:
    kso("movies", "--project", reef_project)
    asked = ["--modify", "denoise:strength=5", "--modify", "scale:height=90", "--max-mb", "0.02"]
    code, text, said = kso("clips", "--project", reef_project, "--per-movie", "1", *asked, "--json")
    assert code == 0, said
    steps = [{"denoise": {"strength": 5, "thorough": False}}, {"scale": {"height": 90}}]
    for clip in json.loads(text):
        assert clip["modification"]["steps"][:2] == steps
        assert clip["size_bytes"] <= 20_000


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--modify", "sharpen"], "There is no modification 'sharpen' of clips. Choose from curves, adjust"),
        (["--modify", "scale:height=7"], "cannot have the height 7. Give a whole even number from 16 to 4320."),
        (["--by-detections"], "Make one with: kso detect"),
        (["--by-detections", "7"], "no detection run 7"),
    ],
)
def test_clips_that_cannot_be_cut_so_say_why(kso: Any, reef_project: Path, argv: list[str], says: str) -> None:
    kso("movies", "--project", reef_project)
    code, text, said = kso("clips", "--project", reef_project, *argv)
    assert (code, text) == (1, "")
    assert says in said


def test_the_steps_after_people_on_a_finished_project(kso: Any, fixture_project: Path) -> None:
    def row(*command: object) -> Any:
        code, text, said = kso(*command, "--project", fixture_project, "--json")
        assert code == 0, said
        return json.loads(text)

    for kind in ("clip", "frame"):
        run = row("aggregate", kind)["run_id"]
        again = row("aggregate", kind)
        assert (again["run_id"], again["reused"]) == (run, True)
        assert row("aggregate", kind, "--repeat", run)["same_votes"]
    assert row("frames") == []
    assert {"folder", "classes", "report"} <= set(row("dataset"))
    assert {"map50", "threshold", "per_class"} <= set(row("evaluate"))
    assert {movie["state"] for movie in row("detect", "--stride", "100", "--conf", "0.001")} == {"done"}
    assert {"filename", "label", "max_n"} <= set(row("counts")[0])
    runs = row("info")["model_runs"]
    assert row("train", "--epochs", "1", "--imgsz", "32")["run_id"]
    assert row("info")["model_runs"] == runs + 1
    assert kso("counts", "--project", fixture_project, "--run", "99999")[0] == 1
    assert kso("aggregate", "clip", "--project", fixture_project)[1].startswith("Run ")


def test_a_finished_project_is_not_made_over_files(kso: Any, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("")
    code, _, said = kso("demo", "--fixture", tmp_path)
    assert code == 1
    assert "not empty" in said


def test_stopping_is_told_and_keeps_what_was_done(
    kso: Any, reef_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Project, "open", stop)
    code, text, said = kso("info", "--project", reef_project, "--json")
    assert code == 130
    assert "Stopped." in said
    assert json.loads(text)["error"] == "KeyboardInterrupt"


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
def test_the_sandbox_runs_until_it_is_stopped(tmp_path: Path, reef_project: Path) -> None:
    with Project.open(reef_project) as project:
        steps.fill_store(project)
    (tmp_path / "users").write_text("Asa:s3cret\n", encoding="utf-8")
    options = ["--users", "users", "--latency", "0.01", "--throttle", "--rehearse", str(reef_project)]
    command = [*KSO, "sandbox", "--port", "0", "--state", "state.db", "--json", *options]
    with subprocess.Popen(
        command, cwd=tmp_path, env=ENVIRONMENT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        found = re.search(r"http://127.0.0.1:\d+", process.stderr.readline())
        assert found
        assert "in a browser" in process.stderr.readline()
        assert "Log in as Asa" in process.stderr.readline()
        assert "which its project.toml now says" in process.stderr.readline()
        with connect("Asa", "s3cret", found[0]) as session:
            assert session.me()["login"] == "Asa"
        time.sleep(0.3)  # it says so just before it begins to wait
        process.send_signal(signal.SIGINT)
        text, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert json.loads(text) == {"state": "state.db"}
    assert (tmp_path / "state.db").exists()
    assert Project.open(reef_project).settings.zooniverse.endpoint == found[0]


def test_a_sandbox_that_has_nothing_to_rehearse_does_not_say_that_it_runs(kso: Any, tmp_path: Path) -> None:
    code, _, said = kso("sandbox", "--port", "0", "--state", tmp_path / "s.db", "--rehearse", tmp_path / "nowhere")
    assert code == 1
    assert said.startswith("kso: There is no project at ")


@pytest.mark.skipif(os.name == "nt", reason="pipes are POSIX")
def test_a_reader_that_leaves_early_gets_no_traceback(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*KSO, "init", "fjord"], cwd=tmp_path, env=ENVIRONMENT, stdout=write, stderr=subprocess.PIPE, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")


def test_species_are_matched_and_written_and_what_cannot_be_published_is_listed(kso: Any, tmp_path: Path) -> None:
    from kso_utils.project.settings import TaxonomySettings
    from kso_utils.testing.worms import COD as RECORD
    from kso_utils.testing.worms import serve_worms

    names = {"Cod": "Gadus morhua", "Cot": "Gadus morha", **{f"Snake {n}": f"Serpens {n}us" for n in "abcde"}}
    with Project.create(tmp_path / "reef") as project, serve_worms([RECORD]) as register:
        project.change_settings(taxonomy=TaxonomySettings(register.url))
        rows = {"vernacularName": list(names), "zoo_label": list(names), "scientificName": list(names.values())}
        project.store.upsert("species", pd.DataFrame(rows), "vernacularName")
        code, text, _ = kso("taxa", "--project", project.folder)
    assert code == 0
    assert "Cannot be published (6 of 7 species):" in text
    assert "  Cot (Gadus morha): WoRMS has no such name, but similar ones." in text
    assert "All of them: --verbose." in text
    code, text, _ = kso("taxa", "--project", project.folder, "--offline", "--write", "--verbose")
    assert code == 0
    assert text.count("TAXON_MATCH_NONE") == 5
    assert "species: 0 new, 1 changed, 6 as before" in text
    code, text, _ = kso("taxa", "--project", project.folder, "--offline", "--json")
    assert json.loads(text)["matches"][0]["scientificNameID"] == "urn:lsid:marinespecies.org:taxname:126436"


@pytest.fixture
def audited(kso: Any, reef_project: Path) -> Iterator[Any]:
    """Return what runs a command on a project whose two clips are in a set and a workflow of a sandbox."""
    with local.serve() as sandbox:
        number, workflows = sandbox.add_project("demo/reef", "Reef", {"clip": local.survey_task(["Atlantic cod"])})
        with Project.open(reef_project) as project:
            project.change_settings(zooniverse=ZooniverseSettings(number, sandbox.url))

        def run(*command: object) -> tuple[int, str, str]:
            return kso(*command, "--project", reef_project)  # type: ignore[no-any-return]

        run("movies")
        run("clips", "--per-movie", "1")
        run("upload", "clip", "--set", "First")
        yield run, sandbox, workflows["clip"]


def test_a_set_is_audited_and_repaired(audited: Any) -> None:
    kso, sandbox, _ = audited
    assert kso("audit", "--media")[0] == 0
    lost, _ = sandbox.state.find("subjects")
    (set_id,) = sandbox.state.find("subject_sets")
    sandbox.state.unlink_subjects(set_id, [lost])
    code, text, _ = kso("audit", "First")
    assert code == 1
    assert f"ERROR MISSING [subjects] Subject {lost} (" in text
    told = rf"link subject {lost} \(\S+\.mp4\) to set {set_id}\. It is not in the set\.$"
    code, text, _ = kso("audit", "First", "--repair", "--dry-run")
    assert code == 1
    assert re.search(f"\n  planned: {told}", text)
    assert kso("audit", "First")[0] == 1
    code, text, _ = kso("audit", "First", "--repair")
    assert code == 0
    assert re.search(f"\n  done: {told}", text)
    (one,) = json.loads(kso("audit", "First", "--json")[1])
    assert (one["subject_set"], one["acts"]) == ("First", None)
    assert [finding["severity"] for finding in one["report"]] == ["info"]


def test_a_repair_that_fails_in_part_says_so(audited: Any) -> None:
    kso, sandbox, _ = audited
    sandbox.state.unlink_subjects(sandbox.state.find("subject_sets")[0], sandbox.state.find("subjects"))
    sandbox.faults.append(local.Fault("POST .*/links/subjects", 422, 10))
    code, _, said = kso("audit", "--repair")
    assert code == 1
    assert said.startswith("kso: 2 acts failed. POST ")


def test_without_uploads_there_is_nothing_to_audit(kso: Any, reef_project: Path) -> None:
    with local.serve() as sandbox:
        number, _ = sandbox.add_project("demo/reef", "Reef", {})
        with Project.open(reef_project) as project:
            project.change_settings(zooniverse=ZooniverseSettings(number, sandbox.url))
        answer = kso("audit", "--project", reef_project)
    assert answer[:2] == (0, "Nothing was uploaded from this project yet.\n")


def test_a_set_is_linked_and_its_subjects_are_retired(audited: Any, tmp_path: Path) -> None:
    kso, sandbox, workflow = audited
    subjects = sandbox.state.find("subjects")
    listed = tmp_path / "ids.csv"
    listed.write_text(f"subject_id\n{subjects[0]}\n")

    def count() -> int:
        return int(sandbox.state.rows("SELECT COUNT(retired_at) FROM statuses")[0][0])

    assert kso("retire", workflow, "--ids", *subjects)[0] == 1
    assert kso("link", "First", workflow, "--dry-run")[1] == f"Workflow {workflow} (clip) would show the set.\n"
    assert kso("link", "First", workflow)[1] == f"Workflow {workflow} (clip) shows the set.\n"
    assert kso("link", "First", workflow)[1] == f"Workflow {workflow} (clip) shows the set already.\n"
    told = f"1 subject would be retired from workflow {workflow}.\n"
    assert kso("retire", workflow, "--file", listed, "--dry-run")[1] == told
    assert count() == 0
    assert kso("retire", workflow, "--file", listed, "--reason", "flagged")[0] == 0
    assert count() == 1
    assert kso("retire", workflow, "--set", "First")[1] == f"2 subjects retired from workflow {workflow}.\n"
    assert count() == 2
    assert kso("retire", workflow, "--ids", *subjects, "--undo")[0] == 0
    assert count() == 0
    assert kso("link", "First", workflow, "--undo")[1] == f"Workflow {workflow} (clip) shows the set no more.\n"
    assert kso("link", "First", workflow, "--undo")[1] == f"Workflow {workflow} (clip) does not show the set.\n"


@pytest.mark.parametrize("subjects", [[], ["--ids", "1", "--set", "First"]])
def test_subjects_to_retire_are_said_in_one_way(kso: Any, reef_project: Path, subjects: list[str]) -> None:
    code, _, said = kso("retire", "1", *subjects, "--project", reef_project)
    assert (code, said) == (1, "kso: Say which subjects: --ids ID ..., --file FILE, or --set NAME.\n")
