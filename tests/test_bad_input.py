"""Bad input to whole commands: one clear sentence, exit code 1, no traceback, and a store that is as it was."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kso_utils.core.paths import sha256_file
from kso_utils.media.encoding import write_movie
from kso_utils.project import steps
from kso_utils.project.opening import Project
from kso_utils.project.settings import WorkflowSettings, ZooniverseSettings
from kso_utils.testing.subject_files import clip_bytes
from kso_utils.zooniverse import sandbox as local

ROOT = Path(__file__).resolve().parent.parent
KSO = [sys.executable, "-m", "kso_utils.cli"]
FULL_AFTER = """
import resource, sys
from kso_utils.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
sys.exit(main(sys.argv[2:]))
"""


def environment(password: str = "demo") -> dict[str, str]:  # noqa: S107
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PANOPTES_USERNAME": "demo",
        "PANOPTES_PASSWORD": password,
    }


def refused(folder: Path, *command: str, before: list[str] = KSO, password: str = "demo") -> str:  # noqa: S107
    """Run a command that must fail as it should; return what it says."""
    rows = dump(folder)
    done = subprocess.run(
        [*before, *command], capture_output=True, text=True, cwd=folder, env=environment(password), check=False
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    assert done.returncode == 1, (done.stdout, done.stderr)
    sentences = [line for line in done.stderr.splitlines() if line.startswith("kso: ")]
    assert len(sentences) == 1, done.stderr
    assert dump(folder) == rows
    return done.stderr


def dump(folder: Path) -> list[str]:
    """Every row of the project's store, as SQL; nothing where there is no store."""
    if not (folder / "kso.db").exists():
        return []
    with sqlite3.connect(folder / "kso.db") as connection:
        return list(connection.iterdump())


