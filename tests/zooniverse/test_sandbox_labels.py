"""Annotations of both generations of the classifier page, as exports show them."""

import pytest

from kso_utils.zooniverse.sandbox.labels import format_annotations
from kso_utils.zooniverse.sandbox.tasks import drawing_task, inject_strings

BOX = {"frame": 0, "x": 3.5, "y": 4, "width": 10, "height": 20}
DRAWING = inject_strings(*drawing_task(["Cod", "Crab"]))
ANSWERS = [{"label": "Fish"}, {"label": "Crab"}]
OPTIONS = {"*": [{"value": "a", "label": "Sand"}, {"value": "b", "label": "Rock"}]}


@pytest.mark.parametrize(
    "numbered", [{"tool": 1, "details": [{"value": 0}]}, {"toolIndex": 1, "toolType": "rectangle", "details": []}]
)
def test_marks_are_exported_with_the_label_of_their_tool(numbered):
    (annotation,) = format_annotations([{"task": "T0", "value": [{**BOX, **numbered}]}], DRAWING)
    assert annotation["task_label"] == "Draw a box around each animal that you see."
    assert annotation["value"] == [{**BOX, **numbered, "tool_label": "Crab"}]


def test_mark_of_a_tool_that_is_not_there_has_no_label():
    (annotation,) = format_annotations([{"task": "T0", "value": [{**BOX, "toolIndex": 7}]}], DRAWING)
    assert annotation["value"][0]["tool_label"] is None


@pytest.mark.parametrize(
    "annotation",
    [
        {"task": "T0.0.0", "taskType": "single", "markIndex": 0, "value": 1},
        {"task": "T9", "value": {"anything": ["at", "all"]}},
    ],
)
def test_annotations_of_no_task_of_the_workflow_stay_as_they_were_sent(annotation):
    assert format_annotations([annotation], DRAWING) == [annotation]


@pytest.mark.parametrize(
    ("kind", "given", "shown"),
    [
        ("single", 1, "Crab"),
        ("single", None, None),
        ("single", 7, "unknown answer label"),
        ("multiple", [0, 1], ["Fish", "Crab"]),
        ("multiple", [], []),
        ("shortcut", [1], ["Crab"]),
        ("text", "a fish", "a fish"),
        ("slider", "3.5", "3.5"),
        ("survey", None, []),
    ],
)
def test_answers_are_exported_by_their_labels(kind, given, shown):
    tasks = {"T1": {"type": kind, "question": "What?", "answers": ANSWERS}}
    (annotation,) = format_annotations([{"task": "T1", "value": given}], tasks)
    assert annotation["value"] == shown
    assert annotation.get("task_label") == (None if kind == "survey" else "What?")


def test_parts_of_a_combined_task_are_exported_like_tasks():
    tasks = {"T0": {"type": "combo", "tasks": ["T1"]}, "T1": {"type": "single", "question": "?", "answers": ANSWERS}}
    (annotation,) = format_annotations([{"task": "T0", "value": [{"task": "T1", "value": 0}]}], tasks)
    assert annotation["task_label"] is None
    assert annotation["value"] == [{"task": "T1", "task_label": "?", "value": "Fish"}]


def test_choices_of_lists_are_exported_with_their_labels():
    tasks = {"T0": {"type": "dropdown", "instruction": "?", "selects": [{"title": "Ground", "options": OPTIONS}]}}
    (annotation,) = format_annotations([{"task": "T0", "value": [{"value": "b", "option": True}]}], tasks)
    assert annotation["value"] == [{"select_label": "Ground", "value": "b", "option": True, "label": "Rock"}]


def test_choice_of_the_later_page_is_exported_with_its_place_and_label():
    tasks = {"T0": {"type": "dropdown-simple", "selects": [{"title": "Ground", "options": OPTIONS}]}}
    (annotation,) = format_annotations([{"task": "T0", "value": {"selection": 1, "option": True}}], tasks)
    value = {"select_label": "Ground", "option": True, "option_index": 1, "value": "b", "label": "Rock"}
    assert annotation == {"task": "T0", "task_type": "dropdown-simple", "value": value}
