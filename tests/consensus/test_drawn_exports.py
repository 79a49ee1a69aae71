"""Marks that volunteers of other projects drew, with the counts that were checked by eye."""

from pathlib import Path

import pytest

from kso_utils.consensus import MarkRule, VoteRule, marks

pytest.importorskip("shapely")
EXPORTS = Path(__file__).resolve().parents[3] / "shared" / "data" / "zooniverse"
RULE = MarkRule(iou=0.3, min_people=1, votes=VoteRule(live_only=False, skip_seen_before=False))
pytestmark = pytest.mark.skipif(not EXPORTS.is_dir(), reason="needs the shared exports")


def gathered(name):
    exports = pytest.importorskip("kso_utils.zooniverse.exports")
    answers = pytest.importorskip("kso_utils.zooniverse.answers")
    return marks(answers.flatten(exports.read_files([EXPORTS / name]).classifications), RULE)


def counts(found):
    """Return how many clusters of each shape have how many people."""
    return {shape: group.value_counts().to_dict() for shape, group in found.groupby("shape")["people"]}


def test_circles_and_ellipses_that_people_drew():
    found = gathered("drawing_circle_ellipse_63.csv")
    assert counts(found) == {"circle": {1: 26, 2: 7, 3: 6}, "ellipse": {1: 3}, "polygon": {1: 4}}
    assert found.loc[found["people"] == 3, "iou_spread"].min() > 0.8
    assert found.loc[found["people"] == 1, "iou_spread"].tolist() == pytest.approx([1] * 33)


def test_outlines_that_people_drew_by_hand():
    found = gathered("drawing_fem_polygon_freehand_153.csv")
    assert counts(found) == {"freehandLine": {1: 25, 2: 7, 3: 5, 4: 6, 5: 10, 6: 6}, "polygon": {1: 16, 2: 1}}
    assert found.loc[found["people"] >= 3, "iou_spread"].mean() > 0.84
    assert found.loc[found["people"] == 1, "iou_spread"].tolist() == pytest.approx([1] * 41)
