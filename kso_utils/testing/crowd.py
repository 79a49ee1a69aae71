"""Simulated volunteers with known truth: what is in each clip, how well each person sees, and what everybody said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SPECIES_IN_A_CLIP = (0.3, 0.5, 0.2)
_LOOKS_EACH = 60
_DRAWS = 100


@dataclass(frozen=True, slots=True)
class Crowd:
    """What simulated volunteers said.

    Attributes
    ----------
    rows
        One row a label that somebody named, or a look that named nothing: `classification_id, subject_id, user, label,
        how_many, first_seen_s`, in the order of the subjects; a person looks at a subject once.
    truth
        One row a label that is there: `subject_id, label, how_many, first_seen_s`. A subject with nothing has none.
    people
        `user, skill, spam`: the probability of naming a species that is there, and who answers by chance.
    """

    rows: pd.DataFrame
    truth: pd.DataFrame
    people: pd.DataFrame


def simulate_crowd(
    subjects: int,
    votes: int | tuple[int, int] = (2, 8),
    labels: int = 8,
    people: int | None = None,
    skills: tuple[float, float] = (0.6, 0.95),
    spammers: float = 0.05,
    seed: int = 0,
) -> Crowd:
    """Return clips, the people who looked at them, and what they said.

    Three clips of ten are empty, half hold one species, two of ten hold two; the n-th species is n times rarer than the
    first. A person of skill s names a species that is there with probability s, and otherwise misses it or takes it for
    another, mostly its neighbour in the list, as often the one as the other; with probability (1 - s) / 2 somebody
    names a species besides that is not there. Spammers name one species by chance, whatever is there. Few people do
    most of the work.

    Parameters
    ----------
    subjects
        How many clips.
    votes
        How many people look at each clip, or the fewest and the most.
    labels
        How many species there are: `species 01` ....
    people
        How many people there are; by default as many as make sixty looks each.
    skills
        The lowest and the highest skill; people are spread evenly between.
    spammers
        The share of people who answer by chance.
    seed
        Of everything random.
    """
    rng = np.random.default_rng(seed)
    low, high = (votes, votes) if isinstance(votes, int) else votes
    count = people or max(2 * high, round(subjects * (low + high) / 2 / _LOOKS_EACH))
    crew = pd.DataFrame(
        {
            "user": [f"person {n:06d}" for n in range(count)],
            "skill": rng.uniform(*skills, count),
            "spam": rng.permutation(count) < round(spammers * count),
        }
    )
    truth = _make_truth(subjects, labels, rng)
    looks_each = rng.integers(low, high + 1, subjects)
    person = _draw_people(looks_each, high, rng.pareto(1.2, count) + 0.2, rng)
    subject = np.repeat(np.arange(subjects), looks_each)
    said = _answer(subject, person, crew, truth, labels, rng)
    # The last place is that of -1: nothing.
    names = np.array([*(f"species {n + 1:02d}" for n in range(labels)), None], dtype=object)
    rows = pd.DataFrame(
        {
            "classification_id": said["look"] + 1,
            "subject_id": subject[said["look"]] + 1,
            "user": crew["user"].to_numpy()[person[said["look"]]],
            "label": names[said["label"]],
            "how_many": said["how_many"],
            "first_seen_s": said["first_seen_s"],
        }
    )
    there = truth.assign(subject_id=truth["subject"] + 1, label=names[truth["label"]])
    return Crowd(rows, there[["subject_id", "label", "how_many", "first_seen_s"]], crew)


def _make_truth(subjects: int, labels: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return the species in each clip as numbers, sorted; two in one clip differ."""
    rarity = 1 / np.arange(1, labels + 1)
    species = np.searchsorted((0.0, *np.cumsum(_SPECIES_IN_A_CLIP)), rng.random(subjects), side="right") - 1
    first = rng.choice(labels, subjects, p=rarity / rarity.sum())
    second = (first + rng.integers(1, labels, subjects)) % labels if labels > 1 else first
    subject = np.concatenate([np.flatnonzero(species >= 1), np.flatnonzero(species >= min(2, labels))])
    label = np.concatenate([first[species >= 1], second[species >= min(2, labels)]])
    table = pd.DataFrame({"subject": subject, "label": label}).drop_duplicates()
    table = table.sort_values(["subject", "label"], ignore_index=True)
    return table.assign(
        how_many=1.0 + rng.poisson(0.6, len(table)), first_seen_s=rng.integers(0, 10, len(table)).astype(np.float64)
    )


