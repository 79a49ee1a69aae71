from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.core.errors import ConfigError, KsoError, MetadataError, NotFound, UnsafeInput
from kso_utils.metadata.checks import check_tables
from kso_utils.metadata.tables import load_tables
from kso_utils.metadata.terms import template_headers
from kso_utils.metadata.values import read_days

Write = Callable[..., Path]
SITES = "siteName,decimalLatitude,decimalLongitude\nInner sill,58.25,11.25\n"
MOVIES = "filename,siteName,created_on,fps\na.mp4,Inner sill,2021-04-13,25\n"


def test_template_headers_become_our_columns(write: Write) -> None:
    header = template_headers()["movies"]
    folder = write("movies.csv", ",".join(header) + "\n7,a.mp4,Inner sill,2021-04-13,R. Berg,25,60,0,60,x/a.mp4\n")
    movies = load_tables(folder)["movies"]
    assert list(movies) == [
        *("id", "filename", "locality", "eventDate", "recordedBy", "fps", "duration_s"),
        *("sampling_start_s", "sampling_end_s", "associatedMedia"),
    ]
    assert movies["id"].dtype == "Int64"
    assert movies["fps"].dtype == "float64"


@pytest.mark.parametrize("name", ["sites.csv", "Sites.CSV", "sites_north.csv", "north_sites.csv"])
def test_a_table_is_found_by_its_stem(write: Write, name: str) -> None:
    assert list(load_tables(write(name, SITES))) == ["sites"]


@pytest.mark.parametrize("name", ["mysites.csv", "sites.txt", ".sites.csv", "sitesnorth.csv"])
def test_other_files_are_no_tables(write: Write, name: str) -> None:
    with pytest.raises(NotFound, match="no tables"):
        load_tables(write(name, SITES))


def test_two_candidates_are_an_error_that_names_both(write: Write) -> None:
    write("sites.csv", SITES)
    with pytest.raises(MetadataError, match=r"sites\.csv and sites_old\.csv.*files ="):
        load_tables(write("sites_old.csv", SITES))


def test_a_named_file_settles_it(write: Write) -> None:
    write("sites.csv", SITES)
    folder = write("sites_old.csv", SITES.replace("Inner", "Old"))
    assert load_tables(folder, files={"sites": "sites_old.csv"})["sites"]["locality"].tolist() == ["Old sill"]


def test_the_map_of_a_project_comes_first(write: Write) -> None:
    folder = write("movies.csv", "filename,SiteID,siteName,SamplingStart\na.mp4,S1,Inner sill,3\n")
    columns = {"movies": {"SiteID": "locality", "SamplingStart": "sampling_start"}}
    movies = load_tables(folder, columns=columns)["movies"]
    assert movies["locality"].tolist() == ["S1"]
    assert movies["siteName"].tolist() == ["Inner sill"]
    assert movies["sampling_start_s"].tolist() == [3.0]


def test_the_index_is_the_line_of_the_file(write: Write) -> None:
    folder = write("sites.csv", "siteName,habitat\nA,\n\n,\nB,\n")
    assert load_tables(folder)["sites"].index.tolist() == [2, 5]


def test_a_line_break_inside_a_cell_is_no_new_line(write: Write) -> None:
    folder = write("sites.csv", 'siteName,habitat\nA,"mud\nand sand"\nB,\n')
    assert load_tables(folder)["sites"].index.tolist() == [2, 3]


def test_an_unreadable_value_stays_and_is_reported_with_its_line(write: Write) -> None:
    tables = load_tables(write("movies.csv", MOVIES + "b.mp4,Inner sill,2021-04-13,fast\n"))
    assert tables["movies"]["fps"].tolist() == [25.0, "fast"]
    (finding,) = [f for f in check_tables(tables) if f.code == "NOT_A_NUMBER"]
    assert (finding.row, finding.column, finding.value) == (3, "fps", "fast")


def test_text_is_stripped_and_normalised(write: Write) -> None:
    folder = write("sites.csv", unicodedata.normalize("NFD", "siteName,habitat\n  S\u00e4cken\u00a0 ,mud\n"))
    assert load_tables(folder)["sites"]["locality"].tolist() == ["S\u00e4cken"]


def test_a_byte_order_mark_is_no_part_of_the_header(write: Write) -> None:
    assert "locality" in load_tables(write("sites.csv", SITES.encode("utf-8-sig")))["sites"]


def test_windows_1252_is_read_and_reported(write: Write) -> None:
    tables = load_tables(write("sites.csv", SITES.replace("Inner", "S\u00e4cken").encode("cp1252")))
    assert tables["sites"]["locality"].tolist() == ["S\u00e4cken sill"]
    assert "FILE_NOT_UTF8" in check_tables(tables).codes()


@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_separators_are_recognised(write: Write, separator: str) -> None:
    assert load_tables(write("sites.csv", SITES.replace(",", separator)))["sites"]["decimalLatitude"].tolist() == [
        58.25
    ]


