"""Media in the terms of Audiovisual Core: movies, the clips cut from them, and the boxes drawn in them.

A clip is a medium of its own that derives from its movie. A box is a region of interest of the movie: a part of the
picture at a moment. http://rs.tdwg.org/ac/doc/termlist/
"""

from __future__ import annotations

import mimetypes
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pandas as pd

from kso_utils.annotations.darwincore.text import plain, public_address, say_interval, seconds
from kso_utils.annotations.regions import to_shares
from kso_utils.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

MEDIA_TERMS = (
    *("eventID", "dcterms:identifier", "dc:type", "dcterms:format", "dcterms:title", "ac:accessURI", "ac:derivedFrom"),
    *("xmp:CreateDate", "ac:startTimestamp", "ac:endTimestamp", "ac:mediaDuration", "ac:frameRate"),
    *("exif:PixelXDimension", "exif:PixelYDimension", "ac:hashFunction", "ac:hashValue"),
    *("ac:isROIOf", "ac:xFrac", "ac:yFrac", "ac:widthFrac", "ac:heightFrac", "ac:startTime", "ac:endTime"),
    *("dwc:scientificName", "dwc:identifiedBy", "ac:associatedObservationReference"),
)
"""The columns, in order: the event first, as the rows of an extension need it."""

_SHARES = ("ac:xFrac", "ac:yFrac", "ac:widthFrac", "ac:heightFrac")
_MOVIE = ("movie_id", "event", "identifier")
_CLIP = ("subject_id", "movie_id", "event", "clip_start_time", "clip_end_time")
_BOX = ("movie_id", "event", "pts_s", "x", "y", "width", "height")


