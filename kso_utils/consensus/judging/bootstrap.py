"""How sure a measure is that was found on a sample of subjects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kso_utils.consensus.judging.agreement import divide

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_AT_ONCE = 10_000_000
# Beyond, the correction below has no meaning; so few draws lie there that none is lost.
_FARTHEST = 3.0


def bootstrap(
    subject: NDArray[np.int64],
    column: NDArray[np.int64],
    value: Floats,
    shape: tuple[int, int],
    measure: Callable[[Floats], Floats],
    draws: int,
    seed: int,
) -> tuple[Floats, Floats, Floats]:
    """Return measures of sums over subjects, with 95 % intervals from subjects drawn with replacement.

    The intervals are bias-corrected and accelerated (BCa; Efron 1987, J. Am. Stat. Assoc. 82:171-185).

    Parameters
    ----------
    subject, column, value
        (c,) the cells of a table that are not 0: their row, 0 to shape[0] - 1, their column, and what is there.
    shape
        How many subjects, and how many columns there are.
    measure
        Gives (n, k) measures of (n, columns) sums; NaN where there is none.
    draws
        How many samples are drawn; 0 for no intervals.
    seed
        Of the draws.

    Returns
    -------
    point, low, high
        (k,) float64 each; both ends NaN where there are no draws with a value.
    """
    from scipy.sparse import coo_array

    table = coo_array((value, (subject, column)), shape=shape).tocsr()
    whole = np.asarray(table.sum(axis=0), dtype=np.float64)
    point = measure(whole[None, :])[0]
    rng = np.random.default_rng(seed)
    at_once = max(_AT_ONCE // max(*shape, 1), 1)
    drawn = [np.empty((0, len(point)))]
    for done in range(0, draws, at_once):
        count = min(at_once, draws - done)
        chosen = rng.integers(0, max(shape[0], 1), (count, shape[0])) + shape[0] * np.arange(count)[:, None]
        weights = np.bincount(chosen.ravel(), minlength=count * shape[0]).reshape(count, shape[0])
        drawn.append(measure(np.asarray((table.T @ weights.T.astype(np.float64)).T)))
    low, high = bca_interval(point, np.concatenate(drawn), _acceleration(table, whole, point, measure))
    return point, low, high


def bca_interval(point: Floats, draws: Floats, acceleration: Floats) -> tuple[Floats, Floats]:
    """Return the 95 % BCa interval of each measure.

    Parameters
    ----------
    point
        (k,) the measures of the whole sample.
    draws
        (n, k) those of each draw; NaN for nothing.
    acceleration
        (k,) how fast the spread changes with the measure (Efron 1987, eq. 6.6).

    Returns
    -------
    low, high
        (k,) float64.
    """
    from scipy.special import ndtr, ndtri

    ordered = np.sort(draws, axis=0)
    known = (~np.isnan(ordered)).sum(axis=0)
    below = ((ordered < point).sum(axis=0) + (ordered <= point).sum(axis=0)) / 2
    bias = np.clip(ndtri(divide(below, known)), -_FARTHEST, _FARTHEST)
    ends = []
    for share in (0.025, 0.975):
        shift = bias + ndtri(share)
        level = np.nan_to_num(ndtr(bias + shift / (1 - acceleration * shift)))
        at = level * np.maximum(known - 1, 0)
        first = np.floor(at).astype(np.int64)
        # A row of NaN below, for what has no draws.
        rows = np.concatenate([ordered, np.full((1, ordered.shape[1]), np.nan)])
        one = np.take_along_axis(rows, first[None, :], axis=0)[0]
        two = np.take_along_axis(rows, np.minimum(first + 1, np.maximum(known - 1, 0))[None, :], axis=0)[0]
        ends.append(one + (two - one) * (at - first))
    return ends[0], ends[1]


def _acceleration(table: Any, whole: Floats, point: Floats, measure: Callable[[Floats], Floats]) -> Floats:
    """Return the acceleration of each measure, from leaving out one subject at a time."""
    moments = np.zeros((3, len(point)))
    # Who left out changes nothing need not be left out.
    some = np.flatnonzero(np.diff(table.indptr))
    at_once = max(_AT_ONCE // max(len(whole), 1), 1)
    for done in range(0, len(some), at_once):
        change = np.nan_to_num(measure(whole - table[some[done : done + at_once]].toarray()) - point)
        moments += [(change**power).sum(axis=0) for power in (1, 2, 3)]
    subjects = max(table.shape[0], 1)
    mean = moments[0] / subjects
    square = np.maximum(moments[1] - subjects * mean**2, 0.0)
    cube = moments[2] - 3 * mean * moments[1] + 2 * subjects * mean**3
    return np.nan_to_num(-divide(cube, 6 * square**1.5))
