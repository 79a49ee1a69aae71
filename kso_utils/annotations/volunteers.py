"""What volunteers marked and looked at, out of the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from kso_utils.annotations.sightings import Evidence
from kso_utils.store import queries

if TYPE_CHECKING:
    from collections.abc import Collection

    from kso_utils.store.engine import Store

_CLIP = ["movie_id", "clip_start_time", "clip_end_time"]
_MORE_THAN_ONE = 2


def read_volunteers(
    store: Store,
    asked_in_clips: Collection[str] = (),
    asked_in_frames: Collection[str] = (),
) -> Evidence | None:
    """Return what the volunteers agreed on in the latest runs of consensus, and where enough of them looked.

    A label on which they did not agree is a doubt, not an absence: in a clip where the 95 % interval of its support
    reaches the agreement that the rule asks for, in a frame where more than one person drew it.

    Parameters
    ----------
    store
        The store.
    asked_in_clips, asked_in_frames
        The labels that the workflows offered; only these can be absent.

    Returns
    -------
    Evidence or None
        None where there is no consensus at all.
    """
    runs = {kind: _read_run(store, kind) for kind in ("clip", "frame")}
    known = {kind: run for kind, run in runs.items() if run is not None}
    if not known:
        return None
    parts: dict[str, Any] = {}
    doubts = []
    if "clip" in known:
        clips, looked, unsure = _read_clips(store, known["clip"])
        parts |= {"clips": clips, "looked_clips": looked, "asked_in_clips": tuple(asked_in_clips)}
        doubts.append(unsure)
    if "frame" in known:
        boxes, frames, unsure = _read_boxes(store, known["frame"])
        parts |= {"boxes": boxes, "looked_frames": frames, "asked_in_frames": tuple(asked_in_frames)}
        doubts.append(unsure)
    return Evidence(
        "human",
        doubts=pd.concat(doubts, ignore_index=True),
        identified_by="Zooniverse volunteers",
        references=f"kso_utils {next(iter(known.values()))['version']} (consensus of classifications)",
        runs=tuple({"table": "agg_runs", **run} for run in known.values()),
        **parts,
    )


def _read_run(store: Store, kind: Literal["clip", "frame"]) -> dict[str, Any] | None:
    run = queries.latest_run(store, "agg_runs", kind)
    if run is None:
        return None
    columns = ["id", "kind", "created_at", "version", "params", "inputs"]
    rows: list[dict[str, Any]] = store.read("agg_runs", columns, where={"id": run}).to_dict("records")  # type: ignore[assignment]
    return rows[0]


def _looked(store: Store, kind: Literal["clip", "frame"], run: dict[str, Any]) -> pd.DataFrame:
    """Return the subjects at which as many people looked as the run's rule asks for."""
    rule, workflows = run["params"]["rule"], run["params"].get("workflows") or None
    counted = rule.get("votes", rule)
    subjects = queries.looked_at(
        store, kind, workflows, counted.get("live_only", True), counted.get("skip_seen_before", True)
    )
    enough: pd.DataFrame = subjects[subjects["people"] >= rule["min_people"]].astype({"people": "Int64"})
    return enough


def _read_clips(store: Store, run: dict[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    rows = queries.agreed_clips(store, run["id"], all_rows=True).dropna(subset=_CLIP)
    agreed = rows["agreed"].astype(bool)
    may_be = ~agreed & (rows["support_high"].astype(float) >= run["params"]["rule"]["agreement"])
    doubts = rows[may_be].rename(columns={"clip_start_time": "start_s", "clip_end_time": "end_s"})
    seen = rows[agreed].astype({"people": "Int64"})
    columns = [*_CLIP, "label", "how_many", "first_seen_s", "support", "people"]
    looked = _looked(store, "clip", run).dropna(subset=_CLIP)
    return seen[columns], looked[[*_CLIP, "people"]], doubts[["movie_id", "start_s", "end_s", "label"]]


def _read_boxes(store: Store, run: dict[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    frame_s = read_frame_lengths(store)
    rows = queries.agreed_boxes(store, run["id"], all_rows=True).dropna(subset=["movie_id", "frame_number"])
    length = rows["movie_id"].map(frame_s)
    rows = rows.assign(pts_s=rows["frame_number"].astype(float) * length, length=length)
    agreed = rows["agreed"].astype(bool)
    boxes = rows[agreed].assign(people=rows["looked"].astype("Int64"))
    doubts = rows[~agreed & (rows["people"] >= _MORE_THAN_ONE)]
    doubts = doubts.assign(start_s=doubts["pts_s"], end_s=doubts["pts_s"] + doubts["length"])
    looked = _looked(store, "frame", run).dropna(subset=["frame_number"])
    times = looked["frame_number"].astype(float) * looked["movie_id"].map(frame_s)
    frames = looked.assign(first_s=times, step_s=0.0, frames=1)
    return (
        boxes[["movie_id", "frame_number", "pts_s", "label", "support", "people", "x", "y", "width", "height"]],
        frames[["movie_id", "first_s", "step_s", "frames", "people"]],
        doubts[["movie_id", "start_s", "end_s", "label"]],
    )


def read_frame_lengths(store: Store) -> pd.Series[float]:
    """Return the seconds from frame to frame of each movie, by its id; NaN where the rate is not known."""
    movies = store.read("movies", columns=["id", "fps", "fps_num", "fps_den"]).set_index("id")
    exact = movies["fps_den"].astype("Float64") / movies["fps_num"].astype("Float64")
    return exact.fillna(1.0 / movies["fps"].astype("Float64")).astype("float64")
