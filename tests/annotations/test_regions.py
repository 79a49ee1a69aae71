import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.annotations.regions import clip_boxes, from_corners, iou, iou_in_pairs, to_corners, to_shares
from kso_utils.core.errors import ConfigError

box = st.tuples(*[st.floats(-50, 50)] * 2, *[st.floats(0, 60)] * 2)
box_lists = st.lists(box, min_size=1, max_size=6)


def test_iou_of_a_box_with_itself_is_one():
    assert iou([[3, 4, 10, 20]], [[3, 4, 10, 20]]) == pytest.approx(1.0)


def test_iou_of_a_half_shift_is_a_third():
    assert iou([[0, 0, 10, 10]], [[5, 0, 10, 10]])[0, 0] == pytest.approx(1 / 3)


def test_touching_boxes_share_nothing():
    assert iou([[0, 0, 10, 10]], [[10, 0, 10, 10]])[0, 0] == 0


def test_iou_is_pairwise():
    found = iou([[0, 0, 10, 10], [5, 0, 10, 10]], [[0, 0, 10, 10], [90, 90, 5, 5], [5, 0, 10, 10]])
    assert found == pytest.approx(np.array([[1, 0, 1 / 3], [1 / 3, 0, 1]]))


@pytest.mark.parametrize("strange", [[0, 0, 0, 0], [1, 1, -5, 5], [np.nan, 0, 5, 5], [0, 0, np.inf, 5]])
def test_a_box_without_area_or_with_a_strange_value_meets_nothing(strange):
    assert iou([strange], [strange, [0, 0, 10, 10]]).tolist() == [[0.0, 0.0]]


def test_iou_of_no_boxes_is_empty():
    assert iou([], [[0, 0, 1, 1]]).shape == (0, 1)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.lists(st.tuples(box, box), min_size=1, max_size=6))
def test_pairs_are_the_diagonal(pairs):
    a, b = zip(*pairs, strict=True)
    assert np.array_equal(iou_in_pairs(a, b), iou(a, b).diagonal())


def test_unequal_numbers_of_boxes_cannot_be_paired():
    with pytest.raises(ConfigError, match="1 boxes cannot be paired with 2"):
        iou_in_pairs([[0, 0, 1, 1]], [[0, 0, 1, 1]] * 2)


def test_a_wrong_shape_is_refused():
    with pytest.raises(ConfigError, match=r"\(n, 4\)"):
        iou([[1, 2, 3]], [[1, 2, 3, 4]])


@settings(derandomize=True, deadline=None, max_examples=100)
@given(box_lists, box_lists)
def test_iou_is_symmetric_and_a_share(a, b):
    found = iou(a, b)
    assert np.allclose(found, iou(b, a).T)
    assert ((found >= 0) & (found <= 1 + 1e-9)).all()


@settings(derandomize=True, deadline=None, max_examples=100)
@given(box_lists)
def test_corners_and_back(boxes):
    assert np.allclose(from_corners(to_corners(boxes)), boxes)


def test_clipping_moves_the_corner_and_keeps_the_far_edge():
    assert clip_boxes([[-10, 5, 30, 10]], 100, 50).tolist() == [[0, 5, 20, 10]]


def test_clipping_a_box_outside_leaves_no_area():
    assert clip_boxes([[200, 10, 30, 10]], 100, 50)[0, 2] == 0


@settings(derandomize=True, deadline=None, max_examples=100)
@given(box_lists)
def test_clipped_boxes_lie_inside(boxes):
    corners = to_corners(clip_boxes(boxes, 40, 30))
    assert (corners >= 0).all()
    assert (corners <= np.array([40, 30, 40, 30]) + 1e-9).all()


@given(places=st.lists(st.tuples(*[st.floats(-500, 500)] * 2, *[st.floats(0.5, 500)] * 2), max_size=8))
def test_shares_are_the_clipped_boxes_divided_by_the_picture(places):
    boxes = np.array(places).reshape(-1, 4)
    shares = to_shares(boxes, 200, 100)
    clipped = clip_boxes(boxes, 200, 100)
    inside = ~np.isnan(shares[:, 0])
    assert np.allclose(shares[inside] * [200, 100, 200, 100], clipped[inside], atol=1e-9)
    assert not (clipped[~inside, 2:] > 1e-9).all(axis=1).any()


def test_a_box_without_a_picture_has_no_share():
    shares = to_shares([[1, 1, 5, 5]] * 3, [100, np.nan, 0], [50, 50, 50])
    assert np.isnan(shares).all(axis=1).tolist() == [False, True, True]
