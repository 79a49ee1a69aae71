"""What Caesar's extractors and reducers find after each look of a history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from kso_utils.consensus.counting.groups import run_starts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from kso_utils.consensus.replay.history import History

BLANK = "blank"
Values = tuple["NDArray[Any]", "NDArray[np.bool_]"]
"""(n,) values after each look, and where there is one."""


@dataclass(frozen=True, slots=True)
class Extractor:
    """What is taken from each look.

    Attributes
    ----------
    kind
        `survey` and `question`: the labels that were named, each with the value 1. `blank`: whether none was, as the
        key `blank` with 1 or 0.
    task
        The task whose answers are read; any where None.
    nothing
        For a survey, the key that a look has that named nothing; none where empty.
    """

    kind: Literal["survey", "question", "blank"]
    task: str | None = "T0"
    nothing: str = ""


@dataclass(frozen=True, slots=True)
class Reducer:
    """What is counted over the looks of a subject.

    Attributes
    ----------
    kind
        `count`: `classifications` and `extracts`. `stats`: the sum of the values of each key. `consensus`:
        `most_likely`, the keys that most looks gave, sorted and with `+` between; `num_votes`, how many did;
        `agreement`, their share. Of keys with as many votes the one that came last first is the most likely, as in
        Caesar.
    extractors
        The extractors that it reads.
    first, last
        The first and the last look that counts, from 0; `last` is below 0 where all that come do.
    skip_empty
        Whether looks from which an extractor took nothing are left out.
    """

    kind: Literal["count", "stats", "consensus"]
    extractors: tuple[str, ...]
    first: int = 0
    last: int = -1
    skip_empty: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Extracts:
    """What an extractor took from the looks of a history.

    Attributes
    ----------
    keys
        The keys.
    look, key, value
        (e,) the look of each key that was taken, which one it is, and its value; by look, then key.
    """

    keys: list[str]
    look: NDArray[np.int64]
    key: NDArray[np.int64]
    value: NDArray[np.float64]


def code_of(text: str) -> str:
    """Return a label as Zooniverse writes it as a code: capitals and digits alone."""
    return "".join(filter(str.isalnum, text.upper()))


def match_code(text: str, codes: Sequence[str]) -> str:
    """Return the code that a key of a rule means: its own, or the only one that is so without its vowels.

    Old projects have codes without vowels.
    """
    code = code_of(text)
    alike = [known for known in codes if _without_vowels(known) == code] if code not in codes else []
    return alike[0] if len(alike) == 1 else code


def extract(history: History, extractor: Extractor) -> Extracts:
    """Return what an extractor takes from each look.

    Raises
    ------
    ConfigError
        If nobody answered its task.
    """
    look, label = history.named(extractor.task)
    silent = np.ones(len(history.order), dtype=bool)
    silent[look] = False
    if extractor.kind == "blank":
        return Extracts([BLANK], np.arange(len(silent)), np.zeros(len(silent), dtype=np.int64), silent.astype(float))
    codes = [code_of(name) for name in history.votes.labels]
    nothing = match_code(extractor.nothing, codes)
    keys = sorted({*codes, *([nothing] if nothing else [])})
    empty = np.flatnonzero(silent) if nothing else np.zeros(0, dtype=np.int64)
    place = np.array([*map(keys.index, codes), keys.index(nothing) if nothing else 0], dtype=np.int64)
    # Two labels may have one code, which a look gives once. The last place is that of nothing.
    look, label = np.concatenate([look, empty]), np.append(label, np.full(len(empty), len(codes)))
    taken = np.unique(look * max(len(keys), 1) + place[label])
    return Extracts(keys, taken // max(len(keys), 1), taken % max(len(keys), 1), np.ones(len(taken)))


def reduce_looks(history: History, reducer: Reducer, extracts: Sequence[Extracts], field: str) -> Values:
    """Return a value of a reducer after each look."""
    counts = _counting(history, reducer, extracts)
    if reducer.kind == "consensus":
        return _find_leader(history, extracts, counts, field)
    if reducer.kind == "count":
        each = np.sum(counts, axis=0) if field == "extracts" else np.any(counts, axis=0)
        return _add_up(history, each.astype(np.float64)), np.ones(len(each), dtype=bool)
    total, seen = np.zeros(len(history.order)), np.zeros(len(history.order))
    for part, counting in zip(extracts, counts, strict=True):
        code = field if field in part.keys else match_code(field, part.keys)
        wanted = counting[part.look] & (np.array(part.keys, dtype=object)[part.key] == code)
        total += np.bincount(part.look[wanted], part.value[wanted], len(total))
        seen += np.bincount(part.look[wanted], minlength=len(total))
    return _add_up(history, total), _add_up(history, seen) > 0


def _counting(history: History, reducer: Reducer, extracts: Sequence[Extracts]) -> list[NDArray[np.bool_]]:
    """Return for each extractor which looks count."""
    position = history.position
    inside = (position >= reducer.first) & ((position <= reducer.last) | (reducer.last < 0))
    if not reducer.skip_empty:
        return [inside for _ in extracts]
    return [inside & (np.bincount(part.look, minlength=len(inside)) > 0) for part in extracts]


def _add_up(history: History, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum of the values of a subject's looks so far, this one included."""
    total = np.cumsum(values)
    before = (total - values)[run_starts(history.subject)]
    return np.asarray(total - np.repeat(before, _sizes(history)))


