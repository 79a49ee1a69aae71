"""What people agree to have seen in a clip."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np
import pandas as pd

from kso_utils.consensus.counting.groups import evenness_and_entropy, grouped_quantiles, run_starts
from kso_utils.consensus.counting.intervals import credible_interval
from kso_utils.consensus.dawid_skene import SkeneModel, SkeneRule, fit_dawid_skene, label_probabilities
from kso_utils.consensus.gold import keep_people, weigh_people
from kso_utils.consensus.kso_rule import Compat, count_classifications, published_votes
from kso_utils.consensus.votes import VoteRule, Votes, check_rule, gather_parts
from kso_utils.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from kso_utils.consensus.counting.parts import Client, Parts

Method = Literal["share", "plurality", "gold", "dawid_skene"]
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
    "tied": "bool",
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
_LEAST = {"share": 0.8, "plurality": 0.0, "gold": 0.5, "dawid_skene": 0.5}


@dataclass(frozen=True, slots=True)
class ClipRule:
    """When a label of a clip is agreed.

    Attributes
    ----------
    method
        `share`: the labels that enough of the people who looked named. `plurality`: as many labels as the median
        person named who named any, rounded up, those with most votes first (Swanson et al. 2015, Sci. Data 2:150026);
        none where more than half of the people saw nothing. Of labels with as many votes the first by name wins, and
        both are `tied`. `gold`: as `share`, where a vote weighs what its person gets right in a gold standard
        (`gold.weigh_people`). `dawid_skene`: the labels that are probably there, by who named them and how well each
        person sees, found from all votes (`dawid_skene.fit_dawid_skene`).
    agreement
        What a label needs: the least share of the votes of the people who looked that must be for it, 0 to 1; for
        `dawid_skene` the least probability that it is there. Where None, the method's own: 0.8 for `share`, 0 for
        `plurality`, 0.5 for `gold` and `dawid_skene`.
    min_people
        The least number of people who must have looked.
    votes
        Which classifications count.
    compat
        `kso`: as KSO published its rule, faults and all, to repeat old results (`kso_rule.count_classifications`). It
        is a `share` of all classifications: `votes` is set to count every one of them, and may name no more than
        `tasks`.
    skene
        How people's rates are found, for the method `dawid_skene` alone; its default where None.

    Raises
    ------
    ConfigError
        If a value is out of range, or does not go with `compat` or the method.
    """

    method: Method = "share"
    agreement: float | None = None
    min_people: int = 3
    votes: VoteRule = field(default_factory=VoteRule)
    compat: Compat | None = None
    skene: SkeneRule | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        if self.method not in get_args(Method):
            raise ConfigError(f"method is {self.method!r}; give one of {', '.join(get_args(Method))}.")
        check_rule({} if self.agreement is None else {"agreement": self.agreement}, self.min_people)
        if self.skene is not None and self.method != "dawid_skene":
            raise ConfigError(f"The method {self.method!r} has no use for skene. Choose the method 'dawid_skene'.")
        if self.compat:
            if self.method != "share":
                raise ConfigError(f"compat={self.compat!r} knows the method 'share' alone, not {self.method!r}.")
            object.__setattr__(self, "votes", published_votes(self.votes, self.compat))

    @property
    def least(self) -> float:
        """What a label needs, the method's own where `agreement` is None."""
        return _LEAST[self.method] if self.agreement is None else self.agreement


