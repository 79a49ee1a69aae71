"""Who voted: one person, one vote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from kso_utils.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence


def first_votes(rows: pd.DataFrame, live_only: bool = True, skip_seen_before: bool = True) -> pd.DataFrame:
    """Return the rows that count: of each person, subject and workflow those of the first classification.

    Zooniverse numbers classifications in order of arrival, so the first is the one with the lowest id. A person is
    the value of `user`; a row without one is a person of its own, for nobody can tell. Rows without a subject or a
    classification id are dropped. A classification that marks nothing (its label is missing) stays: the person
    looked, and belongs in the denominator.

    Parameters
    ----------
    rows
        One row a choice or mark, as `zooniverse.flatten` gives them; at least `classification_id`, `subject_id`,
        `user` and `label`. Where `workflow_id` is missing all rows are of one workflow.
    live_only
        Drop classifications made before the project went live (`live` false); unknown counts as live.
    skip_seen_before
        Drop classifications of a subject that Zooniverse itself says the person had seen (`seen_before` true).

    Returns
    -------
    DataFrame
        Some of the rows, with `user` filled, `subject_id` and `classification_id` as int64, and a fresh index.

    Raises
    ------
    ConfigError
        If a column is missing or an id is not a whole number.
    """
    need_columns(rows, ("classification_id", "subject_id", "user", "label"))
    kept = rows.dropna(subset=["classification_id", "subject_id"])
    if live_only and "live" in kept:
        kept = kept[~kept["live"].eq(False).fillna(False).astype(bool)]
    if skip_seen_before and "seen_before" in kept:
        kept = kept[~kept["seen_before"].eq(True).fillna(False).astype(bool)]
    kept = kept.assign(
        subject_id=_whole(kept["subject_id"]), classification_id=_whole(kept["classification_id"])
    ).reset_index(drop=True)
    unnamed = "classification " + kept["classification_id"].astype(str)
    kept["user"] = kept["user"].astype(object).where(kept["user"].notna(), unnamed).astype(str)
    once = ["subject_id", "user", *(["workflow_id"] if "workflow_id" in kept else [])]
    first = kept.groupby(once, dropna=False)["classification_id"].transform("min")
    return kept[kept["classification_id"] == first].reset_index(drop=True)


def count_people(votes: pd.DataFrame, by: Sequence[str] = ("subject_id",)) -> pd.Series[int]:
    """Return how many distinct people stand behind each group of rows, blanks included.

    Parameters
    ----------
    votes
        Rows from `first_votes`.
    by
        The columns that make a group; rows with a missing value in one of them belong to none.

    Returns
    -------
    Series
        int64, indexed by group.
    """
    return votes.groupby(list(by))["user"].nunique().astype("int64")


def need_columns(rows: pd.DataFrame, wanted: Sequence[str]) -> None:
    """Raise ConfigError if the rows lack one of the columns."""
    missing = [column for column in wanted if column not in rows.columns]
    if missing:
        raise ConfigError(f"The rows have no column {', '.join(missing)}. Give the rows that flatten returns.")


def check_rule(shares: dict[str, float], min_people: int) -> None:
    """Raise ConfigError if a share of a rule lies outside 0 to 1, or `min_people` is below 1."""
    for name, share in shares.items():
        if not 0 <= share <= 1:
            raise ConfigError(f"{name} is {share}; give a share from 0 to 1.")
    if min_people < 1:
        raise ConfigError(f"min_people is {min_people}; give 1 or more.")


def _whole(ids: pd.Series[Any]) -> pd.Series[int]:
    try:
        whole = ids.astype("int64")
        # A fraction is cut off without a word, and would make two subjects one.
        if not (whole == ids.astype("float64")).all():
            raise ValueError
    except (TypeError, ValueError):
        raise ConfigError(f"The column {ids.name} must hold whole numbers.") from None
    return whole
