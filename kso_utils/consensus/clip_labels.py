"""What people agree to have seen in a clip."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pandas as pd

from kso_utils.consensus.dawid_skene import SkeneModel, SkeneRule, fit_dawid_skene, label_probabilities
from kso_utils.consensus.groups import evenness_and_entropy, grouped_quantiles, run_starts
from kso_utils.consensus.intervals import credible_interval
from kso_utils.consensus.votes import VoteRule, Votes, check_rule, gather
from kso_utils.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

Method = Literal["share", "plurality", "dawid_skene"]
COLUMNS = {
    "subject_id": "int64",
    "label": "object",
    "votes": "int64",
    "people": "int64",
    "support": "float64",
    "support_low": "float64",
    "support_high": "float64",
    "probability": "float64",
    "how_many": "float64",
    "how_many_spread": "float64",
    "first_seen_s": "float64",
    "first_seen_spread_s": "float64",
    "evenness": "float64",
    "entropy": "float64",
    "agreed": "bool",
}
SUBJECT_COLUMNS = {
    "subject_id": "int64",
    "people": "int64",
    "blanks": "int64",
    "labels": "int64",
    "species": "int64",
    "evenness": "float64",
    "entropy": "float64",
    "blank": "bool",
}
_LEAST = {"share": 0.8, "plurality": 0.0, "dawid_skene": 0.5}


@dataclass(frozen=True, slots=True)
class ClipRule:
    """When a label of a clip is agreed.

    Attributes
    ----------
    method
        `share`: the labels that enough of the people who looked named. `plurality`: as many labels as the median
        person named who named any, those with most votes first (Swanson et al. 2015, Sci. Data 2:150026); none where
        more than half of the people saw nothing. `dawid_skene`: the labels that are probably there, from who named
        them and how well each person sees (`dawid_skene.fit_dawid_skene`).
    agreement
        What a label needs: the least share of the people who looked that must have named it, 0 to 1, or, for
        `dawid_skene`, the least probability that it is there. Where None, the method's own: 0.8 for `share`, 0 for
        `plurality`, 0.5 for `dawid_skene`.
    min_people
        The least number of people who must have looked.
    votes
        Which classifications count.
    skene
        How people's rates are found, for the method `dawid_skene` alone; its default where None.

    Raises
    ------
    ConfigError
        If a value is out of range, or the method has no use for `skene`.
    """

    method: Method = "share"
    agreement: float | None = None
    min_people: int = 3
    votes: VoteRule = field(default_factory=VoteRule)
    skene: SkeneRule | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        if self.method not in get_args(Method):
            raise ConfigError(f"method is {self.method!r}; give one of {', '.join(get_args(Method))}.")
        check_rule({} if self.agreement is None else {"agreement": self.agreement}, self.min_people)
        if self.skene is not None and self.method != "dawid_skene":
            raise ConfigError(f"The method {self.method!r} has no use for skene. Choose the method 'dawid_skene'.")

    @property
    def least(self) -> float:
        """What a label needs, the method's own where `agreement` is None."""
        return _LEAST[self.method] if self.agreement is None else self.agreement


def clips(rows: pd.DataFrame | Iterable[pd.DataFrame], rule: ClipRule | None = None) -> pd.DataFrame:
    """Return, for each clip and label that anybody named, how many people named it and whether they agree.

    Every person counts once (`votes.gather`), and everybody who looked is in the denominator, also those who marked
    nothing. A subject in which nobody named anything has no row here; `subjects` has one.

    Parameters
    ----------
    rows
        One row a choice, as `zooniverse.flatten` gives them, or parts of such a table in any order:
        `classification_id`, `subject_id`, `user`, `label` (missing where nothing was marked), and where known
        `workflow_id`, `live`, `seen_before`, `how_many`, `first_seen_s` ....
    rule
        When a label is agreed; the default where None.

    Returns
    -------
    DataFrame
        One row a subject and label, by subject, then most votes first, then label. `votes`: distinct people who
        named the label. `people`: distinct people who classified the subject. `support`: votes / people, with
        `support_low` and `support_high`, its 95 % interval (`intervals.credible_interval`). `probability`: that it is
        there; NaN but for `dawid_skene`.
        `how_many` and `first_seen_s` (seconds): medians over the people who answered, NaN where nobody did, with
        `how_many_spread` and `first_seen_spread_s`, the distance from the first to the third quartile. `evenness` and
        `entropy` of the subject's votes over its labels (`groups.evenness_and_entropy`). `agreed`: people >=
        min_people, and what the method asks for.

    Raises
    ------
    ConfigError
        If a column is missing.
    """
    rule = rule or ClipRule()
    votes = gather(rows, rule.votes)
    return label_clips(votes, rule)


