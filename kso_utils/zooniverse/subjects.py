"""Which subjects to make, and what goes with them to Zooniverse."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from kso_utils.core.errors import ConfigError, MetadataError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

KEY = "#kso_key"
"""The hidden metadata key by which a subject is known again on Zooniverse."""

# Times and counts of frames that differ by less are the same.
_TINY_S = 1e-6

ORIGIN_COLUMNS = (
    *("subject_type", "movie_id", "filename", "clip_start_time", "clip_end_time"),
    *("frame_number", "frame_exp_sp_id", "modification"),
)
"""Columns of the store's `subjects` that say where a subject comes from; each travels as hidden metadata."""


def plan_subjects(items: pd.DataFrame, template: Mapping[str, str], kind: Literal["clip", "frame"]) -> pd.DataFrame:
    """Return the subjects to upload, with the metadata of each.

    Parameters
    ----------
    items
        Clips or frames: `path`, `sha256`, and whatever columns the template names. Columns of `ORIGIN_COLUMNS` are sent
        too, hidden from volunteers, so that what comes back finds its movie.
    template
        Key on Zooniverse -> column of `items`; keys that start with `#` are hidden from volunteers.
    kind
        `clip` or `frame`.

    Returns
    -------
    DataFrame
        `path, sha256, metadata` (a dict of plain JSON values; missing values are left out) and the columns of
        `ORIGIN_COLUMNS` that `items` has, one row an item.

    Raises
    ------
    ConfigError
        If the template names a column that there is not.
    MetadataError
        If an item has no path or no sha256.
    """
    import pandas as pd

    if unknown := sorted({column for column in template.values() if column not in items.columns}):
        raise ConfigError(
            f"The metadata template names the columns {', '.join(unknown)}, which the {kind}s do not have. "
            f"They have: {', '.join(map(str, items.columns))}."
        )
    for column in ("path", "sha256"):
        if column not in items.columns or items[column].isna().any():
            raise MetadataError(
                f"Some {kind}s have no {column}. Make their files first, and leave out those that failed."
            )
    planned = items.assign(subject_type=kind).reset_index(drop=True)
    kept = [column for column in ORIGIN_COLUMNS if column in planned.columns]
    sent = {**{f"#{column}": column for column in kept}, **template}
    columns = {key: [plain(value) for value in planned[column]] for key, column in sent.items()}
    metadata = [
        {key: values[row] for key, values in columns.items() if values[row] is not None} for row in range(len(planned))
    ]
    return planned[["path", "sha256", *kept]].assign(metadata=pd.Series(metadata, dtype=object))


def plain(value: Any) -> Any:
    """Return a value as plain JSON: numpy scalars as Python's, times as text, what is missing or not finite as None."""
    import pandas as pd

    if isinstance(value, dict):
        return {str(key): plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | bool) else str(value)


def key_of(project_id: str, subject_set: str, sha256: str, metadata: Mapping[str, Any]) -> str:
    """Return what identifies a subject: the same content, metadata, set and project give the same 64 digits.

    Whole numbers count as such whatever their type, which depends on whether their column had gaps.
    """
    text = json.dumps([project_id, subject_set, sha256, _canonical(metadata)], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _canonical(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _canonical(v) for key, v in value.items()}
    if isinstance(value, list):
        return [_canonical(v) for v in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def choose_frames(
    agreed_clips: pd.DataFrame,
    movies: pd.DataFrame,
    per_clip: int = 3,
    times_s: Mapping[int, NDArray[np.float64]] | None = None,
) -> pd.DataFrame:
    """Choose frames of clips in which people agree on a species, to have its animals boxed.

    The frames are those on screen in the middle of `per_clip` equal parts of the clip from the second of first
    appearance to the clip's end.

    Parameters
    ----------
    agreed_clips
        `movie_id, clip_start_time, clip_end_time, species_id, first_seen_s` (seconds after the clip's start, may be
        missing): one row a clip and species.
    movies
        `id, frames`, and `fps_num, fps_den` or `fps`.
    per_clip
        Frames for each clip and species.
    times_s
        Movie -> time of each of its frames in seconds since the first. Without it, frames are taken to be equally long,
        which those of a variable rate are not.

    Returns
    -------
    DataFrame
        `movie_id, frame_number, frame_exp_sp_id`, sorted, each frame once; where two species want one frame, it is the
        one with the lower id's.

    Raises
    ------
    ConfigError
        If `per_clip` is not positive.
    MetadataError
        If a movie is unknown, or it has neither times nor a frame rate.
    """
    import numpy as np
    import pandas as pd

    if per_clip < 1:
        raise ConfigError(f"per_clip is {per_clip}. Give 1 or more frames a clip.")
    known = movies.assign(rate=_rate(movies)).set_index("id")
    parts = (np.arange(per_clip) + 0.5) / per_clip
    chosen = []
    for movie_id, clips in agreed_clips.groupby("movie_id"):
        start, end = (clips[c].to_numpy(float)[:, None] for c in ("clip_start_time", "clip_end_time"))
        seen = clips["first_seen_s"].fillna(0).to_numpy(float)[:, None]
        seen = np.where((seen > 0) & (seen < end - start), seen, 0.0)
        shown, first_from = _numbering(int(str(movie_id)), known, times_s or {})
        # Of the frames that begin in the clip; where none does, the last before its end.
        numbers = np.clip(shown(start + seen + parts * (end - start - seen)), first_from(start), first_from(end) - 1)
        rows = {"movie_id": movie_id, "frame_number": numbers.ravel().astype("int64")}
        species = clips["species_id"].astype("Int64").repeat(per_clip).to_numpy()
        chosen.append(pd.DataFrame(rows).assign(frame_exp_sp_id=species))
    empty = pd.DataFrame({"movie_id": [], "frame_number": [], "frame_exp_sp_id": []}, dtype="int64")
    table = pd.concat(chosen) if chosen else empty
    table["frame_exp_sp_id"] = table["frame_exp_sp_id"].astype("Int64")
    table = table.sort_values(["movie_id", "frame_number", "frame_exp_sp_id"], kind="stable")
    return table.drop_duplicates(["movie_id", "frame_number"], ignore_index=True)


def _numbering(
    movie_id: int, movies: pd.DataFrame, times_s: Mapping[int, NDArray[np.float64]]
) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """Return what gives the number of the frame on screen at a time, and of the first that begins from a time on."""
    import numpy as np

    if (times := times_s.get(movie_id)) is not None:
        return (
            lambda at: np.searchsorted(times, at + _TINY_S, side="right") - 1,
            lambda at: np.searchsorted(times, at - _TINY_S),
        )
    rate = movies["rate"].get(movie_id, math.nan)
    if np.isnan(rate):
        raise MetadataError(f"Movie {movie_id} has no frame rate in the table of movies.")
    frames = movies["frames"].astype("float64")[movie_id] if "frames" in movies else math.nan
    return (
        lambda at: np.floor(at * rate + _TINY_S),
        lambda at: np.fmin(np.ceil(at * rate - _TINY_S), frames),
    )


def _rate(movies: pd.DataFrame) -> pd.Series[float]:
    """Return frames a second: the exact fraction where there is one, else the rounded number."""
    import pandas as pd

    empty = pd.Series(float("nan"), index=movies.index)
    exact = movies["fps_num"] / movies["fps_den"] if {"fps_num", "fps_den"} <= set(movies.columns) else empty
    rounded = movies["fps"] if "fps" in movies.columns else empty
    return exact.astype("float64").fillna(rounded.astype("float64"))
