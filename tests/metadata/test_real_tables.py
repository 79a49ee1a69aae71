from __future__ import annotations

import tomllib
from pathlib import Path

import pandas as pd
import pytest

from kso_utils.core.errors import MetadataError
from kso_utils.core.report import Report
from kso_utils.metadata.checks import check_tables, list_checks
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


COUNTS = {
    "PLACEHOLDER_VALUE": 148,  # 41 rates, 41 durations, 60 names, and the sites "unknown" and "unknown1" 6 times
    "RANK_COARSE": 10,
    "COORDINATE_ROUNDED": 4,  # eight decimals, one of them copied
    "DUPLICATE_POSITION": 2,  # of "unknown" and "unknown1"
    "DUPLICATE_SCIENTIFIC_NAME": 2,
    "ID_GAP": 2,  # site 12, movies 68 to 95
    "ZERO_COORDINATE": 1,
    "FILENAME_DATE_CONTRADICTED": 1,  # 031023 is said to be 2003-01-23
    "DUPLICATE_LABEL": 1,  # "Common sunstar" and "Common sun star" are one label on Zooniverse
}


def test_each_check_finds_so_many_rows(tables: dict[str, pd.DataFrame]) -> None:
    counts = check_tables(tables).codes()
    assert {c.code: counts[c.code] for c in list_checks()} == {c.code: COUNTS.get(c.code, 0) for c in list_checks()}


def test_the_date_in_a_file_name_is_held_against_the_table(tables: dict[str, pd.DataFrame]) -> None:
    (finding,) = [f for f in check_tables(tables) if f.code == "FILENAME_DATE_CONTRADICTED"]
    assert (finding.row, finding.value) == (28, "2003-01-23")
    assert "2003-10-23" in finding.fix


def test_the_copied_positions_are_those_of_the_unknown_sites(tables: dict[str, pd.DataFrame]) -> None:
    rows = [f.row for f in check_tables(tables) if f.code == "DUPLICATE_POSITION"]
    assert tables["sites"].loc[rows, "locality"].tolist() == ["unknown", "unknown1"]


def test_a_second_spelling_of_the_datum_is_found(tables: dict[str, pd.DataFrame]) -> None:
    tables["sites"].loc[5, "geodeticDatum"] = "WGS84"
    (finding,) = [f for f in check_tables(tables) if f.code == "GEODETIC_DATUM_MIXED"]
    assert finding.row == 5
    assert "EPSG:4326" in finding.fix


def test_the_ids_that_are_left_out_are_named(tables: dict[str, pd.DataFrame]) -> None:
    assert values(check_tables(tables), "ID_GAP", "id") == ["12", "68 to 95"]


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
    assert report.codes() == {
        **{"ZERO_COORDINATE": 1, "PLACEHOLDER_VALUE": 1, "RECOMMENDED_VALUE_MISSING": 1},
        "RANK_COARSE": 1,
    }
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
