"""The boxes on which people agree."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kso_utils.annotations.regions import iou, iou_in_pairs
from kso_utils.consensus.votes import VoteRule, check_rule, count_people, counting_rows, need_columns
from kso_utils.core.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

COLUMNS = {
    "subject_id": "int64",
    "frame": "int64",
    "label": "object",
    "x": "float64",
    "y": "float64",
    "width": "float64",
    "height": "float64",
    "people": "int64",
    "looked": "int64",
    "support": "float64",
    "iou_spread": "float64",
    "agreed": "bool",
}
_BOX = ["x", "y", "width", "height"]
_GROUP = ["subject_id", "frame", "label"]


@dataclass(frozen=True, slots=True)
class MarkRule:
    """When boxes are of one animal, and when a box is agreed.

    The defaults are those of the sliders that KSO's users know (object threshold 0.5, IoU epsilon 0.7 as a distance,
    inter-annotator agreement 0.4, at least 3 people), with people counted where there were once boxes.

    Attributes
    ----------
    agreement
        The least share of the people who looked that must have drawn the box, 0 to 1.
    label_agreement
        The least share of the people who looked that must have drawn any box of the label in the frame, 0 to 1.
    min_people
        The least number of people who must have looked.
    iou
        Boxes of one animal all overlap pairwise by at least this intersection over union, above 0 to 1.
    votes
        Which classifications count.

    Raises
    ------
    ConfigError
        If a value is out of range.
    """

    agreement: float = 0.4
    label_agreement: float = 0.5
    min_people: int = 3
    iou: float = 0.3
    votes: VoteRule = field(default_factory=VoteRule)

    def __post_init__(self) -> None:
        """Check the values."""
        check_rule({"agreement": self.agreement, "label_agreement": self.label_agreement}, self.min_people)
        if not 0 < self.iou <= 1:
            raise ConfigError(f"iou is {self.iou}; give a number above 0, up to 1.")


def boxes(rows: pd.DataFrame, rule: MarkRule | None = None) -> pd.DataFrame:
    """Return the boxes that people drew, gathered into one box an animal.

    Within a subject, frame and label the boxes are joined pair by pair, the most alike first, as long as all boxes
    of a cluster overlap pairwise by `rule.iou` (complete linkage) and no person has two boxes in one cluster: two
    animals that overlap stay two, because the people who saw both drew both. The result does not depend on the
    order of the rows. A box without area or with a value that is not finite, and a mark of another shape, is no
    box, but its maker looked; a row without a frame is of frame 0.

    Parameters
    ----------
    rows
        One row a mark, as `zooniverse.flatten` gives them: `classification_id`, `subject_id`, `user`, `label`, `x`,
        `y`, `width`, `height` (natural-image pixels), and where known `workflow_id`, `live`, `seen_before`,
        `frame`, `shape`.
    rule
        When boxes belong together and when they are agreed; the default where None.

    Returns
    -------
    DataFrame
        One row a cluster, also those that are not agreed, by subject, frame and label, most people first.
        `x, y, width, height`: the median of each over the cluster. `people`: distinct people in the cluster.
        `looked`: distinct people who classified the subject, whether or not they drew. `support`: people / looked.
        `iou_spread`: mean IoU of the cluster's boxes with the median box (1: all the same). `agreed`: looked >=
        min_people, support >= agreement, and people who drew the label in the frame / looked >= label_agreement.

    Raises
    ------
    ConfigError
        If a column is missing.
    """
    rule = rule or MarkRule()
    need_columns(rows, _BOX)
    cast = counting_rows(rows, rule.votes)
    marks = _drawn(cast)
    if marks.empty:
        return pd.DataFrame(columns=list(COLUMNS)).astype(COLUMNS)
    table = _summarise(marks, _join_groups(marks, rule.iou))
    table["looked"] = table["subject_id"].map(count_people(cast)).astype("int64")
    table["support"] = table["people"] / table["looked"]
    drew = count_people(marks, _GROUP).rename("drew").reset_index()
    share = table.merge(drew, on=_GROUP, how="left")["drew"].to_numpy() / table["looked"]
    enough = (table["looked"] >= rule.min_people) & (share >= rule.label_agreement)
    table["agreed"] = enough & (table["support"] >= rule.agreement)
    order = [*_GROUP, "people", *_BOX]
    ordered = table.sort_values(order, ascending=[column != "people" for column in order])
    return ordered[list(COLUMNS)].astype(COLUMNS).reset_index(drop=True)


def _drawn(cast: pd.DataFrame) -> pd.DataFrame:
    """Return the marks that are boxes, in an order that depends on their values alone."""
    marks = cast.dropna(subset=["label"])
    if "shape" in marks:
        marks = marks[marks["shape"].isna() | (marks["shape"] == "rectangle")]
    numbers = marks[_BOX].apply(pd.to_numeric, errors="coerce").astype("float64")
    frame = pd.to_numeric(marks["frame"], errors="coerce").fillna(0) if "frame" in marks else 0
    real = np.isfinite(numbers).all(axis=1) & (numbers["width"] > 0) & (numbers["height"] > 0)
    drawn = pd.concat([marks[["subject_id", "label", "user"]].assign(frame=frame), numbers], axis=1).loc[real]
    ordered: pd.DataFrame = drawn.astype({"frame": "int64"}).sort_values([*_GROUP, *_BOX, "user"], ignore_index=True)
    return ordered


def _join_groups(marks: pd.DataFrame, least_iou: float) -> NDArray[np.int64]:
    """Return for each mark the row of the first mark of its cluster."""
    values = marks[_BOX].to_numpy()
    people = pd.factorize(marks["user"])[0]
    group = marks.groupby(_GROUP).ngroup().to_numpy()
    starts = np.flatnonzero(np.diff(group, prepend=-1)).tolist()
    clusters = [
        start + join_boxes(values[start:stop], people[start:stop], least_iou)
        for start, stop in pairwise([*starts, len(marks)])
    ]
    return np.concatenate(clusters)


def _summarise(marks: pd.DataFrame, cluster: NDArray[np.int64]) -> pd.DataFrame:
    """Return a row a cluster: its group, median box, number of people, mean IoU with the median box."""
    members = marks[_BOX].groupby(cluster)
    table = marks.loc[np.unique(cluster), _GROUP].join(members.median())
    table["people"] = members.size()
    likeness = iou_in_pairs(marks[_BOX], table.loc[cluster, _BOX])
    table["iou_spread"] = pd.Series(likeness).groupby(cluster).mean()
    return table.reset_index(drop=True)


def join_boxes(drawn: NDArray[np.float64], people: NDArray[np.int64], least_iou: float) -> NDArray[np.int64]:
    """Return for each box the number of its cluster.

    Complete linkage on IoU, the most alike pair first, the lower numbers first on ties. Two boxes of one person are
    never joined: their likeness is set below any threshold, which the minimum of complete linkage then carries to
    every cluster that holds one of them.

    Parameters
    ----------
    drawn
        (n, 4) boxes: x, y, width, height.
    people
        (n,) who drew each.
    least_iou
        The least IoU of any two boxes in a cluster, above 0.

    Returns
    -------
    ndarray
        (n,) int64: the number of the cluster's first box.
    """
    count = len(drawn)
    cluster = np.arange(count)
    likeness = iou(drawn, drawn)
    likeness[people[:, None] == people[None, :]] = -1.0
    nearest = likeness.argmax(axis=1)
    while True:
        values = likeness[np.arange(count), nearest]
        first = int(values.argmax())
        if values[first] < least_iou:
            return cluster
        first, second = sorted((first, int(nearest[first])))
        joined = np.minimum(likeness[first], likeness[second])
        joined[[first, second]] = -1.0
        likeness[first], likeness[:, first] = joined, joined
        likeness[second], likeness[:, second] = -1.0, -1.0
        cluster[cluster == second] = first
        # Likeness only ever falls, so a row's nearest changes only where it was one of the two.
        stale = (nearest == first) | (nearest == second)
        stale[[first, second]] = True
        nearest[stale] = likeness[stale].argmax(axis=1)
