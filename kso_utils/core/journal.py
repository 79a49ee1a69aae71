"""A journal: what was begun, so that interrupted work can be finished and never done twice."""

from __future__ import annotations

import errno
import json
import os
import threading
from pathlib import Path
from typing import Any, Protocol

from kso_utils.core.errors import ConfigError
from kso_utils.core.paths import flush_folder, write_atomic


class Journal(Protocol):
    """Remembers a small state under a key, durably: `put` returns after the state is on disk."""

    def get(self, key: str) -> dict[str, Any] | None:
        """Return the state under `key`, or None."""

    def put(self, key: str, state: dict[str, Any]) -> None:
        """Set the state under `key`; JSON values only."""

    def pending(self) -> dict[str, dict[str, Any]]:
        """Return every key that was put and not dropped, oldest first."""

    def drop(self, key: str) -> None:
        """Forget `key`; unknown keys are ignored."""


class FileJournal:
    """A journal in a JSON-lines file: one appended and flushed line a change, compacted when opened.

    A last line cut off by a crash is ignored: the change that it announced had not been promised yet.

    Raises
    ------
    ConfigError
        If the file holds something else than a journal.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        self._states: dict[str, dict[str, Any]] = {}
        if self.path.exists():
            self._load()

    def get(self, key: str) -> dict[str, Any] | None:
        """Return the state under `key`, or None."""
        with self._lock:
            state = self._states.get(key)
            return None if state is None else dict(state)

    def put(self, key: str, state: dict[str, Any]) -> None:
        """Set the state under `key`."""
        with self._lock:
            self._append(key, state)
            self._states[key] = dict(state)

    def pending(self) -> dict[str, dict[str, Any]]:
        """Return every key that was put and not dropped, oldest first."""
        with self._lock:
            return {k: dict(v) for k, v in self._states.items()}

    def drop(self, key: str) -> None:
        """Forget `key`."""
        with self._lock:
            if key in self._states:
                self._append(key, None)
                del self._states[key]

    def _append(self, key: str, state: dict[str, Any] | None) -> None:
        line = _line(key, state)
        is_new = not self.path.exists()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab", buffering=0) as handle:
            end = handle.seek(0, os.SEEK_END)
            try:
                if handle.write(line) != len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
                os.fsync(handle.fileno())
            except OSError:
                # Half a line would swallow the one after it.
                handle.truncate(end)
                raise
        if is_new:
            flush_folder(self.path.parent)

    def _load(self) -> None:
        *complete, cut_off = self.path.read_bytes().split(b"\n")
        for number, line in enumerate(complete, 1):
            key, state = self._parse(line, number)
            if state is None:
                self._states.pop(key, None)
            else:
                self._states[key] = state
        if cut_off or len(complete) > len(self._states):
            with write_atomic(self.path) as temporary:
                temporary.write_bytes(b"".join(_line(key, state) for key, state in self._states.items()))

    def _parse(self, line: bytes, number: int) -> tuple[str, dict[str, Any] | None]:
        try:
            key, state = json.loads(line)
            if isinstance(key, str) and isinstance(state, dict | None):
                return key, state
        except (TypeError, ValueError):
            pass
        raise ConfigError(f"{self.path}, line {number}: not a journal. Move the file away to start anew.")


def _line(key: str, state: dict[str, Any] | None) -> bytes:
    return json.dumps([key, state], sort_keys=True).encode() + b"\n"
