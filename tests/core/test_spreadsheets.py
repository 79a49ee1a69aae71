from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.core.spreadsheets import defuse, restore

STARTS = ["=", "+", "-", "@", "\t", "\r", "\n", "'", "''="]


@pytest.mark.parametrize("text", ["=1+1", "+A1", "-A1", "@SUM(A1)", "\tx", "\r=1", "'=1", "--"])
def test_what_a_spreadsheet_would_run_gets_an_apostrophe(text: str) -> None:
    assert defuse(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "Cod", "-5", "+5.25", "-5,25", "'", "dead man's fingers", "'t Horntje"])
def test_other_text_and_numbers_stay(text: str) -> None:
    assert defuse(text) == text
    assert restore(text) == text


@given(st.builds(str.__add__, st.sampled_from(["", *STARTS]), st.text(max_size=8)))
@settings(derandomize=True, deadline=None)
def test_any_text_comes_back_as_it_was(text: str) -> None:
    assert restore(defuse(text)) == text