def describe_media(
    movies: pd.DataFrame, clips: pd.DataFrame | None = None, boxes: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return movies, clips and boxes as rows of the Audiovisual Core extension.

    Parameters
    ----------
    movies
        One row a movie: `movie_id, event, identifier`; where known `filename, eventDate, associatedMedia, fps,
        duration_s, width, height, sha256`.
    clips
        One row a clip: `subject_id, movie_id, event, clip_start_time, clip_end_time`; where known `https_location,
        sha256`.
    boxes
        One row a box in pixels of its movie: `movie_id, event, pts_s, x, y, width, height`; where known
        `scientificName, identifiedBy, occurrenceID`. A box of a movie whose picture's size is not known, or wholly
        outside it, has no place and is left out.

    Returns
    -------
    DataFrame
        Text, the columns of `MEDIA_TERMS`: all movies, then all clips, then all boxes. Only addresses on the web that
        need no key are told.

    Raises
    ------
    ConfigError
        If a column is missing.
    """
    _check_columns("movies", movies, _MOVIE)
    parents = {row["movie_id"]: row for row in movies.to_dict("records")}
    rows = [_describe_movie(row) for row in parents.values()]
    if clips is not None:
        _check_columns("clips", clips, _CLIP)
        rows += [_describe_clip(row, parents[row["movie_id"]]) for row in clips.to_dict("records")]
    table = pd.DataFrame(rows, columns=list(MEDIA_TERMS)).map(plain)
    if boxes is None:
        return table
    _check_columns("boxes", boxes, _BOX)
    return pd.concat([table, _describe_boxes(boxes, movies)], ignore_index=True)


def guess_format(name: str, kind: str = "video") -> str:
    """Return the media type of a file by its name (`video/mp4`), `video/*` where its ending says nothing of a video."""
    found = mimetypes.guess_type(urlsplit(name).path if "://" in name else name)[0] or ""
    return found if found.startswith(f"{kind}/") else f"{kind}/*"


def _describe_movie(movie: dict[Any, Any]) -> dict[str, Any]:
    date, length = plain(movie.get("eventDate")), movie.get("duration_s")
    known = length is not None and not pd.isna(length)
    begin, _, end = say_interval(date, 0.0, float(length) if known and length else float("inf")).partition("/")
    timed = ":" in begin
    return {
        "eventID": movie["event"],
        "dcterms:identifier": movie["identifier"],
        "dc:type": "MovingImage",
        "dcterms:format": guess_format(plain(movie.get("filename"))),
        "dcterms:title": movie.get("filename"),
        "ac:accessURI": public_address(movie.get("associatedMedia")),
        "xmp:CreateDate": date,
        "ac:startTimestamp": begin if timed else "",
        "ac:endTimestamp": end if timed else "",
        "ac:mediaDuration": seconds(float(length)) if known and length else "",
        "ac:frameRate": movie.get("fps"),
        "exif:PixelXDimension": movie.get("width"),
        "exif:PixelYDimension": movie.get("height"),
        **_say_hash(movie),
    }


def _describe_clip(clip: dict[Any, Any], movie: dict[Any, Any]) -> dict[str, Any]:
    start, end = float(clip["clip_start_time"]), float(clip["clip_end_time"])
    begin, _, stop = say_interval(plain(movie.get("eventDate")), start, end).partition("/")
    timed = ":" in begin
    address = public_address(clip.get("https_location"))
    return {
        "eventID": clip["event"],
        "dcterms:identifier": f"{movie['identifier']}:clip:{clip['subject_id']}",
        "dc:type": "MovingImage",
        "dcterms:format": guess_format(address or "clip.mp4"),
        "dcterms:title": f"Seconds {seconds(start)} to {seconds(end)} of {plain(movie.get('filename'))}",
        "ac:accessURI": address,
        "ac:derivedFrom": movie["identifier"],
        "xmp:CreateDate": begin if timed else plain(movie.get("eventDate")),
        "ac:startTimestamp": begin if timed else "",
        "ac:endTimestamp": stop if timed else "",
        "ac:mediaDuration": seconds(end - start),
        **_say_hash(clip),
    }


def _describe_boxes(boxes: pd.DataFrame, movies: pd.DataFrame) -> pd.DataFrame:
    """Return the regions; a column at a time, for a run of detections may have millions."""
    size = movies.set_index("movie_id").reindex(columns=["width", "height"])
    sizes = size.astype("float64").reindex(boxes["movie_id"])
    shares = to_shares(boxes[["x", "y", "width", "height"]].to_numpy(float), sizes["width"], sizes["height"])
    kept = ~pd.isna(shares[:, 0]) & boxes["pts_s"].notna().to_numpy()
    inside, places = boxes[kept].reset_index(drop=True), shares[kept]
    movie = inside["movie_id"].map(movies.set_index("movie_id")["identifier"])
    moment = inside["pts_s"].map(seconds)
    table = pd.DataFrame(
        {
            "eventID": inside["event"].map(plain),
            "dcterms:identifier": movie.str.cat(pd.Series(inside.index.astype(str), dtype="str"), sep=":region:"),
            "dc:type": "MovingImage",
            "ac:isROIOf": movie,
            **{name: [f"{value:.9g}" for value in places[:, at]] for at, name in enumerate(_SHARES)},
            "ac:startTime": moment,
            "ac:endTime": moment,
            "dwc:scientificName": _texts(inside, "scientificName"),
            "dwc:identifiedBy": _texts(inside, "identifiedBy"),
            "ac:associatedObservationReference": _texts(inside, "occurrenceID"),
        }
    )
    return table.astype("object").reindex(columns=list(MEDIA_TERMS), fill_value="")


def _texts(frame: pd.DataFrame, name: str) -> pd.Series[str]:
    return frame[name].map(plain) if name in frame else pd.Series("", index=frame.index)


def _say_hash(medium: dict[Any, Any]) -> dict[str, str]:
    value = plain(medium.get("sha256"))
    return {"ac:hashFunction": "SHA-256", "ac:hashValue": value} if value else {}


def _check_columns(what: str, frame: pd.DataFrame, wanted: Sequence[str]) -> None:
    missing = [name for name in wanted if name not in frame.columns]
    if missing:
        raise ConfigError(f"The {what} have no column {', '.join(missing)}; give {', '.join(wanted)}.")
