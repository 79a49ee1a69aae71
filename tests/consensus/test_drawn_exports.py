"""Marks as the exports of Zooniverse hold them; the counts of those of real projects were checked by eye."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kso_utils.consensus import MarkRule, VoteRule, marks
from kso_utils.consensus.geometry.families import FORM
from kso_utils.consensus.geometry.known import FAMILIES
from kso_utils.zooniverse.marking.drawings import draw

pytest.importorskip("shapely")
EXPORTS = Path(__file__).resolve().parents[3] / "shared" / "data" / "zooniverse"
RULE = MarkRule(iou=0.3, min_people=1, votes=VoteRule(live_only=False, skip_seen_before=False))
needs_exports = pytest.mark.skipif(not EXPORTS.is_dir(), reason="needs the shared exports")


def gathered(name):
    exports = pytest.importorskip("kso_utils.zooniverse.exports")
    answers = pytest.importorskip("kso_utils.zooniverse.answers")
    return marks(answers.flatten(exports.read_files([EXPORTS / name]).classifications), RULE)


def counts(found):
    """Return how many clusters of each shape have how many people."""
    return {shape: group.value_counts().to_dict() for shape, group in found.groupby("shape")["people"]}


@needs_exports
def test_circles_and_ellipses_that_people_drew():
    found = gathered("drawing_circle_ellipse_63.csv")
    assert counts(found) == {"circle": {1: 26, 2: 7, 3: 6}, "ellipse": {1: 3}, "polygon": {1: 4}}
    assert found.loc[found["people"] == 3, "iou_spread"].min() > 0.8
    assert found.loc[found["people"] == 1, "iou_spread"].tolist() == pytest.approx([1] * 33)


@needs_exports
def test_outlines_that_people_drew_by_hand():
    found = gathered("drawing_fem_polygon_freehand_153.csv")
    assert counts(found) == {"freehandLine": {1: 25, 2: 7, 3: 5, 4: 6, 5: 10, 6: 6}, "polygon": {1: 16, 2: 1}}
    assert found.loc[found["people"] >= 3, "iou_spread"].mean() > 0.84
    assert found.loc[found["people"] == 1, "iou_spread"].tolist() == pytest.approx([1] * 41)


AS_EXPORTED = [
    {"toolType": "point", "x": 5, "y": 5},
    {"toolType": "rectangle", "x": 5, "y": 5, "width": -4, "height": 3},
    {"toolType": "rotateRectangle", "x_center": 5, "y_center": 5, "width": 4, "height": 3, "angle": -20},
    {"toolType": "circle", "x": 5, "y": 5, "r": 3, "angle": 12},
    {"toolType": "circle", "x_center": 5, "y_center": 5, "radius": 3},
    {"toolType": "ellipse", "x": 5, "y": 5, "rx": 3, "ry": 2, "angle": 12},
    {"toolType": "ellipse", "x_center": 5, "y_center": 5, "rx": 3, "ry": 2, "angle": 12},
    {"toolType": "polygon", "points": [{"x": 0, "y": 0}, {"x": 9, "y": 0}, {"x": 5, "y": 5}], "closed": True},
    {"toolType": "bezier", "points": [{"x": 0, "y": 0}, {"x": 9, "y": 0}, {"x": 5, "y": 5}], "auto_closed": True},
    {"toolType": "freehandLine", "pathX": [0, 9.5, 5], "pathY": [0, 0, 5.5]},
    {"toolType": "freehandLine", "points": [{"x": 0, "y": 0}, {"x": 9, "y": 0}, {"x": 5, "y": 5}]},
    {"toolType": "temporalPoint", "x": 5, "y": 5, "displayTime": 0.5},
    {
        **{"toolType": "temporalRotateRectangle", "x_center": 5, "y_center": 5, "width": 4, "height": 3, "angle": 9},
        **{"displayTime": 0.25, "displayTimeStamp": "00:05"},
    },
]


@pytest.mark.parametrize("item", AS_EXPORTED, ids=lambda item: "-".join(item))
def test_marks_are_read_as_either_classifier_exports_them(item):
    row = pd.DataFrame([draw("T0", {**item, "frame": 0, "toolIndex": 0}, None, [], [])])
    family = FAMILIES[row.loc[0, "shape"]]
    assert family.valid(row).all()
    found = family.middle(row, np.zeros(1, dtype=int))
    same = family.likeness(pd.concat([row[FORM], found], ignore_index=True), np.array([0]), np.array([1]))
    assert same == pytest.approx(1 if family.measure == "iou" else 0)
    assert found["geometry"].map(lambda told: (told or {}).get("displayTime")).tolist() == [item.get("displayTime")]
