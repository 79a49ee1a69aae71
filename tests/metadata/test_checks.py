from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.core.report import Finding
from kso_utils.metadata.checks import check_tables, list_checks
from kso_utils.metadata.rules import CHECKS
from kso_utils.metadata.terms import TABLES

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
    ("DECIMAL_SIGNS_MIXED", "movies", "fps", "25,5", "25.5"),
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


def test_every_check_says_what_it_means_and_what_to_do() -> None:
    for rule in list_checks():
        assert rule.meaning.endswith(".")
        assert rule.fix.endswith(".") or rule.fix.endswith(").")


CELLS_OF_ALL_KINDS = [
    *(None, pd.NA, pd.NaT, "", 0, -1.5, True, 2**70, 1e308, float("inf"), "9" * 400, "25,5 m", "a" * 5_000),
    *("\u00e5\u0308", "{x}", "=1+1", "\x00", "2021-02-30", "0000-01-01", "9999-12-31", "01.02.2003", "65000"),
    *("POINT(1 2)", "Gadus (x", "cf.", "urn:lsid:marinespecies.org:taxname:1", "a@b.c"),
]


def filled(cells: list[Any]) -> Tables:
    """Every column of every table, with these cells."""
    rows = pd.Series(cells, dtype="object")
    return {name: pd.DataFrame({c.name: rows for c in table.columns}) for name, table in TABLES.items()}


@pytest.mark.filterwarnings("error")
def test_no_kind_of_cell_breaks_the_checks() -> None:
    rows = pd.Series(CELLS_OF_ALL_KINDS, dtype="object")
    files = pd.DataFrame({c: rows for c in ("filename", "error", "sha256", "created_at")})
    for footage in (None, files.assign(fps_num=25, fps_den=1, duration_s=5.0)):
        check_tables(filled(CELLS_OF_ALL_KINDS), footage)


@pytest.mark.filterwarnings("error")
@given(st.lists(st.sampled_from(CELLS_OF_ALL_KINDS), max_size=4))
@settings(derandomize=True, deadline=None, max_examples=4)
def test_no_few_cells_break_the_checks(cells: list[Any]) -> None:
    check_tables(filled(cells))


def test_tables_without_columns_are_checked() -> None:
    check_tables({name: pd.DataFrame() for name in TABLES}, pd.DataFrame({"filename": []}))


def test_strict_makes_every_warning_an_error(tables: Tables) -> None:
    wrong = with_value(tables, "movies", "fps", 99)
    assert check_tables(wrong).ok
    (finding,) = check_tables(wrong, strict=True)
    assert (finding.code, finding.severity) == ("PLACEHOLDER_VALUE", "error")


def test_strict_leaves_what_is_only_told(tables: Tables) -> None:
    report = check_tables({**tables, "movies": tables["movies"].assign(id=[1, 3])}, strict=True)
    assert [(f.code, f.severity) for f in report] == [("ID_GAP", "info")]


def clean_project(movies: int) -> tuple[Tables, pd.DataFrame]:
    """A project as a careful person keeps it: several surveys, sites and cameras over some years, and its files."""
    places = [
        ("Ytt\u00f6 reef", 58.8771, 11.1043),
        ("North sill", 58.8916, 11.0817),
        ("Wreck of 1903", 59.0144, 11.1167),
    ]
    places += [("Sill 2, east", 58.5735, 11.0758), ("T\u00e5ngen", 58.3582, 11.0873), ("Deep 1", 58.4986, 10.5307)]
    names = [name for name, _, _ in places]
    people = ["Maja Lindqvist", "Oskar Hallberg | Maja Lindqvist", "R. O'Brien"]
    days = [f"20{20 + k % 4}-0{4 + k % 3}-{1 + k % 28:02d}" for k in range(movies)]
    rates = [(25, 1), (30000, 1001), (60000, 1001)]
    filenames = [f"GX01{k:04d}.MP4" if k % 3 else f"{d.replace('-', '')}_101530_cam{k}.mp4" for k, d in enumerate(days)]
    lengths = [round(600 + 7.3 * (k % 90), 2) for k in range(movies)]
    surveys = {"eventID": [f"20{y}" for y in range(20, 24)], "eventDate": [f"20{y}-04/20{y}-06" for y in range(20, 24)]}
    species = pd.DataFrame(
        [
            ("Cod", "Gadus morhua", "species", "Animalia", "Gadidae", "Gadus", 126436),
            ("Poor cod", "Trisopterus minutus", "species", "Animalia", "Gadidae", "Trisopterus", 126446),
            ("Sugar kelp", "Saccharina latissima", "species", "Chromista", "Laminariaceae", "Saccharina", 234483),
            ("Squat lobsters", "Galatheidae", "family", "Animalia", "Galatheidae", None, 106733),
            ("Henricia", "Henricia", "genus", "Animalia", "Echinasteridae", "Henricia", 123276),
            ("Nothing here", "Not applicable", "Not applicable", "Not applicable", None, None, None),
        ],
        columns=["vernacularName", "scientificName", "taxonRank", "kingdom", "family", "genus", "scientificNameID"],
    )
    species["scientificNameID"] = [
        f"urn:lsid:marinespecies.org:taxname:{n:.0f}" if n == n else None for n in species["scientificNameID"]
    ]
    table = {
        "id": list(range(1, movies + 1)),
        "filename": filenames,
        "locality": [names[k % 6] for k in range(movies)],
        "parentEventID": [d[:4] for d in days],
        "eventDate": [d if k % 2 else f"{d}T10:15:30+02:00" for k, d in enumerate(days)],
        "recordedBy": [people[k % 3] for k in range(movies)],
        "fps": [n / d if k % 4 else None for k, (n, d) in enumerate(rates[k % 3] for k in range(movies))],
        "duration_s": lengths,
        "sampling_start_s": [30.0 if k % 5 else None for k in range(movies)],
        "sampling_end_s": [length - 10 for length in lengths],
        "is_bad_deployment": [k % 50 == 0 for k in range(movies)],
    }
    files = {
        "filename": filenames,
        "sha256": [f"{k:064x}" for k in range(movies)],
        "fps_num": [rates[k % 3][0] for k in range(movies)],
        "fps_den": [rates[k % 3][1] for k in range(movies)],
        "duration_s": [length + 0.02 for length in lengths],
        "created_at": [f"{d}T08:15:30.000000Z" for d in days],
        "error": None,
    }
    sites = {
        "id": range(1, 7),
        "locality": names,
        "decimalLatitude": [y for _, y, _ in places],
        "decimalLongitude": [x for _, _, x in places],
        "geodeticDatum": "EPSG:4326",
        "countryCode": "SE",
        "minimumDepthInMeters": [0.0, 20, 31.5, 80, 12, 250],
        "maximumDepthInMeters": [15.0, 40, 33, 90, 12, 310],
    }
    tables = {"surveys": pd.DataFrame({**surveys, "license": "CC BY 4.0"}), "sites": pd.DataFrame(sites)}
    return {**tables, "movies": pd.DataFrame(table), "species": species}, pd.DataFrame(files)


def test_nothing_is_found_in_a_project_of_200_movies_that_is_right() -> None:
    tables, footage = clean_project(200)
    assert [str(f) for f in check_tables(tables, footage, strict=True)] == []
