"""How far people agree, what they mix up, how well each of them sees, and whose answers look like no answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from kso_utils.consensus.clip_labels import ClipRule


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
        One row a label and what was said to it (`confusion.confuse`): `label`, `said`, `votes`, `looks`, `share`.
    people
        One row a person, by name: `user`; `looks`; `blanks`, those of them that named nothing; `named`, labels named in
        all; `judged`, the looks that could be measured; `skill`, the share of these answered exactly right, with
        `skill_low` and `skill_high`, its 95 % interval; `chance`, the share that the same answers would get right if
        they were dealt out at random; `sensitivity`, the share of the labels there that were named, with
        `sensitivity_low` and `sensitivity_high`; `false_alarms`, labels named that are not there, a look; `gap_s`, the
        median number of seconds from one classification to the next, pauses left out; `flags`, in words what is odd
        about the answers, empty where nothing is.
    learning
        One row a stretch of a person's classifications, in order: `first` and `last` classification of a person (1 is
        the very first; `last` is -1 for the open end); `people`; `looks` that could be measured; `skill`,
        `skill_low`, `skill_high`.
    suspects
        The names of the people with flags, as `VoteRule(not_users=...)` takes them. A suggestion: nobody is left out
        by it. Look at what they said first.
    """

    rule: ClipRule
    reference: Literal["experts", "others"]
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
        Which classifications count, and which labels are agreed; the default where None.
    gold
        What is really there, `subject_id` and `label`, as experts say; a subject with nothing has one row whose label
        is missing. People are then measured by it, and at these subjects only.

    Raises
    ------
    ConfigError
        If a column is missing, or an id is not a whole number.
    """
    raise NotImplementedError
