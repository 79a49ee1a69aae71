"""Projects are made once, opened by folder or name, and never overwritten."""

from pathlib import Path

import pytest

from kso_utils.core.errors import ConfigError, NotFound
from kso_utils.project.opening import STORE_NAME, Project
from kso_utils.project.settings import ArchiveSettings, ZooniverseSettings, load_settings

HEADER = "Project_name,Zooniverse_number,db_path,csv_folder,movie_folder\n"


def test_a_new_project_holds_tables_a_store_and_a_place_for_footage(tmp_path: Path) -> None:
    with Project.create(tmp_path / "fjord") as project:
        names = {path.name for path in project.folder.iterdir()}
        assert project.settings.name == "fjord"
        assert project.store.read("movies").empty
    assert names >= {"project.toml", "sites.csv", "movies.csv", "species.csv", "movies", STORE_NAME}


def test_files_that_are_there_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "sites.csv").write_text("siteName\nOurs\n")
    Project.create(tmp_path).close()
    assert (tmp_path / "sites.csv").read_text() == "siteName\nOurs\n"


def test_a_project_is_not_made_twice(tmp_path: Path) -> None:
    Project.create(tmp_path, "First").close()
    with pytest.raises(ConfigError, match="is a project already"):
        Project.create(tmp_path, "Second")
    assert load_settings(tmp_path / "project.toml").name == "First"


def test_a_project_is_not_made_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "fjord").write_text("")
    with pytest.raises(ConfigError, match="is a file"):
        Project.create(tmp_path / "fjord")


def test_a_folder_without_a_project_says_how_to_make_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotFound, match="kso init"):
        Project.open(tmp_path / "missing")
    assert list(tmp_path.iterdir()) == []


def test_a_listed_project_is_opened_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "projects_list.csv").write_text(f"{HEADER}Deep Fjord,42,stores/fjord.db,tables,video\n")
    (tmp_path / "stores").mkdir()
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    with Project.open("Deep Fjord") as project:
        assert project.folder == tmp_path / "tables"
        assert project.archive.url == str(tmp_path / "video")
        assert project.settings.zooniverse.project_id == 42
        assert project.store.path == tmp_path / "stores" / "fjord.db"


def test_the_project_file_of_a_listed_project_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Project.create(tmp_path / "tables", "Settled").close()
    (tmp_path / "projects_list.csv").write_text(f"{HEADER}Fjord,42,,tables,\n")
    monkeypatch.chdir(tmp_path)
    assert Project.open("Fjord").settings.name == "Settled"


def test_an_unknown_name_lists_the_known_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "projects_list.csv").write_text(f"{HEADER}Fjord,1,,,\nReef,2,,,\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotFound, match="Fjord, Reef"):
        Project.open("Lake")


def test_changed_settings_are_kept(tmp_path: Path) -> None:
    with Project.create(tmp_path) as project:
        project.change_settings(zooniverse=ZooniverseSettings(project_id=7))
    assert Project.open(tmp_path).settings.zooniverse.project_id == 7


def test_footage_in_an_unknown_kind_of_place_is_refused(tmp_path: Path) -> None:
    with Project.create(tmp_path) as project:
        project.change_settings(archive=ArchiveSettings("gopher://bucket/movies"))
        with pytest.raises(ConfigError, match="gopher"):
            _ = project.archive


def test_a_closed_project_opens_its_store_again(tmp_path: Path) -> None:
    project = Project.create(tmp_path)
    first = project.store
    project.close()
    with project:
        assert project.store is not first
        assert project.store.read("sites").empty
