"""What people get right where the truth is known, and what their votes weigh by it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kso_utils.consensus.counting.parts import Here
from kso_utils.consensus.judging.findings import read_findings
from kso_utils.consensus.votes import VoteRule, Votes, gather
from kso_utils.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from kso_utils.consensus.counting.parts import Parts
    from kso_utils.consensus.judging.findings import Findings

PRIOR_DECISIONS = 10.0
"""How many decisions at the crowd's mean are added to those of each person, so that a few lucky ones tell little."""


def find_truth(rows: pd.DataFrame | Iterable[pd.DataFrame], rule: VoteRule | None = None) -> pd.DataFrame:
    """Return what those say who made a gold standard: the labels that more than half of them named.

    Parameters
    ----------
    rows
        As for `consensus.clips`.
    rule
        Whose classifications are the truth. Where None, those that are marked as gold standard, whether or not the
        project was live.

    Returns
    -------
    DataFrame
        `subject_id, label`, by subject, then label: one row a label that is there, and one without a label for a
        subject in which nothing is agreed to be.

    Raises
    ------
    ConfigError
        If a column is missing that the rule needs, or an id is not a whole number.
    """
    votes = gather(rows, rule or VoteRule(live_only=False, skip_seen_before=False, gold_standard="only"))
    labels = max(len(votes.labels), 1)
    pairs, named = np.unique(votes.choice_subject.astype(np.int64) * labels + votes.choice_label, return_counts=True)
    there = pairs[2 * named > votes.looked[pairs // labels]]
    blank = np.setdiff1d(np.arange(len(votes.subject_ids)), there // labels)
    subject = np.concatenate([there // labels, blank])
    label = np.concatenate([votes.labels[there % labels], np.full(len(blank), None)])
    found = pd.DataFrame({"subject_id": votes.subject_ids[subject], "label": pd.Series(label, dtype=object)})
    return found.sort_values("subject_id", kind="stable", ignore_index=True)


def weigh_people(votes: Votes | Parts, gold: pd.DataFrame) -> pd.DataFrame:
    """Return what each person gets right in a gold standard, and what a vote weighs by it.

    Somebody who looks at a subject decides on each label that anybody named there or that is there: right is who names
    what is there, and who does not name what is not. The weight is ln(p / (1 - p)), 0 where p is below one half, which
    is best for people who decide independently (Nitzan & Paroush 1982, Int. Econ. Rev. 23:289-297); p is the posterior
    mean of being right under a Beta prior at the crowd's own mean, worth `PRIOR_DECISIONS` decisions. So who was never
    tested weighs what the crowd's mean does, and who is right no more often than chance weighs nothing.

    Parameters
    ----------
    votes
        The votes, or parts of them.
    gold
        The truth for some subjects: `subject_id, label`, one row a label that is there. A subject in which nothing is
        has one row without a label. Labels are spelled as people's choices are; one that nobody named is one that all
        missed. Subjects at which nobody looked, and repeated rows, count for nothing.

    Returns
    -------
    DataFrame
        One row a person, in the order of `votes.people`: `user`, `asked` and `right` (decisions), `skill` (the
        posterior mean of being right) and `weight`.

    Raises
    ------
    ConfigError
        If the gold standard lacks a column or holds an id that is no whole number, or it tests nobody.
    """
    truth = read_findings(gold, "gold standard")
    parts = Here([votes]) if isinstance(votes, Votes) else votes
    counts = parts.map(_count_right, truth)
    asked, right = np.sum([one for one, _ in counts], axis=0), np.sum([two for _, two in counts], axis=0)
    if not asked.any():
        raise ConfigError(
            f"Nobody can be tested: the gold standard tells the truth for {len(truth.seen)} subjects, and volunteers "
            "named no label at any of them. Give the truth for subjects that volunteers classified, or classify some "
            "of them on Zooniverse as gold standard."
        )
    mean = (right.sum() + 1) / (asked.sum() + 2)
    skill = (right + PRIOR_DECISIONS * mean) / (asked + PRIOR_DECISIONS)
    weight = np.maximum(np.log(skill / (1 - skill)), 0.0)
    people = pd.Series(parts.people, dtype=object)
    return pd.DataFrame({"user": people, "asked": asked, "right": right, "skill": skill, "weight": weight})


def keep_people(votes: Votes, kept: NDArray[np.bool_]) -> Votes:
    """Return the votes of some people, numbered as before.

    Parameters
    ----------
    votes
        The votes.
    kept
        (p,) which of `votes.people` to keep.
    """
    looks = kept[votes.look_person]
    choices = looks[votes.choice_look]
    return replace(
        votes,
        look_subject=votes.look_subject[looks],
        look_person=votes.look_person[looks],
        choice_look=(np.cumsum(looks) - 1)[votes.choice_look[choices]],
        choice_label=votes.choice_label[choices],
        how_many=votes.how_many[choices],
        first_seen_s=votes.first_seen_s[choices],
    )


def _count_right(votes: Votes, truth: Findings) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return on how many labels each person decided at subjects whose truth is known, and how often rightly."""
    subjects = len(votes.subject_ids)
    tested = np.isin(votes.subject_ids, truth.seen)
    place = pd.Index(votes.subject_ids).get_indexer(pd.Index(truth.subject))
    subject = place[place >= 0]
    label = pd.Index(votes.labels, dtype=object).get_indexer(pd.Index(truth.label[place >= 0], dtype=object))
    width = len(votes.labels) + 1
    # Labels that nobody named at all share no place, and are missed by everybody.
    known = np.sort(subject[label >= 0] * width + label[label >= 0])
    present = np.bincount(subject, minlength=subjects)
    choice = votes.choice_subject.astype(np.int64) * width + votes.choice_label
    true = np.isin(choice, known)
    named = pd.unique(choice[~true]) // width
    absent = np.bincount(named, minlength=subjects)
    looks = tested[votes.look_subject]
    at, person = votes.look_subject[looks], votes.look_person[looks]
    count, people = len(votes.look_subject), len(votes.people)
    hits, slips = (np.bincount(votes.choice_look[which], minlength=count)[looks] for which in (true, ~true))
    asked = np.bincount(person, weights=present[at] + absent[at], minlength=people)
    right = np.bincount(person, weights=hits + absent[at] - slips, minlength=people)
    return asked.astype(np.int64), right.astype(np.int64)
