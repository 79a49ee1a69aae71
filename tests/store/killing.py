"""Kills writers of a store at random moments and looks at what they left: run as a process of its own.

It forks, so that a writer starts at once; a test process, with threads of other tests in it, must not.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
import traceback
from pathlib import Path

import alembic.command  # noqa: F401 - loaded before the forks, so that the kills fall into the writing
import pandas as pd

from kso_utils.store.engine import open_store

ROWS = 20_000


def populate(path, version):
    """Write 200 sites and `ROWS` movies, all of which say which version of them this is."""
    movies = pd.DataFrame({"filename": [f"{number}.mp4" for number in range(ROWS)], "frames": version})
    with open_store(path) as store, store.atomic():
        sites = pd.DataFrame({"locality": [f"site {number}" for number in range(200)], "habitat": str(version)})
        store.upsert("sites", sites, "locality")
        ids = store.read("sites", columns=["id"], order_by="id")["id"]
        store.upsert("movies", movies.assign(site_id=[ids[number % 200] for number in range(ROWS)]), "filename")


def versions(path):
    """The versions that the store holds, after a look at whether it is sound and complete."""
    with open_store(path) as store:
        report = store.check()
        assert report.ok, str(report)
        sites, movies = store.read("sites"), store.read("movies")
    assert len(sites) in (0, 200), len(sites)
    assert len(movies) == 100 * len(sites), len(movies)
    return {*movies["frames"], *sites["habitat"].astype("int64")}


def kill_after(delay_s, work, *args):
    """Do the work in a process that is killed after `delay_s`; return whether it was killed before it ended."""
    child = os.fork()
    if child == 0:
        try:
            work(*args)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    time.sleep(delay_s)
    os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def timed(work, *args):
    start = time.monotonic()
    work(*args)
    return time.monotonic() - start


def kill_populate(folder, kills, rng):
    """Old or new, never a mixture; and a second run finishes what the killed one left."""
    path = folder / "store.sqlite"
    populate(path, 1)
    duration = timed(populate, path, 2)
    hit = 0
    for version in range(3, kills + 3):
        hit += kill_after(rng.uniform(0.02, 1.0) * duration, populate, path, version)
        found = versions(path)
        assert found in ({version - 1}, {version}), found
        populate(path, version)
        assert versions(path) == {version}
    return hit


def kill_creation(folder, kills, rng):
    """A store whose making was interrupted is made by the next who opens it."""
    duration = timed(lambda: open_store(folder / "first.sqlite").close())
    hit = 0
    for number in range(kills):
        path = folder / f"{number}.sqlite"
        hit += kill_after(rng.uniform(0.02, 1.0) * duration, lambda path: open_store(path).close(), path)
        assert versions(path) == set()
    return hit


def main(what, folder, kills, seed):
    kill = {"populate": kill_populate, "creation": kill_creation}[what]
    hit = kill(Path(folder), int(kills), random.Random(int(seed)))  # noqa: S311 - times, not secrets
    sys.stdout.write(f"{hit}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
