"""Whether what a classifier page sends answers the tasks of its workflow."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from kso_utils.zooniverse.sandbox.messages import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_NUMBERS = {
    "point": (("x", "y"),),
    "line": (("x1", "y1", "x2", "y2"),),
    "rectangle": (("x", "y", "width", "height"), ("x_center", "y_center", "width", "height")),
    "circle": (("x", "y", "r"), ("x_center", "y_center", "r")),
    "ellipse": (("x", "y", "rx", "ry"), ("x_center", "y_center", "rx", "ry")),
}


def check_annotations(annotations: Sequence[Any], tasks: Mapping[str, Any], frames: int) -> None:
    """Refuse annotations that are no answers to the tasks; tasks of types that are not known here are not judged.

    Parameters
    ----------
    annotations
        `[{task, value}]` of either generation of the classifier.
    tasks
        Task key -> task, of the version that was answered.
    frames
        How many media the subject has.

    Raises
    ------
    Refused
        With status 422; the message says which annotation is wrong, and why.
    """
    for annotation in annotations:
        if not isinstance(annotation, dict) or not isinstance(annotation.get("task"), str):
            raise _wrong("?", "an annotation must be an object with a task")
        key, value = annotation["task"], annotation.get("value")
        if "markIndex" in annotation:
            _check_detail(annotation, annotations, tasks)
        elif key not in tasks:
            raise _wrong(key, f"the workflow has no such task, but {', '.join(tasks) or 'none'}")
        elif tasks[key].get("type") == "drawing":
            _check_marks(key, value, tasks[key], frames)
        elif judge := _JUDGES.get(tasks[key].get("type")):
            judge(key, value, tasks[key])


def _check_survey(key: str, value: Any, task: Mapping[str, Any]) -> None:
    for item in _items(key, value):
        choice = item.get("choice") if isinstance(item, dict) else None
        if not isinstance(choice, str) or choice not in task.get("choices", {}):
            raise _wrong(key, f"'{_named(item, 'choice')}' is none of the choices")
        answers = item.get("answers", {})
        if not isinstance(answers, dict):
            raise _wrong(key, f"the answers about {choice} must be an object")
        for question, given in answers.items():
            offered = task.get("questions", {}).get(question, {}).get("answers", {})
            for answer in given if isinstance(given, list) else [given]:
                if not isinstance(answer, str) or answer not in offered:
                    raise _wrong(key, f"'{answer}' is no answer to {question} about {choice}")


def _check_marks(key: str, value: Any, task: Mapping[str, Any], frames: int) -> None:
    tools = task.get("tools", [])
    for mark in _items(key, value):
        index = mark.get("toolIndex", mark.get("tool")) if isinstance(mark, dict) else None
        if not _is_index(index, len(tools)):
            raise _wrong(key, f"a mark must name one of the {len(tools)} tools by its index, not '{index}'")
        if not _is_index(mark.get("frame", 0), frames):
            raise _wrong(key, f"a mark lies on frame '{mark.get('frame')}', but the subject has {frames}")
        if not isinstance(mark.get("details", []), list):
            raise _wrong(key, "the details of a mark must be a list")
        kind = tools[index].get("type")
        ways = _NUMBERS.get(kind, ())
        if ways and not any(all(_is_finite(mark.get(name)) for name in names) for names in ways):
            raise _wrong(key, f"a {kind} needs {', '.join(ways[0])} as finite numbers")


def _check_detail(annotation: Mapping[str, Any], annotations: Sequence[Any], tasks: Mapping[str, Any]) -> None:
    """Check an answer about a mark, `{task: "T0.1.0", markIndex, value}`: task, tool and question by their numbers."""
    key = annotation["task"]
    name, *numbers = key.split(".")
    marks = next((a.get("value") for a in annotations if isinstance(a, dict) and a.get("task") == name), None)
    if not isinstance(marks, list) or not _is_index(annotation["markIndex"], len(marks)):
        raise _wrong(key, f"there is no mark number '{annotation['markIndex']}'")
    tools = tasks.get(name, {}).get("tools", [])
    if len(numbers) != 2 or not all(n.isdecimal() for n in numbers) or int(numbers[0]) >= len(tools):
        raise _wrong(key, "the workflow asks no such question about marks")
    details = tools[int(numbers[0])].get("details", [])
    if int(numbers[1]) >= len(details):
        raise _wrong(key, "the workflow asks no such question about marks")
    detail = details[int(numbers[1])]
    if judge := _JUDGES.get(detail.get("type")):
        judge(key, annotation.get("value"), detail)


def _check_single(key: str, value: Any, task: Mapping[str, Any]) -> None:
    answers = task.get("answers", [])
    if value is not None and not _is_index(value, len(answers)):
        raise _wrong(key, f"the answer must be the index of one of the {len(answers)} answers, not '{value}'")


def _check_multiple(key: str, value: Any, task: Mapping[str, Any]) -> None:
    for item in _items(key, value):
        _check_single(key, -1 if item is None else item, task)


def _check_text(key: str, value: Any, task: Mapping[str, Any]) -> None:
    if not isinstance(value, str):
        raise _wrong(key, "the answer must be a text")


_JUDGES: dict[Any, Callable[[str, Any, Mapping[str, Any]], None]] = {
    "survey": _check_survey,
    "single": _check_single,
    "multiple": _check_multiple,
    "shortcut": _check_multiple,
    "text": _check_text,
}


def _items(key: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise _wrong(key, "the value must be a list")
    return value


def _named(item: Any, name: str) -> Any:
    return item.get(name) if isinstance(item, dict) else item


def _is_index(value: Any, number: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < number


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _wrong(key: str, why: str) -> Refused:
    return Refused(422, f"Validation failed: annotation of task {key}: {why}")
