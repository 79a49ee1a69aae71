"""Reading and flattening of exports against the row-by-row way, and what a re-export with 1 % new rows costs.

The file holds the 2,000 real rows of a survey again and again, with new ids and 12 votes a subject. The slow side goes
as the earlier system did: all bytes into one text, `read_csv` of a `StringIO`, `iterrows` with `json.loads` for each
row, a list of dictionaries into a table, and a merge with the classifications. It is to give what ours gives, so that
it also looks at each row's metadata, and changes the columns that ours changes, whole columns at a time; on a small
file both are compared first, in every column that is not empty. Each run is a process of its own, whose peak memory is
taken, and the sides take turns. The slow side's rows a second stand beside those that are expected of it; below half of
that the machine was too busy for a fair comparison.

Both sides read a file that was examined (hashed, and looked at whether it is whole) before, as a pull does when it
fetches it. Ours uses two cores; the ratio of the work of all threads stands beside that of time.

A re-export is taken into a store that has all but 1 % of its rows, examination included. It is compared with a scan of
the same file by Python's `csv.reader`, and with one of pandas that reads the ids alone (C engine, 20,000 rows at a
time).

`KSO_BENCH_N` (default 200,000) sets the rows; memory is also taken at five times as many.
"""

import csv
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.compute  # noqa: F401 - loaded before the clock starts, as pandas is

from kso_utils.core.report import Report
from kso_utils.store.engine import open_store
from kso_utils.zooniverse.answers import flatten
from kso_utils.zooniverse.exports import SeenIds, read_classifications
from kso_utils.zooniverse.pulls import take_in
from kso_utils.zooniverse.retrieval.files import ExportFile, Tally, examine
from kso_utils.zooniverse.workflows import TaskMap

ROOT = Path(__file__).resolve().parents[1]
REAL = ROOT.parent / "shared" / "data" / "zooniverse" / "survey_michigan_2000.csv"
VOTES = 12
RUNS = 3
EXPECTED_ROWS_PER_S = (8_700, 12_800)
GOALS = {"ratio": 10.0, "rss_mb": 350, "rss_5x_mb": 600, "again_to_scan": 2.0}
TASKS = TaskMap(nothing=("NOTHINGHERE",))


def make_export(path: Path, rows: int) -> Path:
    with REAL.open(encoding="utf-8", newline="") as handle:
        real = list(csv.DictReader(handle))
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, list(real[0]))
        writer.writeheader()
        for number in range(rows):
            row = dict(real[number % len(real)])
            subject = str(10_000_000 + number // VOTES)
            row["subject_data"] = row["subject_data"].replace(f'"{row["subject_ids"]}"', f'"{subject}"', 1)
            row |= {"classification_id": str(100_000_000 + number), "subject_ids": subject}
            writer.writerow(row)
    return path


def examined(path: Path) -> ExportFile:
    file = examine(path, Report("Benchmark"))
    assert file is not None
    return file


def flatten_quickly(file: ExportFile) -> Iterator[pd.DataFrame]:
    report = Report("Benchmark")
    tally = Tally(file.path.name, file.kind, file.sha256)
    for chunk in read_classifications(file, SeenIds(np.empty(0, dtype=np.int64)), report, tally):
        yield flatten(chunk, None, TASKS, report)


def flatten_by_row(file: ExportFile) -> pd.DataFrame:
    table = pd.read_csv(StringIO(file.path.read_bytes().decode("utf-8")))
    rows: list[dict[str, Any]] = []
    for _, row in table.iterrows():
        metadata = json.loads(row["metadata"])
        state = metadata.get("subject_selection_state") or {}
        common = {
            "classification_id": row["classification_id"],
            "started_at": metadata.get("started_at"),
            "finished_at": metadata.get("finished_at"),
            "seen_before": bool(metadata.get("seen_before") or state.get("already_seen")),
            "live": metadata.get("live_project") is not False,
        }
        marks = []
        for annotation in json.loads(row["annotations"]):
            value = annotation["value"]
            given = []
            for choice in value if isinstance(value, list) else []:
                if choice["choice"] in ("NOTHINGHERE", ""):
                    continue
                mark = {"label": choice["choice"], "labels_from": "codes", "raw": to_text(choice)}
                for question, answer in choice["answers"].items():
                    # 35 may be 3 to 5, and 610 be 6 to 10.
                    if "HOWMANY" in question and answer in "0123456789":
                        mark["how_many"] = float(answer)
                given.append(mark)
            if isinstance(value, str):
                given.append({"label": value, "labels_from": "export"})
            marks += [{"task": annotation["task"], **mark} for mark in given or [{}]]
        chosen = marks if any("label" in mark for mark in marks) else marks[:1]
        rows += [{**common, **mark} for mark in chosen]
    flat = pd.DataFrame(rows)
    flat = flat.merge(table.drop(columns=["annotations", "metadata"]), how="left", on="classification_id")
    versions = flat["workflow_version"].astype("str").str.split(".", expand=True).astype("int64")
    return flat.assign(
        user=flat["user_name"],
        user_kind=np.where(flat["user_id"].isna(), "anonymous", "registered"),
        subject_id=flat["subject_ids"],
        version_major=versions[0],
        version_minor=versions[1],
        created_at=flat["created_at"].str.replace(" ", "T", n=1).str.replace(" UTC", "Z"),
        gold_standard=flat["gold_standard"].eq(True),
        expert=flat["expert"].notna(),
    )


def to_text(choice: dict[str, Any]) -> str:
    kept = {"choice": choice["choice"], "answers": choice["answers"]}
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":"))


