"""Clips of movies: the files that people look at."""

from __future__ import annotations

import math
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache, partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from kso_utils.core.errors import ConfigError, KsoError, MediaCorrupt, MediaError
from kso_utils.core.paths import safe_name, sha256_file, to_text, write_atomic
from kso_utils.core.progress import bar
from kso_utils.media.excerpts import copy_packets
from kso_utils.media.frames import read_frames
from kso_utils.media.index import MovieIndex, load_index
from kso_utils.media.marks import count_marked, make_mark
from kso_utils.media.modifications import (
    CRF,
    Modifications,
    complete_modifications,
    describe_modifications,
    parameters_of,
    picture_filters,
    speed_of,
)
from kso_utils.media.movie import MovieInfo, probe
from kso_utils.media.pixels import RGB
from kso_utils.media.safety import Filter, run_ffmpeg
from kso_utils.media.sources import Footage, name_of, resolve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from kso_utils.archive.base import RangeFile

# Times that differ by less are the same; far below a frame.
_TINY_S = 1e-6
# Streams without an index are searched by guessing; ffmpeg then lands up to a group of pictures too late.
_SEEK_ERROR_S = 2.0
_WORST_CRF = 51
# As good and as small as x264's `medium` at rate factor 20, in a third of the time (benchmarks/clips.py). One thread,
# so that the same clip has the same bytes whatever the machine.
_ENCODER = {
    "c:v": "libx264",
    "preset": "superfast",
    "x264-params": "subme=2:partitions=i8x8,i4x4:mbtree=1:rc-lookahead=20:aq-mode=2:qcomp=0.7",
    "threads": 1,
}
_FACTS = ["path", "sha256", "size_bytes", "state", "error"]


@dataclass(frozen=True)
class _Stretch:
    """Consecutive frames of a movie on this machine, from `first` on; `name` is that of the movie."""

    name: str
    info: MovieInfo
    index: MovieIndex
    first: int
    count: int


def cut_clips(
    plan: pd.DataFrame,
    out_dir: str | Path,
    modifications: Modifications = (),
    jobs: int | None = None,
    index_cache: str | Path | None = None,
) -> pd.DataFrame:
    """Cut clips out of movies: H.264, yuv420p, no sound, MP4 with its index in front, exact to the frame.

    A clip begins with the frame nearest to its start. Where the rate is constant it has `round(length * rate)`
    frames; where it varies, those whose times lie in the clip. Shown f times faster, such a clip of n frames has
    ceil(n / f), frame k being frame floor(k * f) of it, at the rate of the movie; shown slower, it has all n at f times
    the rate. A clip that is already there, cut from the same file in the same way, is kept; one that was cut in another
    way is replaced. One that fails does not stop the others.

    Parameters
    ----------
    plan
        `source` (a movie: a path, an address, or an open file of an archive), `clip_start_time`, `clip_end_time`, and
        whatever else; `movie_id` tells movies of the same name apart, also those of another call.
    out_dir
        The folder of the clips, named `<stem>-<movie_id>_clip_<start>_<length>.mp4`, without the id where the plan
        has none.
    modifications
        What is done to the pictures, in this order: see `media.modifications`.
    jobs
        Clips cut at the same time; by default one a core.
    index_cache
        A folder in which packet indexes are kept between runs.

    Returns
    -------
    DataFrame
        The plan with `modification` (as in `subjects`; None without any), `path`, `sha256`, `size_bytes`, `state`
        (`done` or `failed`) and `error`.

    Raises
    ------
    ConfigError
        If a column is missing, a modification is wrong, `jobs` is not positive, or two movies would share names.
    """
    steps = complete_modifications(modifications)
    if jobs is not None and jobs < 1:
        raise ConfigError(f"Clips are cut at least one at a time, not {jobs}.")
    if missing := {"source", "clip_start_time", "clip_end_time"} - set(plan.columns):
        raise ConfigError(f"The plan of clips lacks the columns {', '.join(sorted(missing))}.")
    targets = [Path(out_dir) / name for name in _names(plan)]
    # One thread looks at a time: those that begin with the same movie would all read it whole.
    look, one_looks = lru_cache(maxsize=8)(partial(_look, index_cache=index_cache)), Lock()
    with bar("Cutting clips", len(plan)) as progress, ThreadPoolExecutor(jobs or os.cpu_count() or 1) as pool:

        def work(row: dict[Any, Any], target: Path) -> dict[str, object]:
            try:
                with one_looks:
                    movie, info, index = look(row["source"])
                first, count = _extent(info, index, row["clip_start_time"], row["clip_end_time"])
                result = _cut_one(movie, _Stretch(name_of(movie), info, index, first, count), target, steps)
            except (KsoError, OSError) as error:
                result = dict.fromkeys(_FACTS) | {"state": "failed", "error": to_text(str(error))}
            progress.advance()
            return result

        results = list(pool.map(work, plan.to_dict("records"), targets))
    made = pd.DataFrame(results, index=plan.index, columns=_FACTS)
    made["size_bytes"] = made["size_bytes"].astype("Int64")
    described = pd.Series([describe_modifications(steps)] * len(plan), plan.index, dtype=object)
    made.insert(0, "modification", described)
    return pd.concat([plan.drop(columns=made.columns, errors="ignore"), made], axis=1)


