"""Pictures of 320x240 of each second of a movie: `sample_frames` and `read_frames` against `ffmpeg -vf fps=1`.

The movie is 39.2 s of 1920x1080 H.264 at 30 frames per second, in groups of 30, so that samples fall on keyframes, and
of 250 for comparison. ffmpeg decodes with one thread and writes PNG files; ours has one thread too and gives arrays.
Each figure is ffmpeg's CPU time over ours, index included: the median of three pairs in turn. ffmpeg chooses other
frames by default; told to round up, it must give the same pictures, pixel by pixel. Its work stands beside the one that
is expected of it: beyond twice that, the machine was too busy for a fair comparison.
"""

import resource
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.read_frames import generate
from kso_utils.media import index
from kso_utils.media.frames import read_frames
from kso_utils.media.safety import find_ffmpeg
from kso_utils.media.sampling import sample_frames

LENGTH_S, RATE, SIZE = 39.2, 30, (320, 240)
EXPECTED_CPU_S = {30: 2.16, 250: 2.34}
GOAL = 4.0
REPEATS = 3


def sample_with_ffmpeg(path: Path, folder: Path) -> None:
    filters = f"fps=1,scale={SIZE[0]}:{SIZE[1]}"
    command = [find_ffmpeg(), "-nostdin", "-v", "error", "-y", "-threads", "1", "-i", str(path), "-vf", filters]
    subprocess.run([*command, str(folder / "%05d.png")], check=True)


def sample_with_ours(path: Path) -> Iterator[np.ndarray]:
    index._load.cache_clear()
    numbers = sample_frames(path, every_s=1)["frame_number"]
    for _, _, picture in read_frames(path, numbers, pixels="bgr24", size=SIZE, threads=1):
        yield picture


def check_equal(path: Path) -> None:
    """Make sure that both choose and decode the same pictures; scaled, each rounds in its own way."""
    filters = "fps=1:round=up,format=bgr24"
    command = [find_ffmpeg(), "-nostdin", "-v", "error", "-i", str(path), "-vf", filters]
    command += ["-f", "framehash", "-hash", "crc32", "-"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    theirs = [int(line.rpartition(",")[2], 16) for line in said if not line.startswith("#")]
    numbers = sample_frames(path, every_s=1)["frame_number"]
    assert theirs == [zlib.crc32(picture) for _, _, picture in read_frames(path, numbers, pixels="bgr24")]
    assert len(list(sample_with_ours(path))) == len(theirs) == int(LENGTH_S) + 1


def compare(path: Path) -> tuple[float, float]:
    """Return the CPU seconds of ffmpeg and of ours."""
    theirs, ours = [], []
    for _ in range(REPEATS):
        with tempfile.TemporaryDirectory() as folder:
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            sample_with_ffmpeg(path, Path(folder))
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
        theirs.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        start = time.process_time()
        for _ in sample_with_ours(path):
            pass
        ours.append(time.process_time() - start)
    return statistics.median(theirs), statistics.median(ours)


def main() -> dict[str, float]:
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for gop, expected in EXPECTED_CPU_S.items():
            path = generate(Path(folder), gop, (1920, 1080), RATE, LENGTH_S)
            check_equal(path)
            theirs, ours = compare(path)
            fair = "fair" if theirs <= 2 * expected else "VOID: ffmpeg was more than twice as slow"
            goal = f" (goal {GOAL:g})" if gop == 30 else ""
            sys.stdout.write(
                f"GOP {gop:3}: {theirs / ours:5.1f} x{goal}, ours {ours:.2f} s of work; "
                f"ffmpeg {theirs:.2f} s, expected {expected}: {fair}\n"
            )
            figures |= {f"gop_{gop}": round(theirs / ours, 2), f"gop_{gop}_ffmpeg_cpu_s": round(theirs, 3)}
    return figures