def scan(file: ExportFile) -> None:
    with file.path.open(encoding="utf-8", newline="") as handle:
        for _ in csv.reader(handle):
            pass


def scan_ids(file: ExportFile) -> None:
    with pd.read_csv(file.path, usecols=["classification_id"], chunksize=20_000) as reader:
        for _ in reader:
            pass


def compare(path: Path) -> None:
    """Check that both sides give the same rows, whatever their order."""
    file = examined(path)
    ours = pd.concat(list(flatten_quickly(file)))
    columns = [column for column in ours if ours[column].notna().any()]
    theirs = flatten_by_row(file)
    plain = [t[columns].astype("string").fillna("").sort_values(columns).to_numpy() for t in (ours, theirs)]
    assert (plain[0] == plain[1]).all()


def take_in_again(file: ExportFile) -> None:
    with open_store(file.path.parent.parent / "store.sqlite") as store:
        take_in(store, file.path.parent, TASKS)


WORK: dict[str, Callable[[ExportFile], object]] = {
    "ours": lambda file: sum(map(len, flatten_quickly(file))),
    "by_row": flatten_by_row,
    "scan": scan,
    "scan_ids": scan_ids,
    "again": take_in_again,
}


def measure(what: str, path: Path) -> dict[str, float]:
    """Run one piece of work in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.exports", what, str(path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def run_one(what: str, path: Path) -> None:
    file = examined(path)
    start, worked = time.perf_counter(), time.process_time()
    WORK[what](file)
    times = {"s": time.perf_counter() - start, "cpu_s": time.process_time() - worked}
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(json.dumps({**times, "rss_mb": used}))


def measure_reading(folder: Path, rows: int) -> dict[str, float]:
    compare(make_export(folder / "small.csv", min(rows, 4_000)))
    path = make_export(folder / "export.csv", rows)
    runs = [{what: measure(what, path) for what in ("ours", "by_row")} for _ in range(RUNS)]
    ours_s, by_row_s = (statistics.median(run[what]["s"] for run in runs) for what in ("ours", "by_row"))
    ours_cpu_s, by_row_cpu_s = (statistics.median(run[what]["cpu_s"] for run in runs) for what in ("ours", "by_row"))
    large = make_export(folder / "large.csv", 5 * rows)
    return {
        "rows": rows,
        "ours_s": ours_s,
        "by_row_s": by_row_s,
        "ratio": by_row_s / ours_s,
        "ratio_of_work": by_row_cpu_s / ours_cpu_s,
        "rss_mb": max(run["ours"]["rss_mb"] for run in runs),
        "by_row_rss_mb": max(run["by_row"]["rss_mb"] for run in runs),
        "rss_5x_mb": measure("ours", large)["rss_mb"],
    }


def measure_again(folder: Path, rows: int) -> dict[str, float]:
    """Measure a re-export of which the store has all rows but 1 %."""
    exports = folder / "exports"
    exports.mkdir()
    path = make_export(exports / "export.csv", rows)
    with path.open(encoding="utf-8", newline="") as handle, (folder / "old.csv").open("w", encoding="utf-8") as old:
        old.writelines(islice(handle, 1 + rows * 99 // 100))
    path.rename(folder / "new.csv")
    (folder / "old.csv").rename(path)
    first = measure("again", path)
    (folder / "new.csv").replace(path)
    kept = (folder / "store.sqlite").read_bytes()
    times: dict[str, list[float]] = {"scan": [], "scan_ids": [], "again": []}
    for _ in range(RUNS):
        (folder / "store.sqlite").write_bytes(kept)
        for what, found in times.items():
            found.append(measure(what, path)["s"])
    again_s, scan_s, scan_ids_s = (statistics.median(times[what]) for what in ("again", "scan", "scan_ids"))
    return {
        "first_s": first["s"],
        "first_rss_mb": first["rss_mb"],
        "again_s": again_s,
        "scan_s": scan_s,
        "again_to_scan": again_s / scan_s,
        "again_to_scan_ids": again_s / scan_ids_s,
    }


def main() -> dict[str, float]:
    if not REAL.is_file():
        sys.stdout.write(f"left out: the real rows are not here ({REAL})\n")
        return {}
    rows = int(os.environ.get("KSO_BENCH_N", "200000"))
    with tempfile.TemporaryDirectory() as folder:
        figures = measure_reading(Path(folder), rows)
    with tempfile.TemporaryDirectory() as folder:
        figures |= measure_again(Path(folder), rows)
    slow = rows / figures["by_row_s"]
    low, high = EXPECTED_ROWS_PER_S
    fair = "fair" if slow >= low / 2 else "VOID: the slow side was more than twice as slow as expected"
    sys.stdout.write(
        f"{rows:,} survey rows, read and flattened\n"
        f"  ours        {figures['ours_s']:7.2f} s  {rows / figures['ours_s']:9,.0f} rows/s  "
        f"{figures['rss_mb']:6.0f} MB (goal {GOALS['rss_mb']})\n"
        f"  row by row  {figures['by_row_s']:7.2f} s  {slow:9,.0f} rows/s  {figures['by_row_rss_mb']:6.0f} MB "
        f"(expected {low:,} to {high:,} rows/s: {fair})\n"
        f"  ratio       {figures['ratio']:7.1f}    (goal {GOALS['ratio']:g}; {figures['ratio_of_work']:.1f} of work)\n"
        f"  {5 * rows:,} rows: {figures['rss_5x_mb']:.0f} MB (goal {GOALS['rss_5x_mb']})\n"
        f"taken into a store: {figures['first_s']:.1f} s, {figures['first_rss_mb']:.0f} MB\n"
        f"  with 1 % new rows {figures['again_s']:.2f} s, a scan {figures['scan_s']:.2f} s: "
        f"{figures['again_to_scan']:.2f} x (goal {GOALS['again_to_scan']:g}); "
        f"{figures['again_to_scan_ids']:.2f} x one with pandas\n"
    )
    return {name: round(value, 3) for name, value in figures.items()}


if __name__ == "__main__":
    run_one(sys.argv[1], Path(sys.argv[2]))
