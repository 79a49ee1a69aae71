"""New footage into the project: checked, joined, brought into a standard form, copied, and given its rows."""

from __future__ import annotations

import difflib
from datetime import date as Date
from datetime import datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from kso_utils.core.errors import ConfigError, MetadataError
from kso_utils.core.progress import track
from kso_utils.media.chapters import find_gaps, group_chapters, is_chapter, join_chapters
from kso_utils.media.conversion import find_reasons, standardise
from kso_utils.media.movie import probe
from kso_utils.media.photos import SUFFIXES as PHOTO_SUFFIXES
from kso_utils.media.photos import probe_photo
from kso_utils.media.survey import SUFFIXES as MOVIE_SUFFIXES
from kso_utils.media.verification import inspect
from kso_utils.metadata.values import read_days, to_text
from kso_utils.project.arrivals import Arrival, Intake

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from kso_utils.media.movie import MovieInfo
    from kso_utils.project.opening import Project

Chapters = Literal["auto", "together", "apart"]

_CLOCK_NEVER_SET = 1990
_OF_MOVIES = ("eventDate", "fps", "duration_s", "frames", "width", "height", "codec", "size_bytes", "sha256")
_OF_PHOTOS = ("captured_at", "width", "height", "sha256")

_NUMBERS = ("fps", "duration_s", "frames", "width", "height", "size_bytes")


def add_movies(
    project: Project,
    files: Iterable[str | Path],
    *,
    site: str,
    date: str | Date | None = None,
    values: Mapping[str, Any] | None = None,
    chapters: Chapters = "auto",
    standard: bool = True,
    allow_gaps: bool = False,
    folder: str = "",
    who: str | None = None,
    reason: str | None = None,
    dry_run: bool = False,
) -> pd.DataFrame:
    """Add movies to the project: their files to its archive, their rows to the table and the store.

    Each recording is checked, its chapters are joined, it is brought into a standard form where it is not in one, and
    copied; what arrived is verified by its sha256. Then all rows are written as one edit, which `undo` takes back. The
    originals stay as they are. Interrupted anywhere, the same call goes on where it stood; what is in the project
    already is told and left alone. A file that cannot be added does not keep others from it.

    Parameters
    ----------
    project
        The project.
    files
        Movie files, or folders of them.
    site
        Where they were filmed: a `locality` of the table of sites, or the `locationID` of one.
    date
        When they were filmed (ISO 8601); by default what the clock of each camera said.
    values
        Column -> value, for every row, as in an edit.
    chapters
        `auto` joins the chapters into which GoPro cameras cut a recording; `together` takes all files for chapters of
        one recording, in the order given; `apart` joins nothing.
    standard
        Whether movies are converted that do not play everywhere.
    allow_gaps
        Whether chapters are joined although some, or time between them, are missing.
    folder
        A folder of the archive for the files.
    who, reason
        Kept in the history of edits.
    dry_run
        Look at the files and say what would be done, and change nothing.

    Returns
    -------
    DataFrame
        One row a recording: `sources` (list of paths), `filename` (in the archive), `state` (`added`, `there`,
        `planned` in a dry run, `failed`), `error`, `notes` (list of texts), `edit_id`, `eventDate`, and of the file
        `fps`, `duration_s`, `frames`, `width`, `height`, `codec`, `size_bytes`, `sha256`.

    Raises
    ------
    ConfigError
        If there are no files, the date is none, or the archive cannot be written.
    MetadataError
        If there is no such site, a value does not fit its column, or a table was changed by hand.
    NotFound
        If the folder of the archive is not there.
    """
    paths = _list(files, MOVIE_SUFFIXES)
    cells = {"locality": _find_site(project, site), **_date_cell("eventDate", date), **(values or {})}
    intake = Intake(project, "movies", cells, dry_run)
    arrivals = [Arrival(sources, intake.name(Path(name), folder)) for name, sources in _group(paths, chapters).items()]
    look = partial(_look, intake, standard=standard, allow_gaps=allow_gaps)
    _take(intake, arrivals, look, partial(_make, intake, standard=standard, allow_gaps=allow_gaps))
    return _finish(intake, arrivals, _OF_MOVIES, who, reason)