def clips(
    rows: pd.DataFrame | Iterable[Any],
    rule: ClipRule | None = None,
    gold: pd.DataFrame | None = None,
    client: Client | None = None,
) -> pd.DataFrame:
    """Return, for each clip and label that anybody named, how many people named it and whether they agree.

    Every person counts once (`votes.gather`), and everybody who looked is in the denominator, also those who marked
    nothing. A subject in which nobody named anything has no row here; `subjects` has one. A label is any text: one that
    no list of species knows has its row as others have. No rows, or blank ones alone, give an empty table. The same
    rows twice, or a thousand marks of one person for one label, are one vote.

    Parameters
    ----------
    rows
        One row a choice, as `zooniverse.flatten` gives them, or parts of such a table in any order:
        `classification_id`, `subject_id`, `user`, `label` (missing where nothing was marked), and where known
        `workflow_id`, `live`, `seen_before`, `how_many`, `first_seen_s` ....
    rule
        When a label is agreed; the default where None.
    gold
        The truth for some subjects, as `gold.weigh_people` takes it; for the method `gold`, and for no other.
    client
        A `dask.distributed.Client` where the work is shared among machines; then parts of the table may also be
        futures of tables that lie on its workers (`votes.gather_parts`).

    Returns
    -------
    DataFrame
        One row a subject and label, by subject, then most votes first, then label. `votes`: distinct people who
        named the label. `people`: distinct people who classified the subject. `support`: votes / people, with
        `support_low` and `support_high`, its 95 % interval (`intervals.credible_interval`). `probability`: for
        `dawid_skene` that the label is there (not a share of votes), otherwise NaN.
        `how_many` and `first_seen_s` (seconds): medians over the people who gave a number, NaN where nobody did, with
        `how_many_spread` and `first_seen_spread_s`, the distance from the first to the third quartile. `evenness` and
        `entropy` of the subject's votes over its labels (`groups.evenness_and_entropy`). `tied`: whether it is among
        the winners, or not, by its name alone. `agreed`: people >= min_people, and what the method asks for.

        For `plurality` `how_many` is rounded up, as the source does. For `gold`, people whose votes weigh nothing are
        in no column; `support` is the share of the weights w, and its interval that of so many votes as are worth the
        same: (sum w)^2 / sum w^2 (Kish 1965, Survey Sampling).

    Raises
    ------
    ConfigError
        If a column is missing, an id is no whole number, or a gold standard is missing, has no use, or tests nobody.
    """
    rule = rule or ClipRule()
    _check_gold(rule, gold is not None)
    if rule.compat:
        if client:
            raise ConfigError("compat='kso' counts in this process alone. Leave out client, or compat.")
        found = count_classifications(rows, rule.least, rule.min_people, rule.votes.tasks)
        return found.assign(tied=False).reindex(columns=list(COLUMNS)).astype(COLUMNS)
    return label_parts(gather_parts(rows, rule.votes, client), rule, gold)


