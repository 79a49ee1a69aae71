from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from kso_utils.core.report import Finding
from kso_utils.metadata.checks import check_tables
from kso_utils.metadata.rules import CHECKS

Tables = dict[str, pd.DataFrame]


def codes(tables: Tables, footage: pd.DataFrame | None = None) -> list[str]:
    return [f.code for f in check_tables(tables, footage)]


def with_value(tables: Tables, table: str, column: str, value: Any, row: int = 0) -> Tables:
    frame = tables[table].copy()
    values: list[Any] = list(frame[column]) if column in frame else [None] * len(frame)
    values[row] = value
    frame[column] = pd.Series(values, index=frame.index, dtype="object")
    return {**tables, table: frame}


def found(tables: Tables, code: str, footage: pd.DataFrame | None = None) -> list[Finding]:
    return list(CHECKS[code].run(tables, footage))


def tells(code: str, tables: Tables, footage: pd.DataFrame | None = None) -> bool:
    return bool(found(tables, code, footage))


# code, table, column, a value that is wrong, a value nearby that is not
CELLS = [
    ("REQUIRED_VALUE_MISSING", "movies", "filename", "", "0"),
    ("REQUIRED_VALUE_MISSING", "movies", "filename", "NA", "NA.mp4"),
    ("REQUIRED_VALUE_MISSING", "sites", "locality", None, "None Such"),
    ("REQUIRED_VALUE_MISSING", "species", "vernacularName", " ", "Nan bread coral"),
    ("RECOMMENDED_VALUE_MISSING", "movies", "recordedBy", None, "O"),
    ("RECOMMENDED_VALUE_MISSING", "movies", "eventDate", "", "2021"),
    ("RECOMMENDED_VALUE_MISSING", "species", "scientificName", None, "Not applicable"),
    ("PLACEHOLDER_VALUE", "movies", "fps", 99, 98),
    ("PLACEHOLDER_VALUE", "movies", "duration_s", 99999.0, 99998.0),
    ("PLACEHOLDER_VALUE", "movies", "fps", -1, 1),
    ("PLACEHOLDER_VALUE", "movies", "recordedBy", "NA", "Nan Adler"),
    ("PLACEHOLDER_VALUE", "movies", "recordedBy", "Unknown", "Unknown Pleasures crew"),
    ("PLACEHOLDER_VALUE", "movies", "eventDate", "unknown", "2020-02-29"),
    ("PLACEHOLDER_VALUE", "sites", "locality", "unknown1", "Unknown reef"),
    ("PLACEHOLDER_VALUE", "sites", "waterBody", "-", "Gullmarn"),
    ("NOT_A_NUMBER", "movies", "fps", "25 fps", "25"),
    ("NOT_A_NUMBER", "movies", "fps", "25,5", "25.5"),
    ("NOT_A_NUMBER", "movies", "duration_s", float("inf"), 61.0),
    ("NOT_A_NUMBER", "photos", "photo_position", 1.5, 2.0),
    ("NOT_YES_OR_NO", "movies", "is_bad_deployment", "perhaps", "TRUE"),
    ("DUPLICATE_KEY", "movies", "filename", "b.mp4", "B.mp4"),
    ("DUPLICATE_KEY", "sites", "locality", "Outer wall", "Outer wall 2"),
    ("DUPLICATE_LABEL", "species", "vernacularName", "nothing-here", "Something here"),
    ("DUPLICATE_LABEL", "species", "vernacularName", "!!", "!!1"),
    ("UNKNOWN_SITE", "movies", "locality", "inner sill", "Outer wall"),
    ("UNKNOWN_SITE", "photos", "locality", "Innersill", "Inner sill"),
    ("UNKNOWN_SURVEY", "movies", "parentEventID", "autumn", None),
    ("COORDINATE_OUT_OF_RANGE", "sites", "decimalLatitude", 90.001, 90.0),
    ("COORDINATE_OUT_OF_RANGE", "sites", "decimalLongitude", -180.5, -180.0),
    ("COORDINATE_INCOMPLETE", "sites", "decimalLatitude", None, 0.0),
    ("COORDINATE_UNCERTAINTY_METERS_INVALID", "sites", "coordinateUncertaintyInMeters", 0, 0.1),
    ("DEPTH_MIN_MAX_SWAPPED", "sites", "minimumDepthInMeters", 40.5, 40.0),
    ("GEODETIC_DATUM_INVALID", "sites", "geodeticDatum", "EPSG:3006", "wgs 84"),
    ("GEODETIC_DATUM_INVALID", "sites", "geodeticDatum", "GPS", "ETRS89"),
    ("COUNTRY_INVALID", "sites", "countryCode", "SWE", "SE"),
    ("COUNTRY_INVALID", "sites", "countryCode", "se", "NA"),
    ("RECORDED_DATE_INVALID", "movies", "eventDate", "2021-02-29", "2020-02-29"),
    ("RECORDED_DATE_INVALID", "movies", "eventDate", "13/08/2021", "2021-08-13/2021-08-14"),
    ("RECORDED_DATE_INVALID", "movies", "eventDate", "2021-04-14T24:30", "2021-04-14T23:30+02:00"),
    ("RECORDED_DATE_UNLIKELY", "movies", "eventDate", "9021-04-13", "2001-04-13"),
    ("RECORDED_DATE_UNLIKELY", "movies", "eventDate", "0221-04-13", "1954-04-13"),
    ("VALUE_NOT_POSITIVE", "movies", "fps", 0, 0.1),
    ("VALUE_NOT_POSITIVE", "movies", "duration_s", -5, 60),
    ("SAMPLING_WINDOW_INVALID", "movies", "sampling_end_s", 0.0, 0.5),
    ("SAMPLING_WINDOW_INVALID", "movies", "sampling_start_s", -2.0, 2.0),
    ("SAMPLING_WINDOW_BEYOND_MOVIE", "movies", "sampling_end_s", 60.5, 60.0),
    ("SAMPLING_WINDOW_BEYOND_MOVIE", "movies", "sampling_start_s", 60.0, 59.0),
]


