"""Tasks of workflows in the shapes of Panoptes: a survey of species, and a tool for each species to draw boxes with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from kso_utils.core.errors import ConfigError
from kso_utils.zooniverse.workflows import TaskMap, code_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NOTHING_HERE = "Nothing here"
_TEXTS = frozenset({"question", "help", "instruction", "label", "description", "title"})
_COLOURS = ("#ff0000", "#00a0ff", "#ffd000", "#00c060", "#c000ff", "#ff8000", "#00d0d0", "#ff60a0")


class Tasks(NamedTuple):
    """A workflow's tasks as Panoptes keeps them: texts taken out and numbered.

    Attributes
    ----------
    tasks
        Task key (`T0`) -> task, with the keys of its texts in their place.
    strings
        Key of a text (`T0.choices.COD.label`) -> the text.
    """

    tasks: dict[str, Any]
    strings: dict[str, str]


def survey_task(labels: Sequence[str], length_s: int = 10, most: int = 10, key: str = "T0") -> Tasks:
    """Return a survey of species, with the questions HOWMANY and FIRSTSEEN for each; none about nothing.

    Parameters
    ----------
    labels
        The species, and whatever else can be chosen.
    length_s
        The length of the clips: FIRSTSEEN offers each of their seconds (`0S`, `1S`, …).
    most
        HOWMANY offers 1 to `most`.
    key
        The task's key.

    Raises
    ------
    ConfigError
        If two labels differ in neither letters nor digits: they would have one code.
    """
    meaning = TaskMap()
    choices = {
        code_of(label): {
            "label": label,
            "description": "",
            "images": [],
            "characteristics": {},
            "confusions": {},
            "confusionsOrder": [],
            "noQuestions": meaning.means_nothing(label),
        }
        for label in labels
    }
    if len(choices) < len(labels):
        raise ConfigError(f"Choices need codes of their own, but some of these share one: {', '.join(labels)}.")
    questions = {
        "HOWMANY": _question("How many?", {str(n): str(n) for n in range(1, most + 1)}),
        "FIRSTSEEN": _question("First seen at second?", {f"{s}S": f"{s}s" for s in range(length_s)}),
    }
    task = {
        "type": "survey",
        "required": False,
        "choices": choices,
        "choicesOrder": list(choices),
        "questions": questions,
        "questionsOrder": list(questions),
        "questionsMap": {},
        "characteristics": {},
        "characteristicsOrder": [],
        "images": {},
        "exclusions": [],
        "inclusions": [],
    }
    return extract_strings({key: task})


def drawing_task(labels: Sequence[str], key: str = "T0") -> Tasks:
    """Return a task to draw rectangles, with one tool for each label."""
    tools = [
        {
            "type": "rectangle",
            "label": label,
            "color": _COLOURS[number % len(_COLOURS)],
            "min": "0",
            "max": "100",
            "size": "large",
            "details": [],
        }
        for number, label in enumerate(labels)
    ]
    instruction = "Draw a box around each animal that you see."
    return extract_strings({key: {"type": "drawing", "instruction": instruction, "help": "", "tools": tools}})


def extract_strings(tasks: Mapping[str, Any]) -> Tasks:
    """Take the texts out of tasks, as Panoptes does when it keeps them."""
    strings: dict[str, str] = {}

    def visit(node: Any, path: str) -> Any:
        if isinstance(node, dict):
            return {k: _keyed(v, f"{path}.{k}") if _is_text(k, v) else visit(v, f"{path}.{k}") for k, v in node.items()}
        if isinstance(node, list):
            return [visit(item, f"{path}.{index}") for index, item in enumerate(node)]
        return node

    def _keyed(text: str, path: str) -> str:
        strings[path] = text
        return path

    return Tasks({key: visit(task, key) for key, task in tasks.items()}, strings)


def inject_strings(tasks: Mapping[str, Any], strings: Mapping[str, str]) -> dict[str, Any]:
    """Put the texts back into tasks, as Panoptes does when it shows them; texts without a key stay."""

    def visit(node: Any) -> Any:
        if isinstance(node, dict):
            return {k: strings.get(v, v) if _is_text(k, v) else visit(v) for k, v in node.items()}
        if isinstance(node, list):
            return [visit(item) for item in node]
        return node

    return {key: visit(task) for key, task in tasks.items()}


def _is_text(key: str, value: object) -> bool:
    return key in _TEXTS and isinstance(value, str)


def _question(label: str, answers: Mapping[str, str]) -> dict[str, Any]:
    return {
        "label": label,
        "required": True,
        "multiple": False,
        "answers": {code: {"label": text} for code, text in answers.items()},
        "answersOrder": list(answers),
    }
