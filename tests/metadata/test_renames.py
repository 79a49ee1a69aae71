"""Movies that got new names: on load, and in a store that knows them under the old ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from kso_utils.core.errors import MetadataError, NotFound, UnsafeInput
from kso_utils.metadata.ingest import populate
from kso_utils.metadata.tables import load_tables
from kso_utils.store.engine import Store
from kso_utils.store.rows import Counts

Write = Callable[..., Path]


@pytest.fixture
def load(write: Write) -> Callable[..., dict[str, pd.DataFrame]]:
    """Load movies of one site, given as `(id, filename)`, and a list of renames."""

    def load_movies(
        movies: list[tuple[object, str]], renames: list[tuple[str, str]] | None = None
    ) -> dict[str, pd.DataFrame]:
        write("sites.csv", "siteName\nInner sill\n")
        lines = [f"{number},{name},Inner sill" for number, name in movies]
        folder = write("movies.csv", "\n".join(["movie_id,filename,siteName", *lines]))
        if renames is not None:
            write("new_names.csv", "\n".join(["Old,NEW,why", *(f"{old},{new},x" for old, new in renames)]))
        return dict(load_tables(folder, renames=None if renames is None else "new_names.csv"))

    return load_movies


def names(tables: dict[str, pd.DataFrame]) -> list[str]:
    return list(tables["movies"]["filename"])


@pytest.mark.parametrize(
    ("renames", "becomes"),
    [
        ([("a", "x")], ["x", "b"]),
        ([("a", "x"), ("x", "y")], ["y", "b"]),
        ([("x", "y"), ("a", "x"), ("b", "z")], ["y", "z"]),
        ([("a", "b"), ("b", "a")], ["b", "a"]),
        ([("a", "a"), ("a", "a")], ["a", "b"]),
        ([("A", "x")], ["a", "b"]),
        ([("b", "Sa\u0308cken")], ["a", "S\u00e4cken"]),
    ],
)
def test_names_are_replaced_and_followed(
    load: Callable[..., dict[str, pd.DataFrame]], renames: list[tuple[str, str]], becomes: list[str]
) -> None:
    assert names(load([(1, "a"), (2, "b")], renames)) == becomes


@pytest.mark.parametrize(
    ("renames", "message"),
    [
        ([("a", "x"), ("b", "y"), ("a", "y")], "line 4, column 'NEW': a becomes y, but x on line 2"),
        ([("a", "b"), ("b", "c"), ("c", "a")], "line 2, column 'NEW': the new names go round in a circle"),
        ([("x", "a"), ("a", "b"), ("b", "a")], "line 2, column 'NEW': the new names go round"),
        ([("a", "")], "line 2, column 'NEW': there is no name"),
        ([("", "a")], "line 2, column 'OLD': there is no name"),
    ],
)
def test_a_list_that_contradicts_itself_is_refused_with_its_line(
    load: Callable[..., dict[str, pd.DataFrame]], renames: list[tuple[str, str]], message: str
) -> None:
    with pytest.raises(MetadataError, match=message) as refused:
        load([(1, "a")], renames)
    assert "new_names.csv" in str(refused.value)


def test_a_list_needs_its_two_columns(write: Write) -> None:
    write("new_names.csv", "FROM,TO\na,b\n")
    with pytest.raises(MetadataError, match="one column OLD and one column NEW"):
        load_tables(write("movies.csv", "filename\na\n"), renames="new_names.csv")


@pytest.mark.parametrize(("name", "error"), [("never.csv", NotFound), ("../new.csv", UnsafeInput)])
def test_a_list_that_is_not_there_is_refused(write: Write, name: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        load_tables(write("movies.csv", "filename\na\n"), renames=name)


def stored(store: Store) -> dict[str, int]:
    movies = store.read("movies")
    return dict(zip(movies["filename"], movies["id"], strict=True))


def test_a_movie_keeps_its_row_under_a_new_name(load: Callable[..., dict[str, pd.DataFrame]], store: Store) -> None:
    populate(store, load([(7, "a"), (9, "b")]))
    renamed = load([(7, "a"), (9, "b")], [("a", "x"), ("x", "y")])
    assert populate(store, renamed)["movies"] == Counts(updated=1, unchanged=1)
    assert stored(store) == {"y": 7, "b": 9}


def test_a_name_in_between_is_known_too(load: Callable[..., dict[str, pd.DataFrame]], store: Store) -> None:
    populate(store, load([(7, "x")]))
    populate(store, load([(7, "a")], [("a", "x"), ("x", "y")]))
    assert stored(store) == {"y": 7}


@pytest.mark.parametrize("listed", ["a", "x"])
def test_a_second_time_changes_nothing(load: Callable[..., dict[str, pd.DataFrame]], store: Store, listed: str) -> None:
    populate(store, load([(7, "a")]))
    populate(store, load([(7, listed)], [("a", "x")]))
    again = populate(store, load([(7, listed)], [("a", "x")]))
    assert again["movies"] == Counts(unchanged=1)
    assert stored(store) == {"x": 7}


def test_new_movies_of_a_renamed_table_get_ids_of_their_own(
    load: Callable[..., dict[str, pd.DataFrame]], store: Store
) -> None:
    populate(store, load([(7, "a")]))
    populate(store, load([("", "a"), ("", "b"), (7, "c")], [("a", "x")]))
    assert stored(store)["x"] == 7
    assert len(set(stored(store).values())) == 3


def test_two_movies_exchange_their_names(load: Callable[..., dict[str, pd.DataFrame]], store: Store) -> None:
    swap = [("a", "b"), ("b", "a")]
    populate(store, load([(7, "a"), (9, "b")]))
    assert populate(store, load([(7, "a"), (9, "b")], swap))["movies"].updated == 2
    assert stored(store) == {"b": 7, "a": 9}
    assert populate(store, load([(7, "a"), (9, "b")], swap))["movies"].unchanged == 2


def test_an_exchange_that_nothing_tells_apart_is_refused(
    load: Callable[..., dict[str, pd.DataFrame]], store: Store
) -> None:
    populate(store, load([(7, "a"), (9, "b")]))
    with pytest.raises(MetadataError, match="exchanged its name"):
        populate(store, load([("", "a"), ("", "b")], [("a", "b"), ("b", "a")]))
    assert stored(store) == {"a": 7, "b": 9}


def test_two_movies_of_the_store_do_not_become_one(load: Callable[..., dict[str, pd.DataFrame]], store: Store) -> None:
    populate(store, load([(7, "a"), (9, "x")]))
    with pytest.raises(MetadataError, match="are two movies of the store, and both became y"):
        populate(store, load([(7, "a")], [("a", "x"), ("x", "y")]))
