"""YOLO label files: one line a box, `class centre_x centre_y width height` as shares of the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kso_utils.annotations.regions import clip_boxes
from kso_utils.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

MIN_SIDE_PX = 1.0
MIN_AREA_LEFT = 0.2


def format_labels(boxes: ArrayLike, class_ids: ArrayLike, width: int, height: int) -> list[str]:
    """Return the lines of a label file.

    The corners are clipped to the picture first and the centre is taken of what is left. A box is dropped if less
    than one pixel of a side or less than a fifth of its area lies inside, or if a value is not finite.

    Parameters
    ----------
    boxes
        (n, 4) boxes in pixels: x, y, width, height.
    class_ids
        (n,) whole numbers from 0.
    width, height
        The picture's size in pixels.

    Returns
    -------
    list of str
        At most n lines without line ends, with six decimals.

    Raises
    ------
    ConfigError
        If there are not as many classes as boxes, or the picture has no size.
    """
    _check_size(width, height)
    whole = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    classes = np.asarray(class_ids, dtype=np.int64).reshape(-1)
    if len(whole) != len(classes):
        raise ConfigError(f"{len(whole)} boxes but {len(classes)} class numbers; give one for each box.")
    left = clip_boxes(whole, width, height)
    area, area_left = whole[:, 2] * whole[:, 3], left[:, 2] * left[:, 3]
    kept = (left[:, 2:] >= MIN_SIDE_PX).all(axis=1) & (area_left >= MIN_AREA_LEFT * area)
    kept &= np.isfinite(whole).all(axis=1)
    shares = np.hstack([left[:, :2] + left[:, 2:] / 2, left[:, 2:]]) / [width, height, width, height]
    return [
        f"{label} {x:.6f} {y:.6f} {w:.6f} {h:.6f}"
        for label, (x, y, w, h) in zip(classes[kept].tolist(), shares[kept].tolist(), strict=True)
    ]


def parse_labels(lines: Iterable[str], width: int, height: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the classes and boxes of a label file's lines.

    Parameters
    ----------
    lines
        The lines; empty ones are skipped.
    width, height
        The picture's size in pixels.

    Returns
    -------
    class_ids, boxes
        (n,) int64 and (n, 4) float64 boxes in pixels: x, y, width, height.

    Raises
    ------
    ConfigError
        If a line is not a class number and four numbers, or the picture has no size.
    """
    _check_size(width, height)
    rows = [_parse_line(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    table = np.array(rows, dtype=np.float64).reshape(-1, 5)
    shares = table[:, 1:] * [width, height, width, height]
    boxes = np.hstack([shares[:, :2] - shares[:, 2:] / 2, shares[:, 2:]])
    return table[:, 0].astype(np.int64), boxes


def _parse_line(number: int, line: str) -> list[float]:
    try:
        label, *place = line.split()
        row = [float(int(label)), *map(float, place)]
    except ValueError:
        row = []
    if len(row) != 5 or not np.isfinite(row).all():
        raise ConfigError(
            f"Line {number} of the label file is {line.strip()[:80]!r}; it must be a class number, then the centre's "
            "x and y, width and height as shares of the picture."
        )
    return row


def _check_size(width: int, height: int) -> None:
    if not (width > 0 and height > 0):
        raise ConfigError(f"A picture of {width} x {height} pixels has no size; give its width and height in pixels.")
