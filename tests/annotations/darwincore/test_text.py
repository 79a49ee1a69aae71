import csv
import io
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.annotations.darwincore.packing import format_table, format_xml
from kso_utils.annotations.darwincore.text import (
    plain,
    public_address,
    read_moment,
    say_days,
    say_interval,
    seconds,
    split_date,
)

ANY_TEXT = st.text(st.characters(), max_size=20)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (np.nan, ""),
        (pd.NA, ""),
        (30.0, "30"),
        (58.5, "58.5"),
        (-0.25, "-0.25"),
        (7, "7"),
        (True, "true"),
        (False, "false"),
        (" å\r\nä\u2028ö\x00 ", "å ä ö"),
        ("a\tb", "a\tb"),
        ("=1+1", "=1+1"),
    ],
)
def test_values_become_text_of_one_line(value, text):
    assert plain(value) == text


@settings(deadline=None, max_examples=200)
@given(st.lists(st.lists(ANY_TEXT, min_size=2, max_size=2), max_size=5))
def test_any_text_survives_the_table(rows):
    cleaned = pd.DataFrame(rows, columns=["eventID", "locality"], dtype="object").map(plain)
    text = format_table(cleaned).decode()
    read = list(csv.reader(io.StringIO(text, newline="")))[1:]
    assert read == cleaned.values.tolist()
    assert len(text.splitlines()) == len(rows) + 1


@settings(deadline=None, max_examples=200)
@given(ANY_TEXT)
def test_any_text_survives_the_description(text):
    root = ET.Element("title")
    root.text = plain(text)
    read = ET.fromstring(format_xml(root))  # noqa: S314 - our own
    assert (read.text or "") == plain(text)


@pytest.mark.parametrize(
    ("begun", "start", "end", "said"),
    [
        ("2025-05-12", 0, 60, "2025-05-12"),
        ("2025-05", 0, 60, "2025-05"),
        ("2025-05-12T10:00:00Z", 0, 60, "2025-05-12T10:00:00Z/2025-05-12T10:01:00Z"),
        ("2025-05-12 23:59", 30, 90, "2025-05-12T23:59:30/2025-05-13T00:00:30"),
        ("2025-05-12T10:00:00+02:00", 0, 0.5, "2025-05-12T10:00:00+02:00/2025-05-12T10:00:00.500+02:00"),
        ("2025-05-12T10:00:00Z", 5, float("inf"), "2025-05-12T10:00:05Z"),
        ("2025-05-12/2025-05-13", 0, 60, "2025-05-12/2025-05-13"),
    ],
)
def test_the_date_of_a_part_of_a_movie(begun, start, end, said):
    assert say_interval(begun, start, end) == said


def test_what_only_looks_like_a_moment_is_none():
    assert read_moment("2025-05-12T99:00") is None


def test_days_span_all_dates():
    assert say_days(["2025-05-12T10:00:00Z/2025-05-12T10:01:00Z", "2025-06-01", "no date"]) == "2025-05-12/2025-06-01"
    assert say_days(["2025-05-12", "2025-05-12"]) == "2025-05-12"
    assert say_days([]) == ""


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("2025-05-02", ("2025", "5", "2")),
        ("2025-05", ("2025", "5", "")),
        ("2025", ("2025", "", "")),
        ("2025-05-12T10:00:00Z/2025-05-12T11:00:00Z", ("2025", "5", "12")),
        ("2025-05-12/2025-05-13", ("2025", "5", "")),
        ("2025-05-12/2026-05-12", ("2025"[:0], "", "")),
        ("nothing", ("", "", "")),
    ],
)
def test_only_what_is_one_year_month_or_day_is_told(text, parts):
    assert split_date(text) == parts


@pytest.mark.parametrize(
    "text",
    [
        "/disk/movie.mp4",
        "ftp://example.org/a.mp4",
        "http://127.0.0.1:8000/a.mp4",
        "http://192.168.1.7/a.mp4",
        "http://localhost/a.mp4",
        "http://camera.local/a.mp4",
        "https:///a.mp4",
        "http://[bad",
        "https://user:word@example.org/a.mp4",
        "https://example.org/a.mp4?X-Amz-Signature=abc",
        "https://example.org/a.mp4?token=abc",
        None,
    ],
)
def test_addresses_that_are_not_for_everybody_are_kept_back(text):
    assert public_address(text) == ""


def test_a_public_address_is_published():
    assert public_address("https://example.org/a.mp4?part=1") == "https://example.org/a.mp4?part=1"
    assert public_address("http://8.8.8.8/a.mp4") == "http://8.8.8.8/a.mp4"


def test_seconds_are_rounded_to_a_millionth():
    assert [seconds(60.0), seconds(59.92653333333), seconds(0.1 + 0.2)] == ["60", "59.926533", "0.3"]
