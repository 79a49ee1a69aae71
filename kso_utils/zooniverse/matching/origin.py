"""Which movie, clip or frame a subject is, by its metadata and by the name of its file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from kso_utils.zooniverse.matching.places import PlaceFault, find_place_faults
from kso_utils.zooniverse.matching.subject_metadata import SubjectMetadata, read_metadata

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kso_utils.zooniverse.matching.eras import Era, NamedClip
    from kso_utils.zooniverse.matching.movie_names import MovieNames

_MOVIE_SUFFIXES = (".mp4", ".mpeg", ".mpg", ".m4v", ".mov", ".webm")
_PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".svg")
_PLACE = {"clip": ("clip_start_time", "clip_end_time"), "frame": ("frame_number",)}


@dataclass(frozen=True, slots=True)
class Known:
    """What subjects are matched with.

    Attributes
    ----------
    movies
        The store's movies by name.
    references
        As `places.read_references` gives them.
    photos
        File names of the store's photos, plain.
    eras
        Times in which clips were named after movie and place.
    """

    movies: MovieNames
    references: Mapping[str, set[int]]
    photos: frozenset[str] = frozenset()
    eras: tuple[Era, ...] = ()


class Likeness(NamedTuple):
    """A name that was taken for that of a movie, and what differs between them (see `movie_names.Match`)."""

    name: str
    movie_id: int
    difference: str


class Origin(NamedTuple):
    """Where a subject comes from: the columns of `ORIGIN_COLUMNS`, what is wrong, and what was taken for granted."""

    columns: dict[str, Any]
    faults: list[PlaceFault]
    likeness: Likeness | None
    era: Era | None


def find_origin(
    metadata: Mapping[str, Any], location: str | None, mime: str | None, created_at: str | None, known: Known
) -> Origin:
    """Return where a subject comes from.

    The movie is the one that both `movie_id` and file name mean. Where they mean two, the file name counts: numbers are
    given anew when a table is made again. Where the store has no movie of that name, the number counts. Both are
    faults that are told.

    A clip ends where its metadata say, else its length after its start. A clip whose metadata do not tell its start may
    tell it by its name, if it was made in one of the eras. A subject whose metadata do not tell its type has that of
    its file.

    Parameters
    ----------
    metadata
        Those of the subject.
    location, mime
        Address and type of its first file, where they are known.
    created_at
        When it was made (`2019-11-17T12:00:00Z`), where that is known.
    known
        What it is matched with.
    """
    said = read_metadata(metadata)
    faults, kind = list(said.faults), _kind_of(said, location, mime)
    clip, era = (None, None) if kind == "frame" else _read_names(said, created_at, known)
    start, end, length = said.clip_start_time, said.clip_end_time, said.clip_length
    if clip is not None:
        start, length = clip.start_s, clip.end_s - clip.start_s if length is None else length
    if end is None and start is not None and length is not None:
        end = start + length
    names = said.filenames if clip is None else (clip.movie,)
    movie_id, likeness, from_start = _find_movie(said.movie_id, names, known, faults)
    columns = {
        "subject_type": kind,
        "movie_id": movie_id,
        "filename": next(iter(said.filenames), None),
        "clip_start_time": start if from_start else None,
        "clip_end_time": end if from_start else None,
        "frame_number": said.frame_number if from_start else None,
        "frame_exp_sp_id": said.frame_exp_sp_id,
        "modification": said.modification,
    }
    for fault in find_place_faults(columns, known.references):
        faults.append(fault)
        columns |= dict.fromkeys(fault.emptied)
    lacking = [column for column in _PLACE.get(kind or "", ()) if columns[column] is None]
    if lacking and movie_id is not None and not faults:
        message = f"Nothing tells its {lacking[0]}, so that its place in the movie is not known."
        faults.append(PlaceFault(lacking[0], "NO_PLACE", "", message, severity="info"))
    return Origin(columns, faults, likeness, era)


def _kind_of(said: SubjectMetadata, location: str | None, mime: str | None) -> str | None:
    if said.subject_type is not None:
        return said.subject_type
    path = urlsplit(location).path.lower() if location else ""
    if (mime or "").startswith("video/") or path.endswith(_MOVIE_SUFFIXES):
        return "clip"
    if (mime or "").startswith("image/") or path.endswith(_PICTURE_SUFFIXES):
        return "frame"
    if said.clip_start_time is not None:
        return "clip"
    return "frame" if said.frame_number is not None else None


def _read_names(said: SubjectMetadata, created_at: str | None, known: Known) -> tuple[NamedClip | None, Era | None]:
    """Return what a name says that was given in an era, and the era; a movie's own name says nothing else."""
    if said.clip_start_time is not None or any(known.movies.find(name).exact for name in said.filenames):
        return None, None
    for era in known.eras:
        for name in said.filenames if era.holds(created_at) else ():
            if (clip := era.read(name.rpartition("/")[2])) is not None:
                return clip, era
    return None, None


def _find_movie(
    said: int | None, names: tuple[str, ...], known: Known, faults: list[PlaceFault]
) -> tuple[int | None, Likeness | None, bool]:
    """Return the movie, the name that is only like its, and whether the file's times are those of the movie."""
    movies = known.movies
    matches = {name: match for name in names if (match := movies.find(name)).ids}
    ids = sorted({one for match in matches.values() for one in match.ids})
    if not ids:
        return _movie_without_name(said, names, known, faults), None, True
    if said not in ids:
        if len(ids) > 1:
            message = f"Its file {', '.join(matches)} may be of several movies: {', '.join(map(movies.name_of, ids))}."
            faults.append(PlaceFault("movie_id", "SEVERAL_MOVIES", names[0], message))
            return None, None, True
        if said is not None:
            other = f"the movie {movies.name_of(said)}" if said in movies else "no movie of the store"
            message = (
                f"Its movie_id {said} is {other}, but its file {next(iter(matches))} is of {movies.name_of(ids[0])}; "
                "the file counts."
            )
            faults.append(PlaceFault("movie_id", "MOVIE_DISAGREES", str(said), message))
        said = ids[0]
    name, match = next((name, match) for name, match in matches.items() if said in match.ids)
    if not match.from_start:
        message = f"{name} is a later chapter of {movies.name_of(said)}, so that its place in the movie is not known."
        faults.append(PlaceFault("movie_id", "CHAPTER_TIMES", name, message))
    return said, None if match.exact else Likeness(name, said, match.difference), match.from_start


def _movie_without_name(said: int | None, names: tuple[str, ...], known: Known, faults: list[PlaceFault]) -> int | None:
    """Return the movie of a subject whose names are of none."""
    if said is None:
        if not names:
            message = "Its metadata do not say which movie it comes from."
            faults.append(PlaceFault("movie_id", "NO_MOVIE", "", message))
        elif not known.photos.intersection(names):
            message = f"The store has no movie {names[0]}."
            faults.append(PlaceFault("movie_id", "UNKNOWN_MOVIE", names[0], message))
    elif said in known.movies and names and not any(known.movies.agrees(said, name) for name in names):
        message = (
            f"Its file {names[0]} is of no movie of the store; by its movie_id {said} it counts for "
            f"{known.movies.name_of(said)}."
        )
        faults.append(PlaceFault("movie_id", "MOVIE_NAME_UNKNOWN", names[0], message))
    return said
