"""How well something did, against a known truth: plain restatements, independent of the code that they judge."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kso_utils.annotations.regions import iou

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

BOX = ["x", "y", "width", "height"]


@dataclass(frozen=True, slots=True)
class Found:
    """What was found of what there was.

    Attributes
    ----------
    hits, invented, missed
        Found and true; found but not true; true but not found.
    """

    hits: int
    invented: int
    missed: int

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall; 1 where there was nothing and nothing was found."""
        total = 2 * self.hits + self.invented + self.missed
        return 2 * self.hits / total if total else 1.0

    @property
    def recall(self) -> float:
        """The share found of what there was; NaN where there was nothing."""
        total = self.hits + self.missed
        return self.hits / total if total else float("nan")


def compare_rows(found: pd.DataFrame, truth: pd.DataFrame, keys: Sequence[str]) -> Found:
    """Compare two tables as sets of rows, by the columns `keys` (duplicates count once)."""
    columns = list(keys)
    ours, theirs = (set(f[columns].itertuples(index=False, name=None)) for f in (found, truth))
    return Found(len(ours & theirs), len(ours - theirs), len(theirs - ours))


def match_boxes(found: pd.DataFrame, truth: pd.DataFrame, by: Sequence[str]) -> np.ndarray:
    """Give each found box its own true box, best overlap first, and return the overlaps.

    Parameters
    ----------
    found, truth
        One row a box: the columns `by` (movie, frame, label ...) and `x, y, width, height` in pixels.
    by
        Boxes are matched only within equal values of these.

    Returns
    -------
    ndarray of float64, shape (len(found),)
        The IoU of each found box with the true box that it got, 0 where none was left for it.
    """
    overlaps = np.zeros(len(found))
    columns = list(by)
    places = {key: rows[BOX].to_numpy(float) for key, rows in truth.groupby(columns)}
    for key, rows in found.reset_index(drop=True).groupby(columns):
        if key in places:
            overlaps[rows.index] = _match(rows[BOX].to_numpy(float), places[key])
    return overlaps


def count_hits(found: pd.DataFrame, truth: pd.DataFrame, by: Sequence[str], at_least: float = 0.5) -> Found:
    """Count the boxes that match a true box of their own with an IoU of `at_least`."""
    hits = int((match_boxes(found, truth, by) >= at_least).sum())
    return Found(hits, len(found) - hits, len(truth) - hits)


def count_max_n(marks: pd.DataFrame) -> dict[tuple[object, str], int]:
    """Count the most boxes of a label in one frame of a movie, box by box: {(movie_id, label): MaxN}."""
    in_frame: Counter[tuple[object, object, str]] = Counter()
    for movie, frame, label in zip(marks["movie_id"], marks["frame_number"], marks["label"], strict=True):
        in_frame[(movie, frame, label)] += 1
    most: dict[tuple[object, str], int] = {}
    for (movie, _, label), number in in_frame.items():
        most[(movie, label)] = max(number, most.get((movie, label), 0))
    return most


def _match(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    overlap = iou(found, truth)
    given = np.zeros(len(found))
    for _ in range(min(overlap.shape)):
        i, j = np.unravel_index(int(overlap.argmax()), overlap.shape)
        if overlap[i, j] <= 0:
            break
        given[i] = overlap[i, j]
        overlap[i, :] = overlap[:, j] = 0
    return given
