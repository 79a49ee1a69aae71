"""Runs every public media function on the files named on the standard input, one line of JSON an outcome.

A program of its own, so that a crash or a hang is that of this process: `python trial.py WORK_FOLDER`.
"""

import json
import resource
import shutil
import sys
import time
from pathlib import Path

import pandas as pd

from kso_utils import media
from kso_utils.core.errors import KsoError


def survey(path, out):
    folder = out / "survey"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    shutil.copy(path, folder / f"movie{path.suffix}")
    table = media.survey_footage(folder)
    return "refused" if table.empty or table["error"].notna().any() else "worked"


def check(path, deep):
    return "worked" if media.check_movie(path, deep=deep).ok else "refused"


def cut(path, out):
    plan = pd.DataFrame({"source": [Path(path)], "clip_start_time": [0.0], "clip_end_time": [0.4]})
    made = media.cut_clips(plan, out / "clips", jobs=1)
    return "worked" if made["state"].tolist() == ["done"] and made["error"].isna().all() else "refused"


def _done(_):
    return "worked"


# What is done with each file: a name, and what gets the file and a folder. A new function is one more line.
WAYS = {
    "probe": lambda path, out: _done(media.probe(path)),
    "check_movie": lambda path, out: check(path, False),
    "check_movie_deep": lambda path, out: check(path, True),
    "survey_footage": survey,
    "read_frames": lambda path, out: _done(sum(1 for _ in media.read_frames(path))),
    "sample_frames": lambda path, out: _done(media.sample_frames(path, n=3)),
    "save_frames": lambda path, out: _done(media.save_frames(path, [0, 3], out / "frames")),
    "cut_clips": cut,
    "standardise": lambda path, out: _done(media.standardise(path, out / "standard.mp4")),
    "make_preview": lambda path, out: _done(media.make_preview(path, out / "preview.mp4", 60)),
    "join_chapters": lambda path, out: _done(media.join_chapters([path, path], out / "joined.mp4")),
    "find_reasons": lambda path, out: _done(media.find_reasons(media.probe(path))),
    "preview_modifications": lambda path, out: _done(media.preview_modifications(path, [], 0.2)),
    "probe_audio": lambda path, out: _done(media.probe_audio(path)),
    "read_audio": lambda path, out: _done(sum(len(block[1]) for block in media.read_audio(path))),
    "open_stack": lambda path, out: _done(media.open_stack(shutil.copy(path, out / "stack.tif"))),
}


def attempt(way, path, out):
    """Return the outcome of one function: `worked`, `refused` by a named error, or `fault`."""
    start = time.monotonic()
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    try:
        outcome, error = WAYS[way](path, out), ""
    except KsoError as caught:
        outcome, error = "refused", f"{type(caught).__name__}: {caught}"
    except Exception as caught:
        outcome, error = "fault", repr(caught)
    return {"way": way, "path": str(path), "outcome": outcome, "error": error, "seconds": time.monotonic() - start}


def main():
    out = Path(sys.argv[1])
    for line in sys.stdin:
        for way in WAYS:
            told = attempt(way, Path(json.loads(line)), out)
            told["mebibytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            sys.stdout.write(json.dumps(told) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