def test_dates_are_read_as_the_project_says(write: Write) -> None:
    rows = "filename,created_on\na.mp4,13/08/2021\nb.mp4,2021-08-14\nc.mp4,08/13/2021\nd.mp4,\n"
    movies = load_tables(write("movies.csv", rows), dates="DD/MM/YYYY")["movies"]
    assert movies["eventDate"].tolist()[:3] == ["2021-08-13", "2021-08-14", "08/13/2021"]
    assert pd.isna(movies["eventDate"].iloc[3])


def test_dates_are_iso_unless_the_project_says_otherwise(write: Write) -> None:
    tables = load_tables(write("movies.csv", "filename,created_on\na.mp4,03/08/2021\n"), dates="YYYY-MM-DD")
    assert "RECORDED_DATE_INVALID" in check_tables(tables).codes()


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("13/08/2021 10:15", "2021-08-13T10:15"),
        ("3/8/2021 9:05:07", "2021-08-03T09:05:07"),
        ("13/08/2021T10:15:00+12:00", "2021-08-13T10:15:00+12:00"),
        ("13/08/2021 10:15:00.5Z", "2021-08-13T10:15:00.5Z"),
        ("2021-08-13 10:15", "2021-08-13 10:15"),
        ("13/08/2021 25 o'clock", "13/08/2021 25 o'clock"),
        ("31/02/2021 10:15", "31/02/2021 10:15"),
        ("13/08/21", "13/08/21"),
    ],
)
def test_a_time_of_day_may_follow_a_date(write: Write, text: str, read: str) -> None:
    folder = write("movies.csv", f"filename,created_on\na.mp4,{text}\n")
    assert load_tables(folder, dates="DD/MM/YYYY")["movies"]["eventDate"].tolist() == [read]


@pytest.mark.parametrize("hour", ["25:15", "24:00", "10:60"])
def test_a_time_that_no_clock_shows_is_found(write: Write, hour: str) -> None:
    folder = write("movies.csv", f"filename,created_on\na.mp4,13/08/2021 {hour}\n")
    assert "RECORDED_DATE_INVALID" in check_tables(load_tables(folder, dates="DD/MM/YYYY")).codes()


def test_the_advice_on_a_date_names_the_setting(write: Write) -> None:
    tables = load_tables(write("movies.csv", "filename,created_on\na.mp4,03/04/2021\n"))
    (finding,) = [f for f in check_tables(tables) if f.code == "RECORDED_DATE_INVALID"]
    assert 'dates = "DD/MM/YYYY"' in finding.fix


@pytest.mark.parametrize(
    ("text", "zoned"),
    [
        ("2021-08-13T10:15", "2021-08-13T10:15+02:00"),
        ("2021-01-13 10:15:30.25", "2021-01-13T10:15:30.25+01:00"),
        ("2021-08-13", "2021-08-13"),
        ("2021-08-13T10:15Z", "2021-08-13T10:15Z"),
        ("2021-08-13T10:15-03:00", "2021-08-13T10:15-03:00"),
        ("2021-10-30T23:00/2021-10-31T04:00", "2021-10-30T23:00+02:00/2021-10-31T04:00+01:00"),
        ("2021-10-31T02:30", "2021-10-31T02:30"),
        ("2021-03-28T02:30", "2021-03-28T02:30"),
        ("2021-02-30T10:15", "2021-02-30T10:15"),
        ("soon", "soon"),
    ],
)
def test_the_zone_of_the_clock_gives_the_offset(write: Write, text: str, zoned: str) -> None:
    folder = write("movies.csv", f"filename,created_on\na.mp4,{text}\n")
    assert load_tables(folder, time_zone="Europe/Stockholm")["movies"]["eventDate"].tolist() == [zoned]
    assert load_tables(folder)["movies"]["eventDate"].tolist() == [text]


@pytest.mark.parametrize(("zone", "offset"), [("America/St_Johns", "-02:30"), ("Pacific/Auckland", "+12:00")])
def test_offsets_of_all_kinds_are_written(write: Write, zone: str, offset: str) -> None:
    folder = write("movies.csv", "filename,created_on\na.mp4,2021-08-13T10:15\n")
    assert load_tables(folder, time_zone=zone)["movies"]["eventDate"].tolist() == [f"2021-08-13T10:15{offset}"]


def test_an_unknown_zone_is_refused(write: Write) -> None:
    with pytest.raises(ConfigError, match="no time zone 'Stockholm'"):
        load_tables(write("movies.csv", MOVIES), time_zone="Stockholm")


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["57,5", "58"], [57.5, 58.0]),
        (["57,5", "58,123"], [57.5, 58.123]),
        (["-0,125", ""], [-0.125, None]),
        (["1,234", "12"], ["1,234", 12.0]),
        (["57,5", "58.5"], ["57,5", 58.5]),
        (["1,234,567", "5"], ["1,234,567", 5.0]),
    ],
)
def test_a_decimal_comma_is_read_where_it_is_certain(
    write: Write, cells: list[str], numbers: list[float | str | None]
) -> None:
    rows = "".join(f'\n{n},"{cell}"' for n, cell in enumerate(cells))
    read = load_tables(write("sites.csv", f"siteName,decimalLatitude{rows}"))["sites"]["decimalLatitude"]
    assert [None if pd.isna(one) else one for one in read] == numbers


