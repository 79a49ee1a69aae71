"""An archive in a folder."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from kso_utils.archive.base import Entry
from kso_utils.core.errors import ArchiveError, ChecksumMismatch, ConfigError, Denied, NotFound
from kso_utils.core.paths import find_inside, inside, sha256_file, write_atomic

if TYPE_CHECKING:
    from collections.abc import Iterator


class LocalFile:
    """A local file of which parts are read."""

    def __init__(self, path: Path) -> None:
        self.path, self.address = path, str(path)
        try:
            stat = path.stat()
        except FileNotFoundError as error:
            raise NotFound(f"There is no file {path}. Check the name and the folder.") from error
        except PermissionError as error:
            raise Denied(f"{path} may not be read. Check the rights of the file.") from error
        self.size_bytes, self.identity = stat.st_size, _identify(stat)

    def read(self, start: int, stop: int) -> bytes:
        """Return the bytes from `start` up to `stop`."""
        try:
            with self.path.open("rb") as handle:
                if _identify(os.fstat(handle.fileno())) != self.identity:
                    raise ArchiveError(f"{self.path} was changed while it was read. Begin again when it is complete.")
                handle.seek(start)
                data = handle.read(stop - start)
        except FileNotFoundError as error:
            raise NotFound(f"There is no file {self.path} any more.") from error
        except PermissionError as error:
            raise Denied(f"{self.path} may not be read. Check the rights of the file.") from error
        if len(data) != stop - start:
            raise ArchiveError(f"{self.path} ends at byte {start + len(data)}; bytes {start} to {stop} were asked for.")
        return data


class LocalArchive:
    """A folder and those below it; what is hidden is no part of it."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).expanduser().resolve()
        self.url = str(self.folder)

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """Yield the files whose names begin with `prefix`, by name."""
        if not self.folder.is_dir():
            raise NotFound(f"There is no folder {self.folder}. Check the name.")
        for path in sorted(self.folder.rglob("*")):
            name = path.relative_to(self.folder).as_posix()
            if name.startswith(prefix) and path.is_file() and not any(p.startswith(".") for p in name.split("/")):
                yield self._describe(name, path)

    def find(self, name: str) -> Entry:
        """Return what is known of a file, in whatever Unicode form the disk has its name."""
        path = self._path(name)
        return self._describe(path.relative_to(self.folder).as_posix(), path)

    def open(self, name: str) -> LocalFile:
        """Open a file, to read parts of it."""
        return LocalFile(self._path(name))

    def fetch(self, name: str, target: str | Path, sha256: str | None = None) -> str:
        """Copy a file to a local path and return its sha256."""
        return _copy(self._path(name), Path(target), sha256)

    def push(self, source: str | Path, name: str) -> str:
        """Copy a local file into the folder and return its sha256, read from the copy."""
        file, target = Path(source), inside(self.folder, name)
        if not file.is_file():
            raise NotFound(f"There is no file {file}. Check the name and the folder.")
        wanted = sha256_file(file)
        if target.exists():
            if sha256_file(target) != wanted:
                raise ConfigError(f"{target} exists with another content. Give the file another name.")
            return wanted
        return _copy(file, target, wanted)

    def link(self, name: str, lifetime_s: float = 86_400.0) -> str:
        """Return the address of the file on this machine; it does not expire."""
        return self._path(name).as_uri()

    def clean_up(self, older_than_s: float = 7 * 86_400.0) -> list[str]:
        """Return nothing: a copy into a folder begins anew, and takes away what it left."""
        return []

    def _path(self, name: str) -> Path:
        path = find_inside(self.folder, name)
        if not path.is_file():
            raise NotFound(f"{name} is not in {self.folder}. Copy it there, or give the right folder.")
        return path

    def _describe(self, name: str, path: Path) -> Entry:
        stat = path.stat()
        moment = datetime.fromtimestamp(stat.st_mtime, UTC).isoformat(timespec="seconds")
        return Entry(name, stat.st_size, moment, _identify(stat))


def _identify(stat: os.stat_result) -> str:
    return f"{stat.st_size}-{stat.st_mtime_ns}"


def _copy(source: Path, target: Path, sha256: str | None) -> str:
    with write_atomic(target) as temporary:
        with source.open("rb") as reader, temporary.open("wb") as writer:
            while block := reader.read(2**20):
                writer.write(block)
        found = sha256_file(temporary)
        if sha256 is not None and found != sha256:
            raise ChecksumMismatch(f"{source} has the sha256 {found}, not {sha256}. Copy it again from its source.")
    return found
