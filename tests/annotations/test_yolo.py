import sys
import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kso_utils
from kso_utils.annotations.yolo import format_labels, parse_labels
from kso_utils.core.errors import ConfigError


def test_a_box_becomes_centre_and_size_as_shares():
    assert format_labels([[10, 20, 30, 40]], [2], 100, 200) == ["2 0.250000 0.200000 0.300000 0.200000"]


def test_corners_are_clipped_before_the_centre_is_taken():
    assert format_labels([[-10, 0, 40, 20]], [0], 100, 100) == ["0 0.150000 0.100000 0.300000 0.200000"]


@pytest.mark.parametrize(
    "dropped",
    [
        [99.5, 10, 1.2, 20],
        [0, 0, 0.5, 50],
        [95, 10, 30, 10],
        [200, 200, 10, 10],
        [0, 0, 0, 0],
        [0, 0, -5, 5],
        [np.nan, 0, 5, 5],
        [0, 0, np.inf, 5],
    ],
)
def test_slivers_and_strange_boxes_are_dropped(dropped):
    assert format_labels([dropped, [5, 5, 10, 10]], [0, 1], 100, 100) == ["1 0.100000 0.100000 0.100000 0.100000"]


def test_a_fifth_inside_is_enough():
    assert len(format_labels([[94, 10, 30, 10]], [0], 100, 100)) == 1


def test_no_boxes_give_no_lines():
    assert format_labels(np.empty((0, 4)), [], 100, 100) == []


def test_classes_must_match_boxes():
    with pytest.raises(ConfigError, match="1 boxes but 2 class numbers"):
        format_labels([[1, 2, 3, 4]], [0, 1], 100, 100)


def test_a_picture_without_size_is_refused():
    with pytest.raises(ConfigError, match="0 x 10"):
        format_labels([[1, 2, 3, 4]], [0], 0, 10)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.floats(0, 600), st.floats(0, 300), st.floats(2, 30), st.floats(2, 30)),
        max_size=8,
    )
)
def test_lines_read_back_as_the_boxes(rows):
    table = np.array(rows, dtype=float).reshape(-1, 5)
    classes, boxes = parse_labels(format_labels(table[:, 1:], table[:, 0], 640, 360), 640, 360)
    assert classes.tolist() == table[:, 0].tolist()
    assert np.allclose(boxes, table[:, 1:], atol=2e-3)


def test_empty_lines_are_skipped():
    assert parse_labels(["", "1 0.5 0.5 0.2 0.2\n", "  "], 10, 10)[0].tolist() == [1]


def test_an_empty_file_has_no_boxes():
    classes, boxes = parse_labels([], 10, 10)
    assert classes.shape == (0,)
    assert boxes.shape == (0, 4)


@pytest.mark.parametrize("line", ["fish 0.5 0.5 0.1 0.1", "0 0.5 0.5 0.1", "0 0.5 nan 0.1 0.1", "0 1 2 3 4 5"])
def test_a_wrong_line_is_named(line):
    with pytest.raises(ConfigError, match="Line 2"):
        parse_labels(["0 0.5 0.5 0.1 0.1", line], 10, 10)


def test_the_package_attribute_is_the_module():
    assert isinstance(kso_utils.annotations, types.ModuleType)
    assert kso_utils.annotations.yolo is sys.modules["kso_utils.annotations.yolo"]
    assert set(dir(kso_utils.annotations)) >= {"counts", "darwincore", "regions", "sightings", "yolo"}
