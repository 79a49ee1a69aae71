"""Which movie of the store a file name means."""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from kso_utils.store.engine import Store


class Match(NamedTuple):
    """The movies that a name may mean.

    Attributes
    ----------
    ids
        None, one, or several that nothing tells apart.
    difference
        What differs between the name and the movie's: `""` (nothing), `folder`, `capitals`, `ending`, or `chapter`
        where the name is that of a part of the movie as the camera cut it.
    from_start
        Whether times of the file are times of the movie: not in its second chapter or a later one.
    """

    ids: tuple[int, ...] = ()
    difference: str = ""
    from_start: bool = True

    @property
    def exact(self) -> bool:
        """Whether there is a movie, and nothing differs."""
        return bool(self.ids) and not self.difference


class _Named(NamedTuple):
    movie_id: int
    path: PurePosixPath
    chapter: int = 0


def plain_name(name: str) -> str:
    """Return a file name as names are compared: stripped, in NFC, with `/` between folders."""
    return unicodedata.normalize("NFC", name.strip()).replace("\\", "/")


# From the strictest: the first by which a name has a movie counts.
_LIKENESSES: tuple[tuple[str, Callable[[PurePosixPath], str]], ...] = (
    ("", str),
    ("folder", lambda path: path.name),
    ("capitals", lambda path: path.name.casefold()),
    ("ending", lambda path: path.stem.casefold()),
)


class MovieNames:
    """The names that movies have and had.

    A name means the movie that has or had exactly this name (in NFC), else the one whose name differs in its folder
    alone, in capitals, or in its ending (`a.mp4`, `a.mov`); else the one of which a chapter bears it. Folders must
    agree as far as both names give them.

    Parameters
    ----------
    movies
        Id, file name and names of chapters of each movie.
    renames
        Old name -> new name, as `metadata.renames.follow_renames` gives them.
    """

    def __init__(
        self, movies: Iterable[tuple[int, str, Iterable[str]]], renames: Mapping[str, str] | None = None
    ) -> None:
        self._levels: list[dict[str, list[_Named]]] = [{} for _ in _LIKENESSES]
        self._chapters: dict[str, list[_Named]] = {}
        self._matches: dict[str, Match] = {}
        self._names: dict[int, str] = {}
        old: dict[str, list[str]] = {}
        for before, after in (renames or {}).items():
            old.setdefault(plain_name(after), []).append(plain_name(before))
        for movie_id, written, chapters in movies:
            name = plain_name(written)
            self._names[movie_id] = written
            for one in (name, *old.get(name, ())):
                path = PurePosixPath(one)
                for level, (_, key) in zip(self._levels, _LIKENESSES, strict=True):
                    level.setdefault(key(path), []).append(_Named(movie_id, path))
            for number, chapter in enumerate(chapters):
                path = PurePosixPath(plain_name(str(chapter)))
                self._chapters.setdefault(path.name.casefold(), []).append(_Named(movie_id, path, number))

    def __contains__(self, movie_id: object) -> bool:
        """Return whether there is a movie of this id."""
        return movie_id in self._names

    def name_of(self, movie_id: int) -> str:
        """Return the file name of a movie."""
        return self._names[movie_id]

    def find(self, name: str) -> Match:
        """Return the movies that a name may mean."""
        if name not in self._matches:
            self._matches[name] = self._find(PurePosixPath(plain_name(name)))
        return self._matches[name]

    def _find(self, path: PurePosixPath) -> Match:
        if not path.name:
            return Match()
        for level, (difference, key) in zip(self._levels, _LIKENESSES, strict=True):
            if ids := _ids(named for named in level.get(key(path), ()) if _folders_agree(named.path, path)):
                return Match(ids, difference)
        named = [one for one in self._chapters.get(path.name.casefold(), ()) if _folders_agree(one.path, path)]
        return Match(_ids(named), "chapter", all(one.chapter == 0 for one in named)) if named else Match()

    def agrees(self, movie_id: int, name: str) -> bool:
        """Return whether a file may come from a movie by its name, which then begins with that of the movie."""
        stem = PurePosixPath(plain_name(self._names[movie_id])).stem.casefold()
        return PurePosixPath(plain_name(name)).name.casefold().startswith(stem)


def read_movie_names(store: Store, renames: Mapping[str, str] | None = None) -> MovieNames:
    """Return the names of the store's movies; `renames` is as in `MovieNames`."""
    movies = store.read("movies", ["id", "filename", "chapters"], order_by="id")
    rows = zip(movies["id"], movies["filename"], movies["chapters"], strict=True)
    return MovieNames(((int(number), name, chapters or ()) for number, name, chapters in rows), renames)


def _ids(named: Iterable[_Named]) -> tuple[int, ...]:
    return tuple(sorted({one.movie_id for one in named}))


def _folders_agree(one: PurePosixPath, other: PurePosixPath) -> bool:
    pairs = zip(reversed(one.parts[:-1]), reversed(other.parts[:-1]), strict=False)
    return all(a.casefold() == b.casefold() for a, b in pairs)
