"""What a rule for retiring subjects would have saved, and what it would have cost, found out on past votes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

from kso_utils.consensus.clip_labels import ClipRule, clips
from kso_utils.consensus.counting.groups import run_starts
from kso_utils.consensus.judging.findings import read_findings
from kso_utils.consensus.replay.history import build_history
from kso_utils.consensus.sight.presence import Presence, check_sureness, fit_presence, logit
from kso_utils.consensus.votes import VoteRule, check_rule
from kso_utils.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from kso_utils.consensus.replay.history import History

# How many numbers (labels times looks, over the subjects) are worked on at once.
_BLOCK = 2_000_000


class RetirementRule(Protocol):
    """When a subject is shown to nobody any more: Caesar's rules (`caesar.read_caesar_rules`), or `InformationRule`."""

    def fires(self, history: History) -> NDArray[np.object_]:
        """Return the reason for retiring after each look of a history, in its order; None where there is none."""


@dataclass(frozen=True, slots=True)
class InformationRule:
    """Retire a subject once every label is surely there or surely not, or one more vote would tell next to nothing.

    How likely labels are, and what a vote would tell, is as in `followup.find_unsure`, with people who err as often as
    they do in all votes that are replayed, a model's among them.

    Attributes
    ----------
    sureness
        How probable a label that is surely there is, above 0.5 and below 1; one that is surely not there is as
        improbable. Labels that nobody named are looked at as well.
    least_bits
        The least that one more vote must be expected to tell about all labels of a subject, in bits.
    min_people
        The least number of people who must have looked, a model among them. Give that of the `ClipRule` by which labels
        are agreed: a subject that is retired sooner has none.

    Raises
    ------
    ConfigError
        If a value is out of range.
    """

    sureness: float = 0.95
    least_bits: float = 0.01
    min_people: int = 1

    def __post_init__(self) -> None:
        """Check the values."""
        check_sureness(self.sureness)
        if not self.least_bits >= 0:
            raise ConfigError(f"least_bits is {self.least_bits}; give 0 or more.")
        check_rule({}, self.min_people)

    def fires(self, history: History) -> NDArray[np.object_]:
        """Return the reason for retiring after each look; None where there is none.

        `consensus` or `nothing_here` where all labels are sure, `other` where votes tell nothing more.
        """
        reasons = np.full(len(history.order), None, dtype=object)
        if not len(reasons):
            return reasons
        presence = fit_presence(history.votes)
        people = np.arange(1, int(history.position.max()) + 2)
        silent = self._judge(presence, *np.broadcast_arrays(np.arange(len(presence.prior))[:, None], 0, people))
        position = history.position
        bits, unsure, there = (values.sum(axis=0)[position] for values in silent)
        for look, label, yes in _follow_labels(history):
            told = self._judge(presence, label, yes, position[look] + 1)
            first, last = look.min(), look.max() + 1
            for total, values, unnamed in zip((bits, unsure, there), told, silent, strict=True):
                change = values - unnamed[label, position[look]]
                total[first:last] += np.bincount(look - first, change, last - first)
        # The counts are whole; what one label adds another may have taken away, but for rounding.
        sure, enough = unsure < 0.5, position + 1 >= self.min_people
        reasons[enough & (bits < self.least_bits)] = "other"
        reasons[enough & sure & (there > 0.5)] = "consensus"
        reasons[enough & sure & (there < 0.5)] = "nothing_here"
        return reasons

    def _judge(
        self, presence: Presence, label: NDArray[np.int64], yes: NDArray[np.int64], people: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], ...]:
        """Return the bits that one more vote would tell, and as 1 or 0 who is unsure and who more likely there."""
        odds = presence.log_odds(label, yes, people)
        bits = presence.expected_information(label, odds)
        unsure = np.abs(odds) < logit(self.sureness)
        return bits, unsure.astype(np.float64), (odds >= 0).astype(np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Simulation:
    """What became of past votes under a rule for retiring subjects.

    Attributes
    ----------
    subjects
        One row a subject, by subject: `subject_id`, `votes` (people who looked), `used` (those until it was retired,
        all where it never was), `retired`, `reason` (missing where not retired), `labels` (agreed then, with commas
        between), `labels_of_all` (agreed by the votes of all people), `changed`.
    votes, used
        Looks of people, and those that were needed.
    saved
        The share of the looks that were not, 0 to 1; 0 where there are none.
    retired, changed
        Subjects that were retired, and those whose agreed labels are other than those of all votes.
    added, lost
        Labels of subjects agreed then but not by all votes, and the other way round.
    agreement
        F1 of the labels agreed then against those of all votes; 1 where both are none.
    f1, f1_of_all
        F1 against the truth, of the labels agreed then and of those agreed by all votes; None where no truth is given.
    """

    subjects: pd.DataFrame
    votes: int
    used: int
    saved: float
    retired: int
    changed: int
    added: int
    lost: int
    agreement: float
    f1: float | None
    f1_of_all: float | None


def simulate_retirement(
    rows: pd.DataFrame,
    rules: RetirementRule,
    rule: ClipRule | None = None,
    truth: pd.DataFrame | None = None,
    predictions: pd.DataFrame | None = None,
    gold: pd.DataFrame | None = None,
) -> Simulation:
    """Return what a retirement rule would have done with past votes.

    The votes of each subject are taken in the order of their classification ids, and none after the one at which the
    rule fires. One person has one vote; somebody who classified a subject again votes once, at the first time that
    counts.

    Parameters
    ----------
    rows
        As for `clips`.
    rules
        When a subject is retired.
    rule
        When a label is agreed, and which classifications count; the default where None.
    truth
        What is there: `subject_id, label`, one row a label; a subject without rows holds nothing.
    predictions
        What a model sees: `subject_id, label` (missing where it sees nothing) and perhaps `confidence`, 0 to 1, below
        0.5 for a label that it does not see. The model is one more person, who looks first, whose vote counts as
        anybody's, also for the labels agreed then, and who costs nothing. Subjects at which nobody looked are left out.
    gold
        As for `clips`, where the rule's method is `gold`.

    Raises
    ------
    ConfigError
        If a column is missing, a rule asks for what the rows do not have, or counts classifications instead of people.
    """
    rule = rule or ClipRule()
    check_people(rule)
    history = build_history(rows, rule.votes, predictions)
    reasons = rules.fires(history)
    subject, looks = history.subject, len(history.order)
    starts = run_starts(subject)
    fired = np.flatnonzero(reasons != None)  # noqa: E711 - element by element
    last = np.append(starts[1:], looks) - 1
    retired, first = np.unique(subject[fired], return_index=True)
    last[retired] = fired[first]
    counted = (np.arange(looks) <= last[subject]) & ~history.is_model
    why = np.full(len(starts), None, dtype=object)
    why[retired] = reasons[fired[first]]
    # Which rows count is decided already, and the columns that tell it are gone.
    rule = replace(rule, votes=VoteRule(repeats=rule.votes.repeats))
    then = _agreed(history.rows[history.row_look <= last[subject[history.row_look]]], rule, gold)
    finally_ = _agreed(history.rows[~history.is_model[history.row_look]], rule, gold)
    ids = history.votes.subject_ids
    table = pd.DataFrame(
        {
            "subject_id": ids,
            "votes": np.bincount(subject[~history.is_model], minlength=len(ids)),
            "used": np.bincount(subject[counted], minlength=len(ids)),
            "retired": pd.notna(why),
            "reason": why,
            "labels": list_labels(then, ids),
            "labels_of_all": list_labels(finally_, ids),
        }
    )
    return _sum_up(table, then, finally_, truth)


def _follow_labels(
    history: History,
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """Yield, for some subjects at a time, each look with each label that is ever named in its subject.

    `look`, `label` and `yes`: how many had named the label when the look was over.
    """
    subject, position = history.subject, history.position
    starts = run_starts(subject)
    sizes = np.diff(np.append(starts, len(subject)))
    look, label = history.named()
    labels = max(len(history.votes.labels), 1)
    pairs, pair = np.unique(subject[look] * labels + label, return_inverse=True)
    owner = pairs // labels
    # Each pair of a subject and a label has one number for each of the subject's looks.
    begins = np.append(0, np.cumsum(sizes[owner]))
    said = np.sort(begins[pair] + position[look])
    cuts = np.unique(np.append(np.searchsorted(begins, np.arange(0, begins[-1], _BLOCK)), len(owner)))
    for low, high in pairwise(cuts.tolist()):
        size = sizes[owner[low:high]]
        place = np.repeat(np.arange(high - low), size)
        offset = begins[low:high] - begins[low]
        at = np.arange(begins[high] - begins[low]) - offset[place]
        now = said[np.searchsorted(said, begins[low]) : np.searchsorted(said, begins[high])] - begins[low]
        so_far = np.cumsum(np.bincount(now, minlength=len(at)))
        before = np.append(0, so_far)[offset]
        yield starts[owner[low:high]][place] + at, (pairs[low:high] % labels)[place], so_far - before[place]


def check_people(rule: ClipRule) -> None:
    """Raise ConfigError if the rule does not count people."""
    if rule.compat:
        raise ConfigError(f"compat={rule.compat!r} counts classifications; here people are counted. Leave it out.")


def _agreed(rows: pd.DataFrame, rule: ClipRule, gold: pd.DataFrame | None) -> pd.DataFrame:
    """Return the agreed labels, one row each: `subject_id, label`, sorted."""
    found = clips(rows, rule, gold)
    found = found.loc[found["agreed"], ["subject_id", "label"]]
    return found.sort_values(["subject_id", "label"], ignore_index=True)


def list_labels(pairs: pd.DataFrame, subject_ids: NDArray[np.int64]) -> NDArray[np.object_]:
    """Return the labels of each subject with commas between, from sorted rows of `subject_id, label`."""
    ids, labels = pairs["subject_id"].to_numpy(dtype=np.int64), pairs["label"].tolist()
    low, high = np.searchsorted(ids, subject_ids, side="left"), np.searchsorted(ids, subject_ids, side="right")
    found = np.empty(len(subject_ids), dtype=object)
    found[:] = [", ".join(labels[a:b]) for a, b in zip(low.tolist(), high.tolist(), strict=True)]
    return found


def _sum_up(table: pd.DataFrame, then: pd.DataFrame, of_all: pd.DataFrame, truth: pd.DataFrame | None) -> Simulation:
    now, all_ = (set(pairs.itertuples(index=False, name=None)) for pairs in (then, of_all))
    real: set[tuple[Any, ...]] | None = None
    if truth is not None:
        known = read_findings(truth, "true labels")
        looked = np.isin(known.subject, table["subject_id"])
        real = set(zip(known.subject[looked].tolist(), known.label[looked].tolist(), strict=True))
    table["changed"] = table["labels"] != table["labels_of_all"]
    votes, used = int(table["votes"].sum()), int(table["used"].sum())
    return Simulation(
        subjects=table,
        votes=votes,
        used=used,
        saved=1 - used / votes if votes else 0.0,
        retired=int(table["retired"].sum()),
        changed=int(table["changed"].sum()),
        added=len(now - all_),
        lost=len(all_ - now),
        agreement=_f1(now, all_),
        f1=None if real is None else _f1(now, real),
        f1_of_all=None if real is None else _f1(all_, real),
    )


def _f1(found: set[tuple[Any, ...]], real: set[tuple[Any, ...]]) -> float:
    return 2 * len(found & real) / (len(found) + len(real)) if found or real else 1.0
