import json

import pandas as pd
import pytest

from tests.zooniverse.answering import BOX, many, one


def test_a_rectangle_of_the_old_classifier():
    row = one([{"task": "T1", "value": [{**BOX, "tool": 1, "tool_label": "Krabbe"}]}])
    assert (row.label, row.labels_from, row["shape"], row.frame) == ("Crab", "workflow", "rectangle", 0)
    assert row[["x", "y", "width", "height"]].tolist() == [10.5, 20, 30, 40.25]
    assert pd.isna(row.angle)
    assert row.geometry is None


def test_a_rectangle_of_the_new_classifier():
    mark = {**BOX, "toolIndex": 0, "toolType": "rectangle", "tool_label": None, "details": [{"task": "T1.0.0"}]}
    detail = {"task": "T1.0.0", "taskType": "single", "markIndex": 0, "value": 1}
    row = one([{"task": "T1", "taskType": "drawing", "value": [mark]}, detail])
    assert (row.label, row["shape"]) == ("Fish", "rectangle")
    assert json.loads(row.raw) == [{"task": "T1.0.0", "value": 1}]


def test_the_number_of_the_tool_is_enough():
    row = one([{"task": "T1", "value": [{**BOX, "toolIndex": 1}]}])
    assert (row.label, row.labels_from, row["shape"]) == ("Crab", "workflow", "rectangle")


@pytest.mark.parametrize(("tool_label", "label", "source"), [("Krabbe", "Krabbe", "export"), (None, "1", "codes")])
def test_labels_of_tools_without_the_workflow(tool_label, label, source):
    row = one([{"task": "T1", "value": [{**BOX, "tool": 1, "tool_label": tool_label}]}], workflows=None)
    assert (row.label, row.labels_from) == (label, source)


def test_a_box_dragged_backwards_is_turned():
    row = one([{"task": "T1", "value": [{**BOX, "tool": 0, "width": -5, "height": -10}]}])
    assert row[["x", "y", "width", "height"]].tolist() == [5.5, 10, 5, 10]


def test_a_box_without_area_keeps_its_sides_as_drawn():
    row = one([{"task": "T1", "value": [{**BOX, "tool": 0, "width": 0}]}])
    assert row[["width", "height"]].isna().all()
    assert row.geometry == {"width": 0, "height": 40.25}


def test_the_frame_of_a_subject_with_several():
    assert one([{"task": "T1", "value": [{**BOX, "tool": 0, "frame": 3}]}]).frame == 3


@pytest.mark.parametrize(
    ("mark", "shape"),
    [
        ({"x": 1, "y": 2}, "point"),
        ({"x": 1, "y": 2, "r": 3}, "circle"),
        ({"x": 1, "y": 2, "rx": 3, "ry": 4, "angle": 5}, "ellipse"),
        ({"x1": 1, "y1": 2, "x2": 3, "y2": 4}, "line"),
        ({"points": [{"x": 1, "y": 2}]}, "polygon"),
        ({"pathX": [1], "pathY": [2]}, "freehandLine"),
        ({"x": 1, "width": 2}, "column"),
        ({"x": 1, "y": 2, "width": 3, "height": 4, "angle": 5}, "rotateRectangle"),
        ({"x": 1, "y": 2, "displayTime": 0.5}, "temporalPoint"),
        ({"x": 1, "y": 2, "width": 3, "height": 4, "angle": 5, "displayTime": 0.5}, "temporalRotateRectangle"),
        ({"x": 1, "y": 2, "radius": 3, "spread": 4, "rotation": 5}, "fan"),
        ({"x": 1}, "fullHeightLine"),
        ({"y": 1}, "fullWidthLine"),
        ({"radius": 1}, "unknown"),
    ],
)
def test_other_shapes_lose_nothing(mark, shape):
    row = one([{"task": "T9", "value": [{**mark, "tool": 0, "frame": 0}]}], workflows=None)
    columns = {key: row[key] for key in ("x", "y", "width", "height", "angle") if not pd.isna(row[key])}
    assert row["shape"] == shape
    assert columns | (row.geometry or {}) == mark


def test_a_shape_given_by_its_centre_gets_its_corner():
    row = one([{"task": "T9", "value": [{"x_center": 10, "y_center": 20, "width": 4, "height": 6, "toolIndex": 0}]}])
    assert (row.x, row.y) == (8, 17)
    assert row.geometry is None


