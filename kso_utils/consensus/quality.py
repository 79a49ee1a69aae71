"""How far people agree, what they mix up, how well each of them sees, and whose answers look like no answers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kso_utils.consensus.clip_labels import ClipRule
from kso_utils.consensus.judging.agreement import (
    code_answers,
    describe_labels,
    describe_subjects,
    fleiss_kappa,
    krippendorff_alpha,
)
from kso_utils.consensus.judging.findings import read_findings
from kso_utils.consensus.judging.flags import flag_people
from kso_utils.consensus.judging.mistakes import confuse
from kso_utils.consensus.judging.reference import ask_experts, ask_others
from kso_utils.consensus.judging.skill import (
    describe_people,
    measure_learning,
    measure_pace,
    number_looks,
    share_of_blanks,
)
from kso_utils.consensus.votes import NEEDED, counting_rows, gather, need_columns

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from kso_utils.consensus.judging.reference import Source
    from kso_utils.consensus.votes import Votes

_USED = (
    *("workflow_id", "version_major", "version_minor", "created_at", "user_kind", "source_sha256", "task"),
    *("live", "seen_before", "gold_standard", "expert"),
)


@dataclass(frozen=True, slots=True, eq=False)
class Quality:
    """How good a set of answers is. An answer is all that one person named in one subject, nothing included.

    Attributes
    ----------
    rule
        The rule that was used.
    reference
        What people were measured by: `experts`, or the `others` who looked at the same subject.
    looks
        How many answers there are: one a person and subject.
    agreement
        The share of pairs of people at one subject who gave the same answer; NaN where no two people looked at one.
    alpha
        Krippendorff's alpha of the answers, each taken as one value (`agreement.krippendorff_alpha`).
    kappa
        Fleiss' kappa of the same (`agreement.fleiss_kappa`).
    presence_alpha
        Krippendorff's alpha of single decisions, whether a label is in a subject, over all labels together.
    labels
        One row a label, by label: `label`; `subjects`, in how many somebody named it; `votes`, how many people named
        it; and of the decisions whether it is there, at subjects at which two people or more looked: `agreement`,
        `alpha`, `kappa`.
    subjects
        One row a subject, by subject: `subject_id`; `people` who looked; `agreement`, the share of pairs of them who
        gave the same answer, NaN for one person.
    confusion
        One row a label and what was said to it (`mistakes.confuse`): `label`, `said`, `votes`, `looks`, `share`.
    people
        One row a person, by name: `user`; `looks`; `blanks`, those of them that named nothing; `named`, labels named in
        all; `judged`, the looks that could be measured; `skill`, the share of these answered exactly right, with
        `skill_low` and `skill_high`, its 95 % interval; `chance`, the share that the same answers would get right if
        they were dealt out at random; `sensitivity`, the share of the labels there that were named, with
        `sensitivity_low` and `sensitivity_high`; `false_alarms`, labels named that are not there, a look; `gap_s`, the
        median number of seconds from one classification to the next, pauses left out; `flag`, in words what is odd
        about the answers (`flags.flag_people`), empty where nothing is.
    learning
        One row a stretch of a person's classifications, in order: `first` and `last` classification of the stretch, 1
        being a person's very first; `people` in it; `looks` that could be measured; `skill`, the share of these
        answered exactly right, with `skill_low` and `skill_high`, its 95 % interval over people
        (`skill.measure_learning`).
    suspects
        The names of the people with a flag, as `VoteRule(not_users=...)` takes them: whoever has that name in any file.
        A suggestion: nobody is left out by it. Look at what they said first.
    """

    rule: ClipRule
    reference: Source
    looks: int
    agreement: float
    alpha: float
    kappa: float
    presence_alpha: float
    labels: pd.DataFrame
    subjects: pd.DataFrame
    confusion: pd.DataFrame
    people: pd.DataFrame
    learning: pd.DataFrame
    suspects: tuple[str, ...]


def assess(
    rows: pd.DataFrame | Iterable[pd.DataFrame], rule: ClipRule | None = None, gold: pd.DataFrame | None = None
) -> Quality:
    """Return how far people agree, and how well each of them sees.

    Without `gold` a person is measured by the others: a label is there if more than half of the others who looked at
    the subject named it. The own vote never counts in it. Looks with fewer than two others, or fewer than the rule's
    `min_people` less one, or with a label that exactly half of the others named, are not judged.

    Parameters
    ----------
    rows
        As for `clips`; `created_at`, where it is there, tells how fast people were.
    rule
        Which classifications count, and how many people must have looked; the default where None. Its `method` and
        `agreement` play no part here.
    gold
        What is really there, `subject_id` and `label`, as experts say; a subject with nothing has one row whose label
        is missing. People are then measured by it, and at these subjects only.

    Raises
    ------
    ConfigError
        If a column is missing, or an id is not a whole number.
    """
    rule = rule or ClipRule()
    found = counting_rows(_join(rows), rule.votes)
    # Who counts is settled; only two workflows of one person are still two classifications.
    votes = gather(found[[name for name in (*NEEDED, "workflow_id") if name in found]])
    if gold is None:
        reference = ask_others(votes, max(rule.min_people - 1, 2))
    else:
        reference = ask_experts(votes, read_findings(gold, "gold standard"))
    answer = code_answers(votes.choice_look, votes.choice_label, len(votes.look_subject))
    labels, presence_alpha = describe_labels(votes)
    subjects = describe_subjects(votes, answer)
    pairs = subjects["people"] * (subjects["people"] - 1.0)
    people = describe_people(votes, reference, answer, _measure_pace(found, votes))
    people["flag"] = flag_people(people, share_of_blanks(votes, reference), reference.source)
    flagged = found.loc[found["user"].isin(people.loc[people["flag"] != "", "user"]), "name"].dropna()
    return Quality(
        rule=rule,
        reference=reference.source,
        looks=len(answer),
        agreement=float((subjects["agreement"] * pairs).sum() / pairs.sum()) if pairs.sum() else math.nan,
        alpha=krippendorff_alpha(votes.look_subject, answer),
        kappa=fleiss_kappa(votes.look_subject, answer),
        presence_alpha=presence_alpha,
        labels=labels,
        subjects=subjects,
        confusion=confuse(votes, reference),
        people=people.drop(columns=["answers", "empty"]),
        learning=measure_learning(votes, reference, number_looks(votes.look_person, _first(found, votes))),
        suspects=tuple(sorted(set(flagged.map(str)))),
    )


def _join(rows: pd.DataFrame | Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Return what is needed of the rows as one table, with the names as they were given in `name`."""
    parts = [rows] if isinstance(rows, pd.DataFrame) else list(rows)
    narrow = []
    for part in parts or [pd.DataFrame(columns=list(NEEDED))]:
        need_columns(part, NEEDED)
        narrow.append(part[[name for name in (*NEEDED, *_USED) if name in part]].assign(name=part["user"]))
    return pd.concat(narrow, ignore_index=True)


def _measure_pace(found: pd.DataFrame, votes: Votes) -> NDArray[np.float64]:
    """Return the pace of each person, NaN where the rows do not tell when they classified."""
    if "created_at" not in found:
        return np.full(len(votes.people), np.nan)
    once = found.drop_duplicates("classification_id")
    made = pd.to_datetime(once["created_at"], utc=True, format="ISO8601", errors="coerce").dt.tz_localize(None)
    person = pd.Index(votes.people).get_indexer(once["user"])
    return measure_pace(person.astype(np.int64), made.to_numpy(dtype="datetime64[ms]"), len(votes.people))


def _first(found: pd.DataFrame, votes: Votes) -> NDArray[np.int64]:
    """Return (n,) the first classification of each look."""
    people = len(votes.people)
    person = pd.Index(votes.people).get_indexer(found["user"])
    key = np.searchsorted(votes.subject_ids, found["subject_id"]) * people + person
    look = np.searchsorted(votes.look_subject * people + votes.look_person, key)
    return found["classification_id"].groupby(look).min().to_numpy(dtype=np.int64)
