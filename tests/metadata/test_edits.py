"""Edits: in the store and in the files, all or nothing, shown, undone, and never over what was changed by hand."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from kso_utils.core.errors import ConfigError, MetadataError, StoreError
from kso_utils.metadata import edits, table_files
from kso_utils.metadata.changes import Change
from kso_utils.metadata.table_files import TableFolder, find_changed, require_unchanged, settle
from kso_utils.store.engine import Store, open_store

FILES = {
    "sites.csv": "siteName,decimalLatitude,decimalLongitude,geodeticDatum,countryCode\n"
    "Inner sill,58.25,11.25,EPSG:4326,SE\nOuter wall,58.5,11.5,EPSG:4326,NO\nSpare,58.6,11.6,EPSG:4326,NO\n",
    "movies.csv": "movie_id,filename,siteName,created_on,author,fps,duration,Habitat\n"
    '7,a.mp4,Inner sill,2021-04-13,"R. Berg",25,60,kelp\n3,b.mp4,Outer wall,2021-04-14,R. Berg,30,120,\n',
    "species.csv": "commonName,scientificName,taxonRank,kingdom\n"
    "Cod,Gadus morhua,species,Animalia\nCrab,Cancer pagurus,species,Animalia\n",
}


@pytest.fixture
def place(tmp_path: Path) -> TableFolder:
    folder = tmp_path / "tables"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    return TableFolder(folder)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of tables, and a store that has taken them in."""
    folder = tmp_path_factory.mktemp("taken")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    with open_store(folder / "kso.db") as store:
        edits.take_in(store, TableFolder(folder))
    return folder


@pytest.fixture
def taken(template: Path, place: TableFolder) -> Store:
    """A store of one's own that has taken the tables in."""
    shutil.copytree(template, place.folder, dirs_exist_ok=True)
    return open_store(place.folder / "kso.db")


def column(store: Store, table: str, key: str, name: str) -> dict[str, object]:
    rows = store.read(table)
    return dict(zip(rows[key], rows[name], strict=True))


def text(place: TableFolder, name: str) -> str:
    return (place.folder / name).read_text()


def change(place: TableFolder, name: str, old: str, new: str) -> None:
    """Change a file by hand."""
    file = place.folder / name
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


def refer(store: Store, movie: str) -> None:
    """Let a clip refer to a movie."""
    movie_id = column(store, "movies", "filename", "id")[movie]
    store.upsert("subjects", pd.DataFrame({"id": [1], "subject_type": ["clip"], "movie_id": [movie_id]}), "id")


def test_a_cell_changes_in_store_and_file(taken: Store, place: TableFolder) -> None:
    done = edits.apply(taken, place, [Change("movies", "a.mp4", "author", "A. Lind")], who="me", reason="typo")
    assert column(taken, "movies", "filename", "recordedBy") == {"a.mp4": "A. Lind", "b.mp4": "R. Berg"}
    assert text(place, "movies.csv").splitlines()[1:] == [
        f"7,a.mp4,Inner sill,2021-04-13,A. Lind,25,60,kelp,{done.edit_id}",
        "3,b.mp4,Outer wall,2021-04-14,R. Berg,30,120,,",
    ]
    assert done.difference.to_numpy().tolist() == [["movies", "a.mp4", "recordedBy", "R. Berg", "A. Lind", "set"]]
    last = edits.history(taken).iloc[0]
    assert last[["edit_id", "kind", "who", "reason", "table"]].tolist() == [
        done.edit_id,
        "edit",
        "me",
        "typo",
        "movies",
    ]
    assert last["written"]


def test_other_files_stay_byte_for_byte(taken: Store, place: TableFolder) -> None:
    edits.apply(taken, place, [Change("movies", "a.mp4", "author", "A. Lind")])
    assert text(place, "sites.csv") == FILES["sites.csv"]
    assert text(place, "species.csv") == FILES["species.csv"]


def test_a_dry_run_changes_nothing(taken: Store, place: TableFolder) -> None:
    done = edits.apply(taken, place, [Change("movies", "a.mp4", "fps", 24)], dry_run=True)
    assert (done.edit_id, len(done.difference)) == (None, 1)
    assert text(place, "movies.csv") == FILES["movies.csv"]
    assert column(taken, "movies", "filename", "fps")["a.mp4"] == 25


@pytest.mark.parametrize(
    ("table", "key", "column_", "old", "new"),
    [
        ("movies", "filename", "filename", "a.mp4", "Å.mp4"),
        ("sites", "locality", "siteName", "Spare", "Else"),
        ("species", "vernacularName", "commonName", "Cod", "Atlantic cod"),
    ],
)
def test_a_new_name_is_no_new_row(
    taken: Store, place: TableFolder, table: str, key: str, column_: str, old: str, new: str
) -> None:
    before = column(taken, table, key, "id")
    edits.apply(taken, place, [Change(table, old, column_, new)])
    assert column(taken, table, key, "id") == {(new if name == old else name): i for name, i in before.items()}


