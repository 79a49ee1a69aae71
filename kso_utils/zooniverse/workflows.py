"""What a workflow asked: tasks, choices and tools of every version, and how answers become numbers."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from kso_utils.core.errors import MetadataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

_NOT_ALPHANUMERIC = re.compile(r"[\W_]+")
_VOWELS = re.compile("[AEIOUY]")
_LONGEST_COUNT = 12
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_RANGE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:-|\u2013|to)\s*(\d+(?:\.\d+)?)")


@dataclass(frozen=True, slots=True)
class TaskMap:
    """What a project's questions and labels mean.

    Codes are compared without case, spaces and punctuation; a code without vowels, as old projects have them
    (`HWMN`), matches too.

    Attributes
    ----------
    how_many
        Parts of the codes of questions that ask for the number of individuals.
    first_seen
        Parts of the codes of questions that ask for the second of first appearance.
    values
        Answer code -> number, for answers that are no number as they stand (`{"3040": 35}`).
    nothing
        Labels and codes that mean that nothing is there.
    """

    how_many: tuple[str, ...] = ("HOWMANY",)
    first_seen: tuple[str, ...] = ("FIRSTSEEN", "EARLIESTPOINT")
    values: Mapping[str, float] = field(default_factory=dict)
    nothing: tuple[str, ...] = ("NOTHINGHERE", "NOTHING", "NOANIMALS", "NOANIMALSPRESENT", "EMPTY")

    def asks_how_many(self, question: str) -> bool:
        """Return whether a question's code asks for the number of individuals."""
        return _contains(question, self.how_many)

    def asks_first_seen(self, question: str) -> bool:
        """Return whether a question's code asks for the second of first appearance."""
        return _contains(question, self.first_seen)

    def means_nothing(self, label: str) -> bool:
        """Return whether a label or code says that nothing is there."""
        code = code_of(label)
        return any(code in (n, _VOWELS.sub("", n)) for n in map(code_of, self.nothing))

    def number(self, answer: object, label: str | None = None) -> float:
        """Return an answer as a number; NaN where it holds none.

        Parameters
        ----------
        answer
            The answer's code (`"6S"` -> 6, `"4"` for "4+" -> 4).
        label
            The answer's text in the workflow, which keeps what codes lose (`"30-40"` -> 35, `"0.5 s"` -> 0.5). Without
            it a code such as `35` or `3040`, which may be a range, is NaN unless `values` has it.
        """
        code = str(answer) if isinstance(answer, str | int | float) else ""
        if code in self.values:
            return float(self.values[code])
        if not label and _maybe_range(code):
            return math.nan
        text = label or code
        if span := _RANGE.search(text):
            number = (float(span[1]) + float(span[2])) / 2
        else:
            found = _NUMBER.search(text)
            number = float(found[0]) if found else math.nan
        return number if math.isfinite(number) else math.nan


def _maybe_range(code: str) -> bool:
    """Return whether digits may be two ascending numbers whose dash was lost (`35`: 3 to 5, `610`: 6 to 10)."""
    if not code.isdecimal():
        return False
    if len(code) > _LONGEST_COUNT:
        return True
    return any(code[i] != "0" and int(code[:i]) < int(code[i:]) for i in range(1, len(code)))


def _contains(question: str, fragments: Sequence[str]) -> bool:
    code = code_of(question)
    return any(f in code or _VOWELS.sub("", f) in code for f in map(code_of, fragments))


def code_of(label: str) -> str:
    """Return the code that Zooniverse makes of a label: capitals and digits alone."""
    return _NOT_ALPHANUMERIC.sub("", label).upper()


class Tool(NamedTuple):
    """One tool of a drawing task: its label, its shape and the questions that it asks about each mark."""

    label: str
    shape: str
    details: tuple[Task, ...] = ()


@dataclass(frozen=True, slots=True)
class Task:
    """One task of one version of a workflow.

    Attributes
    ----------
    kind
        Zooniverse's type: `survey`, `drawing`, `single`, `multiple`, `shortcut`, `text`, ...
    choices
        Survey: choice code -> label.
    questions
        Survey: question code -> answer code -> label.
    answers
        Single, multiple, shortcut: the labels in order.
    tools
        Drawing: the tools in order.
    selects
        Dropdown: of each list its options in order, as value and label.
    """

    kind: str
    choices: Mapping[str, str] = field(default_factory=dict)
    questions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    answers: tuple[str, ...] = ()
    tools: tuple[Tool, ...] = ()
    selects: tuple[tuple[tuple[str, str], ...], ...] = ()


