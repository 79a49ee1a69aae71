from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kso_utils.archive.base import is_hidden, validate_name
from kso_utils.core.errors import UnsafeInput

PARTS = st.lists(st.sampled_from(["..", ".", "", "a", "\\", "C:", "\0", "~", "räka", " ", "-x", "%2e%2e"]), max_size=6)


@given(st.one_of(st.text(max_size=20), PARTS.map("/".join)))
def test_a_valid_name_stays_inside(name: str) -> None:
    try:
        valid = validate_name(name)
    except UnsafeInput:
        return
    place = Path("/archive/below")
    assert place in (place / valid).parents
    assert ".." not in valid.split("/")
    assert validate_name(valid) == valid


@pytest.mark.parametrize("name", ["a.mp4", "a/b c.mp4", "...", "a..b", "~/a", "\xe4.mp4", "10:30.mp4"])
def test_a_name_stays_as_it_is(name: str) -> None:
    assert validate_name(name) == name


@pytest.mark.parametrize(("name", "plain"), [("./a.mp4", "a.mp4"), ("a//b/./c", "a/b/c"), ("a/", "a")])
def test_empty_parts_of_a_name_are_left_out(name: str, plain: str) -> None:
    assert validate_name(name) == plain


def test_a_refused_name_is_told() -> None:
    with pytest.raises(UnsafeInput, match=r"'\.\./a\.mp4' leads outside"):
        validate_name("../a.mp4")


@pytest.mark.parametrize(("name", "hidden"), [("a/.b", True), (".a/b", True), ("a.b/c.d", False)])
def test_a_dot_hides_a_file_and_what_is_below_a_folder(name: str, hidden: bool) -> None:
    assert is_hidden(name) is hidden