def test_names_can_be_exchanged(taken: Store, place: TableFolder) -> None:
    before = column(taken, "movies", "filename", "id")
    edits.apply(
        taken, place, [Change("movies", "a.mp4", "filename", "b.mp4"), Change("movies", "b.mp4", "filename", "a.mp4")]
    )
    assert column(taken, "movies", "filename", "id") == {"a.mp4": before["b.mp4"], "b.mp4": before["a.mp4"]}
    assert taken.check().ok


def test_a_species_with_a_new_name_has_a_new_label(taken: Store, place: TableFolder) -> None:
    edits.apply(taken, place, [Change("species", "Cod", "commonName", "Torsk")])
    assert column(taken, "species", "vernacularName", "zoo_label") == {"Torsk": "TORSK", "Crab": "CRAB"}


def test_movies_follow_their_site_to_its_new_name(taken: Store, place: TableFolder) -> None:
    done = edits.apply(taken, place, [Change("sites", "Inner sill", "locality", "Sill")])
    assert set(done.difference["table"]) == {"sites", "movies"}
    assert place.load()["movies"]["locality"].tolist() == ["Sill", "Outer wall"]
    sites = column(taken, "sites", "locality", "id")
    assert column(taken, "movies", "filename", "site_id")["a.mp4"] == sites["Sill"]


def test_a_movie_that_moves_elsewhere_does_not_follow(taken: Store, place: TableFolder) -> None:
    wanted = [Change("sites", "Inner sill", "locality", "Sill"), Change("movies", "a.mp4", "siteName", "Spare")]
    edits.apply(taken, place, wanted)
    assert place.load()["movies"]["locality"].tolist() == ["Spare", "Outer wall"]


def test_a_row_is_added_with_the_next_id(taken: Store, place: TableFolder) -> None:
    new = [Change("movies", "c.mp4", "siteName", "Spare", "add"), Change("movies", "c.mp4", "fps", 50, "add")]
    done = edits.apply(taken, place, new)
    assert text(place, "movies.csv").splitlines()[-1] == f"8,c.mp4,Spare,,,50,,,{done.edit_id}"
    assert column(taken, "movies", "filename", "id")["c.mp4"] == 8
    assert "RECOMMENDED_VALUE_MISSING" in {f.code for f in done.report}


def test_a_removed_row_goes_from_both_and_comes_back_with_its_id(taken: Store, place: TableFolder) -> None:
    before = taken.read("movies").drop(columns=["is_bad_deployment"])
    edits.apply(taken, place, [Change("movies", "a.mp4", action="remove")])
    assert taken.read("movies")["filename"].tolist() == ["b.mp4"]
    edits.undo(taken, place)
    pd.testing.assert_frame_equal(taken.read("movies").drop(columns=["is_bad_deployment"]), before)
    assert [line.rpartition(",")[0] for line in text(place, "movies.csv").replace('"', "").splitlines()] == FILES[
        "movies.csv"
    ].replace('"', "").splitlines()


def test_a_removed_row_without_ids_in_its_file_comes_back_with_its_own(taken: Store, place: TableFolder) -> None:
    before = column(taken, "sites", "locality", "id")
    removed = edits.apply(taken, place, [Change("sites", "Outer wall", action="remove"), *_without_b()])
    edits.undo(taken, place, removed.edit_id)
    assert column(taken, "sites", "locality", "id") == before


def test_an_id_that_was_given_away_is_not_given_twice(taken: Store, place: TableFolder) -> None:
    removed = edits.apply(taken, place, [Change("sites", "Spare", action="remove")])
    edits.apply(taken, place, [Change("sites", "New", action="add")])
    edits.undo(taken, place, removed.edit_id)
    assert len(set(column(taken, "sites", "locality", "id").values())) == 4


def _without_b() -> list[Change]:
    return [Change("movies", "b.mp4", action="remove")]


def test_a_row_that_others_refer_to_is_not_removed(taken: Store, place: TableFolder) -> None:
    refer(taken, "a.mp4")
    with pytest.raises(MetadataError, match=r"a\.mp4 \(1 of subjects\)"):
        edits.apply(taken, place, [Change("movies", "a.mp4", action="remove")])
    assert text(place, "movies.csv") == FILES["movies.csv"]
    assert column(taken, "movies", "filename", "id") == {"a.mp4": 7, "b.mp4": 3}


def test_a_site_is_removed_with_its_movies(taken: Store, place: TableFolder) -> None:
    edits.apply(
        taken, place, [Change("sites", "Inner sill", action="remove"), Change("movies", "a.mp4", action="remove")]
    )
    assert set(taken.read("sites")["locality"]) == {"Outer wall", "Spare"}


