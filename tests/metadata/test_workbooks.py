"""Excel workbooks: what a person sees in a cell is what is read."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from kso_utils.core.errors import ConfigError, KsoError, MetadataError, NotFound, UnsafeInput
from kso_utils.metadata.checks import check_tables
from kso_utils.metadata.sheets import load_sheet
from kso_utils.metadata.tables import load_tables
from kso_utils.metadata.workbooks import show_cell

HEADER = ["siteName", "decimalLatitude", "habitat"]


def write_book(folder: Path, sheets: dict[str, Iterable[Iterable[Any]]], name: str = "sites.xlsx") -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)  # type: ignore[arg-type]
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(list(row))
    book.save(folder / name)
    return folder / name


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (25.0, "25"),
        (29.97, "29.97"),
        (0.1 + 0.2, "0.3"),
        (-1.5e-7, "-1.5e-07"),
        (7, "7"),
        (True, "TRUE"),
        (datetime(2021, 8, 13), "2021-08-13"),
        (datetime(2021, 8, 13), "2021-08-13"),
        (datetime(2021, 8, 13, 10, 14, 59, 999_900), "2021-08-13T10:15:00"),
        (datetime(2021, 8, 13, 10, 15, 0, 250_000), "2021-08-13T10:15:00.250"),
        (date(2021, 8, 13), "2021-08-13"),
        (time(10, 15), "10:15:00"),
        (timedelta(hours=25, minutes=3, seconds=4), "25:03:04"),
        ("  Sa\u0308cken ", "S\u00e4cken"),
        ("'=1+1", "=1+1"),
    ],
)
def test_a_cell_is_read_as_a_person_sees_it(value: Any, text: str) -> None:
    assert show_cell(value) == text


def test_a_workbook_is_a_table_like_a_csv_file(tmp_path: Path) -> None:
    write_book(tmp_path, {"Sheet1": [HEADER, ["Inner sill", 58.25, None], [], ["Outer", 58, "mud"], [None] * 5]})
    sites = load_tables(tmp_path)["sites"]
    assert sites["decimalLatitude"].tolist() == [58.25, 58.0]
    assert sites.index.tolist() == [2, 4]
    assert sites["locality"].tolist() == ["Inner sill", "Outer"]


def test_typed_dates_need_no_pattern(tmp_path: Path) -> None:
    rows = [["filename", "created_on"], ["a.mp4", datetime(2021, 4, 3)], ["b.mp4", datetime(2021, 4, 3, 10, 15)]]
    write_book(tmp_path, {"movies": rows}, "movies.xlsx")
    movies = load_tables(tmp_path, dates="DD/MM/YYYY")["movies"]
    assert movies["eventDate"].tolist() == ["2021-04-03", "2021-04-03T10:15:00"]


def test_typed_numbers_have_a_point_even_where_the_project_writes_commas(tmp_path: Path) -> None:
    write_book(tmp_path, {"s": [HEADER, ["A", 58.25, "mud"]]})
    assert load_tables(tmp_path, decimal=",")["sites"]["decimalLatitude"].tolist() == [58.25]


def test_the_first_sheet_counts_unless_the_settings_name_one(tmp_path: Path) -> None:
    write_book(tmp_path, {"now": [HEADER, ["A", 1, "x"]], "then": [HEADER, ["B", 2, "y"]]})
    assert load_tables(tmp_path)["sites"]["locality"].tolist() == ["A"]
    named = load_tables(tmp_path, files={"sites": "sites.xlsx#then"})
    assert named["sites"]["locality"].tolist() == ["B"]


@pytest.mark.parametrize(
    ("file", "error", "message"),
    [
        ("sites.xlsx#never", MetadataError, "has no sheet 'never'. It has: now"),
        ("sites.csv#now", ConfigError, "only .xlsx files have sheets"),
        ("other.xlsx#now", NotFound, r"other\.xlsx"),
    ],
)
def test_a_sheet_that_is_not_there_is_refused(tmp_path: Path, file: str, error: type[KsoError], message: str) -> None:
    write_book(tmp_path, {"now": [HEADER, ["A", 1, "x"]]})
    with pytest.raises(error, match=message):
        load_tables(tmp_path, files={"sites": file})


def test_a_csv_and_a_workbook_of_one_name_are_two_candidates(tmp_path: Path) -> None:
    write_book(tmp_path, {"now": [HEADER, ["A", 1, "x"]]})
    (tmp_path / "sites.csv").write_text("siteName\nA\n")
    with pytest.raises(MetadataError, match=r"sites\.csv and sites\.xlsx"):
        load_tables(tmp_path)


def test_the_lock_file_of_an_open_workbook_is_no_table(tmp_path: Path) -> None:
    write_book(tmp_path, {"now": [HEADER, ["A", 1, "x"]]}, "reef_sites.xlsx")
    (tmp_path / "~$reef_sites.xlsx").write_bytes(b"M. Berg")
    assert load_tables(tmp_path)["sites"]["locality"].tolist() == ["A"]


def test_a_formula_without_a_value_is_a_finding(tmp_path: Path) -> None:
    write_book(tmp_path, {"now": [HEADER, ["A", "=1+1", "x"], ["B", 2, '=A1&"x"'], ["C", 3]]})
    tables = load_tables(tmp_path)
    found = [(f.row, f.column, f.value) for f in check_tables(tables) if f.code == "FORMULA_CELL"]
    assert found == [(2, "decimalLatitude", "=1+1"), (3, "habitat", '=A1&"x"')]
    assert tables["sites"]["decimalLatitude"].tolist()[1:] == [2, 3]


def rewrite(path: Path, change: Any) -> None:
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, change(name, content))


def test_a_computed_formula_is_its_value(tmp_path: Path) -> None:
    path = write_book(tmp_path, {"now": [HEADER, ["A", "=1+1", "x"]]})
    rewrite(path, lambda _, content: content.replace(b"<v></v>", b"<v>2</v>").replace(b"<v />", b"<v>2</v>"))
    assert load_tables(tmp_path)["sites"]["decimalLatitude"].tolist() == [2]


def test_a_workbook_that_unpacks_without_end_is_refused(tmp_path: Path) -> None:
    path = write_book(tmp_path, {"now": [HEADER, ["A", 1, "x"]]})
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/bomb.xml", bytes(30_000_000))
    with pytest.raises(UnsafeInput, match="would unpack to 30 MB"):
        load_sheet(path)


def test_a_workbook_that_declares_entities_is_refused(tmp_path: Path) -> None:
    path = write_book(tmp_path, {"now": [HEADER, ["A", 1, "x"]]})
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;">]>'
    rewrite(path, lambda name, content: bomb + content if name.endswith("sheet1.xml") else content)
    with pytest.raises(UnsafeInput, match="sheet1"):
        load_sheet(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xd0\xcf\x11\xe0" + bytes(100), "old Excel file, or protected by a password"),
        (b"siteName,habitat\nA,mud\n", "not an Excel workbook"),
        (b"PK\x05\x06" + bytes(18), "not an Excel workbook, or damaged"),
        (b"", "not an Excel workbook"),
    ],
)
def test_what_is_no_workbook_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "sites.xlsx").write_bytes(content)
    with pytest.raises(MetadataError, match=message):
        load_sheet(tmp_path / "sites.xlsx")


@pytest.mark.parametrize("cut", [0.3, 0.7, 0.95])
def test_a_damaged_workbook_is_refused(tmp_path: Path, cut: float) -> None:
    path = write_book(tmp_path, {"now": [HEADER, ["A", 1, "x"]]})
    rewrite(path, lambda name, content: content[: int(len(content) * cut)] if "sheet1" in name else content)
    with pytest.raises(MetadataError, match=r"damaged|has a header but no rows|is empty"):
        load_sheet(path)


def test_a_sheet_of_a_chart_is_no_table(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.create_chartsheet("plot", 0)
    book.save(tmp_path / "sites.xlsx")
    with pytest.raises(MetadataError, match=r"chart|damaged"):
        load_sheet(tmp_path / "sites.xlsx")


def test_an_old_workbook_found_by_its_name_is_refused_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "sites.xls").write_bytes(b"\xd0\xcf\x11\xe0")
    with pytest.raises(MetadataError, match=r"sites\.xls is a table of a kind that is not read"):
        load_tables(tmp_path)
