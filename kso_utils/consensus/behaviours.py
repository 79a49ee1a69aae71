"""What people answered about what they saw: behaviours, sizes, young."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pandas as pd

from kso_utils.consensus.votes import VoteRule, counting_rows, need_columns
from kso_utils.core.log import logger

if TYPE_CHECKING:
    from collections.abc import Iterator

_log = logger(__name__)
_GROUP = ["subject_id", "label", "question", "answer"]
COLUMNS = {
    **{"subject_id": "int64", "label": "object", "question": "object", "answer": "object"},
    **{"votes": "int64", "people": "int64", "share": "float64"},
}


def answers(rows: pd.DataFrame, rule: VoteRule | None = None) -> pd.DataFrame:
    """Return, for each clip and label, how many people gave which answer to the questions about it.

    People count as in `votes.gather`, each once for an answer; several answers of one person to one question count
    each. Who named the label and left the question out is among the people still, so that shares need not sum to 1.

    Parameters
    ----------
    rows
        One row a choice, as for `consensus.clips`, with `raw`: the choice of a survey as JSON text, `{"choice": code,
        "answers": {question: answer or list of answers}}`. Other text, or none, holds no answers. Where it is no JSON
        at all, the log says in how many rows.
    rule
        Which classifications count; the default where None.

    Returns
    -------
    DataFrame
        One row an answer that anybody gave, by subject, label and question, then most votes first, then answer:
        `subject_id, label, question, answer` (codes as exported), `votes` (people who gave it), `people` (who named
        the label), `share` (votes / people).

    Raises
    ------
    ConfigError
        If a column is missing, or an id is not a whole number.
    """
    need_columns(rows, ("raw",))
    named = counting_rows(rows, rule).dropna(subset="label")
    named = named.astype({"label": object})
    named["text"], texts = pd.factorize(named["raw"])
    unreadable: list[int] = []
    given = [(place, *pair) for place, text in enumerate(texts) for pair in _read(str(text), place, unreadable)]
    if unreadable:
        count = int(named["text"].isin(unreadable).sum())
        _log.warning("%d of %d rows hold no JSON in the column raw; their answers are not counted.", count, len(named))
    pairs = pd.DataFrame(given, columns=["text", "question", "answer"]).astype({"text": "int64"})
    people = named.groupby(["subject_id", "label"])["user"].nunique().rename("people").reset_index()
    said = named[["subject_id", "label", "user", "text"]].merge(pairs, on="text")
    votes = said.groupby(_GROUP)["user"].nunique().rename("votes").reset_index()
    found = votes.merge(people, on=["subject_id", "label"])
    found = found.assign(share=found["votes"] / found["people"])
    by = ["subject_id", "label", "question", "votes", "answer"]
    found = found.sort_values(by, ascending=[True, True, True, False, True], ignore_index=True)
    return found[list(COLUMNS)].astype(COLUMNS)


def _read(text: str, place: int, unreadable: list[int]) -> Iterator[tuple[str, str]]:
    """Yield the questions and answers of a choice; the place of a text that is no JSON goes to `unreadable`."""
    try:
        choice = json.loads(text)
    except (ValueError, RecursionError):
        unreadable.append(place)
        return
    questions = choice.get("answers") if isinstance(choice, dict) else None
    for question, value in questions.items() if isinstance(questions, dict) else ():
        for answer in value if isinstance(value, list) else [value]:
            if isinstance(answer, str | int | float) and answer != "":
                yield question, str(answer)
