from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from kso_utils.ml import detection
from kso_utils.store.engine import open_store


def test_labels_of_no_single_species_are_told_and_not_guessed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    detector = SimpleNamespace(names={0: "cod", 1: "squid", 2: "Solaster"})
    rows = {"id": [1, 2, 3], "vernacularName": ["Cod", "Sun star", "Other star"], "zoo_label": ["COD", "SUN", "STAR"]}
    with open_store(tmp_path / "kso.db") as store, caplog.at_level(logging.WARNING):
        species = pd.DataFrame(rows).assign(scientificName=["Gadus morhua", "Solaster", "Solaster"])
        store.upsert("species", species, "id")
        assert detection._find_species(store, detector) == {"cod": 1}
    assert "squid, Solaster" in caplog.text
