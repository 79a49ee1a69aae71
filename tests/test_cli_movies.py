"""The commands that make movies of movies: what they say, what they leave, and their exit codes."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from kso_utils.cli import main
from kso_utils.media.encoding import write_movie
from kso_utils.media.movie import probe
from kso_utils.media.safety import run_ffmpeg
from kso_utils.project.opening import Project


@pytest.fixture
def kso(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command in this process; returns its exit code, what it printed, and what it said beside."""

    def run(*argv: object) -> tuple[int, str, str]:
        capsys.readouterr()
        return (main([str(arg) for arg in argv]), *capsys.readouterr())

    return run


@pytest.fixture
def fine(tmp_path: Path) -> Path:
    import numpy as np

    folder = tmp_path / "card"
    folder.mkdir()
    pictures = [np.full((48, 64, 3), 20 * number, np.uint8) for number in range(10)]
    write_movie(folder / "fine.mp4", pictures, 25)
    return folder / "fine.mp4"


@pytest.fixture
def wrapped(fine: Path) -> Path:
    """The same movie in another container."""
    run_ffmpeg(fine, fine.with_name("reef 1.mkv"), output_options={"c": "copy", "f": "matroska"})
    return fine.with_name("reef 1.mkv")


@pytest.fixture
def chapters(fine: Path) -> list[Path]:
    folder = fine.with_name("100GOPRO")
    folder.mkdir()
    paths = [folder / f"GX0{number}0042.MP4" for number in (1, 2)]
    for path in paths:
        path.write_bytes(fine.read_bytes())
    return paths


def test_standardise_tells_what_became_of_each_file(kso: Any, fine: Path, wrapped: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_text("no movie")
    code, text, said = kso("movies", "standardise", wrapped, fine, tmp_path / "bad.mp4", "--out", tmp_path / "out")
    assert code == 1
    assert text.splitlines()[:2] == [
        f"{wrapped}: remuxed, {tmp_path / 'out' / 'reef_1.mp4'} (container matroska, not mp4)",
        f"{fine}: standard already",
    ]
    assert text.splitlines()[2].startswith(f"{tmp_path / 'bad.mp4'} is not a movie")
    assert text.splitlines()[2].count("bad.mp4") == 1
    assert said == "kso: 1 of 3 movies failed.\n"
    assert os.listdir(tmp_path / "out") == ["reef_1.mp4"]


def test_standardise_as_json(kso: Any, wrapped: Path, tmp_path: Path) -> None:
    code, text, _ = kso("movies", "standardise", wrapped, "--out", tmp_path / "out", "--json")
    (row,) = json.loads(text)
    assert code == 0
    assert (row["state"], row["error"], len(row["sha256"])) == ("remuxed", None, 64)


def test_one_missing_file_does_not_stop_the_others(kso: Any, wrapped: Path, tmp_path: Path) -> None:
    code, text, _ = kso("movies", "preview", tmp_path / "none.mp4", wrapped, "--out", tmp_path / "out")
    assert code == 1
    assert "There is no movie" in text.splitlines()[0]
    assert text.splitlines()[1] == f"{wrapped}: made, {tmp_path / 'out' / 'reef_1_preview.mp4'}"


def test_preview_takes_a_height(kso: Any, fine: Path, tmp_path: Path) -> None:
    assert kso("movies", "preview", fine, "--out", tmp_path, "--height", "24")[0] == 0
    assert probe(tmp_path / "fine_preview.mp4").height == 24
    assert kso("movies", "preview", fine, "--out", tmp_path, "--height", "25")[0] == 1


def test_join_reads_folders_by_the_names_of_gopro(kso: Any, fine: Path, chapters: list[Path], tmp_path: Path) -> None:
    code, text, _ = kso("movies", "join", fine.parent, "--out", tmp_path / "out")
    whole = tmp_path / "out" / "GX010042_joined.mp4"
    assert code == 0
    assert text.splitlines() == [
        f"{chapters[0]}; {chapters[1]}: joined, {whole}",
        f"{fine}: one file, nothing to join",
    ]
    assert probe(whole).frames == 20


def test_join_takes_files_of_another_camera_in_their_order(kso: Any, fine: Path, tmp_path: Path) -> None:
    other = fine.with_name("another.mp4")
    other.write_bytes(fine.read_bytes())
    code, text, _ = kso("movies", "join", fine, other, "--out", tmp_path / "out")
    assert (code, text) == (0, f"{fine}; {other}: joined, {tmp_path / 'out' / 'fine_joined.mp4'}\n")


def test_join_refuses_a_gap_unless_allowed(kso: Any, chapters: list[Path], tmp_path: Path) -> None:
    later = chapters[1].rename(chapters[1].with_name("GX030042.MP4"))
    code, text, said = kso("movies", "join", chapters[0], later, "--out", tmp_path / "out")
    assert code == 1
    assert "1 of its chapters between GX010042.MP4 and GX030042.MP4" in text
    assert said == "kso: 1 of 1 recording failed.\n"
    code, text, _ = kso("movies", "join", chapters[0], later, "--out", tmp_path / "out", "--allow-gaps")
    assert code == 0
    assert "(1 of its chapters between" in text


def test_join_needs_movies(kso: Any, tmp_path: Path) -> None:
    code, _, said = kso("movies", "join", tmp_path, "--out", tmp_path)
    assert code == 1
    assert said.startswith(f"kso: There is no movie in {tmp_path}.")


def test_without_files_the_movies_of_the_project_are_taken(kso: Any, reef_project: Path, tmp_path: Path) -> None:
    assert kso("movies", "--project", reef_project)[0] == 0
    code, text, _ = kso("movies", "standardise", "--project", reef_project, "--out", tmp_path / "out")
    assert code == 0
    assert [line.rpartition(": ")[2] for line in text.splitlines()] == ["standard already"] * 2


def test_join_takes_the_recordings_of_the_project(kso: Any, chapters: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "bay"
    Project.create(folder)
    code, _, said = kso("movies", "join", "--project", folder, "--out", tmp_path / "out")
    assert (code, "There is no recording in several chapters" in said) == (1, True)
    there = [chapter.rename(folder / "movies" / chapter.name) for chapter in chapters]
    code, text, _ = kso("movies", "join", "--project", folder, "--out", tmp_path / "out")
    whole = tmp_path / "out" / "GX010042_joined.mp4"
    assert (code, text) == (0, f"{there[0]}; {there[1]}: joined, {whole}\n")


def test_without_files_and_project_it_is_said(kso: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, said = kso("movies", "preview", "--out", tmp_path / "out")
    assert code == 1
    assert "There is no project" in said


def test_a_name_that_no_encoding_has_is_printed(kso: Any, fine: Path, tmp_path: Path) -> None:
    strange = fine.rename(fine.with_name("caf\udce9.mp4"))
    for more in ([], ["--json"]):
        code, text, _ = kso("movies", "standardise", strange, "--out", tmp_path / "out", *more)
        assert code == 0
        assert "caf\\udce9.mp4" in text
