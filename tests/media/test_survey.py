import shutil

import pytest

from kso_utils.archive.local import LocalArchive
from kso_utils.core.errors import ArchiveError, Interrupted, NotFound
from kso_utils.media.survey import SURVEY_COLUMNS, list_movies, survey_footage
from kso_utils.testing.range_server import serve_ranges

from .test_checks import Elsewhere


class Shelf:
    """An archive that is not on this machine; it may be unable to say what it holds."""

    url = "https://example.org/movies"

    def __init__(self, folder, trouble=None):
        self.inner, self.trouble = LocalArchive(folder), trouble

    def entries(self, prefix=""):
        if self.trouble:
            raise self.trouble
        return self.inner.entries(prefix)

    def find(self, name):
        return self.inner.find(name)

    def open(self, name):
        file = Elsewhere((self.inner.folder / name).read_bytes())
        file.address = f"{self.url}/{name}"
        return file


@pytest.fixture
def folder(make, tmp_path):
    place = tmp_path / "movies"
    (place / "b").mkdir(parents=True)
    shutil.copy(make("closed"), place / "b" / "good.MP4")
    whole = make("closed").read_bytes()
    (place / "a_bad.mp4").write_bytes(whole[: len(whole) // 2])
    (place / "notes.txt").write_text("hello")
    return place


def test_an_open_archive_and_its_folder_give_the_same(folder):
    assert survey_footage(LocalArchive(folder)).equals(survey_footage(folder))


def test_a_damaged_movie_says_what_is_wrong(folder):
    table = survey_footage(folder)
    assert table["filename"].tolist() == ["a_bad.mp4", "b/good.MP4"]
    assert "ends at byte" in table["error"][0]
    assert table["frames"].isna().tolist() == [True, False]


def test_zeros_in_a_movie_are_an_error_though_it_can_be_read(folder):
    path = folder / "b" / "good.MP4"
    whole = bytearray(path.read_bytes())
    at = len(whole) // 2
    path.write_bytes(whole[:at] + bytes(700) + whole[at + 700 :])
    assert "Zeros stand" in survey_footage(folder)["error"][1]


def test_a_movie_elsewhere_is_not_fetched_for_its_sha256(folder):
    table = survey_footage(Shelf(folder))
    assert tuple(table.columns) == SURVEY_COLUMNS
    assert table["path"].tolist() == [f"{Shelf.url}/a_bad.mp4", f"{Shelf.url}/b/good.MP4"]
    assert table["sha256"].isna().all()
    assert table["size_bytes"].tolist() == [(folder / name).stat().st_size for name in table["filename"]]


def test_a_web_server_is_surveyed_by_its_address(folder):
    with serve_ranges(folder) as server:
        table = survey_footage(server.url)
    assert table["filename"].tolist() == ["a_bad.mp4", "b/good.MP4"]
    assert table["frames"].tolist()[1] == 100
    assert table["error"].isna().tolist() == [False, True]


def test_what_an_archive_cannot_list_is_looked_up_by_name(folder):
    shelf = Shelf(folder, ArchiveError("The server lists nothing."))
    table = survey_footage(shelf, ["b/good.MP4", "none.mp4", "b/good.MP4"])
    assert table["filename"].tolist() == ["b/good.MP4"]


def test_where_neither_the_archive_nor_a_file_is_found_the_reason_is_told(folder):
    shelf = Shelf(folder, NotFound("There is no bucket."))
    with pytest.raises(NotFound, match="no bucket"):
        survey_footage(shelf, ["none.mp4"])
    assert len(survey_footage(shelf, ["b/good.MP4"])) == 1


def test_without_names_the_reason_is_told(folder):
    with pytest.raises(ArchiveError, match="lists nothing"):
        survey_footage(Shelf(folder, ArchiveError("The server lists nothing.")))


def test_a_broken_connection_is_no_empty_archive(folder):
    with pytest.raises(Interrupted):
        survey_footage(Shelf(folder, Interrupted("The connection broke.")), ["b/good.MP4"])


def test_a_missing_folder_is_no_empty_archive(tmp_path):
    for footage in (tmp_path / "none", LocalArchive(tmp_path / "none")):
        with pytest.raises(NotFound, match="no folder"):
            survey_footage(footage, ["a.mp4"])


def test_the_movies_of_a_folder_are_listed(folder):
    assert list_movies(folder) == ["a_bad.mp4", "b/good.MP4"]
