"""One process at a time, by a lock file beside a store: for writing on a network disk, or for a longer task."""

from __future__ import annotations

import contextlib
import hashlib
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


def lock_path(store: Path, task: str | None = None) -> Path:
    """Return the lock file of a store, or that of a task which one process at a time does with it."""
    mark = "" if task is None else f".{hashlib.sha256(task.encode()).hexdigest()[:16]}"
    return store.with_name(f"{store.name}{mark}.lock")


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
def hold(store: Path, wait_s: float, task: str | None = None) -> Iterator[None]:
    """Hold the lock of a store, or of a task that is done with it, for the length of a block.

    A lock that a killed process of this computer left is taken over. One that another computer left cannot be told
    from one that is in use; the error says whose it is and how to remove it.

    Parameters
    ----------
    store
        The store; its lock file is made now and removed at the end.
    wait_s
        How long to wait for another holder.
    task
        What is to be done by one process at a time, in words; by default every writing to the store.

    Raises
    ------
    StoreBusy
        If another holds it for longer.
    StoreError
        If the file cannot be made.
    """
    lock = lock_path(store, task)
    ours = Holder(socket.gethostname(), _system(), os.getpid(), utc_now(), secrets.token_hex(16))
    end = time.monotonic() + wait_s
    while not _take(lock, ours):
        holder = read_holder(lock)
        if holder is not None and is_stale(holder):
            _put_away(lock, holder)
        elif time.monotonic() >= end:
            raise StoreBusy(_busy(store, lock, holder, wait_s, task))
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
        f"{lock} cannot be made ({error.strerror}), which keeps two processes from doing the same at once. "
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


def _busy(store: Path, lock: Path, holder: Holder | None, wait_s: float, task: str | None) -> str:
    who = "another process" if holder is None else f"process {holder.pid} on {holder.host}, since {holder.since},"
    doing = f"is busy with it: {task}." if task else f"is writing to the store and did not finish in {wait_s:.0f} s."
    return f"{store}: {who} {doing} Wait for it. If it no longer runs, remove {lock} and try again."


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
