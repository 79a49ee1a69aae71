"""`metadata.populate` against inserts row by row through SQLAlchemy's ORM, at 100,000 movies.

The slow side makes an object a row, adds it to a session and flushes it, with one commit at the end. It checks nothing,
while `populate` first checks every cell and then looks at what is there already. The ratio that counts is therefore
that of the inserts to all that `populate` does after the checks; the one to the whole of it stands beside. To commit
each row as well, as scripts often do, is measured on a hundredth of the rows and shown scaled up. Both sides must leave
the same rows, and a second populate of the same tables must write nothing. `KSO_BENCH_N` sets the number of movies.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy.orm import Session

from kso_utils.metadata.checks import check_tables
from kso_utils.metadata.ingest import exact_rate, populate
from kso_utils.metadata.tables import load_tables
from kso_utils.store.connection import connect_file
from kso_utils.store.engine import Store, open_store
from kso_utils.store.rows import Counts
from kso_utils.store.schema import Movie, Site

SITES = 200
RATES = (25.0, 29.97, 50.0, 59.94)
GOAL = 10.0


def make_tables(movies: int) -> dict[str, pd.DataFrame]:
    """Sites, and movies that were filmed there, as `load_tables` reads them from CSV files."""
    places = range(SITES)
    sites = {
        "id": [str(n + 1) for n in places],
        "locality": [f"Reef {n}" for n in places],
        "decimalLatitude": [f"{57 + n / 1000:.3f}" for n in places],
        "decimalLongitude": [f"{11 + n / 1000:.3f}" for n in places],
        "geodeticDatum": ["EPSG:4326"] * SITES,
        "countryCode": ["SE"] * SITES,
    }
    numbers = range(movies)
    rows = {
        "id": [str(n + 1) for n in numbers],
        "filename": [f"reef_{n % SITES}_{n:06d}.mp4" for n in numbers],
        "locality": [f"Reef {n % SITES}" for n in numbers],
        "eventDate": [f"{2000 + n % 20}-{1 + n % 12:02d}-{1 + n % 28:02d}" for n in numbers],
        "recordedBy": [f"Diver {n % 50}" for n in numbers],
        "fps": [f"{RATES[n % len(RATES)]:g}" for n in numbers],
        "duration_s": [f"{600 + n % 1200}.5" for n in numbers],
        "sampling_start_s": ["10" if n % 3 else "" for n in numbers],
        "sampling_end_s": ["590" if n % 3 else "" for n in numbers],
    }
    with tempfile.TemporaryDirectory() as folder:
        pd.DataFrame(sites).to_csv(Path(folder) / "sites.csv", index=False)
        pd.DataFrame(rows).to_csv(Path(folder) / "movies.csv", index=False)
        return load_tables(folder)


def insert_by_row(path: Path, tables: dict[str, pd.DataFrame], commit_each: bool = False) -> None:
    """Write the same rows one by one."""
    open_store(path).close()
    engine = connect_file(path, read_only=False)
    with Session(engine.execution_options(kso_writes=True)) as session:
        for row in tables["sites"].to_dict("records"):
            session.add(Site(**row))
            session.flush()
        ids = {site.locality: site.id for site in session.query(Site)}
        for row in tables["movies"].to_dict("records"):
            session.add(_movie(row, ids[row["locality"]]))
            session.flush()
            if commit_each:
                session.commit()
        session.commit()
    engine.dispose()


def _movie(row: dict[str, Any], site_id: int) -> Movie:
    rate, duration_s = exact_rate(row["fps"]), row["duration_s"]
    windowed = row["sampling_end_s"] == row["sampling_end_s"]
    return Movie(
        id=row["id"],
        filename=row["filename"],
        site_id=site_id,
        eventDate=row["eventDate"],
        recordedBy=row["recordedBy"],
        fps=rate.numerator / rate.denominator,
        fps_num=rate.numerator,
        fps_den=rate.denominator,
        duration_s=duration_s,
        sampling_start_s=row["sampling_start_s"] if windowed else 0.0,
        sampling_end_s=row["sampling_end_s"] if windowed else duration_s,
    )


def timed(work: Callable[[], object]) -> float:
    """Wall time of one call in seconds."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def assert_equal(ours: Store, theirs: Store) -> None:
    for table in ("sites", "movies"):
        pd.testing.assert_frame_equal(ours.read(table, order_by="id"), theirs.read(table, order_by="id"))


def main() -> dict[str, float]:
    """Measure and print the table."""
    movies = int(os.environ.get("KSO_BENCH_N", "100000"))
    tables = make_tables(movies)
    few = {"sites": tables["sites"], "movies": tables["movies"][: max(movies // 100, 1)]}
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder) / "ours.db") as ours:
        check_s = timed(lambda: check_tables(tables))
        ours_s = timed(lambda: populate(ours, tables))
        start = time.perf_counter()
        again = populate(ours, tables)
        again_s = time.perf_counter() - start
        assert again == {"sites": Counts(unchanged=SITES), "movies": Counts(unchanged=movies)}, again
        flushed_s = timed(lambda: insert_by_row(Path(folder) / "rows.db", tables))
        committed_s = timed(lambda: insert_by_row(Path(folder) / "commits.db", few, commit_each=True))
        committed_s *= movies / len(few["movies"])
        with open_store(Path(folder) / "rows.db") as theirs:
            assert_equal(ours, theirs)
    ratio, whole = flushed_s / (ours_s - check_s), flushed_s / ours_s
    sys.stdout.write(
        f"{movies} movies\n"
        f"  populate                        {ours_s:8.2f} s, of which checks {check_s:.2f} s\n"
        f"  populate again, 0 rows written  {again_s:8.2f} s\n"
        f"  ORM, flush a row, one commit    {flushed_s:8.1f} s\n"
        f"  ORM, commit a row (scaled)      {committed_s:8.1f} s\n"
        f"  ratio of the writes             {ratio:8.1f}    (goal {GOAL:g})\n"
        f"  ratio with the checks           {whole:8.1f}\n"
        f"  ratio to a commit a row         {committed_s / ours_s:8.1f}\n"
    )
    return {
        "movies": movies,
        "populate_s": round(ours_s, 2),
        "checks_s": round(check_s, 2),
        "populate_again_s": round(again_s, 2),
        "orm_flush_s": round(flushed_s, 2),
        "orm_commit_scaled_s": round(committed_s, 2),
        "ratio": round(ratio, 2),
        "ratio_with_checks": round(whole, 2),
    }
