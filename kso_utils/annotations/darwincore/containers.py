"""The files of an archive, in a folder or a zip file, read as streams: nothing is unpacked to the disk."""

from __future__ import annotations

import zipfile
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

from kso_utils.core.errors import NotFound, UnsafeInput
from kso_utils.core.paths import inside

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_MEMBERS = 10_000
MAX_RATIO = 500
_ALWAYS_ALLOWED_BYTES = 64 << 20
_ANYWHERE = Path("/archive")

READ_ERRORS = (OSError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError)
"""What reading a damaged, encrypted or strangely packed zip file may raise."""


class Container(Protocol):
    """Where an archive's files are."""

    name: str

    def names(self) -> list[str]:
        """Return the names of all files, relative to the archive, with forward slashes."""

    def open(self, name: str) -> IO[bytes]:
        """Open a file of `names` for reading."""


class _Folder:
    def __init__(self, path: Path) -> None:
        self.name = path.resolve().name
        self._path = path

    def names(self) -> list[str]:
        files = (p for p in self._path.rglob("*") if p.is_file())
        return sorted(p.relative_to(self._path).as_posix() for p in files)

    def open(self, name: str) -> IO[bytes]:
        return inside(self._path, name).open("rb")


class _Zip:
    def __init__(self, path: Path, file: zipfile.ZipFile) -> None:
        self.name = path.name
        self._file = file

    def names(self) -> list[str]:
        return sorted(i.filename for i in self._file.infolist() if not i.is_dir())

    def open(self, name: str) -> IO[bytes]:
        return self._file.open(name)


@contextmanager
def open_container(path: str | Path) -> Iterator[Container]:
    """Open a folder or a zip file.

    Parameters
    ----------
    path
        The archive.

    Raises
    ------
    NotFound
        If there is nothing at `path`.
    UnsafeInput
        If a zip file names files outside itself, or would unpack to far more than it is.
    zipfile.BadZipFile
        If it is no zip file, or a damaged one.
    """
    place = Path(path)
    if place.is_dir():
        yield _Folder(place)
        return
    if not place.is_file():
        raise NotFound(f"There is no archive {place}. Give a zip file or a folder.")
    with zipfile.ZipFile(place) as file:
        _refuse_unsafe(place.name, file.infolist())
        yield _Zip(place, file)


def check_name(name: str) -> str:
    """Return a file's name from meta.xml as it is.

    Raises
    ------
    UnsafeInput
        If it is absolute or leads out of the archive.
    """
    inside(_ANYWHERE, name)
    return name


def _refuse_unsafe(archive: str, members: list[zipfile.ZipInfo]) -> None:
    if len(members) > MAX_MEMBERS:
        raise UnsafeInput(f"{archive} holds {len(members)} files; an archive has a handful. It was not read.")
    for member in members:
        check_name(member.filename)
        allowed = max(member.compress_size * MAX_RATIO, _ALWAYS_ALLOWED_BYTES)
        if member.file_size > allowed:
            raise UnsafeInput(
                f"{member.filename} in {archive} would grow from {member.compress_size:,} to {member.file_size:,} "
                "bytes, as no table does. It was not read."
            )
