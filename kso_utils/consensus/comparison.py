"""How well what people agreed on fits what experts say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """What people agreed on beside what experts say, with 95 % bootstrap intervals over subjects.

    Attributes
    ----------
    subjects
        How many subjects both saw; only these count.
    only_people, only_experts
        How many subjects were left out because only the one side or the other saw them.
    labels
        One row a label that either side named, by label: `label`; `experts` and `agreed`, in how many subjects each
        side found it, and `both`; `precision`, the share of what was agreed that experts say too; `recall`, the share
        of what experts say that was agreed; `f1`, their harmonic mean; `counted`, the subjects in which both sides
        found and counted it; `how_many_error`, the mean distance of the two numbers there; `how_many_bias`, the mean
        of agreed less experts' number. Each measure with `_low` and `_high`; NaN where there is nothing to divide by.
    overall
        The same measures in two rows, `average`: `micro`, over all labels of all subjects together, and `macro`, the
        mean over the labels for which the measure is defined.
    draws, seed
        Of the bootstrap.
    """

    subjects: int
    only_people: int
    only_experts: int
    labels: pd.DataFrame
    overall: pd.DataFrame
    draws: int
    seed: int


def compare(
    agreed: pd.DataFrame,
    experts: pd.DataFrame,
    subjects: pd.DataFrame | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> Comparison:
    """Return precision, recall and F1 of what people agreed on, per label and overall, and the error of their counts.

    Parameters
    ----------
    agreed
        What `clips` returns: `subject_id`, `label`, and where they are there `agreed` (rows with False were named, but
        not agreed) and `how_many`.
    experts
        What experts say: `subject_id`, `label`, and if they counted `how_many`; a subject in which they found nothing
        has one row whose label is missing.
    subjects
        The subjects that people looked at, as `consensus.subjects` returns them (`subject_id`): without them a
        subject in which nobody named anything is not known to have been seen, and what experts found there is left out.
    draws
        How many samples of subjects are drawn with replacement; 0 for no intervals.
    seed
        Of the draws.

    Raises
    ------
    ConfigError
        If a column is missing, an id is not a whole number, or `draws` is negative.
    """
    raise NotImplementedError
