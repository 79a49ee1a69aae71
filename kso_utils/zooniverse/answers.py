"""What volunteers marked, as a table: one row a choice, shape or answer."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from kso_utils.core.errors import MetadataError
from kso_utils.zooniverse.workflows import Task, TaskMap, Workflows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd

CLASSIFICATION_COLUMNS = (
    "classification_id",
    "user",
    "user_kind",
    "subject_id",
    "workflow_id",
    "version_major",
    "version_minor",
    "created_at",
    "seen_before",
    "live",
    "gold_standard",
    "expert",
)
_VERSION = ("workflow_id", "version_major", "version_minor")
_BOX = ("x", "y", "width", "height", "angle")
_NOT_GEOMETRY = {*_BOX, "tool", "toolIndex", "toolType", "tool_label", "frame", "details", "markId"}


class Mark(NamedTuple):
    """One row of `flatten`, less the columns of its classification."""

    task: str | None
    label: str | None = None
    labels_from: str | None = None
    how_many: float | None = None
    first_seen_s: float | None = None
    frame: int | None = None
    shape: str | None = None
    x: float | None = None
    y: float | None = None
    width: float | None = None
    height: float | None = None
    angle: float | None = None
    geometry: dict[str, Any] | None = None
    raw: str | None = None

    @property
    def empty(self) -> bool:
        """Whether the row says that nothing was marked."""
        return self.label is None and self.shape is None and self.raw is None


def flatten(
    classifications: pd.DataFrame, workflows: pd.DataFrame | None = None, tasks: TaskMap | None = None
) -> pd.DataFrame:
    """Return one row for each choice, shape and answer that volunteers gave.

    Parameters
    ----------
    classifications
        As `read_exports` gives them, or as the store keeps them (`id` for `classification_id`, `annotations`
        parsed). Of a classification of several subjects the rows name the first.
    workflows
        The workflows export. Labels come from the very version that was answered; where it is missing, from
        what the classifications export says itself.
    tasks
        What the questions and labels of the project mean.

    Returns
    -------
    DataFrame
        The columns of the classification, then `task, label, labels_from, how_many, first_seen_s, frame, shape, x, y,
        width, height, angle, geometry, raw`, in the order of the input. `labels_from` is `workflow`, `export`
        (texts that the export carries) or `codes`. `x, y` are natural-image pixels: the top-left corner of
        boxes, the centre of circles and ellipses; what else a shape has is in `geometry`. `raw` keeps as JSON what no
        column holds. A task in which nothing was marked gives a row without label, shape and raw; a classification that
        marks nothing at all gives exactly one such row.

    Raises
    ------
    MetadataError
        If an annotation is not JSON, or a column is missing.
    """
    import numpy as np
    import pandas as pd

    frame = classifications.rename(columns={"id": "classification_id"})
    missing = [c for c in (*CLASSIFICATION_COLUMNS, "annotations") if c not in frame.columns]
    if missing:
        raise MetadataError(f"Classifications lack the columns {', '.join(missing)}. Read them with read_exports.")
    reader = _Reader(tasks or TaskMap(), None if workflows is None else Workflows(workflows))
    # Surveys repeat the same few answers, so each distinct text of a version is parsed once.
    versions = frame.groupby(list(_VERSION), sort=False).ngroup().to_numpy()
    annotations = frame["annotations"]
    text_codes, texts = pd.factorize(annotations.map(_as_text) if annotations.dtype == object else annotations)
    codes, distinct = pd.factorize(versions * len(texts) + text_codes)
    first_rows = np.unique(codes, return_index=True)[1]
    asked = zip(*(frame[c].to_numpy()[first_rows] for c in _VERSION), texts[distinct % max(len(texts), 1)], strict=True)
    marks: list[Mark] = []
    counts = np.zeros(len(distinct), dtype=np.int64)
    for number, (workflow_id, major, minor, text) in enumerate(asked):
        try:
            read = reader.read(text, int(workflow_id), int(major), int(minor))
        except (ValueError, AttributeError, TypeError, KeyError) as error:
            where = frame["classification_id"].iloc[first_rows[number]]
            raise MetadataError(f"The annotations of classification {where} cannot be read: {error}.") from error
        counts[number] = len(read)
        marks.extend(read)
    rows, picked = _expand(codes, counts)
    left = frame[list(CLASSIFICATION_COLUMNS)].take(rows).reset_index(drop=True)
    return pd.concat([left, _mark_frame(marks).take(picked).reset_index(drop=True)], axis=1)


def _expand(codes: Any, counts: Any) -> tuple[Any, Any]:
    """Return, for each row of the result, the number of its classification and of its mark."""
    import numpy as np

    each = counts[codes]
    rows = np.repeat(np.arange(len(codes)), each)
    starts = np.cumsum(counts) - counts
    within = np.arange(len(rows)) - np.repeat(np.cumsum(each) - each, each)
    return rows, starts[codes][rows] + within


def _mark_frame(marks: list[Mark]) -> pd.DataFrame:
    import pandas as pd

    table = pd.DataFrame.from_records(marks, columns=list(Mark._fields))
    numbers = ("how_many", "first_seen_s", *_BOX)
    kinds = dict.fromkeys(("task", "label", "labels_from", "shape", "raw"), "str") | dict.fromkeys(numbers, "float64")
    table = table.astype({**kinds, "frame": "Int64"})
    return table.assign(geometry=pd.Series([m.geometry for m in marks], dtype=object))


@dataclass(frozen=True, slots=True)
class _Reader:
    """Turns the annotations of one classification into marks."""

    tasks: TaskMap
    workflows: Workflows | None

    def read(self, text: str, workflow_id: int, major: int, minor: int) -> list[Mark]:
        """Return the marks of one classification, at least one."""
        known = self.workflows.find(workflow_id, major, minor) if self.workflows else None
        annotations = json.loads(text) or []
        details = {(a["task"], a["markIndex"]): a.get("value") for a in annotations if "markIndex" in a}
        marks: list[Mark] = []
        for annotation in _unnested(annotations):
            task = annotation.get("task")
            given = [m for m in self._marks(annotation, (known or {}).get(str(task)), details) if not m.empty]
            marks += given or [Mark(task)]
        given = [m for m in marks if not m.empty]
        return marks if given else (marks[:1] or [Mark(None)])

    def _marks(self, annotation: Mapping[str, Any], task: Task | None, details: Mapping[Any, Any]) -> Iterator[Mark]:
        name, value = annotation.get("task"), annotation.get("value")
        kind = task.kind if task else annotation.get("taskType") or annotation.get("task_type") or ""
        for number, item in enumerate(value if isinstance(value, list) else [value]):
            if item is None or item == "":
                continue
            if isinstance(item, dict) and "choice" in item:
                yield self._choice(name, item, task)
            elif isinstance(item, dict) and ("select_label" in item or "option" in item):
                yield self._label(name, item.get("label") or item.get("value"), "export", _compact(item))
            elif isinstance(item, dict) and (kind == "drawing" or {"tool", "toolIndex", "frame"} & item.keys()):
                yield _shape(name, number, item, task, details)
            elif isinstance(item, str) and kind != "text" and "slider" not in kind:
                yield self._label(name, item, "export")
            elif isinstance(item, int) and task and 0 <= item < len(task.answers):
                yield self._label(name, task.answers[item], "workflow")
            else:
                yield Mark(name, raw=_compact(item))

    def _label(self, task: str | None, label: Any, source: str, raw: str | None = None) -> Mark:
        if label in (None, "") or self.tasks.means_nothing(str(label)):
            return Mark(task)
        return Mark(task, str(label), source, raw=raw)

    def _choice(self, name: str | None, item: Mapping[str, Any], task: Task | None) -> Mark:
        code = str(item["choice"])
        label = task.choices.get(code) if task else None
        if self.tasks.means_nothing(code) or self.tasks.means_nothing(label or ""):
            return Mark(name)
        # Fresh for every choice: what one choice was not asked must not come from the one before it.
        how_many = first_seen = math.nan
        answers = item.get("answers") or {}
        for question, answer in answers.items():
            texts = task.questions.get(question, {}) if task else {}
            text = texts.get(answer) if isinstance(answer, str) else None
            if self.tasks.asks_how_many(question):
                how_many = self.tasks.number(answer, text)
            elif self.tasks.asks_first_seen(question):
                first_seen = self.tasks.number(answer, text)
        raw = _compact({"choice": code, "answers": answers})
        return Mark(name, label or code, "workflow" if label else "codes", how_many, first_seen, raw=raw)


def _unnested(annotations: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield annotations, those inside a combination one by one, and none that only details a mark."""
    for annotation in annotations:
        value = annotation.get("value")
        if "markIndex" in annotation:
            continue
        if isinstance(value, list) and value and all(isinstance(v, dict) and "task" in v for v in value):
            yield from _unnested(value)
        else:
            yield annotation


