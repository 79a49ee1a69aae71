"""Kills fetches from a web server at random moments and looks at what they left: run as a process of its own."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from kso_utils.archive import fetching
from kso_utils.archive.http import HttpFile


def fetch(address, target, sha256):
    fetching.fetch_file(HttpFile(address), target, sha256)


def kill_after(delay_s, *args):
    """Fetch in a process that is killed after `delay_s`; return whether it was killed before it ended."""
    child = os.fork()
    if child == 0:
        fetch(*args)
        os._exit(0)
    time.sleep(delay_s)
    os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def main(address, folder, sha256, kills, seed, piece_bytes):
    """Fetch file after file, each killed on its way until it is there; print the kills that each took."""
    fetching.PIECE_BYTES = int(piece_bytes)
    rng, folder, hits = random.Random(int(seed)), Path(folder), []  # noqa: S311 - times, not secrets
    start = time.monotonic()
    fetch(f"{address}?first", folder / "first.mov", sha256)
    duration = time.monotonic() - start
    while sum(hits) < int(kills):
        number = len(hits)
        target = folder / f"{number}.mov"
        hits.append(0)
        while not target.exists():
            hits[-1] += kill_after(rng.uniform(0.02, 0.7) * duration, f"{address}?{number}", target, sha256)
        fetch(f"{address}?{number}", target, sha256)
        assert not [path for path in folder.iterdir() if path.name.startswith(f".{number}.")], "something is left"
        target.unlink()
    sys.stdout.write(json.dumps(hits))


if __name__ == "__main__":
    main(*sys.argv[1:])