def test_a_column_without_a_header_is_named_by_its_place(write: Write) -> None:
    assert list(load_tables(write("sites.csv", "siteName,,habitat\nA,1,mud\n"))["sites"])[1] == "column_2"


@pytest.mark.parametrize("dates", ["DD/MM/YY", "", "DD/DD/YYYY", "dd/mm/yyyy"])
def test_an_unknown_pattern_of_dates_is_refused(write: Write, dates: str) -> None:
    if not dates:
        assert load_tables(write("movies.csv", MOVIES), dates=dates)
        return
    with pytest.raises(ConfigError, match="YYYY, MM and DD"):
        load_tables(write("movies.csv", MOVIES), dates=dates)


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("2021", ("2021-01-01", "2021-12-31")),
        ("2024-02", ("2024-02-01", "2024-02-29")),
        ("2021-08/2021-09", ("2021-08-01", "2021-09-30")),
        ("2021-08-13T10:30:00.5+02:00", ("2021-08-13", "2021-08-13")),
        ("2021-08-13/15", ("2021-08-13", "2021-08-15")),
        ("2021-08-13/09-01", ("2021-08-13", "2021-09-01")),
        ("2021-08-13/2021-08-12", None),
        ("2021-13-01", None),
        ("2016-05-00", None),
        ("2016-00-01", None),
        ("2021-08-13/", None),
        ("13.8.2021", None),
        ("20210813", None),
    ],
)
def test_darwin_core_dates(text: str, days: tuple[str, str] | None) -> None:
    read = read_days(text)
    assert (tuple(d.isoformat() for d in read) if read else None) == days


def test_own_columns_of_a_project_stay(write: Write) -> None:
    sites = load_tables(write("sites.csv", "siteName,ProtectionStatus\nA,reserve\n"))["sites"]
    assert sites["ProtectionStatus"].tolist() == ["reserve"]


def test_empty_cells_beyond_the_header_are_dropped(write: Write) -> None:
    assert list(load_tables(write("sites.csv", "siteName,habitat,,\nA,mud,,\n"))["sites"]) == ["locality", "habitat"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b",,\n,,\n", "is empty"),
        (b"name,place\nA,B\n", "no known column; it has: name, place"),
        (b"siteName,habitat\nA\n", "line 2: 1 values under a header of 2"),
        (b"siteName,habitat\nA,mud\nB,mud,deep\n", "line 3: 3 values"),
        (b'siteName,habitat\n"A,mud\n', "quotation mark"),
        (b"PK\x03\x04\x00\x00", "not a text file"),
        (b"site\x81Name\n\x8d\n", "not a text file"),
        (b"siteName,locality\nA,B\n", "both name the column 'locality'"),
        (b"siteName\n" + b"x" * 200_000, "line 2, column 'siteName' is not readable CSV"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_a_sentence(write: Write, content: bytes, message: str) -> None:
    with pytest.raises(MetadataError, match=message) as refused:
        load_tables(write("sites.csv", content))
    assert "sites.csv" in str(refused.value)


def test_a_table_may_be_empty_but_for_its_header(write: Write) -> None:
    sites = load_tables(write("sites.csv", "siteName,decimalLatitude\n"))["sites"]
    assert list(sites) == ["locality", "decimalLatitude"]
    assert sites.empty


def test_a_missing_folder_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no folder"):
        load_tables(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"files": {"sites": "other.csv"}}, NotFound, r"other\.csv for the table sites"),
        ({"files": {"sites": "../sites.csv"}}, UnsafeInput, "outside"),
        ({"files": {"places": "sites.csv"}}, ConfigError, "no table 'places'"),
        ({"columns": {"places": {}}}, ConfigError, "no table 'places'"),
        ({"columns": {"sites": {"Name": "locality"}}}, ConfigError, "no column 'Name'"),
        ({"columns": {"sites": {"siteName": "place"}}}, ConfigError, "no column 'place'"),
    ],
)
def test_wrong_settings_are_refused(
    write: Write, settings: dict[str, dict[str, str]], error: type[KsoError], message: str
) -> None:
    with pytest.raises(error, match=message):
        load_tables(write("sites.csv", SITES), **settings)  # type: ignore[arg-type]


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: ("siteName," + text).encode(errors="ignore")))
@settings(derandomize=True, deadline=None, max_examples=150)
def test_no_content_gives_anything_but_tables_or_a_clear_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    folder = tmp_path_factory.mktemp("any")
    (folder / "sites.csv").write_bytes(content)
    try:
        check_tables(load_tables(folder))
    except KsoError as error:
        assert str(error)
