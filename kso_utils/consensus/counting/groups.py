"""Sums over groups of rows that are numbered, without a loop over the groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def run_starts(*ordered: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Return the places at which a new value begins in one of the columns, (n,) numbers each, sorted together."""
    new = np.zeros(len(ordered[0]), dtype=bool)
    new[:1] = True
    for column in ordered:
        new[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(new)


def order_by(*columns: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Return the places of rows in the order of several columns, the first column first; ties keep their order.

    A radix sort, 16 bits at a time: of numbers that lie close together it takes a third of the time of `np.lexsort`.

    Parameters
    ----------
    columns
        (n,) whole numbers each; at least one column.
    """
    order = np.arange(len(columns[0]))
    first = True
    for column in reversed(columns if len(order) else ()):
        low, high = int(column.min()), int(column.max())
        for shift in range(0, (high - low).bit_length(), 16):
            digits = ((column - low) >> shift).astype(np.uint16)
            order = np.argsort(digits, kind="stable") if first else order[np.argsort(digits[order], kind="stable")]
            first = False
    return order


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
    found = np.full((len(shares), count), np.nan)
    # Answers repeat, and numbers are sorted faster than fractions.
    rank, distinct = pd.factorize(values, sort=True)
    known = rank >= 0
    if not known.all():
        group, rank = group[known], rank[known]
    sizes = np.bincount(group, minlength=count)
    some = np.flatnonzero(sizes)
    if not len(some):
        return found
    ordered = distinct[rank[order_by(group, rank)]]
    starts, last = (np.cumsum(sizes) - sizes)[some], sizes[some] - 1
    for place, share in enumerate(shares):
        at = last * share
        low = at.astype(np.int64)
        below, above = ordered[starts + low], ordered[starts + np.minimum(low + 1, last)]
        # So written, a median of two is exactly half their sum.
        part = at - low
        found[place, some] = below * (1 - part) + above * part
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
