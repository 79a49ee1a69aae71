"""A remote file becomes a local one, piece by piece, and goes on where it was interrupted."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from kso_utils.archive.disks import said_plainly
from kso_utils.core.errors import ArchiveError, ChecksumMismatch, Interrupted
from kso_utils.core.journal import FileJournal, Journal
from kso_utils.core.paths import flush_folder, sha256_file
from kso_utils.core.progress import bar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kso_utils.archive.base import RangeFile

PIECE_BYTES = 2**20
"""What is asked for at once."""

AT_ONCE = 4
"""So many pieces are on their way, and at most so many are on disk without being in the journal: of what had come when
a process died, no more than 8 MiB come again."""


def fetch_file(file: RangeFile, target: str | Path, sha256: str | None = None, journal: Journal | None = None) -> str:
    """Copy a remote file to a local path and return the sha256 of the copy.

    Until it is complete it is a hidden file beside `target`; a later call goes on with it, if the remote file has not
    changed.

    Parameters
    ----------
    file
        The file.
    target
        What is there is replaced by the complete copy.
    sha256
        What the copy must have; a target that has it already is not fetched again.
    journal
        Where it is remembered how much has come; by default a hidden file beside `target`.

    Raises
    ------
    ChecksumMismatch
        If what arrived has another sha256; it is thrown away.
    Interrupted
        If the connection broke for good; what came is kept.
    ArchiveError
        If the remote file changed meanwhile, or the disk has no room or refused to write.
    """
    path = Path(target).absolute()
    with said_plainly(path):
        try:
            return _fetch(file, path, sha256, journal)
        except ArchiveError:  # some are errors of the system by their kind
            raise
        except FileNotFoundError as error:
            raise Interrupted(
                f"{path}: another process fetches it too, or removed what had come of it. Do the same again."
            ) from error


def _fetch(file: RangeFile, path: Path, sha256: str | None, journal: Journal | None) -> str:
    own = _beside(path, path.name, "journal")
    notes, key = FileJournal(own) if journal is None else journal, f"fetch {file.address} to {path}"
    part = _beside(path, f"{file.address} {file.identity}", "part")
    is_there = sha256 is not None and path.is_file() and sha256_file(path) == sha256
    if not is_there:
        path.parent.mkdir(parents=True, exist_ok=True)
        # What tells no versions apart may be another one by now, and only a sha256 would show the mixture.
        if sha256 is None and file.identity == f"{file.size_bytes}-" and (state := notes.get(key)):
            notes.put(key, state | {"done": 0})
        _receive(file, part, notes, key)
    try:
        # What is there already was put there by a process that died before it could forget what it noted.
        return str(sha256) if is_there else _finish(file, part, path, sha256)
    finally:
        notes.drop(key)
        if journal is None:
            own.unlink(missing_ok=True)


def _beside(path: Path, text: str, ending: str) -> Path:
    """Return a hidden name beside a file that is the same whenever the text is."""
    return path.with_name(f".{path.stem[:40]}.{hashlib.sha256(text.encode()).hexdigest()[:12]}.{ending}")


def _receive(file: RangeFile, part: Path, notes: Journal, key: str) -> None:
    """Write what has not come yet."""
    state = notes.get(key) or {}
    if (older := state.get("part", part.name)) != part.name:
        part.with_name(Path(older).name).unlink(missing_ok=True)  # of another version of the file
        state = {}
    part.touch()
    done = state.get("done", 0) if part.stat().st_size >= state.get("done", 0) else 0
    _require_room(part.parent, file.size_bytes - done)
    total = -(-file.size_bytes // PIECE_BYTES)
    # Nothing is cut off: should two processes fetch the same file, both write the same bytes to the same places.
    with bar(f"Fetching {file.address.rpartition('/')[2]} (MiB)", total) as progress, part.open("r+b") as writer:
        writer.seek(done)
        progress.advance(done // PIECE_BYTES)

        def save() -> None:
            os.fsync(writer.fileno())
            notes.put(key, {"part": part.name, "done": done})

        try:
            for number, piece in enumerate(_pieces(file, done), 1):
                writer.write(piece)
                writer.flush()
                done += len(piece)
                progress.advance()
                if number % AT_ONCE == 0:
                    save()
        finally:
            save()


def _pieces(file: RangeFile, start: int) -> Iterator[bytes]:
    """Yield the file from a byte on, some pieces of it being read ahead."""
    bounds = [
        (first, min(first + PIECE_BYTES, file.size_bytes)) for first in range(start, file.size_bytes, PIECE_BYTES)
    ]
    if len(bounds) == 1:
        yield file.read(*bounds[0])
        return
    pool = ThreadPoolExecutor(AT_ONCE)
    ahead: deque[Future[bytes]] = deque()
    try:
        for first, last in bounds:
            ahead.append(pool.submit(file.read, first, last))
            if len(ahead) == AT_ONCE:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _require_room(folder: Path, size_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < size_bytes:
        raise ArchiveError(
            f"{folder} has room for {free / 1e9:.1f} GB more; {size_bytes / 1e9:.1f} GB are needed. Make room there."
        )


def _finish(file: RangeFile, part: Path, path: Path, sha256: str | None) -> str:
    """Put the complete part in its place, if it is what was expected."""
    found = sha256_file(part)
    if sha256 is not None and found != sha256:
        part.unlink()
        raise ChecksumMismatch(f"{file.address} has the sha256 {found}, not {sha256}. Ask its host for the right file.")
    part.replace(path)
    flush_folder(path.parent)
    return found
