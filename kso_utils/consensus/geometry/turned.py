"""Ellipses and rotated rectangles: shapes with two axes and a direction."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from kso_utils.consensus.counting.groups import run_starts
from kso_utils.consensus.geometry.columns import column, form, medians, told
from kso_utils.consensus.geometry.plain import Untimed, centres, has_size
from kso_utils.consensus.geometry.regions import iou_of_regions, make_regions

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from kso_utils.consensus.geometry.families import Measure

_CORNERS = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
_VERTICES = 72
_ROUND = np.arange(_VERTICES) * 2 * np.pi / _VERTICES
# A polygon inside the circle is a little smaller; this one has the circle's area.
_CIRCLE = np.column_stack([np.cos(_ROUND), np.sin(_ROUND)]) * np.sqrt(_ROUND[1] / np.sin(_ROUND[1]))


class _Turned(Untimed, ABC):
    """Shapes as (n, 5) numbers: x and y of the middle, length along and across the direction, degrees clockwise."""

    measure: Measure = "iou"
    _outline: NDArray[np.float64]
    """(p, 2) The shape's outline about (0, 0) with both lengths 1."""

    @abstractmethod
    def _read(self, marks: pd.DataFrame) -> NDArray[np.float64]:
        """Return the numbers of marks."""

    @abstractmethod
    def _write(self, shapes: NDArray[np.float64]) -> pd.DataFrame:
        """Return marks of the numbers."""

    def valid(self, marks: pd.DataFrame) -> NDArray[np.bool_]:
        """Return (n,) which marks have finite numbers and an area."""
        shapes = self._read(marks)
        return has_size(shapes, shapes[:, 2:4])

    def likeness(self, marks: pd.DataFrame, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return (k,) the intersection over union of the marks at the places `first` and `second`.

        Raises
        ------
        MissingExtra
            If shapely is not installed.
        """
        return iou_of_regions(self._regions(self._read(marks)), first, second)

    def middle(self, marks: pd.DataFrame, cluster: NDArray[np.int64]) -> pd.DataFrame:
        """Return the median shape of each cluster."""
        return self._write(middle_shapes(self._read(marks), cluster))

    def _regions(self, shapes: NDArray[np.float64]) -> NDArray[Any]:
        real = has_size(shapes, shapes[:, 2:4])
        turn = np.deg2rad(shapes[real, 4, None])
        x, y = np.moveaxis(self._outline * shapes[real, None, 2:4], 2, 0)
        across, down = x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)
        found = np.full(len(shapes), None, dtype=object)
        found[real] = make_regions(np.stack([across, down], axis=2) + shapes[real, None, :2])
        return found


class TurnedRectangles(_Turned):
    """Rectangles `x, y, width, height` turned about their middle by `angle` degrees clockwise.

    In the middle is the median of each, with the longer side as the width and the angle from 0 to 180.
    """

    _outline = _CORNERS

    def _read(self, marks: pd.DataFrame) -> NDArray[np.float64]:
        x, y, width, height, angle = (column(marks, name) for name in ("x", "y", "width", "height", "angle"))
        return np.column_stack([x + width / 2, y + height / 2, width, height, angle])

    def _write(self, shapes: NDArray[np.float64]) -> pd.DataFrame:
        x, y, width, height, angle = shapes.T
        return form({"x": x - width / 2, "y": y - height / 2, "width": width, "height": height, "angle": angle})


class Ellipses(_Turned):
    """Ellipses about a middle with radii `rx, ry`, the first in the direction of `angle`.

    The angle is counter-clockwise where the older classifier drew the ellipse (its middle is `x, y`), clockwise where
    the newer one did (`x_center, y_center`): each turns the picture its own way. In the middle is the median of
    each, written as the newer one does, with the longer radius first and the angle from 0 to 180 (0 for a circle); `x,
    y, width, height` is the box around it.
    """

    _outline = _CIRCLE

    def _read(self, marks: pd.DataFrame) -> NDArray[np.float64]:
        x, y, newer = centres(marks)
        angle = column(marks, "angle")
        shapes = np.column_stack([x, y, told(marks, "rx"), told(marks, "ry"), np.where(newer, angle, -angle)])
        return _without_direction(shapes)

    def _write(self, shapes: NDArray[np.float64]) -> pd.DataFrame:
        shapes = _without_direction(shapes)
        x, y, long, short, angle = shapes.T
        turn = np.deg2rad(angle)
        across = np.hypot(long * np.cos(turn), short * np.sin(turn))
        down = np.hypot(long * np.sin(turn), short * np.cos(turn))
        box = {"x": x - across, "y": y - down, "width": 2 * across, "height": 2 * down, "angle": angle}
        names = ("x_center", "y_center", "rx", "ry")
        return form(box, [dict(zip(names, shape[:4], strict=True)) for shape in shapes.tolist()])


def _without_direction(shapes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (n, 5) ellipses, those that are circles at 0 degrees."""
    angle = np.where(np.isclose(shapes[:, 2], shapes[:, 3], rtol=1e-9, atol=0), 0.0 * shapes[:, 4], shapes[:, 4])
    return np.column_stack([shapes[:, :4], angle])


def middle_shapes(shapes: NDArray[np.float64], cluster: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the median shape of each cluster.

    A shape with lengths a and b in one direction is the same as one with b and a a quarter turn on, and as itself half
    a turn on. So each is first told such that it lies as near as can be to the shape of its cluster that is nearest to
    all others; then medians are taken, of the directions as differences from that shape's, -90 to 90 degrees.

    Parameters
    ----------
    shapes
        (n, 5) x and y of the middle, two lengths, the direction of the first in degrees.
    cluster
        (n,) the cluster of each shape, 0 to c - 1.

    Returns
    -------
    ndarray
        (c, 5) the same of the middles, the longer length first, the direction from 0 to 180.
    """
    nearest = shapes[_nearest(shapes, cluster)]
    turned = _turn(shapes, nearest[cluster])
    turned[:, 4] = (turned[:, 4] - nearest[cluster, 4] + 90) % 180 - 90
    found = medians(turned, cluster)
    found[:, 4] += nearest[:, 4]
    wide = found[:, 2] >= found[:, 3]
    found = np.where(wide[:, None], found, _quarter(found))
    found[:, 4] %= 180
    return found


def _nearest(shapes: NDArray[np.float64], cluster: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return (c,) the place of the shape of each cluster that is nearest to all others of it, the first of equals."""
    order = np.argsort(cluster, kind="stable")
    sizes = np.bincount(cluster)
    many = sizes[cluster[order]]
    first = np.repeat(order, many)
    starts = (np.cumsum(sizes) - sizes)[cluster[order]]
    within = np.arange(len(first)) - np.repeat(np.cumsum(many) - many, many)
    second = order[np.repeat(starts, many) + within]
    total = np.bincount(first, _distance(shapes[first], shapes[second]), len(shapes))
    ranked = np.lexsort((total, cluster))
    return ranked[run_starts(cluster[ranked])]


def _distance(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (k,) how far the middles and the ends of the axes of two shapes lie apart, turned as near as can be."""
    b = _turn(b, a)
    slant = np.abs(np.cos(np.deg2rad(a[:, 4] - b[:, 4])))
    axes = (a[:, 2:4] ** 2 + b[:, 2:4] ** 2).sum(axis=1) - 2 * slant * (a[:, 2:4] * b[:, 2:4]).sum(axis=1)
    found: NDArray[np.float64] = np.sqrt(((a - b)[:, :2] ** 2).sum(axis=1) + np.maximum(axes, 0.0))
    return found


def _turn(shapes: NDArray[np.float64], towards: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (k, 5) shapes, each a quarter turn on where its axes then end nearer to those of the other."""
    slant = np.deg2rad(shapes[:, 4] - towards[:, 4])
    along = np.abs(np.cos(slant)) * (shapes[:, 2:4] * towards[:, 2:4]).sum(axis=1)
    across = np.abs(np.sin(slant)) * (shapes[:, 3:1:-1] * towards[:, 2:4]).sum(axis=1)
    return np.where((along >= across)[:, None], shapes, _quarter(shapes))


def _quarter(shapes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (k, 5) the same shapes, told by their other axis."""
    return np.column_stack([shapes[:, :2], shapes[:, 3], shapes[:, 2], shapes[:, 4] + 90])
