import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.core.errors import MetadataError
from kso_utils.zooniverse.answers import CLASSIFICATION_COLUMNS, flatten
from kso_utils.zooniverse.exports import read_exports
from kso_utils.zooniverse.workflows import TaskMap

COLUMNS = [
    *CLASSIFICATION_COLUMNS,
    *("task", "label", "labels_from", "how_many", "first_seen_s", "frame", "shape"),
    *("x", "y", "width", "height", "angle", "geometry", "raw"),
]
TASKS = {
    "T0": {
        "type": "survey",
        "choices": {"COD": {"label": "T0.cod"}, "NOTHINGHERE": {"label": "T0.nothing"}},
        "questions": {"HOWMANY": {"answers": {"3040": {"label": "T0.many"}}}},
    },
    "T1": {
        "type": "drawing",
        "tools": [{"type": "rectangle", "label": "T1.fish"}, {"type": "rectangle", "label": "T1.crab"}],
    },
    "T2": {"type": "single", "answers": [{"label": "T2.yes"}, {"label": "T2.no"}]},
    "T3": {"type": "text"},
}
STRINGS = {
    **{"T0.cod": "Atlantic cod", "T0.nothing": "Nothing here", "T0.many": "30-40"},
    **{"T1.fish": "Fish", "T1.crab": "Crab", "T2.yes": "Yes", "T2.no": "No"},
}
WORKFLOWS = pd.DataFrame(
    {
        "workflow_id": ["7"],
        "version": ["5"],
        "minor_version": ["10"],
        "tasks": [json.dumps(TASKS)],
        "strings": [json.dumps(STRINGS)],
    }
)


def classifications(*annotations, version=(5, 10)):
    number = np.arange(len(annotations))
    return pd.DataFrame(
        {
            "classification_id": number + 1,
            "user": [f"volunteer {n}" for n in number],
            "user_kind": "registered",
            "subject_id": number + 100,
            "workflow_id": 7,
            "version_major": version[0],
            "version_minor": version[1],
            "created_at": "2026-01-01T00:00:00Z",
            "seen_before": False,
            "live": True,
            "gold_standard": False,
            "expert": False,
            "annotations": [a if isinstance(a, str) else json.dumps(a) for a in annotations],
        }
    )


def survey(*choices):
    return [{"task": "T0", "value": [{"choice": c, "answers": a, "filters": {}} for c, a in choices]}]


def one(annotations, workflows=WORKFLOWS, tasks=None):
    rows = flatten(classifications(annotations), workflows, tasks)
    assert len(rows) == 1
    return rows.iloc[0]


def test_columns_and_their_order():
    assert list(flatten(classifications(survey(("COD", {})))).columns) == COLUMNS


def test_no_classifications_give_the_columns_alone():
    rows = flatten(classifications())
    assert list(rows.columns) == COLUMNS
    assert rows.empty


def test_missing_columns_are_named():
    with pytest.raises(MetadataError, match="user_kind"):
        flatten(classifications([]).drop(columns="user_kind"))


def test_a_choice_with_its_answers():
    row = one(survey(("COD", {"HOWMANY": "3", "EARLIESTPOINT": "6S"})))
    assert (row.task, row.label, row.labels_from) == ("T0", "Atlantic cod", "workflow")
    assert (row.how_many, row.first_seen_s) == (3, 6)


def test_a_range_is_read_from_the_workflow():
    assert one(survey(("COD", {"HOWMANY": "3040"}))).how_many == 35


def test_a_choice_without_the_workflow_keeps_its_code():
    row = one(survey(("COD", {})), workflows=None)
    assert (row.label, row.labels_from) == ("COD", "codes")


def test_labels_come_from_the_exact_version():
    rows = flatten(classifications(survey(("COD", {})), version=(5, 9)), WORKFLOWS)
    assert rows.labels_from.tolist() == ["codes"]


def test_answers_do_not_leak_between_choices():
    rows = flatten(classifications(survey(("COD", {"HOWMANY": "7", "EARLIESTPOINT": "3S"}), ("CRAB", {}))))
    assert rows.how_many.tolist()[0] == 7
    assert rows.loc[1, ["how_many", "first_seen_s"]].isna().all()


def test_the_order_of_questions_does_not_matter():
    answers = {"HOWMANY": "2", "EARLIESTPOINT": "3S", "DOING": ["SWIMMING"]}
    forwards = one(survey(("COD", answers)))
    backwards = one(survey(("COD", dict(reversed(answers.items())))))
    assert (forwards.how_many, forwards.first_seen_s) == (backwards.how_many, backwards.first_seen_s) == (2, 3)


def test_other_answers_are_kept_raw():
    raw = one(survey(("COD", {"DOING": ["SWIMMING"]}))).raw
    assert json.loads(raw)["answers"] == {"DOING": ["SWIMMING"]}


