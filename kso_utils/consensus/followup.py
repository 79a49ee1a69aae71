"""Which subjects somebody should look at again, and which need nobody any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from kso_utils.consensus.clip_labels import ClipRule

if TYPE_CHECKING:
    from collections.abc import Iterable


MOST_VOTES = 25
"""How many more votes `find_unsure` looks ahead."""
UNSURE_COLUMNS = {
    "subject_id": "int64",
    "label": "object",
    "votes": "int64",
    "people": "int64",
    "support": "float64",
    "support_low": "float64",
    "support_high": "float64",
    "probability": "float64",
    "information": "float64",
    "votes_needed": "float64",
    "reason": "object",
}
SETTLED_COLUMNS = {
    "subject_id": "int64",
    "labels": "object",
    "people": "int64",
    "probability": "float64",
    "reason": "object",
}


def find_unsure(
    rows: pd.DataFrame | Iterable[pd.DataFrame],
    rule: ClipRule | None = None,
    limit: int | None = None,
    sureness: float = 0.95,
) -> pd.DataFrame:
    """Return the subjects whose consensus is unsure, those first at which one more look tells most.

    A subject is unsure where fewer people looked than the rule asks for; where a label, named or not, is neither surely
    there nor surely not; and where the rule says other than what is all but sure, so that only somebody who knows can
    tell. How likely a label is follows from how many named it and from how often people see what is there and name
    what is not, learned from all votes (`presence.fit_presence`); where the rule's method gives a `probability`, that
    one counts. Every subject at which anybody looked is either here or in `find_settled`.

    Parameters
    ----------
    rows
        As for `clips`.
    rule
        When a label is agreed; the default where None.
    limit
        How many subjects at most; all where None.
    sureness
        How probable a label that is surely there is, above 0.5 and below 1; one that is surely not there is as
        improbable.

    Returns
    -------
    DataFrame
        One row a subject, by `information`, most first, then subject. `label`: the most doubtful one, which perhaps
        nobody named; missing where no label was ever named. `votes`, `people`, `support`, `support_low`,
        `support_high`, `probability`: of that label, the last that it is there. `information`: how many bits one
        more look is expected to tell about all labels of the subject (`Presence.expected_information`).
        `votes_needed`: how many more people are expected to look until all its labels are sure, as many as the label
        needs that needs most, and as the rule asks for; `MOST_VOTES` at most, which stands for more than that; 0 where
        more looks change nothing and an expert should decide. `reason`: why it is unsure, in words.

    Raises
    ------
    ConfigError
        If a column is missing, or a number is out of range.
    """
    raise NotImplementedError


def find_settled(
    rows: pd.DataFrame | Iterable[pd.DataFrame], rule: ClipRule | None = None, sureness: float = 0.95
) -> pd.DataFrame:
    """Return the subjects whose consensus is sure, which nobody needs to look at any more.

    Parameters
    ----------
    rows, rule, sureness
        As for `find_unsure`, which returns all other subjects.

    Returns
    -------
    DataFrame
        One row a subject, by subject. `labels`: what is there, with commas between; empty where nothing is. `people`:
        how many looked. `probability`: that this is right, all labels together. `reason`: for which Zooniverse retires
        it, `consensus` or `nothing_here`.

    Raises
    ------
    ConfigError
        If a column is missing, or `sureness` is out of range.
    """
    raise NotImplementedError
