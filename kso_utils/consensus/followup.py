"""Which subjects somebody should look at again, and which need nobody any more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from kso_utils.consensus.clip_labels import ClipRule, label_clips
from kso_utils.consensus.counting.groups import run_starts
from kso_utils.consensus.counting.intervals import credible_interval
from kso_utils.consensus.gold import weigh_people
from kso_utils.consensus.replay.history import find_places
from kso_utils.consensus.retirement import check_people, list_labels
from kso_utils.consensus.sight.presence import Presence, check_sureness, expit, fit_presence, logit
from kso_utils.consensus.votes import Votes, gather

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

MOST_VOTES = 25
"""How many more votes `find_unsure` looks ahead."""
# A probability of 1 would not let the next vote change anything.
_SURE_ODDS = 30.0
UNSURE_COLUMNS = {
    "subject_id": "int64",
    "label": "object",
    "votes": "int64",
    "people": "int64",
    "support": "float64",
    "support_low": "float64",
    "support_high": "float64",
    "probability": "float64",
    "information": "float64",
    "votes_needed": "float64",
    "reason": "object",
}
SETTLED_COLUMNS = {
    "subject_id": "int64",
    "labels": "object",
    "people": "int64",
    "probability": "float64",
    "reason": "object",
}


def find_unsure(
    rows: pd.DataFrame | Iterable[pd.DataFrame],
    rule: ClipRule | None = None,
    limit: int | None = None,
    sureness: float = 0.95,
    gold: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return the subjects whose consensus is unsure, those first at which one more look tells most.

    A subject is unsure where fewer people looked than the rule asks for; where a label, named or not, is neither surely
    there nor surely not; and where the rule says other than what is all but sure, so that only somebody who knows can
    tell. How likely a label is follows from how many named it and from how often people see what is there and name
    what is not, learned from all votes (`presence.fit_presence`); where the rule's method gives a `probability`, that
    one counts. Every subject at which anybody looked is either here or in `find_settled`.

    Parameters
    ----------
    rows
        As for `clips`.
    rule
        When a label is agreed; the default where None.
    limit
        How many subjects at most; all where None.
    sureness
        How probable a label that is surely there is, above 0.5 and below 1; one that is surely not there is as
        improbable.
    gold
        As for `clips`, where the rule's method is `gold`.

    Returns
    -------
    DataFrame
        One row a subject, by `information`, most first, then subject. `label`: the most doubtful one, which perhaps
        nobody named; missing where no label was ever named. `votes`, `people`, `support`, `support_low`,
        `support_high`, `probability`: of that label, the last that it is there. `information`: how many bits one
        more look is expected to tell about all labels of the subject (`Presence.expected_information`).
        `votes_needed`: how many more people are expected to look until all its labels are sure, as many as the label
        needs that needs most, and as the rule asks for; `MOST_VOTES` at most, which stands for more than that; 0 where
        more looks change nothing and an expert should decide. `reason`: why it is unsure, in words.

    Raises
    ------
    ConfigError
        If a column is missing, a number is out of range, or the rule counts classifications instead of people.
    """
    rule = rule or ClipRule()
    check_people(rule)
    votes = gather(rows, rule.votes)
    doubts = _weigh(votes, rule, sureness, gold)
    open_ = np.flatnonzero(doubts.is_open)
    open_ = open_[np.lexsort((open_, -doubts.bits[open_]))][:limit]
    table = doubts.most_doubtful(open_)
    low, high = credible_interval(table["votes"], table["people"])
    table = table.assign(
        subject_id=votes.subject_ids[open_],
        support=table["votes"] / table["people"],
        support_low=low,
        support_high=high,
        probability=expit(table["odds"].to_numpy()),
        information=doubts.bits[open_],
        votes_needed=doubts.votes_needed(open_),
        label=np.array([*votes.labels, None], dtype=object)[table["label"]],
    )
    table["reason"] = [_explain(row, rule.min_people) for row in table.to_dict("records")]
    return table[list(UNSURE_COLUMNS)].astype(UNSURE_COLUMNS)


