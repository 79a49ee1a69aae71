"""`consensus.boxes` against the same rule written row by row, as the size of a project grows.

The reference filters the whole table once a group and compares boxes and clusters in plain Python; both must give the
same boxes. The ratio is wall time of the reference to that of `boxes`: the median of three pairs measured in turn.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from itertools import combinations

import numpy as np
import pandas as pd

from kso_utils.consensus.shapes import MarkRule, boxes

SUBJECTS = (50, 200, 800)
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


def timed(call: Callable[[], object]) -> float:
    """Wall time of one call in seconds."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main() -> dict[str, float]:
    """Measure and print the table."""
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
