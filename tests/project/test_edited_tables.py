"""Projects whose tables are edited, changed by hand, or not written yet: opened, refused, and from a terminal."""

import json
from pathlib import Path
from typing import Any

import pytest

from kso_utils.cli import main
from kso_utils.core.errors import MetadataError, StoreError
from kso_utils.metadata import edits, table_files
from kso_utils.metadata.changes import Change
from kso_utils.project import steps
from kso_utils.project.opening import STORE_NAME, Project
from kso_utils.project.settings import Settings

SITES = "siteName,countryCode,habitat\nInner,SE,kelp\nOuter,NO,\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project of two sites that were taken in."""
    place = tmp_path / "fjord"
    place.mkdir()
    (place / "sites.csv").write_text(SITES)
    project = Project(place, Settings("fjord"))
    project.save_settings(project.settings)
    with project:
        steps.fill_store(project)
    return place


def change_by_hand(folder: Path) -> None:
    (folder / "sites.csv").write_text(SITES.replace("kelp", "mud"))


@pytest.fixture
def kso(capsys: pytest.CaptureFixture[str], folder: Path) -> Any:
    """Run a command on the project; returns its exit code, what it printed, and what it said beside."""

    def run(*argv: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([*map(str, argv), "--project", str(folder)])
        return (code, *capsys.readouterr())

    return run


def test_a_table_that_was_changed_by_hand_is_refused_and_shown(folder: Path) -> None:
    change_by_hand(folder)
    with pytest.raises(MetadataError, match="sites, Inner: habitat 'kelp' -> 'mud'"):
        Project.open(folder)


def test_a_changed_table_is_allowed_where_it_is_looked_at(folder: Path) -> None:
    change_by_hand(folder)
    with Project.open(folder, changed_tables="allow") as project:
        steps.fill_store(project)
    with Project.open(folder) as project:
        assert set(project.store.read("sites")["habitat"]) == {"mud", None}


def test_a_project_without_a_store_is_opened_without_making_one(folder: Path) -> None:
    (folder / STORE_NAME).unlink()
    change_by_hand(folder)
    Project.open(folder).close()
    assert not (folder / STORE_NAME).exists()


def test_a_project_that_was_never_filled_is_not_refused(tmp_path: Path) -> None:
    Project.create(tmp_path / "new").close()
    (tmp_path / "new" / "sites.csv").write_text(SITES)
    Project.open(tmp_path / "new").close()


def unwritten(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make an edit whose file cannot be written."""

    def fail(path: Path) -> None:
        raise OSError(28, "No space left on device", str(path))

    with Project.open(folder) as project, monkeypatch.context() as patch:
        patch.setattr(table_files, "write_atomic", fail)
        with pytest.raises(StoreError, match="the next opening of the project writes it"):
            steps.edit(project, [Change("sites", "Inner", "habitat", "rock")])


def test_opening_writes_what_could_not_be_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unwritten(folder, monkeypatch)
    assert (folder / "sites.csv").read_text() == SITES
    Project.open(folder).close()
    assert "Inner,SE,rock,e2\n" in (folder / "sites.csv").read_text()


def test_a_project_whose_tables_still_cannot_be_written_is_opened(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    unwritten(folder, monkeypatch)

    def fail(path: Path) -> None:
        raise OSError(30, "Read-only file system", str(path))

    monkeypatch.setattr(table_files, "write_atomic", fail)
    Project.open(folder).close()
    assert "could not be written (Read-only file system)" in caplog.text


def test_cells_are_changed_and_undone_from_a_terminal(kso: Any, folder: Path) -> None:
    code, text, _ = kso(
        "edit", "sites", "Inner", "habitat", "sand", "countryCode", "DK", "--reason", "seen", "--who", "me"
    )
    assert code == 0
    assert "sites, Inner: habitat 'kelp' -> 'sand'\nsites, Inner: countryCode 'SE' -> 'DK'\n" in text
    assert "kso undo e2" in text
    code, text, _ = kso("edit", "--history", "--json")
    assert next((row["edit_id"], row["reason"], row["who"]) for row in json.loads(text)) == ("e2", "seen", "me")
    code, text, _ = kso("undo", "--json")
    assert code == 0
    assert json.loads(text)["edit_id"] == "e3"
    assert kso("undo", "e3")[0] == 0
    assert "Inner,DK,sand,e4" in (folder / "sites.csv").read_text()


def test_rows_are_added_and_removed_from_a_terminal(kso: Any, folder: Path) -> None:
    assert "row added" in kso("edit", "sites", "New", "countryCode", "SE", "--add")[1]
    assert "row removed" in kso("edit", "sites", "Outer", "--remove")[1]
    assert [line.split(",")[0] for line in (folder / "sites.csv").read_text().splitlines()[1:]] == ["Inner", "New"]


def test_an_empty_value_empties_the_cell(kso: Any, folder: Path) -> None:
    assert kso("edit", "sites", "Inner", "habitat", "")[0] == 0
    assert "Inner,SE,,e2" in (folder / "sites.csv").read_text()


def test_corrections_come_from_a_file_and_are_tried_first(kso: Any, folder: Path, tmp_path: Path) -> None:
    fixes = tmp_path / "fixes.csv"
    fixes.write_text("table,key,column,value\nsites,Inner,habitat,rock\nsites,Outer,habitat,rock\n")
    assert kso("edit", "--file", fixes, "--dry-run")[1].endswith("Nothing was changed.\n")
    assert (folder / "sites.csv").read_text() == SITES
    assert kso("edit", "--file", fixes)[0] == 0
    assert (folder / "sites.csv").read_text().count("rock") == 2


def test_a_changed_file_is_shown_taken_in_or_set_aside(kso: Any, folder: Path) -> None:
    change_by_hand(folder)
    assert kso("counts")[0] == 1
    assert "'kelp' -> 'mud'" in kso("edit", "sites", "Inner", "countryCode", "DK")[2]
    assert kso("info")[0] == kso("check")[0] == kso("doctor")[0] == 0
    code, text, _ = kso("edit", "--set-aside")
    assert code == 0
    assert "Put aside as " in text
    assert (folder / "sites.csv").read_text() == SITES
    change_by_hand(folder)
    assert kso("movies")[1] == "sites: 0 new, 1 changed, 1 as before\n"
    (folder / "sites.csv").write_text(SITES.replace("Outer,NO,\n", ""))
    assert "1 removed" in kso("movies")[1]


def test_doctor_tells_of_tables_that_are_not_as_the_store_knows_them(kso: Any, folder: Path) -> None:
    assert "TABLE_" not in kso("doctor")[1]
    change_by_hand(folder)
    assert "TABLE_CHANGED [sites]" in kso("doctor")[1]
    with Project.open(folder, "allow") as project:
        log = project.store.read("edit_log", columns=["edit_id", "table_name"])
        project.store.upsert("edit_log", log.assign(written=False), ["edit_id", "table_name"])
    assert "TABLE_UNWRITTEN [movies]" in kso("doctor")[1] or "TABLE_UNWRITTEN [sites]" in kso("doctor")[1]


def test_there_is_no_history_before_the_first_edit(kso: Any, folder: Path) -> None:
    (folder / STORE_NAME).unlink()
    assert kso("edit", "--history")[1] == "There are no edits yet.\n"


@pytest.mark.parametrize(
    "argv",
    [
        (),
        ("sites",),
        ("sites", "Inner"),
        ("sites", "Inner", "habitat"),
        ("sites", "Inner", "habitat", "x", "--remove"),
        ("sites", "Inner", "--remove", "--add"),
        ("--remove",),
        ("sites", "Inner", "--file", "x.csv"),
    ],
)
def test_an_edit_that_does_not_say_what_is_refused(kso: Any, argv: tuple[str, ...]) -> None:
    code, _, said = kso("edit", *argv)
    assert code == 1
    assert "kso edit TABLE ROW COLUMN VALUE" in said or "not both" in said


def test_a_project_says_how_its_tables_are_read(folder: Path) -> None:
    with Project.open(folder) as project:
        assert project.tables == edits.TableFolder(folder, None, None, "YYYY-MM-DD", ".", None, None)


def test_the_first_row_of_a_new_table_may_be_an_edit(tmp_path: Path) -> None:
    Project.create(tmp_path / "new").close()
    at = ["--project", str(tmp_path / "new")]
    assert main(["check", *at]) == 0
    assert main(["edit", "sites", "Reef", "decimalLatitude", "57.5", "decimalLongitude", "11.5", "--add", *at]) == 0
    assert main(["movies", *at]) == 0
    with Project.open(tmp_path / "new") as project:
        assert project.store.read("sites", columns=["locality", "decimalLatitude"]).values.tolist() == [["Reef", 57.5]]


def test_a_table_that_lost_all_its_rows_is_not_taken_in(folder: Path, kso: Any) -> None:
    (folder / "sites.csv").write_text(SITES.splitlines()[0] + "\n")
    code, _, said = kso("movies")
    assert code == 1
    assert "has no rows any more, but the store has 2" in said
