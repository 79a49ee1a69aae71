"""A project whose store a PostgreSQL server keeps."""

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from kso_utils.cli import main
from kso_utils.core.errors import ConfigError
from kso_utils.metadata import edits
from kso_utils.metadata.changes import Change
from kso_utils.project import steps
from kso_utils.project.inspection import diagnose
from kso_utils.project.listing import load_list
from kso_utils.project.opening import Project
from kso_utils.project.settings import load_settings
from tests.store.databases import VARIABLE, WITHOUT_SERVER, Server


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A database of the test's own."""
    server = Server()
    made = server.new(tmp_path)
    yield str(made)
    server.drop(made)
    server.close()


def make_project(folder: Path, store: str) -> Path:
    folder.mkdir()
    (folder / "project.toml").write_text(f'name = "fjord"\nstore = "{store}"\n')
    (folder / "sites.csv").write_text("siteName,countryCode,habitat\nInner,SE,kelp\nOuter,NO,\n")
    return folder


@pytest.mark.skipif(VARIABLE not in os.environ, reason=WITHOUT_SERVER)
def test_a_project_on_a_server_goes_all_the_way(tmp_path: Path, address: str, capsys: Any) -> None:
    folder = make_project(tmp_path / "fjord", address)

    def kso(*argv: str) -> tuple[int, str]:
        capsys.readouterr()
        code = main([*argv, "--project", str(folder)])
        return code, "".join(capsys.readouterr())

    assert kso("movies")[0] == 0
    assert kso("edit", "sites", "Outer", "habitat", "sand")[0] == 0
    assert "Outer,NO,sand" in (folder / "sites.csv").read_text()
    assert kso("undo")[0] == 0
    assert "sand" not in (folder / "sites.csv").read_text()
    assert json.loads(kso("info", "--json")[1])["sites"] == 2
    code, said = kso("backup")
    assert code != 0 and "pg_dump" in said
    (folder / "copy.db").touch()
    code, said = kso("restore", "copy.db")
    assert code != 0 and "pg_restore" in said
    with Project.open(folder) as project:
        assert diagnose(project).codes().keys() <= {"EXTRA_MISSING", "DISK_NEARLY_FULL"}
    assert not (folder / "kso.db").exists()


@pytest.mark.skipif(VARIABLE not in os.environ, reason=WITHOUT_SERVER)
def test_edits_at_once_on_a_server_are_all_kept(tmp_path: Path, address: str) -> None:
    folder = make_project(tmp_path / "fjord", address)
    with Project.open(folder) as project:
        steps.fill_store(project)
        wanted = {"habitat": "mud", "countryCode": "DK"}
        changes = [Change("sites", row, *cell) for row in ("Inner", "Outer") for cell in wanted.items()]
        with ThreadPoolExecutor(4) as pool:
            made = list(pool.map(lambda change: edits.apply(project.store, project.tables, [change]), changes))
        assert len({edit.edit_id for edit in made}) == 4
        assert project.store.read("sites")["habitat"].tolist() == ["mud", "mud"]
    text = (folder / "sites.csv").read_text()
    assert [line.split(",")[:3] for line in text.splitlines()[1:]] == [["Inner", "DK", "mud"], ["Outer", "DK", "mud"]]
    Project.open(folder).close()


@pytest.mark.parametrize(
    "url", ["postgresql://u:secret@host/db", "postgresql://host/db?password=secret", "post gres://u:secret@h"]
)
def test_a_password_in_the_settings_is_refused_and_not_shown(tmp_path: Path, url: str) -> None:
    (tmp_path / "project.toml").write_text(f'name = "fjord"\nstore = "{url}"\n')
    with pytest.raises(ConfigError, match="store is wrong") as error:
        load_settings(tmp_path / "project.toml")
    assert "secret" not in str(error.value)


def test_the_store_can_be_another_file(tmp_path: Path) -> None:
    folder = make_project(tmp_path / "fjord", "data.db")
    with Project.open(folder) as project:
        assert project.store.path == folder / "data.db"


def test_a_list_of_projects_may_name_a_database(tmp_path: Path) -> None:
    listed = tmp_path / "projects_list.csv"
    listed.write_text("Project_name,db_path\nfjord,postgresql://lab@host/fjord\n")
    assert load_list(listed)["fjord"].store == "postgresql://lab@host/fjord"
    listed.write_text("Project_name,db_path\nfjord,postgresql://lab:secret@host/fjord\n")
    with pytest.raises(ConfigError, match="line 2: db_path is wrong"):
        load_list(listed)


def test_a_missing_store_is_told_and_not_made(tmp_path: Path) -> None:
    folder = make_project(tmp_path / "fjord", "data.db")
    with Project.open(folder) as project:
        assert "STORE_MISSING" in diagnose(project).codes()
    assert not (folder / "data.db").exists()
