"""How well and how fast each person sees, and how that changes with practice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kso_utils.consensus.counting.groups import grouped_quantiles
from kso_utils.consensus.counting.intervals import credible_interval
from kso_utils.consensus.judging.agreement import code_answers, divide

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kso_utils.consensus.judging.reference import Reference
    from kso_utils.consensus.votes import Votes

STRETCHES = (1, 6, 11, 21, 51, 101, 201, 501, 1001)
"""The first classification of each stretch of a person's work that a learning curve shows."""
_PAUSE_S = 1800


def judge(votes: Votes, reference: Reference) -> NDArray[np.bool_]:
    """Return (n,) which looks named exactly what is there; False where that is not known."""
    there = np.bincount(reference.look, minlength=len(votes.look_subject))
    hits = np.bincount(votes.choice_look[reference.named_rightly], minlength=len(votes.look_subject))
    return np.asarray(reference.judged & (hits == there) & (hits == votes.named))


def share_of_blanks(votes: Votes, reference: Reference) -> float:
    """Return the share of the looks at subjects with nothing that named nothing; 0 where there is no such look."""
    empty = reference.judged & (np.bincount(reference.look, minlength=len(votes.look_subject)) == 0)
    return float((empty & (votes.named == 0)).sum() / max(int(empty.sum()), 1))


def describe_people(
    votes: Votes, reference: Reference, answer: NDArray[np.int64], gap_s: NDArray[np.float64]
) -> pd.DataFrame:
    """Return how well each person sees.

    Parameters
    ----------
    votes
        The votes.
    reference
        What is there, look by look.
    answer
        (n,) the answer of each look (`agreement.code_answers`).
    gap_s
        (p,) the pace of each person (`measure_pace`).

    Returns
    -------
    DataFrame
        One row a person, by name: the columns of `quality.Quality.people` without `flag`, and besides `answers`, how
        many of the answers differ, and `empty`, the judged looks at subjects with nothing.
    """
    person, count, judged = votes.look_person, len(votes.people), reference.judged
    different = np.unique(person * (int(answer.max(initial=0)) + 1) + answer) // (int(answer.max(initial=0)) + 1)
    empty = judged & (_count(reference.look, len(judged)) == 0)
    hits = _count(votes.choice_person[reference.named_rightly], count)
    named = _count(votes.choice_person[judged[votes.choice_look]], count)
    looks, right = _count(person[judged], count), _count(person[judge(votes, reference)], count)
    skill, skill_low, skill_high = _share(right, looks)
    sensitivity, sensitivity_low, sensitivity_high = _share(hits, _count(person[reference.look], count))
    table = pd.DataFrame(
        {
            "user": votes.people,
            "looks": _count(person, count),
            "blanks": _count(person[votes.named == 0], count),
            "named": _count(votes.choice_person, count),
            "answers": _count(different, count),
            "judged": looks,
            "empty": _count(person[empty], count),
            "right": right,
            "skill": skill,
            "skill_low": skill_low,
            "skill_high": skill_high,
            "chance": _chance(votes, reference),
            "sensitivity": sensitivity,
            "sensitivity_low": sensitivity_low,
            "sensitivity_high": sensitivity_high,
            "false_alarms": divide(named - hits, looks),
            "gap_s": gap_s,
        }
    )
    return table.astype({"user": "object"})


