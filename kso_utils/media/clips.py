"""Clips of movies: which parts to show to people, and the files."""

from __future__ import annotations

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from kso_utils.core.errors import ConfigError, KsoError, MediaCorrupt, MediaError
from kso_utils.core.paths import safe_name, sha256_file
from kso_utils.core.progress import bar
from kso_utils.media.index import MovieIndex, load_index
from kso_utils.media.movie import MovieInfo, probe
from kso_utils.media.safety import open_movie, run_ffmpeg
from kso_utils.media.sources import name_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    _Filter = tuple[str, Mapping[str, object]]

PLAN_COLUMNS = ("movie_id", "clip_start_time", "clip_end_time")

# Times that differ by less are the same; far below a frame.
_TINY_S = 1e-6
# Streams without an index are searched by guessing; ffmpeg then lands up to a group of pictures too late.
_SEEK_ERROR_S = 2.0
_CRF = 20
_MODIFICATIONS = ("scale_height", "crf")


def plan_clips(
    movies: pd.DataFrame,
    length_s: float,
    per_movie: int | None = None,
    taken: pd.DataFrame | None = None,
    seed: int | None = None,
) -> pd.DataFrame:
    """Choose clips inside the sampling window of each movie, none overlapping another or one taken before.

    What is free of the window is tiled from its start, and again from the end of each taken clip; a tail shorter
    than `length_s` is dropped. Of these tiles all are chosen, or `per_movie`: evenly spaced ones, beginning with the
    first, or at random with a seed, the same whatever other movies are in the table.

    Parameters
    ----------
    movies
        `id`, `duration_s`, `sampling_start_s`, `sampling_end_s`; where a bound of the window is missing, the movie's.
    length_s
        Seconds a clip.
    per_movie
        Clips a movie at most.
    taken
        Clips made before: `movie_id`, `clip_start_time`, `clip_end_time`.
    seed
        Seed of a random choice.

    Returns
    -------
    DataFrame
        `movie_id`, `clip_start_time`, `clip_end_time` in seconds since the first frame, sorted.

    Raises
    ------
    ConfigError
        If `length_s` or `per_movie` is not positive, `seed` is negative, or a movie has no known end.
    """
    if not length_s > 0 or (per_movie is not None and per_movie < 1):
        raise ConfigError(f"Clips need a positive length and number, not {length_s} s and {per_movie}.")
    if seed is not None and seed < 0:
        raise ConfigError(f"The seed is {seed}; give a whole number from 0.")
    used = pd.DataFrame(columns=list(PLAN_COLUMNS)) if taken is None else taken[list(PLAN_COLUMNS)].dropna()
    parts = []
    for movie in movies.to_dict("records"):
        movie_id = int(movie["id"])
        start, end = _window(movie)
        spans = used.loc[used["movie_id"] == movie_id, ["clip_start_time", "clip_end_time"]].to_numpy(np.float64)
        tiles = _tiles(start, end, spans, length_s)
        if per_movie is not None and len(tiles) > per_movie:
            tiles = tiles[_choose(len(tiles), per_movie, None if seed is None else (seed, movie_id))]
        parts.append(pd.DataFrame({"movie_id": movie_id, "clip_start_time": tiles[:, 0], "clip_end_time": tiles[:, 1]}))
    empty = pd.DataFrame({"movie_id": np.zeros(0, np.int64), "clip_start_time": [], "clip_end_time": []}, dtype=float)
    plan = pd.concat(parts, ignore_index=True) if parts else empty
    return plan.astype({"movie_id": np.int64}).sort_values(list(PLAN_COLUMNS[:2]), ignore_index=True)


def _window(movie: Mapping[Any, Any]) -> tuple[float, float]:
    start, end, duration = (movie.get(name) for name in ("sampling_start_s", "sampling_end_s", "duration_s"))
    bounds = [float(v) for v in (end, duration) if v is not None and not pd.isna(v)]
    if not bounds:
        raise ConfigError(f"Movie {movie['id']} has neither a duration nor an end of its sampling window. Give one.")
    return (0.0 if start is None or pd.isna(start) else max(0.0, float(start))), min(bounds)


