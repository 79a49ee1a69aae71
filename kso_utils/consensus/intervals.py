"""How sure a share is that was found on a few votes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

PRIOR = (0.5, 0.5)
"""The prior of every share here: Jeffreys' Beta(1/2, 1/2), which favours neither yes nor no."""


def credible_interval(
    votes: ArrayLike, people: ArrayLike, level: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the 95 % credible interval of a share: of all people like these, how many would say so.

    The prior is `PRIOR`, so that the posterior is Beta(votes + 1/2, people - votes + 1/2) (Brown, Cai & DasGupta
    2001, Statist. Sci. 16:101-133). The tails are equal; where nobody or everybody said so the density has its top at
    the border, so that the interval begins there and has one tail. Of shares drawn from the prior the intervals hold
    `level`, neither more nor less, and every interval holds votes / people.

    Parameters
    ----------
    votes, people
        (n,) with 0 <= votes <= people and people > 0; weights need not be whole.
    level
        How much of the posterior lies between the ends.

    Returns
    -------
    low, high
        (n,) float64 from 0 to 1.
    """
    from scipy.special import betaincinv

    yes, total = np.asarray(votes, dtype=np.float64), np.asarray(people, dtype=np.float64)
    # Few pairs are distinct, however many rows there are.
    pairs, place = np.unique(np.column_stack([yes, total]), axis=0, return_inverse=True)
    nobody, everybody = pairs[:, 0] <= 0, pairs[:, 0] >= pairs[:, 1]
    below = np.where(nobody, 0.0, np.where(everybody, 1 - level, (1 - level) / 2))
    above = np.where(everybody, 1.0, np.where(nobody, level, (1 + level) / 2))
    a, b = pairs[:, 0] + PRIOR[0], pairs[:, 1] - pairs[:, 0] + PRIOR[1]
    low, high = np.asarray(betaincinv(a, b, below)), np.asarray(betaincinv(a, b, above))
    return low[place.ravel()], high[place.ravel()]