def encode(path: Path, frames: int = 12, seed: int = 0) -> None:
    """Write a tiny movie."""
    rng = np.random.default_rng(seed)
    write_movie(path, rng.integers(0, 255, (frames, 64, 64, 3), dtype=np.uint8), Fraction(10))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project of one tiny movie whose store is filled."""
    place = tmp_path / "project"
    with Project.create(place) as project:
        encode(place / "movies" / "a.mp4")
        (place / "sites.csv").write_text("siteName,decimalLatitude,decimalLongitude\nReef,58.1,11.2\n")
        (place / "movies.csv").write_text("filename,siteName,created_on\na.mp4,Reef,2024-05-01\n")
        (place / "species.csv").write_text("commonName,scientificName,taxonRank\nCod,Gadus morhua,species\n")
        steps.fill_store(project)
    return place


@pytest.fixture
def server() -> Iterator[local.Sandbox]:
    with local.serve(latency_s=0.005) as running:
        yield running


def join(folder: Path, server: local.Sandbox, clips: int) -> None:
    """Join a project with a sandbox, and give it clips to upload (small ones)."""
    number, workflows = server.add_project("demo/reef", "Reef", {"clip": local.survey_task(["Cod"])})
    with Project.open(folder) as project:
        project.change_settings(
            zooniverse=ZooniverseSettings(number, server.url, [WorkflowSettings(workflows["clip"], "clip")])
        )
    (folder / "clips").mkdir()
    rows = []
    for n in range(clips):
        (folder / "clips" / f"{n}.mp4").write_bytes(clip_bytes(n))
        start = n / 1000
        rows.append([1, start, start + 0.001, f"clips/{n}.mp4", sha256_file(folder / "clips" / f"{n}.mp4")])
    columns = ["movie_id", "clip_start_time", "clip_end_time", "path", "sha256"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "clips" / "clips.csv", index=False)


@pytest.mark.parametrize("command", ["check", "movies", "clips", "info", "doctor"])
def test_a_missing_folder(tmp_path: Path, command: str) -> None:
    assert "There is no project at" in refused(tmp_path, command, "--project", "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_a_missing_folder_of_tables_or_footage(folder: Path) -> None:
    assert "no folder" in refused(folder, "check", "nowhere", "--settings", "project.toml")
    assert "no folder" in refused(folder, "demo", "--footage", "nowhere", "--out", "out")


def test_an_empty_table(folder: Path) -> None:
    (folder / "movies.csv").write_bytes(b"")
    assert "movies.csv" in refused(folder, "movies")


def test_a_table_with_wrong_columns(folder: Path) -> None:
    (folder / "movies.csv").write_text("a,b\n1,2\n")
    said = refused(folder, "movies")
    assert "movies.csv has no known column" in said
    assert "filename" in said


def test_a_text_file_that_calls_itself_a_movie(folder: Path) -> None:
    (folder / "movies" / "a.mp4").write_text("I am no movie.\n" * 100)
    assert "a.mp4" in refused(folder, "movies")
    assert "a.mp4 is not a movie" in refused(folder, "clips", "--length", "0.5")


def test_a_truncated_movie(folder: Path) -> None:
    movie = folder / "movies" / "a.mp4"
    movie.write_bytes(movie.read_bytes()[: movie.stat().st_size * 2 // 3])
    assert "a.mp4" in refused(folder, "movies")
    assert "a.mp4" in refused(folder, "clips", "--length", "0.5")


def test_a_wrong_password(folder: Path, server: local.Sandbox) -> None:
    join(folder, server, 1)
    for command in (["upload", "clip"], ["pull"]):
        assert "does not accept this login" in refused(folder, *command, password="wrong")
    assert server.state.find("subjects") == []


def test_no_password_and_nobody_to_ask(folder: Path, server: local.Sandbox) -> None:
    join(folder, server, 1)
    assert "PANOPTES_PASSWORD" in refused(folder, "upload", "clip", password="")


def test_a_stopped_sandbox(folder: Path, server: local.Sandbox) -> None:
    join(folder, server, 1)
    server.close()
    for command in (["upload", "clip"], ["pull"]):
        assert "a sandbox must be running" in refused(folder, *command)


@pytest.mark.skipif(sys.platform == "win32", reason="limits of file sizes are POSIX")
def test_a_full_disk_when_the_store_is_written(folder: Path) -> None:
    (folder / "species.csv").write_text(
        "commonName,scientificName,taxonRank\n" + "".join(f"Fish {n},Piscis {n},species\n" for n in range(500))
    )
    said = refused(folder, "movies", before=[sys.executable, "-c", FULL_AFTER, "8192"])
    assert "disk is full" in said


@pytest.mark.skipif(sys.platform == "win32", reason="limits of file sizes are POSIX")
def test_a_full_disk_when_clips_are_cut(folder: Path) -> None:
    refused(folder, "clips", "--length", "0.5", before=[sys.executable, "-c", FULL_AFTER, "1024"])
    assert list((folder / "clips").glob("*.mp4")) == []


def test_an_error_is_json_for_machines(tmp_path: Path) -> None:
    done = subprocess.run(
        [*KSO, "info", "--json"], capture_output=True, text=True, cwd=tmp_path, env=environment(), check=False
    )
    assert json.loads(done.stdout)["error"] == "NotFound"


def kill_at_random(
    folder: Path, prepare: Callable[[int], list[str]], check: Callable[[int], None], kills: int, seed: int
) -> None:
    """Kill a command at random moments, and run it again to its end each time.

    `prepare` sets the stage for a round and returns its command; `check` looks at what the round has left.
    """
    rng, hit = random.Random(seed), 0  # noqa: S311
    start = time.monotonic()
    run(folder, prepare(0))
    duration = time.monotonic() - start
    check(0)
    for number in range(1, kills + 1):
        command = prepare(number)
        process = subprocess.Popen(
            [*KSO, *command], cwd=folder, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(rng.uniform(0.4, 1.0) * duration)
        process.kill()
        hit += process.wait() == -signal.SIGKILL
        run(folder, command)
        check(number)
    assert hit


def run(folder: Path, command: list[str]) -> None:
    done = subprocess.run([*KSO, *command], capture_output=True, text=True, cwd=folder, env=environment(), check=False)
    assert done.returncode == 0, done.stderr


KILLS = [pytest.param(3, id="short"), pytest.param(20, id="full", marks=pytest.mark.soak)]


@pytest.mark.parametrize("kills", KILLS)
def test_filling_the_store_survives_kills(folder: Path, kills: int) -> None:
    def prepare(number: int) -> list[str]:
        rows = "".join(f"Fish {n},Piscis {n} v{number},species\n" for n in range(2000))
        (folder / "species.csv").write_text("commonName,scientificName,taxonRank\n" + rows)
        return ["movies"]

    def check(number: int) -> None:
        with Project.open(folder) as project:
            assert project.store.check().ok
            names = project.store.read("species", where={"taxonRank": "species"})["scientificName"]
        assert names.str.endswith(f" v{number}").sum() == 2000
        assert len(names) == 2000

    kill_at_random(folder, prepare, check, kills, seed=1)


@pytest.mark.parametrize("kills", KILLS)
def test_an_upload_survives_kills(folder: Path, server: local.Sandbox, kills: int) -> None:
    join(folder, server, 60)

    def check(number: int) -> None:
        with Project.open(folder) as project:
            stored, journal = project.store.read("subjects"), project.store.read("upload_journal")
        assert journal["state"].eq("verified").all()
        assert len(stored) == len(journal) == 60 * (number + 1)
        assert sorted(stored["id"]) == sorted(server.state.find("subjects"))

    kill_at_random(folder, lambda number: ["upload", "clip", "--set", f"set {number}"], check, kills, seed=2)
