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


def count_lookers(classifications: pd.DataFrame) -> pd.Series[int]:
    """Return how many different people looked at each subject.

    Parameters
    ----------
    classifications
        `subject_id`, `user`, `live`, `seen_before`. Those made before the project went live, and second looks, do
        not count.
    """
    counted = classifications[classifications["live"].astype(bool) & ~classifications["seen_before"].astype(bool)]
    return counted.groupby("subject_id")["user"].nunique()


def choose_frames(
    subjects: pd.DataFrame, drawn: pd.DataFrame, lookers: pd.Series[int], min_people: int
) -> pd.DataFrame:
    """Return the frames to learn from: those with an agreed box, and those confirmed to be empty.

    A frame is confirmed empty if enough people looked and no two of them drew a box in one place. A frame about
    which people differ teaches nothing and is left out. Of several subjects with one frame the one that most people
    looked at stays.

    Parameters
    ----------
    subjects
        `id`, `movie_id`, `frame_number`; rows without one of the last two are left out.
    drawn
        All boxes of the consensus, agreed or not: `subject_id`, `people`, `agreed`.
    lookers
        From `count_lookers`.
    min_people
        The least number of people that confirms a frame to be empty.

    Returns
    -------
    DataFrame
        `subject_id, movie_id, frame_number` (int64), by movie and frame.
    """
    placed = subjects.dropna(subset=["movie_id", "frame_number"]).rename(columns={"id": "subject_id"})
    people = placed["subject_id"].map(lookers).fillna(0)
    agreed = placed["subject_id"].isin(drawn.loc[drawn["agreed"].astype(bool), "subject_id"])
    doubtful = placed["subject_id"].isin(drawn.loc[drawn["people"] >= 2, "subject_id"])
    kept = placed.assign(people=people)[agreed | ((people >= min_people) & ~doubtful)]
    kept = kept.sort_values(["movie_id", "frame_number", "people", "subject_id"], ascending=[True, True, False, True])
    columns = ["subject_id", "movie_id", "frame_number"]
    return kept.drop_duplicates(["movie_id", "frame_number"])[columns].astype("int64").reset_index(drop=True)
