"""Which frames teach a model, which choose its threshold and which test it: pure functions."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from kso_utils.core.errors import ConfigError
from kso_utils.core.report import Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kso_utils.core.report import Severity

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
FEWEST_SITES = 6


def choose_group(frames: pd.DataFrame, group: str = "auto") -> str:
    """Return the column that splits keep whole: `site_id` or `movie_id`.

    Frames of one movie, and movies of one fixed camera, are near copies: a model tested on what it almost saw in
    training is tested on its memory.

    Parameters
    ----------
    frames
        One row a frame with `movie_id` and `site_id`.
    group
        `"site"`, `"movie"`, or `"auto"`: sites where at least six have frames, else movies.

    Raises
    ------
    ConfigError
        If `group` is something else.
    """
    if group not in {"auto", "site", "movie"}:
        raise ConfigError(f"group is {group!r}; give 'auto', 'site' or 'movie'.")
    if group == "auto":
        group = "site" if frames["site_id"].nunique() >= FEWEST_SITES else "movie"
    return f"{group}_id"


def assign_splits(sizes: pd.Series[int], split: Sequence[float] = (0.7, 0.15, 0.15), seed: int = 0) -> dict[int, Split]:
    """Assign whole groups to train, val and test.

    The largest group goes first, each to the split that is furthest below its share; groups of one size are taken
    in an order that the seed decides. With as many groups as wanted splits none is left empty. The result depends
    on the groups, their sizes and the seed alone, not on the order of the rows.

    Parameters
    ----------
    sizes
        Frames a group, indexed by the group's id.
    split
        The shares of train, val and test; they are scaled to 1. A split of share 0 gets nothing.
    seed
        Another seed gives another choice among equally large groups.

    Returns
    -------
    dict
        Group -> split. With two groups only train and val are filled, with one only train.

    Raises
    ------
    ConfigError
        If the shares are not three numbers from 0, or train has none.
    """
    shares = np.asarray(split, dtype=float)
    if shares.shape != (3,) or not np.isfinite(shares).all() or (shares < 0).any() or shares[0] == 0:
        raise ConfigError(
            f"split is {tuple(split)}; give the shares of train, val and test, such as (0.7, 0.15, 0.15)."
        )
    order = sorted(sizes.index, key=lambda group: (-int(sizes[group]), _draw(group, seed)))
    wanted = np.flatnonzero(shares > 0)
    if len(order) < len(wanted):
        return {group: SPLITS[number] for group, number in zip(order, wanted, strict=False)}
    room = shares / shares.sum() * float(sizes.sum())
    empty = shares > 0
    assigned: dict[int, Split] = {}
    for left, group in zip(range(len(order), 0, -1), order, strict=True):
        # As soon as the groups left are needed to fill what is empty, they go there.
        open_splits = empty if left <= empty.sum() else shares > 0
        best = int(np.where(open_splits, room, -np.inf).argmax())
        room[best] -= int(sizes[group])
        empty[best] = False
        assigned[group] = SPLITS[best]
    return assigned


def _draw(group: object, seed: int) -> str:
    return hashlib.sha256(f"{seed}:{group}".encode()).hexdigest()


def count_classes(frames: pd.DataFrame, boxes: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame:
    """Return the number of boxes of each class in each split.

    Parameters
    ----------
    frames
        One row a frame: `subject_id`, `split`.
    boxes
        One row a box: `subject_id`, `label`.
    labels
        The classes.

    Returns
    -------
    DataFrame
        int64; indexed by label, one column a split.
    """
    placed = boxes.merge(frames[["subject_id", "split"]], on="subject_id")
    table = pd.crosstab(placed["label"], placed["split"])
    return table.reindex(index=pd.Index(labels, name="label"), columns=list(SPLITS), fill_value=0).astype("int64")


def describe_splits(frames: pd.DataFrame, counts: pd.DataFrame, group: str, asked: str) -> list[Finding]:
    """Return what a person must know about a split: what it kept whole (first), its sizes, and what it lacks.

    Parameters
    ----------
    frames
        One row a frame: `movie_id`, `site_id`, `split`.
    counts
        From `count_classes`.
    group
        From `choose_group`.
    asked
        What was asked for: `"auto"`, `"site"` or `"movie"`.
    """
    whole = group.removesuffix("_id")
    sizes = frames["split"].value_counts()
    filled = [name for name in SPLITS if name in sizes.index]
    sites, movies = frames["site_id"].nunique(), frames["movie_id"].nunique()
    why = f" (only {sites} of the {FEWEST_SITES} sites that a split by site needs)" if _fell_back(asked, whole) else ""
    held = f"Whole {whole}s were held out{why}" if len(filled) > 1 else "Nothing was held out"
    code = f"SPLIT_BY_{whole.upper()}" if len(filled) > 1 else "SPLIT_NONE"
    findings = [_finding(code, "info", whole, f"{held}: {sites} sites, {movies} movies.")]
    for name in SPLITS:
        boxes = ", ".join(f"{label} {number}" for label, number in counts[name].items())
        text = f"{name}: {sizes.get(name, 0)} frames; boxes: {boxes}."
        findings.append(_finding("SPLIT_SIZE", "info", str(sizes.get(name, 0)), text))
    findings += [_shared(name, stand_in(name, filled), whole) for name in SPLITS if name not in filled]
    for name in filled:
        for label in counts.index[counts[name] == 0]:
            text = f"No box of {label} is in {name}: what the model makes of it there is not known."
            findings.append(_finding("CLASS_ABSENT", "warning", str(label), text, "Annotate more frames of it."))
    return findings


def stand_in(name: Split, filled: Sequence[Split]) -> Split:
    """Return the split whose frames are used for `name`: itself if it has any, else val, else train."""
    return next(s for s in (name, "val", "train") if s in filled)


def _fell_back(asked: str, whole: str) -> bool:
    return asked == "auto" and whole == "movie"


def _shared(name: str, used: str, whole: str) -> Finding:
    return _finding(
        "SPLIT_SHARED",
        "warning",
        name,
        f"No {whole} is held out for {name}: the frames of {used} are used again. "
        f"Measured on them, the model looks better than it is.",
        f"To hold some out, annotate frames of more {whole}s and give {name} a share.",
    )


def _finding(code: str, severity: Severity, value: str, message: str, fix: str = "") -> Finding:
    return Finding("training set", None, None, code, severity, value, message, fix)
