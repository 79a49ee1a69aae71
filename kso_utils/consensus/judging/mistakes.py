"""What people say in place of what is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kso_utils.consensus.judging.reference import count_up, holds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kso_utils.consensus.judging.reference import Reference
    from kso_utils.consensus.votes import Votes

NOTHING = "(nothing)"
"""The class of a look that named nothing, and of a subject with nothing in it."""


def confuse(votes: Votes, reference: Reference) -> pd.DataFrame:
    """Return how often each label was named where it is, and what was said where it was not.

    Who missed a label and named one that is not there has said the latter in place of the former; who missed two, or
    named two that are not there, has done so for each pair. Who named all that is there, and something besides, has
    confused nothing (it counts as a false alarm of the person).

    Returns
    -------
    DataFrame
        One row a label and what was said to it, by label, then the most votes, then what was said. `label`: what is
        there, `NOTHING` for subjects without anything, last. `said`: what people said. `votes`: how many
        looks said so. `looks`: how many judged looks were at subjects with the label. `share`: votes / looks; the
        shares of a label add up to more than 1 where somebody named two labels in its place.
    """
    looks, nothing = len(votes.look_subject), len(reference.labels)
    width = nothing + 1
    keys = votes.choice_look * width + votes.choice_label
    seen = holds(keys[reference.named_rightly], reference.look * width + reference.label)
    wrong = ~reference.named_rightly
    wrong_look, wrong_label = votes.choice_look[wrong], votes.choice_label[wrong]
    many = np.bincount(wrong_look, minlength=looks)
    there = np.bincount(reference.look, minlength=looks)
    # In a look at nothing, nothing is what was missed by whoever named a label.
    empty = np.flatnonzero(reference.judged & (there == 0))
    missed_look = np.concatenate([reference.look[~seen], empty[many[empty] > 0]])
    missed_label = np.concatenate([reference.label[~seen], np.full(int((many[empty] > 0).sum()), nothing)])
    each = many[missed_look]
    place = np.repeat(np.cumsum(many)[missed_look] - each, each) + count_up(each)
    said = np.concatenate(
        [
            _cell(reference.label[seen], reference.label[seen], width),
            _cell(np.repeat(missed_label, each), wrong_label[place], width),
            _cell(missed_label[each == 0], nothing, width),
            np.full(int((many[empty] == 0).sum()), nothing * width + nothing),
        ]
    )
    cells, count = np.unique(said, return_counts=True)
    at = np.append(np.bincount(reference.label, minlength=nothing), len(empty))
    label, answer = cells // width, cells % width
    order = np.lexsort((answer, -count, label))
    names = np.append(reference.labels, NOTHING)
    table = pd.DataFrame(
        {
            "label": names[label],
            "said": names[answer],
            "votes": count,
            "looks": at[label],
            "share": count / at[label],
        }
    )
    return table.iloc[order].reset_index(drop=True).astype({"label": "object", "said": "object"})


def _cell(label: NDArray[np.int64], said: NDArray[np.int64] | int, width: int) -> NDArray[np.int64]:
    return np.asarray(label * width + said)
