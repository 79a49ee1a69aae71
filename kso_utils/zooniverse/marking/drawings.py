"""Marks that people drew: boxes as columns, all else as geometry, whichever classifier they were drawn in."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from kso_utils.zooniverse.marking.marks import Mark, Problem, SubAnswer, compact, is_blank

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kso_utils.zooniverse.workflows import Task, Tool

_BOX = ("x", "y", "width", "height", "angle")
_CENTRE = (("x", "x_center", "width"), ("y", "y_center", "height"))
_NOT_GEOMETRY = frozenset({*_BOX, "tool", "toolIndex", "toolType", "tool_label", "frame", "details", "markId"})
_MOST_FRAMES = 2**31
_LARGEST = 2**53
_GUESSES = (
    ("points", "polygon"),
    ("pathX", "freehandLine"),
    ("rx", "ellipse"),
    ("spread", "fan"),
    ("r", "circle"),
    ("x1", "line"),
)


def draw(
    name: str | None, item: Mapping[str, Any], task: Task | None, answers: Sequence[SubAnswer], problems: list[Problem]
) -> Mark:
    """Return the row of a drawn mark.

    Parameters
    ----------
    name
        The task's name.
    item
        The mark as exported; its tool is `tool` (old classifier) or `toolIndex` (new).
    task
        The task in the version that was answered; None where that is not known.
    answers
        What the new classifier keeps beside the mark; the old one keeps it in the mark's `details`.
    problems
        Gets what is wrong with the mark.
    """
    index = item.get("toolIndex")
    if index is None:
        index = item.get("tool")
    geometry = {key: value for key, value in item.items() if key not in _NOT_GEOMETRY}
    tool: Tool | None = None
    if type(index) is int and index >= 0:
        if task is not None and index < len(task.tools):
            tool = task.tools[index]
        elif task is not None:
            problems.append(Problem("UNKNOWN_TOOL", f"Task {name} has no tool {index}, with which a mark was drawn."))
    elif index is not None or (task is not None and task.tools):
        problems.append(Problem("BAD_ANNOTATION", f"A mark of task {name} was drawn with no usable tool."))
        geometry |= {} if index is None else {"tool": index}
    label, source = _label(item, index, tool)
    x, y, width, height, angle = _box(item, geometry)
    kind = item.get("toolType") or (tool and tool.shape)
    return Mark(
        name,
        label,
        source,
        None,
        None,
        _frame(name, item, geometry, problems),
        kind if kind and isinstance(kind, str) else _guess_shape(item),
        x,
        y,
        width,
        height,
        angle,
        geometry or None,
        _answered(answers or _positional(name, index, item), tool),
    )


def _label(item: Mapping[str, Any], index: Any, tool: Tool | None) -> tuple[str | None, str | None]:
    if tool is not None and tool.label:
        return tool.label, "workflow"
    text = item.get("tool_label")
    if text and isinstance(text, str):
        return text, "export"
    return (str(index), "codes") if type(index) is int and index >= 0 else (None, None)


def _frame(name: str | None, item: Mapping[str, Any], geometry: dict[str, Any], problems: list[Problem]) -> int | None:
    frame = item.get("frame")
    if frame is None:
        return 0
    if type(frame) is int and 0 <= frame < _MOST_FRAMES:
        return frame
    problems.append(Problem("BAD_ANNOTATION", f"A mark of task {name} is on no usable frame."))
    geometry["frame"] = frame
    return None


def _box(item: Mapping[str, Any], geometry: dict[str, Any]) -> list[float | None]:
    """Return x, y, width, height, angle; what is no number goes into the geometry, with sides that span no area."""
    box: dict[str, float | None] = dict.fromkeys(_BOX)
    for key in _BOX:
        value = item.get(key)
        if value is not None:
            box[key] = number = _finite(value)
            if number is None:
                geometry[key] = value
    if "x_center" in item or "y_center" in item:
        for corner, centre, side in _CENTRE:
            middle, length = _finite(item.get(centre)), box[side]
            if middle is not None and length is not None:
                box[corner] = middle - length / 2
                del geometry[centre]
    for corner, side in (("x", "width"), ("y", "height")):
        start, length = box[corner], box[side]
        # Dragged to the left or upwards.
        if length is not None and length < 0 and start is not None:
            box[corner], box[side] = start + length, -length
    width, height = box["width"], box["height"]
    if not (width is None or width > 0) or not (height is None or height > 0):
        geometry |= {key: item.get(key) for key in ("width", "height")}
        box["width"] = box["height"] = None
    return list(box.values())


def _finite(value: Any) -> float | None:
    if type(value) is float:
        return value if math.isfinite(value) else None
    return float(value) if type(value) is int and abs(value) < _LARGEST else None


def _guess_shape(item: Mapping[str, Any]) -> str:
    """Return the shape that a mark's numbers make, in the names of Zooniverse."""
    keys = item.keys()
    if "displayTime" in keys:
        return "temporalRotateRectangle" if "width" in keys else "temporalPoint"
    for key, shape in _GUESSES:
        if key in keys:
            return shape
    if {"width", "height"} <= keys:
        return "rotateRectangle" if "angle" in keys else "rectangle"
    if "width" in keys:
        return "column"
    if "x" in keys:
        return "point" if "y" in keys else "fullHeightLine"
    return "fullWidthLine" if "y" in keys else "unknown"


def _positional(name: str | None, index: Any, item: Mapping[str, Any]) -> list[SubAnswer]:
    """Return the answers of the old classifier: in a mark's details, in the order of its tool's questions."""
    details = item.get("details")
    if not isinstance(details, list):
        return []
    values = (detail.get("value") if isinstance(detail, dict) else detail for detail in details)
    return [SubAnswer(f"{name}.{index}.{number}", value) for number, value in enumerate(values)]


def _answered(answers: Sequence[SubAnswer], tool: Tool | None) -> str | None:
    """Return the answers about a mark as JSON, with their texts where the version is known."""
    said = [
        {"task": task, "value": value} | _texts(task, value, tool) for task, value in answers if not is_blank(value)
    ]
    return compact(said) if said else None


def _texts(task: str, value: Any, tool: Tool | None) -> dict[str, Any]:
    question = task.rpartition(".")[2]
    if tool is None or not question.isdecimal() or int(question) >= len(tool.details):
        return {}
    known = tool.details[int(question)].answers
    chosen = value if isinstance(value, list) else [value]
    if not known or not all(type(v) is int and 0 <= v < len(known) for v in chosen):
        return {}
    texts = [known[v] for v in chosen]
    return {"label": texts if isinstance(value, list) else texts[0]}
