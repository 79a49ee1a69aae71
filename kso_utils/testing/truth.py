"""Questions to the truth of generated footage: what is in a clip, and how many at most."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Hashable


def clip_truth(truth: pd.DataFrame, clips: pd.DataFrame, min_frames: int = 5) -> pd.DataFrame:
    """Return what is to be seen in clips.

    Parameters
    ----------
    truth
        The truth of a `Reef`.
    clips
        One row a clip with `filename`, `clip_start_time` and `clip_end_time` in seconds; a frame belongs to a clip
        if start <= time < end. Further columns are kept.
    min_frames
        A label counts as present if it is visible in at least so many frames of the clip.

    Returns
    -------
    DataFrame
        One row a clip and present label: the columns of `clips`, `label`, `how_many` (the most in one frame) and
        `first_seen_s` (seconds from the start of the clip to the first frame with the label), with the index of
        the clip's row.
    """
    found = []
    for index, clip in clips.iterrows():
        start = float(clip["clip_start_time"])
        within = truth["pts_s"].ge(start) & truth["pts_s"].lt(float(clip["clip_end_time"]))
        inside = truth[within & truth["filename"].eq(clip["filename"])]
        for label, rows in inside.groupby("label", sort=True):
            per_frame = rows.groupby("frame_number").size()
            if len(per_frame) >= min_frames:
                seen: dict[Hashable, object] = {"label": label, "how_many": int(per_frame.max())}
                found.append((index, {**clip.to_dict(), **seen, "first_seen_s": float(rows["pts_s"].min()) - start}))
    columns = [*clips.columns, "label", "how_many", "first_seen_s"]
    return pd.DataFrame([row for _, row in found], columns=columns, index=pd.Index([i for i, _ in found]))


def max_n_truth(truth: pd.DataFrame) -> pd.DataFrame:
    """Return `filename, label, max_n`: the most animals of a label in one frame of the movie.

    Counted one row at a time, so that it can check faster counts.
    """
    per_frame: dict[tuple[str, str, int], int] = {}
    for place in zip(truth["filename"], truth["label"], truth["frame_number"], strict=True):
        per_frame[place] = per_frame.get(place, 0) + 1
    most: dict[tuple[str, str], int] = {}
    for (filename, label, _), count in per_frame.items():
        most[filename, label] = max(count, most.get((filename, label), 0))
    rows = [(filename, label, count) for (filename, label), count in sorted(most.items())]
    return pd.DataFrame(rows, columns=["filename", "label", "max_n"])
