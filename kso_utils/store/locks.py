"""One writer at a time where SQLite's own locks cannot be trusted: a lock file beside a store on a network disk."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import sys
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kso_utils.core.clock import utc_now
from kso_utils.core.errors import StoreBusy, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock.

    Attributes
    ----------
    host
        The computer's name.
    system
        What tells that computer, since it was started, from all others (with its space of process numbers).
    pid
        The process.
    since
        When it took the lock, UTC.
    token
        Random, so that no two locks are alike.
    """

    host: str
    system: str
    pid: int
    since: str
    token: str


def lock_path(store: Path) -> Path:
    """Return the lock file of a store."""
    return store.with_name(f"{store.name}.lock")


def read_holder(lock: Path) -> Holder | None:
    """Return who holds a lock, None if it is free or its file cannot be understood (yet)."""
    try:
        return Holder(**json.loads(lock.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def is_stale(holder: Holder) -> bool:
    """Return whether the holder is known to be gone: a process of this computer, as it runs now, that is no more."""
    return holder.system == _system() and not _is_alive(holder.pid)


@contextmanager
def hold(store: Path, wait_s: float) -> Iterator[None]:
    """Hold the lock of a store for the length of a block.

    A lock that a killed process of this computer left is taken over. One that another computer left cannot be told
    from one that is in use; the error says whose it is and how to remove it.

    Parameters
    ----------
    store
        The store; its lock file is made now and removed at the end.
    wait_s
        How long to wait for another holder.

    Raises
    ------
    StoreBusy
        If another holds it for longer.
    StoreError
        If the file cannot be made.
    """
    lock = lock_path(store)
    ours = Holder(socket.gethostname(), _system(), os.getpid(), utc_now(), secrets.token_hex(16))
    end = time.monotonic() + wait_s
    while not _take(lock, ours):
        holder = read_holder(lock)
        if holder is not None and is_stale(holder):
            _put_away(lock, holder)
        elif time.monotonic() >= end:
            raise StoreBusy(_busy(lock, holder, wait_s))
        else:
            time.sleep(_POLL_S)
    try:
        yield
    finally:
        if read_holder(lock) == ours:
            lock.unlink(missing_ok=True)


def _take(lock: Path, ours: Holder) -> bool:
    try:
        handle = os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    except FileExistsError:
        return False
    except OSError as error:
        raise _cannot_make(lock, error) from error
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(json.dumps(asdict(ours)))
            file.flush()
            os.fsync(handle)
    except OSError as error:
        lock.unlink()
        raise _cannot_make(lock, error) from error
    return True


def _cannot_make(lock: Path, error: OSError) -> StoreError:
    return StoreError(
        f"{lock} cannot be made ({error.strerror}), without which nobody writes to a store on a network disk. "
        "Check the permissions of the folder, and that the disk has room."
    )


def _put_away(lock: Path, holder: Holder) -> None:
    """Remove a stale lock, and only that: another process may have done so and hold the lock by now."""
    aside = lock.with_name(f"{lock.name}.{secrets.token_hex(8)}.part")
    with contextlib.suppress(FileNotFoundError):
        lock.rename(aside)
    if aside.exists() and read_holder(aside) != holder:
        with contextlib.suppress(FileExistsError):
            os.link(aside, lock)
    aside.unlink(missing_ok=True)


def _busy(lock: Path, holder: Holder | None, wait_s: float) -> str:
    who = "another process" if holder is None else f"process {holder.pid} on {holder.host}, since {holder.since},"
    return (
        f"{lock.with_suffix('')}: {who} is writing to the store and did not finish in {wait_s:.0f} s. Wait for it. "
        f"If it no longer runs, remove {lock} and try again."
    )


def _system() -> str:
    parts = [socket.gethostname()]
    for name, read in (("/proc/sys/kernel/random/boot_id", _read_line), ("/proc/self/ns/pid", os.readlink)):
        with contextlib.suppress(OSError):
            parts.append(read(name))
    return " ".join(parts)


def _read_line(name: str) -> str:
    return Path(name).read_text(encoding="ascii").strip()


def _is_alive(pid: int) -> bool:
    # On Windows there is no harmless signal, so that a lock there counts as held.
    return sys.platform == "win32" or _answers(pid)


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
