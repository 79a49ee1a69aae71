"""Kills `take_in` at random moments and looks at what it left: run as a process of its own, because it forks."""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

from kso_utils.store.engine import open_store
from kso_utils.zooniverse import exports
from kso_utils.zooniverse.pulls import take_in
from tests.killing import kill_after
from tests.zooniverse.test_exports import text_of

ROWS = 3_000
CHUNK = 300


def work(path, folder):
    exports._CHUNK_ROWS = CHUNK
    with open_store(path) as store:
        take_in(store, folder)


def look(path, folder):
    """The numbers of rows that a store holds, after a look at whether it is sound."""
    with open_store(path) as store:
        report = store.check()
        assert report.ok, str(report)
        return tuple(len(store.read(table)) for table in ("classifications", "annotations", "export_files"))


def main(place, kills, seed):
    folder, rng = Path(place) / "exports", random.Random(int(seed))  # noqa: S311 - times, not secrets
    folder.mkdir()
    hit = number = held = 0
    while hit < int(kills):
        # Each attempt takes in a few more rows than the store has, at first all of them.
        rows = [
            {"classification_id": str(n), "subject_ids": str(n // 5 + 1)} for n in range(1, ROWS * (number + 1) + 1)
        ]
        (folder / "export.csv").write_text(text_of(*rows[held:]), encoding="utf-8")
        path = Path(place) / "store.sqlite"
        before = look(path, folder)
        start = time.monotonic()
        if number == 0:
            assert not kill_after(None, work, Path(place) / "first.sqlite", folder)
            duration = time.monotonic() - start
        hit += kill_after(rng.uniform(0.1, 1.0) * duration, work, path, folder)
        found = look(path, folder)
        assert found in (before, (len(rows), len(rows), before[2] + 1)), (before, found)
        assert not kill_after(None, work, path, folder)
        assert look(path, folder) == (len(rows), len(rows), before[2] + 1)
        held, number = len(rows), number + 1
        assert number < 5 * int(kills) + 20
    sys.stdout.write(f"{hit}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
