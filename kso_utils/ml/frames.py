"""Which frames go into a training set, and what is in them: pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from kso_utils.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

BOX = ["x", "y", "width", "height"]


def choose_labels(boxes: pd.DataFrame, labels: Sequence[str] | None) -> tuple[str, ...]:
    """Return the classes of a training set, sorted: those asked for, or all that have an agreed box.

    Parameters
    ----------
    boxes
        Agreed boxes with `label`.
    labels
        The classes asked for, or None.

    Raises
    ------
    ConfigError
        If there is no agreed box, or none of a class that was asked for.
    """
    known = sorted(boxes["label"].unique())
    if not known:
        raise ConfigError(
            "No box is agreed, so there is nothing to learn from. Have more people look at the frames, or aggregate "
            "again with a lower agreement."
        )
    absent = sorted(set(labels or ()) - set(known))
    if absent:
        raise ConfigError(f"No agreed box has the label {', '.join(absent)}. There are: {', '.join(known)}.")
    return tuple(sorted(set(labels))) if labels else tuple(known)


def choose_frames(subjects: pd.DataFrame, drawn: pd.DataFrame, lookers: pd.Series[int]) -> pd.DataFrame:
    """Return the frames to learn from: those with an agreed box, and those confirmed to be empty.

    A frame is confirmed empty if enough people looked and no two of them marked one place. A frame about which people
    differ teaches nothing and is left out, as is one with an animal that nobody drew a box around. Of several subjects
    with one frame the one that most people looked at stays.

    Parameters
    ----------
    subjects
        `id`, `movie_id`, `frame_number`; rows without one of the last two are left out.
    drawn
        All marks of the consensus, agreed or not: `subject_id`, `people`, `agreed`, `width` (missing where the mark
        has no box).
    lookers
        How many people looked at each subject at which enough of them did, by its id.

    Returns
    -------
    DataFrame
        `subject_id, movie_id, frame_number` (int64), by movie and frame.
    """
    placed = subjects.dropna(subset=["movie_id", "frame_number"]).rename(columns={"id": "subject_id"})
    people = placed["subject_id"].map(lookers).fillna(0)
    sure = drawn["agreed"].astype(bool)
    agreed = placed["subject_id"].isin(drawn.loc[sure, "subject_id"])
    bare = placed["subject_id"].isin(drawn.loc[sure & drawn["width"].isna(), "subject_id"])
    doubtful = placed["subject_id"].isin(drawn.loc[drawn["people"] >= 2, "subject_id"])
    kept = placed.assign(people=people)[(agreed & ~bare) | ((people > 0) & ~doubtful)]
    kept = kept.sort_values(["movie_id", "frame_number", "people", "subject_id"], ascending=[True, True, False, True])
    columns = ["subject_id", "movie_id", "frame_number"]
    return kept.drop_duplicates(["movie_id", "frame_number"])[columns].astype("int64").reset_index(drop=True)
