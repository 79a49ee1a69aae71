"""For every check one table in which it finds something, and one nearby in which it must not."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from kso_utils.core.report import Finding
from kso_utils.metadata.checks import list_checks
from kso_utils.metadata.rulebook import reading
from kso_utils.metadata.rules import CHECKS

Tables = dict[str, pd.DataFrame]


def sites(**columns: list[Any]) -> Tables:
    return {"sites": pd.DataFrame(columns)}


def movies(**columns: list[Any]) -> Tables:
    return {"movies": pd.DataFrame(columns)}


def photos(**columns: list[Any]) -> Tables:
    return {"photos": pd.DataFrame(columns)}


def surveys(**columns: list[Any]) -> Tables:
    return {"surveys": pd.DataFrame(columns)}


def taxa(*names: str | None, **columns: list[Any]) -> Tables:
    labels = [f"label {k}" for k in range(len(names))]
    return {"species": pd.DataFrame({"vernacularName": labels, "scientificName": list(names), **columns})}


def files(**columns: list[Any]) -> Tables:
    return {"footage": pd.DataFrame(columns)}


def at(*positions: tuple[Any, Any], **columns: list[Any]) -> Tables:
    latitude, longitude = ([p[k] for p in positions] for k in (0, 1))
    names = [f"site {k}" for k in range(len(positions))]
    return sites(locality=names, decimalLatitude=latitude, decimalLongitude=longitude, **columns)


def encoded(table: Tables, encoding: str) -> Tables:
    for frame in table.values():
        frame.attrs["encoding"] = encoding
    return table


AROUND = [(58.1, 11.1), (58.2, 11.3), (58.4, 11.2), (58.3, 11.4)]
MOVIE = movies(filename=["a.mp4"])
DATED = ["210413 a.mp4", "210414 b.mp4", "210415 c.mp4"]

CASES: list[tuple[str, Tables, Tables]] = [
    ("TABLE_MISSING", MOVIE, MOVIE | sites(locality=["A"]) | taxa("Gadus morhua")),
    ("TABLE_EMPTY", movies(filename=[]), movies(filename=[""])),
    ("FILE_NOT_UTF8", encoded(sites(locality=["A"]), "cp1252"), encoded(sites(locality=["A"]), "utf-8")),
    ("REQUIRED_COLUMN_MISSING", movies(locality=["A"]), movies(filename=["a.mp4"], locality=["A"])),
    ("RECOMMENDED_COLUMN_MISSING", surveys(eventID=["A"]), surveys(eventID=["A"], eventDate=[None])),
    ("REQUIRED_VALUE_MISSING", movies(filename=["NA"]), movies(filename=["NA.mp4"])),
    ("RECOMMENDED_VALUE_MISSING", movies(recordedBy=[""]), movies(recordedBy=["NA"])),
    ("PLACEHOLDER_VALUE", movies(fps=[99.0]), movies(fps=[98.0])),
    ("NOT_A_NUMBER", movies(fps=["25 fps"]), movies(fps=["25"])),
    ("NOT_YES_OR_NO", movies(is_bad_deployment=["perhaps"]), movies(is_bad_deployment=["Yes"])),
    ("TEXT_GARBLED", sites(locality=["Reef S\u00c3\u00a4cken"]), sites(locality=["Reef S\u00e4cken, \u00c3 \u00e5"])),
    ("TEXT_GARBLED", sites(locality=["S\ufffdcken"]), sites(locality=["\u0391\u03b8\u03ae\u03bd\u03b1"])),
    ("SPREADSHEET_DAMAGE", sites(locality=["#REF!"]), sites(locality=["# 3"])),
    ("SPREADSHEET_DAMAGE", movies(eventID=["1.23E+05"]), movies(eventID=["1E5"])),
    ("SPREADSHEET_DAMAGE", sites(locality=["01-Mar"]), sites(locality=["01-Mars"])),
    ("INVISIBLE_CHARACTER", sites(locality=["Outer\u00a0wall"]), sites(locality=["Outer  wall"])),
    ("INVISIBLE_CHARACTER", sites(habitat=["mud\nsand"]), sites(habitat=["mud; sand"])),
    ("MARKUP_IN_NAME", taxa("<i>Gadus morhua</i>"), taxa("Gadus morhua")),
    ("MARKUP_IN_NAME", sites(locality=["https://reef.org"]), sites(locality=["a < b > c & co"])),
    ("SPELLED_VARIOUSLY", movies(recordedBy=["R. Berg", "R.Berg"]), movies(recordedBy=["R. Berg", "A. Berg"])),
    ("PERSONAL_DATA", movies(recordedBy=["R. Berg, r@berg.se"]), movies(recordedBy=["R. Berg @ the lab"])),
    ("PERSONAL_DATA", movies(recordedBy=["R. Berg 070-123 45 67"]), movies(recordedBy=["0000-0002-1825-0097"])),
    ("LICENSE_MISSING_OR_UNKNOWN", surveys(license=["All rights reserved"]), surveys(license=["CC BY-NC 4.0"])),
    (
        "LICENSE_MISSING_OR_UNKNOWN",
        surveys(license=["CC BY-SA 4.0"]),
        surveys(license=["https://creativecommons.org/licenses/by-nc/4.0/legalcode", "CC0 1.0", "cc-by", None]),
    ),
    ("DUPLICATE_KEY", movies(filename=["a.mp4", "a.mp4"]), movies(filename=["a.mp4", "A.mp4"])),
    ("NAMES_NEARLY_EQUAL", movies(filename=["a.mp4", "A.mp4"]), movies(filename=["a.mp4", "a.mp4"])),
    ("NAMES_NEARLY_EQUAL", sites(locality=["Reef 1", "reef1"]), sites(locality=["Reef 1", "Reef 11"])),
    ("NAMES_NEARLY_EQUAL", surveys(eventID=["\u00e5", "a\u030a"]), surveys(eventID=["\u00e5", "\u00e4"])),
    ("ID_UNUSABLE", movies(id=[1, 1]), movies(id=[7, 3])),
    ("ID_GAP", sites(id=[1, 2, 3, 5]), sites(id=[4, 3, 2, 1])),
    ("ID_GAP", sites(id=[1, 2, 4, None]), sites(id=[1, 8000, 91234])),
    ("UNKNOWN_SITE", MOVIE | movies(locality=["reef"]) | sites(locality=["Reef"]), movies(locality=["NA"])),
    ("UNKNOWN_SURVEY", photos(parentEventID=["fall"]), photos(parentEventID=["s"]) | surveys(eventID=["s"])),
    (
        "SITE_UNUSED",
        movies(locality=["A"]) | sites(locality=["A", "B"]),
        movies(locality=["A"]) | sites(locality=["A", "B"]) | photos(locality=["B"]),
    ),
    ("SURVEY_UNUSED", movies(parentEventID=["A"]) | surveys(eventID=["a"]), MOVIE | surveys(eventID=["A"])),
    ("PHOTO_POSITION_INVALID", photos(photo_position=[-1]), photos(photo_position=[0])),
    (
        "PHOTO_POSITION_INVALID",
        photos(locality=["A", "A"], photo_position=[1, 1]),
        photos(locality=["A", "B"], photo_position=[1, 1]),
    ),
    ("FILENAME_EXTENSION_UNKNOWN", movies(filename=["a"]), movies(filename=["a.MP4"])),
    ("FILENAME_EXTENSION_UNKNOWN", photos(filename=["a.mp4"]), photos(filename=["a.jpeg"])),
    ("FILENAME_NOT_RELATIVE", movies(filename=["2021\\a.mp4"]), movies(filename=["2021/a.mp4"])),
    ("FILENAME_NOT_RELATIVE", movies(filename=["/footage/a.mp4"]), movies(filename=["2021.04/..a.mp4"])),
    ("FILENAME_NOT_RELATIVE", movies(filename=["../a.mp4"]), movies(filename=["a..b/a.mp4"])),
    ("FILENAME_NOT_PORTABLE", movies(filename=["con/a.mp4"]), movies(filename=["cone/a.mp4"])),
    ("FILENAME_NOT_PORTABLE", movies(filename=["dive 10:30.mp4"]), movies(filename=["dive 10.30.mp4"])),
    ("FILENAME_NOT_PORTABLE", movies(filename=["\u00e5" * 126 + ".mp4"]), movies(filename=["\u00e5" * 125 + ".mp4"])),
    ("COORDINATE_OUT_OF_RANGE", at((90.5, 0)), at((-90, 180))),
    ("ZERO_COORDINATE", at((0, 0.0)), at((0, 1))),
    ("COORDINATE_INCOMPLETE", at((58.1, None)), at((None, None))),
    ("PRESUMED_SWAPPED_COORDINATE", at(*AROUND, (11.2, 58.2)), at(*AROUND, (58.2, 11.2))),
    ("PRESUMED_SWAPPED_COORDINATE", at((-41.2, 174.8), (-41.3, 174.9), (-41.1, 174.7), (174.75, -41.25)), at(*AROUND)),
    ("PRESUMED_NEGATED_LATITUDE", at(*AROUND, (-58.2, 11.2)), at(*AROUND, (-58.2, 60.0))),
    ("PRESUMED_NEGATED_LONGITUDE", at(*AROUND, (58.2, -11.2)), at((58.2, 11.2), (58.2, -11.2))),
    ("SITE_FAR_AWAY", at(*AROUND, (5.82, 11.2)), at(*AROUND, (5.82, 11.2), (5.83, 11.3))),
    ("SITE_FAR_AWAY", at(*AROUND, (-41.2, 174.8)), at((-41, 174), (-38, 176), (-36, 179.9), (-44, -176.5), (-46, 168))),
    ("DUPLICATE_POSITION", at((58.1, 11.1), (58.1, 11.1)), at((58.1, 11.1), (58.1, 11.2), (0, 0), (0, 0))),
    ("COORDINATE_IMPRECISE", at((58, 11)), at((58, 11.5))),
    ("COORDINATE_IMPRECISE", at((58.0, 11.0)), at((58, 11), coordinateUncertaintyInMeters=[80_000])),
    ("COORDINATE_ROUNDED", at((58.1234567, 11.1)), at((58.123456, -179.999999))),
    (
        "COORDINATE_UNCERTAINTY_METERS_INVALID",
        sites(coordinateUncertaintyInMeters=[0]),
        sites(coordinateUncertaintyInMeters=[1]),
    ),
    (
        "DEPTH_MIN_MAX_SWAPPED",
        sites(minimumDepthInMeters=[9], maximumDepthInMeters=[8]),
        sites(minimumDepthInMeters=[9], maximumDepthInMeters=[9]),
    ),
    ("DEPTH_NON_NUMERIC", sites(minimumDepthInMeters=["12 m"]), sites(minimumDepthInMeters=["12"])),
    ("DEPTH_UNLIKELY", sites(maximumDepthInMeters=[-12]), sites(maximumDepthInMeters=[0])),
    ("DEPTH_UNLIKELY", sites(maximumDepthInMeters=[11_001]), sites(maximumDepthInMeters=[10_900])),
    ("GEODETIC_DATUM_INVALID", sites(geodeticDatum=["GPS"]), sites(geodeticDatum=["wgs 84"])),
    ("GEODETIC_DATUM_MIXED", sites(geodeticDatum=["EPSG:4326", "WGS84"]), sites(geodeticDatum=["WGS84", None])),
    ("COUNTRY_INVALID", sites(countryCode=["se"]), sites(countryCode=["NA"])),
    (
        "FOOTPRINT_WKT_INVALID",
        sites(footprintWKT=["POLYGON ((11 58, 11.1 58)"]),
        sites(footprintWKT=["POLYGON ((11 58, 11.1 58, 11 58.1, 11 58))", "POINT(11 58)", None]),
    ),
    ("RECORDED_DATE_INVALID", movies(eventDate=["13/08/2021"]), movies(eventDate=["2021-08-13"])),
    ("RECORDED_DATE_UNLIKELY", movies(eventDate=["2121-08-13"]), movies(eventDate=["2021-08-13"])),
    (
        "FILENAME_DATE_CONTRADICTED",
        movies(filename=DATED, eventDate=["2021-04-13", "2021-04-14", "2021-05-14"]),
        movies(filename=DATED, eventDate=["2021-04-13", "2021-04", "2021-04-16T01:00:00Z"]),
    ),
    (
        "FILENAME_DATE_CONTRADICTED",
        movies(filename=["cam1_2021-04-13.mp4"], eventDate=["2021-04-14"]),
        movies(filename=["GX010123.mp4", "03-04-2021.mp4", "20210413_100512.mp4"], eventDate=["2021-04-13"] * 3),
    ),
    (
        "FILENAME_DATE_CONTRADICTED",
        movies(filename=["13.04.2021.mp4"], eventDate=["2021-04-14"]),
        movies(filename=["tape 010203.mp4", "tape 010204.mp4"], eventDate=["2021-04-13"] * 2),
    ),
    (
        "DATE_OUTSIDE_SURVEY",
        movies(parentEventID=["S"], eventDate=["2021-05-04"]) | surveys(eventID=["S"], eventDate=["2021-04"]),
        movies(parentEventID=["S"], eventDate=["2021-05-01"]) | surveys(eventID=["S"], eventDate=["2021-04"]),
    ),
    (
        "DATE_OUTSIDE_SURVEY",
        movies(parentEventID=["S"], eventDate=["2021-04-01"]) | surveys(eventID=["S"], eventDate=["2021-04-03"]),
        movies(parentEventID=["S"], eventDate=["2021-04-09"]) | surveys(eventID=["S"], eventDate=["2021-04-03"]),
    ),
    ("VALUE_NOT_POSITIVE", movies(duration_s=[0]), movies(duration_s=[0.1])),
    ("FPS_UNLIKELY", movies(fps=[241]), movies(fps=[240])),
    ("DURATION_UNLIKELY", movies(duration_s=[172_801]), movies(duration_s=[172_800])),
    ("SAMPLE_SIZE_INCOMPLETE", movies(sampleSizeValue=[60.0]), movies(sampleSizeValue=[None])),
    (
        "SAMPLING_WINDOW_INVALID",
        movies(sampling_start_s=[5], sampling_end_s=[5]),
        movies(sampling_start_s=[5], sampling_end_s=[6]),
    ),
    (
        "SAMPLING_WINDOW_BEYOND_MOVIE",
        movies(duration_s=[60], sampling_end_s=[61]),
        movies(duration_s=[60], sampling_end_s=[60]),
    ),
    ("DUPLICATE_LABEL", {"species": pd.DataFrame({"vernacularName": ["Sun star", "Sunstar"]})}, taxa("Asterias")),
    ("DUPLICATE_SCIENTIFIC_NAME", taxa("Gadus morhua", "gadus morhua"), taxa("Not applicable", "Not applicable")),
    (
        "LABEL_NOT_A_TAXON",
        {"species": pd.DataFrame({"vernacularName": ["Nothing here"], "scientificName": ["Animalia"]})},
        {"species": pd.DataFrame({"vernacularName": ["Nothing here"], "scientificName": ["Not applicable"]})},
    ),
    ("SCIENTIFIC_NAME_QUALIFIED", taxa("Gadus sp."), taxa("Gadus morhua")),
    ("SCIENTIFIC_NAME_QUALIFIED", taxa("Gadus cf. morhua"), taxa("Spatangus", "Caffra gentilis")),
    ("SCIENTIFIC_NAME_WITH_AUTHOR", taxa("Gadus morhua Linnaeus, 1758"), taxa("Gadus morhua")),
    ("SCIENTIFIC_NAME_WITH_AUTHOR", taxa("Hyas araneus (Linnaeus, 1758)"), taxa("Galathea (Galathea) strigosa")),
    ("SCIENTIFIC_NAME_CAPITALS", taxa("gadus morhua"), taxa("Gadus morhua")),
    ("SCIENTIFIC_NAME_CAPITALS", taxa("Gadus Morhua"), taxa("Gadus Linnaeus")),
    ("SCIENTIFIC_NAME_UNPARSABLE", taxa("Cod / haddock"), taxa("Hymedesmia (Hymedesmia) paupertas")),
    (
        "SCIENTIFIC_NAME_UNPARSABLE",
        taxa("Gadus 2"),
        taxa("Pecten maximus", "Actinopterygii", "Antho (Antho) dichotoma"),
    ),
    ("KINGDOM_UNKNOWN", taxa("Gadus", kingdom=["Animals"]), taxa("Gadus", kingdom=["Animalia"])),
    ("RANK_INVALID", taxa("Gadus", taxonRank=["Gattung"]), taxa("Gadus", taxonRank=["Genus"])),
    ("RANK_COARSE", taxa("Crustacea", taxonRank=["subphylum"]), taxa("Gadidae", taxonRank=["family"])),
    ("RANK_CONTRADICTED", taxa("Henricia", taxonRank=["species"]), taxa("Henricia", taxonRank=["genus"])),
    ("RANK_CONTRADICTED", taxa("Gadus morhua", taxonRank=["genus"]), taxa("Gadus morhua", taxonRank=["species"])),
    (
        "CLASSIFICATION_CONTRADICTED",
        taxa("Gadus morhua", "Gadus ogac", family=["Gadidae", "Lotidae"]),
        taxa("Gadus morhua", "Molva molva", family=["Gadidae", "Lotidae"]),
    ),
    (
        "CLASSIFICATION_CONTRADICTED",
        taxa("Gadus morhua", genus=["Molva"]),
        taxa("Gadus morhua", "Gadidae", genus=["Gadus", None]),
    ),
    (
        "SCIENTIFIC_NAME_ID_INVALID",
        taxa("Gadus morhua", scientificNameID=["126436"]),
        taxa("Gadus morhua", scientificNameID=["urn:lsid:marinespecies.org:taxname:126436"]),
    ),
    (
        "FPS_CONTRADICTED",
        movies(filename=["a"], fps=[30]) | files(filename=["a"], fps_num=[30000], fps_den=[1001]),
        movies(filename=["a"], fps=[29.97]) | files(filename=["a"], fps_num=[30000], fps_den=[1001]),
    ),
    (
        "DURATION_CONTRADICTED",
        movies(filename=["a"], duration_s=[60]) | files(filename=["a"], duration_s=[62.0]),
        movies(filename=["a"], duration_s=[60]) | files(filename=["a"], duration_s=[60.9]),
    ),
    ("FILE_MISSING", MOVIE | files(filename=["b.mp4"]), MOVIE | files(filename=["a.mp4"])),
    ("FILE_NOT_LISTED", MOVIE | files(filename=["a.mp4", "b.mp4"]), MOVIE | files(filename=["a.mp4"])),
    ("FILE_AMBIGUOUS", MOVIE | files(filename=["a.mp4", "a.mp4"]), MOVIE | files(filename=["a.mp4", "A.mp4"])),
    (
        "FILE_UNREADABLE",
        MOVIE | files(filename=["a.mp4"], error=["moov atom not found"]),
        MOVIE | files(filename=["a.mp4"], error=[None]),
    ),
    (
        "FILE_DUPLICATED",
        movies(filename=["a", "b"]) | files(filename=["a", "b"], sha256=["1f", "1f"]),
        movies(filename=["a", "c"]) | files(filename=["a", "b", "c"], sha256=["1f", "1f", "2f"]),
    ),
    (
        "DATE_CONTRADICTED",
        movies(filename=["a"], eventDate=["2021-04-13"])
        | files(filename=["a"], created_at=["2021-04-15T10:00:00.000000Z"]),
        movies(filename=["a", "b"], eventDate=["2021-04-13", "2021-04-13"])
        | files(filename=["a", "b"], created_at=["2021-04-14T10:00:00.000000Z", "1904-01-01T00:00:00Z"]),
    ),
]


def find(code: str, tables: Tables) -> list[Finding]:
    known = {name: frame for name, frame in tables.items() if name != "footage"}
    return list(CHECKS[code].run(known, tables.get("footage")))


@pytest.mark.parametrize(("code", "wrong", "_right"), CASES)
def test_what_is_wrong_is_found(code: str, wrong: Tables, _right: Tables) -> None:
    assert find(code, wrong)


@pytest.mark.parametrize(("code", "_wrong", "right"), CASES)
def test_what_is_right_is_not(code: str, _wrong: Tables, right: Tables) -> None:
    assert find(code, right) == []


def test_every_check_has_a_case() -> None:
    assert [c.code for c in list_checks()] == list(dict.fromkeys(c.code for c in list_checks()))
    # What is noticed while reading has its cases, which are files, beside the rules' own tests.
    assert {code for code, _, _ in CASES} == {c.code for c in list_checks() if c.find.__module__ != reading.__name__}
    assert {c.code for c in list_checks()} == set(CHECKS)


def test_there_are_enough_checks() -> None:
    assert len(list_checks()) >= 45


# code, tables, the fix that is told
FIXES = [
    (
        "UNKNOWN_SITE",
        movies(locality=["Vader island"]) | sites(locality=["Vader islands"]),
        "Did you mean Vader islands?",
    ),
    ("UNKNOWN_SITE", movies(locality=["vaderislands"]) | sites(locality=["V\u00e4der islands"]), "V\u00e4der islands"),
    ("UNKNOWN_SITE", movies(locality=["Bratten"]) | sites(locality=["Reef"]), "Add the site"),
    ("UNKNOWN_SURVEY", movies(parentEventID=["spring21"]) | surveys(eventID=["Spring 21"]), "Did you mean Spring 21?"),
    ("NOT_A_NUMBER", movies(fps=["25,5 fps"]), "Write 25.5."),
    ("NOT_A_NUMBER", movies(duration_s=["1,250 s"]), "Write digits"),
    ("DEPTH_NON_NUMERIC", sites(minimumDepthInMeters=["12 m"]), "Write 12."),
    ("DEPTH_UNLIKELY", sites(minimumDepthInMeters=[-12.5]), "Write 12.5."),
    ("TEXT_GARBLED", sites(locality=["Reef S\u00c3\u00a4cken \u00c3\u2026"]), "Write Reef S\u00e4cken \u00c5."),
    ("INVISIBLE_CHARACTER", sites(locality=["Outer\u00a0wall\u200b"]), "Write Outer wall."),
    ("MARKUP_IN_NAME", taxa("<i>Gadus</i> &amp; co"), "Write Gadus & co."),
    ("FILENAME_NOT_RELATIVE", movies(filename=["2021\\04\\a.mp4"]), "Write 2021/04/a.mp4."),
    ("FILENAME_NOT_RELATIVE", movies(filename=["D:\\a.mp4"]), "from the folder of the footage on"),
    ("PRESUMED_SWAPPED_COORDINATE", at(*AROUND, (11.2, 58.2)), "Write (58.2, 11.2)"),
    ("PRESUMED_NEGATED_LONGITUDE", at(*AROUND, (58.2, -11.2)), "Write (58.2, 11.2)"),
    (
        "GEODETIC_DATUM_MIXED",
        sites(geodeticDatum=["EPSG:4326", "EPSG:4326", "WGS84"]),
        "Write EPSG:4326, which is the same.",
    ),
    ("GEODETIC_DATUM_MIXED", sites(geodeticDatum=["EPSG:4326", "EPSG:4326", "ED50"]), "Convert the position"),
    ("COUNTRY_INVALID", sites(countryCode=["se"]), "Write SE."),
    ("COUNTRY_INVALID", sites(countryCode=["UK"]), "Write GB."),
    ("RECORDED_DATE_INVALID", movies(eventDate=["13/08/2021"]), "Write 2021-08-13."),
    ("RECORDED_DATE_INVALID", movies(eventDate=["44421"]), "Write 2021-08-13."),
    ("RECORDED_DATE_INVALID", movies(eventDate=["03/04/2021"]), "Write year-month-day"),
    ("FILENAME_DATE_CONTRADICTED", movies(filename=["20031023.mp4"], eventDate=["2003-01-23"]), "write 2003-10-23"),
    ("DURATION_UNLIKELY", movies(duration_s=[301_440.0]), "Write 301.44, if these are milliseconds."),
    ("SCIENTIFIC_NAME_QUALIFIED", taxa("Gadus sp."), "Write Gadus, with its rank."),
    ("SCIENTIFIC_NAME_WITH_AUTHOR", taxa("Gadus morhua Linnaeus, 1758"), "Write Gadus morhua."),
    ("SCIENTIFIC_NAME_CAPITALS", taxa("GADUS MORHUA"), "Write Gadus morhua."),
    ("KINGDOM_UNKNOWN", taxa("Gadus", kingdom=["animalia"]), "Write Animalia."),
    ("RANK_INVALID", taxa("Gadus", taxonRank=["specis"]), "Write species."),
    (
        "SCIENTIFIC_NAME_ID_INVALID",
        taxa("Gadus", scientificNameID=["https://www.marinespecies.org/aphia.php?p=taxdetails&id=126436"]),
        "Write urn:lsid:marinespecies.org:taxname:126436.",
    ),
    ("FILE_MISSING", movies(filename=["dive 1.mp4"]) | files(filename=["Dive_1.mp4"]), "Is it Dive_1.mp4?"),
    (
        "FILE_NOT_LISTED",
        MOVIE | files(filename=["a.mp4", "copy.mp4"], sha256=["1f", "1f"]),
        "It is a copy of a.mp4; move it away.",
    ),
]


@pytest.mark.parametrize(("code", "tables", "fix"), FIXES)
def test_a_fix_is_as_concrete_as_the_data_allow(code: str, tables: Tables, fix: str) -> None:
    (finding,) = find(code, tables)
    assert fix in finding.fix


def test_a_gap_names_the_ids_that_are_left_out() -> None:
    (finding,) = find("ID_GAP", sites(id=[1, 2, 3, 4, 5, 7, 11]))
    assert finding.value == "6, 8 to 10"


def test_names_without_likeness_get_no_suggestion_and_little_time() -> None:
    known = [f"{k:05d} reef" for k in range(30_000)]
    tables = movies(locality=[f"wreck {k}" for k in range(300)]) | sites(locality=known)
    assert {f.fix for f in find("UNKNOWN_SITE", tables)} == {CHECKS["UNKNOWN_SITE"].fix}


def test_a_message_shows_what_nobody_sees() -> None:
    (finding,) = find("INVISIBLE_CHARACTER", sites(locality=["a\u200bb\u009b31m"]))
    assert "a<U+200B>b<U+009B>31m" in finding.message


def test_a_site_without_a_name_is_told_by_its_line() -> None:
    (finding,) = find("ZERO_COORDINATE", sites(decimalLatitude=[0], decimalLongitude=[0]))
    assert finding.row == 2
