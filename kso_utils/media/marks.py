"""The mark that a made movie bears in its own metadata: of which file, and how, it was made."""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING

from kso_utils.archive.fetching import fetch_file
from kso_utils.core.errors import ConfigError, KsoError
from kso_utils.core.paths import safe_name
from kso_utils.media.index import load_index
from kso_utils.media.safety import open_movie
from kso_utils.media.sources import Footage, file_name, resolve

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kso_utils.archive.base import RangeFile


def make_mark(sources: Sequence[Path | RangeFile], way: Sequence[object]) -> str:
    """Return the mark of what is made of these files in this way (JSON-able); 64 hexadecimal digits."""
    facts = json.dumps([[_identify(source) for source in sources], list(way)], sort_keys=True)
    return hashlib.sha256(facts.encode("utf-8", "surrogateescape")).hexdigest()


def _identify(source: Path | RangeFile) -> list[object]:
    if isinstance(source, Path):
        return [source.name, source.stat().st_size, source.stat().st_mtime_ns]
    return [source.address, source.size_bytes, source.identity]


def count_marked(target: Path, mark: str) -> int:
    """Return how many frames a movie has that is there and bears this mark; 0 of any other file."""
    try:
        with open_movie(target) as (container, _):
            marked = container.metadata.get("comment") == mark
        return len(load_index(target)) if marked else 0
    except KsoError:
        return 0  # no movie at all, so another file


def is_made(target: Path, mark: str) -> bool:
    """Whether a movie is there, complete, and bears this mark.

    Raises
    ------
    ConfigError
        If there is another file of that name.
    """
    if not target.exists():
        return False
    if count_marked(target, mark):
        return True
    raise ConfigError(f"There is another file {target}, which stays. Give another name, or move it away.")


def find_source(movie: Footage, target: Path) -> Path | RangeFile:
    """Return the movie of which `target` is to be made.

    Raises
    ------
    ConfigError
        If `target` is the movie itself.
    """
    source = resolve(movie)
    if not isinstance(source, Path):
        return source
    try:
        same = target.samefile(source)
    except (OSError, ValueError):  # there is no target yet
        same = False
    if same:
        raise ConfigError(f"{source} would be overwritten by what is made of it. Give another name or folder.")
    return source


@contextmanager
def at_hand(source: Path | RangeFile, folder: Path) -> Iterator[Path]:
    """Give a movie as a local file for the length of a block: itself, or a copy that is removed at the end.

    A copy that was interrupted is gone on with by the next call for the same folder.

    Raises
    ------
    ArchiveError
        If it cannot be fetched.
    """
    if isinstance(source, Path):
        yield source
        return
    place = folder / f".{hashlib.sha256(json.dumps(_identify(source)).encode()).hexdigest()[:16]}.fetched"
    copy = place / safe_name(file_name(source))
    if not copy.is_file():
        fetch_file(source, copy)
    try:
        yield copy
    finally:
        rmtree(place)


def read_tags(path: Path, mark: str) -> dict[str, str]:
    """Return the tags that what is made of a movie gets: when it was recorded, and the mark."""
    with open_movie(path) as (container, _):
        created = container.metadata.get("creation_time")
    return {"comment": mark, **({"creation_time": created} if created else {})}