@pytest.mark.parametrize(("code", "table", "column", "wrong", "_right"), CELLS)
def test_a_wrong_cell_is_found(tables: Tables, code: str, table: str, column: str, wrong: Any, _right: Any) -> None:
    assert tells(code, with_value(tables, table, column, wrong))


@pytest.mark.parametrize(("code", "table", "column", "_wrong", "right"), CELLS)
def test_a_right_cell_nearby_is_not(
    tables: Tables, code: str, table: str, column: str, _wrong: Any, right: Any
) -> None:
    assert not tells(code, with_value(tables, table, column, right))


def test_nothing_is_found_in_sound_tables(tables: Tables, footage: pd.DataFrame) -> None:
    assert codes(tables, footage) == []


def test_a_finding_names_line_column_and_value(tables: Tables) -> None:
    (finding,) = found(with_value(tables, "movies", "fps", 99, row=1), "PLACEHOLDER_VALUE")
    assert (finding.table, finding.row, finding.column, finding.value) == ("movies", 3, "fps", "99")


def test_a_message_names_the_header_of_the_file(tables: Tables) -> None:
    wrong = with_value(tables, "sites", "locality", "unknown")
    wrong["sites"].attrs["headers"] = {"locality": "siteName"}
    assert found(wrong, "PLACEHOLDER_VALUE")[0].message.startswith("siteName is unknown")


def test_zero_coordinate_needs_both_zeros(tables: Tables) -> None:
    half = with_value(tables, "sites", "decimalLatitude", 0)
    assert not found(half, "ZERO_COORDINATE")
    (finding,) = found(with_value(half, "sites", "decimalLongitude", 0.0), "ZERO_COORDINATE")
    assert "Inner sill" in finding.message


def test_a_site_without_position_is_only_unpublishable(tables: Tables) -> None:
    unknown = with_value(with_value(tables, "sites", "decimalLatitude", None), "sites", "decimalLongitude", None)
    assert set(codes(unknown)) == {"RECOMMENDED_VALUE_MISSING"}


@pytest.mark.parametrize(
    ("table", "column", "code"),
    [
        ("movies", "filename", "REQUIRED_COLUMN_MISSING"),
        ("sites", "locality", "REQUIRED_COLUMN_MISSING"),
        ("species", "vernacularName", "REQUIRED_COLUMN_MISSING"),
        ("movies", "recordedBy", "RECOMMENDED_COLUMN_MISSING"),
        ("sites", "decimalLatitude", "RECOMMENDED_COLUMN_MISSING"),
        ("movies", "fps", None),
    ],
)
def test_a_missing_column_counts_by_its_need(tables: Tables, table: str, column: str, code: str | None) -> None:
    less = {**tables, table: tables[table].drop(columns=column)}
    missing = [f.code for f in check_tables(less) if f.column == column and f.row is None]
    assert missing == ([code] if code else [])


def test_a_missing_table_is_told(tables: Tables) -> None:
    assert tells("TABLE_MISSING", {k: v for k, v in tables.items() if k != "species"})
    assert not tells("TABLE_MISSING", {k: v for k, v in tables.items() if k != "photos"})


def test_the_same_scientific_name_twice_names_the_first_line(tables: Tables) -> None:
    rows = tables["species"].to_dict("records")
    rows.append({**rows[0], "vernacularName": "Ball sponge", "scientificName": "geodia barretti"})
    (finding,) = found({**tables, "species": pd.DataFrame(rows)}, "DUPLICATE_SCIENTIFIC_NAME")
    assert finding.row == 4
    assert "line 2" in finding.message