def _tiles(start: float, end: float, taken: NDArray[np.float64], length_s: float) -> NDArray[np.float64]:
    """Return (n, 2) starts and ends of the clips that fit into what is free."""
    edges: list[NDArray[np.float64]] = []
    begin = start
    for busy_start, busy_end in [*sorted(map(tuple, taken)), (end, end)]:
        stop = min(busy_start, end)
        count = int((stop - begin + _TINY_S) // length_s) if stop > begin else 0
        marks = np.minimum(begin + length_s * np.arange(count + 1), stop)
        edges.append(np.stack([marks[:-1], marks[1:]], axis=1))
        begin = max(begin, busy_end)
    return np.concatenate(edges)


def _choose(available: int, wanted: int, seed: tuple[int, int] | None) -> NDArray[np.int64]:
    if seed is None:
        return np.arange(wanted) * available // wanted
    return np.sort(np.random.default_rng(seed).choice(available, wanted, replace=False))


def cut_clips(
    plan: pd.DataFrame,
    out_dir: str | Path,
    modifications: Mapping[str, int] | None = None,
    jobs: int | None = None,
) -> pd.DataFrame:
    """Cut clips out of movies: H.264, yuv420p, no sound, MP4 with its index in front, exact to the frame.

    A clip begins with the frame nearest to its start. Where the rate is constant it has `round(length * rate)`
    frames; where it varies, those whose times lie in the clip. A clip that is already there, cut from the same file
    in the same way, is kept. One that fails does not stop the others.

    Parameters
    ----------
    plan
        `source` (path of the movie), `clip_start_time`, `clip_end_time`, and whatever else; `movie_id` tells movies of
        the same name apart, also those of another call.
    out_dir
        The folder of the clips, named `<stem>-<movie_id>_clip_<start>_<length>.mp4`, without the id where the plan
        has none.
    modifications
        `scale_height`: pixels to scale to, keeping the shape; `crf`: x264's rate factor, 20 by default.
    jobs
        Clips cut at the same time; by default one a core.

    Returns
    -------
    DataFrame
        The plan with `path`, `sha256`, `size_bytes`, `state` (`done` or `failed`) and `error`.

    Raises
    ------
    ConfigError
        If a column is missing, a modification is unknown, `jobs` is not positive, or two movies would share names.
    """
    changes = dict(modifications or {})
    if jobs is not None and jobs < 1:
        raise ConfigError(f"Clips are cut at least one at a time, not {jobs}.")
    _validate_plan(plan, changes)
    targets = [Path(out_dir) / name for name in _names(plan)]
    workers = jobs or os.cpu_count() or 1
    threads = max(1, (os.cpu_count() or 1) // workers)
    with bar("Cutting clips", len(plan)) as progress, ThreadPoolExecutor(workers) as pool:

        def work(row: dict[Any, Any], target: Path) -> dict[str, object]:
            try:
                result = _cut_one(
                    Path(row["source"]), row["clip_start_time"], row["clip_end_time"], target, changes, threads
                )
            except (KsoError, OSError) as error:
                result = {"path": None, "sha256": None, "size_bytes": None, "state": "failed", "error": str(error)}
            progress.advance()
            return result

        results = list(pool.map(work, plan.to_dict("records"), targets))
    made = pd.DataFrame(results, index=plan.index, columns=["path", "sha256", "size_bytes", "state", "error"])
    made["size_bytes"] = made["size_bytes"].astype("Int64")
    return pd.concat([plan.drop(columns=made.columns, errors="ignore"), made], axis=1)


def _validate_plan(plan: pd.DataFrame, changes: Mapping[str, int]) -> None:
    missing = {"source", "clip_start_time", "clip_end_time"} - set(plan.columns)
    if missing:
        raise ConfigError(f"The plan of clips lacks the columns {', '.join(sorted(missing))}.")
    for name, value in changes.items():
        if name not in _MODIFICATIONS:
            raise ConfigError(f"There is no modification {name!r} of clips. Choose from {', '.join(_MODIFICATIONS)}.")
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or value < 0 or (name == "scale_height" and (value % 2 or not value)):
            raise ConfigError(f"The modification {name} cannot be {value!r}. Give a whole number (a height: even).")


def _names(plan: pd.DataFrame) -> list[str]:
    """Return the file names of the clips; the movie's id, where it is known, tells movies of one name apart."""
    sources = plan["source"].map(Path)
    stems = sources.map(lambda path: safe_name(path.stem))
    if "movie_id" in plan:
        stems += "-" + plan["movie_id"].astype(str)
    named = stems[~sources.duplicated()]
    if named.duplicated().any():
        raise ConfigError(
            f"Several movies of the plan are named {named[named.duplicated()].iloc[0]}. Tell them apart by movie_id."
        )
    length = plan["clip_end_time"] - plan["clip_start_time"]
    return [
        f"{stem}_clip_{_seconds(start)}_{_seconds(span)}.mp4"
        for stem, start, span in zip(stems, plan["clip_start_time"], length, strict=True)
    ]


def _seconds(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")


def _cut_one(
    source: Path, start_s: float, end_s: float, target: Path, changes: Mapping[str, int], threads: int
) -> dict[str, object]:
    info, index = probe(source), load_index(source)
    first, count = _extent(info, index, start_s, end_s)
    stat = source.stat()
    facts = json.dumps([source.name, stat.st_size, stat.st_mtime_ns, first, count, changes], sort_keys=True)
    mark = hashlib.sha256(facts.encode("utf-8", "surrogateescape")).hexdigest()
    if not _is_made(target, count, mark):
        entry, filters = _picks(info, index, first)
        _encode(info, index, target, count, mark, entry, filters, changes, threads)
    return {
        "path": str(target),
        "sha256": sha256_file(target),
        "size_bytes": target.stat().st_size,
        "state": "done",
        "error": None,
    }


def _extent(info: MovieInfo, index: MovieIndex, start_s: float, end_s: float) -> tuple[int, int]:
    """Return the first frame of a clip and how many it has."""
    frame_s = info.duration_s / info.frames
    if not 0 <= start_s < end_s <= info.duration_s + frame_s / 2:
        raise MediaError(
            f"{info.path} lasts {info.duration_s:.3f} s; a clip from {start_s:g} to {end_s:g} s is not in it."
        )
    if info.variable_rate:
        first, last = (int(n) for n in np.searchsorted(index.pts_s, np.array([start_s, end_s]) - _TINY_S))
        count = last - first
    else:
        count = min(round((end_s - start_s) * info.rate), info.frames)
        nearest = int(np.searchsorted(index.pts_s, start_s - frame_s / 2))
        first = min(nearest, info.frames - count)
    if count < 1:
        raise MediaError(f"{info.path} shows no frame between {start_s:g} and {end_s:g} s.")
    return first, count


def _is_made(target: Path, count: int, mark: str) -> bool:
    """Whether the clip is there, complete, and was cut from this source in this way."""
    try:
        with open_movie(target) as (container, _):
            marked = container.metadata.get("comment") == mark
        return marked and len(load_index(target)) == count
    except KsoError:
        return False


def _picks(info: MovieInfo, index: MovieIndex, first: int) -> tuple[dict[str, object], _Filter]:
    """Return ffmpeg's input options and the filter that let a stream begin with frame `first`.

    Decoding starts at a key packet that the index proves sufficient, and what precedes the frame is trimmed away
    half-way between it and the one before.
    """
    key = int(index.key_before(np.array([first]))[0])
    with open_movie(info.path) as (container, _):
        origin_s = (container.start_time or 0) / 1e6
        early_s = _SEEK_ERROR_S if container.format.name in ("mpegts", "mpeg") else 0.0
    frame_s = info.duration_s / info.frames
    seek_s = float(index.pts[index.keys[max(key, 0)]] * index.time_base) - frame_s / 2 - early_s
    if key <= 0 or index.by_count or seek_s <= origin_s:
        return {}, ("trim", {"start_frame": first})
    ticks = index.ticks
    between_s = float(Fraction(int(ticks[first - 1] + ticks[first]), 2) * index.time_base)
    return {"ss": f"{seek_s - origin_s:.6f}"}, ("trim", {"start": f"{between_s - seek_s:.6f}"})


def _encode(
    info: MovieInfo,
    index: MovieIndex,
    target: Path,
    count: int,
    mark: str,
    entry: dict[str, object],
    trim: _Filter,
    changes: Mapping[str, int],
    threads: int,
) -> None:
    tick = index.time_base if info.variable_rate else 1 / info.rate
    times = "PTS-STARTPTS" if info.variable_rate else f"N*{tick}/TB"
    height = changes.get("scale_height")
    size = {"w": -2, "h": height} if height else {"w": "iw", "h": "ih"}
    filters: list[_Filter] = [
        trim,
        ("setpts", {"expr": times}),
        ("crop", {"w": "trunc(iw/2)*2", "h": "trunc(ih/2)*2"}),
        ("scale", {**size, "out_range": "tv"}),
        ("format", {"pix_fmts": "yuv420p"}),
    ]
    run_ffmpeg(
        name_of(info.path),
        target,
        input_options=entry,
        filters=filters,
        output_options={
            "frames:v": count,
            "c:v": "libx264",
            "crf": changes.get("crf", _CRF),
            "enc_time_base": str(tick),
            "movflags": "+faststart",
            "map_metadata": -1,
            "map_chapters": -1,
            "metadata": f"comment={mark}",
            "threads": threads,
            "f": "mp4",
        },
    )
    made = len(load_index(target))
    if made != count:
        target.unlink()
        raise MediaCorrupt(f"{info.path} gave {made} of the {count} frames of {target.name}. Copy the movie again.")