def test_a_freed_name_is_taken_in_the_same_edit(taken: Store, place: TableFolder) -> None:
    edits.apply(
        taken, place, [Change("movies", "a.mp4", action="remove"), Change("movies", "b.mp4", "filename", "a.mp4")]
    )
    assert column(taken, "movies", "filename", "id") == {"a.mp4": 3}


def test_an_emptied_cell_is_empty_in_the_store(taken: Store, place: TableFolder) -> None:
    edits.apply(taken, place, [Change("movies", "a.mp4", "fps"), Change("movies", "a.mp4", "duration", "")])
    movie = taken.read("movies", where={"filename": "a.mp4"}).iloc[0]
    assert movie[["fps", "fps_num", "fps_den", "duration_s", "sampling_end_s"]].isna().all()


def test_an_emptied_rank_is_empty_in_the_store(taken: Store, place: TableFolder) -> None:
    edits.apply(taken, place, [Change("species", "Cod", "taxonRank"), Change("species", "Cod", "commonName", "Torsk")])
    ranks = column(taken, "species", "vernacularName", "taxonRank")
    assert (ranks["Torsk"], ranks["Crab"]) == (None, "species")


def test_what_was_measured_stays(taken: Store, place: TableFolder) -> None:
    measured = {"filename": ["a.mp4"], "duration_s": [60.25], "sha256": ["a" * 64], "frames": [1506]}
    edits.take_in(taken, place, pd.DataFrame(measured))
    edits.apply(taken, place, [Change("movies", "a.mp4", "author", "X")])
    movie = taken.read("movies", where={"filename": "a.mp4"}).iloc[0]
    assert (movie["duration_s"], movie["frames"], movie["recordedBy"]) == (60.25, 1506, "X")


def test_a_rate_that_the_file_contradicts_is_refused(taken: Store, place: TableFolder) -> None:
    measured = {"filename": ["a.mp4"], "fps_num": [25], "fps_den": [1], "sha256": ["a" * 64]}
    edits.take_in(taken, place, pd.DataFrame(measured))
    wanted = [Change("movies", "a.mp4", "filename", "A.mp4"), Change("movies", "a.mp4", "fps", 30)]
    with pytest.raises(MetadataError, match="FPS_CONTRADICTED"):
        edits.apply(taken, place, wanted)


def test_a_column_that_the_file_lacks_is_added_by_its_name(taken: Store, place: TableFolder) -> None:
    edits.apply(taken, place, [Change("movies", "a.mp4", "samplingprotocol", "BRUV")])
    assert text(place, "movies.csv").splitlines()[0].endswith("Habitat,samplingProtocol,edit_id")
    assert column(taken, "movies", "filename", "samplingProtocol")["a.mp4"] == "BRUV"


def test_a_column_of_the_project_s_own_changes_in_the_file(taken: Store, place: TableFolder) -> None:
    edits.apply(taken, place, [Change("movies", "b.mp4", "Habitat", "sand")])
    assert place.load()["movies"]["Habitat"].tolist() == ["kelp", "sand"]


def test_text_that_a_spreadsheet_would_run_is_made_harmless(taken: Store, place: TableFolder) -> None:
    edits.apply(taken, place, [Change("movies", "a.mp4", "author", "=1+1"), Change("movies", "b.mp4", "author", "-5")])
    assert ",'=1+1," in text(place, "movies.csv")
    assert ",-5," in text(place, "movies.csv")
    assert column(taken, "movies", "filename", "recordedBy") == {"a.mp4": "=1+1", "b.mp4": "-5"}


def test_dates_and_numbers_are_written_as_the_file_has_them(store: Store, place: TableFolder) -> None:
    (place.folder / "movies.csv").write_text(
        "filename;siteName;created_on;fps;duration\n"
        "a.mp4;Inner sill;13/04/2021;25,5;60,5\nb.mp4;Spare;1/4/2021;25,5;60,5\n"
    )
    ours = TableFolder(place.folder, dates="DD/MM/YYYY", decimal=",")
    edits.take_in(store, ours)
    edits.apply(
        store, ours, [Change("movies", "a.mp4", "eventDate", "2021-05-02"), Change("movies", "a.mp4", "fps", 29.97)]
    )
    assert "\na.mp4;Inner sill;02/05/2021;29,97;60,5;" in text(place, "movies.csv")
    assert column(store, "movies", "filename", "eventDate") == {"a.mp4": "2021-05-02", "b.mp4": "2021-04-01"}


def test_times_of_day_get_their_zone(store: Store, place: TableFolder) -> None:
    ours = TableFolder(place.folder, time_zone="Europe/Stockholm")
    edits.take_in(store, ours)
    edits.apply(store, ours, [Change("movies", "a.mp4", "eventDate", "2021-05-02T10:00")])
    assert column(store, "movies", "filename", "eventDate")["a.mp4"] == "2021-05-02T10:00+02:00"


