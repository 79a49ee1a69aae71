"""What volunteers marked and looked at, out of the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from kso_utils.annotations.outlines import bounding_boxes
from kso_utils.annotations.sightings import Evidence
from kso_utils.core.errors import ConfigError
from kso_utils.store import queries

if TYPE_CHECKING:
    from collections.abc import Collection

    from kso_utils.store.engine import Store

_BOX = ["x", "y", "width", "height"]
_CLIP = ["movie_id", "clip_start_time", "clip_end_time"]
_TABLES = {"clip": "agg_annotations_clip", "frame": "agg_annotations_frame"}
_MORE_THAN_ONE = 2
_HALF = 0.5
_UNLIKELY = 0.05


def read_volunteers(
    store: Store,
    asked_in_clips: Collection[str] = (),
    asked_in_frames: Collection[str] = (),
) -> Evidence | None:
    """Return what the volunteers agreed on in the latest runs of consensus, and where enough of them looked.

    A label on which they did not agree is a doubt, not an absence: in a clip where the 95 % interval of its support
    reaches the agreement that the rule asks for (half of the people where it asks for none), or where its probability
    is 0.05 or more by a method that gives one; in a frame where more than one person drew it. Marks of every shape
    count as animals; of a subject with several pictures the first one does.

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

    Raises
    ------
    ConfigError
        If a run was made by a version that did not write down who looked.
    """
    runs = {kind: read_run(store, kind) for kind in ("clip", "frame")}
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


def read_run(store: Store, kind: Literal["clip", "frame"], run_id: int | None = None) -> dict[str, Any] | None:
    """Return a run of consensus: `id, kind, created_at, version, params, inputs`.

    Parameters
    ----------
    store
        The store.
    kind
        Of clips or of frames.
    run_id
        The run; the latest of that kind by default.

    Returns
    -------
    dict or None
        None where there is none.
    """
    run = queries.latest_run(store, "agg_runs", kind) if run_id is None else run_id
    columns = ["id", "kind", "created_at", "version", "params", "inputs"]
    found = store.read("agg_runs", columns, where={"id": [] if run is None else [run], "kind": kind})
    rows: list[dict[str, Any]] = found.to_dict("records")  # type: ignore[assignment]
    return rows[0] if rows else None


def read_looked(store: Store, run: dict[str, Any]) -> pd.DataFrame:
    """Return the subjects of movies at which as many people looked as the rule of a run asks for.

    Returns
    -------
    DataFrame
        As `queries.looked_at` gives them.

    Raises
    ------
    ConfigError
        If the run is of a version that did not write down who looked.
    """
    looked = queries.looked_at(store, run["id"])
    if looked.empty and len(store.read(_TABLES[run["kind"]], ["id"], where={"run_id": run["id"]})):
        raise ConfigError(
            f"Consensus run {run['id']} was made by kso_utils {run['version']} and does not say who looked. Make it "
            f"anew with: kso aggregate {run['kind']}"
        )
    enough = looked["people"] >= run["params"]["rule"]["min_people"]
    here: pd.DataFrame = looked[enough].dropna(subset=["movie_id"]).astype({"movie_id": "int64", "people": "Int64"})
    return here


def _read_clips(store: Store, run: dict[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    rows = queries.agreed_clips(store, run["id"], all_rows=True).dropna(subset=_CLIP)
    agreed = rows["agreed"].astype(bool)
    doubts = rows[~agreed & _may_be(rows, run["params"]["rule"])].rename(
        columns={"clip_start_time": "start_s", "clip_end_time": "end_s"}
    )
    seen = rows[agreed].astype({"people": "Int64"})
    columns = [*_CLIP, "label", "how_many", "first_seen_s", "support", "people"]
    looked = read_looked(store, run).dropna(subset=_CLIP)
    return seen[columns], looked[[*_CLIP, "people"]], doubts[["movie_id", "start_s", "end_s", "label"]]


def _may_be(rows: pd.DataFrame, rule: dict[str, Any]) -> pd.Series[bool]:
    """Return which labels may be there by what is known, though people do not agree on them.

    Where a model of the people says how probable each label is, that is what is known; else the support is, whose
    interval must reach what the rule asks for, or half of the people where it asks for no share.
    """
    probability = rows["probability"].astype(float)
    least = rule["agreement"] or _HALF
    likely = rows["support_high"].astype(float) >= least
    return likely.where(probability.isna(), probability >= _UNLIKELY)


def _read_boxes(store: Store, run: dict[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    frame_s = read_frame_lengths(store)
    rows = queries.agreed_boxes(store, run["id"], all_rows=True).dropna(subset=["movie_id", "frame_number"])
    rows = rows[rows["frame"] == 0].copy()
    rows[_BOX] = bounding_boxes(rows)
    length = rows["movie_id"].map(frame_s)
    rows = rows.assign(pts_s=rows["frame_number"].astype(float) * length, length=length)
    agreed = rows["agreed"].astype(bool)
    boxes = rows[agreed].assign(people=rows["looked"].astype("Int64"))
    doubts = rows[~agreed & (rows["people"] >= _MORE_THAN_ONE)]
    doubts = doubts.assign(start_s=doubts["pts_s"], end_s=doubts["pts_s"] + doubts["length"])
    looked = read_looked(store, run).dropna(subset=["frame_number"])
    times = looked["frame_number"].astype(float) * looked["movie_id"].map(frame_s)
    frames = looked.assign(first_s=times, step_s=0.0, frames=1)
    return (
        boxes[["movie_id", "frame_number", "pts_s", "label", "support", "people", *_BOX]],
        frames[["movie_id", "first_s", "step_s", "frames", "people"]],
        doubts[["movie_id", "start_s", "end_s", "label"]],
    )


def read_frame_lengths(store: Store) -> pd.Series[float]:
    """Return the seconds from frame to frame of each movie, by its id; NaN where the rate is not known."""
    movies = store.read("movies", columns=["id", "fps", "fps_num", "fps_den"]).set_index("id")
    exact = movies["fps_den"].astype("Float64") / movies["fps_num"].astype("Float64")
    return exact.fillna(1.0 / movies["fps"].astype("Float64")).astype("float64")
