"""How sure a share is that was found on a few votes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

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

    # Few pairs are distinct, however many rows there are.
    place, pairs = pd.factorize(np.asarray(votes, dtype=np.float64) + 1j * np.asarray(people, dtype=np.float64))
    yes, total = pairs.real, pairs.imag
    nobody, everybody = yes <= 0, yes >= total
    below = np.where(nobody, 0.0, np.where(everybody, 1 - level, (1 - level) / 2))
    above = np.where(everybody, 1.0, np.where(nobody, level, (1 + level) / 2))
    a, b = yes + PRIOR[0], total - yes + PRIOR[1]
    low, high = np.asarray(betaincinv(a, b, below)), np.asarray(betaincinv(a, b, above))
    # Of weights, hardly anybody is more than nobody.
    return np.minimum(low, yes / total)[place], np.maximum(high, yes / total)[place]
