import pytest

pytest.importorskip("av")

from kso_utils.cli.terminal import main
from kso_utils.core.errors import ConfigError
from kso_utils.project import steps
from kso_utils.project.opening import Project


def movies_of(folder):
    return sorted((folder / "movies").rglob("*.mp4"))


def test_the_movies_of_a_project_are_checked(reef_project):
    with Project.open(reef_project) as project:
        assert steps.check_footage(project, deep=True).ok


def test_a_movie_of_the_table_that_is_not_there_is_found(reef_project):
    gone = movies_of(reef_project)[0]
    gone.unlink()
    with Project.open(reef_project) as project:
        report = steps.check_footage(project)
    assert [finding.code for finding in report if finding.severity == "error"] == ["MOVIE_NOT_FOUND"]


def test_tables_without_movies_have_nothing_to_check(tmp_path):
    with Project.create(tmp_path / "new") as project, pytest.raises(ConfigError, match="name no movie"):
        steps.check_footage(project)


def test_footage_that_cannot_be_looked_at_is_told_with_the_reason(reef_project):
    (reef_project / "movies").rename(reef_project / "elsewhere")
    with Project.open(reef_project) as project:
        (finding,) = [f for f in steps.check(project) if f.code == "FOOTAGE_NOT_LOOKED_AT"]
    assert "no folder" in finding.message


def test_a_store_that_is_filled_without_the_footage_says_so(reef_project, caplog):
    (reef_project / "movies").rename(reef_project / "elsewhere")
    with Project.open(reef_project) as project:
        steps.fill_store(project)
    assert "not looked at" in caplog.text
    assert "no folder" in caplog.text


def test_the_command_checks_files_and_folders(reef_project, tmp_path, capsys):
    good = movies_of(reef_project)[0]
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(good.read_bytes()[:3000])
    assert main(["movies", "check", str(reef_project / "movies")]) == 0
    assert main(["movies", "check", str(good), str(bad), "--csv", str(tmp_path / "found.csv")]) == 1
    assert "ERROR MOVIE_TRUNCATED" in capsys.readouterr().out
    assert "MOVIE_TRUNCATED" in (tmp_path / "found.csv").read_text()


def test_the_command_checks_the_movies_of_the_project(reef_project, capsys):
    assert main(["movies", "check", "--deep", "--project", str(reef_project)]) == 0
    assert "Check of 2 movies" in capsys.readouterr().out
