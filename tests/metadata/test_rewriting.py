"""Files written anew: what is not touched stays as it is written, what is touched reads back as it was given."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.core.errors import ConfigError, MetadataError
from kso_utils.metadata.rewriting import NEW, origins, rewrite
from kso_utils.metadata.sheets import load_sheet

SITES = b'site_id,siteName,note\r\n1,"Inner",a\r\n\r\n2,Outer,"b ""c"""\r\n'


@pytest.fixture
def sites(tmp_path: Path) -> Path:
    path = tmp_path / "sites.csv"
    path.write_bytes(SITES)
    return path


def a_set(line: int, header: str, after: str) -> dict[str, object]:
    return {"action": "set", "line": line, "key": "", "column": header, "header": header, "before": "", "after": after}


def an_add(line: int, **cells: str) -> dict[str, object]:
    return {"action": "add", "line": line, "key": "", "cells": cells}


def a_removal(line: int) -> dict[str, object]:
    return {"action": "remove", "line": line, "key": "", "cells": {}, "follows": ""}


def test_only_the_touched_row_and_the_new_column_change(sites: Path) -> None:
    written = rewrite(sites, [a_set(4, "note", "d")], "e1")
    assert written == b'site_id,siteName,note,edit_id\r\n1,"Inner",a,\r\n\r\n2,Outer,d,e1\r\n'


def test_a_second_edit_leaves_the_mark_of_the_first(sites: Path) -> None:
    sites.write_bytes(rewrite(sites, [a_set(4, "note", "d")], "e1"))
    written = rewrite(sites, [a_set(2, "note", "f")], "e2")
    assert written == b"site_id,siteName,note,edit_id\r\n1,Inner,f,e2\r\n\r\n2,Outer,d,e1\r\n"


def test_untouched_rows_of_a_file_with_marks_stay_byte_for_byte(sites: Path) -> None:
    sites.write_bytes(rewrite(sites, [a_set(4, "note", "d")], "e1"))
    before = sites.read_bytes().split(b"\r\n")
    after = rewrite(sites, [a_set(4, "note", "g")], "e2").split(b"\r\n")
    assert after[:3] == before[:3]


def test_rows_are_added_where_they_are_wanted(sites: Path) -> None:
    entries = [
        an_add(0, siteName="first"),
        an_add(2, siteName="x"),
        an_add(2, siteName="y"),
        an_add(4, siteName="last"),
    ]
    sites.write_bytes(rewrite(sites, entries, "e1"))
    assert [row[1] for row in load_sheet(sites).rows] == ["first", "Inner", "x", "y", "Outer", "last"]


def test_a_row_is_added_to_a_file_whose_last_line_has_no_end(sites: Path) -> None:
    sites.write_bytes(b"siteName\nInner")
    assert rewrite(sites, [an_add(2, siteName="Outer")], "e1") == b"siteName,edit_id\nInner,\nOuter,e1\n"


def test_a_removed_row_is_gone_and_the_others_stay(sites: Path) -> None:
    assert rewrite(sites, [a_removal(2)], "e1") == b'site_id,siteName,note,edit_id\r\n\r\n2,Outer,"b ""c""",\r\n'


def test_a_new_column_comes_before_the_mark_of_edits(sites: Path) -> None:
    written = rewrite(sites, [a_set(2, "countryCode", "SE")], "e1").decode().splitlines()
    assert written == ["site_id,siteName,note,countryCode,edit_id", "1,Inner,a,SE,e1", "", '2,Outer,"b ""c""",,']


def test_empty_cells_beyond_the_header_go(sites: Path) -> None:
    sites.write_bytes(b"siteName;note;;\nInner;a;;\nOuter;b;\n")
    assert rewrite(sites, [a_set(2, "note", "c")], "e1") == b"siteName;note;edit_id\nInner;c;e1\nOuter;b;\n"


@pytest.mark.parametrize(
    ("encoding", "begins"),
    [("utf-8", b"siteName"), ("utf-8-sig", b"\xef\xbb\xbf"), ("utf-16", b"\xef\xbb\xbf"), ("cp1252", b"\xef\xbb\xbf")],
)
def test_a_file_becomes_utf_8_that_spreadsheets_know(sites: Path, encoding: str, begins: bytes) -> None:
    sites.write_bytes("siteName\tnote\nVäst\ta\nÖst\tb\n".encode(encoding))
    written = rewrite(sites, [a_set(2, "note", "c")], "e1")
    assert written.startswith(begins)
    assert written.decode("utf-8-sig") == "siteName\tnote\tedit_id\nVäst\tc\te1\nÖst\tb\t\n"


def test_rows_are_known_by_the_line_that_they_had(sites: Path) -> None:
    entries = [a_removal(2), an_add(2, siteName="x"), an_add(0, siteName="y")]
    assert origins(load_sheet(sites), entries) == [NEW, NEW, 4]


def test_a_workbook_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Save it as sites\.csv"):
        rewrite(tmp_path / "sites.xlsx", [], "e1")


def test_half_a_character_is_refused(sites: Path) -> None:
    with pytest.raises(MetadataError, match="half a character"):
        rewrite(sites, [a_set(2, "note", "\ud800")], "e1")


_TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")) | st.sampled_from("=+-@'\",;\t\n"), max_size=12
)


@given(text=_TEXT.filter(lambda text: text.strip() == text), separator=st.sampled_from(",;\t"))
@settings(derandomize=True, deadline=None, max_examples=150)
def test_every_text_reads_back_as_it_was_given(
    tmp_path_factory: pytest.TempPathFactory, text: str, separator: str
) -> None:
    import unicodedata

    path = tmp_path_factory.mktemp("any") / "sites.csv"
    path.write_text(f"siteName{separator}note\nInner{separator}a\nOuter{separator}b\n")
    meant = unicodedata.normalize("NFC", text)
    path.write_bytes(rewrite(path, [a_set(2, "note", meant)], "e1"))
    assert load_sheet(path).rows == [["Inner", meant, "e1"], ["Outer", "b", ""]]