def add_photos(
    project: Project,
    files: Iterable[str | Path],
    *,
    site: str,
    date: str | Date | None = None,
    values: Mapping[str, Any] | None = None,
    folder: str = "photos",
    who: str | None = None,
    reason: str | None = None,
    dry_run: bool = False,
) -> pd.DataFrame:
    """Add photos to the project, as `add_movies` does movies; the table of photos is made where there is none.

    Each is decoded whole, so that no damaged one gets in.

    Parameters
    ----------
    project, site, values, who, reason, dry_run
        As in `add_movies`.
    files
        JPEG, PNG or TIFF files, or folders of them.
    date
        When they were taken (ISO 8601); by default what the camera wrote into each (EXIF).
    folder
        The folder of the archive for the files.

    Returns
    -------
    DataFrame
        One row a photo: `sources`, `filename`, `state`, `error`, `notes`, `edit_id` as in `add_movies`, `captured_at`,
        `width`, `height`, `sha256`.

    Raises
    ------
    ConfigError, MetadataError, NotFound
        As in `add_movies`.
    """
    paths = _list(files, PHOTO_SUFFIXES)
    cells = {"locality": _find_site(project, site), **_date_cell("captured_at", date), **(values or {})}
    intake = Intake(project, "photos", cells, dry_run)
    arrivals = [Arrival([path], intake.name(path, folder)) for path in paths]
    _take(intake, arrivals, partial(_look_at_photo, intake))
    return _finish(intake, arrivals, _OF_PHOTOS, who, reason)


def _take(
    intake: Intake,
    arrivals: Sequence[Arrival],
    look: Callable[[Arrival], None],
    make: Callable[[Arrival], None] = lambda _: None,
) -> None:
    """Look at all files, try their rows, and only then make and copy what may take hours."""
    for arrival in track(arrivals, f"Looking at {intake.table}"):
        with arrival.failing():
            look(arrival)
    intake.draft([arrival for arrival in arrivals if arrival.state == "planned"])
    for arrival in track(
        [a for a in arrivals if a.state == "planned" and not intake.dry_run], f"Adding {intake.table}"
    ):
        with arrival.failing():
            make(arrival)
            intake.copy(arrival)


def _look_at_photo(intake: Intake, arrival: Arrival) -> None:
    """Check a photo, and say what its row will be."""
    known = intake.recognise(arrival)
    if arrival.state == "there":
        return
    if not intake.resume(arrival, known):
        (arrival.file,) = arrival.sources
        intake.claim(arrival, is_made=False)
        info = probe_photo(arrival.file)
        arrival.facts = {name: getattr(info, name) for name in ("width", "height", "captured_at")}
        arrival.facts |= {"size_bytes": arrival.file.stat().st_size, "sha256": intake.sha256(arrival.file)}
    if "captured_at" not in intake.cells and arrival.facts["captured_at"]:
        arrival.cells = {"captured_at": arrival.facts["captured_at"]}


def _list(files: Iterable[str | Path], suffixes: Collection[str]) -> list[Path]:
    """Return files, and those of folders that have one of the endings; hidden ones are left out there."""
    given = [Path(file) for file in ([files] if isinstance(files, str | Path) else files)]
    paths = [path for place in given for path in (_find_below(place, suffixes) if place.is_dir() else [place])]
    if not paths:
        raise ConfigError(f"There is no file to add{' in ' + ', '.join(map(str, given)) if given else ''}. Name one.")
    return paths


def _find_below(folder: Path, suffixes: Collection[str]) -> list[Path]:
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in suffixes and path.is_file())
    return [path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts)]


def _find_site(project: Project, site: str) -> str:
    """Return the name of a site, given by name or by `locationID`."""
    sites = project.tables.load().get("sites", pd.DataFrame({"locality": []}))
    names = to_text(sites["locality"]).dropna().tolist() if "locality" in sites else []
    if site in names:
        return site
    if "locationID" in sites:
        named = to_text(sites["locality"])[to_text(sites["locationID"]).eq(site).fillna(False)]
        if len(named) == 1:
            return str(named.iloc[0])
    alike = difflib.get_close_matches(site, names, 3, 0.5) or names[:3]
    meant = f"Is it one of these: {', '.join(alike)}? " if alike else ""
    raise MetadataError(
        f"There is no site {site!r}. {meant}Add a new one with: "
        f"kso edit sites {site!r} decimalLatitude LATITUDE decimalLongitude LONGITUDE --add"
    )


def _date_cell(column: str, date: str | Date | None) -> dict[str, str]:
    if date is None:
        return {}
    text = date.isoformat() if isinstance(date, Date) else date.strip()
    if read_days(text) is None:
        raise ConfigError(f"{text!r} is no date. Write year-month-day: 2024-05-01, or 2024-05-01T10:30:00.")
    return {column: text}


def _group(paths: Sequence[Path], chapters: Chapters) -> dict[str, list[Path]]:
    """Return the files of each recording by the name of its own."""
    if chapters == "apart":
        return {str(path): [path] for path in paths}
    if chapters == "together":
        return {str(paths[0]): list(paths)}
    found = group_chapters([str(path) for path in paths])
    return {name: [Path(part) for part in parts] for name, parts in found.items()}


