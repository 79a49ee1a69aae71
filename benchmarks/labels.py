"""Agreement on as many classifications as Snapshot Serengeti had, against the published rule as plain pandas.

1.2 million subjects with 10.8 million classifications (Swanson et al. 2015) are simulated by blocks, and their rows
spread at random over Parquet files, in any order. `consensus.clips` takes these one after another and shares them out
among parts of whole subjects by itself. The slow side holds the whole table and does what KSO's published rule says:
distinct classifications of a subject, and of a subject and label, each counted for every row by `groupby.transform`,
then the median of the answers that are left, and one row of each kind. It counts classifications, not people, and gives
neither intervals nor spreads. On the small table, both are checked for equal results under `ClipRule(compat="kso")`.

Each run is a process of its own, whose peak memory is taken; reading files is not timed. The labels of parts are found
by two threads; the ratio of the work of all threads stands beside that of time. `KSO_BENCH_N` (default 10,800,000) sets
the classifications of the large table; the small one has as many as make 200,000 rows.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from kso_utils.consensus.clip_labels import ClipRule, clips
from kso_utils.testing.crowd import simulate_crowd

ROOT = Path(__file__).resolve().parents[1]
LARGE = 10_800_000
SMALL_ROWS = 200_000
VOTES = (5, 13)
LABELS, PEOPLE = 48, 28_000
BLOCK = 50_000
ROWS_A_FILE = 100_000
RUNS = 3
AGREEMENT, LEAST = 0.8, 3
GOALS = {"rss_mb": 2048, "large_to_small": 3.0, "ratio": 3.0}


def generate(folder: Path, subjects: int) -> None:
    """Write the rows of some subjects into files, in random order; the last block may be smaller."""
    rng = np.random.default_rng(6)
    blocks: list[pd.DataFrame] = []
    made = 0
    for first in range(0, subjects, BLOCK):
        rows = simulate_crowd(min(BLOCK, subjects - first), VOTES, LABELS, PEOPLE, seed=first).rows
        rows = rows.astype({"user": "category", "label": "category"})
        rows["subject_id"] += 1_000_000 + first
        rows["classification_id"] += 100_000_000 + made
        made += rows["classification_id"].nunique()
        blocks.append(rows.sample(frac=1, random_state=rng))
    count = max(1, round(sum(map(len, blocks)) / ROWS_A_FILE))
    for number in range(count):
        pieces = [block.iloc[len(block) * number // count : len(block) * (number + 1) // count] for block in blocks]
        rows = pd.concat([piece.astype({"user": "str", "label": "str"}) for piece in pieces])
        rows.sample(frac=1, random_state=rng).to_parquet(folder / f"{number:04d}.parquet", index=False)
    (folder / "classifications").write_text(str(made), encoding="utf-8")


def publish(rows: pd.DataFrame) -> pd.DataFrame:
    """KSO's published rule for clips, step by step."""
    rows = rows.dropna(subset=["label"]).reset_index(drop=True)
    rows["people"] = rows.groupby("subject_id")["classification_id"].transform("nunique")
    rows = rows[rows["people"] >= LEAST].reset_index(drop=True)
    pair = ["subject_id", "label"]
    rows["votes"] = rows.groupby(pair)["classification_id"].transform("nunique")
    rows["support"] = rows["votes"] / rows["people"]
    rows = rows[rows["support"] >= AGREEMENT].reset_index(drop=True)
    answers = ["how_many", "first_seen_s"]
    rows[answers] = rows[answers].fillna(0)
    rows[answers] = rows.groupby(pair)[answers].transform("median").astype("int64")
    rows["labels"] = rows.groupby("subject_id")["label"].transform("nunique")
    return rows.drop(columns=["classification_id", "user"]).drop_duplicates()


def check_equal(rows: pd.DataFrame) -> None:
    ours = clips(rows, ClipRule(agreement=AGREEMENT, min_people=LEAST, compat="kso"))
    columns = ["subject_id", "label", "votes", "people", "support", "how_many", "first_seen_s"]
    agreed, published = (
        table[columns].astype({"label": "str", "how_many": "float64", "first_seen_s": "float64"})
        for table in (ours[ours["agreed"]], publish(rows))
    )
    pd.testing.assert_frame_equal(
        agreed.sort_values(columns, ignore_index=True), published.sort_values(columns, ignore_index=True)
    )


