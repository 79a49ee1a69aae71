"""Kills copies to and from a bucket at random moments and looks at what they left: run as a process of its own.

It forks, so that a copy starts at once; a test process, with threads of other tests in it, must not.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import sys
import time
from functools import lru_cache
from pathlib import Path

import boto3.session  # noqa: F401 - loaded before the forks, so that the kills fall into the copying
import botocore.loaders

from kso_utils.archive import fetching, parts
from kso_utils.archive.parts import digest_parts
from kso_utils.archive.s3 import S3Archive
from tests.archive.rclone import BUCKET, Meter
from tests.killing import fork

PARTS = 5.3
HEADERS_BYTES = 60_000
"""More than the headers of all requests of a copy and of the one that goes on with it."""


def kill_when(passed, work, *args):
    """Do the work in a process that is killed as soon as `passed()`; return whether that came before its end."""
    child = fork(work, *args)
    while not passed():
        if os.waitpid(child, os.WNOHANG)[0]:
            return False
        time.sleep(0.0002)
    os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def finish(work, *args):
    assert os.waitpid(fork(work, *args), 0)[1] == 0, "the copy was not gone on with"


def again_bytes(look, count, share, size, work, *args):
    """Kill a copy when that share of it has passed, go on, and return what passed twice; None if it was too late."""
    before = count()
    hit = kill_when(lambda: count() - before >= share * size, work, *args)
    look()
    if not hit:
        return None
    finish(work, *args)
    return count() - before - size


def kill_pushes(archive, meter, share, number, source, digests, bucket):
    name, there = f"{number}.bin", bucket / f"{number}.bin"

    def look():
        assert not there.exists() or sha256(there) == digests.sha256, "a file that is not whole appeared"

    again = again_bytes(look, lambda: meter.sent, share, digests.size_bytes, archive.push, source, name)
    if again is not None:
        assert sha256(there) == digests.sha256
        assert archive.find(name).size_bytes == digests.size_bytes
        assert archive.clean_up(0.0) == [], "parts were left behind"
        assert list(Path(os.environ["KSO_CACHE"]).rglob("*.jsonl")) == []
    there.unlink(missing_ok=True)
    return again


def kill_fetches(archive, meter, share, number, source, digests, bucket):
    target = source.with_name("fetched") / f"{number}.bin"

    def look():
        assert not target.exists() or sha256(target) == digests.sha256, "a file that is not whole appeared"

    again = again_bytes(look, lambda: meter.received, share, digests.size_bytes, archive.fetch, "whole.bin", target)
    if again is not None:
        assert sha256(target) == digests.sha256
        assert list(target.parent.iterdir()) == [target]
    target.unlink(missing_ok=True)
    return again


def sha256(path):
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def main(what, kills, seed, part_bytes, endpoint, bucket, folder):
    kills, parts.PART_BYTES, folder, bucket = int(kills), int(part_bytes), Path(folder), Path(bucket)
    fetching.PIECE_BYTES = parts.PART_BYTES // 8
    rng = random.Random(int(seed))  # noqa: S311 - times, not secrets
    meter = Meter(endpoint, pause_s=0.001)
    if (line := os.fork()) == 0:
        meter.serve()
    source = folder / "source.bin"
    source.write_bytes(rng.randbytes(int(PARTS * parts.PART_BYTES)))
    digests = digest_parts(source)
    (bucket / "whole.bin").write_bytes(source.read_bytes())
    archive = S3Archive(f"s3://{BUCKET}", endpoint=meter.endpoint)
    # What boto reads of the service is read once, here, so that the time of each copy is spent on copying.
    botocore.loaders.create_loader = lru_cache(botocore.loaders.create_loader)
    assert archive.clean_up(0.0) == []
    kill = {"push": kill_pushes, "fetch": kill_fetches}[what]
    most = hit = number = 0
    try:
        while hit < kills:
            assert number < 2 * kills + 5, f"only {hit} of {number} kills came in time"
            # Spread evenly, each at a random place of its own stretch.
            share = 0.05 + 0.9 * (hit + rng.random()) / kills
            again = kill(archive, meter, share, number, source, digests, bucket)
            number += 1
            if again is not None:
                hit, most = hit + 1, max(most, again)
                assert again <= parts.PART_BYTES + HEADERS_BYTES, f"{again} bytes were sent again"
    finally:
        os.kill(line, signal.SIGKILL)
        os.waitpid(line, 0)
    sys.stdout.write(f"{hit} {max(0, most) / parts.PART_BYTES:.2f}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
