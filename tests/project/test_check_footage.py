import pandas as pd
import pytest

pytest.importorskip("av")

from kso_utils.cli.terminal import main
from kso_utils.core.errors import ConfigError, StoreError
from kso_utils.core.paths import sha256_file
from kso_utils.project import steps
from kso_utils.project.opening import Project
from kso_utils.project.settings import ArchiveSettings
from kso_utils.store.engine import Store
from kso_utils.testing.range_server import serve_ranges

# Behind a movie, nothing that a decoder would notice.
EMPTY_BOX = b"\0\0\0\x08free"


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


@pytest.fixture
def filled(reef_project):
    """A project whose store has its movies."""
    with Project.open(reef_project) as project:
        steps.fill_store(project)
    return reef_project


def sums(folder, **where):
    with Project.open(folder, "allow") as project:
        return dict(project.store.read("movies", ["filename", "sha256"], where).itertuples(index=False, name=None))


def forget(folder):
    """Empty the sha256 of the store, as of movies in a bucket that nobody read whole."""
    with Project.open(folder) as project:
        names = project.store.read("movies", ["filename"])
        project.store.upsert("movies", names.assign(sha256=None), "filename")


def deep(folder):
    with Project.open(folder, "allow") as project:
        return steps.check_footage(project, deep=True)


def test_the_command_finds_a_movie_that_is_not_the_one_registered(filled, capsys):
    command = ["movies", "check", "--deep", "--project", str(filled)]
    assert main(command) == 0
    assert "MOVIE_CHANGED" not in capsys.readouterr().out
    changed, before = movies_of(filled)[0], sums(filled)
    changed.write_bytes(changed.read_bytes() + EMPTY_BOX)
    assert main(["movies", "check", "--deep", str(changed)]) == 0
    assert main(command) == 1
    told = capsys.readouterr().out
    assert told.count("ERROR MOVIE_CHANGED") == 1
    assert before[changed.name] in told
    assert main(["movies", "--project", str(filled)]) == 1
    assert sums(filled) == before


def test_a_movie_that_was_replaced_on_purpose_is_taken_in_by_name(filled):
    changed = movies_of(filled)[0]
    changed.write_bytes(changed.read_bytes() + EMPTY_BOX)
    assert main(["movies", "--replaced", changed.name, "--project", str(filled)]) == 0
    assert sums(filled)[changed.name] == sha256_file(changed)
    assert deep(filled).codes() == {}


def test_a_shallow_check_reads_no_movie_whole(filled):
    forget(filled)
    with Project.open(filled) as project:
        assert steps.check_footage(project).codes() == {}
    assert set(sums(filled).values()) == {None}


def test_a_deep_check_registers_what_was_not_known(filled):
    before = sums(filled)
    forget(filled)
    assert deep(filled).codes() == {"MOVIE_REGISTERED": 2}
    assert sums(filled) == before
    assert deep(filled).codes() == {}


def test_a_damaged_movie_is_not_registered(filled):
    forget(filled)
    bad = movies_of(filled)[0]
    bad.write_bytes(bad.read_bytes()[:-3000])
    assert not deep(filled).ok
    assert list(sums(filled, sha256=None)) == [bad.name]


def test_a_deep_check_without_a_store_makes_none(reef_project):
    assert deep(reef_project).codes() == {}
    assert not (reef_project / "kso.db").exists()


def test_what_the_store_refuses_to_keep_is_told_with_the_findings(filled, monkeypatch):
    def refuse(*_):
        raise StoreError("The disk is full.")

    forget(filled)
    monkeypatch.setattr(Store, "upsert", refuse)
    (finding,) = deep(filled)
    assert (finding.code, finding.severity) == ("STORE_UNWRITTEN", "warning")
    assert "2 movies" in finding.message
    assert "The disk is full." in finding.message


def test_a_file_that_stands_in_for_a_movie_is_not_taken_for_it(filled):
    own = movies_of(filled)[0]
    (filled / "movies" / "small.mp4").write_bytes(movies_of(filled)[1].read_bytes())
    table = pd.read_csv(filled / "movies.csv")
    small = table["fpath"].mask(table["filename"].eq(own.name), "small.mp4")
    table.assign(fpath=small).to_csv(filled / "movies.csv", index=False)
    assert deep(filled).codes() == {}
    own.unlink()
    assert deep(filled).codes() == {"MOVIE_CHANGED": 1}


def test_a_movie_on_a_web_server_is_registered_compared_and_replaced(reef_project):
    with serve_ranges(reef_project / "movies") as server:
        with Project.open(reef_project) as project:
            project.change_settings(archive=ArchiveSettings(url=server.url))
            steps.fill_store(project)
        assert set(sums(reef_project).values()) == {None}
        assert deep(reef_project).codes() == {"MOVIE_REGISTERED": 2}
        changed = movies_of(reef_project)[0]
        changed.write_bytes(changed.read_bytes() + EMPTY_BOX)
        assert deep(reef_project).codes() == {"MOVIE_CHANGED": 1}
        assert main(["movies", "--replaced", changed.name, "--project", str(reef_project)]) == 0
        assert deep(reef_project).codes() == {"MOVIE_REGISTERED": 1}
        assert sums(reef_project)[changed.name] == sha256_file(changed)