SUB_ANSWERS = [
    {"task": "T1.1.0", "value": 1, "label": "Young"},
    {"task": "T1.1.1", "value": [0, 1], "label": ["Yes", "No"]},
    {"task": "T1.1.2", "value": "eggs"},
]


def test_answers_about_a_mark_in_its_details():
    details = [{"value": 1}, {"value": [0, 1]}, {"value": "eggs"}]
    row = one([{"task": "T1", "value": [{**BOX, "tool": 1, "details": details}]}])
    assert json.loads(row.raw) == SUB_ANSWERS


def test_answers_about_a_mark_beside_it():
    marks = [{**BOX, "toolIndex": index, "details": []} for index in (0, 1)]
    beside = [{"task": a["task"], "taskType": "any", "markIndex": 1, "value": a["value"]} for a in SUB_ANSWERS]
    rows = many([{"task": "T1", "value": marks}, *beside])
    assert rows.raw.isna().tolist() == [True, False]
    assert json.loads(rows.raw[1]) == SUB_ANSWERS


@pytest.mark.parametrize("value", [None, "", [], 7, [7], "7", {"odd": 1}])
def test_answers_about_a_mark_that_have_no_text(value):
    row = one([{"task": "T1", "value": [{**BOX, "tool": 1, "details": [{"value": value}]}]}])
    expected = [] if value in (None, "", []) else [{"task": "T1.1.0", "value": value}]
    assert json.loads("[]" if pd.isna(row.raw) else row.raw) == expected


def test_a_transcription_is_a_line_with_its_text():
    line = {"x1": 1, "y1": 2, "x2": 3, "y2": 4, "toolIndex": 0, "toolType": "transcriptionLine", "frame": 1}
    line["details"] = [{"task": "T8.0.0"}]
    words = {"task": "T8.0.0", "taskType": "text", "markIndex": 0, "value": "Gadus"}
    row = one(
        [{"task": "T8", "taskType": "transcription", "value": [{**line, "details": [{"task": "T8.0.0"}]}]}, words], None
    )
    assert (row["shape"], row.frame, row.geometry) == ("transcriptionLine", 1, {"x1": 1, "y1": 2, "x2": 3, "y2": 4})
    assert json.loads(row.raw) == [{"task": "T8.0.0", "value": "Gadus"}]


def test_a_crop_is_a_box_without_label():
    row = one([{"task": "T8", "taskType": "crop", "value": {"x": 1, "y": 2, "width": 3, "height": 4}}], None)
    assert (row["shape"], row.x, row.y, row.width, row.height) == ("rectangle", 1, 2, 3, 4)
    assert pd.isna(row.label)


def test_a_range_of_a_graph_keeps_its_shape():
    mark = {"toolType": "graph2dRangeX", "toolIndex": 0, "x": 4.5, "width": 2, "zoomLevelOnCreation": 1}
    row = one([{"task": "T8", "taskType": "dataVisAnnotation", "value": [mark]}], None)
    assert (row["shape"], row.x, row.width, row.geometry) == ("graph2dRangeX", 4.5, 2, {"zoomLevelOnCreation": 1})


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"x": "12"}, {"x": "12"}),
        ({"y": 10**400}, {"y": 10**400}),
        ({"angle": True}, {"angle": True}),
        ({"width": [1]}, {"width": [1]}),
        ({"x_center": 5, "width": None}, {"x_center": 5}),
        ({"tool": "1"}, {"tool": "1"}),
        ({"tool": -1}, {"tool": -1}),
        ({"frame": "first"}, {"frame": "first"}),
        ({"frame": 2**31}, {"frame": 2**31}),
    ],
)
def test_what_is_no_number_is_kept_in_the_geometry(given, kept):
    row = one([{"task": "T1", "value": [{**BOX, "tool": 0, **given}]}])
    assert row.geometry == kept


def test_what_is_not_finite_is_missing():
    row = one('[{"task":"T1","value":[{"x":NaN,"y":Infinity,"tool":0,"r":-Infinity,"points":[{"x":NaN}]}]}]')
    assert row[["x", "y"]].isna().all()
    assert row.geometry == {"r": None, "points": [{"x": None}]}
