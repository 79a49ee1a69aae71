"""How near each way of agreeing comes to the truth, on simulated volunteers whose truth is known.

Each seed makes its clips and people anew (`testing.crowd`); all methods see the same rows. Some clips are a gold
standard for the method that needs one, and count in no method's figures. F1 is over all pairs of clip and label: what
is there against what is agreed. Calibration compares what a method says of each label that was named (probability, else
support) with how often it is right. `KSO_BENCH_N` sets the number of seeds.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kso_utils.consensus.clip_labels import ClipRule, clips
from kso_utils.consensus.counting.intervals import PRIOR, credible_interval
from kso_utils.core.progress import track
from kso_utils.testing.crowd import Crowd, simulate_crowd

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

SEEDS = 20
SUBJECTS = 2_000
VOTES: tuple[int | tuple[int, int], ...] = (2, 3, 5, 8, (2, 8))
GOLD_SHARE = 0.05
NOTHING = "nothing here"
COVERED = 200_000
NAMES = {
    "kso": "KSO's published rule, empty answers left out",
    "kso_nothing": "KSO's published rule, where 'nothing here' is a choice",
    "share": "share of 80 %",
    "half": "share of 50 %",
    "plurality": "plurality",
    "gold": "votes weighed by a gold standard",
    "dawid_skene": "Dawid-Skene",
}


@dataclass(frozen=True)
class Score:
    """How a method did on one crowd.

    Attributes
    ----------
    recall, precision, f1
        The share of what is there that was agreed, the share of what was agreed that is there, and both in one.
    brier, calibration
        How far off is what a method says of the labels that were named: mean squared, and as expected calibration
        error over ten bins.
    """

    recall: float
    precision: float
    f1: float
    brier: float
    calibration: float


def agree(crowd: Crowd, method: str, fewest: int, gold: pd.DataFrame) -> pd.DataFrame:
    """The labels by one of `NAMES`."""
    if method == "kso":
        return clips(crowd.rows, ClipRule(compat="kso", min_people=fewest))
    if method == "kso_nothing":
        found = clips(crowd.rows.fillna({"label": NOTHING}), ClipRule(compat="kso", min_people=fewest))
        return found[found["label"] != NOTHING]
    if method == "half":
        return clips(crowd.rows, ClipRule("share", 0.5, fewest))
    if method == "gold":
        # Who weighs nothing is not among the people who looked.
        return clips(crowd.rows, ClipRule("gold", min_people=1), gold)
    return clips(crowd.rows, ClipRule(method, min_people=fewest))  # type: ignore[arg-type]


def score(found: pd.DataFrame, truth: pd.DataFrame) -> Score:
    """Compare with the truth."""
    pair = partial(pd.MultiIndex.from_frame, names=["subject_id", "label"])
    there, named = pair(truth[["subject_id", "label"]]), pair(found[["subject_id", "label"]])
    right = named.isin(there)
    agreed = found["agreed"].to_numpy(dtype=bool)
    hits = int((right & agreed).sum())
    said = found["probability"].fillna(found["support"]).to_numpy(dtype=np.float64)
    bins = np.minimum((10 * said).astype(int), 9)
    off = np.bincount(bins, said - right, 10)
    return Score(
        recall=hits / max(len(there), 1),
        precision=hits / max(int(agreed.sum()), 1),
        f1=2 * hits / max(len(there) + int(agreed.sum()), 1),
        brier=float(((said - right) ** 2).mean()),
        calibration=float(np.abs(off).sum() / len(said)),
    )


def study(votes: int | tuple[int, int], seed: int, subjects: int = SUBJECTS) -> dict[str, Score]:
    """Score all methods on one crowd."""
    crowd = simulate_crowd(subjects, votes, seed=seed)
    tested = np.arange(1, round(GOLD_SHARE * subjects) + 1)
    known = crowd.truth[crowd.truth["subject_id"].isin(tested)][["subject_id", "label"]]
    blank = pd.DataFrame({"subject_id": np.setdiff1d(tested, known["subject_id"]), "label": None})
    gold = pd.concat([known, blank], ignore_index=True)
    rest = crowd.truth[~crowd.truth["subject_id"].isin(tested)]
    fewest = votes if isinstance(votes, int) else votes[0]
    scores = {}
    for method in NAMES:
        found = agree(crowd, method, fewest, gold)
        scores[method] = score(found[~found["subject_id"].isin(tested)], rest)
    return scores


def lower_bound(differences: Sequence[float]) -> float:
    """The lower end of the 95 % interval of a mean, by Student's t."""
    from scipy.special import stdtrit

    values = np.asarray(differences)
    return float(values.mean() - stdtrit(len(values) - 1, 0.975) * values.std(ddof=1) / np.sqrt(len(values)))


