"""Simulated people: who they are, and how each of them answers the tasks of a workflow.

How well they see is in `perception`, when they come and what they look at in `simulation`.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from kso_utils.core.errors import ConfigError
from kso_utils.zooniverse.sandbox.perception import Rates, answer_frame, see_species
from kso_utils.zooniverse.workflows import TaskMap

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import numpy as np
    import pandas as pd

    Truth = Callable[[dict[str, Any]], pd.DataFrame] | pd.DataFrame

Behaviour = Callable[[dict[str, Any], int], list[dict[str, Any]]]
SIZE_PX = (640, 360)
_MOST_BOXES = 3
_MOST_SPECIES = 2
_MEANING = TaskMap()


@dataclass(frozen=True, slots=True)
class Person:
    """One simulated person.

    Attributes
    ----------
    login
        The user name; None for somebody who is not logged in.
    rates
        How they err.
    spam
        `random`: answers by chance; `same`: gives one answer to everything; None: looks.
    blank
        Share of the subjects about which they say nothing, whatever is there.
    repeat
        Share of the subjects that they classify once more.
    generation
        Whose shapes their work has: 1 or 2, the generation of Zooniverse's classifier.
    """

    login: str | None
    rates: Rates = field(default_factory=Rates)
    spam: Literal["random", "same"] | None = None
    blank: float = 0.0
    repeat: float = 0.0
    generation: Literal[1, 2] = 1


def gather(number: int) -> list[Person]:
    """Return so many people for a rehearsal: of both generations by turns, every third not logged in."""
    return [
        Person(None if n % 3 == 2 else f"volunteer_{n + 1:02d}", generation=2 if n % 2 else 1) for n in range(number)
    ]


def behave(
    tasks: Mapping[str, Any],
    people: Sequence[Person],
    truth: Truth | None = None,
    seed: int = 0,
    size_px: tuple[int, int] | None = None,
) -> Behaviour:
    """Return what people say about a subject: a function of the subject and the person's number.

    Parameters
    ----------
    tasks
        Task key -> task of the workflow, texts in their place.
    people
        Who they are.
    truth
        What is to be seen: a table with `subject_id`, or a function that gives the rows of a subject. Surveys need
        `label, how_many, first_seen_s`, drawings `label, x, y, width, height`. Without it all answer by chance.
    seed
        Of everything random. The same person says the same about the same metadata.
    size_px
        Width and height of the pictures, within which boxes are drawn by chance; by default 640 x 360.

    Raises
    ------
    ConfigError
        From the function: if the truth has a label that cannot be chosen or drawn, or lacks a column.
    """
    import numpy as np

    rows_of = _truth_of(truth)

    def answer(subject: dict[str, Any], number: int) -> list[dict[str, Any]]:
        person = people[number]
        # Numbers of subjects depend on which upload was faster; what is told about them does not.
        known = json.dumps(subject["metadata"], sort_keys=True) if subject["metadata"] else str(subject["id"])
        place = [] if person.spam == "same" else [zlib.crc32(known.encode())]
        rng = np.random.default_rng([seed, number, *place])
        if rows_of is None or person.spam:
            return _guess_all(tasks, rng, size_px or SIZE_PX)
        blank = person.blank > 0 and rng.uniform() < person.blank
        return _tell_all(tasks, rows_of(subject).iloc[: 0 if blank else None], person, blank, rng)

    return answer


def modernise(annotations: Sequence[Mapping[str, Any]], tasks: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return annotations of the first generation of the classifier in the shapes of the second.

    Marks name their tool by `toolIndex` and `toolType`, boxes their centre; answers about marks stand for themselves.
    """
    modern: list[dict[str, Any]] = []
    for annotation in annotations:
        task = tasks.get(annotation["task"], {})
        kind = task.get("type")
        if kind != "drawing":
            modern.append({**annotation, "taskType": kind})
            continue
        marks = [_modern_mark(mark, annotation["task"], task["tools"]) for mark in annotation["value"]]
        modern.append({"task": annotation["task"], "taskType": kind, "value": marks})
        for index, mark in enumerate(annotation["value"]):
            details = task["tools"][mark["tool"]].get("details", [])
            for number, (detail, given) in enumerate(zip(details, mark.get("details", []), strict=False)):
                key = f"{annotation['task']}.{mark['tool']}.{number}"
                modern.append({"task": key, "taskType": detail.get("type"), "markIndex": index, **given})
    return modern