def _shape(
    name: str | None, number: int, item: Mapping[str, Any], task: Task | None, details: Mapping[Any, Any]
) -> Mark:
    index = item.get("toolIndex", item.get("tool"))
    tool = task.tools[index] if task and isinstance(index, int) and 0 <= index < len(task.tools) else ("", "")
    label, source = next(
        (text, source)
        for text, source in ((tool[0], "workflow"), (item.get("tool_label"), "export"), (str(index), "codes"))
        if text
    )
    box = {key: _finite(item.get(key)) for key in _BOX}
    geometry = {key: value for key, value in item.items() if key not in _NOT_GEOMETRY}
    if "x_center" in item:
        box["x"], box["y"] = _corner(item, "x_center", "width"), _corner(item, "y_center", "height")
    if not _usable(box):
        geometry |= {key: item.get(key) for key in ("width", "height")}
        box["width"] = box["height"] = None
    answers = [
        {**detail, "value": details[detail["task"], number]} if (detail.get("task"), number) in details else detail
        for detail in item.get("details") or []
    ]
    return Mark(
        name,
        str(label),
        source,
        frame=int(item.get("frame") or 0),
        shape=str(item.get("toolType") or tool[1] or _guess_shape(item)),
        **box,
        geometry=geometry or None,
        raw=_compact(answers) if answers else None,
    )


