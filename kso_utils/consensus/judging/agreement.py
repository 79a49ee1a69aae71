"""How far people agree with one another, beyond what chance would give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from kso_utils.consensus.votes import Votes

Floats = np.ndarray[Any, np.dtype[np.float64]]


def krippendorff_alpha(unit: ArrayLike, value: ArrayLike) -> float:
    """Return Krippendorff's alpha of nominal values, whoever and however many people gave them.

    alpha = 1 - (n - 1) sum o(c, k) / sum n(c) n(k), both sums over pairs of different values c and k; n(c) counts
    value c among the n values of units with two values or more, and o(c, k) the pairs of c and k within a unit of m
    values, each weighing 1 / (m - 1) (Krippendorff 2011, Computing Krippendorff's Alpha-Reliability, section C).

    Parameters
    ----------
    unit
        (n,) the unit that each value was given to.
    value
        (n,) the values; a missing one (None, NaN) was not given.

    Returns
    -------
    float
        1 where all agree, 0 where they agree as chance would, below 0 where less. NaN where no unit has two values, or
        all values are the same, so that agreement tells nothing.
    """
    apart, raters, unlike = _differences(unit, value)
    return float(_alpha((apart / (raters - 1)).sum(), raters.sum(), unlike))


def fleiss_kappa(unit: ArrayLike, value: ArrayLike) -> float:
    """Return Fleiss' kappa, generalised to units with different numbers of values.

    kappa = 1 - sum x (m - x) / m / (N (mean m - 1) sum p (1 - p)), where x of the m values of one of N units are
    of one kind, and p is the share of that kind among all values; the sums are over kinds, and units (Fleiss & Cuzick
    1979, Appl. Psychol. Meas. 3:537-542, whose kappas of the kinds are joined with weights p (1 - p)). Where all units
    have as many values this is the kappa of Fleiss 1971, Psychol. Bull. 76:378-382.

    Parameters
    ----------
    unit, value
        As for `krippendorff_alpha`; units with one value are left out.

    Returns
    -------
    float
        1 where all agree, 0 where they agree as chance would. NaN as for `krippendorff_alpha`.
    """
    apart, raters, unlike = _differences(unit, value)
    return float(_kappa((apart / raters).sum(), raters.sum(), len(raters), unlike))


def code_answers(look: NDArray[np.int64], label: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return one number for each look; two are equal if and only if the same labels were named.

    Parameters
    ----------
    look, label
        (m,) int64: the look and the label of each choice, by look, then label, none twice.
    count
        How many looks there are, n.

    Returns
    -------
    ndarray
        (n,) int64 from 0, without gaps; 0 if and only if nothing was named.
    """
    named = np.bincount(look, minlength=count)
    starts = np.cumsum(named) - named
    width = int(label.max(initial=0)) + 1
    code = np.zeros(count, dtype=np.int64)
    done = 0
    for place in range(int(named.max(initial=0))):
        more = np.flatnonzero(named > place)
        longer = np.unique(code[more] * width + label[starts[more] + place], return_inverse=True)[1]
        # Above all codes so far, so that who named more labels never shares the code of who stopped here.
        code[more] = longer + done + 1
        done += int(longer.max()) + 1
    return np.unique(np.append(0, code), return_inverse=True)[1][1:].astype(np.int64)


def describe_labels(votes: Votes) -> tuple[pd.DataFrame, float]:
    """Return how far people agree on which label is there, by label and over all of them.

    A decision is whether a person who looked at a subject named a label. Subjects at which one person looked tell
    nothing.

    Returns
    -------
    labels
        One row a label, by label: `label, subjects, votes, agreement, alpha, kappa` as `quality.Quality` has them.
    alpha
        Krippendorff's alpha of the decisions over all labels, each subject and label being a unit.
    """
    count = len(votes.labels)
    pairs, yes = np.unique(votes.choice_subject * max(count, 1) + votes.choice_label, return_counts=True)
    subject, label = pairs // max(count, 1), pairs % max(count, 1)
    looked = votes.looked.astype(np.float64)
    raters = looked[looked > 1]
    several = looked[subject] > 1
    place, m = label[several], looked[subject[several]]
    apart = 2.0 * yes[several] * (m - yes[several])
    values = float(raters.sum())
    named = np.bincount(place, weights=yes[several], minlength=count)
    unlike = 2 * named * (values - named)
    by_alpha = np.bincount(place, weights=apart / (m - 1), minlength=count)
    by_kappa = np.bincount(place, weights=apart / m, minlength=count)
    differing = np.bincount(place, weights=apart, minlength=count)
    table = pd.DataFrame(
        {
            "label": votes.labels,
            "subjects": np.bincount(label, minlength=count),
            "votes": np.bincount(label, weights=yes, minlength=count).astype(np.int64),
            "agreement": 1 - divide(differing, np.full(count, (raters * (raters - 1)).sum())),
            "alpha": _alpha(by_alpha, values, unlike),
            "kappa": _kappa(by_kappa, values, len(raters), unlike),
        }
    )
    total = named.sum()
    return table.astype({"label": "object"}), float(
        _alpha(by_alpha.sum(), values * count, 2 * total * (values * count - total))
    )


def describe_subjects(votes: Votes, answer: NDArray[np.int64]) -> pd.DataFrame:
    """Return which share of the pairs of people at each subject gave the same answer.

    Parameters
    ----------
    votes
        The votes.
    answer
        (n,) the answer of each look (`code_answers`).

    Returns
    -------
    DataFrame
        One row a subject, by subject: `subject_id, people, agreement`; the last is NaN for one person.
    """
    width = int(answer.max(initial=0)) + 1
    pairs, same = np.unique(votes.look_subject * width + answer, return_counts=True)
    alike = np.bincount(pairs // width, weights=same * (same - 1.0), minlength=len(votes.subject_ids))
    people = votes.looked
    share = divide(alike, people * (people - 1.0))
    return pd.DataFrame({"subject_id": votes.subject_ids, "people": people, "agreement": share})


def divide(above: ArrayLike, below: ArrayLike) -> Floats:
    """Return quotients, NaN where there is nothing to divide by."""
    a, b = np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64)
    found: Floats = np.divide(a, b, out=np.full(np.broadcast(a, b).shape, np.nan), where=b > 0)
    return found


def _differences(unit: ArrayLike, value: ArrayLike) -> tuple[Floats, Floats, float]:
    """Return what both measures are made of, from the units with two values or more.

    That is, of each unit, twice the number of pairs of different values, and the number of values; and over all units
    together twice the number of pairs of different values.
    """
    kind, _ = pd.factorize(np.asarray(value))
    where, _ = pd.factorize(np.asarray(unit)[kind >= 0])
    kind = kind[kind >= 0]
    several = np.bincount(where)[where] > 1
    where, kind = np.unique(where[several], return_inverse=True)[1], kind[several]
    width = int(kind.max(initial=0)) + 1
    pairs, alike = np.unique(where * width + kind, return_counts=True)
    raters = np.bincount(where).astype(np.float64)
    apart = raters**2 - np.bincount(pairs // width, weights=alike.astype(np.float64) ** 2, minlength=len(raters))
    unlike = float(len(kind)) ** 2 - float((np.bincount(kind).astype(np.float64) ** 2).sum())
    return apart, raters, unlike


def _alpha(apart: ArrayLike, values: float, unlike: ArrayLike) -> Floats:
    return 1 - divide((values - 1) * np.asarray(apart), unlike)


def _kappa(apart: ArrayLike, values: float, units: int, unlike: ArrayLike) -> Floats:
    return 1 - divide(values**2 * np.asarray(apart), (values - units) * np.asarray(unlike))
