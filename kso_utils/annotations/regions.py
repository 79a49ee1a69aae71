"""Geometry of boxes.

A box is `(x, y, width, height)` in pixels: the top-left corner and the size. Arrays of boxes have the shape (n, 4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kso_utils.core.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def to_corners(boxes: ArrayLike) -> NDArray[np.float64]:
    """Return boxes as corners.

    Parameters
    ----------
    boxes
        (n, 4) top-left corner and size.

    Returns
    -------
    ndarray
        (n, 4) float64: left, top, right, bottom.

    Raises
    ------
    ConfigError
        If the array is not (n, 4).
    """
    array = np.asarray(boxes, dtype=np.float64)
    if array.size == 0:
        return np.empty((0, 4))
    if array.ndim != 2 or array.shape[1] != 4:
        raise ConfigError(f"Boxes must be an array of (n, 4): x, y, width, height; this one is {array.shape}.")
    corners = array.copy()
    corners[:, 2:] += corners[:, :2]
    return corners


def from_corners(corners: ArrayLike) -> NDArray[np.float64]:
    """Return (n, 4) boxes as top-left corner and size; the inverse of `to_corners`."""
    array = np.asarray(corners, dtype=np.float64).reshape(-1, 4)
    return np.hstack([array[:, :2], array[:, 2:] - array[:, :2]])


def iou(a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """Return the intersection over union of each box of `a` with each box of `b`.

    Parameters
    ----------
    a, b
        (n, 4) and (m, 4) boxes in one unit.

    Returns
    -------
    ndarray
        (n, m) float64 from 0 to 1. A box without area, or with a value that is not finite, meets nothing: 0.

    Raises
    ------
    ConfigError
        If an array is not (n, 4).
    """
    return _shared_part(_columns(a)[:, :, None], _columns(b)[:, None, :])


def iou_in_pairs(a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """Return the intersection over union of each box of `a` with the box of `b` in the same row.

    Parameters
    ----------
    a, b
        (n, 4) boxes in one unit.

    Returns
    -------
    ndarray
        (n,) float64, as `iou` gives them.

    Raises
    ------
    ConfigError
        If an array is not (n, 4), or they are not equally long.
    """
    first, second = _columns(a), _columns(b)
    if first.shape != second.shape:
        raise ConfigError(f"{first.shape[1]} boxes cannot be paired with {second.shape[1]}; give as many.")
    return _shared_part(first, second)


def iou_of_places(boxes: ArrayLike, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the intersection over union of pairs of boxes that stand in one array.

    Parameters
    ----------
    boxes
        (n, 4) boxes in one unit.
    first, second
        (k,) the places of the boxes of each pair.

    Returns
    -------
    ndarray
        (k,) float64, as `iou` gives them.

    Raises
    ------
    ConfigError
        If the array is not (n, 4).
    """
    columns = _columns(boxes)
    return _shared_part(columns.take(first, axis=1), columns.take(second, axis=1))


def clip_boxes(boxes: ArrayLike, width: float, height: float) -> NDArray[np.float64]:
    """Return the part of each box that lies inside the picture.

    The corners are moved, not the size alone, so the part left keeps its place. A box wholly outside comes back
    without area, on the border.

    Parameters
    ----------
    boxes
        (n, 4) boxes in pixels.
    width, height
        The picture's size in pixels.

    Returns
    -------
    ndarray
        (n, 4) float64 boxes.

    Raises
    ------
    ConfigError
        If the array is not (n, 4).
    """
    limits = np.array([width, height, width, height], dtype=np.float64)
    return from_corners(np.clip(to_corners(boxes), 0.0, limits))


def to_shares(boxes: ArrayLike, widths: ArrayLike, heights: ArrayLike) -> NDArray[np.float64]:
    """Return the part of each box inside its picture as shares of the picture.

    Parameters
    ----------
    boxes
        (n, 4) boxes in pixels.
    widths, heights
        (n,) or one: the size of each box's picture in pixels.

    Returns
    -------
    ndarray
        (n, 4) float64 from 0 to 1: left, top, width, height. NaN for a box of which nothing is inside, that is not
        finite, or whose picture has no size.

    Raises
    ------
    ConfigError
        If the array is not (n, 4).
    """
    corners = to_corners(boxes)
    size = np.column_stack(
        [np.broadcast_to(np.asarray(side, dtype=np.float64), len(corners)) for side in (widths, heights)] * 2
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = from_corners(np.clip(corners / np.where(size > 0, size, np.nan), 0.0, 1.0))
    inside = np.asarray(np.isfinite(corners).all(axis=1) & (shares[:, 2:] > 0).all(axis=1))
    return np.where(inside[:, None], shares, np.nan)


def _columns(boxes: ArrayLike) -> NDArray[np.float64]:
    """Return (4, n) left, top, right, bottom; each lies in one piece, which is several times as fast to count with."""
    return np.ascontiguousarray(to_corners(boxes).T)


def _shared_part(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        across = np.minimum(first[2], second[2]) - np.maximum(first[0], second[0])
        down = np.minimum(first[3], second[3]) - np.maximum(first[1], second[1])
        shared = np.maximum(across, 0.0) * np.maximum(down, 0.0)
        ratio = shared / (_area(first) + _area(second) - shared)
    return np.where(np.isfinite(ratio), ratio, 0.0)


def _area(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    sides = np.maximum(corners[2:] - corners[:2], 0.0)
    return np.asarray(sides[0] * sides[1])
