"""`zooniverse.origins.describe_subjects` against the same rule written row by row.

The reference reads each row of the export by itself and compares its file name with that of every movie, by one
likeness after another; both must give the same movies and times. The ratio is processor time of the reference to that
of `describe_subjects` over the same subjects, the median of three pairs measured in turn; beside it stands the time of
100,000 subjects.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from kso_utils.core.report import Report
from kso_utils.zooniverse.matching.eras import Era
from kso_utils.zooniverse.matching.movie_names import MovieNames
from kso_utils.zooniverse.matching.origin import Known
from kso_utils.zooniverse.origins import describe_subjects

MOVIES = 500
COMPARED = 1_000
SUBJECTS = 100_000
REPEATS = 3
ERA = Era("{movie}_{start}.mp4", 10.0, "2019-11-17", "2020-05-29", ".mov")

Place = tuple[int | None, float | None, float | None]


def make_export(subjects: int, seed: int = 0) -> pd.DataFrame:
    """Clips of a table of subjects: a third by number and name, by name alone, and named in the era each."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(subjects):
        movie, start = int(rng.integers(1, MOVIES + 1)), 10 * int(rng.integers(60))
        place = {"upl_seconds": str(start), "#clip_length": 10, "#siteName": "Inner sill", "#created_on": "2001-01-01"}
        told, created = (
            ({"#movie_id": movie, "#VideoFilename": f"Tape {movie}.mov", **place}, "2021-01-01 00:00:00 UTC"),
            ({"Filename": f"TAPE {movie}.mp4", **place}, "2021-01-01 00:00:00 UTC"),
            ({"filename": f"Tape {movie}_{start}.mp4"}, "2020-01-01 00:00:00 UTC"),
        )[number % 3]
        row = {"subject_id": str(number), "subject_set_id": "3", "metadata": json.dumps(told), "created_at": created}
        rows.append({**row, "locations": json.dumps({"0": f"https://x/{number}.mp4"})})
    return pd.DataFrame(rows)


def match_slowly(export: pd.DataFrame, movies: list[tuple[int, str]]) -> list[Place]:
    """The rule for those subjects, a row and a movie at a time."""
    found: list[Place] = []
    for _, row in export.iterrows():
        said = {key.lstrip("#/!").lower(): value for key, value in json.loads(row["metadata"]).items()}
        name = said.get("videofilename", said.get("filename"))
        start, length = said.get("upl_seconds"), said.get("clip_length")
        clip = ERA.read(name) if start is None and "2019-11-17" <= row["created_at"][:10] < "2020-05-29" else None
        if clip is not None:
            name, start, length = clip.movie, clip.start_s, clip.end_s - clip.start_s
        movie_id = None
        for key in (str, str.casefold, lambda one: PurePosixPath(one).stem.casefold()):
            same = [number for number, one in movies if key(one) == key(name)]
            if same and movie_id is None:
                movie_id = same[0]
        found.append((movie_id, float(start), float(start) + float(length)))
    return found


def match(export: pd.DataFrame, movies: list[tuple[int, str]]) -> list[Place]:
    """The same from `describe_subjects`."""
    known = Known(
        MovieNames((number, name, ()) for number, name in movies), {"movie_id": {n for n, _ in movies}}, eras=(ERA,)
    )
    rows = describe_subjects(export, known, Report("Subjects"))
    return list(rows[["movie_id", "clip_start_time", "clip_end_time"]].itertuples(index=False, name=None))


def timed(call: Callable[[], object]) -> float:
    """Processor time of one call in seconds."""
    start = time.process_time()
    call()
    return time.process_time() - start


def main() -> dict[str, float]:
    """Measure and print the table."""
    movies = [(number, f"Tape {number}.mov") for number in range(1, MOVIES + 1)]
    export = make_export(COMPARED)
    assert match(export, movies) == match_slowly(export, movies)
    pairs = [
        (timed(lambda: match(export, movies)), timed(lambda: match_slowly(export, movies))) for _ in range(REPEATS)
    ]
    ratio = statistics.median(slow / fast for fast, slow in pairs)
    many = make_export(SUBJECTS)
    whole = timed(lambda: match(many, movies))
    fast, slow = (statistics.median(side) for side in zip(*pairs, strict=True))
    print(f"{COMPARED:>7} subjects: {fast:.3f} s, row by row {slow:.2f} s, ratio {ratio:.1f}")
    print(f"{SUBJECTS:>7} subjects: {whole:.2f} s")
    return {"origins_ratio": ratio, "origins_100000_s": whole}


if __name__ == "__main__":
    main()
