"""The media behind an archive's events: movies, the clips that people saw, and the boxes that give each count."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from kso_utils.annotations.darwincore.events import name_deployment
from kso_utils.annotations.darwincore.occurrences import name_occurrence
from kso_utils.annotations.sightings import locate
from kso_utils.annotations.volunteers import read_agreed_boxes
from kso_utils.store import queries

if TYPE_CHECKING:
    from kso_utils.annotations.darwincore.dataset import Dataset
    from kso_utils.annotations.sightings import Evidence
    from kso_utils.store.engine import Store

_PLACE = ("x", "y", "width", "height")
_BOX = ["movie_id", "event", "pts_s", *_PLACE, "scientificName", "identifiedBy", "occurrenceID"]


def gather_media(
    store: Store, movies: pd.DataFrame, samples: pd.DataFrame, dataset: Dataset
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the movies of the samples and the clips cut from them, as `audiovisual.describe_media` takes them.

    Parameters
    ----------
    store
        The store.
    movies
        As `events.choose_movies` gives them.
    samples
        As `events.plan_events` gives them.
    dataset
        Its id begins the identifiers.
    """
    chosen = movies[movies["id"].isin(samples["movie_id"])].rename(columns={"id": "movie_id"})
    names = [name_deployment(row, dataset) for row in chosen.to_dict("records")]
    media = chosen.assign(event=names, identifier=[f"{name}:movie" for name in names])
    clips = queries.clip_subjects(store).dropna(subset=["movie_id", "clip_start_time", "clip_end_time"])
    clips = clips[clips["movie_id"].isin(media["movie_id"])].rename(columns={"id": "subject_id"})
    place = locate(samples, clips["movie_id"], clips["clip_start_time"])
    deployment = clips["movie_id"].map(dict(zip(media["movie_id"], names, strict=True)))
    inside = pd.Series(samples["event"].to_numpy(dtype=object)[place], index=clips.index)
    return media, clips.assign(event=inside.where(place >= 0, deployment))


def choose_boxes(
    store: Store, sightings: pd.DataFrame, evidence: Evidence, taxa: dict[str, str], dataset: Dataset
) -> pd.DataFrame:
    """Return the boxes of the frame that gives each count: what one can look at to check it.

    A run of detections may have millions of boxes; those of MaxN are as many as animals were counted.

    Parameters
    ----------
    store
        The store.
    sightings
        As `sightings.find_sightings` gives them, with `movie_id`.
    evidence
        What was marked; where its boxes have no place in the picture, there are none.
    taxa
        Label -> taxon.
    dataset
        Its id enters the ids of occurrences.
    """
    boxes = read_agreed_boxes(store) if evidence.method == "human" else evidence.boxes
    if not set(_PLACE) <= set(boxes.columns):
        return pd.DataFrame(columns=_BOX)
    counted = sightings[sightings["present"]].dropna(subset=["max_n_frame"])
    counted = counted.rename(columns={"max_n_frame": "frame_number", "taxon": "scientificName"})
    counted = counted[["event", "movie_id", "scientificName", "frame_number"]].astype({"frame_number": "int64"})
    marked = boxes.assign(scientificName=boxes["label"].map(taxa)).dropna(subset=["scientificName", "frame_number"])
    marked = marked.astype({"frame_number": "int64", "movie_id": "int64"})
    both = counted.merge(marked, on=["movie_id", "scientificName", "frame_number"], suffixes=("", "_box"))
    pairs = zip(both["event"], both["scientificName"], strict=True)
    ids = [name_occurrence(dataset.dataset_id, event, taxon, evidence.method) for event, taxon in pairs]
    return both.assign(occurrenceID=ids, identifiedBy=evidence.identified_by)[_BOX]
