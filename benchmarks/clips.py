"""`cut_clips` with its defaults on two cores against the existing system's way, one clip after another.

That way is `ffmpeg -ss START -t LENGTH -i MOVIE -an -c:v libx264 -crf 20 -pix_fmt yuv420p -movflags +faststart`, which
is x264's preset `medium` at full size, on all cores. Both make the same clips. Each figure is the median of
`REPEATS` runs in turn; similarity is SSIM against the movie's own frames, the mean over all clips. `KSO_BENCH_MOVIES`
names other movies, `KSO_BENCH_N` sets how many clips are cut of each.
"""

import os
import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from kso_utils.media.clips import cut_clips
from kso_utils.media.encoding import write_movie
from kso_utils.media.index import load_index
from kso_utils.media.movie import probe
from kso_utils.media.safety import find_ffmpeg, run_ffmpeg
from kso_utils.testing.reef import render

REPEATS = 3
JOBS = 2
LENGTH_S = 10.0
CLIPS = int(os.environ.get("KSO_BENCH_N", "4"))
MOVIES = Path(__file__).resolve().parents[2] / "shared" / "data" / "movies"


def generate(folder: Path) -> Path:
    """Encode 25 s of a reef at 1920x1080 with a sensor's noise, as a camera does: 25 Mbit/s, a key frame a second."""
    seed, movie = folder / "seed.mp4", folder / "reef_1080p.mp4"
    write_movie(seed, (picture for picture, _ in render("hard", 0, 0, 0, 250)), 25, crf=8)
    noisy = [("scale", {"w": 1920, "h": 1080, "flags": "bicubic"}), ("noise", {"alls": 8, "allf": "t"})]
    options = {"c:v": "libx264", "preset": "veryfast", "b:v": "25M", "g": 25, "f": "mp4"}
    run_ffmpeg(seed, movie, input_options={"stream_loop": -1, "t": 25}, filters=noisy, output_options=options)
    return movie


def plan(movie: Path, folder: Path) -> pd.DataFrame:
    """Spread clips evenly, each beginning with a frame; of a movie that is too short, take it whole so many times."""
    info = probe(movie)
    if info.duration_s < LENGTH_S:
        links = [folder / f"{movie.stem}_{number}.mp4" for number in range(CLIPS)]
        for link in links:
            link.symlink_to(movie)
        sources = [str(link) for link in links]
        return pd.DataFrame({"source": sources, "clip_start_time": 0.0, "clip_end_time": info.duration_s})
    count = min(CLIPS, int(info.duration_s / LENGTH_S))
    frames = round(LENGTH_S * info.rate)
    starts = [round(k * (info.frames - frames) / max(1, count - 1)) for k in range(count)]
    times = load_index(movie).pts_s[starts]
    return pd.DataFrame({"source": str(movie), "clip_start_time": times, "clip_end_time": times + frames / info.fps})


def cut_serially(clips: pd.DataFrame, folder: Path) -> list[Path]:
    made = []
    for number, clip in enumerate(clips.itertuples()):
        path = folder / f"serial_{number}.mp4"
        # A quarter of a frame earlier, and half of one shorter: the frames that begin in the clip, no other.
        frame_s = float(1 / probe(clip.source).rate)
        start = f"{max(0, clip.clip_start_time - frame_s / 4):.6f}"
        length = f"{clip.clip_end_time - clip.clip_start_time - frame_s / 2:.6f}"
        options = ["-an", "-c:v", "libx264", "-crf", "20", "-pix_fmt", "yuv420p", "-movflags", "+faststart"]
        call(["-y", "-ss", start, "-t", length, "-i", clip.source, *options, str(path)])
        made.append(path)
    return made


def cut_ours(clips: pd.DataFrame, folder: Path) -> list[Path]:
    load_index.__globals__["_load"].cache_clear()
    made = cut_clips(clips, folder, jobs=JOBS)
    assert made["state"].eq("done").all(), made["error"].dropna().tolist()
    return [Path(path) for path in made["path"]]


def call(arguments: list[str]) -> str:
    done = subprocess.run([find_ffmpeg(), "-nostdin", *arguments], capture_output=True, text=True, check=True)
    return done.stderr


def similarity(clip: Path, source: str, start_s: float) -> float:
    """Return the SSIM of a clip and the frames of its movie that begin at a time."""
    first = int((load_index(source).pts_s < start_s - 1e-3).sum())
    pictures = "format=yuv420p,settb=1/25,setpts=N"
    graph = f"[0:v]trim=start_frame={first},{pictures}[a];[1:v]{pictures}[b];[a][b]ssim=shortest=1"
    said = call(["-i", source, "-i", str(clip), "-lavfi", graph, "-f", "null", "-"])
    return float(re.findall(r"All:([\d.]+)", said)[-1])


def runs(clips: pd.DataFrame) -> Iterator[tuple[float, float, list[Path], list[Path]]]:
    for _ in range(REPEATS):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            start = time.perf_counter()
            serial = cut_serially(clips, folder)
            middle = time.perf_counter()
            ours = cut_ours(clips, folder / "ours")
            yield middle - start, time.perf_counter() - middle, serial, ours


def compare(movie: Path, folder: Path) -> dict[str, float]:
    clips = plan(movie, folder)
    ratios, slow_s, sizes, alike = [], [], 0.0, 0.0
    for number, (slow, fast, serial, ours) in enumerate(runs(clips)):
        ratios.append(slow / fast)
        slow_s.append(slow / len(clips))
        if number:
            continue
        assert [len(load_index(path)) for path in serial] == [len(load_index(path)) for path in ours]
        sizes = sum(path.stat().st_size for path in ours) / sum(path.stat().st_size for path in serial)
        scores = [
            [similarity(path, str(movie), start) for path, start in zip(made, clips["clip_start_time"], strict=True)]
            for made in (serial, ours)
        ]
        alike = statistics.mean(scores[1]) - statistics.mean(scores[0])
    print(
        f"{movie.name}: {len(clips)} clips, {statistics.median(ratios):.2f} x as fast "
        f"({statistics.median(slow_s):.2f} s a clip the slow way), {sizes:.3f} x the size, SSIM {alike:+.4f}"
    )
    return {
        "faster": round(statistics.median(ratios), 2),
        "slow_s_per_clip": round(statistics.median(slow_s), 2),
        "size": round(sizes, 3),
        "ssim": round(alike, 4),
    }


def main() -> dict[str, dict[str, float]]:
    with tempfile.TemporaryDirectory() as folder:
        named = os.environ.get("KSO_BENCH_MOVIES")
        movies = [Path(name).resolve() for name in named.split(os.pathsep)] if named else [generate(Path(folder))]
        movies += [] if named else sorted(MOVIES.glob("*.mp4"))
        return {movie.stem: compare(movie, Path(folder)) for movie in movies}
