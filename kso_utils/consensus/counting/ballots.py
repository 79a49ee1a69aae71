"""Rows of votes as numbers, piece by piece, until whole subjects lie together."""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from kso_utils.consensus.counting.groups import order_by, run_starts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from kso_utils.consensus.votes import Repeats


@dataclass(frozen=True, slots=True, eq=False)
class Ballots:
    """Rows that may count, as numbers.

    Attributes
    ----------
    classification, subject
        (n,) int64: ids.
    workflow, person, label
        (n,) int32: places in lists of names, which go beside; label -1 where nothing was named.
    how_many, first_seen_s
        (n,) float64: answers, NaN where there is none.
    """

    classification: NDArray[np.int64]
    subject: NDArray[np.int64]
    workflow: NDArray[np.int32]
    person: NDArray[np.int32]
    label: NDArray[np.int32]
    how_many: NDArray[np.float64]
    first_seen_s: NDArray[np.float64]

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Ballots:
        """Return some rows: at places, or for which True stands there."""
        return Ballots(*(getattr(self, column.name)[rows] for column in fields(self)))

    def cut(self, start: int, stop: int) -> Ballots:
        """Return a copy of a range of rows, so that the others can be let go."""
        return Ballots(*(getattr(self, column.name)[start:stop].copy() for column in fields(self)))


_IDS, _PLACES, _ANSWERS = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int32), np.zeros(0)
_NOTHING = Ballots(_IDS, _IDS, _PLACES, _PLACES, _PLACES, _ANSWERS, _ANSWERS)


class Names(NamedTuple):
    """The names behind the numbers of a piece.

    Attributes
    ----------
    people, labels
        (p,), (l,) str: the names, in no order.
    anonymous
        (p,) bool: which people were not logged in.
    workflows
        (w,) int64: ids, in no order.
    """

    people: pd.Index[Any]
    anonymous: NDArray[np.bool_]
    labels: pd.Index[Any]
    workflows: pd.Index[int]


class Places(NamedTuple):
    """For each name of a piece its place among the names of all; -1, the last, stays."""

    people: NDArray[np.int32]
    labels: NDArray[np.int32]
    workflows: NDArray[np.int32]


class Register:
    """The names of all pieces, sorted.

    Attributes
    ----------
    people, labels
        (p,), (l,) str objects, sorted.
    anonymous
        (p,) bool: which people were not logged in, in any piece.
    places
        For each piece the places of its names.
    """

    def __init__(self, pieces: Sequence[Names]) -> None:
        self.people, people = _sort_names([piece.people for piece in pieces])
        self.labels, labels = _sort_names([piece.labels for piece in pieces])
        _, workflows = _sort_names([piece.workflows for piece in pieces])
        self.anonymous = np.zeros(len(self.people), dtype=bool)
        for piece, place in zip(pieces, people, strict=True):
            self.anonymous[place[:-1][piece.anonymous]] = True
        self.places = [Places(*place) for place in zip(people, labels, workflows, strict=True)]


def _sort_names(pieces: Sequence[pd.Index[Any]]) -> tuple[NDArray[Any], list[NDArray[np.int32]]]:
    """Return the distinct names, sorted, and for each piece the places of its names and -1."""
    if not pieces:
        return np.zeros(0, dtype=object), []
    code, distinct = pd.factorize(pieces[0].append(list(pieces[1:])))
    names = np.asarray(distinct, dtype=object)
    order = np.argsort(names, kind="stable")
    place = np.empty(len(order), dtype=np.int32)
    place[order] = np.arange(len(order))
    cut = np.split(place[code], np.cumsum([len(piece) for piece in pieces])[:-1])
    return names[order], [np.append(places, np.int32(-1)) for places in cut]


def split(ballots: Ballots, places: Places, bounds: NDArray[np.int64]) -> list[Ballots]:
    """Return the rows of each range of subjects, numbered as those of all pieces are.

    Parameters
    ----------
    ballots
        A piece, numbered by names of its own.
    places
        The places of these names among all.
    bounds
        (k,) the first subject of every range but the lowest, ascending.
    """
    numbered = Ballots(
        ballots.classification,
        ballots.subject,
        places.workflows[ballots.workflow],
        places.people[ballots.person],
        places.labels[ballots.label],
        ballots.how_many,
        ballots.first_seen_s,
    )
    if not len(bounds):
        return [numbered]
    ordered = numbered.take(order_by(ballots.subject))
    edges = np.searchsorted(ordered.subject, bounds).tolist()
    return [ordered.cut(start, stop) for start, stop in pairwise([0, *edges, len(ordered.subject)])]


def join(pieces: Sequence[Ballots]) -> Ballots:
    """Return the rows of all pieces, which are numbered alike."""
    together = (_NOTHING, *pieces)
    return Ballots(*(np.concatenate([getattr(piece, column.name) for piece in together]) for column in fields(Ballots)))


def find_same(ballots: Ballots, anonymous: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return (k, 2) pairs of anonymous people who are one, for they made the same classification of a subject.

    Of the same subject, so that nothing depends on which subjects lie together.
    """
    some = np.flatnonzero(anonymous[ballots.person])
    columns = [column[some] for column in (ballots.classification, ballots.subject, ballots.person)]
    order = order_by(*columns)
    classification, subject, person = (column[order] for column in columns)
    same = (classification[1:] == classification[:-1]) & (subject[1:] == subject[:-1]) & (person[1:] != person[:-1])
    return np.unique(np.column_stack([person[:-1][same], person[1:][same]]), axis=0)


def merge_people(same: Sequence[NDArray[np.int32]], count: int) -> NDArray[np.int32]:
    """Return for each of `count` people the lowest of those who are the same person, through any chain of pairs."""
    pairs = np.concatenate([np.zeros((0, 2), dtype=np.int32), *same])
    if not len(pairs):
        return np.arange(count, dtype=np.int32)
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(len(pairs), dtype=bool), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    person = connected_components(links, directed=False)[1]
    _, lowest = np.unique(person, return_index=True)
    return np.asarray(lowest[person], dtype=np.int32)


def choose(ballots: Ballots, repeats: Repeats) -> tuple[NDArray[np.int64], Ballots]:
    """Return the rows that count, ordered by subject, person, workflow and label, and their places.

    Of a person's classifications of a subject in one workflow those rows count that belong to the first or last.
    """
    order = order_by(ballots.subject, ballots.person, ballots.workflow, ballots.label)
    ordered = ballots.take(order)
    if not len(order):
        return order, ordered
    starts = run_starts(ordered.subject, ordered.person, ordered.workflow)
    best = (np.minimum if repeats == "first" else np.maximum).reduceat(ordered.classification, starts)
    counts = ordered.classification == np.repeat(best, np.diff(np.append(starts, len(order))))
    return (order, ordered) if counts.all() else (order[counts], ordered.take(counts))
