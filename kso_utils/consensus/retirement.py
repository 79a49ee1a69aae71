"""What a rule for retiring subjects would have saved, and what it would have cost, found out on past votes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from kso_utils.consensus.clip_labels import ClipRule
    from kso_utils.consensus.history import History


class RetirementRule(Protocol):
    """When a subject is shown to nobody any more: Caesar's rules (`caesar.read_caesar_rules`), or `InformationRule`."""

    def fires(self, history: History) -> NDArray[np.object_]:
        """Return the reason for retiring after each look of a history, in its order; None where there is none."""


@dataclass(frozen=True, slots=True)
class InformationRule:
    """Retire a subject once every label is surely there or surely not, or one more vote would tell next to nothing.

    Attributes
    ----------
    sureness
        How probable a label that is surely there is, above 0.5 and below 1; one that is surely not there is as
        improbable.
    least_bits
        The least that one more vote must be expected to tell about all labels of a subject, in bits.
    """

    sureness: float = 0.95
    least_bits: float = 0.01

    def fires(self, history: History) -> NDArray[np.object_]:
        """Return the reason for retiring after each look; None where there is none."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, eq=False)
class Simulation:
    """What became of past votes under a rule for retiring subjects.

    Attributes
    ----------
    subjects
        One row a subject, by subject: `subject_id`, `votes` (people who looked), `used` (those until it was retired,
        all where it never was), `retired`, `reason` (missing where not retired), `labels` (agreed then, with commas
        between), `labels_of_all` (agreed by all votes), `changed`.
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
    f1_of_all, f1
        F1 against the truth, of the labels agreed by all votes and of those agreed then; None where no truth is given.
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
    f1_of_all: float | None
    f1: float | None


def simulate_retirement(
    rows: pd.DataFrame,
    rules: RetirementRule,
    rule: ClipRule | None = None,
    truth: pd.DataFrame | None = None,
    predictions: pd.DataFrame | None = None,
) -> Simulation:
    """Return what a retirement rule would have done with past votes.

    The votes of each subject are taken in the order of their classification ids, and none after the one at which the
    rule fires. One person has one vote.

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
        0.5 for a label that it does not see. The model is one more person, who looks first and costs nothing.
        Subjects at which nobody looked are left out.

    Raises
    ------
    ConfigError
        If a column is missing, or a rule asks for what the rows do not have.
    """
    raise NotImplementedError
