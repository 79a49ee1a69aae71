"""What is there, and how well each person sees, found together from the votes alone.

Whoever often agrees with the others counts for more, and somebody who answers by chance for nothing (Dawid & Skene
1979, Appl. Statist. 28:20-28). Two worlds: labels that exclude each other (`classes`), and clips that may hold
several species (`causes`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from kso_utils.consensus import causes, classes
from kso_utils.consensus.groups import grouped_sums
from kso_utils.consensus.parts import Here
from kso_utils.consensus.votes import Votes
from kso_utils.core.errors import ConfigError
from kso_utils.core.log import logger
from kso_utils.core.progress import bar

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from kso_utils.consensus.parts import Parts

log = logger(__name__)

MOST_RATES = 100_000_000
"""How many rates are found at most; more would not fit into the memory of a usual machine."""


@dataclass(frozen=True, slots=True)
class SkeneRule:
    """How people's rates are found.

    Attributes
    ----------
    exclusive
        Whether a clip holds one label or nothing; where somebody names several, each is a part of a vote. Otherwise a
        clip may hold any number of species.
    smoothing
        How strongly people's rates are drawn to those of all, 0 for not at all: as if each person had named that many
        labels more as everybody does, or, where labels exclude each other, had looked at that many clips more of each
        label. Where None, 2 and 10.
    pool_below
        People with fewer looks than this are taken as one person; nothing can be known of each.
    iterations
        After how many rounds to stop at the latest.
    tolerance
        Stop when no probability in the rates changes by more than this in a round.

    Raises
    ------
    ConfigError
        If a value is out of range.
    """

    exclusive: bool = False
    smoothing: float | None = None
    pool_below: int = 10
    iterations: int = 200
    tolerance: float = 1e-4

    def __post_init__(self) -> None:
        """Check the values."""
        for name, least in (("smoothing", 0), ("pool_below", 0), ("iterations", 1), ("tolerance", 0)):
            value = getattr(self, name)
            if value is not None and not least <= value < np.inf:
                raise ConfigError(f"{name} of Dawid-Skene is {value}; give {least} or more.")

    @property
    def strength(self) -> float:
        """How strongly people's rates are drawn to those of all, the world's own where `smoothing` is None."""
        if self.smoothing is not None:
            return self.smoothing
        return 10.0 if self.exclusive else 2.0


@dataclass(frozen=True, slots=True, eq=False)
class SkeneModel:
    """How well people see, as found by `fit_dawid_skene`.

    Attributes
    ----------
    rule
        How it was found.
    names, labels
        (p,) and (l,) str objects: the people and the labels of the votes.
    looks
        (p,) int64: at how many clips each person looked.
    group
        (p,) int64: the number of each person among the rates; people with few looks share the last.
    rates
        The rates: `causes.Rates`, or `classes.Rates` where labels exclude each other.
    iterations
        How many rounds it took.
    converged
        Whether the rates had stopped to change.
    """

    rule: SkeneRule
    names: NDArray[Any]
    labels: NDArray[Any]
    looks: NDArray[np.int64]
    group: NDArray[np.int64]
    rates: causes.Rates | classes.Rates
    iterations: int
    converged: bool

    def describe_people(self) -> pd.DataFrame:
        """Return one row a person, by name.

        `user`; `looks`; `pooled`: whether the rates are those of all who have few looks; `sensitivity`: the share that
        they name of what is there, 0 to 1; `false_alarms`: the probability that they name something where nothing is.
        """
        sensitivity, false_alarms = _of_groups(self.rates)
        return pd.DataFrame(
            {
                "user": self.names,
                "looks": self.looks,
                "pooled": self.looks < self.rule.pool_below,
                "sensitivity": sensitivity[self.group],
                "false_alarms": false_alarms[self.group],
            }
        )


def fit_dawid_skene(votes: Votes | Parts, rule: SkeneRule | None = None) -> SkeneModel:
    """Return how well people see, from who named what.

    The result depends neither on the order of the rows nor on where parts are cut, but for rounding (1e-9). A warning
    is logged where `iterations` were not enough. With two people a clip hardly anything tells misses from inventions,
    and the rates are little more than a guess.

    Parameters
    ----------
    votes
        The votes, or parts of them; each part is read once a round and keeps nothing.
    rule
        How; the default where None.

    Raises
    ------
    ConfigError
        If there would be more rates than `MOST_RATES`: people x (labels + 1)^2 where labels exclude each other,
        otherwise labels^2.
    """
    rule = rule or SkeneRule()
    parts = Here([votes]) if isinstance(votes, Votes) else votes
    looks, named, shares, subjects = _add(parts.map(_tally))
    own = looks >= rule.pool_below
    group = np.where(own, np.cumsum(own) - 1, own.sum()).astype(np.int64)
    groups = int(group.max(initial=0)) + 1
    _check_size(groups if rule.exclusive else 1, len(parts.labels))
    rates: causes.Rates | classes.Rates
    if rule.exclusive:
        rates = classes.update(_exclusive_sums(parts, group, groups, None), rule.strength)
    else:
        rates = causes.start(named, shares, looks.sum(), subjects[0], groups)
    rounds, moved = 0, np.inf
    with bar("learning how well people see", rule.iterations) as shown:
        while rounds < rule.iterations and moved > rule.tolerance:
            rates, moved = _improve(parts, group, rates, rule.strength)
            rounds += 1
            shown.advance()
        shown.fill()
    if moved > rule.tolerance:
        log.warning(
            "Dawid-Skene had not settled after %d rounds (a rate still changed by %.2g); probabilities may be off by"
            " about as much. Allow more iterations, or a larger tolerance.",
            rounds,
            moved,
        )
    counts = looks.astype(np.int64)
    return SkeneModel(rule, parts.people, parts.labels, counts, group, rates, rounds, bool(moved <= rule.tolerance))


def label_probabilities(votes: Votes, model: SkeneModel) -> NDArray[np.float64]:
    """Return the probability that each label named in a subject is there.

    Parameters
    ----------
    votes
        All or a part of the votes on which the model was fitted.
    model
        How well people see.

    Returns
    -------
    ndarray
        (n,) float64, one for each label and subject in which anybody named it, by subject, then label.
    """
    if isinstance(model.rates, causes.Rates):
        return causes.infer(votes, model.group, model.rates)
    return classes.infer(votes, model.group, model.rates)


def _check_size(people: int, labels: int) -> None:
    if people * (labels + 1) ** 2 > MOST_RATES:
        who = f" and {people:,} people with rates of their own" if people > 1 else ""
        raise ConfigError(
            f"There are {labels:,} labels{who}, too many to learn which label is taken for which. Give labels from a"
            " list of species, no free text, or choose another method; a larger pool_below leaves fewer people."
        )


def _improve(
    parts: Parts, group: NDArray[np.int64], rates: causes.Rates | classes.Rates, smoothing: float
) -> tuple[causes.Rates | classes.Rates, float]:
    """Return better rates, and the largest change."""
    if isinstance(rates, causes.Rates):
        better = causes.update(causes.Sums(*_add(parts.map(causes.count, group, rates))), rates, smoothing)
        return better, causes.change(rates, better)
    surer = classes.update(_exclusive_sums(parts, group, len(rates.said), rates), smoothing)
    return surer, classes.change(rates, surer)


def _exclusive_sums(parts: Parts, group: NDArray[np.int64], groups: int, rates: classes.Rates | None) -> classes.Sums:
    return classes.Sums(*_add(parts.map(classes.count, group, groups, rates)))


def _of_groups(rates: causes.Rates | classes.Rates) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if isinstance(rates, causes.Rates):
        return causes.sensitivity(rates), causes.false_alarms(rates)
    return classes.sensitivity(rates), classes.false_alarms(rates)


def _tally(votes: Votes) -> tuple[NDArray[np.float64], ...]:
    """Return looks of each person, votes and shares of votes of each label, and the number of subjects."""
    shares = 1 / votes.looked[votes.choice_subject]
    return (
        np.bincount(votes.look_person, minlength=len(votes.people)).astype(np.float64),
        np.bincount(votes.choice_label, minlength=len(votes.labels)).astype(np.float64),
        grouped_sums(votes.choice_label, shares, len(votes.labels)),
        np.array([float(len(votes.subject_ids))]),
    )


def _add(found: Iterable[tuple[NDArray[np.float64], ...]]) -> list[NDArray[np.float64]]:
    """Return the sums over the parts, in the order of the parts."""
    return [reduce(np.add, each) for each in zip(*found, strict=True)]
