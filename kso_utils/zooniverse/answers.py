"""What volunteers marked, as a table: one row a choice, shape or answer."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from kso_utils.core.errors import MetadataError
from kso_utils.core.log import logger
from kso_utils.core.progress import track
from kso_utils.core.report import Finding, Report
from kso_utils.zooniverse.marking.marks import Mark, Problem
from kso_utils.zooniverse.marking.tasks import Reader
from kso_utils.zooniverse.workflows import TaskMap, Workflows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

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
_TEXTS = ("task", "label", "labels_from", "shape", "raw")
_BATCH = 20_000
_COUNTED = ("UNKNOWN_TASK", "UNKNOWN_ANSWER")
_log = logger(__name__)


def flatten(
    classifications: pd.DataFrame,
    workflows: pd.DataFrame | Workflows | None = None,
    tasks: TaskMap | None = None,
    report: Report | None = None,
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
    report
        Gets, by classification, what could not be read and why, and how many classifications have tasks that are not
        known or labels that are only codes. Where None, that is logged.

    Returns
    -------
    DataFrame
        The columns of the classification, then `task, label, labels_from, how_many, first_seen_s, frame, shape, x, y,
        width, height, angle, geometry, raw`, in the order of the input. `labels_from` is `workflow`, `export`
        (texts that the export carries) or `codes`. `x, y` are natural-image pixels: the top-left corner of
        boxes, the centre of circles and ellipses; what else a shape has is in `geometry`, as the time of a mark on a
        movie (`displayTime`, 0 to 1). `raw` keeps as JSON what no column holds: texts, numbers of sliders, the codes
        of a choice and its answers, answers about a mark, and tasks that are not known. A task in which nothing was
        marked gives a row without label, shape and raw; a classification that marks nothing at all gives exactly one
        such row, one whose annotations cannot be read gives none.

    Raises
    ------
    MetadataError
        If a column is missing, or a version in the workflows export is damaged.
    """
    import numpy as np
    import pandas as pd

    frame = classifications.rename(columns={"id": "classification_id"})
    missing = [c for c in (*CLASSIFICATION_COLUMNS, "annotations") if c not in frame.columns]
    if missing:
        raise MetadataError(f"Classifications lack the columns {', '.join(missing)}. Read them with read_exports.")
    known = Workflows(workflows) if isinstance(workflows, pd.DataFrame) else workflows
    # Surveys repeat the same few answers, so each distinct text of a version is parsed once.
    versions = frame.groupby(list(_VERSION), sort=False).ngroup().to_numpy()
    annotations = frame["annotations"]
    text_codes, texts = pd.factorize(annotations.map(_as_text) if annotations.dtype == object else annotations)
    codes, distinct = pd.factorize(versions * len(texts) + text_codes)
    first_rows = np.unique(codes, return_index=True)[1]
    readers = _readers(frame, versions, known, tasks or TaskMap())
    asked = zip(versions[first_rows].tolist(), texts[distinct % max(len(texts), 1)].tolist(), strict=True)
    read, counts, problems = _read(track(asked, "Reading annotations", len(distinct)), readers)
    rows, picked = _expand(codes, np.array(counts, dtype=np.int64))
    left = frame[list(CLASSIFICATION_COLUMNS)].take(rows).reset_index(drop=True)
    table = pd.concat([left, read.take(picked).reset_index(drop=True)], axis=1)
    found = Report("Answers") if report is None else report
    found.extend(_list_problems(frame["classification_id"].to_numpy(), codes, problems))
    found.extend(_count_codes(frame.loc[_only_codes(read, counts)[codes], list(_VERSION)], known))
    if report is None and len(found):
        _log.warning("%s", found.brief())
    return table


def _readers(frame: pd.DataFrame, versions: NDArray[Any], known: Workflows | None, tasks: TaskMap) -> list[Reader]:
    """Return a reader for each number of a version."""
    import numpy as np

    first_rows = np.unique(versions, return_index=True)[1]
    asked = frame[list(_VERSION)].iloc[first_rows].itertuples(index=False, name=None)
    return [Reader(tasks, known.find(*map(int, version)) if known else None) for version in asked]