def _modern_mark(mark: Mapping[str, Any], key: str, tools: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    modern = {name: value for name, value in mark.items() if name not in ("tool", "tool_label")}
    if {"x", "y", "width", "height"} <= mark.keys():
        x, y = modern.pop("x"), modern.pop("y")
        modern |= {"x_center": x + mark["width"] / 2, "y_center": y + mark["height"] / 2}
    details = [{"task": f"{key}.{mark['tool']}.{number}"} for number in range(len(mark.get("details", [])))]
    return {**modern, "toolIndex": mark["tool"], "toolType": tools[mark["tool"]].get("type"), "details": details}


def _truth_of(truth: Truth | None) -> Callable[[dict[str, Any]], pd.DataFrame] | None:
    if truth is None or callable(truth):
        return truth
    table = truth
    known = {int(str(subject_id)): rows for subject_id, rows in table.groupby("subject_id")}
    return lambda subject: known.get(int(subject["id"]), table.iloc[:0])


def _tell_all(
    tasks: Mapping[str, Any], rows: pd.DataFrame, person: Person, blank: bool, rng: np.random.Generator
) -> list[dict[str, Any]]:
    """Return what a person says who has looked; questions that the truth does not answer are answered by chance."""
    rates = Rates(miss=0, invent=0) if blank else person.rates
    told: list[dict[str, Any]] = []
    for key, task in tasks.items():
        if task.get("type") == "survey":
            labels = {str(choice["label"]): code for code, choice in _choices(task).items()}
            _check_labels(rows, labels, key, ("label", "how_many", "first_seen_s"))
            seen = see_species(rows, list(labels), rng, rates)
            value = [_species(task, labels[label], rng, *numbers) for label, numbers in seen.items()]
            told.append({"task": key, "value": value or _nothing(task)})
        elif task.get("type") == "drawing":
            tools = [str(tool["label"]) for tool in task["tools"]]
            _check_labels(rows, tools, key, ("label", "x", "y", "width", "height"))
            told += answer_frame(rows, tools, rng, rates, key)
        else:
            told += _guess(key, task, rng, SIZE_PX)
    return told


def _check_labels(rows: pd.DataFrame, labels: Collection[str], key: str, columns: Sequence[str]) -> None:
    missing = [column for column in columns if column not in rows.columns]
    if missing:
        raise ConfigError(f"Task {key} needs a truth with the columns {', '.join(columns)}; {missing[0]} is missing.")
    unknown = sorted(set(rows["label"]) - set(labels))
    if unknown:
        raise ConfigError(f"The truth names {unknown[0]}, which task {key} does not offer, but {', '.join(labels)}.")


def _guess_all(tasks: Mapping[str, Any], rng: np.random.Generator, size_px: tuple[int, int]) -> list[dict[str, Any]]:
    return [annotation for key, task in tasks.items() for annotation in _guess(key, task, rng, size_px)]


def _guess(
    key: str, task: Mapping[str, Any], rng: np.random.Generator, size_px: tuple[int, int]
) -> list[dict[str, Any]]:
    """Return an answer by chance; none to a task of a type that is not known here."""
    kind = task.get("type")
    if kind == "survey":
        codes = list(_choices(task))
        number = min(len(codes), int(rng.integers(_MOST_SPECIES + 1)))
        chosen = [codes[i] for i in sorted(rng.choice(len(codes), number, replace=False))] if codes else []
        value: Any = [_species(task, code, rng) for code in chosen] or _nothing(task)
    elif kind == "drawing":
        value = [mark for _ in range(int(rng.integers(_MOST_BOXES + 1))) for mark in _mark(task, rng, size_px)]
    elif kind == "single":
        value = int(rng.integers(len(task["answers"])))
    elif kind in ("multiple", "shortcut"):
        value = [index for index in range(len(task["answers"])) if rng.uniform() < 1 / len(task["answers"])]
    elif kind == "text":
        value = "Hard to tell."
    else:
        return []
    return [{"task": key, "value": value}]


def _mark(task: Mapping[str, Any], rng: np.random.Generator, size_px: tuple[int, int]) -> list[dict[str, Any]]:
    tools = [index for index, tool in enumerate(task["tools"]) if tool.get("type") in ("rectangle", "point")]
    if not tools:
        return []
    index = tools[int(rng.integers(len(tools)))]
    tool = task["tools"][index]
    width, height = (float(rng.uniform(0.05, 0.3) * side) for side in size_px)
    place = {"x": float(rng.uniform(0, size_px[0] - width)), "y": float(rng.uniform(0, size_px[1] - height))}
    if tool["type"] == "rectangle":
        place |= {"width": width, "height": height}
    details = [{"value": a["value"]} for d in tool.get("details") or [] for a in _guess("", d, rng, size_px)]
    mark = {"tool": index, "tool_label": tool.get("label"), "frame": 0, "details": details}
    return [{**mark, **{name: round(value, 2) for name, value in place.items()}}]


def _species(
    task: Mapping[str, Any],
    code: str,
    rng: np.random.Generator,
    how_many: float | None = None,
    first_seen_s: float | None = None,
) -> dict[str, Any]:
    """Return a chosen species with its answers: the offered ones next to the numbers, others by chance."""
    asked = task.get("questionsMap", {}).get(code) or task.get("questionsOrder") or list(task.get("questions", {}))
    answers: dict[str, Any] = {}
    for name in [] if task["choices"][code].get("noQuestions") else asked:
        question = task["questions"][name]
        offered = {answer: _MEANING.number(answer, said.get("label")) for answer, said in question["answers"].items()}
        wanted = how_many if _MEANING.asks_how_many(name) else None
        if _MEANING.asks_first_seen(name) and first_seen_s is not None:
            wanted = int(first_seen_s)
        numbers = {answer: number for answer, number in offered.items() if number == number}
        if wanted is not None and numbers:
            given = min(numbers, key=lambda answer: abs(numbers[answer] - wanted))
        else:
            given = list(offered)[int(rng.integers(len(offered)))]
        answers[name] = [given] if question.get("multiple") is True else given
    return {"choice": code, "answers": answers, "filters": {}}


def _choices(task: Mapping[str, Any]) -> dict[str, Any]:
    """Return the choices that are about something."""
    return {code: choice for code, choice in task["choices"].items() if not _says_nothing(code, choice)}


def _nothing(task: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the choice that says that nothing is there; no choice where the task has none."""
    codes = [code for code, choice in task["choices"].items() if _says_nothing(code, choice)]
    return [{"choice": code, "answers": {}, "filters": {}} for code in codes[:1]]


def _says_nothing(code: str, choice: Mapping[str, Any]) -> bool:
    return _MEANING.means_nothing(code) or _MEANING.means_nothing(str(choice.get("label", "")))
