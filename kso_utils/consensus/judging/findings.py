"""Which labels were found in which subjects, read from a table such as experts give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from kso_utils.consensus.votes import numbers, whole
from kso_utils.core.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    """The labels of subjects, each once, by subject, then label.

    Attributes
    ----------
    seen
        (s,) int64: the subjects that were looked at, ascending, also those in which nothing was found.
    subject
        (k,) int64: the subject id of each label found.
    label
        (k,) str objects.
    how_many
        (k,) float64: the number of animals, NaN where none was given.
    """

    seen: NDArray[np.int64]
    subject: NDArray[np.int64]
    label: NDArray[Any]
    how_many: NDArray[np.float64]


def keep_agreed(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows whose `agreed` is true, all of them where there is no such column."""
    return table[table["agreed"].eq(True).fillna(False)] if "agreed" in table else table


def read_findings(table: pd.DataFrame, name: str) -> Findings:
    """Return what was found.

    Parameters
    ----------
    table
        One row a subject and label: `subject_id`, `label`, and where it is there `how_many`. A row without a label says
        that the subject was looked at; a row without a subject says nothing. A label that a subject has twice is there
        once, with the median of the numbers.
    name
        What the table is called, for messages.

    Raises
    ------
    ConfigError
        If a column is missing, or an id is not a whole number.
    """
    missing = [column for column in ("subject_id", "label") if column not in table.columns]
    if missing:
        raise ConfigError(
            f"The table of {name} has no column {', '.join(missing)}. Give one row a subject and label, and one row "
            "without a label for a subject in which nothing was found."
        )
    table = table[table["subject_id"].notna()]
    subject = whole(table["subject_id"])
    how_many = numbers(table["how_many"]) if "how_many" in table else np.full(len(table), np.nan)
    found = pd.DataFrame({"subject": subject, "label": table["label"].to_numpy(dtype=object), "how_many": how_many})
    found = found[found["label"].notna()]
    found["label"] = found["label"].map(str)
    once = found.groupby(["subject", "label"], as_index=False)["how_many"].median()
    return Findings(
        np.unique(subject),
        once["subject"].to_numpy(dtype=np.int64),
        once["label"].to_numpy(dtype=object),
        once["how_many"].to_numpy(dtype=np.float64),
    )
