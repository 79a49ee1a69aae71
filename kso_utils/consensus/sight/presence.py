"""How likely a label is in a clip after so many votes, and what one more vote would tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kso_utils.core.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kso_utils.consensus.votes import Votes

# What people are taken to do before any vote is seen, as ten looks: eight of ten name what is there, one of twenty
# what is not.
_GUESS = 10.0
_SENSITIVITY, _FALSE_ALARM = 0.8, 0.05
# As many looks as this of the whole crowd stand behind the rates of every label.
_SHRINK = 20.0
_ROUNDS, _TOLERANCE = 500, 1e-9
_EDGE = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Presence:
    """How often each label is there, and how often it is named where it is and where it is not.

    After `yes` of `people` named a label, its log odds are logit prior + yes ln(sensitivity / false_alarm) +
    (people - yes) ln((1 - sensitivity) / (1 - false_alarm)): Bayes' rule for people who err independently, all as
    often as the crowd does (Dawid & Skene 1979, Appl. Statist. 28:20-28, with one person for the crowd).

    Attributes
    ----------
    prior
        (l,) float64: the share of the subjects in which each label is.
    sensitivity
        (l,) float64: the share of the people who name it where it is.
    false_alarm
        (l,) float64: the share of those who name it where it is not; below `sensitivity`.
    """

    prior: NDArray[np.float64]
    sensitivity: NDArray[np.float64]
    false_alarm: NDArray[np.float64]

    def log_odds(self, label: NDArray[np.int64], yes: NDArray[Any], people: NDArray[Any]) -> NDArray[np.float64]:
        """Return the log odds that labels (places) are there, each named by `yes` of `people`."""
        named, passed = self._steps(label)
        prior = self.prior[label]
        return np.asarray(np.log(prior / (1 - prior)) + yes * named + (people - yes) * passed)

    def expected_information(self, label: NDArray[np.int64], log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how many bits one more vote is expected to tell about whether labels are there.

        The mutual information of presence and vote, H(p) - P(yes) H(p | yes) - P(no) H(p | no), H being the entropy
        of yes and no in bits (Lindley 1956, Ann. Math. Statist. 27:986-1005).
        """
        named, passed = self._steps(label)
        yes = self._says_yes(label, log_odds)
        after = yes * entropy_bits(log_odds + named) + (1 - yes) * entropy_bits(log_odds + passed)
        return np.maximum(entropy_bits(log_odds) - after, 0.0)

    def votes_until(
        self, label: NDArray[np.int64], log_odds: NDArray[np.float64], sureness: float, most: int
    ) -> NDArray[np.float64]:
        """Return how many more votes are expected until labels are as sure as `sureness`, there or not; at most `most`.

        Exact: from the last vote back, over how many of those to come say yes (dynamic programming). States that are
        alike are computed once.
        """
        states, place = np.unique(np.column_stack([label, log_odds]), axis=0, return_inverse=True)
        kind, odds = states[:, 0].astype(np.int64), states[:, 1]
        named, passed = (step[:, None] for step in self._steps(kind))
        bound = logit(sureness)
        expected = np.zeros((len(states), most + 1))
        for made in range(most - 1, -1, -1):
            yeses = np.arange(made + 1)
            here = odds[:, None] + yeses * named + (made - yeses) * passed
            yes = self._says_yes(kind[:, None], here)
            further = 1 + yes * expected[:, 1 : made + 2] + (1 - yes) * expected[:, : made + 1]
            expected[:, : made + 1] = np.where(np.abs(here) >= bound, 0.0, further)
        return np.asarray(expected[place.ravel(), 0])

    def _steps(self, label: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return by how much the log odds change where one more person names the label, and where not."""
        there, not_there = self.sensitivity[label], self.false_alarm[label]
        return np.log(there / not_there), np.log((1 - there) / (1 - not_there))

    def _says_yes(self, label: NDArray[np.int64], log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
        probability = expit(log_odds)
        found = probability * self.sensitivity[label] + (1 - probability) * self.false_alarm[label]
        return np.asarray(found)


def fit_presence(votes: Votes) -> Presence:
    """Return how people err, learned from where they agree.

    Each label is a mixture of two binomials over the subjects, there and not there, fitted by expectation and
    maximisation from where at least half of the people named it. The rates of the crowd begin at eight of ten who name
    what is there and one of twenty who name what is not, as if that had been seen in ten looks; the rates of a label
    begin at the crowd's, with the weight of twenty. Rates are learned from subjects at which two people or more looked,
    for a single look tells nothing about errors. A label that nobody named in a subject counts as not named there.
    """
    label, yes, people, weight = _tally(votes)
    count = len(votes.labels)
    rates = weight * (people > 1)
    looks, named = rates * people, rates * yes
    subjects = np.bincount(label, weight, count)
    there = (2 * yes >= people).astype(np.float64)
    model = None
    for _ in range(_ROUNDS):
        prior = (np.bincount(label, weight * there, count) + 0.5) / (subjects + 1)
        sensitivity = _rate(label, named * there, looks * there, count, _SENSITIVITY)
        false_alarm = _rate(label, named * (1 - there), looks * (1 - there), count, _FALSE_ALARM)
        # Who cannot tell a label from its absence says nothing about it, and never the opposite.
        sensitivity = np.clip(sensitivity, _EDGE, 1 - _EDGE)
        model = Presence(prior, sensitivity, np.clip(false_alarm, _EDGE / 2, sensitivity * (1 - _EDGE)))
        before, there = there, expit(model.log_odds(label, yes, people))
        if np.abs(there - before).max(initial=0.0) < _TOLERANCE:
            break
    nothing = np.zeros(0)
    return model or Presence(nothing, nothing, nothing)


def check_sureness(sureness: float) -> None:
    """Raise ConfigError unless `sureness` lies above 0.5 and below 1."""
    if not 0.5 < sureness < 1:
        raise ConfigError(f"sureness is {sureness}; give a probability above 0.5 and below 1.")


def logit(probability: float) -> float:
    """Return ln(p / (1 - p))."""
    return float(np.log(probability) - np.log1p(-probability))


def expit(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probabilities of log odds."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * log_odds)))


def entropy_bits(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the entropy of yes and no in bits, 0 to 1, from the log odds of yes."""
    # With x = |log odds|: H = ln(1 + e^-x) + x e^-x / (1 + e^-x), which loses nothing near the ends.
    size = np.abs(log_odds)
    small = np.exp(-size)
    size = np.where(np.isfinite(size), size, 0.0)
    return np.asarray((np.log1p(small) + size * small / (1 + small)) / np.log(2))


def _tally(votes: Votes) -> tuple[NDArray[np.int64], ...]:
    """Return label, yes, people, and in how many subjects that was so; no votes for a label included."""
    labels = max(len(votes.labels), 1)
    pairs, named = np.unique(votes.choice_subject.astype(np.int64) * labels + votes.choice_label, return_counts=True)
    sizes, size = np.unique(votes.looked, return_inverse=True)
    kind, where = pairs % labels, size[pairs // labels]
    states, weight = np.unique(np.column_stack([kind, named, sizes[where]]), axis=0, return_counts=True)
    silent = np.bincount(size, minlength=len(sizes)) - np.bincount(
        kind * len(sizes) + where, minlength=len(votes.labels) * len(sizes)
    ).reshape(len(votes.labels), len(sizes))
    rest = np.column_stack([np.repeat(np.arange(len(votes.labels)), len(sizes)), np.tile(sizes, len(votes.labels))])
    return (
        np.concatenate([states[:, 0], rest[:, 0]]),
        np.concatenate([states[:, 1], np.zeros(len(rest), dtype=np.int64)]),
        np.concatenate([states[:, 2], rest[:, 1]]),
        np.concatenate([weight, silent.ravel()]),
    )


def _rate(
    label: NDArray[np.int64],
    named: NDArray[np.float64],
    looks: NDArray[np.float64],
    count: int,
    guess: float,
) -> NDArray[np.float64]:
    """Return the share of looks that named each label, drawn towards the crowd's."""
    crowd = (named.sum() + _GUESS * guess) / (looks.sum() + _GUESS)
    return np.asarray(
        (np.bincount(label, named, count) + _SHRINK * crowd) / (np.bincount(label, looks, count) + _SHRINK)
    )
