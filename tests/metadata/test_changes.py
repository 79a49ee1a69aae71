"""Changes as people write them, and what differs between two versions of tables."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from kso_utils.core.errors import MetadataError
from kso_utils.metadata.changes import Change, Verbatim, compare, describe_difference, load_changes, write_value
from kso_utils.metadata.tables import load_tables
from kso_utils.metadata.terms import MOVIES

Write = Callable[..., Path]


def test_a_file_of_corrections_is_read(write: Write) -> None:
    text = "Table,key,column,value,action\nmovies,a.mp4,fps,25,\nmovies,b.mp4,,,remove\nsites,New,countryCode,SE,ADD\n"
    assert load_changes(write("fixes.csv", text) / "fixes.csv") == [
        Change("movies", "a.mp4", "fps", "25"),
        Change("movies", "b.mp4", None, None, "remove"),
        Change("sites", "New", "countryCode", "SE", "add"),
    ]


def test_an_empty_value_empties_the_cell(write: Write) -> None:
    folder = write("fixes.csv", "table,key,column,value\nmovies,a.mp4,fps,\n")
    assert load_changes(folder / "fixes.csv")[0].value is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("table,key,column\nmovies,a,fps\n", "has no column 'value'"),
        (
            "table,key,column,value\nmovies,a,fps,1\nfilms,a,fps,1\n",
            "line 3, column 'table': there is no table 'films'",
        ),
        ("table,key,column,value\nmovies,,fps,1\n", "line 2, column 'key': the name"),
        ("table,key,column,value\nmovies,a,,1\n", "line 2, column 'column': it is empty"),
        ("table,key,column,value,action\nmovies,a,fps,1,change\n", "line 2, column 'action': 'change' is none of"),
    ],
)
def test_a_wrong_correction_is_named_with_line_and_column(write: Write, text: str, says: str) -> None:
    with pytest.raises(MetadataError, match=says):
        load_changes(write("fixes.csv", text) / "fixes.csv")


@pytest.mark.parametrize(
    ("value", "column", "dates", "comma", "text"),
    [
        (None, "fps", None, False, ""),
        (np.nan, "fps", None, False, ""),
        (pd.NA, "fps", None, False, ""),
        (np.int64(25), "fps", None, False, "25"),
        (25.0, "fps", None, False, "25"),
        (29.97, "fps", None, True, "29,97"),
        ("29.97", "fps", None, True, "29,97"),
        (True, "is_bad_deployment", None, False, "true"),
        (np.bool_(False), "is_bad_deployment", None, False, "false"),
        (date(2021, 4, 3), "eventDate", "DD/MM/YYYY", False, "03/04/2021"),
        ("2021-04-03", "eventDate", "DD/MM/YYYY", False, "03/04/2021"),
        (Verbatim("2021-04-03"), "eventDate", "DD/MM/YYYY", False, "2021-04-03"),
        ("2021-02-31", "eventDate", "DD/MM/YYYY", False, "2021-02-31"),
        ("2021-04", "eventDate", "DD/MM/YYYY", False, "2021-04"),
        ("2021-04-03", "eventDate", None, False, "2021-04-03"),
        (" two ", "ours", None, False, "two"),
        (1.5, "recordedBy", None, True, "1.5"),
    ],
)
def test_a_value_is_written_as_its_column_is(value: Any, column: str, dates: str, comma: bool, text: str) -> None:
    assert write_value(value, MOVIES.column(column), dates, comma) == text


def test_spelling_order_and_marks_of_edits_are_no_difference(write: Write, tmp_path: Path) -> None:
    one = write("movies.csv", "filename,fps,IsBadDeployment,edit_id\na.mp4,25,yes,e1\nb.mp4,30,no,\n")
    before = load_tables(one)
    (one / "movies.csv").write_text('filename;IsBadDeployment;fps;empty\n"b.mp4";false;30.0;\na.mp4;TRUE;25.00;\n')
    assert compare(before, load_tables(one)).empty


def test_cells_and_rows_that_differ_are_listed(write: Write) -> None:
    folder = write("movies.csv", "filename,fps,ours\na.mp4,25,x\nb.mp4,30,\nc.mp4,,z\n")
    before = load_tables(folder)
    after = load_tables(write("movies.csv", "filename,fps\nd.mp4,12\nb.mp4,thirty\na.mp4,25\n"))
    assert compare(before, after).to_numpy().tolist() == [
        ["movies", "a.mp4", "ours", "x", None, "set"],
        ["movies", "b.mp4", "fps", 30.0, "thirty", "set"],
        ["movies", "d.mp4", "filename", None, "d.mp4", "add"],
        ["movies", "d.mp4", "fps", None, 12.0, "add"],
        ["movies", "c.mp4", "filename", "c.mp4", None, "remove"],
        ["movies", "c.mp4", "ours", "z", None, "remove"],
    ]


def test_repeated_keys_are_told_apart() -> None:
    before = pd.DataFrame({"filename": ["a", "a", None], "fps": [1.0, 2.0, 3.0]})
    after = before.assign(fps=[1.0, 5.0, 3.0])
    assert compare({"movies": before}, {"movies": after})[["key", "before", "after"]].values.tolist() == [
        ["a", 2.0, 5.0]
    ]


def test_a_table_that_comes_is_all_added() -> None:
    after = {"movies": pd.DataFrame({"filename": ["a"]})}
    assert compare({}, after)["action"].tolist() == ["add"]


def test_text_that_looks_like_a_number_is_compared_as_text() -> None:
    before, after = (
        pd.DataFrame({"filename": ["a"], "eventID": ["01"]}),
        pd.DataFrame({"filename": ["a"], "eventID": ["1"]}),
    )
    assert len(compare({"movies": before}, {"movies": after})) == 1


def test_a_long_difference_is_cut() -> None:
    before = pd.DataFrame({"filename": list("abcdef"), "fps": 1.0})
    text = describe_difference(compare({"movies": before}, {"movies": before.assign(fps=2.0)}), shown=2)
    assert text.splitlines() == ["movies, a: fps 1.0 -> 2.0", "movies, b: fps 1.0 -> 2.0", "and 4 more"]


def test_emptied_cells_and_rows_are_told_in_words() -> None:
    before = pd.DataFrame({"filename": ["a", "b"], "recordedBy": ["x", None]})
    after = pd.DataFrame({"filename": ["a", "c"], "recordedBy": [None, None]})
    assert describe_difference(compare({"movies": before}, {"movies": after})).splitlines() == [
        "movies, a: recordedBy 'x' -> (empty)",
        "movies, c: row added",
        "movies, b: row removed",
    ]