def _names(plan: pd.DataFrame) -> list[str]:
    """Return the file names of the clips; the movie's id, where it is known, tells movies of one name apart."""
    # Not as text of pandas, which holds no name that is not UTF-8.
    sources = pd.Series([name_of(source) for source in plan["source"]], plan.index, dtype=object)
    stems = sources.map(lambda name: safe_name(Path(name).stem))
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


def _look(source: Footage, index_cache: str | Path | None) -> tuple[Path | RangeFile, MovieInfo, MovieIndex]:
    movie = resolve(source)
    return movie, probe(movie, index_cache), load_index(movie, index_cache)


def _extent(info: MovieInfo, index: MovieIndex, start_s: float, end_s: float) -> tuple[int, int]:
    """Return the first frame of a clip and how many it has."""
    frame_s = info.duration_s / info.frames
    if not 0 <= start_s < end_s <= info.duration_s + frame_s / 2:
        raise MediaError(
            f"{name_of(info.path)} lasts {info.duration_s:.3f} s; a clip from {start_s:g} to {end_s:g} s is not in it."
        )
    if info.variable_rate:
        first, last = (int(n) for n in np.searchsorted(index.pts_s, np.array([start_s, end_s]) - _TINY_S))
        count = last - first
    else:
        count = min(round((end_s - start_s) * info.rate), info.frames)
        nearest = int(np.searchsorted(index.pts_s, start_s - frame_s / 2))
        first = min(nearest, info.frames - count)
    if count < 1:
        raise MediaError(f"{name_of(info.path)} shows no frame between {start_s:g} and {end_s:g} s.")
    return first, count


def _cut_one(movie: Path | RangeFile, stretch: _Stretch, target: Path, steps: Modifications) -> dict[str, object]:
    mark = make_mark([movie], [stretch.first, stretch.count, _ENCODER, CRF, steps])
    if count_marked(target, mark) != _shown(stretch, steps):
        with _on_this_machine(movie, stretch) as local:
            _encode(local, target, steps, mark)
    size, sha256 = target.stat().st_size, sha256_file(target)
    return {"path": str(target), "sha256": sha256, "size_bytes": size, "state": "done", "error": None}


def _shown(stretch: _Stretch, steps: Modifications) -> int:
    """Return how many frames a clip has."""
    return math.ceil(stretch.count / max(speed_of(steps), Fraction(1)))


@contextmanager
def _on_this_machine(movie: Path | RangeFile, stretch: _Stretch) -> Iterator[_Stretch]:
    """Give the frames of a movie elsewhere as those of an excerpt, which is removed in the end."""
    if isinstance(movie, Path):
        yield stretch
        return
    with tempfile.TemporaryDirectory(prefix="kso-clip-") as folder:
        excerpt = Path(folder) / "excerpt.mov"
        first = copy_packets(movie, stretch.first, stretch.count, excerpt)
        # An excerpt may name another rate, being so short.
        known = stretch.info
        info = replace(probe(excerpt), fps_num=known.fps_num, fps_den=known.fps_den, variable_rate=known.variable_rate)
        yield _Stretch(stretch.name, info, load_index(excerpt), first, stretch.count)


def _picks(stretch: _Stretch) -> tuple[dict[str, object], Filter]:
    """Return ffmpeg's input options and the filter that let a stream begin with the first frame.

    Decoding starts at a key packet that the index proves sufficient, and what precedes the frame is trimmed away
    half-way between it and the one before.
    """
    info, index, first = stretch.info, stretch.index, stretch.first
    if index.by_count or first == 0:
        return {}, ("trim", {"start_frame": first})
    key = int(index.key_before(np.array([first]))[0])
    early_s = _SEEK_ERROR_S if info.container in ("mpegts", "mpeg") else 0.0
    frame_s = info.duration_s / info.frames
    seek_s = float(index.pts[index.keys[max(key, 0)]] * index.time_base) - frame_s / 2 - early_s
    # By the movie's own clock: where ffmpeg lets its clock begin depends on sound that is not asked for. And by time
    # everywhere: where leading frames cannot be decoded, a number would count from the wrong one.
    entry: dict[str, object] = {"copyts": None}
    if key > 0 and seek_s > float(int(index.ticks[0]) * index.time_base):
        entry |= {"seek_timestamp": 1, "noaccurate_seek": None, "ss": f"{seek_s:.6f}"}
    between_s = float(Fraction(int(index.ticks[first - 1] + index.ticks[first]), 2) * index.time_base)
    return entry, ("trim", {"start": f"{between_s:.6f}"})


