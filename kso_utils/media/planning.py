"""Which parts of movies to show to people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from kso_utils.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Spans = NDArray[np.float64]

PLAN_COLUMNS = ("movie_id", "clip_start_time", "clip_end_time")
Tail = Literal["drop", "keep"]

# Times that differ by less are the same; far below a frame.
_TINY_S = 1e-6
# In less than this nobody recognises anything.
_SHORTEST_S = 1.0


def plan_clips(
    movies: pd.DataFrame,
    length_s: float,
    per_movie: int | None = None,
    taken: pd.DataFrame | None = None,
    seed: int | None = None,
    detections: pd.DataFrame | None = None,
    tail: Tail = "drop",
) -> pd.DataFrame:
    """Choose clips inside the sampling window of each movie, none overlapping another or one taken before.

    What is free of the window is tiled from its start, and again from the end of each taken clip. A tail shorter than
    `length_s` is dropped; or kept as a short clip, if it lasts a second. Of these tiles all are chosen, or
    `per_movie`: evenly spaced ones, beginning with the first, or at random with a seed, the same whatever other movies
    are in the table.

    With `detections` there are no tiles: a clip lies where the sum of their confidences is highest (of equal places
    the earliest, what was seen in the clip's middle), the next where it is highest in what is left, and so on while
    anything is left that was seen.

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
    detections
        `movie_id`, `pts_s` (seconds since the first frame), and `confidence`, which is 1 where there is no such column.
    tail
        `drop` or `keep`.

    Returns
    -------
    DataFrame
        `movie_id`, `clip_start_time`, `clip_end_time` in seconds since the first frame: sorted; with `detections` by
        movie, the clip with most to see first.

    Raises
    ------
    ConfigError
        If `length_s` or `per_movie` is not positive, `seed` is negative, a choice is asked for in two ways, or a movie
        has no known end.
    """
    _validate(length_s, per_movie, seed, detections, tail)
    used = pd.DataFrame(columns=list(PLAN_COLUMNS)) if taken is None else taken[list(PLAN_COLUMNS)].dropna()
    parts = []
    for movie in movies.sort_values("id").to_dict("records"):
        movie_id = int(movie["id"])
        spans = used.loc[used["movie_id"] == movie_id, ["clip_start_time", "clip_end_time"]].to_numpy(np.float64)
        free = _free(*_window(movie), spans)
        if detections is None:
            clips = _tiles(free, length_s, tail)
            if per_movie is not None and len(clips) > per_movie:
                clips = clips[_choose(len(clips), per_movie, None if seed is None else (seed, movie_id))]
        else:
            clips = _richest(free, length_s, per_movie, detections[detections["movie_id"] == movie_id])
        parts.append(pd.DataFrame({"movie_id": movie_id, "clip_start_time": clips[:, 0], "clip_end_time": clips[:, 1]}))
    empty = pd.DataFrame({"movie_id": np.zeros(0, np.int64), "clip_start_time": [], "clip_end_time": []}, dtype=float)
    return (pd.concat(parts, ignore_index=True) if parts else empty).astype({"movie_id": np.int64})


def _validate(
    length_s: float, per_movie: int | None, seed: int | None, detections: pd.DataFrame | None, tail: str
) -> None:
    if not length_s > 0 or (per_movie is not None and per_movie < 1):
        raise ConfigError(f"Clips need a positive length and number, not {length_s} s and {per_movie}.")
    if seed is not None and seed < 0:
        raise ConfigError(f"The seed is {seed}; give a whole number from 0.")
    if tail not in ("drop", "keep"):
        raise ConfigError(f"A tail can be dropped or kept ('drop', 'keep'), not {tail!r}.")
    if detections is not None and (seed is not None or tail != "drop"):
        raise ConfigError(
            "Clips by detections are neither chosen at random nor have tails. Leave the seed or tail out."
        )


def _window(movie: Mapping[Any, Any]) -> tuple[float, float]:
    start, end, duration = (movie.get(name) for name in ("sampling_start_s", "sampling_end_s", "duration_s"))
    bounds = [float(v) for v in (end, duration) if v is not None and not pd.isna(v)]
    if not bounds:
        raise ConfigError(f"Movie {movie['id']} has neither a duration nor an end of its sampling window. Give one.")
    return (0.0 if start is None or pd.isna(start) else max(0.0, float(start))), min(bounds)


def _free(start: float, end: float, taken: Spans) -> list[tuple[float, float]]:
    """Return the stretches of a window that no taken clip touches."""
    free, begin = [], start
    for busy_start, busy_end in [*sorted(map(tuple, taken)), (end, end)]:
        stop = min(busy_start, end)
        if stop > begin:
            free.append((begin, stop))
        begin = max(begin, busy_end)
    return free


def _tiles(free: list[tuple[float, float]], length_s: float, tail: Tail) -> Spans:
    """Return (n, 2) starts and ends of the clips that fit into what is free."""
    edges = [np.zeros((0, 2))]
    for begin, stop in free:
        count = int((stop - begin + _TINY_S) // length_s)
        marks = np.minimum(begin + length_s * np.arange(count + 1), stop)
        if tail == "keep" and stop - marks[-1] >= min(_SHORTEST_S, length_s) - _TINY_S:
            marks = np.append(marks, stop)
        edges.append(np.stack([marks[:-1], marks[1:]], axis=1))
    return np.concatenate(edges)


def _choose(available: int, wanted: int, seed: tuple[int, int] | None) -> NDArray[np.int64]:
    if seed is None:
        return np.arange(wanted) * available // wanted
    return np.sort(np.random.default_rng(seed).choice(available, wanted, replace=False))


def _richest(
    free: list[tuple[float, float]], length_s: float, per_movie: int | None, detections: pd.DataFrame
) -> Spans:
    """Return (n, 2) starts and ends of the clips in which most was seen, the best first."""
    seen = detections.sort_values("pts_s")
    times = seen["pts_s"].to_numpy(np.float64)
    weights = seen["confidence"].to_numpy(np.float64) if "confidence" in seen else np.ones(len(seen))
    sums = np.concatenate([[0.0], np.cumsum(weights)])
    found: list[tuple[float, float]] = []
    while per_movie is None or len(found) < per_movie:
        places = [_richest_place(times, sums, *stretch, length_s) for stretch in free]
        score, start, stop = max(places, key=lambda place: (place[0], -place[1]), default=(0.0, 0.0, 0.0))
        if score <= 0:
            break
        found.append((start, stop))
        free = [piece for stretch in free for piece in _free(*stretch, np.array(found[-1:]))]
    return np.array(found, np.float64).reshape(-1, 2)


def _richest_place(times: Spans, sums: Spans, begin: float, stop: float, length_s: float) -> tuple[float, float, float]:
    """Return how much was seen in the best clip of a free stretch, its start and its end."""
    inside = times[(times >= begin) & (times < stop)]
    if stop - begin + _TINY_S < length_s or not len(inside):
        return 0.0, begin, begin
    # A best clip can begin with a detection, or end where the stretch does.
    latest = max(begin, stop - length_s)
    starts = np.unique(np.minimum(inside, latest))
    first, last = np.searchsorted(times, [starts, starts + length_s - _TINY_S])
    # Sums of equal confidences may differ in their last digits.
    scores = np.round(sums[last] - sums[first], 9)
    best = int(np.argmax(scores))
    shown = times[first[best] : last[best]]
    # Moved back by half of what is empty at its end, the clip shows the same.
    spare = starts[best] + length_s - shown[-1] - (shown[0] - starts[best])
    start = max(begin, float(starts[best]) - max(0.0, float(spare)) / 2)
    return float(scores[best]), start, min(start + length_s, stop)
