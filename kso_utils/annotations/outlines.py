"""The boxes around marks of other shapes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

_NOWHERE = (math.nan, math.nan, math.nan, math.nan)


def bounding_boxes(marks: pd.DataFrame) -> NDArray[np.float64]:
    """Return the smallest upright box around each mark.

    Parameters
    ----------
    marks
        `shape` (Zooniverse's name; missing for a rectangle), `x, y, width, height, angle` (pixels, degrees) and
        `geometry` (the rest: `r`, `rx` and `ry`, `points` or `pathX` and `pathY`), as `zooniverse.flatten` and
        `consensus.marks` give them.

    Returns
    -------
    ndarray
        (n, 4) float64 boxes; NaN for a mark without an area, as a point.
    """
    named = marks["shape"].astype("object").where(marks["shape"].notna(), "rectangle")
    numbers = marks[["x", "y", "width", "height", "angle"]].astype("float64").to_numpy()
    shapes = zip(named, numbers.tolist(), marks["geometry"], strict=True)
    found = [_bound(shape, row, geometry if isinstance(geometry, dict) else {}) for shape, row, geometry in shapes]
    boxes = np.array(found, dtype=np.float64).reshape(-1, 4)
    whole = np.asarray(np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] > 0).all(axis=1))
    return np.where(whole[:, None], boxes, np.nan)


def _bound(shape: str, row: list[float], geometry: dict[str, Any]) -> tuple[float, float, float, float]:
    x, y, width, height, angle = row
    turn = math.radians(0.0 if math.isnan(angle) else angle)
    cos, sin = abs(math.cos(turn)), abs(math.sin(turn))
    if shape in ("circle", "ellipse"):
        long, short = (geometry.get(name) for name in (("r", "r") if shape == "circle" else ("rx", "ry")))
        if long is None or short is None:
            return _NOWHERE
        wide, high = math.hypot(long * cos, short * sin), math.hypot(long * sin, short * cos)
        return x - wide, y - high, 2 * wide, 2 * high
    if "points" in geometry:
        return _span([point["x"] for point in geometry["points"]], [point["y"] for point in geometry["points"]])
    if "pathX" in geometry and "pathY" in geometry:
        return _span(geometry["pathX"], geometry["pathY"])
    if shape in ("rotateRectangle", "temporalRotateRectangle"):
        wide, high = width * cos + height * sin, width * sin + height * cos
        return x + (width - wide) / 2, y + (height - high) / 2, wide, high
    return (x, y, width, height) if shape == "rectangle" else _NOWHERE


def _span(across: list[float], down: list[float]) -> tuple[float, float, float, float]:
    if not across or not down:
        return _NOWHERE
    return min(across), min(down), max(across) - min(across), max(down) - min(down)
