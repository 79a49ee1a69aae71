"""What a movie may be given as: a path, an address, or an open file of an archive."""

from __future__ import annotations

from pathlib import Path

from kso_utils.archive.base import RangeFile
from kso_utils.archive.local import LocalFile
from kso_utils.archive.opening import is_remote, open_file
from kso_utils.core.errors import NotFound

Footage = str | Path | RangeFile
"""A local path, `s3://bucket/key`, `https://...`, or a file that an archive opened."""


def resolve(movie: Footage) -> Path | RangeFile:
    """Return a local movie as its path, another as a file of which parts can be read.

    Raises
    ------
    NotFound, Denied, ArchiveError
        If an address leads nowhere.
    """
    if isinstance(movie, LocalFile):
        return movie.path
    if isinstance(movie, RangeFile):
        return movie
    if "\0" in str(movie):
        raise NotFound(f"There is no movie {str(movie)!r}: no file can have that name.")
    return open_file(movie) if is_remote(movie) else Path(movie)


def name_of(movie: Footage) -> str:
    """Return where a movie is, for messages and file names; nothing secret is in it."""
    return movie.address if isinstance(movie, RangeFile) else str(movie)


def describe(movie: Footage) -> tuple[str, int]:
    """Return the name of a movie's file, without folders, and its size in bytes.

    Raises
    ------
    NotFound, Denied, ArchiveError
        As `resolve`; `NotFound` also if there is no such local file.
    """
    found = resolve(movie)
    try:
        size = found.stat().st_size if isinstance(found, Path) else found.size_bytes
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound(f"There is no movie {found}. Check the name and the folder.") from error
    return name_of(found).replace("\\", "/").rpartition("/")[2], size