def _read(
    asked: Iterable[tuple[int, str]], readers: Sequence[Reader]
) -> tuple[pd.DataFrame, list[int], dict[int, list[Problem]]]:
    """Return the marks of all texts, how many each has, and what was wrong, by the number of the text."""
    import pandas as pd

    parts: list[pd.DataFrame] = []
    marks: list[Mark] = []
    counts: list[int] = []
    problems: dict[int, list[Problem]] = {}
    for number, (version, text) in enumerate(asked):
        reader = readers[version]
        try:
            read = reader.read(text)
        except (ValueError, RecursionError) as error:
            read = []
            problems[number] = [Problem("UNREADABLE_ANNOTATIONS", f"The annotations cannot be read: {error}.")]
        else:
            if reader.problems:
                problems[number] = reader.problems
        marks += read
        counts.append(len(read))
        if len(marks) >= _BATCH:
            # Columns need a fraction of the memory of marks, and none of the garbage collector's time.
            parts.append(_mark_frame(marks))
            marks = []
    parts.append(_mark_frame(marks))
    return pd.concat(parts, ignore_index=True), counts, problems


def _expand(codes: NDArray[Any], counts: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return, for each row of the result, the number of its classification and of its mark."""
    import numpy as np

    each = counts[codes]
    rows = np.repeat(np.arange(len(codes)), each)
    starts = np.cumsum(counts) - counts
    within = np.arange(len(rows)) - np.repeat(np.cumsum(each) - each, each)
    return rows, starts[codes][rows] + within


def _mark_frame(marks: list[Mark]) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    columns = dict(zip(Mark._fields, zip(*marks, strict=True), strict=True)) if marks else {}
    table = {}
    for name in Mark._fields:
        values = columns.get(name, ())
        if name in _TEXTS:
            table[name] = pd.Series(values, dtype="str")
        elif name == "geometry":
            table[name] = pd.Series(values, dtype=object)
        else:
            table[name] = pd.Series(np.array(values, dtype=np.float64))
    return pd.DataFrame(table).astype({"frame": "Int64"})


def _list_problems(
    ids: NDArray[Any], codes: NDArray[Any], problems: Mapping[int, Sequence[Problem]]
) -> Iterator[Finding]:
    """Yield a finding for each classification that has a problem, and one for each kind of task that is not known."""
    counted: Counter[Problem] = Counter()
    for row, number in enumerate(codes.tolist() if problems else ()):
        for problem in dict.fromkeys(problems.get(number, ())):
            if problem.code in _COUNTED:
                counted[problem] += 1
            else:
                yield _finding(problem.code, ids[row], f"Classification {ids[row]}: {problem.message}")
    for problem, count in counted.items():
        message = f"{problem.message} Its answers are kept in raw, in {count} classifications."
        yield _finding(problem.code, count, message)


def _only_codes(read: pd.DataFrame, counts: Sequence[int]) -> NDArray[np.bool_]:
    """Return which of the texts have labels that are only codes."""
    import numpy as np

    found = np.zeros(len(counts), dtype=bool)
    found[np.repeat(np.arange(len(counts)), counts)[(read["labels_from"] == "codes").to_numpy(bool)]] = True
    return found


def _count_codes(only_codes: pd.DataFrame, known: Workflows | None) -> Iterator[Finding]:
    """Yield a finding for each version of classifications that is not known, as their labels are only codes."""
    counts = only_codes.groupby(list(_VERSION)).size().reset_index()
    for row in counts.itertuples(index=False, name=None):
        workflow_id, major, minor, count = map(int, row)
        if known is None or known.find(workflow_id, major, minor) is None:
            message = (
                f"Version {major}.{minor} of workflow {workflow_id} is not in the workflows export: the labels of "
                f"{count} classifications are codes, and numbers that may be ranges (35 for 3-5) are missing."
            )
            yield _finding("UNKNOWN_VERSION", count, message, "Fetch the workflows export again.")


def _finding(code: str, value: object, message: str, fix: str = "") -> Finding:
    return Finding("classifications", None, "annotations", code, "warning", str(value), message, fix)


def _as_text(annotations: Any) -> str:
    if isinstance(annotations, str):
        return annotations
    return json.dumps(annotations) if isinstance(annotations, list) else ""
