"""What a kind of shape must tell so that marks of it can be gathered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

Measure = Literal["iou", "distance"]
BOX = ["x", "y", "width", "height"]
FORM = [*BOX, "angle", "geometry"]
"""The columns that hold a mark's shape: `x, y, width, height, angle` float64, NaN where missing, `geometry` JSON."""


class Family(Protocol):
    """Marks of one shape, all groups at once: pairs are places in the same table, so that nothing loops over groups."""

    @property
    def measure(self) -> Measure:
        """What likeness is: intersection over union, or distance in pixels."""

    def valid(self, marks: pd.DataFrame) -> NDArray[np.bool_]:
        """Return which of (n,) marks are such a shape, with numbers that are finite and, where it has one, an area."""

    def likeness(self, marks: pd.DataFrame, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return (k,) how alike the marks at places `first` and `second` are: IoU 0 to 1, or minus the distance."""

    def middle(self, marks: pd.DataFrame, cluster: NDArray[np.int64]) -> pd.DataFrame:
        """Return the middle shape of each cluster, with the columns `FORM`; `cluster` is (n,), 0 to c - 1."""

    def times(self, marks: pd.DataFrame) -> NDArray[np.float64]:
        """Return (n,) the moment of each mark as a share of the movie, 0 to 1; NaN where the shape has none."""