def _sizes(history: History) -> NDArray[np.int64]:
    return np.bincount(history.subject, minlength=len(history.votes.subject_ids))


def _find_leader(
    history: History, extracts: Sequence[Extracts], counts: Sequence[NDArray[np.bool_]], field: str
) -> Values:
    """Return the keys with most votes, their votes, or their share, after each look."""
    known: dict[str, int] = {}
    look, kind = [], []
    for part, counting in zip(extracts, counts, strict=True):
        names, code = _join_keys(part, len(history.order))
        renumber = np.array([known.setdefault(name, len(known)) for name in names], dtype=np.int64)
        look.append(np.flatnonzero(counting))
        kind.append(renumber[code[counting]])
    order = np.argsort(np.concatenate(look), kind="stable")
    at, said = np.concatenate(look)[order], np.concatenate(kind)[order]
    subject = history.subject[at]
    group = np.unique(subject * max(len(known), 1) + said, return_inverse=True)[1]
    turn = np.argsort(group, kind="stable")
    starts = run_starts(group[turn])
    sizes = np.diff(np.append(starts, len(turn)))
    votes, came = np.empty(len(at), dtype=np.int64), np.empty(len(at), dtype=np.int64)
    votes[turn] = np.arange(len(at)) - np.repeat(starts, sizes) + 1
    came[turn] = history.position[at[np.repeat(turn[starts], sizes)]] * len(extracts)
    # The most votes lead, then who came last; no score of a later subject is below one of an earlier.
    score = votes * (int(came.max(initial=0)) + len(extracts)) + came
    score += subject * (int(score.max(initial=0)) + 1)
    best = np.maximum.accumulate(np.where(score == np.maximum.accumulate(score), np.arange(len(at)), 0))
    # What was true after the last extract that counts is true after each look, until another counts.
    last = np.searchsorted(at, np.arange(len(history.order)), side="right") - 1
    there = last >= 0
    there[there] = subject[last[there]] == history.subject[there]
    leader = best[np.maximum(last, 0)] if len(at) else last
    if field == "most_likely":
        texts = np.array([*known, None], dtype=object)
        return texts[np.where(there, said[leader] if len(at) else -1, -1)], there
    number = np.where(there, votes[leader] if len(at) else 0, 0).astype(np.float64)
    if field == "num_votes":
        return number, np.ones(len(number), dtype=bool)
    total = _add_up(history, np.bincount(at, minlength=len(history.order)).astype(np.float64))
    return number / np.maximum(total, 1), there


def _join_keys(extracts: Extracts, looks: int) -> tuple[list[str], NDArray[np.int64]]:
    """Return names for sets of keys, and which set each look gave."""
    names, code = [""], np.zeros(looks, dtype=np.int64)
    starts = run_starts(extracts.look)
    rank = np.arange(len(extracts.look)) - np.repeat(starts, np.diff(np.append(starts, len(extracts.look))))
    count = max(len(extracts.keys), 1)
    for place in range(int(rank.max(initial=-1)) + 1):
        now = rank == place
        look = extracts.look[now]
        pairs, pair = np.unique(code[look] * count + extracts.key[now], return_inverse=True)
        code[look] = len(names) + pair
        names += ["+".join(filter(None, (names[p // count], extracts.keys[p % count]))) for p in pairs.tolist()]
    return names, code


def _without_vowels(code: str) -> str:
    return "".join(letter for letter in code if letter not in "AEIOU")