@pytest.mark.parametrize(
    "annotations",
    [
        [],
        survey(),
        survey(("NOTHINGHERE", {})),
        [{"task": "T0", "value": []}, {"task": "T5", "value": ["Nothing Here"]}],
        [{"task": "T1", "value": []}],
        [{"task": "T2", "value": None}],
        [{"task": "T0"}],
    ],
)
def test_marking_nothing_gives_one_row_without_label(annotations):
    row = one(annotations)
    assert row[["label", "shape", "raw"]].isna().all()


def test_an_empty_task_keeps_its_row_beside_an_answered_one():
    rows = flatten(classifications([{"task": "T0", "value": []}, {"task": "T2", "value": "Yes"}]))
    assert rows.task.tolist() == ["T0", "T2"]
    assert rows.label.isna().tolist() == [True, False]


def test_nothing_beside_a_choice_is_no_row():
    assert one(survey(("NOTHINGHERE", {}), ("COD", {}))).label == "Atlantic cod"


def test_the_project_says_what_nothing_is():
    assert pd.isna(one(survey(("COD", {})), tasks=TaskMap(nothing=("COD",))).label)


BOX = {"x": 10.5, "y": 20, "width": 30, "height": 40.25, "frame": 0, "details": []}


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


def test_answers_to_plain_questions():
    annotations = [
        {"task": "T2", "value": "No"},
        {"task": "T6", "value": ["Calm", "Turbid"]},
        {"task": "T7", "value": [{"select_label": "Depth", "option": True, "value": "9", "label": "Deep"}]},
    ]
    assert flatten(classifications(annotations), WORKFLOWS).label.tolist() == ["No", "Calm", "Turbid", "Deep"]


def test_an_answer_by_number_is_looked_up():
    row = one([{"task": "T2", "value": 0}])
    assert (row.label, row.labels_from) == ("Yes", "workflow")


@pytest.mark.parametrize("annotation", [{"task": "T3", "value": "a note"}, {"task": "T8", "value": 0.5}])
def test_text_and_sliders_are_raw_without_label(annotation):
    row = one([annotation])
    assert pd.isna(row.label)
    assert json.loads(row.raw) == annotation["value"]


def test_tasks_inside_a_combination():
    rows = flatten(classifications([{"task": "T9", "value": [*survey(("COD", {})), {"task": "T2", "value": "No"}]}]))
    assert rows.task.tolist() == ["T0", "T2"]


def test_classifications_as_the_store_keeps_them():
    frame = classifications(survey(("COD", {}))).rename(columns={"classification_id": "id"})
    frame["annotations"] = frame["annotations"].map(json.loads)
    assert flatten(frame, WORKFLOWS).label.tolist() == ["Atlantic cod"]


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.lists(st.sampled_from([[], survey(("COD", {"HOWMANY": "2"})), survey(("A", {}), ("B", {}))]), max_size=12))
def test_repeated_texts_give_what_each_gives_alone(annotations):
    together = flatten(classifications(*annotations))
    expected = [
        (number + 1, label)
        for number, annotation in enumerate(annotations)
        for label in flatten(classifications(annotation)).label.fillna("-")
    ]
    assert list(zip(together.classification_id, together.label.fillna("-"), strict=True)) == expected


def test_every_real_classification_is_flattened(zooniverse_data, koster_data):
    counts = {}
    for folder in (zooniverse_data, koster_data):
        exports = read_exports(folder)
        rows = flatten(exports.classifications, exports.workflows if len(exports.workflows) else None)
        assert set(rows.classification_id) == set(exports.classifications.classification_id)
        counts[folder.name] = (rows.classification_id.nunique(), len(rows), rows["shape"].value_counts().to_dict())
    shapes = {"freehandLine": 165, "circle": 93, "polygon": 23, "ellipse": 3, "line": 1}
    # Surveys: 2,001 + 21 choices, one of them "nothing" beside another.
    # Questions: 2,000 + 10 + 2; marks: 285; empty drawings: 12 + 10.
    assert counts == {
        "zooniverse": (2243, 2001 - 1 + 21 + 2000 + 10 + 2 + 285 + 22, shapes),
        "koster": (13, 14, {"rectangle": 7}),
    }


def test_the_golden_case_of_leaking_answers(zooniverse_golden):
    golden = json.loads((zooniverse_golden / "kso_rule.json").read_text())["flatten_leak_from_previous"]
    rows = flatten(classifications(survey(("COD", {"HOWMANY": "7", "EARLIESTPOINT": "3S"}), ("CRAB", {}))))
    assert rows.loc[0, ["how_many", "first_seen_s"]].tolist() == [
        float(golden[0]["how_many"]),
        float(golden[0]["first_seen"]),
    ]
    assert rows.label.tolist() == [g["label"] for g in golden]
