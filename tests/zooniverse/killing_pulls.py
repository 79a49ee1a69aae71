"""Kills `take_in` before each thing that it writes, and at random moments, and looks at what it left.

Run as a process of its own, because it forks.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

import pyarrow.compute
import pyarrow.csv  # noqa: F401 - loaded before the forks, so that the kills fall into the work

from kso_utils.store.engine import Store, open_store
from kso_utils.zooniverse import exports
from kso_utils.zooniverse.pulls import take_in
from kso_utils.zooniverse.retrieval import files
from tests.killing import kill_after
from tests.zooniverse.test_exports import text_of

exports._CHUNK_ROWS = 200
files._WAYS = ((True, 20_000), *files._WAYS)


def work(path, folder, writes=None):
    """Take in, but die before a write."""
    left, upsert = [writes], Store.upsert

    def count(*args):
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
        return upsert(*args)

    if writes is not None:
        Store.upsert = count
    with open_store(path) as store:
        take_in(store, folder)


def look(path):
    """The numbers of rows that a store holds, after a look at whether it is sound."""
    with open_store(path) as store:
        report = store.check()
        assert report.ok, str(report)
        return tuple(len(store.read(table)) for table in ("classifications", "annotations", "export_files"))


def write_export(folder, rows):
    given = ({"classification_id": str(n), "subject_ids": str(n // 5 + 1)} for n in range(1, rows + 1))
    (folder / "export.csv").write_text(text_of(*given), encoding="utf-8")


def kill_each_write(path, folder):
    """Before each write that is not yet the last, the store is as it was."""
    write_export(folder, 600)
    writes = 0
    while kill_after(None, work, path, folder, writes):
        assert look(path) == (0, 0, 0), writes
        writes += 1
    assert look(path) == (600, 600, 1)
    return writes


def kill_at_random(path, folder, kills, rng):
    """Each attempt takes in more rows than the store has: all of them, or none."""
    hit = held = taken = number = 0
    while hit < kills:
        number += 1
        assert number < 5 * kills + 20, f"only {hit} kills came in time"
        rows = held + 1_500
        write_export(folder, rows)
        first = path.with_name("first.sqlite")
        start = time.monotonic()
        assert not kill_after(None, work, first, folder)
        hit += kill_after(rng.uniform(0.1, 1.0) * (time.monotonic() - start), work, path, folder)
        assert look(path) in ((held, held, taken), (rows, rows, taken + 1))
        assert not kill_after(None, work, path, folder)
        held, taken = rows, taken + 1
        assert look(path) == (held, held, taken)
    return hit


def main(place, kills, seed):
    folder = Path(place) / "exports"
    folder.mkdir()
    if int(kills):
        rng = random.Random(int(seed))  # noqa: S311 - times, not secrets
        hit = kill_at_random(Path(place) / "store.sqlite", folder, int(kills), rng)
    else:
        hit = kill_each_write(Path(place) / "store.sqlite", folder)
    sys.stdout.write(f"{hit}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
