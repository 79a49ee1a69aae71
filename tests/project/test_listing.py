"""`projects_list.csv` of KSO, read into settings."""

from pathlib import Path

import pytest

from kso_utils.core.errors import ConfigError
from kso_utils.project.listing import find_list, load_list

HEADER = "Project_name,Zooniverse_number,db_path,server,bucket,key,csv_folder,movie_folder,photo_folder,ml_folder\n"


def write(folder: Path, *rows: str, header: str = HEADER) -> Path:
    file = folder / "projects_list.csv"
    file.write_text(header + "".join(f"{r}\n" for r in rows), encoding="utf-8")
    return file


def test_paths_are_relative_to_the_list(tmp_path: Path) -> None:
    file = write(tmp_path, "Fjord,42,fjord/kso.db,LOCAL,None,None,fjord,fjord/video,None,None")
    project = load_list(file)["Fjord"]
    assert project.folder == tmp_path / "fjord"
    assert project.store == tmp_path / "fjord" / "kso.db"
    assert project.settings.archive.url == str(tmp_path / "fjord" / "video")
    assert project.settings.zooniverse.project_id == 42


def test_none_means_empty(tmp_path: Path) -> None:
    project = load_list(write(tmp_path, "Fjord,None,None,LOCAL,None,None,None,None,None,None"))["Fjord"]
    assert (project.folder, project.store) == (tmp_path / "Fjord", None)
    assert project.settings.zooniverse.project_id == 0


def test_a_bucket_becomes_an_archive(tmp_path: Path) -> None:
    project = load_list(write(tmp_path, "Fjord,1,None,AWS,marine,raw/video,f,None,None,None"))["Fjord"]
    assert project.settings.archive.url == "s3://marine/raw/video"


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (["Fjord,x,,,,,,,,"], "line 2: Zooniverse_number is 'x'"),
        (["Fjord,1,,,,,,,,", "Fjord,2,,,,,,,,"], "line 3: the project name 'Fjord'"),
        ([",1,,,,,,,,"], "empty or occurs twice"),
        (["Fjord,²,,,,,,,,"], "line 2: Zooniverse_number is '²'"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, rows: list[str], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        load_list(write(tmp_path, *rows))


def test_another_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no column Project_name"):
        load_list(write(tmp_path, "1,2", header="a,b\n"))


def test_the_nearest_list_is_found(tmp_path: Path) -> None:
    outer = write(tmp_path)
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert find_list(inner) == outer
    nearer = write(tmp_path / "a")
    assert find_list(inner) == nearer


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path)
    file.write_bytes(HEADER.encode() + "Fjörd,1\n".encode("latin-1"))
    with pytest.raises(ConfigError, match="UTF-8"):
        load_list(file)
