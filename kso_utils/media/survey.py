"""What footage there is in a folder or another archive, and whether each movie is whole."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from kso_utils.archive.base import Archive, Entry
from kso_utils.archive.local import LocalArchive, LocalFile
from kso_utils.archive.opening import is_remote, open_archive
from kso_utils.core.errors import ArchiveError, Interrupted, KsoError, NotFound
from kso_utils.core.paths import sha256_file, to_text
from kso_utils.core.progress import bar
from kso_utils.media.checks import examine
from kso_utils.media.sources import resolve

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kso_utils.core.report import Report
    from kso_utils.media.movie import MovieInfo

SUFFIXES = frozenset(
    (
        *(".mp4", ".m4v", ".mov", ".qt", ".3gp", ".mkv", ".webm", ".avi", ".mts", ".m2ts", ".ts"),
        *(".mpg", ".mpeg", ".vob", ".wmv", ".asf", ".flv", ".mxf"),
    )
)
"""File name endings by which footage is found, in small letters."""

SURVEY_COLUMNS = (
    *("filename", "path", "size_bytes", "sha256", "fps_num", "fps_den", "frames", "duration_s"),
    *("width", "height", "codec", "created_at", "error"),
)

# Requests wait for their server more than they work; files on a disk are read one after the other.
_WORKERS = 8


def survey_footage(footage: str | Path | Archive, names: Iterable[str] | None = None) -> pd.DataFrame:
    """Look at every movie of a folder or another archive, and check it as `check_movie` does.

    A file that cannot be read, or is damaged, gets a row too, with the reason in `error`. Of a movie that is not on
    this machine only its index and a few frames are fetched.

    Parameters
    ----------
    footage
        A folder with those below it, an address (`s3://bucket/prefix`, `https://...`), or an open archive; hidden
        files are left out.
    names
        Files to look for where an archive cannot say what it holds, as some web servers cannot; those that are not
        there get no row.

    Returns
    -------
    DataFrame
        `filename` (relative to the archive, with `/`), `path` (or address), `size_bytes`, `sha256` (of local files;
        else missing), `fps_num`, `fps_den`, `frames`, `duration_s`, `width`, `height`, `codec`, `created_at`,
        `error`; one row a movie file, sorted by name.

    Raises
    ------
    NotFound
        If there is no such folder.
    ArchiveError
        If the archive cannot be asked, or cannot say what it holds and there are no names.
    """
    archive = _open(footage)
    entries = sorted(_entries(archive, names), key=lambda entry: entry.name)
    workers = 1 if isinstance(archive, LocalArchive) else _WORKERS
    with bar("Looking at footage", len(entries)) as progress, ThreadPoolExecutor(workers) as pool:

        def look(entry: Entry) -> dict[str, object]:
            row = _survey(archive, entry)
            progress.advance()
            return row

        rows = list(pool.map(look, entries))
    table = pd.DataFrame(rows, columns=list(SURVEY_COLUMNS))
    whole = dict.fromkeys(("fps_num", "fps_den", "frames", "width", "height"), "Int64")
    return table.astype({**whole, "duration_s": "float64"})


def list_movies(footage: str | Path | Archive) -> list[str]:
    """Return the names of the movies of a folder or another archive, in order.

    Raises
    ------
    NotFound, ArchiveError
        As `survey_footage`.
    """
    return sorted(entry.name for entry in _entries(_open(footage), None))


def _open(footage: str | Path | Archive) -> Archive:
    if not isinstance(footage, str | Path):
        return footage
    if not is_remote(footage) and not Path(footage).is_dir():
        raise NotFound(f"There is no folder {footage}. Check the name.")
    return open_archive(footage)


def _entries(archive: Archive, names: Iterable[str] | None) -> Iterator[Entry]:
    try:
        listed = list(archive.entries())
    except Interrupted:
        raise
    except ArchiveError as error:
        named = [] if names is None or isinstance(archive, LocalArchive) else list(_named(archive, names))
        # Where neither a folder nor one of its files is found, it is the address that is wrong.
        if names is None or isinstance(archive, LocalArchive) or (isinstance(error, NotFound) and not named):
            raise
        yield from named
    else:
        yield from (entry for entry in listed if Path(entry.name).suffix.lower() in SUFFIXES)


def _named(archive: Archive, names: Iterable[str]) -> Iterator[Entry]:
    for name in sorted(set(names)):
        try:
            yield archive.find(name)
        except NotFound:
            continue  # a movie of the table without a file; the check of the tables tells


def _survey(archive: Archive, entry: Entry) -> dict[str, object]:
    row: dict[str, object] = {"filename": entry.name, "size_bytes": entry.size_bytes, "error": None}
    if (name := to_text(entry.name)) != entry.name:
        return row | {"filename": name, "error": f"The name {name} is not text (UTF-8). Give the file another name."}
    try:
        file = archive.open(entry.name)
        row["path"] = file.address
        if isinstance(file, LocalFile):
            row["sha256"] = sha256_file(file.path)
        report, info = examine(resolve(file))
    except (KsoError, OSError) as error:
        return row | {"error": str(error)}
    return row | _describe(info) | {"error": _reason(report)}


def _reason(report: Report) -> str | None:
    errors = [finding for finding in report if finding.severity == "error"]
    more = f" There are {len(errors) - 1} more such places." if len(errors) > 1 else ""
    return f"{errors[0].message} {errors[0].fix}".strip() + more if errors else None


def _describe(info: MovieInfo | None) -> dict[str, object]:
    if info is None:
        return {}
    return {
        "fps_num": info.fps_num,
        "fps_den": info.fps_den,
        "frames": info.frames,
        "duration_s": info.duration_s,
        "width": info.width,
        "height": info.height,
        "codec": info.codec,
        "created_at": info.created_at,
    }
