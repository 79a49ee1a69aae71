import numpy as np
import pandas as pd
import pytest

from kso_utils.annotations.outlines import bounding_boxes

NO = np.nan


@pytest.mark.parametrize(
    ("shape", "numbers", "geometry", "bound"),
    [
        (None, (1, 2, 30, 40, NO), None, [1, 2, 30, 40]),
        ("rectangle", (1, 2, 30, 40, NO), None, [1, 2, 30, 40]),
        ("rotateRectangle", (10, 20, 40, 20, 90), None, [20, 10, 20, 40]),
        ("rotateRectangle", (0, 0, 10, 10, 45), None, [5 - 50**0.5, 5 - 50**0.5, 200**0.5, 200**0.5]),
        ("circle", (10, 20, NO, NO, NO), {"r": 5}, [5, 15, 10, 10]),
        ("ellipse", (10, 20, NO, NO, 90), {"rx": 5, "ry": 2}, [8, 15, 4, 10]),
        ("polygon", (NO, NO, NO, NO, NO), {"points": [{"x": 1, "y": 9}, {"x": 4, "y": 2}]}, [1, 2, 3, 7]),
        ("freehandLine", (NO, NO, NO, NO, NO), {"pathX": [1, 4], "pathY": [9, 2]}, [1, 2, 3, 7]),
        ("point", (10, 20, NO, NO, NO), None, [NO] * 4),
        ("circle", (10, 20, NO, NO, NO), {}, [NO] * 4),
        ("polygon", (NO, NO, NO, NO, NO), {"points": []}, [NO] * 4),
        ("rectangle", (1, 2, 0, 40, NO), None, [NO] * 4),
        ("column", (1, NO, 30, NO, NO), None, [NO] * 4),
    ],
)
def test_the_box_around_a_shape(shape, numbers, geometry, bound):
    mark = dict(zip(("x", "y", "width", "height", "angle"), numbers, strict=True))
    found = bounding_boxes(pd.DataFrame([mark | {"shape": shape, "geometry": geometry}]))
    assert found.tolist() == [pytest.approx(bound, nan_ok=True)]


def test_no_marks_have_no_boxes():
    assert bounding_boxes(pd.DataFrame(columns=["shape", "x", "y", "width", "height", "angle", "geometry"])).shape == (
        0,
        4,
    )
