"""Sums over groups of rows that are numbered, without a loop over the groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def run_starts(ordered: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the places at which a new value begins in (n,) sorted numbers."""
    if not len(ordered):
        return np.zeros(0, dtype=np.int64)
    return np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))


def grouped_sums(group: NDArray[np.int64], values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return (count,) float64 sums of the (n,) values of each group, in the order of the values."""
    return np.asarray(np.bincount(group, weights=values, minlength=count), dtype=np.float64)


def grouped_quantiles(
    group: NDArray[np.int64], values: NDArray[np.float64], count: int, shares: Sequence[float]
) -> NDArray[np.float64]:
    """Return quantiles of the values of each group, between neighbours by straight lines; NaN counts for nothing.

    Parameters
    ----------
    group
        (n,) the number of each value's group, 0 to count - 1, in any order.
    values
        (n,) float64.
    count
        How many groups there are.
    shares
        (q,) which quantiles, 0 to 1.

    Returns
    -------
    ndarray
        (q, count) float64; NaN for a group without values.
    """
    known = ~np.isnan(values)
    group, values = group[known], values[known]
    sizes = np.bincount(group, minlength=count)
    found = np.full((len(shares), count), np.nan)
    if not len(values):
        return found
    ordered = values[np.lexsort((values, group))]
    starts = np.cumsum(sizes) - sizes
    some = sizes > 0
    for place, share in enumerate(shares):
        at = (sizes[some] - 1) * share
        low = np.floor(at).astype(np.int64)
        high = np.minimum(low + 1, sizes[some] - 1)
        below, above = ordered[starts[some] + low], ordered[starts[some] + high]
        found[place, some] = below + (above - below) * (at - low)
    return found


def evenness_and_entropy(
    group: NDArray[np.int64], votes: NDArray[np.int64], count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how evenly the votes of each group are spread over its rows.

    Parameters
    ----------
    group
        (n,) the number of each row's group.
    votes
        (n,) votes, above 0.
    count
        How many groups there are.

    Returns
    -------
    evenness
        (count,) float64: Pielou's J = H / ln S (Pielou 1966, J. Theor. Biol. 13:131-144), 0 where there is one row or
        none, 1 where all have as many votes.
    entropy
        (count,) float64: Shannon's H = -sum p ln p, in nats.
    """
    total = np.bincount(group, weights=votes, minlength=count)
    rows = np.bincount(group, minlength=count)
    share = votes / total[group]
    entropy = np.maximum(np.bincount(group, weights=-share * np.log(share), minlength=count), 0.0)
    evenness = np.where(rows > 1, np.clip(entropy / np.log(np.maximum(rows, 2)), 0, 1), 0.0)
    return evenness, entropy