def gain(scores: Sequence[dict[str, Score]], better: str, worse: str) -> list[float]:
    """By how much the F1 of one method is above that of another, seed by seed."""
    return [each[better].f1 - each[worse].f1 for each in scores]


def coverage(
    draw: Callable[[np.random.Generator, int], NDArray[np.float64]], people: int, size: int, seed: int
) -> float:
    """Of shares drawn somehow, how many lie within the interval found from the votes of some people."""
    rng = np.random.default_rng(seed)
    share = draw(rng, size)
    votes = rng.binomial(people, share)
    low, high = credible_interval(votes, np.full(size, people))
    return float(((low <= share) & (share <= high)).mean())


def from_prior(rng: np.random.Generator, size: int) -> NDArray[np.float64]:
    """Shares from the stated prior."""
    return rng.beta(*PRIOR, size)


def always(share: float) -> Callable[[np.random.Generator, int], NDArray[np.float64]]:
    """The same share again and again."""
    return lambda rng, size: np.full(size, share)


def print_table(kinds: dict[str, list[dict[str, Score]]], value: str) -> None:
    """Print the mean of one figure as a Markdown table: a row a method, a column a number of votes."""
    print(f"| {value} | " + " | ".join(kinds) + " |")
    print("|---" * (len(kinds) + 1) + "|")
    for method, name in NAMES.items():
        means = [np.mean([getattr(each[method], value) for each in scores]) for scores in kinds.values()]
        print(f"| {name} | " + " | ".join(f"{mean:.3f}" for mean in means) + " |")
    print()


def main() -> dict[str, float]:
    """Run the study and print its tables."""
    seeds = int(os.environ.get("KSO_BENCH_N", SEEDS))
    kinds: dict[str, list[dict[str, Score]]] = {}
    for votes in track(VOTES, "crowds"):
        name = f"{votes} votes" if isinstance(votes, int) else f"{votes[0]} to {votes[1]}"
        kinds[name] = [study(votes, seed) for seed in range(seeds)]
    for value in ("f1", "recall", "precision", "brier", "calibration"):
        print_table(kinds, value)
    figures: dict[str, float] = {}
    for better, worse in (("dawid_skene", "plurality"), ("plurality", "kso"), ("plurality", "kso_nothing")):
        for name, scores in kinds.items():
            difference = gain(scores, better, worse)
            key = f"{better}_minus_{worse}_{name.replace(' ', '_')}"
            figures[key], figures[f"{key}_lower"] = float(np.mean(difference)), lower_bound(difference)
            print(f"{better} - {worse}, {name}: {figures[key]:+.4f}, at least {figures[f'{key}_lower']:+.4f}")
    for people in (2, 3, 5, 8, 20):
        figures[f"coverage_{people}_people"] = coverage(from_prior, people, COVERED, seed=people)
        fixed = {share: coverage(always(share), people, COVERED // 10, seed=people) for share in (0.05, 0.2, 0.5)}
        shown = ", ".join(f"{p}: {held:.3f}" for p, held in fixed.items())
        print(
            f"intervals of {people} people hold {figures[f'coverage_{people}_people']:.4f} of shares; at fixed {shown}"
        )
    return figures


if __name__ == "__main__":
    main()
