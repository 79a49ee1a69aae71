"""How simulated people see: what one of them makes of a clip or frame, erring at known rates.

Their answers are in the shapes of Zooniverse's classifier, so that they can stand for real ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kso_utils.zooniverse.sandbox.tasks import NOTHING_HERE
from kso_utils.zooniverse.workflows import code_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    import pandas as pd


@dataclass(frozen=True)
class Rates:
    """How volunteers err.

    Attributes
    ----------
    miss
        Share of the species present that a person does not report.
    invent
        Share of the clips in which a person reports a species that is not there.
    confuse
        Share of the species seen that a person takes for another one.
    edge
        Standard deviation of each edge of a box, as a share of the side that it moves along.
    recount
        Probability that a count is one off.
    delay_s
        Standard deviation of the time of the first sight, in seconds.
    overcount
        Share by which counts are too high on the whole, or too low where negative.
    enlarge
        Share by which the sides of boxes are too long on the whole, or too short where negative.
    shift
        Share of its sides by which a box lies too far to the right and down, or to the left and up where negative.
    """

    miss: float = 0.10
    invent: float = 0.10
    confuse: float = 0.05
    edge: float = 0.06
    recount: float = 0.10
    delay_s: float = 0.5
    overcount: float = 0.0
    enlarge: float = 0.0
    shift: float = 0.0


def answer_clip(
    truth_rows: pd.DataFrame,
    labels: Sequence[str],
    rng: np.random.Generator,
    rates: Rates | None = None,
    task: str = "T0",
) -> list[dict[str, Any]]:
    """Return what one person answers to a clip: the annotations of one classification, a survey task.

    Parameters
    ----------
    truth_rows
        One row a species present, with `label`, `how_many` and `first_seen_s` (from `clip_truth`).
    labels
        All species that may be reported, without the answer for nothing.
    rng
        The person's source of randomness.
    rates
        How the person errs; by default as in `Rates`.
    task
        The name of the task in the workflow.

    Returns
    -------
    list of dict
        `[{"task", "value": [{"choice": CODE, "answers": {"HOWMANY": "2", "FIRSTSEEN": "3S"}, "filters": {}}]}]`;
        where nothing was seen, the choice `NOTHINGHERE` without answers.
    """
    seen = see_species(truth_rows, labels, rng, rates or Rates())
    value = [
        {"choice": code_of(s), "answers": {"HOWMANY": str(n), "FIRSTSEEN": f"{int(t)}S"}, "filters": {}}
        for s, (n, t) in seen.items()
    ]
    nothing = {"choice": code_of(NOTHING_HERE), "answers": {}, "filters": {}}
    return [{"task": task, "value": value or [nothing]}]


def see_species(
    truth_rows: pd.DataFrame, labels: Sequence[str], rng: np.random.Generator, rates: Rates
) -> dict[str, tuple[int, float]]:
    """Return what a person sees in a clip: label -> how many, and the second of the first sight.

    Parameters
    ----------
    truth_rows, labels, rng, rates
        As for `answer_clip`.
    """
    seen: dict[str, tuple[int, float]] = {}
    for present, how_many, first_seen_s in _rows(truth_rows, "label", "how_many", "first_seen_s"):
        label = _perceive(present, labels, rng, rates)
        if label is not None:
            count = max(1, round(int(how_many) * (1 + rates.overcount)) + _slip(rng, rates))
            first = max(0.0, float(first_seen_s) + rng.normal(0, rates.delay_s))
            before = seen.get(label, (0, first))
            seen[label] = (max(before[0], count), min(before[1], first))
    absent = [label for label in labels if label not in {*truth_rows["label"].tolist(), *seen}]
    if rng.uniform() < rates.invent and absent:
        seen[absent[int(rng.integers(len(absent)))]] = (1, float(rng.uniform(0, 8)))
    return seen


def answer_frame(
    boxes: pd.DataFrame,
    labels: Sequence[str],
    rng: np.random.Generator,
    rates: Rates | None = None,
    task: str = "T0",
) -> list[dict[str, Any]]:
    """Return what one person answers to a frame: the annotations of one classification, a drawing task.

    A species that the person misses or confuses is missed or confused as a whole: all its boxes share the fate.

    Parameters
    ----------
    boxes
        One row an animal, with `label, x, y, width, height` in pixels.
    labels
        The tools of the task, in order.
    rng
        The person's source of randomness.
    rates
        How the person errs; by default as in `Rates`.
    task
        The name of the task in the workflow.

    Returns
    -------
    list of dict
        `[{"task", "value": [{"tool", "tool_label", "frame", "details", "x", "y", "width", "height"}]}]`; an empty
        value where nothing was seen.
    """
    rates = rates or Rates()
    ends = [rates.shift - rates.enlarge / 2, 1 + rates.shift + rates.enlarge / 2]
    fate = {label: _perceive(label, labels, rng, rates) for label in dict.fromkeys(boxes["label"].tolist())}
    value = []
    for present, x, y, width, height in _rows(boxes, "label", "x", "y", "width", "height"):
        label = fate[present]
        if label is None:
            continue
        left, right = rng.normal(ends, rates.edge) * width + x
        top, bottom = rng.normal(ends, rates.edge) * height + y
        box = {"x": left, "y": top, "width": max(right - left, 1.0), "height": max(bottom - top, 1.0)}
        mark = {"tool": list(labels).index(label), "tool_label": label, "frame": 0, "details": []}
        value.append({**mark, **{name: round(float(v), 2) for name, v in box.items()}})
    return [{"task": task, "value": value}]


def _perceive(label: str, labels: Sequence[str], rng: np.random.Generator, rates: Rates) -> str | None:
    """Return what the person takes a species for, None if it is missed."""
    if rng.uniform() < rates.miss:
        return None
    others = [other for other in labels if other != label]
    if rng.uniform() < rates.confuse and others:
        return others[int(rng.integers(len(others)))]
    return label


def _slip(rng: np.random.Generator, rates: Rates) -> int:
    return int(rng.choice([-1, 1])) if rng.uniform() < rates.recount else 0


def _rows(table: pd.DataFrame, *columns: str) -> Iterator[tuple[Any, ...]]:
    return zip(*(table[c].tolist() for c in columns), strict=True)
