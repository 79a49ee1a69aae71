"""Which subjects to make, and what goes with them to Zooniverse."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from kso_utils.core.errors import ConfigError, MetadataError

if TYPE_CHECKING:
    import pandas as pd

KEY = "#kso_key"
"""The hidden metadata key by which a subject is known again on Zooniverse."""

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


def choose_frames(agreed_clips: pd.DataFrame, movies: pd.DataFrame, per_clip: int = 3) -> pd.DataFrame:
    """Choose frames of clips in which people agree on a species, to have its animals boxed.

    The frames lie in the middle of `per_clip` equal parts of the clip from the second of first appearance to the
    clip's end.

    Parameters
    ----------
    agreed_clips
        `movie_id, clip_start_time, clip_end_time, species_id, first_seen_s` (seconds after the clip's start, may be
        missing): one row a clip and species.
    movies
        `id, frames`, and `fps_num, fps_den` or `fps`.
    per_clip
        Frames for each clip and species.

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
        If a movie is unknown or has no frame rate.
    """
    import numpy as np
    import pandas as pd

    if per_clip < 1:
        raise ConfigError(f"per_clip is {per_clip}. Give 1 or more frames a clip.")
    clips = agreed_clips[["movie_id", "clip_start_time", "clip_end_time", "species_id", "first_seen_s"]]
    joined = clips.merge(movies.assign(rate=_rate(movies)), left_on="movie_id", right_on="id", how="left")
    if (lost := joined["rate"].isna()).any():
        raise MetadataError(f"Movie {joined.loc[lost, 'movie_id'].iloc[0]} has no frame rate in the table of movies.")
    start, end, rate = (joined[c].to_numpy(float)[:, None] for c in ("clip_start_time", "clip_end_time", "rate"))
    seen = joined["first_seen_s"].fillna(0).to_numpy(float)[:, None]
    seen = np.where((seen > 0) & (seen < end - start), seen, 0.0)
    parts = (np.arange(per_clip) + 0.5) / per_clip
    times = start + seen + parts * (end - start - seen)
    last = np.ceil(end * rate - 1e-6) - 1
    if "frames" in joined.columns:
        last = np.fmin(last, joined["frames"].to_numpy(float, na_value=np.nan)[:, None] - 1)
    numbers = np.clip(np.floor(times * rate + 1e-6), np.fmin(np.ceil(start * rate - 1e-6), last), last)
    chosen = pd.DataFrame(
        {
            "movie_id": np.repeat(joined["movie_id"].to_numpy(), per_clip),
            "frame_number": numbers.ravel().astype("int64"),
            "frame_exp_sp_id": joined["species_id"].astype("Int64").repeat(per_clip).to_numpy(),
        }
    )
    chosen["frame_exp_sp_id"] = chosen["frame_exp_sp_id"].astype("Int64")
    chosen = chosen.sort_values(["movie_id", "frame_number", "frame_exp_sp_id"], kind="stable")
    return chosen.drop_duplicates(["movie_id", "frame_number"], ignore_index=True)


def _rate(movies: pd.DataFrame) -> pd.Series[float]:
    """Return frames a second: the exact fraction where there is one, else the rounded number."""
    import pandas as pd

    empty = pd.Series(float("nan"), index=movies.index)
    exact = movies["fps_num"] / movies["fps_den"] if {"fps_num", "fps_den"} <= set(movies.columns) else empty
    rounded = movies["fps"] if "fps" in movies.columns else empty
    return exact.astype("float64").fillna(rounded.astype("float64"))
