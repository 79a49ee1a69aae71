import json
import os
import queue
import subprocess
import sys
import threading
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from kso_utils.core.errors import ConfigError
from kso_utils.core.paths import sha256_file
from kso_utils.media.checks import check_movie
from kso_utils.testing.corrupt_media import KINDS, write_corrupt_media, write_good_media

TRIAL = Path(__file__).with_name("trial.py")
LONGEST_S, MOST_MEBIBYTES = 30, 1024
LOST = ("truncated", "zeroed_block", "zeroed_sector", "zeroed_tail")
# No decoder can know that a picture of its own is not the one that was taken: a bit of MJPEG or ProRes is a shade.
TELLING = ("mp4", "mp4_late", "mkv", "ts")


def put_to_trial(files, folder):
    """Yield the outcome of every function on every file; a process that dies or hangs is an outcome too."""
    waiting = [str(file) for file in files]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    while waiting:
        with subprocess.Popen(
            [sys.executable, str(TRIAL), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        ) as process:
            yield from _follow(process, waiting)
            process.kill()


def _follow(process, waiting):
    told = queue.Queue()
    threading.Thread(target=lambda: [*map(told.put, process.stdout), told.put("")], daemon=True).start()
    while waiting:
        path = waiting.pop(0)
        process.stdin.write(json.dumps(path) + "\n")
        process.stdin.flush()
        for _ in range(_count_ways()):
            try:
                line = told.get(timeout=2 * LONGEST_S)
            except queue.Empty:
                line = None
            if not line:
                yield {"way": "?", "path": path, "outcome": "hang" if line is None else "crash", "error": ""}
                return
            yield json.loads(line)


def _count_ways():
    return TRIAL.read_text().split("WAYS = {")[1].split("\n}")[0].count("\n    ")


def share(found):
    return round(sum(found) / len(found), 3) if found else None


def is_told_by_sha256(medium, good):
    return "MOVIE_CHANGED" in check_movie(medium.path, sha256=sha256_file(good[medium.source])).codes()


def judge(media, outcomes, good):
    """Return figures of a trial, and what broke a promise."""
    kinds = {str(medium.path): medium for medium in media}
    broken = [o for o in outcomes if o["outcome"] in ("fault", "crash", "hang")]
    broken += [o for o in outcomes if o.get("seconds", 0) > LONGEST_S or o.get("mebibytes", 0) > MOST_MEBIBYTES]
    checked = ("check_movie", "check_movie_deep", "survey_footage")
    broken += [
        o for o in outcomes if o["way"] in checked and o["outcome"] == "worked" and kinds[o["path"]].kind in LOST
    ]
    flagged = defaultdict(list)
    for o in outcomes:
        medium = kinds[o["path"]]
        if o["way"] == "check_movie_deep" and medium.kind.startswith("flipped"):
            flagged[medium.source].append(o["outcome"] == "refused")
    telling = [one for source in TELLING for one in flagged[source]]
    registered = [is_told_by_sha256(medium, good) for medium in media if medium.kind.startswith("flipped")]
    figures = {
        "files": len(kinds),
        "outcomes": dict(Counter(o["outcome"] for o in outcomes)),
        "slowest_s": round(max(o.get("seconds", 0) for o in outcomes), 2),
        "most_mebibytes": round(max(o.get("mebibytes", 0) for o in outcomes)),
        "flipped_flagged": {source: f"{sum(found)} of {len(found)}" for source, found in sorted(flagged.items())},
        "flipped_flagged_share": share(telling),
        "flipped_flagged_share_all_codecs": share([one for found in flagged.values() for one in found]),
        "flipped_flagged_share_all_codecs_with_sha256": share(registered),
    }
    return figures, broken


def test_every_kind_of_corrupt_media_ends_well_in_every_function(tmp_path):
    media = list(write_corrupt_media(tmp_path / "media", 300, seed=1))
    media = list({medium.kind: medium for medium in media}.values())
    outcomes = list(put_to_trial([medium.path for medium in media], tmp_path / "work"))
    figures, broken = judge(media, outcomes, write_good_media(tmp_path / "media" / "good"))
    assert not broken
    assert figures["files"] == len(KINDS)
    assert figures["flipped_flagged_share_all_codecs_with_sha256"] == 1


@pytest.mark.soak
def test_300_corrupt_media_end_well_in_every_function(tmp_path, record_figures):
    media = list(write_corrupt_media(tmp_path / "media", 300))
    outcomes = list(put_to_trial([medium.path for medium in media], tmp_path / "work"))
    figures, broken = judge(media, outcomes, write_good_media(tmp_path / "media" / "good"))
    record_figures("corrupt_media", figures)
    assert not broken
    assert figures["flipped_flagged_share"] >= 0.95
    assert figures["flipped_flagged_share_all_codecs_with_sha256"] == 1


@pytest.mark.soak
def test_1000_truncated_and_zeroed_media_are_all_found(tmp_path, record_figures):
    media = (m for m in write_corrupt_media(tmp_path / "media", 2600, seed=7) if m.kind in LOST)
    accepted = []
    count = 0
    for medium in media:
        count += 1
        if check_movie(medium.path).ok:
            accepted.append(medium.path.name)
        medium.path.unlink()
    record_figures("corrupt_media", {"truncated_or_zeroed": count, "truncated_or_zeroed_accepted": len(accepted)})
    assert accepted == []


@pytest.mark.soak
def test_one_flipped_bit_is_found_mostly(tmp_path, record_figures):
    flipped = [m for m in write_corrupt_media(tmp_path / "media", 3000, seed=3) if m.kind == "flipped_1"]
    found = defaultdict(list)
    for medium in flipped:
        found[medium.source].append(not check_movie(medium.path, deep=True).ok)
    record_figures("corrupt_media", {"one_bit_flagged": {s: f"{sum(f)} of {len(f)}" for s, f in found.items()}})
    assert sum(found["mkv"]) == len(found["mkv"])


def test_truncated_and_zeroed_media_are_found_without_decoding(tmp_path):
    media = [medium for medium in write_corrupt_media(tmp_path, 200, seed=5) if medium.kind in LOST]
    assert [medium.path.name for medium in media if check_movie(medium.path).ok] == []


def test_the_same_seed_gives_the_same_files(tmp_path):
    def written(folder):
        return [medium.path.read_bytes() for medium in write_corrupt_media(tmp_path / folder, 60, seed=2)]

    assert written("a") == written("b")


def test_at_least_one_file_is_written(tmp_path):
    with pytest.raises(ConfigError, match="Give 1 or more"):
        next(write_corrupt_media(tmp_path, 0))


def test_a_process_that_dies_is_an_outcome(tmp_path, monkeypatch):
    deadly = tmp_path / "trial.py"
    deadly.write_text("import os\nWAYS = {\n    'x': 1,\n}\ninput()\nos.abort()\n")
    monkeypatch.setattr(sys.modules[__name__], "TRIAL", deadly)
    assert [o["outcome"] for o in put_to_trial(["a", "b"], tmp_path)] == ["crash", "crash"]
