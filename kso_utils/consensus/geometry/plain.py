"""Points, rectangles along the axes, and circles: shapes whose likeness is a formula."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kso_utils.annotations.regions import iou_of_places
from kso_utils.consensus.geometry.columns import column, form, medians, told
from kso_utils.consensus.geometry.families import BOX

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from kso_utils.consensus.geometry.families import Measure


class Untimed:
    """A shape on a still picture: its marks have no moment."""

    def times(self, marks: pd.DataFrame) -> NDArray[np.float64]:
        """Return (n,) NaN."""
        return np.full(len(marks), np.nan)


class Points(Untimed):
    """Points `x, y`, alike by their distance; in the middle is the median of each coordinate."""

    measure: Measure = "distance"

    def valid(self, marks: pd.DataFrame) -> NDArray[np.bool_]:
        """Return (n,) which marks have two finite coordinates."""
        return np.asarray(np.isfinite(_columns(marks, ["x", "y"])).all(axis=1))

    def likeness(self, marks: pd.DataFrame, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return (k,) minus the distance in pixels of the marks at the places `first` and `second`."""
        places = _columns(marks, ["x", "y"])
        return -_length(places[first] - places[second])

    def middle(self, marks: pd.DataFrame, cluster: NDArray[np.int64]) -> pd.DataFrame:
        """Return the median point of each cluster."""
        return form(dict(zip(("x", "y"), medians(_columns(marks, ["x", "y"]), cluster).T, strict=True)))


class Rectangles(Untimed):
    """Rectangles `x, y, width, height`; in the middle is the median of each."""

    measure: Measure = "iou"

    def valid(self, marks: pd.DataFrame) -> NDArray[np.bool_]:
        """Return (n,) which marks have finite numbers and an area."""
        boxes = _columns(marks, BOX)
        return has_size(boxes, boxes[:, 2:])

    def likeness(self, marks: pd.DataFrame, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return (k,) the intersection over union of the marks at the places `first` and `second`."""
        return iou_of_places(_columns(marks, BOX), first, second)

    def middle(self, marks: pd.DataFrame, cluster: NDArray[np.int64]) -> pd.DataFrame:
        """Return the median rectangle of each cluster."""
        return form(dict(zip(BOX, medians(_columns(marks, BOX), cluster).T, strict=True)))


class Circles(Untimed):
    """Circles about `x, y` (or `x_center, y_center`) with radius `r`; in the middle is the median of each.

    The middle has the box around the circle as `x, y, width, height`, and the circle itself as its geometry.
    """

    measure: Measure = "iou"

    def valid(self, marks: pd.DataFrame) -> NDArray[np.bool_]:
        """Return (n,) which marks have finite numbers and an area."""
        circles = self._read(marks)
        return has_size(circles, circles[:, [2, 2]])

    def likeness(self, marks: pd.DataFrame, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return (k,) the intersection over union of the marks at the places `first` and `second`."""
        circles = self._read(marks)
        real = has_size(circles, circles[:, [2, 2]])
        real = real[first] & real[second]
        a, b = circles[first[real]], circles[second[real]]
        found = np.zeros(len(first))
        found[real] = iou_of_circles(_length(a - b), a[:, 2], b[:, 2])
        return found

    def middle(self, marks: pd.DataFrame, cluster: NDArray[np.int64]) -> pd.DataFrame:
        """Return the median circle of each cluster."""
        circles = medians(self._read(marks), cluster)
        x, y, r = circles.T
        told = [dict(zip(("x_center", "y_center", "r"), circle, strict=True)) for circle in circles.tolist()]
        return form({"x": x - r, "y": y - r, "width": 2 * r, "height": 2 * r}, told)

    def _read(self, marks: pd.DataFrame) -> NDArray[np.float64]:
        x, y, _ = centres(marks)
        return np.column_stack([x, y, told(marks, "r", "radius")])


def centres(marks: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return (n,) x and y of the middle of marks that are drawn about one, and whether the newer classifier drew them.

    The older classifier calls them `x, y`, which are columns; the newer one `x_center, y_center`, in the geometry.
    """
    x, y = told(marks, "x_center"), told(marks, "y_center")
    newer = ~np.isnan(x)
    return np.where(newer, x, column(marks, "x")), np.where(newer, y, column(marks, "y")), newer


def has_size(numbers: NDArray[np.float64], sides: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return (n,) which shapes have finite (n, k) numbers and two of (n, 2) sides that span an area."""
    with np.errstate(invalid="ignore", over="ignore", under="ignore"):
        area = sides.prod(axis=1)
    return np.asarray(np.isfinite(numbers).all(axis=1) & (sides > 0).all(axis=1) & np.isfinite(area) & (area > 0))


def iou_of_circles(
    apart: NDArray[np.float64], first: NDArray[np.float64], second: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the intersection over union of circles, whose shared part is a lens of two circular segments.

    Parameters
    ----------
    apart
        (k,) the distance of their middles.
    first, second
        (k,) their radii, above 0, in the same unit.

    Returns
    -------
    ndarray
        (k,) float64 from 0 to 1.
    """
    small, large = np.minimum(first, second), np.maximum(first, second)
    # In units of the larger circle, so that no square overflows.
    r, d = small / large, np.maximum(apart / large, np.finfo(float).tiny)
    with np.errstate(invalid="ignore", over="ignore"):
        inner = np.arccos(np.clip((d**2 + r**2 - 1) / (2 * d * r), -1, 1))
        outer = np.arccos(np.clip((d**2 + 1 - r**2) / (2 * d), -1, 1))
        lens = r**2 * (inner - np.sin(2 * inner) / 2) + outer - np.sin(2 * outer) / 2
    shared = np.select([d >= 1 + r, d <= 1 - r], [0.0, np.pi * r**2], lens)
    ratio: NDArray[np.float64] = shared / (np.pi * (1 + r**2) - shared)
    return ratio.clip(0.0, 1.0)


def _length(steps: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.hypot(steps[:, 0], steps[:, 1])
    return found


def _columns(marks: pd.DataFrame, names: list[str]) -> NDArray[np.float64]:
    return np.column_stack([column(marks, name) for name in names])