def label_clips(votes: Votes, rule: ClipRule, model: SkeneModel | None = None) -> pd.DataFrame:
    """Return what `clips` returns, from votes that are gathered already.

    Parameters
    ----------
    votes
        The votes.
    rule
        When a label is agreed.
    model
        For the method `dawid_skene`, how well people see, where these votes are only a part of those that tell; found
        from these where None.
    """
    if not len(votes.choice_look):
        return pd.DataFrame(columns=list(COLUMNS)).astype(COLUMNS)
    labels, subjects = len(votes.labels), len(votes.subject_ids)
    pairs, pair = np.unique(votes.choice_subject * labels + votes.choice_label, return_inverse=True)
    subject, label = pairs // labels, pairs % labels
    count = np.bincount(pair, minlength=len(pairs))
    people = votes.looked[subject]
    low, high = credible_interval(count, people)
    many = grouped_quantiles(pair, votes.how_many, len(pairs), (0.25, 0.5, 0.75))
    first = grouped_quantiles(pair, votes.first_seen_s, len(pairs), (0.25, 0.5, 0.75))
    evenness, entropy = evenness_and_entropy(subject, count, subjects)
    order = np.lexsort((label, -count, subject))
    sure = count / people
    probability = np.full(len(pairs), np.nan)
    if rule.method == "dawid_skene":
        sure = probability = label_probabilities(votes, model or fit_dawid_skene(votes, rule.skene))
    agreed = (people >= rule.min_people) & (sure >= rule.least)
    if rule.method == "plurality":
        agreed &= _wins(votes, subject, order)
    table = pd.DataFrame(
        {
            "subject_id": votes.subject_ids[subject],
            "label": votes.labels[label],
            "votes": count,
            "people": people,
            "support": count / people,
            "support_low": low,
            "support_high": high,
            "probability": probability,
            "how_many": many[1],
            "how_many_spread": many[2] - many[0],
            "first_seen_s": first[1],
            "first_seen_spread_s": first[2] - first[0],
            "evenness": evenness[subject],
            "entropy": entropy[subject],
            "agreed": agreed,
        }
    )
    return table.astype(COLUMNS).iloc[order].reset_index(drop=True)


def subjects(rows: pd.DataFrame | Iterable[pd.DataFrame], rule: VoteRule | None = None) -> pd.DataFrame:
    """Return how many people looked at each subject, how many saw nothing, and how far they are of one mind.

    Parameters
    ----------
    rows
        As for `clips`; boxes and other marks do as well.
    rule
        Which classifications count; the default where None.

    Returns
    -------
    DataFrame
        One row a subject at which anybody looked, by subject. `people`: distinct people who classified it. `blanks`:
        those of them who named nothing. `labels`: distinct labels that were named. `species`: how many labels the
        median person named who named any, rounded up; 0 where nobody did. `evenness`, `entropy`: of the votes over the
        labels. `blank`: whether more than half of the people named nothing.

    Raises
    ------
    ConfigError
        If a column is missing.
    """
    return describe_subjects(gather(rows, rule))


def describe_subjects(votes: Votes) -> pd.DataFrame:
    """Return what `subjects` returns, from votes that are gathered already."""
    count, labels = len(votes.subject_ids), max(len(votes.labels), 1)
    pairs, named = np.unique(votes.choice_subject * labels + votes.choice_label, return_counts=True)
    subject = pairs // labels
    evenness, entropy = evenness_and_entropy(subject, named, count)
    looked, blanks = votes.looked, _count_blanks(votes)
    table = pd.DataFrame(
        {
            "subject_id": votes.subject_ids,
            "people": looked,
            "blanks": blanks,
            "labels": np.bincount(subject, minlength=count),
            "species": _count_species(votes),
            "evenness": evenness,
            "entropy": entropy,
            "blank": 2 * blanks > looked,
        }
    )
    return table.astype(SUBJECT_COLUMNS)


def _count_blanks(votes: Votes) -> NDArray[np.int64]:
    return np.bincount(votes.look_subject[votes.named == 0], minlength=len(votes.subject_ids))


def _count_species(votes: Votes) -> NDArray[np.int64]:
    """Return how many labels the median person named who named any, rounded up."""
    named = votes.named
    some = named > 0
    median = grouped_quantiles(
        votes.look_subject[some], named[some].astype(np.float64), len(votes.subject_ids), (0.5,)
    )[0]
    return np.asarray(np.ceil(np.nan_to_num(median)), dtype=np.int64)


def _wins(votes: Votes, subject: NDArray[np.int64], order: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which pairs are among the first so many of their subject, in an order by votes, then label."""
    starts = run_starts(subject[order])
    lengths = np.diff(np.append(starts, len(order)))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order)) - np.repeat(starts, lengths)
    blank = 2 * _count_blanks(votes) > votes.looked
    return np.asarray((rank < _count_species(votes)[subject]) & ~blank[subject])