def _look(intake: Intake, arrival: Arrival, standard: bool, allow_gaps: bool) -> None:
    """Check a recording, and say what its row will be."""
    known = intake.recognise(arrival, "standard" if standard else "as it is")
    if arrival.state == "there":
        return
    if not intake.resume(arrival, known):
        first, *others = [_inspect(path, arrival) for path in arrival.sources]
        if others:
            arrival.notes += [
                f"There may be a gap: {gap}." for gap in find_gaps(arrival.sources, allow_gaps=allow_gaps)
            ]
        reasons = find_reasons(first) if standard else []
        if is_later_chapter(arrival.sources[0]):
            arrival.note("By its name it is not the first chapter of its recording; what came before is missing.")
        arrival.notes += [f"It is converted: {reason}." for reason in reasons]
        if others or reasons:
            arrival.filename = PurePosixPath(arrival.filename).with_suffix(".mp4").as_posix()
        intake.claim(arrival, is_made=bool(others or reasons))
        arrival.facts = _describe(first, arrival.sources[0]) | {"sha256": None}
        for name in ("frames", "duration_s"):
            arrival.facts[name] += sum(getattr(info, name) for info in others)
    arrival.cells = _cells(intake, arrival)


def is_later_chapter(path: Path) -> bool:
    """Whether a file is named as a chapter of a GoPro camera behind the first (`GP010123`, `GX020123`)."""
    kind, number = path.name[1:2].upper(), path.name[2:4].upper()
    return is_chapter(path) and number != "PR" and (kind == "P" or number != "01")


def _make(intake: Intake, arrival: Arrival, standard: bool, allow_gaps: bool) -> None:
    """Give an arrival the one file of a recording: its source where that will do, else one that is made."""
    if arrival.facts["sha256"]:
        return  # an earlier run did it
    created_at, file, sha256 = arrival.facts["created_at"], arrival.sources[0], None
    if len(arrival.sources) > 1:
        joined = join_chapters(arrival.sources, intake.folder(arrival) / "joined.mp4", allow_gaps=allow_gaps)
        file, sha256 = joined.path, joined.sha256
    if standard and find_reasons(probe(file)):
        target = intake.folder(arrival) / "standard.mp4"
        made = standardise(file, target)
        file, sha256 = target, made.sha256
    facts = {"sha256": sha256 or intake.sha256(file), "created_at": created_at}
    arrival.file, arrival.facts = file, _describe(probe(file), file) | facts
    arrival.cells = _cells(intake, arrival)
    intake.remember(arrival, file=None if file == arrival.sources[0] else file.name)


def _inspect(path: Path, arrival: Arrival) -> MovieInfo:
    """Return what a movie is, which must be sound."""
    info, warnings = inspect(path)
    for warning in warnings:
        arrival.note(warning)
    return info


def _describe(info: MovieInfo, file: Path) -> dict[str, Any]:
    names = ("fps_num", "fps_den", "frames", "duration_s", "width", "height", "codec", "created_at")
    return {**{name: getattr(info, name) for name in names}, "size_bytes": file.stat().st_size}


def _cells(intake: Intake, arrival: Arrival) -> dict[str, Any]:
    """Return the cells of a movie's row."""
    facts = arrival.facts
    cells = {"fps": round(facts["fps_num"] / facts["fps_den"], 6), "duration_s": round(facts["duration_s"], 3)}
    if len(arrival.sources) > 1:
        cells["chapters"] = "; ".join(path.name for path in arrival.sources)
    if "eventDate" not in intake.cells and (text := _camera_time(facts["created_at"], arrival)):
        cells["eventDate"] = text
    return cells


def _camera_time(created_at: str | None, arrival: Arrival) -> str | None:
    """Return the time at which a camera says that it filmed, by its own clock; what is doubtful of it is noted."""
    try:
        moment = datetime.fromisoformat(created_at or "")
    except ValueError:
        moment = None
    if moment is None or moment.year < _CLOCK_NEVER_SET:
        return None
    offset = moment.utcoffset()
    # Many cameras write the local time as if it were UTC, so that a Z tells nothing.
    text = moment.replace(microsecond=0, tzinfo=moment.tzinfo if offset else None).isoformat()
    if not offset:
        arrival.note(
            f"The time {text} is that of the camera's clock; the file does not tell whether it is local time or UTC. "
            "Give the date (--date) where it is wrong."
        )
    return text


def _finish(
    intake: Intake, arrivals: list[Arrival], facts: Sequence[str], who: str | None, reason: str | None
) -> pd.DataFrame:
    """Write the rows, and tell what became of each file."""
    edit_id = None if intake.dry_run else intake.finish(arrivals, who, reason)
    rows = []
    for arrival in arrivals:
        row: dict[str, Any] = {"sources": [str(path) for path in arrival.sources]}
        row |= {name: getattr(arrival, name) for name in ("filename", "state", "error", "notes")}
        known = {**arrival.facts, **arrival.cells, **(intake.cells if arrival.state != "there" else {})}
        row |= {"edit_id": edit_id if arrival.state == "added" else None, **{name: known.get(name) for name in facts}}
        rows.append(row)
    table = pd.DataFrame(rows, dtype="object")
    kinds = {name: "float64" if name in ("fps", "duration_s") else "Int64" for name in facts if name in _NUMBERS}
    return table.astype(kinds)