class Reader:
    """The files of a folder, one table after another; `read_s` and `read_cpu_s` are what reading took."""

    def __init__(self, folder: Path) -> None:
        self.files = sorted(folder.glob("*.parquet"))
        self.read_s, self.read_cpu_s, self.rows = 0.0, 0.0, 0

    def __iter__(self) -> Iterator[pd.DataFrame]:
        for path in self.files:
            start, worked = time.perf_counter(), time.process_time()
            rows = pd.read_parquet(path)
            self.read_s += time.perf_counter() - start
            self.read_cpu_s += time.process_time() - worked
            self.rows += len(rows)
            yield rows


def run_one(what: str, folder: Path) -> None:
    """Run one side and print what it took."""
    clips(pd.read_parquet(sorted(folder.glob("*.parquet"))[0]).head(100))
    reader = Reader(folder)
    whole = None if what == "ours" else pd.concat(reader, ignore_index=True)
    reader.read_s, reader.read_cpu_s = 0.0, 0.0
    start, worked = time.perf_counter(), time.process_time()
    rule = ClipRule(agreement=AGREEMENT, min_people=LEAST)
    found = clips(reader, rule) if whole is None else publish(whole)
    taken = time.perf_counter() - start - reader.read_s
    work = time.process_time() - worked - reader.read_cpu_s
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures = {"s": taken, "rows": reader.rows, "found": len(found), "rss_mb": used}
    per_row = {"us_a_row": 1e6 * taken / reader.rows, "cpu_us_a_row": 1e6 * work / reader.rows}
    sys.stdout.write(json.dumps({**figures, **per_row}))


def call(what: str, folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "benchmarks.labels", what, str(folder), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def measure(what: str, folder: Path) -> dict[str, float]:
    return dict(json.loads(call(what, folder)))


def main() -> dict[str, float]:
    classifications = int(os.environ.get("KSO_BENCH_N", str(LARGE)))
    mean = sum(VOTES) / 2
    with tempfile.TemporaryDirectory() as name:
        small, large = Path(name) / "small", Path(name) / "large"
        # A classification has 1.2 rows.
        for folder, subjects in ((small, SMALL_ROWS / 1.2 / mean), (large, classifications / mean)):
            folder.mkdir()
            call("generate", folder, str(round(subjects)))
        check_equal(pd.concat(Reader(small), ignore_index=True))
        runs = [{what: measure(what, small) for what in ("ours", "published")} for _ in range(RUNS)]
        ours, published = (statistics.median(run[what]["us_a_row"] for run in runs) for what in ("ours", "published"))
        most, slow = (measure(what, large) for what in ("ours", "published"))
        made = int((large / "classifications").read_text(encoding="utf-8"))
    figures = {
        "small_rows": runs[0]["ours"]["rows"],
        "small_us_a_row": ours,
        "small_published_us_a_row": published,
        "small_ratio": published / ours,
        "classifications": made,
        "rows": most["rows"],
        "s": most["s"],
        "us_a_row": most["us_a_row"],
        "rss_mb": most["rss_mb"],
        "large_to_small": most["us_a_row"] / ours,
        "published_us_a_row": slow["us_a_row"],
        "published_rss_mb": slow["rss_mb"],
        "ratio": slow["us_a_row"] / most["us_a_row"],
        "ratio_of_work": slow["cpu_us_a_row"] / most["cpu_us_a_row"],
    }
    sys.stdout.write(
        f"{figures['small_rows']:,} rows: ours {ours:.2f} us a row, the published rule {published:.2f}: "
        f"{figures['small_ratio']:.1f} x\n"
        f"{made:,} classifications, {most['rows']:,} rows\n"
        f"  ours           {most['s']:7.1f} s  {most['us_a_row']:5.2f} us a row  {most['rss_mb']:6.0f} MB "
        f"(goal {GOALS['rss_mb']})\n"
        f"  published rule {slow['s']:7.1f} s  {slow['us_a_row']:5.2f} us a row  {slow['rss_mb']:6.0f} MB\n"
        f"  ratio          {figures['ratio']:7.1f}  (goal {GOALS['ratio']:g}; {figures['ratio_of_work']:.1f} of work)\n"
        f"  a row against one of {figures['small_rows']:,}: {figures['large_to_small']:.2f} x "
        f"(goal at most {GOALS['large_to_small']:g})\n"
    )
    return {name: round(value, 3) for name, value in figures.items()}


if __name__ == "__main__":
    if sys.argv[1] == "generate":
        generate(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        run_one(sys.argv[1], Path(sys.argv[2]))
