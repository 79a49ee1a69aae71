"""The media behind an archive: its movies, the clips that volunteers saw, and the boxes that a count rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from kso_utils.annotations.audiovisual import describe_media
from kso_utils.annotations.sightings import locate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kso_utils.annotations.sightings import Evidence

_PLACE = ["movie_id", "clip_start_time", "clip_end_time"]
_BOX = ["x", "y", "width", "height"]
_MOVIE = ("filename", "eventDate", "associatedMedia", "fps", "duration_s", "width", "height", "sha256")


def gather_media(
    samples: pd.DataFrame, movies: pd.DataFrame, clips: pd.DataFrame, regions: Sequence[pd.DataFrame]
) -> pd.DataFrame:
    """Return the rows of the Audiovisual Core extension.

    Parameters
    ----------
    samples
        The samples that are published, as `events.plan_events` gives them.
    movies
        As `events.choose_movies` gives them.
    clips
        As `choose_clips` gives them.
    regions
        As `choose_boxes` gives them, one table an observer.
    """
    deployments = samples.drop_duplicates("movie_id").set_index("movie_id")["deployment"]
    shown = movies[movies["id"].isin(deployments.index)].reset_index(drop=True)
    event = shown["id"].map(deployments)
    films = shown[list(_MOVIE)].assign(movie_id=shown["id"], event=event, identifier=event + ":movie")
    boxes = pd.concat(regions, ignore_index=True) if regions else None
    return describe_media(films, clips, boxes)


def choose_clips(subjects: pd.DataFrame, samples: pd.DataFrame, looked: pd.DataFrame) -> pd.DataFrame:
    """Return the clips that enough people looked at and that lie whole in a sample.

    Parameters
    ----------
    subjects
        As `queries.clip_subjects` gives them.
    samples
        The samples that are published.
    looked
        `Evidence.looked_clips`.

    Returns
    -------
    DataFrame
        `subject_id, movie_id, event, clip_start_time, clip_end_time, https_location, sha256`.
    """
    known = subjects.dropna(subset=_PLACE).rename(columns={"id": "subject_id"}).astype({"movie_id": "int64"})
    seen = known.merge(looked[_PLACE].drop_duplicates(), on=_PLACE)
    place = locate(samples, seen["movie_id"], seen["clip_start_time"])
    ends = samples["end_s"].to_numpy(dtype=float)[place]
    whole = (place >= 0) & (seen["clip_end_time"].to_numpy(dtype=float) <= ends + 1e-6)
    inside = seen[whole].assign(event=samples["event"].to_numpy(dtype=object)[place[whole]])
    return inside[["subject_id", "event", *_PLACE, "https_location", "sha256"]].reset_index(drop=True)


def choose_boxes(
    sightings: pd.DataFrame, occurrences: pd.DataFrame, evidence: Evidence, of_label: Mapping[str, str]
) -> pd.DataFrame:
    """Return the boxes of the frame that decides each count, so that anybody can look and count again.

    Parameters
    ----------
    sightings
        As `sightings.find_sightings` gives them, with `movie_id`.
    occurrences
        The occurrence of each, row by row.
    evidence
        What was marked; boxes without `x, y, width, height` (pixels) are none.
    of_label
        Label -> taxon.

    Returns
    -------
    DataFrame
        `movie_id, event, pts_s, x, y, width, height, scientificName, identifiedBy, occurrenceID`.
    """
    named = ["scientificName", "identifiedBy", "occurrenceID"]
    wanted = pd.concat([sightings, occurrences[named].set_index(sightings.index)], axis=1)
    wanted = wanted.dropna(subset=["max_n_frame"]).astype({"max_n_frame": "int64"})
    boxes = evidence.boxes.reindex(columns=["movie_id", "frame_number", "pts_s", "label", *_BOX]).dropna(subset=_BOX)
    boxes = boxes.assign(taxon=boxes["label"].map(of_label)).drop(columns="label")
    frames = wanted[["event", "movie_id", "taxon", "max_n_frame", *named]].rename(
        columns={"max_n_frame": "frame_number"}
    )
    met = frames.merge(boxes, on=["movie_id", "frame_number", "taxon"])
    return met[["movie_id", "event", "pts_s", *_BOX, *named]]
