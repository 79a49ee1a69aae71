"""The numbers of drawn marks, as `zooniverse.flatten` stores them, and the medians of several."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from kso_utils.consensus.counting.groups import grouped_quantiles
from kso_utils.consensus.geometry.families import FORM

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray


def column(marks: pd.DataFrame, name: str) -> NDArray[np.float64]:
    """Return a column of (n,) marks as float64; NaN where there is no number, or no such column."""
    if name not in marks:
        return np.full(len(marks), np.nan)
    found: NDArray[np.float64] = pd.to_numeric(marks[name], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return found


def geometries(marks: pd.DataFrame) -> list[Mapping[str, Any]]:
    """Return what the columns of (n,) marks do not hold, nothing where all is in columns."""
    if "geometry" not in marks:
        return [{}] * len(marks)
    return [value if isinstance(value, dict) else {} for value in marks["geometry"].tolist()]


def told(marks: pd.DataFrame, *names: str) -> NDArray[np.float64]:
    """Return (n,) the number that the geometry of each mark has under the first of the names; NaN where none."""
    return np.array([_first(told, names) for told in geometries(marks)], dtype=np.float64)


def _first(told: Mapping[str, Any], names: tuple[str, ...]) -> float:
    return next((as_number(told[name]) for name in names if name in told), math.nan)


def as_number(value: Any) -> float:
    """Return a number out of JSON as a float; NaN for what is none."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.nan


def medians(values: NDArray[np.float64], cluster: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (c, k) the median of each of the k columns of (n, k) values over each of the c clusters."""
    count = int(cluster.max(initial=-1)) + 1
    return np.column_stack([grouped_quantiles(cluster, one, count, [0.5])[0] for one in values.T])


def form(columns: Mapping[str, ArrayLike], geometry: list[dict[str, Any]] | None = None) -> pd.DataFrame:
    """Return shapes as a table with the columns `families.FORM`, those that are not given missing."""
    table = pd.DataFrame({name: np.asarray(values, dtype=np.float64) for name, values in columns.items()})
    table = table.reindex(columns=FORM).astype({"geometry": "object"})
    table["geometry"] = pd.Series([None] * len(table) if geometry is None else geometry, dtype="object")
    return table