def measure_learning(votes: Votes, reference: Reference, number: NDArray[np.int64]) -> pd.DataFrame:
    """Return how often people are right at the start of their work, and later on.

    The interval is over people: the looks of one person are no independent draws, so that all of them count for as many
    as would give the spread between people, with Student's t for few people (design effect and degrees of freedom as
    in Korn & Graubard 1998, Surv. Methodol. 24:193-201, with the posterior of `intervals.credible_interval`). NaN for
    one person. People who stay may have been better from the start: a rise can also mean that the others left.

    Parameters
    ----------
    votes, reference
        As for `describe_people`.
    number
        (n,) of each look, the how many-th of its person it is, from 1.

    Returns
    -------
    DataFrame
        One row a stretch in which a look was judged, as `quality.Quality.learning` has them.
    """
    from scipy.special import stdtrit

    stretch = np.searchsorted(STRETCHES, number, side="right") - 1
    judged, people = reference.judged, len(votes.people)
    cells, cell = np.unique(stretch[judged] * people + votes.look_person[judged], return_inverse=True)
    looks = _count(cell, len(cells))
    right = np.bincount(cell, weights=judge(votes, reference)[judged], minlength=len(cells))
    place = cells // max(people, 1)
    kept = np.unique(place)
    n = np.bincount(place, weights=looks, minlength=len(STRETCHES))[kept]
    yes = np.bincount(place, weights=right, minlength=len(STRETCHES))[kept]
    crew = _count(place, len(STRETCHES))[kept]
    share = yes / n
    rank = np.searchsorted(kept, place)
    between = np.bincount(rank, weights=(right - share[rank] * looks) ** 2, minlength=len(kept)) * crew
    alone = share * (1 - share) * n * (crew - 1)
    effect = np.maximum(np.divide(between, alone, out=np.ones(len(kept)), where=alone > 0), 1.0)
    several = crew > 1
    draws = n[several] / effect[several] * (stdtrit(np.inf, 0.975) / stdtrit(crew[several] - 1.0, 0.975)) ** 2
    low, high = np.full((2, len(kept)), np.nan)
    low[several], high[several] = credible_interval(share[several] * draws, draws)
    last = np.append(np.array(STRETCHES[1:]) - 1, max(int(number.max(initial=0)), STRETCHES[-1]))
    return pd.DataFrame(
        {
            "first": np.array(STRETCHES)[kept],
            "last": last[kept],
            "people": crew,
            "looks": n.astype(np.int64),
            "skill": share,
            "skill_low": low,
            "skill_high": high,
        }
    )


def measure_pace(person: NDArray[np.int64], created_at: NDArray[np.datetime64], people: int) -> NDArray[np.float64]:
    """Return the median number of seconds from one classification of a person to the next.

    Parameters
    ----------
    person
        (c,) of each classification the place of who made it.
    created_at
        (c,) when; classifications at unknown times (NaT) are left out.
    people
        How many people there are.

    Returns
    -------
    ndarray
        (people,) float64; NaN for who made one classification, or only after pauses of half an hour or more.
    """
    known = ~np.isnat(created_at)
    person, moment = person[known], created_at[known].astype("datetime64[ms]").astype(np.int64)
    order = np.lexsort((moment, person))
    person, seconds = person[order], moment[order] / 1000.0
    gap = np.diff(seconds)
    same = (np.diff(person) == 0) & (gap < _PAUSE_S)
    return np.asarray(grouped_quantiles(person[1:][same], gap[same], people, (0.5,))[0])


def number_looks(person: NDArray[np.int64], classification: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the how many-th of its person each look is, from 1, in the order of the ids of classifications."""
    order = np.lexsort((classification, person))
    each = np.bincount(person)
    number = np.empty(len(person), dtype=np.int64)
    number[order] = np.arange(len(person)) - np.repeat(np.cumsum(each) - each, each) + 1
    return number


def _chance(votes: Votes, reference: Reference) -> NDArray[np.float64]:
    """Return the share that each person's answers would get right if they were dealt out at random to the same looks.

    That is the expected agreement of Cohen 1960, Educ. Psychol. Meas. 20:37-46, each answer being one value.
    """
    looks, people = len(votes.look_subject), len(votes.people)
    counted = reference.judged[votes.choice_look]
    both = code_answers(
        np.concatenate([votes.choice_look[counted], reference.look + looks]),
        np.concatenate([votes.choice_label[counted], reference.label]),
        2 * looks,
    )
    width = int(both.max(initial=0)) + 1
    person = votes.look_person[reference.judged]
    said, often = np.unique(person * width + both[:looks][reference.judged], return_counts=True)
    there, times = np.unique(person * width + both[looks:][reference.judged], return_counts=True)
    same, one, two = np.intersect1d(said, there, assume_unique=True, return_indices=True)
    chances = np.bincount(same // width, weights=often[one] * times[two].astype(np.float64), minlength=people)
    judged = _count(person, people).astype(np.float64)
    return divide(chances, judged**2)


def _count(place: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    return np.bincount(place, minlength=count)


def _share(
    votes: NDArray[np.int64], people: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return shares and their 95 % intervals; NaN where nobody was asked."""
    asked = people > 0
    share, low, high = np.full((3, len(people)), np.nan)
    share[asked] = votes[asked] / people[asked]
    low[asked], high[asked] = credible_interval(votes[asked], people[asked])
    return share, low, high
