"""Past votes in the order in which they came, a model's first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from kso_utils.consensus.counting.groups import run_starts
from kso_utils.consensus.votes import VoteRule, counting_rows, gather, need_columns, numbers, whole
from kso_utils.core.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kso_utils.consensus.votes import Votes

SEEN = 0.5
"""The least confidence at which a model is taken to see a label."""
_KEPT = ("classification_id", "subject_id", "workflow_id", "user", "task", "label", "how_many", "first_seen_s")


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """Looks by subject, then in the order in which they came: of people, and of a model before them.

    Attributes
    ----------
    votes
        What was said.
    order
        (n,) int64: each look as a place among those of `votes`.
    is_model
        (n,) bool: the looks of the model.
    rows
        (r rows) what was said, one row a choice or mark; without what tells which rows count, for all do.
    row_look
        (r,) int64: the look of each row.
    """

    votes: Votes
    order: NDArray[np.int64]
    is_model: NDArray[np.bool_]
    rows: pd.DataFrame
    row_look: NDArray[np.int64]

    @property
    def subject(self) -> NDArray[np.int64]:
        """(n,) the place of each look's subject."""
        return np.asarray(self.votes.look_subject[self.order], dtype=np.int64)

    @property
    def position(self) -> NDArray[np.int64]:
        """(n,) how many looks at the subject came before each."""
        subject = self.subject
        starts = run_starts(subject)
        return np.arange(len(subject)) - np.repeat(starts, np.diff(np.append(starts, len(subject))))

    def named(self, task: str | None = None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the labels named in an answer to a task, or to any: the look and the place of each, once a look.

        What a model names counts for every task; where the rows tell no tasks, so does what people name.

        Raises
        ------
        ConfigError
            If the rows tell tasks, and nobody answered this one.
        """
        label = find_places(self.rows["label"], self.votes.labels)
        wanted = label >= 0
        if task is not None and "task" in self.rows:
            answered = (self.rows["task"] == task).to_numpy(dtype=bool)
            if len(answered) and not answered.any():
                there = ", ".join(sorted(map(str, self.rows["task"].dropna().unique())))
                raise ConfigError(f"The rules read task {task}, but the rows answer {there or 'no task'}.")
            wanted &= answered | self.is_model[self.row_look]
        count = max(len(self.votes.labels), 1)
        pairs = np.unique(self.row_look[wanted] * count + label[wanted])
        return pairs // count, pairs % count


def build_history(rows: pd.DataFrame, rule: VoteRule, predictions: pd.DataFrame | None = None) -> History:
    """Return the votes that count, in their order.

    Parameters
    ----------
    rows, rule
        As for `votes.gather`.
    predictions
        As for `retirement.simulate_retirement`.

    Raises
    ------
    ConfigError
        If a column is missing, or an id is not a whole number.
    """
    counting = counting_rows(rows, rule)
    counting = counting[[column for column in _KEPT if column in counting]]
    model = ""
    if predictions is not None:
        seen = _look_as_model(predictions, counting)
        model = str(seen["user"].iloc[0]) if len(seen) else ""
        counting = pd.concat([counting, seen], ignore_index=True) if len(seen) else counting
    votes = gather(counting, VoteRule(repeats=rule.repeats))
    people = max(len(votes.people), 1)
    subject = np.searchsorted(votes.subject_ids, whole(counting["subject_id"]))
    looks = votes.look_subject.astype(np.int64) * people + votes.look_person
    look = np.searchsorted(looks, subject * people + find_places(counting["user"], votes.people))
    came = np.full(len(looks), np.iinfo(np.int64).max)
    np.minimum.at(came, look, whole(counting["classification_id"]))
    order = np.lexsort((came, votes.look_subject))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    is_model = (votes.people == model)[votes.look_person[order]] if model else np.zeros(len(order), dtype=bool)
    return History(votes, order, np.asarray(is_model, dtype=bool), counting, rank[look])


def find_places(names: pd.Series[Any], known: NDArray[Any]) -> NDArray[np.int64]:
    """Return where each name stands among those known, -1 where it is missing."""
    codes, distinct = pd.factorize(names)
    places = pd.Index(known).get_indexer(pd.Index([str(name) for name in distinct], dtype=object))
    return np.append(places, -1).astype(np.int64)[codes]


def _look_as_model(predictions: pd.DataFrame, counting: pd.DataFrame) -> pd.DataFrame:
    """Return a model's predictions as rows of one more person, whose classifications come before all others."""
    need_columns(predictions, ("subject_id", "label"))
    there = predictions[predictions["subject_id"].isin(counting["subject_id"])]
    confident = numbers(there["confidence"]) >= SEEN if "confidence" in there else np.ones(len(there), dtype=bool)
    name = "model"
    while (counting["user"] == name).any():
        name += "'"
    subject = whole(there["subject_id"])
    before = int(counting["classification_id"].min()) - 1 if len(counting) else -1
    return pd.DataFrame(
        {
            "subject_id": subject,
            # One classification a subject, all of them older than any of a person.
            "classification_id": before - np.unique(subject, return_inverse=True)[1],
            "user": name,
            "label": there["label"].astype(object).where(confident, None).to_numpy(),
        }
    )
