"""What people say of each kind of clip, where labels exclude each other: the model of Dawid and Skene.

Dawid & Skene 1979, Appl. Statist. 28:20-28. The classes are the labels and, last, nothing. Each group of people has a
probability of saying each class of a clip of each class, drawn to that of all (a Dirichlet prior).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kso_utils.consensus.groups import grouped_sums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kso_utils.consensus.votes import Votes

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

_TINY = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class Rates:
    """What people say of each class.

    Attributes
    ----------
    prior
        (c,) float64: the share of clips of each class.
    said
        (g, c, c) float64: of each group of people and class, the probability that they say each class.
    """

    prior: Floats
    said: Floats


class Sums(NamedTuple):
    """What `count` finds in a part: `said` (g, c, c) looks by group, class and what was said; `clips` (c,)."""

    said: Floats
    clips: Floats


def infer(votes: Votes, group: Ints, rates: Rates) -> Floats:
    """Return the probability that the clip is of the class of each label named in it: (n,) by subject, then label."""
    labels = max(len(votes.labels), 1)
    pairs = np.unique(votes.choice_subject.astype(np.int64) * labels + votes.choice_label)
    return np.asarray(_infer(votes, group, rates)[pairs // labels, pairs % labels])


def count(votes: Votes, group: Ints, groups: int, rates: Rates | None) -> Sums:
    """Return what each group said of each class, were the rates right; by shares of the votes where there are none."""
    classes = len(votes.labels) + 1
    subject, who, said, weight = _opinions(votes, group)
    if rates is None:
        there = grouped_sums(subject.astype(np.int64) * classes + said, weight, len(votes.subject_ids) * classes)
        there = there.reshape(-1, classes) / np.maximum(votes.looked, 1)[:, None]
    else:
        there = _infer(votes, group, rates)
    key = who * classes + said
    found = [grouped_sums(key, weight * there[subject, true], groups * classes) for true in range(classes)]
    return Sums(np.stack(found).reshape(classes, groups, classes).swapaxes(0, 1), there.sum(axis=0))


def update(sums: Sums, smoothing: float) -> Rates:
    """Return the rates that explain the sums best; those of people are drawn to those of all by `smoothing` looks."""
    classes = len(sums.clips)
    # Who never faced a class might say anything of it.
    everybody = np.maximum(sums.said.sum(axis=0) + smoothing / classes, _TINY)
    everybody /= everybody.sum(axis=1, keepdims=True)
    said = np.maximum(sums.said + smoothing * everybody, _TINY)
    prior = (sums.clips + smoothing / classes) / (sums.clips.sum() + smoothing)
    return Rates(prior, said / said.sum(axis=2, keepdims=True))


def change(old: Rates, new: Rates) -> float:
    """Return the largest difference of a probability between two sets of rates."""
    return max(float(np.abs(new.prior - old.prior).max()), float(np.abs(new.said - old.said).max()))


def sensitivity(rates: Rates) -> Floats:
    """Return (g,) the share that a group of people names of what is there, over the labels as common as they are."""
    weight = rates.prior[:-1] / max(float(rates.prior[:-1].sum()), _TINY)
    right = np.diagonal(rates.said, axis1=1, axis2=2)[:, :-1]
    return np.asarray((right * weight).sum(axis=1))


def false_alarms(rates: Rates) -> Floats:
    """Return (g,) the probability that a group of people names something where nothing is."""
    return np.asarray(1 - rates.said[:, -1, -1])


def _opinions(votes: Votes, group: Ints) -> tuple[Ints, Ints, Ints, Floats]:
    """Return of each opinion its subject, group and class, and its weight: who names n labels gives each 1 / n."""
    named = votes.named
    blank = np.flatnonzero(named == 0)
    look = np.concatenate([votes.choice_look, blank])
    said = np.concatenate([votes.choice_label, np.full(len(blank), len(votes.labels))])
    order = np.argsort(look, kind="stable")
    look = look[order]
    return votes.look_subject[look], group[votes.look_person[look]], said[order], 1 / np.maximum(named[look], 1)


def _infer(votes: Votes, group: Ints, rates: Rates) -> Floats:
    """Return (s, c) the probability that each subject is of each class."""
    subject, who, said, weight = _opinions(votes, group)
    subjects, classes = len(votes.subject_ids), len(rates.prior)
    with np.errstate(divide="ignore"):
        likelihood, prior = np.log(rates.said), np.log(rates.prior)
    score = np.empty((subjects, classes))
    for true in range(classes):
        score[:, true] = prior[true] + grouped_sums(subject, weight * likelihood[who, true, said], subjects)
    there = np.exp(score - score.max(axis=1, keepdims=True))
    return np.asarray(there / there.sum(axis=1, keepdims=True))