def _usable(box: dict[str, float | None]) -> bool:
    """Turn a box that was dragged to the left or upwards; return whether its sides, if any, are positive."""
    for corner, side in (("x", "width"), ("y", "height")):
        start, length = box[corner], box[side]
        if length is not None and length < 0 and start is not None:
            box[corner], box[side] = start + length, -length
    return all(side is None or side > 0 for side in (box["width"], box["height"]))


def _corner(item: Mapping[str, Any], centre: str, side: str) -> float | None:
    middle, length = _finite(item.get(centre)), _finite(item.get(side))
    return None if middle is None else middle - (length or 0) / 2


def _guess_shape(item: Mapping[str, Any]) -> str:
    for key, shape in (
        ("points", "polygon"),
        ("pathX", "freehandLine"),
        ("rx", "ellipse"),
        ("spread", "fan"),
        ("r", "circle"),
        ("x1", "line"),
    ):
        if key in item:
            return shape
    if {"width", "height"} <= item.keys():
        return "rotateRectangle" if "angle" in item else "rectangle"
    if "width" in item:
        return "column"
    return "point" if {"x", "y"} <= item.keys() else "unknown"


def _finite(value: Any) -> float | None:
    number = float(value) if isinstance(value, int | float) else math.nan
    return number if math.isfinite(number) else None


def _as_text(annotations: Any) -> str:
    return annotations if isinstance(annotations, str) else json.dumps(annotations)


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