def test_an_edit_reaches_a_movie_under_its_new_name(store: Store, place: TableFolder) -> None:
    (place.folder / "renames.csv").write_text("OLD,NEW\na.mp4,z.mp4\n")
    ours = TableFolder(place.folder, renames="renames.csv")
    edits.take_in(store, ours)
    edits.apply(store, ours, [Change("movies", "z.mp4", "author", "X")])
    assert column(store, "movies", "filename", "recordedBy")["z.mp4"] == "X"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ([Change("films", "a", "b", "c")], "There is no table 'films'. There are: "),
        ([Change("photos", "a", "b", "c")], "There is no table 'photos'"),
        ([Change("movies", "a.mpg", "fps", 1)], r"movies has no row 'a.mpg'. Is it one of these: a\.mp4"),
        ([Change("movies", "a.mp4", "speed", 1)], "movies has no column 'speed'. Columns are: "),
        ([Change("movies", "a.mp4", "edit_id", "e9")], "written by the software alone"),
        ([Change("movies", "a.mp4", "fps", 25)], "changes nothing"),
        ([], "changes nothing"),
        ([Change("movies", "a.mp4", "fps", 1), Change("movies", "a.mp4", "fps", 2)], "the same edit gives '1'"),
        ([Change("movies", "a.mp4", "fps", 1), Change("movies", "a.mp4", action="remove")], "removes the row"),
        ([Change("movies", "", action="add")], "a new row needs a name"),
        ([Change("movies", "a.mp4", "movie_id", 9)], "the id of a row does not change"),
        ([Change("movies", "a.mp4", "author", "\ud800")], "half a character"),
        ([Change("movies", "a.mp4", "author", "a\0b")], "a character that no text holds"),
    ],
)
def test_changes_that_make_no_sense_are_refused(
    taken: Store, place: TableFolder, changes: list[Change], says: str
) -> None:
    with pytest.raises(MetadataError, match=says):
        edits.apply(taken, place, changes)
    assert text(place, "movies.csv") == FILES["movies.csv"]
    assert "edit" not in set(edits.history(taken)["kind"])


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        (Change("movies", "a.mp4", "siteName", "Nowhere"), "UNKNOWN_SITE"),
        (Change("movies", "a.mp4", "fps", "fast"), "NOT_A_NUMBER"),
        (Change("sites", "Spare", "decimalLatitude", 95), "COORDINATE_OUT_OF_RANGE"),
        (Change("sites", "Inner sill", action="remove"), "UNKNOWN_SITE"),
        (Change("movies", "b.mp4", "filename", "a.mp4"), "DUPLICATE_KEY"),
        (Change("movies", "a.mp4", "siteName", "Spare", "add"), "DUPLICATE_KEY"),
        (Change("movies", "a.mp4", "filename", None), "REQUIRED_VALUE_MISSING"),
    ],
)
def test_an_edit_that_makes_an_error_is_refused(taken: Store, place: TableFolder, wanted: Change, code: str) -> None:
    with pytest.raises(MetadataError) as refused:
        edits.apply(taken, place, [wanted])
    assert refused.value.report is not None
    assert code in refused.value.report.codes()
    assert {name: text(place, name) for name in FILES} == FILES


def test_an_error_that_was_there_does_not_stop_the_repair_of_another(store: Store, place: TableFolder) -> None:
    change(place, "sites.csv", "58.25", "95")
    change(place, "sites.csv", "11.5,", "999,")
    edits.apply(store, place, [Change("sites", "Inner sill", "decimalLatitude", "58.25")])
    assert "\nInner sill,58.25," in text(place, "sites.csv")
    with pytest.raises(MetadataError, match="COORDINATE_OUT_OF_RANGE"):
        edits.apply(store, place, [Change("sites", "Outer wall", "decimalLongitude", "998")])


def test_lines_that_move_make_old_errors_no_new_ones(store: Store, place: TableFolder) -> None:
    change(place, "sites.csv", "58.5,", "95,")
    change(place, "movies.csv", "a.mp4,Inner sill", "a.mp4,Outer wall")
    edits.apply(store, place, [Change("sites", "Inner sill", action="remove")])
    assert "Inner sill" not in text(place, "sites.csv")


def test_a_table_that_was_never_taken_in_changes_in_its_file_alone(store: Store, place: TableFolder) -> None:
    edits.apply(store, place, [Change("movies", "a.mp4", "author", "X")])
    assert store.read("movies").empty
    change(place, "movies.csv", ",X,", ",Y,")
    assert find_changed(store, place) == []
    edits.take_in(store, place)
    assert column(store, "movies", "filename", "recordedBy")["a.mp4"] == "Y"


def test_rows_whose_file_is_not_known_are_taken_in_first(taken: Store, place: TableFolder) -> None:
    taken.remove("edit_log", {"table_name": "movies"})
    with pytest.raises(MetadataError, match="Take the file in with: kso movies"):
        edits.apply(taken, place, [Change("movies", "a.mp4", "fps", 1)])


