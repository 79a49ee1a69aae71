import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.ui.svg import DASH, escape, format_number, nice_step, noun, shorten, tag, text_width, ticks


def test_text_is_escaped_for_content_and_attributes():
    assert escape("<b onclick='x'>\"&\0") == "&lt;b onclick=&#x27;x&#x27;&gt;&quot;&amp;"


def test_a_broken_character_does_not_stop_the_page():
    assert escape("a\ud800b").encode("utf-8") == b"a?b"


def test_a_tag_escapes_its_attributes():
    assert tag("p", title='"><script>') == '<p title="&quot;&gt;&lt;script&gt;"></p>'


def test_attribute_names_and_numbers_are_written_as_svg_wants():
    assert (
        tag("rect", class_="a", stroke_width=1.004, x=None, y=2.5) == '<rect class="a" stroke-width="1" y="2.5"></rect>'
    )


def test_one_is_singular():
    assert [noun(n, "site") for n in (0, 1, 2)] == ["sites", "site", "sites"]


def test_short_text_stays():
    assert shorten("cod", 100) == "cod"


@settings(derandomize=True, deadline=None, max_examples=25)
@given(st.text(max_size=40), st.floats(15, 200))
def test_shortened_text_fits(text, width):
    assert text_width(shorten(text, width)) <= width


@pytest.mark.parametrize(("span", "parts", "step"), [(10, 5, 2), (1, 5, 0.2), (7, 5, 2), (100, 4, 50), (0.3, 5, 0.1)])
def test_steps_are_round(span, parts, step):
    assert nice_step(span, parts) == pytest.approx(step)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.floats(-1e4, 1e4), st.floats(1e-3, 1e5), st.integers(2, 8))
def test_ticks_lie_within_and_are_few(low, span, parts):
    found = ticks(low, low + span, parts)
    assert len(found) <= parts + 1
    assert all(low - 1e-6 * span <= t <= low + span * (1 + 1e-6) for t in found)


def test_ticks_of_nothing_are_one():
    assert ticks(3.0, 3.0) == [3.0]


def test_counts_have_whole_ticks():
    assert ticks(0, 2, 5, least_step=1) == [0, 1, 2]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3"),
        (3.0, "3"),
        (0.974, "0.974"),
        (12345, "12,345"),
        (1234.56, "1,235"),
        (None, DASH),
        (math.nan, DASH),
        (math.inf, "∞"),
        (np.float32(0.5), "0.5"),
        (np.int64(7), "7"),
        (-0.25, "-0.25"),
    ],
)
def test_numbers_are_written_as_people_write_them(value, text):
    assert format_number(value) == text
