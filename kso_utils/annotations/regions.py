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
    return np.hstack([array[:, :2], array[:, :2] + array[:, 2:]])


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
    first, second = to_corners(a), to_corners(b)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        low = np.maximum(first[:, None, :2], second[None, :, :2])
        high = np.minimum(first[:, None, 2:], second[None, :, 2:])
        shared = np.clip(high - low, 0, None).prod(axis=2)
        ratio = shared / (_area(first)[:, None] + _area(second)[None, :] - shared)
    return np.where(np.isfinite(ratio), ratio, 0.0)


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


def _area(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    sides = np.clip(corners[:, 2:] - corners[:, :2], 0, None)
    area: NDArray[np.float64] = sides.prod(axis=1)
    return area