def test_a_row_that_the_store_lacks_is_named(taken: Store, place: TableFolder) -> None:
    taken.remove("movies", {"filename": "a.mp4"})
    with pytest.raises(MetadataError, match=r"a\.mp4 is not in the store yet"):
        edits.apply(taken, place, [Change("movies", "a.mp4", "fps", 1)])


def test_a_survey_that_the_store_lacks_is_named(taken: Store, place: TableFolder) -> None:
    (place.folder / "surveys.csv").write_text("eventID\nspring\n")
    with pytest.raises(MetadataError, match="'spring' of the surveys is not in the store yet"):
        edits.apply(taken, place, [Change("movies", "a.mp4", "parentEventID", "spring")])


def test_a_workbook_is_refused(store: Store, place: TableFolder) -> None:
    pd.DataFrame({"siteName": ["Inner sill", "Outer wall"]}).to_excel(place.folder / "sites.xlsx", index=False)
    (place.folder / "sites.csv").unlink()
    with pytest.raises(ConfigError, match=r"Save it as sites\.csv \(UTF-8\) and remove the workbook"):
        edits.apply(store, place, [Change("sites", "Inner sill", "countryCode", "SE")])


def test_a_workbook_that_was_changed_by_hand_is_noticed(store: Store, place: TableFolder) -> None:
    sites = pd.DataFrame({"siteName": ["Inner sill", "Outer wall"], "habitat": ["kelp", "sand"]})
    (place.folder / "sites.csv").unlink()
    with pd.ExcelWriter(place.folder / "meta.xlsx") as book:
        sites.assign(siteName="no").to_excel(book, sheet_name="other", index=False)
        sites.to_excel(book, sheet_name="places", index=False)
    ours = TableFolder(place.folder, files={"sites": "meta.xlsx#places"})
    edits.take_in(store, ours)
    assert find_changed(store, ours) == []
    with pd.ExcelWriter(place.folder / "meta.xlsx") as book:
        sites.assign(siteName="no").to_excel(book, sheet_name="other", index=False)
        sites.assign(habitat=["kelp", "mud"]).to_excel(book, sheet_name="places", index=False)
    (found,) = find_changed(store, ours)
    assert found.difference[["key", "before", "after"]].to_numpy().tolist() == [["Outer wall", "sand", "mud"]]
    edits.take_in(store, ours)
    assert column(store, "sites", "locality", "habitat")["Outer wall"] == "mud"


def test_a_key_on_two_lines_is_not_guessed(store: Store, place: TableFolder) -> None:
    change(place, "movies.csv", "b.mp4", "a.mp4")
    with pytest.raises(MetadataError, match=r"'a\.mp4' stands on the lines 2, 3"):
        edits.apply(store, place, [Change("movies", "a.mp4", "fps", 1)])


def test_a_table_without_its_key_is_refused(store: Store, place: TableFolder) -> None:
    change(place, "movies.csv", "filename", "name_of_file")
    with pytest.raises(MetadataError, match="movies has no column filename"):
        edits.apply(store, place, [Change("movies", "a.mp4", "fps", 1)])


def test_a_value_that_would_change_others_is_refused(store: Store, place: TableFolder) -> None:
    """One number with a decimal point makes the commas of the column divide thousands."""
    change(place, "movies.csv", "R. Berg,30,120", 'R. Berg,30,"120,5"')
    change(place, "movies.csv", "25,60,", '25,"60,5",')
    edits.take_in(store, place)
    with pytest.raises(MetadataError, match="would also change duration_s on line 3"):
        edits.apply(store, place, [Change("movies", "a.mp4", "duration", ".5e1")])


def test_a_name_that_the_list_of_renames_replaces_is_refused(store: Store, place: TableFolder) -> None:
    (place.folder / "renames.csv").write_text("OLD,NEW\nold.mp4,z.mp4\n")
    ours = TableFolder(place.folder, renames="renames.csv")
    with pytest.raises(MetadataError, match=r"would be read as 'z\.mp4'"):
        edits.apply(store, ours, [Change("movies", "a.mp4", "filename", "old.mp4")])
    with pytest.raises(MetadataError, match=r"new row would be read as 'z\.mp4'"):
        edits.apply(store, ours, [Change("movies", "old.mp4", action="add")])


# --- undo


def test_undo_gives_back_every_cell(taken: Store, place: TableFolder) -> None:
    before = taken.read("movies")
    edits.apply(
        taken, place, [Change("movies", "a.mp4", "author", "X"), Change("movies", "a.mp4", "filename", "z.mp4")]
    )
    done = edits.undo(taken, place)
    pd.testing.assert_frame_equal(taken.read("movies"), before)
    assert place.load()["movies"]["edit_id"].iloc[0] == done.edit_id


