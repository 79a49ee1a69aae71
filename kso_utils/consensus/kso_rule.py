"""The rule that KSO published, as it was, to repeat results that were made with it."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pandas as pd

from kso_utils.consensus.counting.groups import evenness_and_entropy, grouped_quantiles
from kso_utils.consensus.counting.intervals import credible_interval
from kso_utils.consensus.geometry.clustering import join_marks
from kso_utils.consensus.geometry.families import BOX, alike_pairs, likeness_to_middle
from kso_utils.consensus.geometry.plain import Rectangles
from kso_utils.consensus.votes import NEEDED, VoteRule, need_columns, numbers, texts, whole
from kso_utils.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

Compat = Literal["kso"]
_GROUP = ["subject_id", "label"]


def published_votes(votes: VoteRule, compat: Compat) -> VoteRule:
    """Return which classifications the published rule counts: all of them, of the tasks that `votes` names.

    Raises
    ------
    ConfigError
        If `votes` asks for a choice that the published rule never had, or `compat` is unknown.
    """
    if compat not in get_args(Compat):
        raise ConfigError(f"compat is {compat!r}; give 'kso' or None.")
    every = VoteRule(live_only=False, skip_seen_before=False, gold_standard="keep", tasks=votes.tasks)
    usual = VoteRule()
    odd = [
        each.name
        for each in fields(VoteRule)
        if getattr(votes, each.name) not in (getattr(every, each.name), getattr(usual, each.name))
    ]
    if odd:
        raise ConfigError(
            f"compat={compat!r} counts every classification, so that {', '.join(odd)} would change nothing. "
            "Leave that out of the votes, or compat."
        )
    return every


def count_classifications(
    rows: pd.DataFrame | Iterable[pd.DataFrame], agreement: float, min_people: int, tasks: tuple[str, ...] = ()
) -> pd.DataFrame:
    """Return how many classifications named each label of each clip, as KSO's published rule counts them.

    Classifications count where people should: who looked twice counts twice. A classification without a label is not
    in the denominator. Where "nothing here" was a choice of the survey it was a label there like any other; rows from
    `zooniverse.flatten` keep it as one if no code means nothing (`TaskMap(nothing=())`). A missing answer is 0 before
    the median over the rows of a label, which is cut down to a whole number. Rows that come twice weigh twice in it.

    Parameters
    ----------
    rows
        As for `consensus.clips`.
    agreement
        The least share of a clip's classifications that must have named the label.
    min_people
        The least number of classifications that a clip needs.
    tasks
        The tasks whose answers count, by their keys; all where empty.

    Returns
    -------
    DataFrame
        One row a subject and label, by subject, then most votes first, then label: `subject_id, label`, `votes` and
        `people` (classifications), `support, support_low, support_high, how_many, first_seen_s, evenness, entropy,
        agreed`, as `consensus.clips` has them.

    Raises
    ------
    ConfigError
        If a column is missing, or an id is not a whole number.
    """
    parts = [_labelled(part, tasks) for part in ([rows] if isinstance(rows, pd.DataFrame) else rows)]
    table = pd.concat(parts, ignore_index=True) if parts else _labelled(pd.DataFrame(columns=list(NEEDED)), ())
    subject, subject_ids = pd.factorize(table["subject_id"].to_numpy(), sort=True)
    label, labels = pd.factorize(table["label"].to_numpy(dtype=object), sort=True)
    classification = pd.factorize(table["classification_id"].to_numpy())[0]
    width, depth = max(len(labels), 1), len(table) + 1
    # Sorted, so that sums over a subject do not depend on the order of the rows.
    pair, pairs = pd.factorize(subject * width + label, sort=True)
    owner, name = pairs // width, pairs % width
    looks = pd.unique(subject * depth + classification) // depth
    people = np.bincount(looks, minlength=len(subject_ids))[owner]
    count = np.bincount(pd.unique(pair * depth + classification) // depth, minlength=len(pairs))
    low, high = credible_interval(count, people)
    evenness, entropy = evenness_and_entropy(owner, count, len(subject_ids))
    order = np.lexsort((name, -count, owner))
    found = pd.DataFrame(
        {
            "subject_id": subject_ids[owner],
            "label": pd.Series(labels[name], dtype=object),
            "votes": count,
            "people": people,
            "support": count / people,
            "support_low": low,
            "support_high": high,
            "how_many": _cut_median(pair, table["how_many"].to_numpy(), len(pairs)),
            "first_seen_s": _cut_median(pair, table["first_seen_s"].to_numpy(), len(pairs)),
            "evenness": evenness[owner],
            "entropy": entropy[owner],
            "agreed": (people >= min_people) & (count / people >= agreement),
        }
    )
    return found.iloc[order].reset_index(drop=True)


def count_boxes(
    rows: pd.DataFrame,
    agreement: float,
    label_agreement: float,
    min_people: int,
    iou: float,
    tasks: tuple[str, ...] = (),
) -> pd.DataFrame:
    """Return the boxes of each subject as KSO's published rule gathers them.

    Boxes count where people should, and classifications that drew the label where all should that looked: three boxes
    of one person are three of the votes for it. Boxes that overlap are of one animal, and so are those that a chain of
    overlaps connects. Coordinates are cut down to whole numbers first; what then has no area is no box. The rule knows
    subjects of one picture, and no frames; a label ends before its first bracket. Of rows that come twice one counts.

    Its threshold for objects is met by every label, for it was asked of the people who drew the label; the one before
    it, the share of classifications with the label (`agg_users`, 0.8 where nobody changed it), is `label_agreement`.

    Parameters
    ----------
    rows
        As for `consensus.boxes`, of one task that is drawn.
    agreement
        The least number of boxes to a classification with the label.
    label_agreement
        The least share of a subject's classifications, blank ones too, that must have drawn the label.
    min_people
        The least number of classifications that a subject needs.
    iou
        Boxes overlap from this intersection over union: 1 less the epsilon of the published rule.
    tasks
        The tasks whose marks count, by their keys; all where empty.

    Returns
    -------
    DataFrame
        One row a cluster: `subject_id, frame` (the first of its boxes), `label, x, y, width, height` (medians),
        `people` (boxes), `looked` (classifications with the label), `support` (people / looked, at most 1),
        `iou_spread, agreed`.

    Raises
    ------
    ConfigError
        If a column is missing, or an id is not a whole number.
    """
    marks = _drawn(rows, tasks)
    looked = marks.groupby("subject_id")["classification_id"].nunique()
    named = marks.groupby(_GROUP)["classification_id"].nunique()
    family = Rectangles()
    marks[BOX] = np.trunc(marks[BOX])
    boxes = marks[(marks["label"].notna() & marks["upright"]).to_numpy() & family.valid(marks)]
    boxes = boxes.sort_values([*_GROUP, *BOX], ignore_index=True)
    sizes = np.bincount(boxes.groupby(_GROUP).ngroup())
    first, second, likeness = alike_pairs(family, boxes, sizes, iou)
    cluster = join_marks(first, second, likeness, np.arange(len(boxes)), "components", iou)
    names, number = np.unique(cluster, return_inverse=True)
    middle = family.middle(boxes, number)
    found = boxes.loc[names, _GROUP].reset_index(drop=True).assign(**{side: middle[side] for side in BOX})
    people, votes = np.bincount(number), named.reindex(pd.MultiIndex.from_frame(found[_GROUP])).to_numpy(dtype=np.int64)
    every = looked.reindex(found["subject_id"]).to_numpy(dtype=np.int64)
    return found.assign(
        frame=boxes.groupby(number)["frame"].min(),
        label=found["label"].str.split("(").str[0].str.strip(),
        people=people,
        looked=votes,
        support=np.minimum(people / votes, 1.0),
        iou_spread=likeness_to_middle(family, boxes, number, middle),
        agreed=(every >= min_people) & (votes / every >= label_agreement) & (people / votes >= agreement),
    )


def _drawn(rows: pd.DataFrame, tasks: tuple[str, ...]) -> pd.DataFrame:
    """Return all marks and blank rows, each once."""
    need_columns(rows, (*NEEDED, *BOX))
    kept = rows["classification_id"].notna() & rows["subject_id"].notna()
    if tasks:
        need_columns(rows, ("task",))
        kept &= rows["task"].isin(tasks)
    part = rows[kept]
    table = pd.DataFrame(
        {
            "subject_id": whole(part["subject_id"]),
            "classification_id": whole(part["classification_id"]),
            "label": texts(part["label"]),
            "frame": np.nan_to_num(numbers(part["frame"])).astype(np.int64) if "frame" in part else 0,
            "upright": (part["shape"].isna() | (part["shape"] == "rectangle")).to_numpy() if "shape" in part else True,
            **{side: numbers(part[side]) for side in BOX},
        }
    )
    return table.drop_duplicates(ignore_index=True).reindex(columns=[*table.columns, "angle", "geometry"])


def _labelled(rows: pd.DataFrame, tasks: tuple[str, ...]) -> pd.DataFrame:
    """Return the rows that name a label, as numbers where they are numbers."""
    need_columns(rows, NEEDED)
    kept = rows["label"].notna() & rows["classification_id"].notna() & rows["subject_id"].notna()
    if tasks:
        need_columns(rows, ("task",))
        kept &= rows["task"].isin(tasks)
    part = rows[kept]
    answers = {name: numbers(part[name]) if name in part else np.nan for name in ("how_many", "first_seen_s")}
    ids = {name: whole(part[name]) for name in ("subject_id", "classification_id")}
    return pd.DataFrame({**ids, "label": texts(part["label"]), **answers})


def _cut_median(group: NDArray[np.int64], answers: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    return np.asarray(np.trunc(grouped_quantiles(group, np.nan_to_num(answers), count, (0.5,))[0]))
