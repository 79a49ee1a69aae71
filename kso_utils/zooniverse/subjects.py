"""Which subjects to make, and what goes with them to Zooniverse."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, Literal

from kso_utils.core.errors import ConfigError, MetadataError
from kso_utils.zooniverse.delivery.sensitive import Secrets, hide_positions, may_tell

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


def plan_subjects(
    items: pd.DataFrame,
    template: Mapping[str, str],
    kind: Literal["clip", "frame"],
    sensitive_sites: Collection[str] = (),
) -> pd.DataFrame:
    """Return the subjects to upload, with the metadata of each.

    Parameters
    ----------
    items
        Clips or frames: `path` and `sha256`, or `url` where the medium lies elsewhere for everybody to fetch (its
        `sha256` may be missing), and whatever columns the template names. Columns of `ORIGIN_COLUMNS` are sent too,
        hidden from volunteers, so that what comes back finds its movie. `clip_length` (seconds) is worked out.
    template
        Key on Zooniverse -> column of `items`. Keys that start with `#` or `//` are hidden from volunteers, those that
        start with `!` are shown after they classified.
    kind
        `clip` or `frame`.
    sensitive_sites
        Names (`locality`) or ids (`locationID`) of sites whose place is kept secret; see `delivery.sensitive`.

    Returns
    -------
    DataFrame
        `path, url` (where `items` has it), `sha256, metadata` (a dict of plain JSON values; missing values are left
        out) and the columns of `ORIGIN_COLUMNS` that `items` has, one row an item.

    Raises
    ------
    ConfigError
        If the template names a column that there is not, or gives a name of `ORIGIN_COLUMNS` to another column.
    MetadataError
        If an item has no medium or a file no sha256, or the address of a sensitive site's medium names the site.
    """
    import pandas as pd

    planned = _complete(items, kind)
    kept = [column for column in ORIGIN_COLUMNS if column in planned.columns]
    columns = _columns_sent(template, kept, planned)
    _require_media(planned, kind)
    values = {key: [plain(value) for value in planned[column]] for key, column in columns.items()}
    secrets = Secrets(sensitive_sites, planned)
    metadata = []
    for row, item in enumerate(planned.to_dict("records")):
        told = {key: values[key][row] for key in columns if values[key][row] is not None}
        if (names := secrets.of(item)) is not None:
            told = {key: value for key, value in told.items() if may_tell(columns[key], value, names)}
            if not may_tell("url", plain(item.get("url")), names):
                raise MetadataError(
                    f"The address of a {kind} names its site, which is sensitive. Give it another name."
                )
        metadata.append(told)
    media = [column for column in ("path", "url", "sha256") if column in planned.columns]
    return planned[[*media, *kept]].assign(metadata=pd.Series(metadata, dtype=object))


def _complete(items: pd.DataFrame, kind: str) -> pd.DataFrame:
    planned = items.assign(subject_type=kind).reset_index(drop=True)
    if {"clip_start_time", "clip_end_time"} <= set(planned.columns):
        planned["clip_length"] = (planned["clip_end_time"] - planned["clip_start_time"]).astype(float).round(3)
    return planned


def _columns_sent(template: Mapping[str, str], kept: list[str], planned: pd.DataFrame) -> dict[str, str]:
    """Return the keys that are sent and the column of each: what the template names, and where it comes from."""
    known = {*planned.columns, *ORIGIN_COLUMNS}
    if unknown := sorted({column for column in template.values() if column not in known}):
        raise ConfigError(
            f"The metadata template names the columns {', '.join(unknown)}, which the subjects do not have. "
            f"They have: {', '.join(map(str, planned.columns))}."
        )
    named: dict[str, str] = {}
    for key, column in template.items():
        name = bare_name(key)
        if (name in ORIGIN_COLUMNS and column != name) or named.setdefault(name, column) != column:
            owner = named.get(name, name)
            raise ConfigError(
                f"The metadata template gives the name {key} to {column}, but {name} means {owner}, whatever mark is "
                "before it. Choose another name."
            )
    hidden = {f"#{column}": column for column in kept if column not in named}
    told = {key: column for key, column in hide_positions(template).items() if column in planned.columns}
    return {**hidden, **told}


def _require_media(planned: pd.DataFrame, kind: str) -> None:
    import pandas as pd

    missing = pd.Series(True, planned.index)
    path, url, sha256 = (planned[c].isna() if c in planned.columns else missing for c in ("path", "url", "sha256"))
    for name, lacking in (("path", path & url), ("sha256", sha256 & url)):
        if lacking.any():
            raise MetadataError(
                f"Some {kind}s have no {name}. Make their files first, and leave out those that failed."
            )


def bare_name(key: str) -> str:
    """Return a key of the metadata without the mark that hides it."""
    return key.lstrip("#/!")


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


def key_subject(row: Mapping[Any, Any], subject_set: str, project_id: int | str) -> str:
    """Return the key of a row of `plan_subjects`; where the content is not known, its address stands for it."""
    content = plain(row.get("sha256")) or plain(row.get("url")) or ""
    return key_of(str(project_id), subject_set, content, row["metadata"])


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