def test_undo_walks_back_and_its_undo_does_it_again(taken: Store, place: TableFolder) -> None:
    for author in ("X", "Y"):
        edits.apply(taken, place, [Change("movies", "a.mp4", "author", author)])
    undone = [edits.undo(taken, place).difference["after"].tolist() for _ in range(2)]
    assert undone == [["X"], ["R. Berg"]]
    with pytest.raises(MetadataError, match="There is no edit to undo"):
        edits.undo(taken, place)
    last = edits.history(taken)["edit_id"][0]
    assert edits.undo(taken, place, last).difference["after"].tolist() == ["X"]
    assert edits.undo(taken, place).difference["after"].tolist() == ["R. Berg"]


def test_an_added_row_is_undone_while_it_is_as_it_was_added(taken: Store, place: TableFolder) -> None:
    added = edits.apply(taken, place, [Change("movies", "c.mp4", "siteName", "Spare", "add")])
    edits.apply(taken, place, [Change("movies", "c.mp4", "fps", 25)])
    with pytest.raises(MetadataError, match=r"c\.mp4: the row has other values now"):
        edits.undo(taken, place, added.edit_id)
    edits.undo(taken, place)
    edits.undo(taken, place, added.edit_id)
    assert set(taken.read("movies")["filename"]) == {"a.mp4", "b.mp4"}


@pytest.mark.parametrize(
    ("first", "then", "says"),
    [
        (Change("movies", "a.mp4", "fps", 24), Change("movies", "a.mp4", "fps", 50), "fps is '50' now, not '24'"),
        (Change("movies", "a.mp4", "fps", 24), Change("movies", "a.mp4", "filename", "z"), "has another name"),
        (
            Change("movies", "a.mp4", action="remove"),
            Change("movies", "a.mp4", "siteName", "Spare", "add"),
            "a row again",
        ),
    ],
)
def test_what_changed_again_since_is_not_undone(
    taken: Store, place: TableFolder, first: Change, then: Change, says: str
) -> None:
    done = edits.apply(taken, place, [first])
    edits.apply(taken, place, [then])
    before = text(place, "movies.csv")
    with pytest.raises(MetadataError, match=says):
        edits.undo(taken, place, done.edit_id)
    assert text(place, "movies.csv") == before


def test_many_conflicts_are_counted(taken: Store, place: TableFolder) -> None:
    new = [Change("species", f"s{n}", "kingdom", "A", "add") for n in range(10)]
    done = edits.apply(taken, place, new)
    edits.apply(taken, place, [Change("species", f"s{n}", "kingdom", "B") for n in range(10)])
    with pytest.raises(MetadataError, match="and 2 more"):
        edits.undo(taken, place, done.edit_id)


@pytest.mark.parametrize(
    ("edit_id", "says"),
    [("e99", "There is no edit 'e99'"), ("e1", "e1 changed no cell"), ("e4", "undone already, by e5")],
)
def test_what_cannot_be_undone_is_said(taken: Store, place: TableFolder, edit_id: str, says: str) -> None:
    edits.apply(taken, place, [Change("movies", "a.mp4", "fps", 24)])
    edits.undo(taken, place)
    with pytest.raises(MetadataError, match=says):
        edits.undo(taken, place, edit_id)


def test_an_edit_of_a_table_that_is_gone_is_not_undone(store: Store, place: TableFolder) -> None:
    edits.apply(store, place, [Change("species", "Cod", "kingdom", "A")])
    (place.folder / "species.csv").unlink()
    with pytest.raises(MetadataError, match="There is no table species any more"):
        edits.undo(store, place)


# --- changes by hand


def test_a_change_by_hand_is_refused_and_shown(taken: Store, place: TableFolder) -> None:
    change(place, "movies.csv", "R. Berg,30", "X,30")
    with pytest.raises(MetadataError, match=r"movies\.csv was changed by hand since .*\nmovies, b\.mp4: recordedBy"):
        require_unchanged(taken, place)
    with pytest.raises(MetadataError, match="kso edit --set-aside"):
        edits.apply(taken, place, [Change("movies", "a.mp4", "fps", 24)])


def test_another_spelling_is_no_change(taken: Store, place: TableFolder) -> None:
    rows = text(place, "movies.csv").splitlines()
    spelled = "\r\n".join([rows[0], rows[2], rows[1]]).replace('"', "").replace(",", ";")
    (place.folder / "movies.csv").write_bytes(spelled.encode("utf-16"))
    require_unchanged(taken, place)
    edits.apply(taken, place, [Change("movies", "a.mp4", "author", "X")])
    assert column(taken, "movies", "filename", "recordedBy")["a.mp4"] == "X"


