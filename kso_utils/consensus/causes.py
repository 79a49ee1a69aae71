"""Why somebody names a species: it is there and was seen, another was taken for it, or nothing of the kind was there.

A person p names label l in a clip unless none of the causes makes them do so (a noisy-or: Pearl 1988, Probabilistic
Reasoning in Intelligent Systems, 4.3), each with its own intensity:

    -ln P(p does not name l) = there[l] seen[l] sight[p] + invented[l] fancy[p] + sum over k of there[k] mistaken[k, l]

A vote never speaks against its label, and who names whatever comes to mind has little sight and much fancy, so that the
votes say nothing. What is there is inferred clip by clip, label beside label (mean field, as in Jaakkola & Jordan 1999,
J. Artif. Intell. Res. 10:291-322), the intensities from what each cause must have made people name, with Gamma priors.
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

SWEEPS = 6
"""How often the labels of a clip are inferred anew from one another; after the first time half of the way."""
_USUAL_SEEN, _USUAL_INVENTED = 1.5, 0.1
"""What is expected before any vote: 78 % of what is there is named, and one look in ten names what is not there."""
_PRIOR_LOOKS = 5.0
_TINY = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Rates:
    """How often each cause makes people name a label.

    Attributes
    ----------
    prior
        (l,) float64: the share of clips that hold the label.
    seen, invented
        (l,) float64: intensity with which the label is named where it is there, and where nothing is.
    mistaken
        (l, l) float64: intensity with which the first label, where it is there, is taken for the second.
    sight, fancy
        (g,) float64: how much more or less than usual a group of people sees and invents; 1 is the geometric mean.
    """

    prior: Floats
    seen: Floats
    invented: Floats
    mistaken: Floats
    sight: Floats
    fancy: Floats


class Sums(NamedTuple):
    """What `count` finds in a part and `update` needs of all; all float64.

    `seen, invented` (l,), `mistaken` (l, l), `group_seen, group_invented` (g,): how often each cause made somebody name
    something. `sights` (l,): sight of the looks at clips that hold the label; `looks` (l,): their number;
    `group_sights` (g,): what a group should have seen; `group_looks` (g,): its looks. `clips` (l,): clips that hold
    the label; `subjects` (1,).
    """

    seen: Floats
    invented: Floats
    mistaken: Floats
    group_seen: Floats
    group_invented: Floats
    sights: Floats
    looks: Floats
    group_sights: Floats
    group_looks: Floats
    clips: Floats
    subjects: Floats


@dataclass(frozen=True, slots=True, eq=False)
class _Layout:
    """The labels named in each subject (pairs, by subject, then label), and who named which.

    `beside, beside_of`: each pair with every other of its subject. `other, other_of`: each choice with every pair of
    its subject but its own.
    """

    subject: Ints
    label: Ints
    pair: Ints
    who: Ints
    look_who: Ints
    beside: Ints
    beside_of: Ints
    other: Ints
    other_of: Ints


@dataclass(frozen=True, slots=True, eq=False)
class _Evidence:
    """What the rates say of a part before it is known what is there: of each choice, pair and subject."""

    base: Floats
    sight: Floats
    mistake: Floats
    beside: Floats
    fixed: Floats
    start: Floats
    sights: Floats
    looked: Floats


def infer(votes: Votes, group: Ints, rates: Rates) -> Floats:
    """Return the probability that each label named in a subject is there.

    Parameters
    ----------
    votes
        Who named what.
    group
        (p,) int64: the group of each person.
    rates
        How often each cause makes people name a label.

    Returns
    -------
    ndarray
        (n,) float64 by subject, then label.
    """
    layout = _lay_out(votes, group)
    return _infer(layout, _weigh(layout, votes, rates))


def start(named: Floats, shares: Floats, looks: float, subjects: float, groups: int) -> Rates:
    """Return the rates to begin with.

    Parameters
    ----------
    named, shares
        (l,) float64: votes for each label, and the sum of its shares of the votes of each subject.
    looks, subjects, groups
        How many there are.
    """
    labels = len(named)
    mistaken = np.full((labels, labels), _USUAL_INVENTED / (2 * max(labels, 1)))
    np.fill_diagonal(mistaken, 0)
    return Rates(
        prior=(shares + 0.5) / (subjects + 1),
        seen=np.full(labels, _USUAL_SEEN),
        invented=_USUAL_INVENTED * (named + 1) / (looks + labels),
        mistaken=mistaken,
        sight=np.ones(groups),
        fancy=np.ones(groups),
    )


def count(votes: Votes, group: Ints, rates: Rates) -> Sums:
    """Return how often each cause made somebody name something in a part, were the rates right."""
    labels, groups = len(rates.prior), len(rates.sight)
    layout = _lay_out(votes, group)
    evidence = _weigh(layout, votes, rates)
    there = _infer(layout, evidence)
    named_label, here = layout.label[layout.pair], there[layout.pair]
    wrong = evidence.base + _mistakes(layout, evidence, there)[layout.pair]
    with_it, without = _named(wrong + evidence.sight), _named(wrong)
    seen = here * evidence.sight / with_it
    # What one unit of intensity of a wrong cause stands for, given that the label was named.
    unit = here / with_it + (1 - here) / without
    invented = evidence.base * unit
    mixed = layout.label[layout.other] * labels + named_label[layout.other_of]
    mistaken = evidence.mistake * there[layout.other] * unit[layout.other_of]
    missed = _count_missed(layout, evidence, rates)
    expected = grouped_sums(layout.subject, there * rates.seen[layout.label], len(votes.subject_ids)) + missed.sight
    return Sums(
        seen=grouped_sums(named_label, seen, labels),
        invented=grouped_sums(named_label, invented, labels),
        mistaken=grouped_sums(mixed, mistaken, labels * labels).reshape(labels, labels),
        group_seen=grouped_sums(layout.who, seen, groups),
        group_invented=grouped_sums(layout.who, invented, groups),
        sights=grouped_sums(layout.label, there * evidence.sights[layout.subject], labels) + missed.sights,
        looks=grouped_sums(layout.label, there * evidence.looked[layout.subject], labels) + missed.looks,
        group_sights=grouped_sums(layout.look_who, expected[votes.look_subject], groups),
        group_looks=np.bincount(layout.look_who, minlength=groups).astype(np.float64),
        clips=grouped_sums(layout.label, there, labels) + missed.clips,
        subjects=np.array([float(len(votes.subject_ids))]),
    )


def update(sums: Sums, rates: Rates, smoothing: float) -> Rates:
    """Return the rates that explain the sums best; people's are drawn to those of all by `smoothing` namings."""
    seen_mean = (sums.seen.sum() + _USUAL_SEEN * _PRIOR_LOOKS) / (sums.sights.sum() + _PRIOR_LOOKS)
    seen = (sums.seen + _PRIOR_LOOKS * seen_mean) / (sums.sights + _PRIOR_LOOKS)
    labels, exposure = max(len(seen), 1), float((rates.fancy * sums.group_looks).sum())
    invented_mean = (sums.invented.sum() + _USUAL_INVENTED * _PRIOR_LOOKS) / (exposure + _PRIOR_LOOKS) / labels
    invented = (sums.invented + _PRIOR_LOOKS * invented_mean) / (exposure + _PRIOR_LOOKS)
    mistaken = np.zeros_like(rates.mistaken)
    if labels > 1:
        mean = sums.mistaken.sum() / max((labels - 1) * sums.looks.sum(), _TINY)
        mistaken = (sums.mistaken + 4 * _PRIOR_LOOKS * mean) / (sums.looks + 4 * _PRIOR_LOOKS)[:, None]
        np.fill_diagonal(mistaken, 0)
    sight = _shrink(sums.group_seen, sums.group_sights, smoothing)
    fancy = _shrink(sums.group_invented, sums.group_looks * rates.invented.sum(), smoothing)
    # Only products of people's rates and labels' count, so that the geometric means of people's can be 1.
    usual_sight, usual_fancy = np.exp(np.log(sight).mean()), np.exp(np.log(fancy).mean())
    return Rates(
        prior=(sums.clips + 0.5) / (sums.subjects + 1),
        seen=seen * usual_sight,
        invented=invented * usual_fancy,
        mistaken=mistaken,
        sight=sight / usual_sight,
        fancy=fancy / usual_fancy,
    )


