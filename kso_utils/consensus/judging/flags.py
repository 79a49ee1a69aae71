"""Whose answers look like no answers: suggestions, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

ENOUGH_LOOKS = 20
"""Below so many looks nobody is flagged."""
SURPRISE = 1e-4
"""How improbable a row of wrong answers must be for an ordinary person to be flagged."""
HASTE_S = 1.0
"""Who takes no longer from one classification to the next is flagged."""


def flag_people(people: pd.DataFrame, blank_right: float, source: str) -> pd.Series[str]:
    """Return in words what is odd about the answers of each person who looked at `ENOUGH_LOOKS` subjects or more.

    - The same answer in all looks (or always nothing, or never nothing), and wrong so often that an ordinary person
      would be with a probability below `SURPRISE`: for w wrong answers (1 - r)^w, where r is the share that all people
      together have right (of the looks at subjects with nothing, for who never saw nothing). Who saw empty clips only
      and says so is not flagged.
    - Right no more often than by chance: the interval of the skill holds or lies below `chance`, and below the crowd.
    - Half of the classifications within `HASTE_S` of the one before. Classifications made without a connection arrive
      together, so that this alone proves nothing.

    Parameters
    ----------
    people
        What `skill.describe_people` returns.
    blank_right
        The share of the looks at subjects with nothing that named nothing, all people together.
    source
        Who says what is there: `experts` or `others`.

    Returns
    -------
    Series
        Reasons joined by `; `, empty where there is none, indexed as people.
    """
    looks, judged, wrong = people["looks"], people["judged"], people["judged"] - people["right"]
    crowd = float(people["right"].sum() / max(int(judged.sum()), 1))
    same = (people["answers"] == 1) & _surprises(crowd, wrong)
    blank = people["blanks"] == looks
    never = (people["blanks"] == 0) & ~same & _surprises(blank_right, people["empty"])
    chance = (judged >= ENOUGH_LOOKS) & (people["skill_low"] <= people["chance"]) & (people["skill_high"] < crowd)
    reasons: tuple[tuple[pd.Series[bool], Callable[[Any], str]], ...] = (
        (same & blank, lambda row: f"named nothing in any of {row.looks} looks"),
        (same & ~blank, lambda row: f"gave the same answer in all {row.looks} looks"),
        (never, lambda row: f"never saw nothing, though the {source} did in {row.empty} of {row.judged} looks"),
        (chance, lambda row: f"right in {row.right} of {row.judged} looks, no more than by chance"),
        (people["gap_s"] <= HASTE_S, lambda row: f"half of the classifications within {row.gap_s:g} s of the last"),
    )
    said: dict[int, list[str]] = {}
    for holds, say in reasons:
        places = np.flatnonzero(holds & (looks >= ENOUGH_LOOKS))
        for place, row in zip(places.tolist(), people.iloc[places].itertuples(), strict=True):
            said.setdefault(place, []).append(say(row))
    return pd.Series(["; ".join(said.get(place, [])) for place in range(len(people))], people.index, dtype=object)


def _surprises(right: float, wrong: ArrayLike) -> NDArray[np.bool_]:
    return np.asarray((1 - right) ** np.asarray(wrong, dtype=np.float64) < SURPRISE)
