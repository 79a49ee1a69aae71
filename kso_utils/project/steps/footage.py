"""Footage into what volunteers look at: clips, and frames from the clips in which they saw something."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from kso_utils.core.errors import ConfigError
from kso_utils.core.paths import inside, write_atomic
from kso_utils.core.progress import track
from kso_utils.media import clips as media_clips
from kso_utils.media.frames import save_frames
from kso_utils.media.index import load_index
from kso_utils.media.modifications import limit_bytes
from kso_utils.media.movie import find_movie
from kso_utils.media.planning import plan_clips
from kso_utils.media.sources import file_name
from kso_utils.project.steps.counting import find_detections
from kso_utils.store import queries
from kso_utils.zooniverse.subjects import choose_frames

if TYPE_CHECKING:
    from kso_utils.media.modifications import Modifications
    from kso_utils.media.planning import Tail
    from kso_utils.project.opening import Project

_MANIFESTS = {"clip": Path("clips") / "clips.csv", "frame": Path("frames") / "frames.csv"}
_KEYS = {"clip": ["movie_id", "clip_start_time", "clip_end_time"], "frame": ["movie_id", "frame_number"]}


def cut_clips(
    project: Project,
    length_s: float | None = None,
    per_movie: int | None = None,
    seed: int | None = None,
    jobs: int | None = None,
    by_detections: int | Literal["latest"] | None = None,
    modifications: Modifications | None = None,
    max_mb: float | None = None,
    tail: Tail = "drop",
) -> pd.DataFrame:
    """Cut clips that overlap none that was cut or uploaded before.

    What has been cut is listed in `clips/clips.csv`; delete that folder to begin again. A call that was cut off is
    gone on with by the same call.

    Parameters
    ----------
    project
        The project; its store must hold the movies.
    length_s
        Seconds a clip, by default `clips.length_s` of the settings.
    per_movie
        So many clips a movie, those cut or uploaded before counted in; by default as many as fit into its window, or as
        show something that was detected.
    seed
        Choose the places at random with this seed instead of evenly.
    jobs
        Clips cut at a time.
    by_detections
        A detection run, or `latest`: choose the places where it saw most.
    modifications
        What is done to the pictures, by default `clips.modifications` of the settings; see `media.modifications`.
    max_mb
        No clip is larger than so many megabytes (1,000,000 bytes); one that cannot be made so small fails.
    tail
        What becomes of the end of a movie that is too short for a clip: `drop`, or `keep` as a shorter clip if it lasts
        a second.

    Returns
    -------
    DataFrame
        The new clips, one a row: `movie_id, clip_start_time, clip_end_time, modification, path, sha256, size_bytes,
        state, error`.

    Raises
    ------
    ConfigError
        If the store holds no movie, nothing was detected yet, or an argument is wrong.
    """
    movies = usable_movies(project)
    listed = read_manifest(project, "clip")
    taken = pd.concat([f[_KEYS["clip"]] for f in (queries.clips_taken(project.store), listed) if len(f)] or [listed])
    settings = project.settings.clips
    choice: dict[str, Any] = {"seed": seed, "tail": tail}
    if by_detections is not None:
        choice["detections"] = find_detections(project, None if by_detections == "latest" else by_detections).read()
    plan = _plan(movies, settings.length_s if length_s is None else length_s, per_movie, taken, choice)
    plan["source"] = plan["movie_id"].map(movies.set_index("id")["path"])
    changes: Modifications = settings.modifications if modifications is None else modifications
    if max_mb is not None:
        changes = limit_bytes(changes, int(max_mb * 1e6))
    made = media_clips.cut_clips(plan, project.folder / "clips", changes, jobs, project.index_cache)
    _add_to_manifest(project, "clip", listed, made[made["state"] == "done"])
    return made


def _plan(
    movies: pd.DataFrame, length_s: float, per_movie: int | None, taken: pd.DataFrame, choice: dict[str, Any]
) -> pd.DataFrame:
    """Plan new clips so that each movie comes to `per_movie` in all."""
    if per_movie is None:
        return plan_clips(movies, length_s, None, taken, **choice)
    there = movies["id"].map(taken.drop_duplicates()["movie_id"].value_counts()).fillna(0).astype(int)
    left = (per_movie - there).clip(lower=0)
    plans = [
        plan_clips(group, length_s, int(str(number)), taken, **choice)
        for number, group in movies[left > 0].groupby(left)
    ]
    return pd.concat(plans, ignore_index=True) if plans else plan_clips(movies[:0], length_s, **choice)


def extract_frames(project: Project, per_clip: int | None = None) -> pd.DataFrame:
    """Save frames from the clips in which volunteers agreed on a species.

    What has been saved is listed in `frames/frames.csv`; delete that folder to begin again. Frames are of the movie
    itself, whatever was done to the pictures of its clips.

    Returns
    -------
    DataFrame
        The new frames: `movie_id, frame_number, frame_exp_sp_id, pts_s, path, sha256, width, height`.

    Raises
    ------
    ConfigError
        If there is no consensus on clips yet.
    """
    agreed = queries.agreed_clips(project.store)
    if agreed.empty:
        raise ConfigError(
            "There is no clip on which volunteers agreed. Pull classifications, then run: kso aggregate clip"
        )
    movies = usable_movies(project)
    agreed = agreed[agreed["movie_id"].isin(movies["id"])]
    each = project.settings.clips.frames_per_clip if per_clip is None else per_clip
    listed = read_manifest(project, "frame")
    known = pd.concat(
        [f[_KEYS["frame"]] for f in (queries.frame_subjects(project.store), listed) if len(f)] or [listed]
    )
    parts = [choose_frames(agreed[:0], movies, each)]
    sources = movies.set_index("id")["path"].to_dict()
    for number, clips in track(list(agreed.groupby("movie_id")), "Saving frames"):
        movie_id = int(str(number))
        source = sources[movie_id]
        # The times are the movie's own: where its rate varies, no rate tells which frame is shown when.
        wanted = choose_frames(clips, movies, each, {movie_id: load_index(source, project.index_cache).pts_s})
        new = wanted[~_keys_of(wanted, "frame").isin(_keys_of(known, "frame"))]
        if new.empty:
            continue
        stem = f"{movie_id}_{Path(file_name(source)).stem}"
        numbers = new["frame_number"].tolist()
        saved = save_frames(source, numbers, project.folder / "frames", stem, project.index_cache)
        made = new.merge(saved, on="frame_number")
        _add_to_manifest(project, "frame", read_manifest(project, "frame"), made)
        parts.append(made)
    return pd.concat(parts[1:] or parts, ignore_index=True)


def usable_movies(project: Project) -> pd.DataFrame:
    """Return the movies of good deployments with the `path` of each file: absolute, or an open file of the archive.

    Raises
    ------
    ConfigError
        If the store holds none.
    NotFound
        If a file is missing.
    """
    movies = queries.good_movies(project.store)
    if movies.empty:
        raise ConfigError("The store holds no movie of a good deployment. Fill it with: kso movies")
    found = [find_movie(movie, project.archive) for movie in movies.to_dict("records")]
    movies["path"] = pd.Series([str(f) if isinstance(f, Path) else f for f in found], movies.index, dtype=object)
    return movies


def read_manifest(project: Project, kind: str) -> pd.DataFrame:
    """Return what has been cut (`kind` "clip") or saved ("frame"), with `path` absolute; empty if nothing.

    Raises
    ------
    ConfigError
        If the list was changed so that it can no longer be read.
    """
    file = project.folder / _MANIFESTS[kind]
    if not file.exists():
        return pd.DataFrame(columns=[*_KEYS[kind], "path", "sha256"])
    try:
        rows = pd.read_csv(file)
    except ValueError as error:
        raise ConfigError(f"{file} can no longer be read: {error}. Delete its folder to begin again.") from error
    if missing := {*_KEYS[kind], "path", "sha256"} - set(rows.columns):
        raise ConfigError(f"{file} lacks the columns {', '.join(sorted(missing))}. Delete its folder to begin again.")
    rows["path"] = [str(inside(project.folder, name)) for name in rows["path"]]
    if "modification" in rows:
        try:
            rows["modification"] = [
                json.loads(told) if isinstance(told, str) else None for told in rows["modification"]
            ]
        except ValueError as error:
            raise ConfigError(f"{file} no longer says how clips were made: {error}. Delete its folder.") from error
    return rows


def _add_to_manifest(project: Project, kind: str, listed: pd.DataFrame, made: pd.DataFrame) -> None:
    if made.empty:
        return
    rows = pd.concat([listed, made]) if len(listed) else made
    rows = rows.drop(columns=["source", "state", "error"], errors="ignore")
    rows["path"] = [Path(p).relative_to(project.folder).as_posix() for p in rows["path"]]
    if "modification" in rows:
        rows["modification"] = [json.dumps(told) if isinstance(told, dict) else None for told in rows["modification"]]
    with write_atomic(project.folder / _MANIFESTS[kind]) as temporary:
        rows.to_csv(temporary, index=False)


def _keys_of(rows: pd.DataFrame, kind: str) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(rows[_KEYS[kind]].astype(float))