def change(old: Rates, new: Rates) -> float:
    """Return the largest difference of a probability between two sets of rates."""
    return max(
        float(np.abs(after - before).max(initial=0.0))
        for before, after in zip(_probabilities(old), _probabilities(new), strict=True)
    )


def _probabilities(rates: Rates) -> tuple[Floats, ...]:
    by_label = (_named(rates.seen), _named(rates.invented), _named(rates.mistaken))
    return (rates.prior, *by_label, sensitivity(rates), false_alarms(rates))


def sensitivity(rates: Rates) -> Floats:
    """Return (g,) the share that a group of people names of what is there, over the labels as common as they are."""
    weight = rates.prior / max(float(rates.prior.sum()), _TINY)
    return sum(
        (w * _named(s * rates.sight) for w, s in zip(weight, rates.seen, strict=True)), np.zeros(rates.sight.shape)
    )


def false_alarms(rates: Rates) -> Floats:
    """Return (g,) the probability that a group of people names something where nothing is."""
    return _named(rates.invented.sum() * rates.fancy)


def _named(intensity: Floats) -> Floats:
    """Return the probability that something is named by causes of an intensity."""
    return np.asarray(-np.expm1(-intensity))


def _shrink(found: Floats, expected: Floats, smoothing: float) -> Floats:
    """Return found / expected of each group, drawn to 1."""
    return np.asarray((found + smoothing + _TINY) / (expected + smoothing + _TINY))


