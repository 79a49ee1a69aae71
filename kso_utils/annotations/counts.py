"""How many animals: counts from boxes, whoever or whatever drew them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kso_utils.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

_COUNTED = {"max_n": "int64", "frame_number": "int64", "pts_s": "float64", "first_arrival_s": "float64"}
_PLACE = ("movie_id", "filename")
"""Columns that say which movie a frame belongs to: frame 7 of two movies is never one frame."""


def max_n(
    marks: pd.DataFrame,
    by: Sequence[str] = ("movie_id", "label"),
    bin_s: float | None = None,
    min_track_frames: int | None = None,
) -> pd.DataFrame:
    """Return MaxN: the largest number of animals in any one frame.

    MaxN (MinCount, MaxNo) never counts an animal twice; see Campbell et al. 2015, Fisheries Research 170:125-133.
    The count of a frame is the number of rows of one group in it, so with `label` in `by` each species is counted
    for itself.

    Parameters
    ----------
    marks
        One row a box: `frame_number`, `pts_s` (seconds since the movie's first frame), the columns of `by`, and
        `movie_id` or `filename` where `by` spans several movies. Rows without a frame number, or without a value
        in a column of `by` (a frame in which nothing was seen), count nothing.
    by
        The columns that make a group.
    bin_s
        Where given, each group is also cut into periods of so many seconds, counted from the movie's start; a mark
        on a border belongs to the later period.
    min_track_frames
        Where given, a mark counts only if its track (`track_id`, within one movie) was seen in at least so many
        frames, so that a false detection in one frame cannot decide.

    Returns
    -------
    DataFrame
        The columns of `by`, `bin_start_s` (with `bin_s` only), `max_n`, `frame_number` and `pts_s` of the earliest
        frame with that count, `first_arrival_s` (the earliest `pts_s` of the group). Sorted by group; empty where
        there are no marks.

    Raises
    ------
    ConfigError
        If a column is missing, `bin_s` or `min_track_frames` is not positive, or a mark has no time to bin it by.
    """
    groups = list(by)
    _check_arguments(marks, groups, bin_s, min_track_frames)
    kept = marks.dropna(subset=[*groups, "frame_number"])
    if min_track_frames is not None:
        kept = _on_long_tracks(kept, min_track_frames)
    if bin_s is not None:
        kept = kept.assign(bin_start_s=_bin_starts(kept["pts_s"], bin_s))
        groups = [*groups, "bin_start_s"]
    if kept.empty:
        empty = {"bin_start_s": "float64"} if bin_s is not None else {}
        return pd.DataFrame(columns=[*groups, *_COUNTED]).astype({**empty, **_COUNTED})
    return _largest(_count_frames(kept, groups), groups)


def _check_arguments(marks: pd.DataFrame, groups: list[str], bin_s: float | None, min_track_frames: int | None) -> None:
    wanted = [*groups, "frame_number", "pts_s", *(["track_id"] if min_track_frames is not None else [])]
    missing = [column for column in wanted if column not in marks.columns]
    if missing:
        raise ConfigError(f"The marks have no column {', '.join(missing)}. MaxN needs {', '.join(wanted)}.")
    if bin_s is not None and not 0 < bin_s < np.inf:
        raise ConfigError(f"bin_s is {bin_s}; give a number of seconds above 0.")
    if min_track_frames is not None and min_track_frames < 1:
        raise ConfigError(f"min_track_frames is {min_track_frames}; give 1 or more.")


def _on_long_tracks(marks: pd.DataFrame, min_track_frames: int) -> pd.DataFrame:
    track = [*(column for column in _PLACE if column in marks.columns), "track_id"]
    lengths = marks.groupby(track, observed=True)["frame_number"].transform("nunique")
    return marks[lengths >= min_track_frames]


def _bin_starts(times_s: pd.Series[float], bin_s: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    position = times_s.to_numpy(dtype=np.float64) / bin_s
    if not np.isfinite(position).all():
        raise ConfigError("A mark has no pts_s, so it falls in no period. Give pts_s for every mark, or no bin_s.")
    # 0.3 / 0.1 is 2.9999999999999996: a time within rounding of a border is on the border.
    nearest = np.round(position)
    whole = np.where(np.isclose(position, nearest, rtol=1e-9, atol=1e-9), nearest, np.floor(position))
    starts: np.ndarray[tuple[int], np.dtype[np.float64]] = whole * bin_s
    return starts


def _count_frames(marks: pd.DataFrame, groups: list[str]) -> pd.DataFrame:
    place = [column for column in _PLACE if column in marks.columns and column not in groups]
    frames = marks.groupby([*groups, *place, "frame_number"], observed=True, dropna=False, sort=True)["pts_s"]
    return frames.agg(max_n="size", pts_s="min").reset_index()


def _largest(frames: pd.DataFrame, groups: list[str]) -> pd.DataFrame:
    arrivals = frames.groupby(groups, observed=True)["pts_s"].min().rename("first_arrival_s")
    ranked = frames.sort_values(["max_n", "frame_number"], ascending=[False, True], kind="stable")
    first = ranked.drop_duplicates(groups).sort_values(groups, kind="stable")
    result = first.merge(arrivals.reset_index(), on=groups)
    return result[[*groups, *_COUNTED]].astype(_COUNTED).reset_index(drop=True)