def label_parts(parts: Parts, rule: ClipRule, gold: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return what `clips` returns, from votes in parts; what people's votes are worth is found from all of them."""
    _check_gold(rule, gold is not None)
    weights = None if gold is None else weigh_people(parts, gold)["weight"].to_numpy()
    model = fit_dawid_skene(parts, rule.skene) if rule.method == "dawid_skene" else None
    tables = parts.map(label_clips, rule, weights, model)
    # The whole table takes the place of the votes, rather than one beside them.
    del parts
    return pd.concat(tables, ignore_index=True)


def label_clips(
    votes: Votes, rule: ClipRule, weights: NDArray[np.float64] | None = None, model: SkeneModel | None = None
) -> pd.DataFrame:
    """Return what `clips` returns, from votes that are gathered already.

    Parameters
    ----------
    votes
        The votes.
    rule
        When a label is agreed.
    weights
        (p,) what the vote of each of `votes.people` weighs, 0 or more, as `gold.weigh_people` gives it; each weighs the
        same where None. Who weighs nothing has no vote.
    model
        For `dawid_skene`, how well people see, where the votes are only a part of those that tell; found from the votes
        where None.

    Raises
    ------
    ConfigError
        If the method is `gold` and there are no weights or the other way round, or the rule counts classifications.
    """
    if rule.compat:
        raise ConfigError("compat='kso' counts classifications, not people's votes. Give the rows to clips.")
    _check_gold(rule, weights is not None)
    if weights is not None:
        votes = keep_people(votes, weights > 0)
    named = _rank_labels(votes)
    people = votes.looked[named.subject]
    support, low, high = _support(votes, named, people, weights)
    many = grouped_quantiles(named.place, votes.how_many, len(named.label), (0.25, 0.5, 0.75))
    first = grouped_quantiles(named.place, votes.first_seen_s, len(named.label), (0.25, 0.5, 0.75))
    evenness, entropy = evenness_and_entropy(named.subject, named.votes, len(votes.subject_ids))
    sure, probability = support, np.full(len(people), np.nan)
    if rule.method == "dawid_skene":
        by_label = np.lexsort((named.label, named.subject))
        probability[by_label] = label_probabilities(votes, model or fit_dawid_skene(votes, rule.skene))
        sure = probability
    agreed = (people >= rule.min_people) & (sure >= rule.least)
    tied = np.zeros(len(agreed), dtype=bool)
    if rule.method == "plurality":
        wins, tied = _leaders(votes, named)
        agreed &= wins
    return pd.DataFrame(
        {
            "subject_id": votes.subject_ids[named.subject],
            "label": pd.Series(votes.labels[named.label], dtype=object),
            "votes": named.votes,
            "people": people,
            "support": support,
            "support_low": low,
            "support_high": high,
            "probability": probability,
            "how_many": np.ceil(many[1]) if rule.method == "plurality" else many[1],
            "how_many_spread": many[2] - many[0],
            "first_seen_s": first[1],
            "first_seen_spread_s": first[2] - first[0],
            "evenness": evenness[named.subject],
            "entropy": entropy[named.subject],
            "tied": tied,
            "agreed": agreed,
        },
        copy=False,
    )


def subjects(
    rows: pd.DataFrame | Iterable[Any], rule: VoteRule | None = None, client: Client | None = None
) -> pd.DataFrame:
    """Return how many people looked at each subject, how many saw nothing, and how far they are of one mind.

    Parameters
    ----------
    rows
        As for `clips`; boxes and other marks do as well.
    rule
        Which classifications count; the default where None.
    client
        As for `clips`.

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
    return pd.concat(gather_parts(rows, rule, client).map(describe_subjects), ignore_index=True)


def describe_subjects(votes: Votes) -> pd.DataFrame:
    """Return what `subjects` returns, from votes that are gathered already."""
    count, named = len(votes.subject_ids), _rank_labels(votes)
    evenness, entropy = evenness_and_entropy(named.subject, named.votes, count)
    looked, blanks = votes.looked, _count_blanks(votes)
    table = pd.DataFrame(
        {
            "subject_id": votes.subject_ids,
            "people": looked,
            "blanks": blanks,
            "labels": np.bincount(named.subject, minlength=count),
            "species": _count_species(votes),
            "evenness": evenness,
            "entropy": entropy,
            "blank": 2 * blanks > looked,
        }
    )
    return table.astype(SUBJECT_COLUMNS)


def _check_gold(rule: ClipRule, given: bool) -> None:
    if rule.method == "gold" and not given:
        raise ConfigError("The method 'gold' needs a gold standard. Give the truth for some of the subjects (gold).")
    if given and rule.method != "gold":
        raise ConfigError(f"The method {rule.method!r} has no use for a gold standard. Choose the method 'gold'.")


class _Named(NamedTuple):
    """The labels that were named in each subject: by subject, then most votes first, then label."""

    subject: NDArray[np.int64]
    label: NDArray[np.int64]
    votes: NDArray[np.int64]
    """(r,) how many people named it."""
    place: NDArray[np.int64]
    """(m,) of each choice the row that it belongs to."""


def _rank_labels(votes: Votes) -> _Named:
    labels = max(len(votes.labels), 1)
    codes, keys = pd.factorize(votes.choice_subject.astype(np.int64) * labels + votes.choice_label)
    count = np.bincount(codes, minlength=len(keys))
    subject, label = keys // labels, keys % labels
    # One number a row, nearly sorted already: the choices come by subject.
    most = int(count.max(initial=0))
    order = np.argsort((subject * (most + 1) + most - count) * labels + label, kind="stable")
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return _Named(subject[order], label[order], count[order], rank[codes])


def _support(
    votes: Votes, named: _Named, people: NDArray[np.int64], weights: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the share of the votes that each row has, and its interval."""
    if weights is None:
        return (named.votes / people, *credible_interval(named.votes, people))
    looked = weights[votes.look_person]
    total, squares = (
        np.bincount(votes.look_subject, weights=w, minlength=len(votes.subject_ids))[named.subject]
        for w in (looked, looked**2)
    )
    support = np.bincount(named.place, weights=weights[votes.choice_person], minlength=len(people)) / total
    effective = total**2 / squares
    return (support, *credible_interval(support * effective, effective))


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


def _leaders(votes: Votes, named: _Named) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which rows win in their subject, and which of all do or do not by their name alone."""
    starts = run_starts(named.subject)
    lengths = np.diff(np.append(starts, len(named.subject)))
    nobody = 2 * _count_blanks(votes) > votes.looked
    wanted = np.where(nobody, 0, _count_species(votes))[named.subject[starts]]
    wins = np.arange(len(named.subject)) - np.repeat(starts, lengths) < np.repeat(wanted, lengths)
    cut = (wanted > 0) & (wanted < lengths)
    last, next_one = (named.votes[np.where(cut, starts + wanted - back, 0)] for back in (1, 0))
    level = np.where(cut & (last == next_one), last, 0)
    return wins, named.votes == np.repeat(level, lengths)
