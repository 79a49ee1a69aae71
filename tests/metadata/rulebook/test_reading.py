"""What is noticed while files are read: each check with a table that triggers it and one nearby that does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from kso_utils.core.report import Finding
from kso_utils.metadata.checks import check_tables
from kso_utils.metadata.rulebook import reading
from kso_utils.metadata.rules import CHECKS
from kso_utils.metadata.tables import load_tables

Write = Callable[..., Path]
STOCKHOLM = {"time_zone": "Europe/Stockholm"}


def found(code: str, tables: dict[str, pd.DataFrame], footage: pd.DataFrame | None = None) -> list[Finding]:
    return list(CHECKS[code].run(tables, footage))


# code, settings, header, cells that trigger it, cells nearby that do not
COLUMNS: list[tuple[str, dict[str, Any], str, list[str], list[str]]] = [
    ("FORMULA_CELL", {}, "siteName", ["=A1&B1"], ["A1=B1"]),
    ("FORMULA_CELL", {}, "remarks", ["@SUM(A1)"], ["@home"]),
    ("FORMULA_CELL", {}, "remarks", ["+cmd|' /C calc'!A0"], ["+46 8 123 45"]),
    ("CONTROL_CHARACTER", {}, "siteName", ["Inner\0sill"], ["Inner sill"]),
    ("CONTROL_CHARACTER", {}, "remarks", ["a\x1bb"], ["a\tb"]),
    ("DECIMAL_COMMA", {}, "decimalLatitude", ["57,5", "58"], ["57.5", "58"]),
    ("DECIMAL_COMMA", {}, "decimalLatitude", ["0,125"], ["1,125"]),
    ("DECIMAL_COMMA", {"decimal": "."}, "decimalLatitude", ["57,5"], ["57"]),
    ("DECIMAL_SIGNS_MIXED", {}, "decimalLatitude", ["57,5", "58.5"], ["57,5", "58"]),
    ("DECIMAL_SIGNS_MIXED", {"decimal": ","}, "decimalLatitude", ["57,5", "58.5"], ["57,5", "58,5"]),
    ("DECIMAL_COMMA_DOUBTFUL", {}, "minimumDepthInMeters", ["1,234"], ["1,23"]),
    ("DECIMAL_COMMA_DOUBTFUL", {}, "minimumDepthInMeters", ["1,234,567"], ["1234567"]),
    ("DECIMAL_COMMA_DOUBTFUL", {}, "minimumDepthInMeters", ["1,234", "12"], ["1,234", "12,5"]),
    ("LOCAL_TIME_AMBIGUOUS", STOCKHOLM, "created_on", ["2021-10-31T02:30"], ["2021-10-31T03:30"]),
    ("LOCAL_TIME_AMBIGUOUS", STOCKHOLM, "created_on", ["2021-10-31T01:30/2021-10-31T02:30"], ["2021-10-31"]),
    ("LOCAL_TIME_SKIPPED", STOCKHOLM, "created_on", ["2021-03-28 02:30:00"], ["2021-03-28 02:30:00+01:00"]),
    ("LOCAL_TIME_SKIPPED", STOCKHOLM, "created_on", ["2021-03-28T02:30"], ["2021-03-28T03:30"]),
    ("DEPLOYMENT_NOT_JUDGED", {}, "IsBadDeployment", ["", "true"], ["false", "true"]),
    ("CHAPTERS_OUT_OF_ORDER", {}, "go_pro_files", ["GX020123.MP4; GX010123.MP4"], ["GX010123.MP4; GX020123.MP4"]),
    ("CHAPTERS_OUT_OF_ORDER", {}, "go_pro_files", ["GX010123.MP4; GX020124.MP4"], ["gx010123.mp4;gx020123.mp4"]),
    ("CHAPTERS_OUT_OF_ORDER", {}, "go_pro_files", ["GH010123.MP4; GH030123.MP4"], ["GH010123.MP4"]),
    ("CHAPTERS_OUT_OF_ORDER", {}, "go_pro_files", ["GP010123.MP4; GOPR0123.MP4"], ["GOPR0123.MP4; GP010123.MP4"]),
    ("CHAPTERS_OUT_OF_ORDER", {}, "go_pro_files", ["GX010123.MP4; part2.mp4"], ["part2.mp4; part1.mp4"]),
    ("CHAPTER_REPEATED", {}, "go_pro_files", ["a.mp4; a.mp4"], ["a.mp4; b.mp4"]),
    ("CHAPTER_REPEATED", {}, "go_pro_files", ["a.mp4; b.mp4", "b.mp4"], ["a.mp4; b.mp4", "c.mp4"]),
]


def column_of(write: Write, header: str, cells: list[str], settings: dict[str, Any]) -> dict[str, pd.DataFrame]:
    is_site = header in ("siteName", "decimalLatitude", "minimumDepthInMeters", "remarks")
    key = "locationID" if is_site else "filename"
    rows = [f'{key}{n},"{cell}"' for n, cell in enumerate(cells)]
    return load_tables(
        write("sites.csv" if is_site else "movies.csv", "\n".join([f"{key},{header}", *rows])), **settings
    )


@pytest.mark.parametrize(("code", "settings", "header", "wrong", "_right"), COLUMNS)
def test_what_is_wrong_is_found_with_its_line(
    write: Write, code: str, settings: dict[str, Any], header: str, wrong: list[str], _right: list[str]
) -> None:
    findings = found(code, column_of(write, header, wrong, settings))
    assert findings
    assert all(f.row and f.row >= 2 and f.column for f in findings)


@pytest.mark.parametrize(("code", "settings", "header", "_wrong", "right"), COLUMNS)
def test_what_is_right_nearby_is_not(
    write: Write, code: str, settings: dict[str, Any], header: str, _wrong: list[str], right: list[str]
) -> None:
    assert found(code, column_of(write, header, right, settings)) == []


def test_decimal_commas_are_told_once_a_column_with_their_number(write: Write) -> None:
    tables = column_of(write, "decimalLatitude", ["57", "57,5", "58,25"], {})
    (finding,) = found("DECIMAL_COMMA", tables)
    assert (finding.row, finding.value) == (3, "57,5")
    assert "1 more" in finding.message
    assert tables["sites"]["decimalLatitude"].tolist() == [57.0, 57.5, 58.25]


def test_a_project_that_writes_commas_hears_nothing_of_them(write: Write) -> None:
    tables = column_of(write, "decimalLatitude", ["57,5", "1,234"], {"decimal": ","})
    assert tables["sites"]["decimalLatitude"].tolist() == [57.5, 1.234]
    assert found("DECIMAL_COMMA", tables) == found("DECIMAL_COMMA_DOUBTFUL", tables) == []


def test_a_renamed_movie_that_is_unknown_is_told_with_its_line(write: Write) -> None:
    write("names.csv", "OLD,NEW\na.mp4,b.mp4\nx.mp4,y.mp4\nc.mp4,d.mp4\n")
    tables = load_tables(write("movies.csv", "filename\na.mp4\nd.mp4\n"), renames="names.csv")
    (finding,) = found("RENAMED_MOVIE_UNKNOWN", tables)
    assert finding.value == "x.mp4"
    assert "line 3" in finding.message


def test_a_list_of_known_movies_is_not(write: Write) -> None:
    write("names.csv", "OLD,NEW\na.mp4,b.mp4\nb.mp4,c.mp4\n")
    tables = load_tables(write("movies.csv", "filename\na.mp4\n"), renames="names.csv")
    assert found("RENAMED_MOVIE_UNKNOWN", tables) == []


MOVIES = pd.DataFrame({"filename": ["dive/a.mp4", "b.mp4"], "chapters": ["GX010001.MP4; GX020001.MP4", None]})


def files(*names: str) -> pd.DataFrame:
    return pd.DataFrame({"filename": list(names)})


# the files that there are, and the code that they give
CHAPTERS = [
    (["dive/GX010001.MP4", "dive/GX020001.MP4", "b.mp4"], {"CHAPTERS_NOT_JOINED"}),
    (["dive/GX010001.MP4", "dive/GX020001.MP4", "dive/a.mp4", "b.mp4"], set()),
    (["dive/GX010001.MP4", "b.mp4"], {"CHAPTER_MISSING"}),
    (["dive/a.mp4", "b.mp4"], set()),
    (["b.mp4"], {"FILE_MISSING"}),
    (["dive/a.mp4", "b.mp4", "GX010001.MP4"], {"FILE_NOT_LISTED"}),
]


@pytest.mark.parametrize(("names", "codes"), CHAPTERS)
def test_chapters_beside_the_footage(names: list[str], codes: set[str]) -> None:
    looked = ("CHAPTERS_NOT_JOINED", "CHAPTER_MISSING", "FILE_MISSING", "FILE_NOT_LISTED")
    assert {code for code in looked if found(code, {"movies": MOVIES}, files(*names))} == codes


def test_a_missing_chapter_is_named() -> None:
    (finding,) = found("CHAPTER_MISSING", {"movies": MOVIES}, files("dive/GX020001.MP4"))
    assert (finding.row, finding.column) == (2, "chapters")
    assert "dive/GX010001.MP4" in finding.message
    assert "GX020001" not in finding.message


def test_chapters_are_found_whatever_their_unicode_form() -> None:
    movies = pd.DataFrame({"filename": ["dyk\u00e5/a.mp4"], "chapters": ["G\u00e5.MP4"]})
    assert found("CHAPTERS_NOT_JOINED", {"movies": movies}, files("dyka\u030a/Ga\u030a.MP4"))
    assert not found("FILE_NOT_LISTED", {"movies": movies}, files("dyka\u030a/Ga\u030a.MP4"))


def test_every_check_of_this_module_is_tested_here() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    ours = [code for code, rule in CHECKS.items() if rule.find.__module__ == reading.__name__]
    assert [code for code in ours if f'"{code}"' not in source] == []


@pytest.mark.parametrize(
    ("code", "header", "cell"),
    [
        ("CONTROL_CHARACTER", "siteName", "Inner\0sill"),
        ("DECIMAL_COMMA_DOUBTFUL", "minimumDepthInMeters", "1,234"),
        ("DECIMAL_COMMA_DOUBTFUL", "decimalLatitude", "1,234"),
    ],
)
def test_one_cause_is_told_once(write: Write, code: str, header: str, cell: str) -> None:
    tables = column_of(write, header, [cell], {})
    column = next(name for name in tables["sites"] if name != "locationID")
    assert [f.code for f in check_tables(tables) if f.row and f.column == column] == [code]


@pytest.mark.parametrize(("encoding", "said"), [("utf-16", "UTF-16-LE"), ("cp1252", "Windows-1252")])
def test_the_encoding_that_a_file_was_read_in_is_told(write: Write, encoding: str, said: str) -> None:
    tables = load_tables(write("sites.csv", "siteName,habitat\nS\u00e4cken,mud\n".encode(encoding)))
    (finding,) = found("FILE_NOT_UTF8", tables)
    assert said in finding.message
