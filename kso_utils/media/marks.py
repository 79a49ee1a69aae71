"""The mark that a made movie bears in its own metadata: of which file, and how, it was made."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from kso_utils.core.errors import ConfigError, KsoError, MediaUnsupported
from kso_utils.media.index import load_index
from kso_utils.media.safety import open_movie
from kso_utils.media.sources import Footage, name_of, resolve

if TYPE_CHECKING:
    from collections.abc import Sequence


def make_mark(sources: Sequence[Path], way: Sequence[object]) -> str:
    """Return the mark of what is made of these files in this way (JSON-able); 64 hexadecimal digits."""
    stats = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in sources]
    facts = json.dumps([stats, list(way)], sort_keys=True)
    return hashlib.sha256(facts.encode("utf-8", "surrogateescape")).hexdigest()


def is_made(target: Path, mark: str) -> bool:
    """Whether a movie is there, complete, and bears this mark.

    Raises
    ------
    ConfigError
        If there is another file of that name.
    """
    if not target.exists():
        return False
    try:
        with open_movie(target) as (container, _):
            marked = container.metadata.get("comment") == mark
        if marked and len(load_index(target)):
            return True
    except KsoError:
        pass  # no movie at all, so another file
    raise ConfigError(f"There is another file {target}, which stays. Give another name, or move it away.")


def find_local(movie: Footage, target: Path) -> Path:
    """Return the path of a movie on this machine from which `target` is to be made.

    Raises
    ------
    MediaUnsupported
        If it is elsewhere.
    ConfigError
        If `target` is the movie itself.
    """
    path = resolve(movie)
    if not isinstance(path, Path):
        raise MediaUnsupported(f"{name_of(movie)} is not on this machine. Fetch it into a folder first.")
    try:
        same = target.samefile(path)
    except (OSError, ValueError):  # one of them is not there
        same = False
    if same:
        raise ConfigError(f"{path} would be overwritten by what is made of it. Give another name or folder.")
    return path


def read_tags(path: Path, mark: str) -> dict[str, str]:
    """Return the tags that what is made of a movie gets: when it was recorded, and the mark."""
    with open_movie(path) as (container, _):
        created = container.metadata.get("creation_time")
    return {"comment": mark, **({"creation_time": created} if created else {})}
