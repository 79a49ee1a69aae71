"""What a row costs to check, from 1,000 movies to 100,000, in tables with the mistakes that people make."""

import random
import sys
import time
from datetime import date, timedelta

import pandas as pd

from kso_utils.metadata.checks import check_tables

ROWS = (1_000, 10_000, 100_000)
RUNS = 3
_DEFECT_EVERY = 50
_FJORDS = ("Inner sill", "Outer wall", "Kelp bay", "Wreck", "Sandbank", "Mussel bed", "Reef", "Channel")
_PEOPLE = ("R. Berg", "A. Lind", "M. Sand", "E. Falk")


def make_tables(rows: int, seed: int) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """Return tables of so many movies, one in fifty with a mistake, and the footage that they describe."""
    chance = random.Random(seed)  # noqa: S311
    names = [f"{_FJORDS[k % 8]} {k // 8 + 1}" for k in range(max(20, rows // 50))]
    sites = pd.DataFrame(
        {
            "id": range(1, len(names) + 1),
            "locality": names,
            "decimalLatitude": [round(58 + chance.random(), 5) for _ in names],
            "decimalLongitude": [round(11 + chance.random(), 5) for _ in names],
            "geodeticDatum": "EPSG:4326",
            "countryCode": "SE",
            "maximumDepthInMeters": [float(chance.randrange(10, 200)) for _ in names],
        }
    )
    records = [_movie(k, names, chance) for k in range(rows)]
    footage = pd.DataFrame(
        {
            "filename": [r["filename"] for r in records],
            "sha256": [f"{k:064x}" for k in range(rows)],
            "fps_num": 25,
            "fps_den": 1,
            "duration_s": [r["duration_s"] for r in records],
            "created_at": [f"{r['eventDate']}T08:00:00.000000Z" for r in records],
            "error": None,
        }
    )
    for k in range(0, rows, _DEFECT_EVERY):
        _spoil(records[k], k // _DEFECT_EVERY)
    surveys = pd.DataFrame({"eventID": ["spring", "autumn"], "eventDate": ["2015/2024", "2015/2024"]})
    species = pd.DataFrame(
        {
            "vernacularName": ["Cod", "Nothing here"],
            "scientificName": ["Gadus morhua", None],
            "taxonRank": ["species", None],
            "kingdom": ["Animalia", None],
        }
    )
    movies = pd.DataFrame(records)
    return {"surveys": surveys, "sites": sites, "movies": movies, "species": species}, footage


def _movie(number: int, sites: list[str], chance: random.Random) -> dict[str, object]:
    day = date(2015, 1, 1) + timedelta(days=number % 3_000)
    length = round(chance.uniform(300, 3_600), 2)
    return {
        "id": number + 1,
        "filename": f"{day:%Y%m%d}_dive_{number:06d}.mp4",
        "locality": sites[number % len(sites)],
        "parentEventID": ("spring", "autumn")[number % 2],
        "eventDate": day.isoformat(),
        "recordedBy": chance.choice(_PEOPLE),
        "samplingProtocol": "ROV transect",
        "fps": 25.0,
        "duration_s": length,
        "sampling_start_s": 10.0,
        "sampling_end_s": length - 5.0,
        "is_bad_deployment": "no",
    }


def _spoil(row: dict[str, object], kind: int) -> None:
    changes: tuple[dict[str, object], ...] = (
        {"fps": 99.0},
        {"duration_s": 99_999.0},
        {"recordedBy": "NA"},
        {"eventDate": "13/08/2021"},
        {"eventDate": "2021-03-02"},
        {"locality": f"Outer wal {kind}"},
        {"filename": f"dive {kind}"},
        {"sampling_end_s": 1.0},
        {"recordedBy": "R. B\u00c3\u00a4rg"},
        {"eventDate": None},
    )
    row.update(changes[kind % len(changes)])


def main() -> dict[str, float]:
    """Measure microseconds of work a row, the best of three."""
    figures = {}
    for rows in ROWS:
        tables, footage = make_tables(rows, seed=1)
        times, found = [], 0
        for _ in range(RUNS):
            start = time.process_time()
            found = len(check_tables(tables, footage))
            times.append(time.process_time() - start)
        figures[f"us_per_row_{rows}"] = min(times) / rows * 1e6
        sys.stdout.write(
            f"{rows:7,} movies: {min(times):6.2f} s, {min(times) / rows * 1e6:6.1f} us a row, {found:,} findings\n"
        )
    figures["ratio"] = figures[f"us_per_row_{ROWS[-1]}"] / figures[f"us_per_row_{ROWS[0]}"]
    sys.stdout.write(f"a row of {ROWS[-1]:,} costs {figures['ratio']:.2f} x one of {ROWS[0]:,}\n")
    return figures
