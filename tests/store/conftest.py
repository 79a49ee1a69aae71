"""Small stores to test on."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from kso_utils.store.engine import Store, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an empty store, to be copied: quicker than making one for each test."""
    path = tmp_path_factory.mktemp("empty") / "store.sqlite"
    open_store(path).close()
    return path


@pytest.fixture
def store(tmp_path: Path, empty_file: Path) -> Iterator[Store]:
    """An empty store."""
    path = tmp_path / "store.sqlite"
    shutil.copyfile(empty_file, path)
    with open_store(path) as opened:
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
