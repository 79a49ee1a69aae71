"""Which shapes can be gathered, and how.

Lines, arrows, fans, triangles, columns and lines across the whole picture, grids, ranges of graphs, transcriptions and
texts are not: they measure a length, a direction, a span or words, so that two of them can be told to be of one animal
neither by the area that they share nor by one distance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kso_utils.consensus.geometry.columns import geometries, medians, told
from kso_utils.consensus.geometry.plain import Circles, Points, Rectangles
from kso_utils.consensus.geometry.regions import Regions
from kso_utils.consensus.geometry.turned import Ellipses, TurnedRectangles

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from kso_utils.consensus.geometry.families import Family, Measure


class Timed:
    """A shape on a movie, drawn at a moment (`displayTime`, 0 to 1) that does not enter its likeness.

    Parameters
    ----------
    still
        The same shape without its moment.
    """

    def __init__(self, still: Family) -> None:
        self._still = still

    @property
    def measure(self) -> Measure:
        """What likeness is, as for the shape on a still picture."""
        return self._still.measure

    def valid(self, marks: pd.DataFrame) -> NDArray[np.bool_]:
        """Return (n,) which marks are such a shape and have a moment."""
        return self._still.valid(marks) & np.isfinite(self.times(marks))

    def likeness(self, marks: pd.DataFrame, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return (k,) how alike the shapes of two marks are, whenever they were drawn."""
        return self._still.likeness(marks, first, second)

    def middle(self, marks: pd.DataFrame, cluster: NDArray[np.int64]) -> pd.DataFrame:
        """Return the middle shape of each cluster, at the median of the moments."""
        found = self._still.middle(marks, cluster)
        moments = medians(self.times(marks)[:, None], cluster)[:, 0].tolist()
        told = [{**rest, "displayTime": at} for rest, at in zip(geometries(found), moments, strict=True)]
        return found.assign(geometry=pd.Series(told, dtype="object"))

    def times(self, marks: pd.DataFrame) -> NDArray[np.float64]:
        """Return (n,) the moment of each mark as a share of the movie, NaN where it has none."""
        return told(marks, "displayTime")


FAMILIES: Mapping[str, Family] = {
    "point": Points(),
    "rectangle": Rectangles(),
    "circle": Circles(),
    "ellipse": Ellipses(),
    "rotateRectangle": TurnedRectangles(),
    **{name: Regions(name) for name in ("polygon", "bezier", "freehandLine", "freehandShape", "freehandSegmentShape")},
    "temporalPoint": Timed(Points()),
    "temporalRotateRectangle": Timed(TurnedRectangles()),
}
"""The shapes that can be gathered, by Zooniverse's names."""
