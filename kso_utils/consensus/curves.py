"""What grows with work: votes over time, and species with the number of clips looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kso_utils.consensus.judging.findings import keep_agreed
from kso_utils.consensus.votes import VoteRule, counting_rows, need_columns
from kso_utils.core.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_POINTS = 60
_Z_95 = 1.959963984540054


def votes_over_time(rows: pd.DataFrame, rule: VoteRule | None = None) -> pd.DataFrame:
    """Return how many classifications counted and how many people took part, day by day.

    Parameters
    ----------
    rows
        One row a choice or mark, as `zooniverse.flatten` gives them, with `created_at`; rows without it are left out.
    rule
        Which classifications count; the default where None.

    Returns
    -------
    DataFrame
        One row a day on which anybody classified, in order: `day` (datetime64, UTC), `classifications`, `people`
        (distinct on that day), `new_people` (who had not taken part before), and `total`, the classifications so far.

    Raises
    ------
    ConfigError
        If a column is missing.
    """
    need_columns(rows, ("created_at",))
    counted = counting_rows(rows, rule).drop_duplicates("classification_id")
    made = pd.to_datetime(counted["created_at"], utc=True, format="ISO8601", errors="coerce").dt.tz_localize(None)
    known = pd.DataFrame({"day": made.dt.floor("D"), "user": counted["user"]}).dropna(subset=["day"])
    days = known.groupby("day")["user"].agg(classifications="size", people="nunique")
    first = known.groupby("user")["day"].min().value_counts()
    days["new_people"] = first.reindex(days.index, fill_value=0)
    days["total"] = days["classifications"].cumsum()
    return days.reset_index().astype({name: "int64" for name in days})


def accumulate_species(agreed: pd.DataFrame, subjects: int) -> pd.DataFrame:
    """Return how many species so many clips are expected to show, drawn from those looked at in any order.

    Parameters
    ----------
    agreed
        What `clips` returns: `subject_id`, `label`, and where it is there `agreed` (rows with False do not count).
    subjects
        How many subjects were looked at, with or without anything in them.

    Returns
    -------
    DataFrame
        `subjects` (1 to all of them, 60 steps at most), `species` (expected number, sample-based rarefaction, "Mao
        Tau") and its 95 % interval `low`, `high`, with the species still unseen estimated by Chao 2 (Colwell, Mao &
        Chang 2004, Ecology 85:2717-2727). No rows where nobody looked at anything.

    Raises
    ------
    ConfigError
        If a column is missing, or labels were agreed in more subjects than `subjects`.
    """
    from scipy.special import gammaln

    need_columns(agreed, ("subject_id", "label"))
    seen = keep_agreed(agreed)[["subject_id", "label"]].drop_duplicates()
    if seen["subject_id"].nunique() > subjects:
        raise ConfigError(
            f"Labels were agreed in {seen['subject_id'].nunique()} subjects, more than the {subjects} looked at."
        )
    counts = np.asarray(seen["label"].value_counts(), dtype=np.int64)
    sizes = np.unique(np.geomspace(1, max(subjects, 1), _POINTS).round().astype(np.int64))
    if subjects < 1:
        return pd.DataFrame({"subjects": sizes[:0], "species": [], "low": [], "high": []})

    def log_choose(total: NDArray[np.int64] | int, chosen: NDArray[np.int64]) -> NDArray[np.float64]:
        possible = np.asarray(total) >= chosen
        rest = np.where(possible, total - chosen, 0)
        value = gammaln(np.asarray(total) + 1.0) - gammaln(chosen + 1.0) - gammaln(rest + 1.0)
        return np.where(possible, value, -np.inf)

    # The share of all draws of n subjects that miss a species, species across and n down.
    missed = np.exp(log_choose(subjects - counts[None, :], sizes[:, None]) - log_choose(subjects, sizes)[:, None])
    expected = (1 - missed).sum(axis=1)
    variance = ((1 - missed) ** 2).sum(axis=1) - expected**2 / max(_chao_2(counts, subjects), 1.0)
    half = _Z_95 * np.sqrt(np.maximum(variance, 0))
    return pd.DataFrame(
        {"subjects": sizes, "species": expected, "low": np.maximum(expected - half, 0), "high": expected + half}
    )


def _chao_2(counts: NDArray[np.int64], subjects: int) -> float:
    """Return the estimated number of species, unseen ones included (Chao 1987, Biometrics 43:783-791)."""
    once, twice = int((counts == 1).sum()), int((counts == 2).sum())
    return len(counts) + (subjects - 1) / subjects * once * (once - 1) / (2 * (twice + 1))
