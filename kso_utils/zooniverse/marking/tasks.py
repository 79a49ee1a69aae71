"""What one classification says, task by task: a row for each choice, answer and mark."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kso_utils.zooniverse.marking.drawings import draw
from kso_utils.zooniverse.marking.marks import Mark, Problem, SubAnswer, compact, decode, is_blank, shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kso_utils.zooniverse.workflows import Task, TaskMap

_DRAWN = frozenset({"drawing", "transcription", "crop", "dataVisAnnotation"})
_WRITTEN = frozenset({"text", "textFromSubject", "slider"})
_ASKED = frozenset({"single", "multiple", "shortcut"})
_LISTED = frozenset({"dropdown", "dropdown-simple"})
_KNOWN = _DRAWN | _WRITTEN | _ASKED | _LISTED | {"survey", "combo", "highlighter"}
_TOOL_KEYS = frozenset({"tool", "toolIndex", "toolType"})
_SELECT_KEYS = frozenset({"select_label", "option", "selection"})
# What an export says where Zooniverse itself did not find the version that was answered.
_UNKNOWN_ANSWER = "unknown answer label"

SubAnswers = dict[tuple[str, int], list[SubAnswer]]


@dataclass(slots=True)
class Reader:
    """Turns the annotations of classifications of one version of a workflow into marks.

    Attributes
    ----------
    meanings
        What the project's questions and labels mean.
    tasks
        The tasks of that version; None where they are not known.
    problems
        What was not as its task says in the classification that was read last.
    """

    meanings: TaskMap
    tasks: Mapping[str, Task] | None = None
    problems: list[Problem] = field(default_factory=list)
    _nothing: dict[str, bool] = field(default_factory=dict)

    def read(self, text: str) -> list[Mark]:
        """Return the marks of one classification from its annotations as JSON text, at least one.

        Raises
        ------
        ValueError, RecursionError
            If the text cannot be read at all (`marks.decode`).
        """
        self.problems = []
        marks: list[Mark] = []
        said_nothing: list[int] = []
        annotations, answers = _sort(decode(text))
        for annotation in annotations:
            name = annotation.get("task") if isinstance(annotation, dict) else None
            if not isinstance(name, str):
                self._complain("BAD_ANNOTATION", f"An annotation names no task: {shorten(annotation)}.")
                marks.append(Mark(None, raw=compact(annotation)))
                continue
            found = self._marks(name, annotation, answers)
            given = [mark for mark in found if mark is not None]
            if found and not given:
                said_nothing.append(len(marks))
            marks += given or [Mark(name)]
        for answer in (answer for kept in answers.values() for answer in kept if not is_blank(answer.value)):
            self._complain("BAD_ANNOTATION", f"Task {answer.task} is answered for a mark that is not there.")
            marks.append(Mark(answer.task, raw=compact(answer.value)))
        return _once_nothing(marks, said_nothing) or [Mark(None)]

    def _complain(self, code: str, message: str) -> None:
        self.problems.append(Problem(code, message))

    def _marks(self, name: str, annotation: Mapping[str, Any], answers: SubAnswers) -> list[Mark | None]:
        """Return the marks of one task; None stands for an answer to a question that says that nothing is there."""
        task = self.tasks.get(name) if self.tasks else None
        kind = task.kind if task else annotation.get("taskType") or annotation.get("task_type")
        kind = kind if isinstance(kind, str) else ""
        value = annotation.get("value")
        found: list[Mark | None] = []
        odd = []
        for position, item in enumerate(value if isinstance(value, list) else [value]):
            if is_blank(item):
                continue
            if isinstance(item, dict) and (kind in _DRAWN or not _TOOL_KEYS.isdisjoint(item)):
                beside = answers.pop((name, position), ()) if answers else ()
                found.append(draw(name, item, task, beside, self.problems))
                continue
            options = task.selects[position] if task and position < len(task.selects) else ()
            marks = self._answer(name, kind, item, task, _labels(options, by_position=not isinstance(value, list)))
            if marks is None:
                odd.append(item)
            else:
                found += marks
        if odd:
            found.append(Mark(name, raw=compact(odd if isinstance(value, list) else value)))
            if kind in _KNOWN:
                self._complain("BAD_ANNOTATION", f"Task {name} ({kind}) holds what is no answer: {shorten(odd)}.")
            else:
                known = f"of the type {kind!r}, which is not known" if kind else "of a type that is not known"
                self._complain("UNKNOWN_TASK", f"Task {name} is {known}.")
        return found

    def _answer(
        self, name: str, kind: str, item: Any, task: Task | None, options: Mapping[str, str]
    ) -> Sequence[Mark | None] | None:
        """Return what an answer gives, at most one mark; None where it is no answer to a task of that kind."""
        if isinstance(item, dict):
            if "choice" in item:
                return self._choose(name, item, task)
            if kind in _LISTED or not _SELECT_KEYS.isdisjoint(item):
                return _select(name, item, options)
            return _highlight(name, item)
        if kind in _WRITTEN and isinstance(item, str | int | float):
            return [Mark(name, raw=compact(item))]
        if isinstance(item, str) and (kind in _ASKED or not kind):
            if item == _UNKNOWN_ANSWER:
                self._complain("UNKNOWN_ANSWER", f"Zooniverse did not know the answers of task {name} any more.")
                return [Mark(name, raw=compact(item))]
            return [None if self._means_nothing(item) else Mark(name, item, "export")]
        if type(item) is int and item >= 0 and kind in _ASKED:
            return self._look_up(name, item, task)
        return None

    def _look_up(self, name: str, index: int, task: Task | None) -> list[Mark | None]:
        label = task.answers[index] if task and index < len(task.answers) else ""
        if task and not label:
            self._complain("UNKNOWN_CHOICE", f"Task {name} has no answer {index}.")
        if self._means_nothing(label):
            return [None]
        return [Mark(name, label or str(index), "workflow" if label else "codes")]

    def _choose(self, name: str, item: Mapping[str, Any], task: Task | None) -> list[Mark] | None:
        code, answers = item["choice"], item.get("answers") or {}
        if not isinstance(code, str) or not code or not isinstance(answers, dict):
            return None
        label = task.choices.get(code, "") if task else ""
        if task and code not in task.choices:
            self._complain("UNKNOWN_CHOICE", f"Task {name} has no choice {shorten(code)}.")
        if self._means_nothing(code) or self._means_nothing(label):
            return []
        questions = task.questions if task else {}
        how_many = self._number(answers, questions, self.meanings.asks_how_many)
        first_seen = self._number(answers, questions, self.meanings.asks_first_seen)
        raw = compact({"choice": code, "answers": answers})
        return [Mark(name, label or code, "workflow" if label else "codes", how_many, first_seen, raw=raw)]

    def _number(
        self, answers: Mapping[str, Any], questions: Mapping[str, Mapping[str, str]], asks: Callable[[str], bool]
    ) -> float | None:
        """Return the number that a choice's answers give to a question.

        If several questions ask it, the first by code that was answered with a number counts, in whatever order the
        answers came.
        """
        for question in sorted(filter(asks, answers)):
            texts = questions.get(question, {})
            given = answers[question]
            for answer in given if isinstance(given, list) else [given]:
                number = self.meanings.number(answer, texts.get(answer) if isinstance(answer, str) else None)
                if number == number:
                    return number
        return None

    def _means_nothing(self, label: str) -> bool:
        if label not in self._nothing:
            self._nothing[label] = self.meanings.means_nothing(label)
        return self._nothing[label]


def _sort(annotations: list[Any]) -> tuple[list[Any], SubAnswers]:
    """Return annotations, those inside a combination one by one, and apart from them the answers about marks."""
    plain: list[Any] = []
    answers: SubAnswers = {}
    waiting = annotations[::-1]
    while waiting:
        annotation = waiting.pop()
        value = annotation.get("value") if isinstance(annotation, dict) else None
        if isinstance(value, list) and value and isinstance(value[0], dict) and "task" in value[0]:
            waiting += value[::-1]
        elif isinstance(annotation, dict) and type(annotation.get("markIndex")) is int and _is_sub(annotation):
            name = annotation["task"]
            key = name.rsplit(".", 2)[0], annotation["markIndex"]
            answers.setdefault(key, []).append(SubAnswer(name, value))
        else:
            plain.append(annotation)
    return plain, answers


def _is_sub(annotation: Mapping[str, Any]) -> bool:
    name = annotation.get("task")
    return isinstance(name, str) and name.count(".") >= 2


def _once_nothing(marks: list[Mark], said_nothing: list[int]) -> list[Mark]:
    """Return one row where nothing was marked at all; else no "Nothing here" beside the empty row of another task."""
    if all(mark.empty for mark in marks):
        return marks[:1]
    if not said_nothing:
        return marks
    blank = sum(mark.empty for mark in marks)
    dropped = said_nothing if blank > len(said_nothing) else said_nothing[1:]
    return [mark for number, mark in enumerate(marks) if number not in dropped]


def _labels(options: Sequence[tuple[str, str]], by_position: bool) -> dict[str, str]:
    """Return value -> label of a list's options; the new classifier also names them by position."""
    labels = {str(number): label for number, (_, label) in enumerate(options)} if by_position else {}
    return labels | dict(options)


def _select(name: str, item: Mapping[str, Any], options: Mapping[str, str]) -> list[Mark] | None:
    value = item.get("value", item.get("selection"))
    text = item.get("label")
    if is_blank(value) and is_blank(text):
        return []
    label, source = options.get(str(value), ""), "workflow"
    if not label and isinstance(text, str):
        label, source = text, "export"
    if not label and isinstance(value, str | int | float):
        # Where `option` is false, people wrote the value themselves.
        label, source = str(value), "export" if item.get("option") is False else "codes"
    return [Mark(name, label, source, raw=compact(item))] if label else None


def _highlight(name: str, item: Mapping[str, Any]) -> list[Mark] | None:
    about = item.get("labelInformation")
    label = about.get("label") if isinstance(about, dict) else None
    if not isinstance(label, str) or not label:
        return None
    return [Mark(name, label, "export", raw=compact(item))]