def _lay_out(votes: Votes, group: Ints) -> _Layout:
    labels, subjects = max(len(votes.labels), 1), len(votes.subject_ids)
    pairs, pair = np.unique(votes.choice_subject.astype(np.int64) * labels + votes.choice_label, return_inverse=True)
    subject, label = pairs // labels, pairs % labels
    size = np.bincount(subject, minlength=subjects)
    first = np.cumsum(size) - size
    beside, beside_of = _with_others(np.arange(len(pairs)), subject, first, size)
    other, other_of = _with_others(pair, subject, first, size)
    who = group[votes.choice_person]
    return _Layout(subject, label, pair, who, group[votes.look_person], beside, beside_of, other, other_of)


def _with_others(pair: Ints, subject: Ints, first: Ints, size: Ints) -> tuple[Ints, Ints]:
    """Return, for things that each have a pair, the other pairs of its subject, and which thing each is for."""
    count = size[subject[pair]]
    thing = np.repeat(np.arange(len(pair)), count)
    place = np.arange(len(thing)) - np.repeat(np.cumsum(count) - count, count)
    found = first[subject[pair[thing]]] + place
    others = found != pair[thing]
    return found[others], thing[others]


def _weigh(layout: _Layout, votes: Votes, rates: Rates) -> _Evidence:
    pairs, subjects, labels = len(layout.label), len(votes.subject_ids), len(rates.prior)
    sight, looked = rates.sight[layout.who], votes.looked.astype(np.float64)
    sights = grouped_sums(votes.look_subject, rates.sight[layout.look_who], subjects)
    named = np.bincount(layout.pair, minlength=pairs)
    unseen = sights[layout.subject] - grouped_sums(layout.pair, sight, pairs)
    mistaken, label = rates.mistaken.ravel(), layout.label
    beside = mistaken[label[layout.beside] * labels + label[layout.beside_of]]
    # Who did not name what a label is taken for speaks against the label.
    spared = looked[layout.subject] * rates.mistaken.sum(axis=1)[label]
    spared -= grouped_sums(layout.beside, beside * named[layout.beside_of], pairs)
    prior = np.clip(rates.prior[label], _TINY, 1 - _TINY)
    return _Evidence(
        base=np.maximum(rates.invented[label[layout.pair]] * rates.fancy[layout.who], _TINY),
        sight=rates.seen[label[layout.pair]] * sight,
        mistake=mistaken[label[layout.other] * labels + label[layout.pair[layout.other_of]]],
        beside=beside,
        fixed=np.log(prior / (1 - prior)) - rates.seen[label] * unseen - spared,
        start=named / looked[layout.subject],
        sights=sights,
        looked=looked,
    )


