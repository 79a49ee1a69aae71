import unicodedata

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.zooniverse.matching.movie_names import Match, MovieNames, read_movie_names

COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "Säcken.mov") for form in ("NFC", "NFD"))


def names(*movies, **more):
    """Return the names of movies 1, 2, ..., each a name or a name and its chapters."""
    told = [(one, ()) if isinstance(one, str) else one for one in movies]
    return MovieNames(((number, *one) for number, one in enumerate(told, 1)), **more)


@pytest.mark.parametrize(
    ("movie", "name", "difference"),
    [
        ("a.mp4", "a.mp4", ""),
        ("a.mp4", " a.mp4 ", ""),
        (DECOMPOSED, COMPOSED, ""),
        (COMPOSED, DECOMPOSED, ""),
        ("2021/a.mp4", "2021\\a.mp4", ""),
        ("2021/a.mp4", "a.mp4", "folder"),
        ("a.mp4", "D:/clips/a.mp4", "folder"),
        ("sea/2021/a.mp4", "2021/a.mp4", "folder"),
        ("A.mp4", "a.MP4", "capitals"),
        ("2021/A.mp4", "a.mp4", "capitals"),
        ("a.mov", "a.mp4", "ending"),
        ("Tape 1.5.mov", "tape 1.5.mp4", "ending"),
    ],
)
def test_a_name_finds_its_movie(movie, name, difference):
    assert names("other.mp4", movie).find(name) == Match((2,), difference)


@pytest.mark.parametrize("name", ["b.mp4", "2022/a.mp4", "a_10.mp4", "", "/", "."])
def test_a_name_of_no_movie_finds_none(name):
    assert names("2021/a.mp4").find(name) == Match()


@pytest.mark.parametrize(
    ("movies", "name"),
    [(["1/a.mp4", "2/a.mp4"], "a.mp4"), (["a.mov", "A.avi"], "a.mp4"), (["a.MP4", "A.mp4"], "A.MP4")],
)
def test_a_name_of_several_movies_finds_all(movies, name):
    assert names(*movies).find(name).ids == (1, 2)


def test_the_strictest_likeness_counts():
    assert names("a.mov", "A.mp4", "a.mp4").find("a.mp4") == Match((3,), "")
    assert names("a.mov", "A.mp4").find("a.mp4") == Match((2,), "capitals")


def test_a_movie_is_found_by_the_names_that_it_had():
    known = names("new.mp4", renames={"old.mp4": "new.mp4", "older.mov": "new.mp4"})
    assert known.find("old.mp4") == Match((1,), "")
    assert known.find("Older.mp4") == Match((1,), "ending")


def test_a_name_that_went_to_another_movie_may_mean_either():
    exchanged = {"a.mp4": "b.mp4", "b.mp4": "a.mp4"}
    assert names("a.mp4", "b.mp4", renames=exchanged).find("a.mp4") == Match((1, 2), "")


def test_the_chapters_of_a_movie_find_it():
    known = names(("joined.mp4", ("sub/GX010001.MP4", "GX020001.MP4")))
    assert known.find("gx010001.mp4") == Match((1,), "chapter", from_start=True)
    assert known.find("GX020001.MP4") == Match((1,), "chapter", from_start=False)


def test_a_file_agrees_with_a_movie_whose_name_it_begins_with():
    known = names("2021/Tape 5.mov")
    assert known.agrees(1, "tape 5_clip_10_10.mp4")
    assert not known.agrees(1, "tape 4_clip_10_10.mp4")


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8), min_size=1, max_size=6))
def test_every_name_finds_its_own_movie(written):
    known = names(*written)
    for number, name in enumerate(written, 1):
        match = known.find(name)
        assert number in match.ids or not match.ids
        assert match.exact or not match.ids


def test_the_names_are_those_of_the_store(store):
    store.upsert("movies", pd.DataFrame({"id": [1], "chapters": [["x.mp4"]]}), "id")
    known = read_movie_names(store, {"old.mp4": "b.mp4"})
    assert [known.find(name).ids for name in ("x.mp4", "old.mp4", "a.mp4")] == [(1,), (2,), (1,)]
    assert (known.name_of(2), 2 in known, 3 in known) == ("b.mp4", True, False)
