"""What a kind of shape must tell so that marks of it can be gathered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import pandas as pd

from kso_utils.consensus.geometry.clustering import pairs_within
from kso_utils.core.progress import bar

if TYPE_CHECKING:
    from numpy.typing import NDArray

Measure = Literal["iou", "distance"]
BOX = ["x", "y", "width", "height"]
FORM = [*BOX, "angle", "geometry"]
"""The columns that hold a mark's shape: `x, y, width, height, angle` float64, NaN where missing, and `geometry`."""


class Family(Protocol):
    """Marks of one shape, all groups at once: pairs are places in one table, so that nothing loops over groups."""

    @property
    def measure(self) -> Measure:
        """What likeness is: intersection over union, or distance in pixels."""

    def valid(self, marks: pd.DataFrame) -> NDArray[np.bool_]:
        """Return which of (n,) marks are such a shape, with numbers that are finite and, where it has one, an area."""

    def likeness(self, marks: pd.DataFrame, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return (k,) how alike the marks at places `first` and `second` are: IoU 0 to 1, or minus the distance."""

    def middle(self, marks: pd.DataFrame, cluster: NDArray[np.int64]) -> pd.DataFrame:
        """Return the middle shape of each cluster, with the columns `FORM`; `cluster`: (n,) 0 to c - 1, none empty."""

    def times(self, marks: pd.DataFrame) -> NDArray[np.float64]:
        """Return (n,) the moment of each mark as a share of the movie, 0 to 1; NaN where the shape has none."""


def alike_pairs(
    family: Family,
    marks: pd.DataFrame,
    sizes: NDArray[np.int64],
    least: float,
    time: float = np.inf,
    person: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return the pairs of marks within groups that are alike.

    Parameters
    ----------
    family
        Of all the marks.
    marks
        (n,) rows with the columns `FORM`; the marks of a group are neighbours.
    sizes
        (g,) how many marks each group has.
    least
        The likeness from which a pair is alike: IoU, or minus a distance.
    time
        Marks further apart in time are not alike, as a share of the movie.
    person
        (n,) who made each mark, where two of one person are not to be a pair.

    Returns
    -------
    first, second
        (k,) places of the marks, `first < second`.
    likeness
        (k,) how alike they are.
    """
    forms, moments = marks[FORM], family.times(marks)
    timed = not np.isnan(moments).all()
    found = [(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0))]
    with bar("Comparing marks", int((sizes * (sizes - 1) // 2).sum())) as shown:
        for first, second in pairs_within(sizes):
            shown.advance(len(first))
            if person is not None:
                other = person[first] != person[second]
                first, second = first[other], second[other]
            if timed:
                # A mark without a moment is apart from none.
                near = ~(np.abs(moments[first] - moments[second]) > time)
                first, second = first[near], second[near]
            if len(first):
                low, high = first[0], second.max() + 1
                likeness = family.likeness(forms.iloc[low:high], first - low, second - low)
                alike = likeness >= least
                found.append((first[alike], second[alike], likeness[alike]))
    firsts, seconds, values = (np.concatenate(part) for part in zip(*found, strict=True))
    return firsts, seconds, values


def likeness_to_middle(
    family: Family, marks: pd.DataFrame, cluster: NDArray[np.int64], middle: pd.DataFrame
) -> NDArray[np.float64]:
    """Return (c,) how alike the marks of each cluster are to its middle, on average.

    Parameters
    ----------
    family, marks, cluster
        As in `Family.middle`.
    middle
        What that returned.
    """
    both = pd.concat([marks[FORM], middle[FORM]], ignore_index=True)
    likeness = family.likeness(both, np.arange(len(marks)), len(marks) + cluster)
    return np.bincount(cluster, likeness) / np.bincount(cluster)
