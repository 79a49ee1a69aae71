"""Votes that `InformationRule` needs against a fixed number of votes for every subject, at equal F1.

Simulated volunteers (`testing.simulate_crowd`: skills 0.6 to 0.95, 5 % spammers), 25 of whom look at each subject. A
rule for retiring is replayed on their votes; the labels agreed by the votes before it are compared with the truth. The
same consensus stands on both sides: the labels that at least half of the people who looked named, and for comparison
plurality. The fixed number with the same F1 lies on the straight line between two whole numbers (so many subjects are
given the one, the others the other); the best F1 of a number or any below it counts, which favours the fixed number.

`saved` is 1 - votes of the rule / that fixed number, a subject; the mean over the seeds, with the lower end of its 95 %
interval (Student's t over the seeds).
"""

from __future__ import annotations

import os

import numpy as np
import pandas as pd

from kso_utils.consensus.clip_labels import ClipRule
from kso_utils.consensus.replay.caesar import fixed_rules
from kso_utils.consensus.retirement import InformationRule, simulate_retirement
from kso_utils.testing.crowd import simulate_crowd

POOL = 25
SEEDS = 20
SUBJECTS = 1500
HALF = ClipRule(agreement=0.5, min_people=1)
CASES = (
    ("half", HALF, 0.9),
    ("half", HALF, 0.95),
    ("half", HALF, 0.975),
    ("half", HALF, 0.99),
    ("plurality", ClipRule(method="plurality", min_people=1), 0.95),
)


def fixed_number(best: list[float], f1: float) -> float:
    """The number of votes with this F1, from the best F1 of 1, 2, 3 ... votes; the last does not fall short of it."""
    return float(np.interp(f1, best, np.arange(1, len(best) + 1)))


def measure(
    seed: int, subjects: int = SUBJECTS, cases: tuple[tuple[str, ClipRule, float], ...] = CASES
) -> pd.DataFrame:
    """One row a case: `consensus, sureness, f1, votes` (a subject), `fixed` and `saved`."""
    crowd = simulate_crowd(subjects, votes=POOL, seed=seed)
    curves: dict[str, list[float]] = {}
    rows = []
    for name, rule, sureness in cases:
        ours = simulate_retirement(crowd.rows, InformationRule(sureness), rule, crowd.truth)
        assert ours.f1 is not None
        best = curves.setdefault(name, [])
        while not best or best[-1] < ours.f1:
            if len(best) == POOL:
                raise ValueError(f"No fixed number of votes reaches F1 {ours.f1:.4f} (seed {seed}).")
            fixed = simulate_retirement(crowd.rows, fixed_rules(len(best) + 1), rule, crowd.truth)
            best.append(max([fixed.f1 or 0.0, *best]))
        votes, number = ours.used / subjects, fixed_number(best, ours.f1)
        rows.append((name, sureness, ours.f1, votes, number, 1 - votes / number))
    return pd.DataFrame(rows, columns=["consensus", "sureness", "f1", "votes", "fixed", "saved"])


def lower_bound(values: pd.Series[float]) -> float:
    """Lower end of the 95 % interval of the mean."""
    from scipy.stats import t

    return float(values.mean() - t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5)


def main() -> dict[str, float]:
    """Measure and print the table."""
    seeds = int(os.environ.get("KSO_BENCH_N", SEEDS))
    found = pd.concat([measure(seed) for seed in range(seeds)])
    figures = {}
    print(f"{'consensus':>10} {'sureness':>8} {'F1':>7} {'votes':>6} {'fixed':>6} {'saved':>6} {'at least':>8}")
    for (name, sureness), part in found.groupby(["consensus", "sureness"], sort=False):
        mean, low = part.mean(numeric_only=True), lower_bound(part["saved"])
        print(
            f"{name:>10} {sureness:>8} {mean['f1']:>7.4f} {mean['votes']:>6.2f} {mean['fixed']:>6.2f} "
            f"{mean['saved']:>6.1%} {low:>8.1%}"
        )
        figures[f"{name}_{sureness}_saved"] = float(mean["saved"])
        figures[f"{name}_{sureness}_saved_low"] = low
    return figures


if __name__ == "__main__":
    main()
