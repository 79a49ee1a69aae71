from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from kso_utils.store.engine import Store, open_store

SHARED = Path(__file__).resolve().parents[2].parent / "shared"


@pytest.fixture
def tables() -> dict[str, pd.DataFrame]:
    """Tables in which no check finds anything."""
    return {
        "surveys": pd.DataFrame({"eventID": ["spring"], "eventDate": ["2021-04"]}),
        "sites": pd.DataFrame(
            {
                "locality": ["Inner sill", "Outer wall"],
                "decimalLatitude": [58.25, 58.5],
                "decimalLongitude": [11.25, 11.5],
                "geodeticDatum": ["EPSG:4326", "EPSG:4326"],
                "countryCode": ["SE", "NO"],
                "coordinateUncertaintyInMeters": [30.0, None],
                "minimumDepthInMeters": [10.0, None],
                "maximumDepthInMeters": [40.0, 60.0],
            }
        ),
        "movies": pd.DataFrame(
            {
                "filename": ["a.mp4", "b.mp4"],
                "locality": ["Inner sill", "Outer wall"],
                "parentEventID": ["spring", None],
                "eventDate": ["2021-04-13", "2021-04-14T10:30:00Z"],
                "recordedBy": ["R. Berg", "R. Berg"],
                "fps": [25.0, 29.97],
                "duration_s": [60.0, 120.0],
                "sampling_start_s": [0.0, 5.0],
                "sampling_end_s": [60.0, None],
                "is_bad_deployment": ["no", "no"],
            }
        ),
        "photos": pd.DataFrame({"filename": ["p.jpg"], "locality": ["Inner sill"], "photo_position": [3]}),
        "species": pd.DataFrame(
            {
                "vernacularName": ["Football sponge", "Nothing here"],
                "scientificName": ["Geodia barretti", "Not applicable"],
                "taxonRank": ["species", "Not applicable"],
                "kingdom": ["Animalia", "Not applicable"],
            }
        ),
    }


@pytest.fixture
def footage() -> pd.DataFrame:
    """The files of `tables`, which agree with it."""
    return pd.DataFrame(
        {
            "filename": ["a.mp4", "b.mp4"],
            "path": ["/footage/a.mp4", "/footage/b.mp4"],
            "size_bytes": [1000, 2000],
            "sha256": ["a" * 64, "b" * 64],
            "fps_num": [25, 30000],
            "fps_den": [1, 1001],
            "frames": [1500, 3596],
            "duration_s": [60.0, 119.9866],
            "codec": ["h264", "h264"],
            "error": [None, None],
        }
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "kso.db")


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a file of the folder `tables` and return the folder."""

    def write_file(name: str, text: str | bytes) -> Path:
        folder = tmp_path / "tables"
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
        return folder

    return write_file


@pytest.fixture
def koster() -> Path:
    """The folder of real tables, where it is at hand."""
    folder = SHARED / "data" / "koster"
    if not folder.is_dir():
        pytest.skip("the shared data are not at hand")
    return folder