def _draw_people(
    looks_each: NDArray[np.int64], high: int, activity: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return who looks, subject after subject; nobody twice at one subject."""
    share = np.cumsum(np.minimum(activity, activity.mean() * 20))
    drawn = np.searchsorted(share, rng.random((len(looks_each), high)) * share[-1])
    wanted = np.arange(high) < looks_each[:, None]
    for _ in range(_DRAWS):
        order = np.sort(np.where(wanted, drawn, -1 - np.arange(high)), axis=1)
        again = np.flatnonzero((order[:, 1:] == order[:, :-1]).any(axis=1))
        if not len(again):
            return np.asarray(drawn[wanted], dtype=np.int64)
        drawn[again] = np.searchsorted(share, rng.random((len(again), high)) * share[-1])
    # Where a few people do most, chance alone hardly ever picks so many different ones (Efraimidis & Spirakis 2006,
    # Inf. Process. Lett. 97:181-185).
    first = rng.exponential(size=(len(again), len(share))) / np.diff(share, prepend=0)
    drawn[again] = np.argsort(first, axis=1)[:, :high]
    return np.asarray(drawn[wanted], dtype=np.int64)


def _answer(
    subject: NDArray[np.int64],
    person: NDArray[np.int64],
    crew: pd.DataFrame,
    truth: pd.DataFrame,
    labels: int,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Return what was said, as numbers: `look, label` (-1: nothing), `how_many, first_seen_s`; by look, then label."""
    skill, spam = crew["skill"].to_numpy()[person], crew["spam"].to_numpy()[person]
    present = np.bincount(truth["subject"], minlength=int(subject.max(initial=-1)) + 1)
    starts = np.cumsum(present) - present
    seen = np.where(spam, 0, present[subject])
    look = np.repeat(np.arange(len(subject)), seen)
    place = starts[subject[look]] + np.arange(len(look)) - np.repeat(np.cumsum(seen) - seen, seen)
    fate = rng.random(len(look))
    right, missed = fate < skill[look], fate >= (1 + skill[look]) / 2
    near = np.where(rng.random(len(look)) < 0.7, 1, rng.integers(1, max(labels, 2), len(look)))
    there = truth["label"].to_numpy()[place]
    taken_for = np.where(right, there, (there + near) % labels)
    besides = np.flatnonzero(spam | (rng.random(len(subject)) < (1 - skill) / 2))
    said = pd.DataFrame(
        {
            "look": np.concatenate([look[~missed], besides]),
            "label": np.concatenate([taken_for[~missed], rng.integers(0, labels, len(besides))]),
            "place": np.concatenate([place[~missed], np.full(len(besides), -1)]),
        }
    ).drop_duplicates(["look", "label"])
    blank = np.setdiff1d(np.arange(len(subject)), said["look"])
    said = pd.concat([said, pd.DataFrame({"look": blank, "label": -1, "place": -1})])
    said = said.sort_values(["look", "label"], ignore_index=True)
    known = said["place"].to_numpy() >= 0
    number = np.where(known, truth["how_many"].to_numpy()[said["place"]] if len(truth) else 1.0, 1.0)
    first = np.where(known, truth["first_seen_s"].to_numpy()[said["place"]] if len(truth) else 0.0, 4.0)
    slip = rng.choice([-1, 0, 0, 0, 0, 1], len(said))
    asked = said["label"].to_numpy() >= 0
    return said.assign(
        how_many=np.where(asked, np.maximum(number + slip, 1), np.nan),
        first_seen_s=np.where(asked, np.maximum(first + rng.choice([-1, 0, 0, 1], len(said)), 0), np.nan),
    )