def test_labels_that_are_no_taxa_may_share_their_name(tables: Tables) -> None:
    rows = tables["species"].to_dict("records")
    rows.append({**rows[1], "vernacularName": "Human objects"})
    assert not found({**tables, "species": pd.DataFrame(rows)}, "DUPLICATE_SCIENTIFIC_NAME")


@pytest.mark.parametrize("ids", [[1, 1], [1, "x"], [1, None], [0, 1], [1.5, 2]])
def test_ids_that_cannot_be_kept_are_told(tables: Tables, ids: list[Any]) -> None:
    assert tells("ID_UNUSABLE", {**tables, "movies": tables["movies"].assign(id=ids)})


def test_unique_ids_are_not(tables: Tables) -> None:
    assert codes({**tables, "movies": tables["movies"].assign(id=[7, 3])}) == []


def test_a_file_in_windows_1252_is_told(tables: Tables) -> None:
    assert not tells("FILE_NOT_UTF8", tables)
    tables["sites"].attrs["encoding"] = "cp1252"
    assert tells("FILE_NOT_UTF8", tables)


# code, column of the footage, a value that is wrong, a value nearby that is not
FILES = [
    ("FPS_CONTRADICTED", "fps_num", 30, 25),
    ("DURATION_CONTRADICTED", "duration_s", 58.9, 59.1),
    ("FILE_MISSING", "filename", "A.mp4", "a.mp4"),
    ("FILE_NOT_LISTED", "filename", "c.mp4", "a.mp4"),
    ("FILE_AMBIGUOUS", "filename", "b.mp4", "a.mp4"),
    ("FILE_UNREADABLE", "error", "moov atom not found", None),
]


@pytest.mark.parametrize(("code", "column", "wrong", "_right"), FILES)
def test_a_file_that_contradicts_is_found(
    tables: Tables, footage: pd.DataFrame, code: str, column: str, wrong: Any, _right: Any
) -> None:
    assert tells(code, tables, with_value({"f": footage}, "f", column, wrong)["f"])


@pytest.mark.parametrize(("code", "column", "_wrong", "right"), FILES)
def test_a_file_that_agrees_is_not(
    tables: Tables, footage: pd.DataFrame, code: str, column: str, _wrong: Any, right: Any
) -> None:
    assert not tells(code, tables, with_value({"f": footage}, "f", column, right)["f"])


def test_thirty_is_not_ntsc(tables: Tables, footage: pd.DataFrame) -> None:
    assert not tells("FPS_CONTRADICTED", with_value(tables, "movies", "fps", 29.97003, row=1), footage)
    assert tells("FPS_CONTRADICTED", with_value(tables, "movies", "fps", 30, row=1), footage)


def test_a_placeholder_is_not_contradicted_by_the_file(tables: Tables, footage: pd.DataFrame) -> None:
    assert codes(with_value(tables, "movies", "fps", 99), footage) == ["PLACEHOLDER_VALUE"]


def test_file_names_are_compared_whatever_their_unicode_form(tables: Tables, footage: pd.DataFrame) -> None:
    composed, decomposed = "S\u00e4cken.mp4", "Sa\u0308cken.mp4"
    movies = with_value(tables, "movies", "filename", composed)
    assert codes(movies, with_value({"f": footage}, "f", "filename", decomposed)["f"]) == []


def test_the_window_is_held_against_the_file_where_the_table_has_no_duration(
    tables: Tables, footage: pd.DataFrame
) -> None:
    no_duration = with_value(tables, "movies", "duration_s", None)
    late = with_value(no_duration, "movies", "sampling_end_s", 62.0)
    assert tells("SAMPLING_WINDOW_BEYOND_MOVIE", late, footage)
    assert not tells("SAMPLING_WINDOW_BEYOND_MOVIE", late)


def test_every_check_has_a_test() -> None:
    source = "".join(p.read_text(encoding="utf-8") for p in Path(__file__).parent.rglob("test_*.py"))
    assert [code for code in CHECKS if f'"{code}"' not in source] == []


def test_every_check_says_what_it_means_and_what_to_do() -> None:
    for rule in CHECKS.values():
        assert rule.meaning.endswith(".")
        assert rule.fix.endswith(".") or rule.fix.endswith(").")


@pytest.mark.parametrize("column", ["filename", "fps", "eventDate", "sampling_end_s", "locality"])
def test_no_kind_of_cell_breaks_the_checks(tables: Tables, footage: pd.DataFrame, column: str) -> None:
    cells = [None, pd.NA, pd.NaT, "", 0, -1.5, True, "\u00e5\u0308", "{x}", "=1+1", "9" * 400, float("inf")]
    movies = pd.concat([tables["movies"].head(1)] * len(cells), ignore_index=True)
    check_tables({**tables, "movies": movies.assign(**{column: pd.Series(cells, dtype="object")})}, footage)


def test_empty_frames_are_checked_too() -> None:
    check_tables({name: pd.DataFrame() for name in ("sites", "movies", "species")}, pd.DataFrame({"filename": []}))