def test_changes_by_hand_are_taken_in_and_undone(taken: Store, place: TableFolder) -> None:
    before = place.load()
    edits.apply(taken, place, [Change("movies", "a.mp4", "author", "Y")])
    change(place, "movies.csv", "7,a.mp4,Inner sill,2021-04-13,Y,25,60,kelp,e4\n", "9,c.mp4,Spare,,,24,10,,\n")
    change(place, "movies.csv", "Berg,30", "Lind,30")
    counts = edits.take_in(taken, place)["movies"]
    assert (counts.inserted, counts.updated, counts.removed) == (1, 1, 1)
    assert edits.history(taken)["changes"][0] == 3
    edits.undo(taken, place, str(edits.history(taken)["edit_id"][0]))
    edits.undo(taken, place)
    assert edits.compare(before, place.load()).empty
    assert column(taken, "movies", "filename", "id") == {"a.mp4": 7, "b.mp4": 3}


def test_rows_that_are_referred_to_are_not_removed_by_hand(taken: Store, place: TableFolder) -> None:
    refer(taken, "a.mp4")
    change(place, "movies.csv", "a.mp4", "z.mp4")
    with pytest.raises(MetadataError, match=r"a\.mp4 \(1 of subjects\)"):
        edits.take_in(taken, place)
    assert set(taken.read("movies")["filename"]) == {"a.mp4", "b.mp4"}


def test_taking_in_twice_writes_nothing(taken: Store, place: TableFolder) -> None:
    before = edits.history(taken)
    edits.take_in(taken, place)
    pd.testing.assert_frame_equal(edits.history(taken), before)


def test_an_error_made_by_hand_is_not_taken_in(taken: Store, place: TableFolder) -> None:
    change(place, "movies.csv", "Inner sill", "Nowhere")
    with pytest.raises(MetadataError, match="UNKNOWN_SITE"):
        edits.take_in(taken, place)
    assert len(find_changed(taken, place)) == 1


def test_a_file_that_was_changed_is_set_aside(taken: Store, place: TableFolder) -> None:
    edits.apply(taken, place, [Change("movies", "a.mp4", "author", "X")])
    known = text(place, "movies.csv")
    asides = []
    for number in range(2):
        change(place, "movies.csv", ",X,", f",{number},")
        made = text(place, "movies.csv")
        asides += edits.set_aside(taken, place)
        assert text(place, "movies.csv") == known
        assert asides[-1].read_text() == made
    assert len(set(asides)) == 2
    assert set(place.load()) == {"sites", "movies", "species"}
    require_unchanged(taken, place)


def test_a_file_that_is_gone_is_written_back(taken: Store, place: TableFolder) -> None:
    (place.folder / "movies.csv").unlink()
    with pytest.raises(MetadataError, match=r"There is no file .*movies\.csv any more"):
        require_unchanged(taken, place)
    with pytest.raises(MetadataError, match="Write it back with"):
        edits.take_in(taken, place)
    assert edits.set_aside(taken, place) == []
    assert text(place, "movies.csv") == FILES["movies.csv"]


def test_without_its_copy_a_changed_file_can_only_be_taken_in(taken: Store, place: TableFolder) -> None:
    place.copy_of("movies", "movies.csv").write_text("spoiled")
    change(place, "movies.csv", "R. Berg,30", "X,30")
    with pytest.raises(MetadataError, match="There is no copy of it"):
        require_unchanged(taken, place)
    with pytest.raises(MetadataError, match="cannot be set aside"):
        edits.set_aside(taken, place)
    edits.take_in(taken, place)
    assert column(taken, "movies", "filename", "recordedBy")["b.mp4"] == "X"
    require_unchanged(taken, place)


def test_a_file_that_was_spoiled_says_why(taken: Store, place: TableFolder) -> None:
    (place.folder / "movies.csv").write_text("filename,fps\na.mp4\n")
    with pytest.raises(MetadataError, match=rf"{place.folder}/movies\.csv, line 2: 1 values under a header of 2"):
        require_unchanged(taken, place)


# --- writing later


class Stopped(Exception):
    """Stands for a process that ends here."""


