"""What people agree to have seen in a clip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kso_utils.consensus.votes import check_rule, count_people, first_votes

if TYPE_CHECKING:
    from numpy.typing import NDArray

COLUMNS = {
    "subject_id": "int64",
    "label": "object",
    "votes": "int64",
    "people": "int64",
    "support": "float64",
    "support_low": "float64",
    "support_high": "float64",
    "how_many": "float64",
    "first_seen_s": "float64",
    "evenness": "float64",
    "agreed": "bool",
}
_Z_95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class ClipRule:
    """When a label of a clip is agreed.

    Attributes
    ----------
    agreement
        The least share of the people who looked that must have named the label, 0 to 1.
    min_people
        The least number of people who must have looked.
    live_only, skip_seen_before
        See `votes.first_votes`.

    Raises
    ------
    ConfigError
        If a value is out of range.
    """

    agreement: float = 0.8
    min_people: int = 3
    live_only: bool = True
    skip_seen_before: bool = True

    def __post_init__(self) -> None:
        """Check the values."""
        check_rule({"agreement": self.agreement}, self.min_people)


def clips(rows: pd.DataFrame, rule: ClipRule | None = None) -> pd.DataFrame:
    """Return, for each clip and label that anybody named, how many people named it.

    Every person counts once, with the first classification of the subject (`votes.first_votes`), and everybody who
    looked is in the denominator, also those who marked nothing. A subject in which nobody named anything has no row.

    Parameters
    ----------
    rows
        One row a choice, as `zooniverse.flatten` gives them: `classification_id`, `subject_id`, `user`, `label`
        (missing where nothing was marked), and where known `workflow_id`, `live`, `seen_before`, `how_many`,
        `first_seen_s`.
    rule
        When a label is agreed; the default where None.

    Returns
    -------
    DataFrame
        One row a subject and label, by subject, then most votes first, then label. `votes`: distinct people who
        named the label. `people`: distinct people who classified the subject. `support`: votes / people, with
        `support_low` and `support_high`, its 95 % interval (Wilson 1927, J. Am. Stat. Assoc. 22:209-212).
        `how_many` and `first_seen_s` (seconds): medians over the people who answered, NaN where nobody did.
        `evenness`: Pielou's J of the subject's votes over its labels, 0 (one label) to 1 (no preference).
        `agreed`: people >= min_people and support >= agreement.

    Raises
    ------
    ConfigError
        If a column is missing.
    """
    rule = rule or ClipRule()
    cast = first_votes(rows, rule.live_only, rule.skip_seen_before)
    named = cast.dropna(subset=["label"])
    if named.empty:
        return pd.DataFrame(columns=list(COLUMNS)).astype(COLUMNS)
    key = ["subject_id", "label"]
    table = count_people(named, key).rename("votes").reset_index()
    table["people"] = table["subject_id"].map(count_people(cast)).astype("int64")
    table["support"] = table["votes"] / table["people"]
    low, high = wilson_interval(table["votes"].to_numpy(), table["people"].to_numpy())
    table["support_low"], table["support_high"] = low, high
    for column in ("how_many", "first_seen_s"):
        table[column] = _median_answer(named, key, column).to_numpy()
    table["evenness"] = _evenness(table)
    table["agreed"] = (table["people"] >= rule.min_people) & (table["support"] >= rule.agreement)
    ordered = table.sort_values(["subject_id", "votes", "label"], ascending=[True, False, True])
    return ordered[list(COLUMNS)].astype(COLUMNS).reset_index(drop=True)


def wilson_interval(
    votes: NDArray[np.int64], people: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the 95 % score interval of a share.

    Parameters
    ----------
    votes, people
        (n,) counts with 0 <= votes <= people and people >= 1.

    Returns
    -------
    low, high
        (n,) float64 from 0 to 1 (Wilson 1927, J. Am. Stat. Assoc. 22:209-212).
    """
    share, z2 = votes / people, _Z_95**2
    centre = (share + z2 / (2 * people)) / (1 + z2 / people)
    half = _Z_95 / (1 + z2 / people) * np.sqrt(share * (1 - share) / people + z2 / (4 * people**2))
    # Rounding must not push the interval past the share where nobody, or everybody, voted.
    return np.clip(np.minimum(centre - half, share), 0, 1), np.clip(np.maximum(centre + half, share), 0, 1)


def _median_answer(named: pd.DataFrame, key: list[str], column: str) -> pd.Series[float]:
    """Return the median over people; one who answered twice for a label counts once, with the median of both."""
    answers = pd.to_numeric(named.get(column, pd.Series(np.nan, index=named.index)), errors="coerce")
    persons = named[[*key, "user"]].assign(answer=answers.astype("float64"))
    each = persons.groupby([*key, "user"])["answer"].median()
    return each.groupby(level=key).median()


def _evenness(table: pd.DataFrame) -> NDArray[np.float64]:
    by_subject = table.groupby("subject_id")["votes"]
    share = table["votes"] / by_subject.transform("sum")
    entropy = (-share * np.log(share)).groupby(table["subject_id"]).transform("sum").to_numpy()
    labels = by_subject.transform("size").to_numpy()
    return np.where(labels > 1, np.clip(entropy / np.log(np.maximum(labels, 2)), 0, 1), 0.0)