class Workflows:
    """The tasks of every version in a workflows export, parsed when asked for.

    Parameters
    ----------
    export
        Columns `workflow_id, version, minor_version, tasks, strings`; the last two as JSON text.

    Raises
    ------
    MetadataError
        If a version is not made of whole numbers.
    """

    def __init__(self, export: pd.DataFrame) -> None:
        self._sources: dict[tuple[int, int, int], tuple[str, str]] = {}
        self._minors: dict[tuple[int, int], set[int]] = {}
        for row in export.itertuples(index=False):
            minor = getattr(row, "minor_version", None)
            try:
                number, major = _whole(row.workflow_id), _whole(row.version)
                version = (number, major, 0 if _is_missing(minor) else _whole(minor))
            except ValueError as error:
                raise MetadataError(
                    f"The workflows export has a row of workflow {row.workflow_id!r} with version {row.version!r} and "
                    f"minor version {minor!r}, which must be whole numbers. Download it again."
                ) from error
            self._sources[version] = (_text(row.tasks), _text(row.strings))
            self._minors.setdefault((number, major), set()).add(version[2])
        self._parsed: dict[tuple[int, int, int], dict[str, Task]] = {}

    def find(self, workflow_id: int, major: int, minor: int) -> dict[str, Task] | None:
        """Return task name -> `Task` of exactly that version, or None where the export does not have it.

        Old exports name no minor versions (here 0): their row stands for every minor version, and a classification
        without one belongs to the only row of its major version.

        Raises
        ------
        MetadataError
            If the export's text for that version is not JSON, or holds no tasks.
        """
        minors = self._minors.get((workflow_id, major), set())
        if minor not in minors:
            if 0 in minors:
                minor = 0
            elif minor == 0 and len(minors) == 1:
                (minor,) = minors
            else:
                return None
        version = (workflow_id, major, minor)
        if version not in self._parsed:
            try:
                tasks, strings = (json.loads(text or "{}") or {} for text in self._sources[version])
                self._parsed[version] = {name: _task(name, task, strings) for name, task in tasks.items()}
            except (ValueError, AttributeError, TypeError, RecursionError) as error:
                raise MetadataError(
                    f"The workflows export holds no valid JSON for workflow {workflow_id} version {major}.{minor}. "
                    "Download it again."
                ) from error
        return self._parsed[version]

    def offered(self, workflow_id: int, major: int, minor: int) -> frozenset[str] | None:
        """Return the labels that people could choose or draw in that version; None where the export does not have it.

        These are the choices of survey tasks and the tools of drawing tasks.

        Raises
        ------
        MetadataError
            As `find`.
        """
        tasks = self.find(workflow_id, major, minor)
        if tasks is None:
            return None
        choices = (text or code for task in tasks.values() for code, text in task.choices.items())
        tools = (tool.label for task in tasks.values() if task.kind == "drawing" for tool in task.tools if tool.label)
        return frozenset([*choices, *tools])


def _whole(value: Any) -> int:
    """Return a whole number, which a table with gaps may hold as `5.0`."""
    return int(str(value).removesuffix(".0"))


def _is_missing(value: Any) -> bool:
    return value is None or value != value or value == ""


def _text(value: Any) -> str:
    return "" if _is_missing(value) else str(value)


def _task(name: str, task: dict[str, Any], strings: Mapping[str, Any]) -> Task:
    def text(thing: Any) -> str:
        label = str((thing.get("label") if isinstance(thing, dict) else thing) or "")
        # A key of `strings` (`T0.answers.0.label`) that is not there is no label.
        return str(strings.get(label, "" if label.startswith(f"{name}.") else label) or "")

    def select(options: Any) -> tuple[tuple[str, str], ...]:
        groups = options.values() if isinstance(options, dict) else [options or ()]
        every = [option for group in groups for option in group]
        return tuple((str(o["value"]) if isinstance(o, dict) else str(n), text(o)) for n, o in enumerate(every))

    def details(tool: dict[str, Any]) -> tuple[Task, ...]:
        return tuple(_task(name, detail, strings) for detail in tool.get("details") or ())

    questions = task.get("questions") or {}
    selects = [s.get("options") for s in task.get("selects") or ()]
    return Task(
        kind=str(task.get("type", "")),
        choices={code: text(choice) for code, choice in (task.get("choices") or {}).items()},
        questions={q: {a: text(v) for a, v in (body.get("answers") or {}).items()} for q, body in questions.items()},
        answers=tuple(text(answer) for answer in task.get("answers") or ()),
        tools=tuple(Tool(text(tool), str(tool.get("type", "")), details(tool)) for tool in task.get("tools") or ()),
        selects=tuple(map(select, selects or ([task["options"]] if task.get("options") else ()))),
    )