@pytest.fixture
def stopped(taken: Store, place: TableFolder, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store with an edit whose file is not written."""

    def stop(*_: object) -> None:
        raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(table_files, "write_atomic", stop)
        with pytest.raises(Stopped):
            edits.apply(taken, place, [Change("movies", "a.mp4", "author", "X")])
    assert text(place, "movies.csv") == FILES["movies.csv"]
    return taken


def test_a_file_that_was_not_written_is_no_change_by_hand(stopped: Store, place: TableFolder) -> None:
    require_unchanged(stopped, place)


def test_a_file_that_was_not_written_is_written_from_the_log(stopped: Store, place: TableFolder) -> None:
    settle(stopped, place)
    assert "7,a.mp4,Inner sill,2021-04-13,X,25,60,kelp,e4\n" in text(place, "movies.csv")
    assert edits.history(stopped)["written"].all()
    require_unchanged(stopped, place)


def test_the_next_edit_writes_the_one_before(stopped: Store, place: TableFolder) -> None:
    edits.apply(stopped, place, [Change("movies", "b.mp4", "author", "Y")])
    assert place.load()["movies"]["recordedBy"].tolist() == ["X", "Y"]


def test_the_copy_is_enough_to_go_on(stopped: Store, place: TableFolder) -> None:
    """The file was changed by hand after the edit was made, and before it was written."""
    change(place, "movies.csv", "R. Berg,30", "Y,30")
    settle(stopped, place)
    (found,) = find_changed(stopped, place)
    assert found.difference[["key", "before", "after"]].to_numpy().tolist() == [
        ["a.mp4", "X", "R. Berg"],
        ["b.mp4", "R. Berg", "Y"],
    ]


def test_without_copy_and_file_nothing_is_written(stopped: Store, place: TableFolder) -> None:
    place.copy_of("movies", "movies.csv").unlink()
    change(place, "movies.csv", "R. Berg,30", "Y,30")
    settle(stopped, place)
    assert not edits.history(stopped)["written"].all()
    with pytest.raises(MetadataError, match="There is no copy of it"):
        require_unchanged(stopped, place)


def test_a_log_that_gives_another_file_is_refused(stopped: Store, place: TableFolder) -> None:
    row = {"edit_id": ["e4"], "table_name": ["movies"], "sha256_after": ["0" * 64]}
    stopped.upsert("edit_log", pd.DataFrame(row), ["edit_id", "table_name"])
    with pytest.raises(MetadataError, match="another version of the software"):
        settle(stopped, place)


def test_an_edit_whose_file_cannot_be_written_is_kept(
    taken: Store, place: TableFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path) -> None:
        raise OSError(28, "No space left on device", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(table_files, "write_atomic", fail)
        with pytest.raises(StoreError, match=r"The change is kept in .*No space left on device"):
            edits.apply(taken, place, [Change("movies", "a.mp4", "author", "X")])
    assert column(taken, "movies", "filename", "recordedBy")["a.mp4"] == "X"
    settle(taken, place)
    assert place.load()["movies"]["recordedBy"].tolist() == ["X", "R. Berg"]


FILE_OF_C = {
    **{"fps_num": [30000], "fps_den": [1001], "duration_s": [60.06], "frames": [1800], "width": [1920]},
    **{"height": [1080], "codec": ["h264"], "sha256": ["c" * 64], "size_bytes": [10**7]},
}


def add_c(store: Store, place: TableFolder, **more: object) -> edits.Edit:
    """Add the movie c.mp4, of which its file says something."""
    found = pd.DataFrame({"filename": ["c.mp4"], **FILE_OF_C, **more})
    cells = {"locality": "Spare", "fps": 29.97003, "duration_s": 60.06}
    changes = [Change("movies", "c.mp4", name, value, "add") for name, value in cells.items()]
    return edits.apply(store, place, changes, files={"movies": found})


def test_a_new_row_takes_what_its_file_says(taken: Store, place: TableFolder) -> None:
    done = add_c(taken, place)
    row = taken.read("movies", where={"filename": "c.mp4"}).iloc[0]
    assert {name: row[name] for name in FILE_OF_C} == {name: value[0] for name, value in FILE_OF_C.items()}
    assert done.rows["movies"] == {2: "a.mp4", 3: "b.mp4", 4: "c.mp4"}
    assert not done.report.codes().keys() & {"FILE_MISSING", "FILE_NOT_LISTED"}


def test_a_new_row_that_its_file_contradicts_is_refused(taken: Store, place: TableFolder) -> None:
    with pytest.raises(MetadataError, match="FPS_CONTRADICTED"):
        add_c(taken, place, fps_num=[25], fps_den=[1])
    assert "c.mp4" not in text(place, "movies.csv")


def test_a_new_row_of_a_file_that_has_one_is_refused(taken: Store, place: TableFolder) -> None:
    add_c(taken, place)
    found = pd.DataFrame({"filename": ["d.mp4"], **FILE_OF_C})
    with pytest.raises(MetadataError, match="FILE_DUPLICATED"):
        edits.apply(taken, place, [Change("movies", "d.mp4", "locality", "Spare", "add")], files={"movies": found})


def test_a_photo_keeps_what_its_file_said(taken: Store, place: TableFolder) -> None:
    (place.folder / "photos.csv").write_text("filename,locality\n")
    edits.take_in(taken, place)
    found = pd.DataFrame({"filename": ["p.jpg"], "width": [64], "height": [48], "sha256": ["d" * 64]})
    edits.apply(taken, place, [Change("photos", "p.jpg", "locality", "Spare", "add")], files={"photos": found})
    edits.apply(taken, place, [Change("photos", "p.jpg", "photo_position", 3)])
    edits.take_in(taken, place, pd.DataFrame({"filename": ["a.mp4"], "sha256": ["a" * 64]}))
    row = taken.read("photos").iloc[0]
    assert (row["width"], row["height"], row["sha256"], row["photo_position"]) == (64, 48, "d" * 64, 3)
