"""How well what people agreed on fits what experts say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kso_utils.consensus.judging.agreement import divide
from kso_utils.consensus.judging.bootstrap import bootstrap
from kso_utils.consensus.judging.findings import keep_agreed, read_findings
from kso_utils.core.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kso_utils.consensus.judging.findings import Findings

_CELLS = ("both", "people", "experts", "counted", "distance", "difference")
_MEASURES = ("precision", "recall", "f1", "how_many_error", "how_many_bias")


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """What people agreed on beside what experts say, with 95 % intervals (`bootstrap.bootstrap` over subjects).

    Attributes
    ----------
    subjects
        How many subjects both saw; only these count.
    only_people, only_experts
        How many subjects were left out because only the one side or the other saw them.
    labels
        One row a label that either side found, by label: `label`; `experts` and `agreed`, in how many subjects each
        side found it, and in how many `both`; `precision`, the share of what was agreed that experts say too;
        `recall`, the share of what experts say that was agreed; `f1`, their harmonic mean; `counted`, the subjects in
        which both sides found and counted it; `how_many_error`, the mean distance of the two numbers there;
        `how_many_bias`, the mean of people's number less experts'. Each measure with `_low` and `_high`; NaN where
        there is nothing to divide by.
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

    Returns
    -------
    Comparison
        The same for any order of the rows. A subject that too few people looked at, and in which nothing is agreed for
        that reason, counts as one in which they found nothing. A measure without a single error has an interval without
        width, however few subjects stand behind it.

    Raises
    ------
    ConfigError
        If a column is missing, an id is not a whole number, or `draws` is negative.
    """
    if draws < 0:
        raise ConfigError(f"draws is {draws}; give 0 or more.")
    theirs = read_findings(experts, "experts")
    looked = read_findings(agreed, "agreed labels").seen
    if subjects is not None:
        looked = np.union1d(looked, read_findings(subjects.assign(label=None), "subjects").seen)
    both = np.intersect1d(looked, theirs.seen)
    pairs = _pair(read_findings(keep_agreed(agreed), "agreed labels"), theirs, both)
    labels, label = np.unique(pairs["label"].to_numpy(dtype=object), return_inverse=True)
    cells = pairs[list(_CELLS)].to_numpy(dtype=np.float64)
    sums = np.column_stack([np.bincount(label, weights=cell, minlength=len(labels)) for cell in cells.T])
    column = label[:, None] * len(_CELLS) + np.arange(len(_CELLS))
    place = np.broadcast_to(np.searchsorted(both, pairs["subject"])[:, None], column.shape)
    shape = (len(both), len(labels) * len(_CELLS))
    found = bootstrap(place.ravel(), column.ravel(), cells.ravel(), shape, _measure, draws, seed)
    measures = _tabulate(*found)
    counts = pd.DataFrame(
        {
            "label": pd.Series(labels, dtype=object),
            "experts": sums[:, 0] + sums[:, 2],
            "agreed": sums[:, 0] + sums[:, 1],
            "both": sums[:, 0],
            "counted": sums[:, 3],
        }
    ).astype(dict.fromkeys(("experts", "agreed", "both", "counted"), "int64"))
    overall = measures.iloc[len(labels) :].reset_index(drop=True)
    overall.insert(0, "average", ["micro", "macro"])
    return Comparison(
        subjects=len(both),
        only_people=len(looked) - len(both),
        only_experts=len(theirs.seen) - len(both),
        labels=pd.concat([counts, measures.iloc[: len(labels)]], axis=1),
        overall=overall,
        draws=draws,
        seed=seed,
    )


def _pair(ours: Findings, theirs: Findings, both: NDArray[np.int64]) -> pd.DataFrame:
    """Return the labels that either side found in the subjects that both saw, by subject, then label.

    The columns are `subject`, `label` and `_CELLS`: whether both found it, only people, only experts, whether both
    counted it, and the distance and difference of the counts, 0 where they did not.
    """
    sides = [
        pd.DataFrame({"subject": side.subject, "label": side.label, "how_many": side.how_many})[
            np.isin(side.subject, both)
        ]
        for side in (ours, theirs)
    ]
    pairs = sides[0].merge(sides[1], on=["subject", "label"], how="outer", indicator=True, validate="1:1")
    pairs = pairs.sort_values(["subject", "label"], ignore_index=True)
    difference = pairs["how_many_x"] - pairs["how_many_y"]
    return pd.DataFrame(
        {
            "subject": pairs["subject"].astype("int64"),
            "label": pairs["label"].astype(object),
            "both": pairs["_merge"] == "both",
            "people": pairs["_merge"] == "left_only",
            "experts": pairs["_merge"] == "right_only",
            "counted": difference.notna(),
            "distance": difference.abs().fillna(0.0),
            "difference": difference.fillna(0.0),
        }
    )


def _measure(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the measures of each label, then micro and macro ones, as one row for each row of sums."""
    each = sums.reshape(len(sums), -1, len(_CELLS))
    labels = _divide_cells(each)
    known = ~np.isnan(labels)
    macro = divide(np.where(known, labels, 0.0).sum(axis=1), known.sum(axis=1))
    micro = _divide_cells(each.sum(axis=1))
    return np.concatenate([labels, micro[:, None], macro[:, None]], axis=1).reshape(len(sums), -1)


def _divide_cells(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return `_MEASURES` on the last axis, from `_CELLS` there."""
    both, people, experts, counted, distance, difference = np.moveaxis(sums, -1, 0)
    return np.stack(
        [
            divide(both, both + people),
            divide(both, both + experts),
            divide(2 * both, 2 * both + people + experts),
            divide(distance, counted),
            divide(difference, counted),
        ],
        axis=-1,
    )


def _tabulate(point: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]) -> pd.DataFrame:
    """Return one row a label, then micro and macro, with the ends of each measure beside it."""
    columns = {}
    for place, name in enumerate(_MEASURES):
        for end, values in (("", point), ("_low", low), ("_high", high)):
            columns[name + end] = values.reshape(-1, len(_MEASURES))[:, place]
    return pd.DataFrame(columns)
