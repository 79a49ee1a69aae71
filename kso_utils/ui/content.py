"""What a project has to show, read from its store and footage for the report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from kso_utils.annotations.counts import max_n
from kso_utils.core.clock import utc_now
from kso_utils.core.errors import MissingExtra
from kso_utils.media.frames import read_frames
from kso_utils.ml.detection import open_run
from kso_utils.ml.runs import curves
from kso_utils.project import steps
from kso_utils.project.steps.footage import read_manifest, usable_movies
from kso_utils.project.steps.models import latest_dataset
from kso_utils.store import queries
from kso_utils.ui.report import Figure, Picture, ReportContent
from kso_utils.version import __version__

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import NDArray

    from kso_utils.project.opening import Project

_PICTURES = 8
_THUMBNAILS = 8
_THUMBNAIL_WIDTH = 320
_PICTURE_WIDTH = 960
_RUN_COLUMNS = ["id", "kind", "created_at", "version", "params", "inputs"]


def gather(
    project: Project,
    sources: Literal["generated", "real"] = "real",
    note: str = "",
    figures: Sequence[Figure] = (),
    truth: pd.DataFrame | None = None,
    moving: pd.DataFrame | None = None,
) -> ReportContent:
    """Read everything that the report of a project shows.

    Parameters
    ----------
    project
        The project; what it does not have yet is left out.
    sources, note, figures, moving
        As in `ReportContent`.
    truth
        What is known about the frames from elsewhere: `filename, frame_number, label, x, y, width, height`; drawn
        beside the detections.

    Returns
    -------
    ReportContent

    Raises
    ------
    ConfigError
        If the store holds no movie.
    NotFound
        If the file of a movie or clip is missing.
    """
    run_id = queries.latest_run(project.store, "model_runs", "detect")
    detections = open_run(project.store, run_id).read() if run_id is not None else None
    movies = usable_movies(project)
    return ReportContent(
        title="From footage to counts",
        project=project.settings.name,
        created_at=utc_now(),
        version=__version__,
        sources=sources,
        note=note,
        sites=_count_sites(project),
        checks=steps.check(project),
        figures=figures,
        clips=len(read_manifest(project, "clip")),
        thumbnails=_show_clips(project, movies),
        agreement=_latest_agreement(project),
        split=_latest_split(project),
        curves=_latest_curves(project),
        pictures=_show_detections(movies, detections, truth) if detections is not None else (),
        counts=_count(movies, detections, truth) if detections is not None else None,
        moving=moving,
        runs=_list_runs(project),
    )


def _count_sites(project: Project) -> pd.DataFrame:
    sites = project.store.read("sites", columns=["locality", "decimalLatitude", "decimalLongitude"])
    number = queries.movies_with_sites(project.store)["locality"].value_counts()
    return sites.assign(movies=sites["locality"].map(number).fillna(0).astype(int))


def _latest_agreement(project: Project) -> pd.DataFrame | None:
    run = queries.latest_run(project.store, "agg_runs", "clip")
    return None if run is None else project.store.read("agg_annotations_clip", where={"run_id": run})


def _latest_split(project: Project) -> str:
    if not any((project.folder / "datasets").glob("*/data.yaml")):
        return ""
    return latest_dataset(project).report.findings[0].message


def _latest_curves(project: Project) -> pd.DataFrame | None:
    run = queries.latest_run(project.store, "model_runs", "train")
    if run is None:
        return None
    measured = curves(project.store, run)
    measured = measured[~measured["name"].str.startswith("lr/")]
    return measured.assign(name=measured["name"].replace(_CURVE_NAMES))


_CURVE_NAMES = {
    "metrics/precision(B)": "precision",
    "metrics/recall(B)": "recall",
    "metrics/mAP50(B)": "mAP50",
    "metrics/mAP50-95(B)": "mAP50-95",
    "train/box_loss": "box loss, training",
    "train/cls_loss": "class loss, training",
    "train/dfl_loss": "edge loss, training",
    "val/box_loss": "box loss, validation",
    "val/cls_loss": "class loss, validation",
    "val/dfl_loss": "edge loss, validation",
}


def _list_runs(project: Project) -> pd.DataFrame:
    runs = [project.store.read(table, columns=_RUN_COLUMNS) for table in ("agg_runs", "model_runs")]
    made = pd.concat([r for r in runs if len(r)] or runs[:1], ignore_index=True)
    return made.sort_values("created_at", kind="stable")


def _show_clips(project: Project, movies: pd.DataFrame) -> list[tuple[str, bytes]]:
    """Return the first frame of some clips, from as many movies as can be."""
    known = movies[["id", "filename", "locality"]].rename(columns={"id": "movie_id"})
    clips = read_manifest(project, "clip").merge(known, on="movie_id")
    chosen = clips.assign(turn=clips.groupby("movie_id").cumcount()).sort_values(["turn", "movie_id"])[:_THUMBNAILS]
    shown = []
    for clip in chosen.to_dict("records"):
        for _, _, picture in read_frames(clip["path"], [0]):
            span = f"{clip['clip_start_time']:g} to {clip['clip_end_time']:g} s"
            caption = f"{clip['locality']}: {clip['filename']}, {span}"
            shown.append((caption, _jpeg(picture, _THUMBNAIL_WIDTH)[0]))
    return shown


def _show_detections(movies: pd.DataFrame, detections: pd.DataFrame, truth: pd.DataFrame | None) -> list[Picture]:
    """Return the fullest frame of some movies with its boxes."""
    in_frame = detections.groupby(["movie_id", "frame_number"], as_index=False).size()
    fullest = in_frame.sort_values(["size", "frame_number"], ascending=[False, True]).drop_duplicates("movie_id")
    chosen = fullest[:_PICTURES].merge(movies, left_on="movie_id", right_on="id")
    pictures = []
    for row in chosen.to_dict("records"):
        boxes = _of_frame(detections, row, "movie_id")
        parts = [boxes.assign(kind="model")]
        if truth is not None:
            known = _of_frame(truth, row, "filename")
            parts.append(known.assign(kind="truth", confidence=float("nan")))
        for number, time_s, picture in read_frames(row["path"], [row["frame_number"]]):
            data, scale = _jpeg(picture, _PICTURE_WIDTH)
            drawn = pd.concat(parts, ignore_index=True)[["x", "y", "width", "height", "label", "confidence", "kind"]]
            drawn[["x", "y", "width", "height"]] *= scale
            caption = f"{row['locality']}: {row['filename']}, frame {number} ({time_s:.1f} s)"
            pictures.append(Picture(caption, data, drawn))
    return pictures


def _of_frame(rows: pd.DataFrame, frame: dict[Hashable, Any], movie: str) -> pd.DataFrame:
    return rows[rows[movie].eq(frame[movie]) & rows["frame_number"].eq(frame["frame_number"])]


def _count(movies: pd.DataFrame, detections: pd.DataFrame, truth: pd.DataFrame | None) -> pd.DataFrame:
    """Return MaxN by file and label, beside that of the truth where the truth covers every frame."""
    counted = max_n(detections).merge(movies[["id", "filename"]], left_on="movie_id", right_on="id")
    counted = counted[["filename", "label", "max_n"]]
    if truth is None:
        return counted
    known = max_n(truth, by=("filename", "label"))[["filename", "label", "max_n"]].rename(columns={"max_n": "truth"})
    both = counted.merge(known, on=["filename", "label"], how="outer")
    return both.fillna({"max_n": 0, "truth": 0}).astype({"max_n": int, "truth": int})


def _jpeg(picture: NDArray[np.uint8], width: int) -> tuple[bytes, float]:
    """Return a picture as JPEG, no wider than `width`, and by how much it was scaled."""
    try:
        import cv2
    except ImportError as error:
        raise MissingExtra("cv2", "media") from error
    scale = min(1.0, width / picture.shape[1])
    size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    shown = cv2.resize(picture, size, interpolation=cv2.INTER_AREA) if scale < 1 else picture
    _, data = cv2.imencode(".jpg", shown[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 82])
    return bytes(data), scale