def _encode(stretch: _Stretch, target: Path, steps: Modifications, mark: str) -> None:
    """Write a clip; where it is larger than it may be, again with a higher rate factor until it is not."""
    compress = parameters_of(steps, "compress")
    crf, most = compress.get("crf", CRF), compress.get("max_bytes", math.inf)
    with write_atomic(target) as temporary:
        while (size := _encode_once(stretch, temporary, steps, mark, crf)) > most:
            if crf >= _WORST_CRF:
                raise MediaError(
                    f"{target.name} has {size} bytes at the lowest quality, more than the {most} allowed. "
                    "Make the clips shorter, or scale them down."
                )
            # Six steps of the rate factor halve a clip, or nearly so.
            crf = min(_WORST_CRF, crf + max(1, math.ceil(6 * math.log2(size / most))))


def _encode_once(stretch: _Stretch, target: Path, steps: Modifications, mark: str, crf: float) -> int:
    """Write a clip to `target` and return its size in bytes."""
    info, speed = stretch.info, speed_of(steps)
    entry, trim = _picks(stretch)
    tick = stretch.index.time_base if info.variable_rate else 1 / (info.rate * min(speed, Fraction(1)))
    times = f"(PTS-STARTPTS)/({speed})" if info.variable_rate else f"N*{tick}/TB"
    count = _shown(stretch, steps)
    run_ffmpeg(
        name_of(info.path),
        target,
        # Threads of decoder and filters would take turns with those of the clip that is cut beside this one.
        input_options={**entry, "threads": 1},
        filters=[trim, *_changes(info, steps), ("setpts", {"expr": times})],
        output_options={
            "filter_threads": 1,
            "frames:v": count,
            **_ENCODER,
            "crf": crf,
            "enc_time_base": str(tick),
            "movflags": "+faststart",
            "map_metadata": -1,
            "map_chapters": -1,
            "metadata": f"comment={mark}",
            "f": "mp4",
        },
    )
    made = len(load_index(target))
    if made != count:
        raise MediaCorrupt(f"{stretch.name} gave {made} of the {count} frames of a clip. Copy the movie again.")
    return target.stat().st_size


def _changes(info: MovieInfo, steps: Modifications) -> list[Filter]:
    """Return the filters that make pictures playable everywhere, and what is done to them."""
    even: Filter = ("crop", {"w": "trunc(iw/2)*2", "h": "trunc(ih/2)*2"})
    scale: dict[str, object] = {"w": "iw", "h": "ih"}
    playable: list[Filter] = [("scale", scale), ("format", {"pix_fmts": "yuv420p"})]
    if info.color_range == "full" or info.pixel_format.startswith((*RGB, "yuvj", "gray", "ya")):
        scale["out_range"] = "tv"
    else:
        # Said, not asked for: a filter that is asked for a range copies every picture, also one that has it.
        playable.append(("setparams", {"range": "tv"}))
    if info.pixel_format.startswith(RGB):
        # Such pictures name no weights of colours: players would guess them from the size.
        scale["out_color_matrix"] = "bt709"
        playable.append(("setparams", {"colorspace": "bt709"}))
    filters = picture_filters(steps)
    return [even, *playable, *filters, *([even, *playable] if filters else [])]


def preview_modifications(
    movie: Footage, modifications: Modifications, at_s: float = 0.0
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the frame on screen at a time as it is and as modified, each rgb24 (height, width, 3).

    Raises
    ------
    ConfigError
        If a modification is wrong.
    MediaError
        If the movie is not as long.
    """
    steps = complete_modifications(modifications)
    source = resolve(movie)
    ((number, _, original),) = read_frames(source, times_s=[at_s])
    whole = _Stretch(name_of(source), probe(source), load_index(source), number, 1)
    with tempfile.TemporaryDirectory(prefix="kso-preview-") as folder, _on_this_machine(source, whole) as stretch:
        picture = Path(folder) / "modified.mkv"
        entry, trim = _picks(stretch)
        options = {"frames:v": 1, "c:v": "ffv1", "f": "matroska"}
        run_ffmpeg(
            name_of(stretch.info.path),
            picture,
            input_options=entry,
            filters=[trim, *_changes(stretch.info, steps)],
            output_options=options,
        )
        ((_, _, modified),) = read_frames(picture, [0])
    return original, modified