def find_settled(
    rows: pd.DataFrame | Iterable[pd.DataFrame],
    rule: ClipRule | None = None,
    sureness: float = 0.95,
    gold: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return the subjects whose consensus is sure, which nobody needs to look at any more.

    Parameters
    ----------
    rows, rule, sureness, gold
        As for `find_unsure`, which returns all other subjects.

    Returns
    -------
    DataFrame
        One row a subject, by subject. `labels`: what is there, with commas between; empty where nothing is. `people`:
        how many looked. `probability`: that this is right, all labels together. `reason`: for which Zooniverse retires
        it, `consensus` or `nothing_here`.

    Raises
    ------
    ConfigError
        As for `find_unsure`.
    """
    rule = rule or ClipRule()
    check_people(rule)
    votes = gather(rows, rule.votes)
    doubts = _weigh(votes, rule, sureness, gold)
    settled = np.flatnonzero(~doubts.is_open)
    agreed = doubts.named.loc[doubts.named["agreed"], ["subject", "label"]].sort_values(["subject", "label"])
    pairs = pd.DataFrame({"subject_id": agreed["subject"], "label": votes.labels[agreed["label"]]})
    labels = list_labels(pairs, settled)
    table = pd.DataFrame(
        {
            "subject_id": votes.subject_ids[settled],
            "labels": labels,
            "people": votes.looked[settled],
            "probability": np.exp(doubts.log_right[settled]),
            "reason": np.where(labels == "", "nothing_here", "consensus"),
        }
    )
    return table.astype(SETTLED_COLUMNS)


@dataclass(frozen=True, slots=True, eq=False)
class _Doubts:
    """How sure the labels of each subject are.

    Attributes
    ----------
    presence, sureness
        What that is told by.
    named, silent
        One row a label that was named, and one a subject, its most doubtful label that nobody named: `subject`,
        `label` (places; -1 where there is none), `votes, people, odds, bits, unsure, differs` (sure, and the rule says
        other), `agreed`.
    is_open
        (s,) bool: the subjects that are unsure.
    bits, log_right
        (s,) float64: what one more vote would tell; the logarithm of the probability that all labels are right.
    least_needed
        (s,) float64: how many more votes are needed for the people that the rule asks for, and for what nobody named.
    """

    presence: Presence
    sureness: float
    named: pd.DataFrame
    silent: pd.DataFrame
    is_open: NDArray[np.bool_]
    bits: NDArray[np.float64]
    log_right: NDArray[np.float64]
    least_needed: NDArray[np.float64]

    def most_doubtful(self, subjects: NDArray[np.int64]) -> pd.DataFrame:
        """Return the row of the most doubtful label of each of the subjects, in their order."""
        rows = self._rows(subjects)
        order = np.lexsort((rows["label"], -rows["bits"], ~rows["differs"], ~rows["unsure"], rows["subject"]))
        first = order[run_starts(rows["subject"].to_numpy()[order])]
        return rows.iloc[first].set_index("subject").loc[subjects].reset_index()

    def votes_needed(self, subjects: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return how many more people are expected to look until each of the subjects is sure."""
        rows = self._rows(subjects)
        rows = rows[rows["unsure"] & (rows["votes"] > 0)]
        label, odds = rows["label"].to_numpy(), rows["odds"].to_numpy()
        needed = self.least_needed.copy()
        np.maximum.at(
            needed, rows["subject"].to_numpy(), self.presence.votes_until(label, odds, self.sureness, MOST_VOTES)
        )
        return np.asarray(np.minimum(needed[subjects], MOST_VOTES))

    def _rows(self, subjects: NDArray[np.int64]) -> pd.DataFrame:
        wanted = np.zeros(len(self.is_open), dtype=bool)
        wanted[subjects] = True
        parts = [part[wanted[part["subject"]]] for part in (self.named, self.silent)]
        return pd.concat(parts, ignore_index=True)


def _weigh(votes: Votes, rule: ClipRule, sureness: float, gold: pd.DataFrame | None) -> _Doubts:
    """Return how sure every subject is."""
    check_sureness(sureness)
    presence = fit_presence(votes)
    looked = votes.looked
    named = _judge(_list_named(votes, rule, presence, gold), presence, sureness)
    # What nobody named is as likely in all subjects at which as many people looked.
    sizes, size = np.unique(looked, return_inverse=True)
    labels = len(votes.labels)
    kind, many = (place.ravel() for place in np.indices((labels, len(sizes))))
    none = np.zeros(len(kind), dtype=np.int64)
    silence = {"votes": none, "odds": presence.log_odds(kind, none, sizes[many]), "agreed": none > 0}
    unnamed = _judge(pd.DataFrame({"subject": many, "label": kind, **silence}), presence, sureness)
    subject, instead = named["subject"], named["label"] * len(sizes) + size[named["subject"]]
    totals: dict[str, NDArray[np.float64]] = {}
    for column in ("bits", "right", "unsure", "differs"):
        values = unnamed[column].to_numpy(dtype=np.float64)
        of_all = np.bincount(many, values, len(sizes))[size]
        change = np.bincount(subject, named[column] - values[instead], len(looked))
        totals[column] = np.asarray(of_all + change, dtype=np.float64)
    # The counts are whole but for rounding.
    is_open = (looked < rule.min_people) | (totals["unsure"] + totals["differs"] > 0.5)
    unnamed["needed"] = presence.votes_until(kind, unnamed["odds"].to_numpy(), sureness, MOST_VOTES)
    silent = _pick_silent(unnamed, named, size, labels, ("unsure", "differs", "bits"))
    needed = _pick_silent(unnamed, named, size, labels, ("needed",))["needed"].to_numpy()
    needed = np.maximum(needed, rule.min_people - looked)
    named, silent = (part.assign(people=looked[part["subject"]]) for part in (named, silent))
    bits = np.maximum(totals["bits"], 0.0)
    return _Doubts(presence, sureness, named, silent, is_open, bits, totals["right"], needed)


def _list_named(votes: Votes, rule: ClipRule, presence: Presence, gold: pd.DataFrame | None) -> pd.DataFrame:
    """Return one row a label that was named in a subject, with its log odds."""
    labels = max(len(votes.labels), 1)
    pairs, named = np.unique(votes.choice_subject.astype(np.int64) * labels + votes.choice_label, return_counts=True)
    subject, label = pairs // labels, pairs % labels
    verdict = label_clips(votes, rule, None if gold is None else weigh_people(votes, gold)["weight"].to_numpy())
    place = np.searchsorted(votes.subject_ids, verdict["subject_id"]) * labels
    row = np.searchsorted(pairs, place + find_places(verdict["label"], votes.labels))
    # Some methods leave out labels that only people named who have no vote.
    agreed, given = np.zeros(len(pairs), dtype=bool), np.full(len(pairs), np.nan)
    agreed[row], given[row] = verdict["agreed"], verdict["probability"]
    with np.errstate(divide="ignore"):
        known = np.clip(np.log(given) - np.log1p(-given), -_SURE_ODDS, _SURE_ODDS)
    odds = np.where(np.isnan(given), presence.log_odds(label, named, votes.looked[subject]), known)
    return pd.DataFrame({"subject": subject, "label": label, "votes": named, "odds": odds, "agreed": agreed})


def _judge(table: pd.DataFrame, presence: Presence, sureness: float) -> pd.DataFrame:
    """Return rows of `label, odds, agreed` with what one more vote would tell, and how sure they are."""
    odds = table["odds"].to_numpy()
    unsure = np.abs(odds) < logit(sureness)
    return table.assign(
        bits=presence.expected_information(table["label"].to_numpy(), odds),
        right=-np.log1p(np.exp(-np.abs(odds))),
        unsure=unsure,
        differs=~unsure & (table["agreed"].to_numpy() != (odds > 0)),
    )


def _pick_silent(
    unnamed: pd.DataFrame, named: pd.DataFrame, size: NDArray[np.int64], labels: int, by: Sequence[str]
) -> pd.DataFrame:
    """Return of each subject the label that nobody named there with the most of `by`; -1 where all were named."""
    pairs = np.sort(named["subject"].to_numpy() * max(labels, 1) + named["label"].to_numpy())
    taken = np.append(pairs, np.iinfo(np.int64).max)
    # One row a number of people, its labels in order.
    keys = [-unnamed[column].to_numpy(dtype=np.float64) for column in reversed(by)]
    ranked = np.lexsort([*keys, unnamed["subject"].to_numpy(dtype=np.float64)]).reshape(-1, max(labels, 1))
    found = np.full(len(size), len(unnamed))
    left = np.arange(len(size))
    for place in range(labels):
        row = ranked[size[left], place]
        pair = left * labels + unnamed["label"].to_numpy()[row]
        free = taken[np.searchsorted(taken, pair)] != pair
        found[left[free]] = row[free]
        left = left[~free]
    no_label = {"label": -1, "votes": 0, "odds": np.nan, "bits": 0.0, "right": 0.0, "subject": -1, "needed": 0.0}
    no_label |= dict.fromkeys(("agreed", "unsure", "differs"), False)
    every = pd.concat([unnamed, pd.DataFrame(no_label, index=[0])], ignore_index=True)
    return every.iloc[found].assign(subject=np.arange(len(size)))


def _explain(row: dict[Any, Any], min_people: int) -> str:
    """Return why a subject is unsure."""
    named = f"{row['votes'] or 'none'} of {row['people']} named {row['label']}"
    if row["people"] < min_people:
        return f"too few looked: {row['people']} of {min_people}"
    if row["unsure"]:
        return f"no agreement: {named}" if row["votes"] else f"may be missed: {named}"
    return f"agreed, but probably not there: {named}" if row["agreed"] else f"probably there, but not agreed: {named}"
