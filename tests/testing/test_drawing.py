import sys

import numpy as np
import pytest

from kso_utils.core.errors import MissingExtra
from kso_utils.testing.drawing import Canvas, cloud, luma, ramp, smooth_curve

SQUARE = [(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)]


@pytest.fixture
def canvas():
    return Canvas(100, 80, 40)


def test_a_curve_goes_through_its_points():
    curve = smooth_curve(SQUARE)
    assert all(np.abs(curve - p).sum(axis=1).min() < 1e-9 for p in SQUARE)


def test_an_open_curve_ends_at_its_last_point():
    assert smooth_curve([(0, 0), (1, 1), (2, 0)], closed=False)[-1].tolist() == [2, 0]


def test_clouds_are_standardised_and_tile():
    noise = cloud((64, 96), np.random.default_rng(0), 0.6)
    assert noise.mean() == pytest.approx(0, abs=1e-4)
    assert noise.std() == pytest.approx(1, abs=1e-4)
    assert np.abs(noise[:, 0] - noise[:, -1]).mean() < 3 * np.abs(np.diff(noise, axis=1)).mean()


def test_a_ramp_goes_from_none_to_all():
    assert ramp(np.array([-1.0, 0.0, 1.0, 2.0, 3.0]), 0, 2).tolist() == [0, 0, 0.5, 1, 1]


def test_a_square_covers_its_area(canvas):
    assert canvas.shape(SQUARE).sum() == pytest.approx(40 * 40, rel=0.1)


def test_y_points_upwards(canvas):
    assert canvas.dot(0, 0.5, 0.2, 0.2)[:40].sum() > 0
    assert canvas.dot(0, 0.5, 0.2, 0.2)[40:].sum() == 0


def test_a_stroke_has_its_width(canvas):
    across = canvas.stroke([(-1, 0), (0, 0), (1, 0)], [0.25, 0.25])[:, 50]
    assert across.sum() == pytest.approx(10, abs=1.5)


def test_paint_is_premultiplied_and_covers_what_was_there(canvas):
    canvas.paint(canvas.shape(SQUARE), (200, 100, 0))
    canvas.paint(canvas.shape(SQUARE), (0, 100, 200), opacity=0.5)
    assert canvas.rgba()[40, 50] == pytest.approx([100, 100, 100, 255])
    assert canvas.rgba()[2, 2] == pytest.approx([0, 0, 0, 0])


def test_half_covered_ground_stays_half_transparent(canvas):
    canvas.paint(canvas.shape(SQUARE), (200, 100, 0), opacity=0.5)
    assert canvas.rgba()[40, 50] == pytest.approx([100, 50, 0, 127.5])


def test_luma_of_grey_is_its_value():
    assert luma(np.full((2, 3, 3), 90, np.float32)) == pytest.approx(np.full((2, 3), 90))


def test_without_opencv_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    monkeypatch.delitem(sys.modules, "kso_utils.testing.drawing")
    with pytest.raises(MissingExtra, match="media"):
        __import__("kso_utils.testing.drawing", fromlist=["drawing"])