def _mistakes(layout: _Layout, evidence: _Evidence, there: Floats) -> Floats:
    """Return (n,) the intensity with which what is there is taken for the label of each pair."""
    return grouped_sums(layout.beside_of, there[layout.beside] * evidence.beside, len(there))


def _infer(layout: _Layout, evidence: _Evidence) -> Floats:
    pair, other, other_of = layout.pair, layout.other, layout.other_of
    there, pairs = evidence.start, len(layout.label)
    own_base, own_pair = evidence.base[other_of], pair[other_of]
    for sweep in range(SWEEPS):
        mistakes = _mistakes(layout, evidence, there)
        wrong = evidence.base + mistakes[pair]
        odds = evidence.fixed + grouped_sums(pair, np.log(_named(wrong + evidence.sight) / _named(wrong)), pairs)
        # A label is named where another is there that is taken for it: that speaks for the other.
        rest = np.maximum(own_base + mistakes[own_pair] - evidence.mistake * there[other], own_base)
        gain = (1 - there[own_pair]) * np.log(_named(rest + evidence.mistake) / _named(rest))
        odds += grouped_sums(other, gain, pairs)
        found = 1 / (1 + np.exp(-np.clip(odds, -500, 500)))
        # Half of the way only, so that two labels do not change places for ever.
        there = (there + found) / 2 if sweep else found
    return there


class _Missed(NamedTuple):
    """Of labels that are there though nobody named them: `sights, looks, clips` (l,) and `sight` (s,) as in Sums."""

    sights: Floats
    looks: Floats
    clips: Floats
    sight: Floats


def _count_missed(layout: _Layout, evidence: _Evidence, rates: Rates) -> _Missed:
    labels, prior = len(rates.prior), np.clip(rates.prior, _TINY, 1 - _TINY)
    odds, taken = np.log(prior / (1 - prior)), rates.mistaken.sum(axis=1)

    def there(label: Ints | int, sights: Floats, looked: Floats) -> Floats:
        against = rates.seen[label] * sights + taken[label] * looked - odds[label]
        return np.asarray(1 / (1 + np.exp(np.minimum(against, 500))))

    sights, looks, clips = np.zeros(labels), np.zeros(labels), np.zeros(labels)
    sight = np.zeros(len(evidence.sights))
    for label in range(labels):
        missed = there(label, evidence.sights, evidence.looked)
        sights[label], looks[label] = (missed * evidence.sights).sum(), (missed * evidence.looked).sum()
        clips[label] = missed.sum()
        sight += missed * rates.seen[label]
    # Where somebody named the label, votes tell.
    here, own = layout.label, layout.subject
    told = there(here, evidence.sights[own], evidence.looked[own])
    return _Missed(
        sights - grouped_sums(here, told * evidence.sights[own], labels),
        looks - grouped_sums(here, told * evidence.looked[own], labels),
        clips - grouped_sums(here, told, labels),
        sight - grouped_sums(own, told * rates.seen[here], len(sight)),
    )
