"""Small stores to test on, each on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from kso_utils.store.engine import Store, open_store
from tests.store.databases import VARIABLE, WITHOUT_SERVER, Files, Server, make_empty

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KINDS = {
    "sqlite": pytest.param(Files, id="sqlite"),
    "postgresql": pytest.param(
        Server, id="postgresql", marks=pytest.mark.skipif(VARIABLE not in os.environ, reason=WITHOUT_SERVER)
    ),
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test of a store on each kind of database, or on the one that its mark `only_on` names."""
    if "databases" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker("only_on")
        kinds = KINDS.values() if mark is None else [KINDS[mark.args[0]]]
        metafunc.parametrize("databases", kinds, indirect=True, scope="session")


@pytest.fixture(scope="session")
def databases(request: pytest.FixtureRequest) -> Iterator[Files | Server]:
    """The kind of database that the test is on."""
    made = request.param()
    yield made
    made.close()


@pytest.fixture(scope="session")
def empty(databases: Files | Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path | str]:
    """The address of an empty store, to be copied: quicker than making one for each test."""
    address = make_empty(databases, tmp_path_factory.mktemp("empty"))
    yield address
    databases.drop(address)


@pytest.fixture
def new_address(databases: Files | Server, tmp_path: Path) -> Iterator[Path | str]:
    """An address where there is no store yet."""
    address = databases.new(tmp_path)
    yield address
    databases.drop(address)


@pytest.fixture
def address(databases: Files | Server, empty: Path | str, tmp_path: Path) -> Iterator[Path | str]:
    """The address of the test's store."""
    copied = databases.copy(empty, tmp_path)
    yield copied
    databases.drop(copied)


@pytest.fixture
def store(address: Path | str) -> Iterator[Store]:
    """An empty store."""
    with open_store(address) as opened:
        yield opened


@pytest.fixture
def road(store: Store) -> Store:
    """Two sites, three movies, two species, four subjects and their classifications."""
    store.upsert(
        "sites",
        pd.DataFrame(
            {
                "id": [1, 2],
                "locality": ["North reef", "South reef"],
                "decimalLatitude": [57.5, -8.25],
                "decimalLongitude": [11.5, 39.5],
            }
        ),
        "locality",
    )
    store.upsert(
        "movies",
        pd.DataFrame(
            {"id": [1, 2, 3], "filename": ["a.mp4", "b.mp4", "c.mp4"], "site_id": [1, 1, 2], "duration_s": [60.0] * 3}
        ),
        "filename",
    )
    store.upsert(
        "species",
        pd.DataFrame(
            {
                "id": [1, 2],
                "vernacularName": ["Cod", "Crab"],
                "zoo_label": ["COD", "CRAB"],
                "scientificName": ["Gadus morhua", "Cancer pagurus"],
            }
        ),
        "zoo_label",
    )
    store.upsert(
        "subjects",
        pd.DataFrame(
            {
                "id": [101, 102, 201, 202],
                "subject_type": ["clip", "clip", "frame", "frame"],
                "movie_id": [1, 3, 1, None],
                "clip_start_time": [0.0, 10.0, None, None],
                "clip_end_time": [10.0, 20.0, None, None],
                "frame_number": [None, None, 7, 8],
            }
        ),
        "id",
    )
    return store
