"""An archive in a folder."""

from __future__ import annotations

import hashlib
import os
import re
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING

from kso_utils.archive.base import OLD_S, Entry, is_hidden, validate_name
from kso_utils.archive.disks import said_plainly
from kso_utils.core.errors import ArchiveError, ChecksumMismatch, ConfigError, NotFound
from kso_utils.core.paths import find_inside, inside, sha256_file, write_atomic
from kso_utils.core.progress import bar

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK_BYTES = 2**20
_LEFT_BEHIND = re.compile(r"\..*\.\d+-[0-9a-f]{8}\.part(\.[^.]*)?", re.DOTALL)
"""The names that `write_atomic` gives to what is not complete yet."""


class LocalFile:
    """A local file of which parts are read."""

    def __init__(self, path: Path) -> None:
        self.path, self.address = path, str(path)
        with said_plainly(path):
            stat = path.stat()
        if not S_ISREG(stat.st_mode):
            raise NotFound(f"{path} is no file. Give the name of one.")
        self.size_bytes, self.identity = stat.st_size, _identify(stat)

    def read(self, start: int, stop: int) -> bytes:
        """Return the bytes from `start` up to `stop`."""
        with said_plainly(self.path), self.path.open("rb") as handle:
            if _identify(os.fstat(handle.fileno())) != self.identity:
                raise ArchiveError(f"{self.path} was changed while it was read. Begin again when it is complete.")
            handle.seek(start)
            data = handle.read(stop - start)
        if len(data) != stop - start:
            raise ArchiveError(f"{self.path} ends at byte {self.size_bytes}; bytes {start} to {stop} were asked for.")
        return data


class LocalArchive:
    """A folder and those below it; hidden files and folders that are links are no part of it."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).expanduser().resolve()
        self.url = str(self.folder)

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """Yield the files whose names begin with `prefix`, in the order of their names; hidden ones are left out."""
        with said_plainly(self.folder):
            if not self.folder.is_dir():
                raise NotFound(f"There is no folder {self.folder}. Check the name.")
        for name in self._names("", prefix):
            if not is_hidden(name):
                yield self._describe(name, self.folder / name)

    def find(self, name: str) -> Entry:
        """Return what is known of a file, in whatever Unicode form the disk has its name."""
        path = self._path(name)
        plain = validate_name(name)
        # A link that leads to another file of the folder keeps its own name.
        spelled = plain if (self.folder / plain).exists() else path.relative_to(self.folder).as_posix()
        return self._describe(spelled, path)

    def open(self, name: str) -> LocalFile:
        """Open a file, to read parts of it."""
        return LocalFile(self._path(name))

    def fetch(self, name: str, target: str | Path, sha256: str | None = None) -> str:
        """Copy a file to a local path and return its sha256; a copy that was interrupted begins anew."""
        path = self._path(name)
        with said_plainly(Path(target)), write_atomic(target) as temporary:
            return _copy(path, temporary, sha256)

    def push(self, source: str | Path, name: str) -> str:
        """Copy a local file into the folder and return its sha256, read from the copy.

        A copy that was interrupted begins anew.
        """
        file, target = Path(source), self._place(name)
        if not file.is_file():
            raise NotFound(f"There is no file {file}. Check the name and the folder.")
        with said_plainly(target):
            if target.exists():
                return _require_same(file, target)
            with write_atomic(target) as temporary:
                found = _copy(file, temporary)
                if target.exists():  # another process was faster
                    _require_same(file, target)
        return found

    def link(self, name: str, lifetime_s: float = 86_400.0) -> str:
        """Return the address of the file on this machine; it does not expire."""
        return self._path(name).as_uri()

    def clean_up(self, older_than_s: float = OLD_S, dry_run: bool = False) -> list[str]:
        """Remove what killed copies left behind longer ago than that, unless in a `dry_run`; return the names."""
        left = []
        for name in self._names("", ""):
            path = self.folder / name
            if not _LEFT_BEHIND.fullmatch(path.name):
                continue
            with suppress(NotFound), said_plainly(path):  # a copy under way may end meanwhile
                if path.stat().st_mtime < time.time() - older_than_s:
                    if not dry_run:
                        path.unlink()
                    left.append(name)
        return left

    def _names(self, place: str, prefix: str) -> Iterator[str]:
        """Yield the names of the files below a folder of the archive, hidden ones too, in their order."""
        with said_plainly(self.folder / place), os.scandir(self.folder / place) as found:
            below = [f"{place}{e.name}{'/' * e.is_dir(follow_symlinks=False)}" for e in found if _may_be_listed(e)]
        for name in sorted(below):
            if name.endswith("/") and (name.startswith(prefix) or prefix.startswith(name)):
                yield from self._names(name, prefix)
            elif name.startswith(prefix) and not name.endswith("/"):
                yield name

    def _path(self, name: str) -> Path:
        plain = validate_name(name)
        with said_plainly(self.folder / plain):
            path = find_inside(self.folder, plain)
            if not path.is_file():
                raise NotFound(f"{name} is not in {self.folder}. Copy it there, or give the right folder.")
        return path

    def _place(self, name: str) -> Path:
        """Return where a file of that name is or would be, in the Unicode form in which the disk has its folder."""
        above, _, last = validate_name(name).rpartition("/")
        with said_plainly(self.folder / above / last):
            found = find_inside(find_inside(self.folder, above) if above else self.folder, last)
        return inside(self.folder, found.relative_to(self.folder))

    def _describe(self, name: str, path: Path) -> Entry:
        with said_plainly(path):
            stat = path.stat()
        moment = datetime.fromtimestamp(stat.st_mtime, UTC).isoformat(timespec="seconds")
        return Entry(name, stat.st_size, moment, _identify(stat))


def _may_be_listed(entry: os.DirEntry[str]) -> bool:
    """Whether it is a file, a link to one, or a folder; a folder that is a link may lead anywhere, or in a circle."""
    return entry.is_file() or entry.is_dir(follow_symlinks=False)


def _identify(stat: os.stat_result) -> str:
    return f"{stat.st_size}-{stat.st_mtime_ns}"


def _copy(source: Path, target: Path, sha256: str | None = None) -> str:
    """Copy a file, and return the sha256 of the copy when it is that of what was read, and the one expected."""
    file, seen = LocalFile(source), hashlib.sha256()
    blocks = -(-file.size_bytes // _BLOCK_BYTES)
    with bar(f"Copying {source.name} (MiB)", blocks) as progress, source.open("rb") as reader, target.open("wb") as to:
        while block := reader.read(_BLOCK_BYTES):
            seen.update(block)
            to.write(block)
            progress.advance()
    if LocalFile(source).identity != file.identity:
        raise ArchiveError(f"{source} was changed while it was copied. Begin again when it is complete.")
    found = sha256_file(target)
    if found != seen.hexdigest():
        raise ChecksumMismatch(f"The copy of {source} differs from what was read. Check the disk it goes to.")
    if sha256 is not None and found != sha256:
        raise ChecksumMismatch(f"{source} has the sha256 {found}, not {sha256}. Copy it again from its source.")
    return found


def _require_same(source: Path, target: Path) -> str:
    """Return the sha256 that two files have in common."""
    if target.is_file() and target.stat().st_size == source.stat().st_size:
        found = sha256_file(target)
        if found == sha256_file(source):
            return found
    raise ConfigError(f"{target} exists with another content. Give the file another name.")
