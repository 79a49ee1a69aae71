"""Boxes: `consensus.boxes` against the same rule written row by row, and its clusters against DBSCAN.

The first reference filters the whole table once a group and compares boxes and clusters in plain Python; both must give
the same boxes. The second is DBSCAN as the existing system calls it, group by group, with a metric in Python and one
box to a core, step by step: all distances, neighbours, growth; labels must be identical to those of `components`. It
is several times as fast as scikit-learn's, which does the same with more ado.

Ratios are times of the reference to those of ours, by the clock for the first, work for the second: the median of three
pairs measured in turn.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kso_utils.consensus.geometry.clustering import join_marks
from kso_utils.consensus.geometry.families import alike_pairs
from kso_utils.consensus.geometry.known import FAMILIES
from kso_utils.consensus.shapes import MarkRule, boxes

if TYPE_CHECKING:
    from numpy.typing import NDArray

SUBJECTS = (50, 200, 800)
GROUPS = 5_000
EXPECTED_US = 172
"""What a box costs with scikit-learn's DBSCAN and such a metric, on a machine of its own."""
GOAL = 25
REPEATS = 3
_BOX = ["x", "y", "width", "height"]

Box = tuple[float, float, float, float]


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes with area."""
    across = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    down = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    shared = max(across, 0.0) * max(down, 0.0)
    return shared / (a[2] * a[3] + b[2] * b[3] - shared)


def join_slowly(drawn: list[tuple[str, Box]], least: float) -> list[list[tuple[str, Box]]]:
    """Complete linkage as its definition says: again and again the most alike pair of clusters."""
    clusters = [[mark] for mark in sorted(drawn, key=lambda mark: (*mark[1], mark[0]))]
    while True:
        best, pair = least, None
        for a, b in combinations(range(len(clusters)), 2):
            if {user for user, _ in clusters[a]} & {user for user, _ in clusters[b]}:
                continue
            likeness = min(overlap(one, other) for _, one in clusters[a] for _, other in clusters[b])
            if likeness > best or (pair is None and likeness == best):
                best, pair = likeness, (a, b)
        if pair is None:
            return clusters
        clusters[pair[0]] += clusters.pop(pair[1])


def slow_boxes(rows: pd.DataFrame, rule: MarkRule) -> list[tuple[object, ...]]:
    """The agreed boxes of rows in which every person classified a subject once and drew boxes with area."""
    found: list[tuple[object, ...]] = []
    for subject in sorted(rows["subject_id"].unique()):
        looked = rows[rows["subject_id"] == subject]["user"].nunique()
        labels = rows[rows["subject_id"] == subject]["label"].dropna().unique()
        for label in sorted(labels):
            own = rows[(rows["subject_id"] == subject) & (rows["label"] == label)]
            drawn = [(row["user"], tuple(float(row[c]) for c in _BOX)) for _, row in own.iterrows()]
            enough = looked >= rule.min_people and own["user"].nunique() / looked >= rule.label_agreement
            for cluster in join_slowly(drawn, rule.iou):
                if enough and len(cluster) / looked >= rule.agreement:
                    middle = [statistics.median(box[i] for _, box in cluster) for i in range(4)]
                    found.append((int(subject), label, *middle, len(cluster)))
    return sorted(found)


def fast_boxes(rows: pd.DataFrame, rule: MarkRule) -> list[tuple[object, ...]]:
    """The same from `boxes`."""
    agreed = boxes(rows, rule).query("agreed")
    return sorted(agreed[["subject_id", "label", *_BOX, "people"]].itertuples(index=False, name=None))


def distance(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """1 - IoU of two boxes with area, as a metric in Python gets them: rows of an array."""
    across = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    down = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    if across <= 0 or down <= 0:
        return 1.0
    shared = across * down
    return float(1 - shared / (a[2] * a[3] + b[2] * b[3] - shared))


def scan(drawn: NDArray[np.float64], eps: float) -> NDArray[np.int64]:
    """DBSCAN (Ester et al. 1996) with one box to a core: (n,) labels in the order of the clusters' first boxes."""
    apart = np.zeros((len(drawn), len(drawn)))
    for i, j in combinations(range(len(drawn)), 2):
        apart[i, j] = apart[j, i] = distance(drawn[i], drawn[j])
    for i in range(len(drawn)):
        apart[i, i] = distance(drawn[i], drawn[i])
    neighbours = [np.flatnonzero(row <= eps) for row in apart]
    labels = np.full(len(drawn), -1)
    for start in range(len(drawn)):
        if labels[start] >= 0:
            continue
        name, reached = labels.max() + 1, [start]
        while reached:
            one = reached.pop()
            if labels[one] < 0:
                labels[one] = name
                reached.extend(neighbours[one].tolist())
    return labels


