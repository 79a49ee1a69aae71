"""Who was seen, how many at most, and who was not: what people or a model marked, told for each event and taxon.

An event is a stretch of a movie. What is marked counts in the event in which it lies: a frame on a border belongs to
the later event, and a clip that reaches across a border belongs to none, for nobody knows on which side the animal was.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from kso_utils.annotations.counts import max_n
from kso_utils.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

Method = Literal["human", "machine"]

EVENT_COLUMNS = ("event", "movie_id", "start_s", "end_s")
SIGHTING_COLUMNS = {
    "event": "object",
    "taxon": "object",
    "present": "bool",
    "individuals": "float64",
    "first_arrival_s": "float64",
    "max_n_s": "float64",
    "max_n_frame": "Int64",
    "support": "float64",
    "people": "Int64",
}
EFFORT_COLUMNS = {
    "event": "object",
    "clips": "int64",
    "clips_s": "float64",
    "frames": "int64",
    "people": "Int64",
}
_BOXES = {
    "movie_id": "int64",
    "frame_number": "int64",
    "pts_s": "float64",
    "label": "object",
    "support": "float64",
    "people": "Int64",
}
_CLIPS = {"movie_id": "int64", "clip_start_time": "float64", "clip_end_time": "float64"}
_SEEN = {**_CLIPS, "label": "object", "how_many": "float64", "first_seen_s": "float64", "support": "float64"}
_FRAMES = {"movie_id": "int64", "first_s": "float64", "step_s": "float64", "frames": "int64", "people": "Int64"}
_DOUBTS = {"movie_id": "int64", "start_s": "float64", "end_s": "float64", "label": "object"}


def _none_of(columns: dict[str, str]) -> pd.DataFrame:
    return pd.DataFrame(columns=list(columns)).astype(columns)


@dataclass(frozen=True)
class Evidence:
    """What people, or a model, marked, and where they looked. All times are seconds from the movie's first frame.

    Attributes
    ----------
    method
        `human` or `machine`.
    asked_in_clips, asked_in_frames
        The labels that could be answered; of others nobody can say that they were not there.
    boxes
        One row a box: `movie_id, frame_number, pts_s, label, support` (share of people, or the model's confidence) and
        `people` (who looked at the frame; missing for a model); where known `x, y, width, height` in pixels.
    clips
        One row a clip and label seen in it: `movie_id, clip_start_time, clip_end_time, label, how_many, first_seen_s`
        (from the clip's start), `support, people`.
    looked_clips
        One row a clip that enough people looked at: `movie_id, clip_start_time, clip_end_time, people`.
    looked_frames
        One row a series of frames looked at: `movie_id, first_s, step_s, frames, people`.
    doubts
        One row a stretch in which a label may have been seen, though it was not agreed: `movie_id, start_s, end_s,
        label`. The label is not called absent there.
    identified_by, references
        Who identified, and with what: a model's name; software and versions.
    runs
        The runs behind all this, for the record: JSON values.
    """

    method: Method
    asked_in_clips: tuple[str, ...] = ()
    asked_in_frames: tuple[str, ...] = ()
    boxes: pd.DataFrame = field(default_factory=lambda: _none_of(_BOXES))
    clips: pd.DataFrame = field(default_factory=lambda: _none_of({**_SEEN, "people": "Int64"}))
    looked_clips: pd.DataFrame = field(default_factory=lambda: _none_of({**_CLIPS, "people": "Int64"}))
    looked_frames: pd.DataFrame = field(default_factory=lambda: _none_of(_FRAMES))
    doubts: pd.DataFrame = field(default_factory=lambda: _none_of(_DOUBTS))
    identified_by: str = ""
    references: str = ""
    runs: tuple[dict[str, object], ...] = ()

    def labels(self) -> list[str]:
        """Return every label that was asked for or given, sorted."""
        given = pd.concat([self.boxes["label"], self.clips["label"]]).dropna()
        return sorted({*self.asked_in_clips, *self.asked_in_frames, *map(str, given)})


def find_sightings(events: pd.DataFrame, evidence: Evidence, taxa: dict[str, str]) -> pd.DataFrame:
    """Return who was seen in each event, how many at most, and who was looked for and not seen.

    The number of individuals is MaxN, the most of one taxon in any one frame; of clips it is the largest answer to
    "how many" of any one clip. It is never a sum over frames or clips, which would count an animal twice.

    Parameters
    ----------
    events
        One row an event: `event` (its name), `movie_id`, `start_s`, `end_s` (not included; infinite where the end is
        not known). Events of one movie do not overlap.
    evidence
        What was marked, by people or by a model.
    taxa
        Label -> taxon. Labels that are not in it are left out; several labels may mean one taxon, whose boxes are then
        counted together.

    Returns
    -------
    DataFrame
        One row an event and taxon, sorted: `event, taxon, present, individuals` (NaN where nobody counted; 0 of an
        absent taxon), `first_arrival_s` (NaN where it is not known), `max_n_s` and `max_n_frame` (of the earliest frame
        with that many; missing where clips decide), `support` (the largest of what shows the taxon) and `people` (who
        looked there; for an absent taxon the fewest who looked at any part of the event). A taxon is absent where
        somebody looked, it could have been answered, and nothing hints at it: no doubt, and no clip across a border.

    Raises
    ------
    ConfigError
        If events lack a column or overlap.
    """
    _check_events(events)
    boxes = _in_events(events, _named(evidence.boxes, taxa), "pts_s")
    clips, across = _whole_clips(events, _named(evidence.clips, taxa))
    present = _join(_from_boxes(boxes), _from_clips(clips))
    effort = measure_effort(events, evidence)
    doubts = _named(evidence.doubts, taxa)
    hints = pd.concat(
        [
            _touched(events, doubts, "start_s", "end_s"),
            _touched(events, across, "clip_start_time", "clip_end_time"),
            present[["event", "taxon"]],
        ]
    )
    searched = pd.concat(
        [
            _searched(effort[effort["clips"] > 0], evidence.asked_in_clips, taxa),
            _searched(effort[effort["frames"] > 0], evidence.asked_in_frames, taxa),
        ]
    )
    absent = _absent(searched.drop_duplicates(["event", "taxon"]), hints)
    found = pd.concat([frame for frame in (present, absent) if len(frame)] or [present], ignore_index=True)
    found["individuals"] = found["individuals"].where(found["present"], 0.0)
    ordered = found[list(SIGHTING_COLUMNS)].astype(SIGHTING_COLUMNS)
    return ordered.sort_values(["event", "taxon"], ignore_index=True)


def measure_effort(events: pd.DataFrame, evidence: Evidence) -> pd.DataFrame:
    """Return how much of each event was really looked at.

    Parameters
    ----------
    events, evidence
        As for `find_sightings`.

    Returns
    -------
    DataFrame
        One row an event, in the order given: `event, clips` (that lie in it), `clips_s` (seconds of it that clips
        cover, each second once), `frames`, `people` (the fewest who looked at any of these; missing for a model).
    """
    _check_events(events)
    clips, _ = _whole_clips(events, evidence.looked_clips)
    frames, frame_people = _count_frames(events, evidence.looked_frames)
    by_event = clips.groupby("event")
    table = pd.DataFrame({"event": events["event"]})
    table["clips"] = table["event"].map(by_event.size()).fillna(0)
    table["clips_s"] = table["event"].map({name: _covered(group) for name, group in by_event}).astype(float).fillna(0.0)
    table["frames"] = frames
    clip_people = table["event"].map(by_event["people"].min()).astype("Float64")
    both = pd.concat([clip_people, pd.Series(frame_people, index=table.index, dtype="Float64")], axis=1)
    table["people"] = both.min(axis=1)
    return table[list(EFFORT_COLUMNS)].astype(EFFORT_COLUMNS)


def clips_across(events: pd.DataFrame, evidence: Evidence) -> pd.DataFrame:
    """Return the clips looked at that no event holds whole though one holds a part of them."""
    return _whole_clips(events, evidence.looked_clips)[1]


def locate(events: pd.DataFrame, movie_ids: pd.Series[int], times_s: pd.Series[float]) -> NDArray[np.int64]:
    """Return for each time in a movie the row (0, 1, ...) of the event that holds it, -1 where none does.

    A time within rounding of a border is on the border, and there the later event begins.
    """
    found = np.full(len(movie_ids), -1, dtype=np.int64)
    movies, times = movie_ids.to_numpy(), times_s.to_numpy(dtype=np.float64)
    at = np.arange(len(events))
    for movie, part in events.assign(at=at).groupby("movie_id"):
        ordered = part.sort_values("start_s")
        starts, ends = ordered["start_s"].to_numpy(dtype=float), ordered["end_s"].to_numpy(dtype=float)
        mine = np.flatnonzero(movies == movie)
        time = times[mine]
        slack = _slack(time)
        place = np.searchsorted(starts, time + slack, side="right") - 1
        inside = (place >= 0) & (time < ends[np.maximum(place, 0)] - slack)
        found[mine[inside]] = ordered["at"].to_numpy()[place[inside]]
    return found


def _check_events(events: pd.DataFrame) -> None:
    missing = [column for column in EVENT_COLUMNS if column not in events.columns]
    if missing:
        raise ConfigError(f"The events have no column {', '.join(missing)}. Give {', '.join(EVENT_COLUMNS)}.")
    ordered = events.sort_values(["movie_id", "start_s"])
    before = ordered.groupby("movie_id")["end_s"].shift()
    overlap = ordered["start_s"] < before - _slack(before.to_numpy(dtype=float))
    if overlap.any():
        raise ConfigError(f"The event {ordered.loc[overlap, 'event'].iloc[0]} overlaps the one before it in its movie.")


def _slack(times_s: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return how far a time may be off by rounding: 0.3 / 0.1 is 2.9999999999999996."""
    return np.where(np.isfinite(times_s), 1e-9 * (1.0 + np.abs(times_s)), 0.0)


def _named(rows: pd.DataFrame, taxa: dict[str, str]) -> pd.DataFrame:
    return rows.assign(taxon=rows["label"].map(taxa)).dropna(subset=["taxon"])


def _in_events(events: pd.DataFrame, rows: pd.DataFrame, column: str) -> pd.DataFrame:
    place = locate(events, rows["movie_id"], rows[column])
    inside = rows[place >= 0]
    return inside.assign(event=events["event"].to_numpy()[place[place >= 0]])


def _whole_clips(events: pd.DataFrame, clips: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the clips that lie whole in an event, with its name, and those of which an event holds only a part."""
    place = locate(events, clips["movie_id"], clips["clip_start_time"])
    ends = np.append(events["end_s"].to_numpy(dtype=float), -np.inf)[place]
    last = clips["clip_end_time"].to_numpy(dtype=float)
    whole = (place >= 0) & (last <= ends + _slack(last))
    inside = clips[whole].assign(event=events["event"].to_numpy(dtype=object)[place[whole]])
    rest = clips[~whole]
    numbered = rest.assign(taxon="", clip=np.arange(len(rest)))
    partly = _touched(events, numbered, "clip_start_time", "clip_end_time", keep="clip")["clip"].unique()
    return inside, rest.iloc[np.sort(partly.astype(int))]


def _touched(events: pd.DataFrame, rows: pd.DataFrame, start: str, end: str, keep: str = "taxon") -> pd.DataFrame:
    """Return each event of which a row's stretch holds a part: `event` and the column `keep` of the row."""
    parts = []
    for movie, part in rows.groupby("movie_id"):
        mine = events[events["movie_id"] == movie]
        first, last = (part[name].to_numpy(dtype=np.float64)[:, None] for name in (start, end))
        meets = (first < mine["end_s"].to_numpy(dtype=float) - _slack(first)) & (
            last > mine["start_s"].to_numpy(dtype=float) + _slack(last)
        )
        row, event = np.nonzero(meets)
        parts.append(pd.DataFrame({"event": mine["event"].to_numpy()[event], keep: part[keep].to_numpy()[row]}))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["event", keep], dtype="object")


def _from_boxes(boxes: pd.DataFrame) -> pd.DataFrame:
    counted = max_n(boxes, by=("event", "taxon"))
    best = _best(boxes)
    table = counted.merge(best, on=["event", "taxon"], how="left")
    return table.rename(columns={"max_n": "box_n", "frame_number": "box_frame", "pts_s": "box_s"})


def _from_clips(clips: pd.DataFrame) -> pd.DataFrame:
    start = clips["clip_start_time"]
    arrival = (start + clips["first_seen_s"]).clip(upper=clips["clip_end_time"])
    # Where nobody told when, the animal may have come as early as the clip begins.
    timed = clips.assign(arrival=arrival, earliest=start.where(arrival.isna()))
    groups = timed.groupby(["event", "taxon"])
    table = groups.agg(clip_n=("how_many", "max"), clip_arrival=("arrival", "min"), unknown=("earliest", "min"))
    return table.reset_index().merge(_best(clips), on=["event", "taxon"], how="left")


def _best(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the support and the people of the row with the largest support of each event and taxon."""
    ranked = rows.sort_values(["support", "people"], ascending=False, kind="stable", na_position="last")
    return ranked.drop_duplicates(["event", "taxon"])[["event", "taxon", "support", "people"]]


def _join(boxes: pd.DataFrame, clips: pd.DataFrame) -> pd.DataFrame:
    """Return one row an event and taxon that was seen in boxes, in clips, or in both."""
    both = boxes.merge(clips, on=["event", "taxon"], how="outer", suffixes=("", "_clip"))
    clip_n = np.maximum(np.floor(both["clip_n"].astype(float)), 1.0)
    box_n = both["box_n"].astype(float)
    individuals = np.fmax(box_n, clip_n)
    arrival = np.fmin(both["first_arrival_s"].astype(float), both["clip_arrival"].astype(float))
    earlier = both["unknown"].astype(float) < arrival
    from_boxes = box_n.ge(individuals)
    surer = both["support_clip"].astype(float).gt(both["support"].astype(float)) | both["support"].isna()
    return pd.DataFrame(
        {
            "event": both["event"].astype("object"),
            "taxon": both["taxon"].astype("object"),
            "present": True,
            "individuals": individuals,
            "first_arrival_s": pd.Series(arrival).mask(earlier),
            "max_n_s": both["box_s"].astype(float).where(from_boxes),
            "max_n_frame": both["box_frame"].astype("Int64").where(from_boxes),
            "support": both["support"].astype(float).mask(surer, both["support_clip"].astype(float)),
            "people": both["people"].astype("Int64").mask(surer, both["people_clip"].astype("Int64")),
        }
    )


def _searched(looked: pd.DataFrame, asked: Collection[str], taxa: dict[str, str]) -> pd.DataFrame:
    """Return a row for each event looked at and taxon that could be answered there."""
    wanted = sorted({taxa[label] for label in asked if label in taxa})
    return looked[["event", "people"]].merge(pd.DataFrame({"taxon": wanted}, dtype="object"), how="cross")


def _absent(searched: pd.DataFrame, hints: pd.DataFrame) -> pd.DataFrame:
    hinted = pd.MultiIndex.from_frame(hints[["event", "taxon"]])
    free = searched[~pd.MultiIndex.from_frame(searched[["event", "taxon"]]).isin(hinted)]
    empty = {"individuals": 0.0, "first_arrival_s": np.nan, "max_n_s": np.nan, "support": np.nan}
    frame = free.assign(present=False, **empty)
    return frame.assign(max_n_frame=pd.array([pd.NA] * len(frame), dtype="Int64"))


def _count_frames(events: pd.DataFrame, looked: pd.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return how many frames of each event were looked at, and by how few people (NaN where nobody is named)."""
    counts, people = np.zeros(len(events), dtype=np.int64), np.full(len(events), np.inf)
    # A movie at a time: the frames of all of them may be more than fit into memory.
    for movie, series in looked.groupby("movie_id"):
        mine = np.flatnonzero((events["movie_id"] == movie).to_numpy())
        sizes = series["frames"].to_numpy()
        nth = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        first, step = (series[name].to_numpy(dtype=float) for name in ("first_s", "step_s"))
        times = pd.Series(np.repeat(first, sizes) + np.repeat(step, sizes) * nth)
        place = locate(events.iloc[mine], pd.Series(movie, index=times.index), times)
        inside = place >= 0
        counts += np.bincount(mine[place[inside]], minlength=len(events))
        who = np.repeat(series["people"].astype("float64").fillna(np.inf).to_numpy(), sizes)
        np.minimum.at(people, mine[place[inside]], who[inside])
    return counts, np.where(np.isfinite(people), people, np.nan)


def _covered(clips: pd.DataFrame) -> float:
    """Return the seconds that clips cover, those that overlap counted once."""
    ordered = clips.sort_values("clip_start_time")
    starts, ends = ordered["clip_start_time"].to_numpy(dtype=float), ordered["clip_end_time"].to_numpy(dtype=float)
    reached = np.maximum.accumulate(np.append(-np.inf, ends[:-1]))
    return float(np.maximum(ends - np.maximum(starts, reached), 0.0).sum())
