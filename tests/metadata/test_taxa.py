from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.metadata.taxa import find_taxa, match_labels, zoo_label

SPECIES = pd.DataFrame(
    {
        "id": [3, 5, 8],
        "zoo_label": ["DEADMANSFINGERS", "SUNSTAR", "NOTHINGHERE"],
        "vernacularName": ["Dead man's fingers", "Common sun star", "Nothing here"],
        "scientificName": ["Alcyonium digitatum", "Crossaster papposus", None],
    }
)


@pytest.mark.parametrize(
    ("label", "number", "how"),
    [
        ("DEADMANSFINGERS", 3, "zoo_label"),
        ("dead_mans-fingers", 3, "zoo_label"),
        ("Common Sun Star", 5, "vernacular"),
        ("crossaster papposus", 5, "scientific"),
        ("nothing here", 8, "zoo_label"),
        ("Crossaster", None, "none"),
        ("", None, "none"),
    ],
)
def test_a_label_finds_its_species(label: str, number: int | None, how: str) -> None:
    (row,) = match_labels([label], SPECIES).to_dict("records")
    assert row["how"] == how
    assert row["label"] == label
    assert row["species_id"] == number if number else pd.isna(row["species_id"])


def test_labels_keep_their_order_and_repetitions() -> None:
    matched = match_labels(["SUNSTAR", "squid", "SUNSTAR"], SPECIES)
    assert matched["label"].tolist() == ["SUNSTAR", "squid", "SUNSTAR"]
    assert matched["species_id"].dtype == "Int64"
    assert matched["species_id"].isna().tolist() == [False, True, False]


def test_no_labels_give_an_empty_table() -> None:
    assert list(match_labels([], SPECIES)) == ["label", "species_id", "how"]


def test_a_zoo_label_comes_before_a_name() -> None:
    species = pd.DataFrame({"id": [1, 2], "zoo_label": ["CRAB", "COD"], "vernacularName": ["Cod", "Torsk"]})
    assert match_labels(["cod"], species)["species_id"].tolist() == [2]


def test_letters_of_all_languages_count() -> None:
    assert zoo_label("Ro\u0308d kora\u0308ll (2)") == "R\u00d6DKOR\u00c4LL2"


@given(st.text())
@settings(derandomize=True, deadline=None, max_examples=200)
def test_a_label_is_cleaned_once_for_all(name: str) -> None:
    assert zoo_label(zoo_label(name)) == zoo_label(name)


@pytest.mark.parametrize(
    ("name", "scientific", "taxon"),
    [
        ("Cod", "Gadus morhua", True),
        ("Other", "Animalia", True),
        ("Cod", None, False),
        ("Litter", "Not applicable", False),
        ("Nothing here", "Animalia", False),
        ("Litter", "NA", False),
    ],
)
def test_a_taxon_has_a_scientific_name(name: str, scientific: str | None, taxon: bool) -> None:
    species = pd.DataFrame({"vernacularName": [name], "scientificName": [scientific]})
    assert find_taxa(species).tolist() == [taxon]
