from __future__ import annotations

import tomllib
from pathlib import Path

import pandas as pd
import pytest

from kso_utils.core.errors import MetadataError
from kso_utils.core.report import Report
from kso_utils.metadata.checks import check_tables
from kso_utils.metadata.ingest import populate
from kso_utils.metadata.tables import load_tables
from kso_utils.store.engine import Store
from kso_utils.store.rows import Counts

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = tomllib.loads((Path(__file__).parent / "koster.toml").read_text(encoding="utf-8"))["tables"]
STARTER = ROOT / "db_starter"


@pytest.fixture
def tables(koster: Path) -> dict[str, pd.DataFrame]:
    return load_tables(koster, **SETTINGS)


def values(report: Report, code: str, column: str) -> list[str]:
    return [f.value for f in report if f.code == code and f.column == column]


def test_all_rows_are_read(tables: dict[str, pd.DataFrame]) -> None:
    assert {name: len(frame) for name, frame in tables.items()} == {"sites": 15, "movies": 95, "species": 66}


def test_the_site_at_zero_is_found(tables: dict[str, pd.DataFrame]) -> None:
    (finding,) = [f for f in check_tables(tables) if f.code == "ZERO_COORDINATE"]
    assert (finding.table, finding.row) == ("sites", 12)
    assert "Klippgrund" in finding.message


def test_placeholders_are_found(tables: dict[str, pd.DataFrame]) -> None:
    report = check_tables(tables)
    movies = tables["movies"]
    assert values(report, "PLACEHOLDER_VALUE", "fps") == ["99"] * int((movies["fps"] == 99).sum())
    assert values(report, "PLACEHOLDER_VALUE", "duration_s") == ["99999"] * int((movies["duration_s"] == 99999).sum())
    assert values(report, "PLACEHOLDER_VALUE", "recordedBy") == ["NA"] * int((movies["recordedBy"] == "NA").sum())
    assert {"unknown", "unknown1"} == set(values(report, "PLACEHOLDER_VALUE", "locality"))


def test_the_two_scientific_names_that_stand_twice_are_found(tables: dict[str, pd.DataFrame]) -> None:
    found = values(check_tables(tables), "DUPLICATE_SCIENTIFIC_NAME", "scientificName")
    assert found == ["Crossaster papposus", "Porania pulvillus"]


def test_nothing_but_these_is_found(tables: dict[str, pd.DataFrame]) -> None:
    assert set(check_tables(tables).codes()) == {
        *("ZERO_COORDINATE", "PLACEHOLDER_VALUE", "DUPLICATE_SCIENTIFIC_NAME"),
        "DUPLICATE_LABEL",  # "Common sunstar" and "Common sun star" are one label on Zooniverse
    }


def test_the_tables_enter_the_store_once_they_are_corrected(store: Store, tables: dict[str, pd.DataFrame]) -> None:
    with pytest.raises(MetadataError):
        populate(store, tables)
    sites, species = tables["sites"], tables["species"]
    sites.loc[sites["locality"] == "Klippgrund", ["decimalLatitude", "decimalLongitude"]] = None
    species.loc[species["vernacularName"] == "Common sun star", "vernacularName"] = "Sun star with ten arms"
    assert populate(store, tables)["movies"] == Counts(inserted=95)
    movies = store.read("movies").set_index("filename")
    assert movies["fps"].isna().sum() == (tables["movies"]["fps"] == 99).sum()
    assert movies["id"].tolist() == tables["movies"]["id"].tolist()


def test_the_example_project_has_the_findings_that_it_explains() -> None:
    report = check_tables(load_tables(STARTER))
    assert report.codes() == {"ZERO_COORDINATE": 1, "PLACEHOLDER_VALUE": 1, "RECOMMENDED_VALUE_MISSING": 1}
    readme = (STARTER / "README.md").read_text(encoding="utf-8")
    assert [code for code in report.codes() if code not in readme] == []


def test_the_example_project_is_stored_once_its_site_is_corrected(store: Store) -> None:
    tables = load_tables(STARTER)
    sites = tables["sites"]
    sites.loc[sites["decimalLatitude"] == 0, ["decimalLatitude", "decimalLongitude"]] = None
    counts = populate(store, tables)
    assert {name: c.inserted for name, c in counts.items()} == {name: len(frame) for name, frame in tables.items()}


def test_the_example_settings_are_toml_with_a_name() -> None:
    assert tomllib.loads((STARTER / "project.toml").read_text(encoding="utf-8"))["name"] == "Template project"