def make_groups(count: int, seed: int = 0) -> pd.DataFrame:
    """Groups of twelve boxes: three animals near each other, each drawn by four people, in any order."""
    rng = np.random.default_rng(seed)
    place = np.concatenate([rng.uniform(0, 300, (count, 3, 2)), rng.uniform(40, 120, (count, 3, 2))], axis=2)
    drawn = np.repeat(place, 4, axis=1) + rng.normal(0, 5, (count, 12, 4))
    table = pd.DataFrame(rng.permuted(drawn, axis=1).reshape(-1, 4), columns=_BOX)
    return table.assign(angle=np.nan, geometry=None)


def chain(groups: pd.DataFrame, least: float) -> NDArray[np.int64]:
    """The clusters of groups of twelve, as `boxes` finds them for `components`."""
    nobody = np.zeros(len(groups), dtype=np.int64)
    pairs = alike_pairs(FAMILIES["rectangle"], groups, np.full(len(groups) // 12, 12), least)
    return join_marks(*pairs, nobody, "components", least)


def scan_all(groups: pd.DataFrame, eps: float) -> NDArray[np.int64]:
    """The same by DBSCAN, each cluster by the place of its first box."""
    found = []
    for start, drawn in enumerate(groups[_BOX].to_numpy().reshape(-1, 12, 4)):
        labels = scan(drawn, eps)
        found.append(12 * start + np.unique(labels, return_index=True)[1][labels])
    return np.concatenate(found)


def make_rows(subjects: int, people: int = 5, seed: int = 0) -> pd.DataFrame:
    """Animals of two species, each boxed by people who miss one in ten and draw each edge 6 % off."""
    rng = np.random.default_rng(seed)
    animals = pd.DataFrame({"subject_id": np.repeat(np.arange(subjects), 4), "label": ["cod", "crab"] * 2 * subjects})
    place = np.hstack([rng.uniform(0, 500, (len(animals), 2)), rng.uniform(30, 120, (len(animals), 2))])
    marks = []
    for person in range(people):
        seen = rng.random(len(animals)) >= 0.1
        edges = rng.normal(0, 0.06, (len(animals), 4)) * np.tile(place[:, 2:], 2)
        low, high = place[:, :2] + edges[:, :2], place[:, :2] + place[:, 2:] + edges[:, 2:]
        drawn = animals.assign(**dict(zip(_BOX, np.hstack([low, high - low]).round(1).T, strict=True)))
        blank = pd.DataFrame({"subject_id": np.arange(subjects)})
        own = pd.concat([drawn[seen], blank]).assign(user=f"person {person}")
        marks.append(own.assign(classification_id=own["subject_id"] * people + person))
    return pd.concat(marks, ignore_index=True)


def timed(call: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """Time of one call in seconds."""
    start = clock()
    call()
    return clock() - start


def main() -> dict[str, float]:
    """Measure and print the tables."""
    return {**compare_with_rows(), **compare_with_dbscan()}


def compare_with_dbscan() -> dict[str, float]:
    """Measure groups of twelve boxes and print the table."""
    groups = make_groups(GROUPS)
    assert (chain(groups, 0.3) == scan_all(groups, 0.7)).all()
    work = time.process_time
    pairs = [
        (timed(lambda: chain(groups, 0.3), work), timed(lambda: scan_all(groups, 0.7), work)) for _ in range(REPEATS)
    ]
    ratio = statistics.median(slow / fast for fast, slow in pairs)
    fast, slow = (statistics.median(side) / len(groups) * 1e6 for side in zip(*pairs, strict=True))
    print(f"groups of 12: {fast:.2f} us a box, DBSCAN {slow:.0f} us (scikit-learn's: {EXPECTED_US})")
    print(f"  ratio {ratio:.0f} (goal {GOAL})")
    return {"clusters_us_a_box": fast, "dbscan_us_a_box": slow, "dbscan_ratio": ratio}


def compare_with_rows() -> dict[str, float]:
    """Measure projects of several sizes and print the table."""
    rule, figures = MarkRule(agreement=0.6), {}
    print(f"{'subjects':>8} {'boxes':>7} {'boxes()':>9} {'row by row':>11} {'ratio':>6}")
    for subjects in SUBJECTS:
        rows = make_rows(subjects)
        assert fast_boxes(rows, rule) == slow_boxes(rows, rule)
        pairs = [(timed(lambda: boxes(rows, rule)), timed(lambda: slow_boxes(rows, rule))) for _ in range(REPEATS)]  # noqa: B023
        ratio = statistics.median(slow / fast for fast, slow in pairs)
        fast, slow = (statistics.median(side) for side in zip(*pairs, strict=True))
        print(f"{subjects:>8} {rows['x'].count():>7} {fast:>8.3f}s {slow:>10.2f}s {ratio:>6.1f}")
        figures[f"boxes_{subjects}_subjects_ratio"] = ratio
    return figures


if __name__ == "__main__":
    main()
