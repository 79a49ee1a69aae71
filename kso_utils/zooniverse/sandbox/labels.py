"""Annotations as exports show them: answers and tools by their texts instead of their numbers.

Both generations of the classifier page are known: the earlier one numbers the tool of a mark as `tool`, the later one
(`classifier_version` 2.0) as `toolIndex`, and keeps the answers to a mark's questions as annotations of their own. What
belongs to no task of the workflow stays as it was sent (Panoptes, `lib/formatter/csv`).
"""

from __future__ import annotations

from typing import Any

_UNKNOWN = "unknown answer label"


def format_annotations(annotations: list[dict[str, Any]], tasks: dict[str, Any]) -> list[dict[str, Any]]:
    """Return annotations as an export shows them.

    Parameters
    ----------
    annotations
        As the classifier page sent them, `[{task, value}]`.
    tasks
        The tasks of the workflow's version, texts in their place.
    """
    return [_format(annotation, tasks) for annotation in annotations]


def _format(annotation: dict[str, Any], tasks: dict[str, Any]) -> dict[str, Any]:
    task = tasks.get(str(annotation.get("task")))
    if task is None:
        return annotation
    kind, value = task.get("type"), annotation.get("value")
    label = task.get("question", task.get("instruction"))
    match kind:
        case "survey":
            return {**annotation, "value": value or []}
        case "drawing":
            marks = [_mark(mark, task.get("tools", [])) for mark in value or []]
            return {"task": annotation["task"], "task_label": label, "value": marks}
        case "combo":
            nested = [_format(part, tasks) for part in value or [] if isinstance(part, dict)]
            return {**annotation, "task_label": None, "value": nested}
        case "single":
            value = None if value is None else _answer(task, value)
        case "multiple" | "shortcut":
            value = [_answer(task, v) for v in (value if isinstance(value, list) else [value]) if v is not None]
        case "dropdown":
            value = [_selected(task, n, v) for n, v in enumerate(value or [])]
        case "dropdown-simple":
            return {"task": annotation["task"], "task_type": kind, "value": _chosen(task, value)}
    return {**annotation, "task_label": label, "value": value}


def _mark(mark: Any, tools: list[dict[str, Any]]) -> Any:
    if not isinstance(mark, dict):
        return mark
    return {**mark, "tool_label": _at(tools, mark.get("tool", mark.get("toolIndex")), "label")}


def _answer(task: dict[str, Any], index: object) -> Any:
    label = _at(task.get("answers", []), index, "label")
    return _UNKNOWN if label is None else label


def _selected(task: dict[str, Any], number: int, choice: Any) -> dict[str, Any]:
    """Return what was chosen in one of a dropdown task's lists, by its label where it is one of the options."""
    select = (task.get("selects") or [])[number : number + 1]
    given = choice if isinstance(choice, dict) else {"value": choice, "option": False}
    options = [o for group in (select[0].get("options") or {}).values() for o in group] if select else []
    named = {"select_label": select[0].get("title") if select else None, **given}
    label = next((o.get("label") for o in options if o.get("value") == given.get("value")), None)
    return named if label is None else {**named, "label": label}


def _chosen(task: dict[str, Any], choice: Any) -> Any:
    """Return what was chosen in the one list of the later page's dropdown task, `{option, selection}`."""
    if not isinstance(choice, dict) or not isinstance(choice.get("selection"), int):
        return choice
    select = (task.get("selects") or [{}])[0]
    options = [o for group in (select.get("options") or {}).values() for o in group]
    index = choice["selection"]
    return {
        "select_label": select.get("title"),
        "option": choice.get("option", True),
        "option_index": index,
        "value": _at(options, index, "value"),
        "label": _at(options, index, "label"),
    }


def _at(items: list[dict[str, Any]], index: object, name: str) -> Any:
    """Return an attribute of one of the items, or None where there is no such item."""
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < len(items):
        return None
    return items[index].get(name)
