"""CSV files: encodings, separators, line ends, quotes, and limits."""

from __future__ import annotations

import csv
import io
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.core.errors import MetadataError
from kso_utils.core.spreadsheets import defuse
from kso_utils.metadata.sheets import Sheet, load_sheet

TEXT = "siteName,habitat\nS\u00e4cken,mud\n\u00d6n,sand\n"
ROWS = [["S\u00e4cken", "mud"], ["\u00d6n", "sand"]]


def sheet_of(tmp_path: Path, content: str | bytes, name: str = "sites.csv") -> Sheet:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return load_sheet(path)


@pytest.mark.parametrize(
    ("content", "encoding", "bom"),
    [
        (TEXT.encode(), "utf-8", False),
        (TEXT.encode("utf-8-sig"), "utf-8", True),
        (TEXT.encode("utf-16-le"), "utf-16-le", False),
        (TEXT.encode("utf-16-be"), "utf-16-be", False),
        (b"\xff\xfe" + TEXT.encode("utf-16-le"), "utf-16-le", True),
        (b"\xfe\xff" + TEXT.encode("utf-16-be"), "utf-16-be", True),
        (TEXT.encode("cp1252"), "cp1252", False),
    ],
)
def test_each_encoding_is_read_and_told(tmp_path: Path, content: bytes, encoding: str, bom: bool) -> None:
    sheet = sheet_of(tmp_path, content)
    assert (sheet.header, sheet.rows) == (["siteName", "habitat"], ROWS)
    assert (sheet.encoding, sheet.bom) == (encoding, bom)


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_each_end_of_lines_is_read_and_told(tmp_path: Path, newline: str) -> None:
    sheet = sheet_of(tmp_path, TEXT.replace("\n", newline))
    assert (sheet.rows, sheet.lines, sheet.newline) == (ROWS, [2, 3], newline)


@pytest.mark.parametrize(
    ("text", "separator"),
    [
        ("a;b\n1,5;2,5\n", ";"),
        ('"a, or b, or c";d\n1;2\n', ";"),
        ("a\tb, c\n1\t2\n", "\t"),
        ("a,b;c\n1,2\n", ","),
        ("a\n1\n", ","),
    ],
)
def test_the_separator_is_found_outside_quotes(tmp_path: Path, text: str, separator: str) -> None:
    assert sheet_of(tmp_path, text).separator == separator


def test_quoted_cells_hold_separators_quotes_and_line_breaks(tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path, 'a,b\n"x, ""y""\nz", 1\nw, "2, 3"\n')
    assert sheet.rows == [['x, "y"\nz', "1"], ["w", "2, 3"]]
    assert sheet.lines == [2, 3]


def test_text_that_our_exports_made_harmless_is_read_back(tmp_path: Path) -> None:
    assert sheet_of(tmp_path, "a,b\n'=1+1,'t Horntje\n'-x,''@y\n").rows == [["=1+1", "'t Horntje"], ["-x", "'@y"]]


CELLS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]) | st.sampled_from("=+-@'\",;\n\t"), max_size=9
)


@given(st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=4))
@settings(derandomize=True, deadline=None, max_examples=150)
def test_any_cells_come_back_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]
) -> None:
    buffer = io.StringIO()
    csv.writer(buffer).writerows([["first", "second", "third"], *([defuse(cell) for cell in row] for row in rows)])
    path = tmp_path_factory.getbasetemp() / "round.csv"
    path.write_text(buffer.getvalue(), encoding="utf-8", newline="")
    plain = [[unicodedata.normalize("NFC", cell).strip() for cell in row] for row in rows]
    assert load_sheet(path).rows == [row for row in plain if any(row)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1\n", r"line 2: 1 values under a header of 2\. The row breaks at column 'b'"),
        ("a,b\n1,2,3\n", r"line 2: 3 values under a header of 2\."),
        ("a,b\n1,2,,,5\n", r"line 2: 5 values"),
        ("a,b\n1\n2\n3\n", "2 more such lines"),
        ('a,b\n1,2\n3,"4\n5,6\n', r"line 3, column 'b'.*not closed"),
        ('a,b\n"x"y,2\n', r"line 2, column 'a'"),
        (b"a,b\nS\xc3\xa4cken,2\n\xe5,2\n", "line 3: letters are not UTF-8 here"),
        (b"\xef\xbb\xbfa,b\n1,\xe5\n", "line 2: letters are not UTF-8"),
        (TEXT.encode("utf-16-le")[:-1] + b"\xd8", "begins as utf-16-le"),
        (b"\xff\xfea\x00,\x00b\x00\n", "begins as utf-16-le"),
        ("a,b\n" + "x" * 1_100_000 + ",2\n", "line 2, column 'a'.*more characters"),
        ("," * 1_200_000 + "\n", r"line 1: the line has more than 1,000 columns"),
        ("a," * 1_001 + "a\n" + "1," * 1_001 + "1\n", r"line 1: the header has 1,002 columns"),
    ],
)
def test_a_message_names_the_place(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(MetadataError, match=message) as refused:
        sheet_of(tmp_path, content)
    assert "sites.csv" in str(refused.value)


def test_every_ragged_row_is_in_the_report(tmp_path: Path) -> None:
    with pytest.raises(MetadataError) as refused:
        sheet_of(tmp_path, "a,b\n1\n1,2\n1,2,3\n")
    assert refused.value.report is not None
    assert [(f.row, f.column, f.code) for f in refused.value.report] == [(2, "b", "ROW_RAGGED"), (4, "b", "ROW_RAGGED")]


def test_a_large_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "sites.csv").open("wb") as file:
        file.truncate(2 * 2**30)
    with pytest.raises(MetadataError, match="2,147 MB"):
        load_sheet(tmp_path / "sites.csv")


@pytest.mark.parametrize("suffix", [".xls", ".xlsb", ".ods"])
def test_other_spreadsheets_are_refused_with_what_to_do(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(MetadataError, match=r"Save it as Excel workbook \(\.xlsx\)"):
        sheet_of(tmp_path, b"\xd0\xcf\x11\xe0", f"sites{suffix}")
