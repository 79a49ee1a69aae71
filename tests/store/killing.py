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

import alembic.command  # noqa: F401 - loaded before the forks, so that the kills fall into the writing
import pandas as pd

from kso_utils.store.engine import open_store

ROWS = 8_000


def populate(address, version):
    """Write 200 sites and `ROWS` movies, all of which say which version of them this is."""
    movies = pd.DataFrame({"filename": [f"{number}.mp4" for number in range(ROWS)], "frames": version})
    with open_store(address) as store, store.atomic():
        sites = pd.DataFrame({"locality": [f"site {number}" for number in range(200)], "habitat": str(version)})
        store.upsert("sites", sites, "locality")
        ids = store.read("sites", columns=["id"], order_by="id")["id"]
        store.upsert("movies", movies.assign(site_id=[ids[number % 200] for number in range(ROWS)]), "filename")


def versions(address):
    """The versions that the store holds, after a look at whether it is sound and complete."""
    # Under the right to write, for a server may still be busy with what a killed process sent last.
    with open_store(address) as store, store.atomic():
        report = store.check()
        assert report.ok, str(report)
        sites, movies = store.read("sites"), store.read("movies")
    assert len(sites) in (0, 200), len(sites)
    assert len(movies) == ROWS * bool(len(sites)), len(movies)
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


def kill_populate(kills, rng, address):
    """Old or new, never a mixture; and a second run finishes what the killed one left."""
    populate(address, 1)
    duration = timed(populate, address, 2)
    hit = 0
    for version in range(3, kills + 3):
        hit += kill_after(rng.uniform(0.02, 1.0) * duration, populate, address, version)
        found = versions(address)
        assert found in ({version - 1}, {version}), found
        populate(address, version)
        assert versions(address) == {version}
    return hit


def kill_creation(kills, rng, first, *others):
    """A store whose making was interrupted is made by the next who opens it; one address more than kills."""
    duration = timed(lambda: open_store(first).close())
    hit = 0
    for _, address in zip(range(kills), others, strict=True):
        hit += kill_after(rng.uniform(0.02, 1.0) * duration, lambda address: open_store(address).close(), address)
        assert versions(address) == set()
    return hit


def main(what, kills, seed, *addresses):
    kill = {"populate": kill_populate, "creation": kill_creation}[what]
    hit = kill(int(kills), random.Random(int(seed)), *addresses)  # noqa: S311 - times, not secrets
    sys.stdout.write(f"{hit}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
