"""Footage into what volunteers look at: clips, and frames from the clips in which they saw something."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from kso_utils.core.errors import ConfigError
from kso_utils.core.paths import inside, write_atomic
from kso_utils.core.progress import track
from kso_utils.media import clips as media_clips
from kso_utils.media.frames import save_frames
from kso_utils.media.movie import find_movie
from kso_utils.store import queries
from kso_utils.zooniverse.subjects import choose_frames

if TYPE_CHECKING:
    from kso_utils.project.opening import Project

_MANIFESTS = {"clip": Path("clips") / "clips.csv", "frame": Path("frames") / "frames.csv"}
_KEYS = {"clip": ["movie_id", "clip_start_time", "clip_end_time"], "frame": ["movie_id", "frame_number"]}


def cut_clips(
    project: Project,
    length_s: float | None = None,
    per_movie: int | None = None,
    seed: int | None = None,
    jobs: int | None = None,
) -> pd.DataFrame:
    """Cut clips that overlap none that was cut or uploaded before.

    What has been cut is listed in `clips/clips.csv`; delete that folder to begin again.

    Parameters
    ----------
    project
        The project; its store must hold the movies.
    length_s
        Seconds a clip, by default `clips.length_s` of the settings.
    per_movie
        So many clips a movie, those cut or uploaded before counted in; by default as many as fit into its window.
    seed
        Choose the places at random with this seed instead of evenly.
    jobs
        Clips cut at a time.

    Returns
    -------
    DataFrame
        The new clips, one a row: `movie_id, clip_start_time, clip_end_time, path, sha256, size_bytes, state, error`.

    Raises
    ------
    ConfigError
        If the store holds no movie.
    """
    movies = usable_movies(project)
    listed = read_manifest(project, "clip")
    taken = pd.concat([f[_KEYS["clip"]] for f in (queries.clips_taken(project.store), listed) if len(f)] or [listed])
    length = project.settings.clips.length_s if length_s is None else length_s
    plan = _plan(movies, length, per_movie, taken, seed)
    plan["source"] = plan["movie_id"].map(movies.set_index("id")["path"])
    made = media_clips.cut_clips(plan, project.folder / "clips", jobs=jobs)
    _add_to_manifest(project, "clip", listed, made[made["state"] == "done"])
    return made


def _plan(
    movies: pd.DataFrame, length_s: float, per_movie: int | None, taken: pd.DataFrame, seed: int | None
) -> pd.DataFrame:
    """Plan new clips so that each movie comes to `per_movie` in all."""
    if per_movie is None:
        return media_clips.plan_clips(movies, length_s, None, taken, seed)
    there = movies["id"].map(taken.drop_duplicates()["movie_id"].value_counts()).fillna(0).astype(int)
    left = (per_movie - there).clip(lower=0)
    plans = [
        media_clips.plan_clips(group, length_s, int(str(number)), taken, seed)
        for number, group in movies[left > 0].groupby(left)
    ]
    return pd.concat(plans, ignore_index=True) if plans else media_clips.plan_clips(movies[:0], length_s)


def extract_frames(project: Project, per_clip: int | None = None) -> pd.DataFrame:
    """Save frames from the clips in which volunteers agreed on a species.

    What has been saved is listed in `frames/frames.csv`; delete that folder to begin again.

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
    wanted = choose_frames(agreed, movies, project.settings.clips.frames_per_clip if per_clip is None else per_clip)
    listed = read_manifest(project, "frame")
    known = pd.concat(
        [f[_KEYS["frame"]] for f in (queries.frame_subjects(project.store), listed) if len(f)] or [listed]
    )
    new = wanted[~_keys_of(wanted, "frame").isin(_keys_of(known, "frame"))]
    paths = movies.set_index("id")["path"]
    parts = []
    for movie_id, rows in track(list(new.groupby("movie_id")), "Saving frames"):
        source = Path(paths[movie_id])
        saved = save_frames(
            source, rows["frame_number"].tolist(), project.folder / "frames", stem=f"{movie_id}_{source.stem}"
        )
        parts.append(rows.merge(saved, on="frame_number"))
    made = pd.concat(parts, ignore_index=True) if parts else new
    _add_to_manifest(project, "frame", listed, made)
    return made


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
    return rows


def _add_to_manifest(project: Project, kind: str, listed: pd.DataFrame, made: pd.DataFrame) -> None:
    if made.empty:
        return
    rows = pd.concat([listed, made]) if len(listed) else made
    rows = rows.drop(columns=["source", "state", "error"], errors="ignore")
    rows["path"] = [Path(p).relative_to(project.folder).as_posix() for p in rows["path"]]
    with write_atomic(project.folder / _MANIFESTS[kind]) as temporary:
        rows.to_csv(temporary, index=False)


def _keys_of(rows: pd.DataFrame, kind: str) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(rows[_KEYS[kind]].astype(float))
