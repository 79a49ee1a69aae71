"""Work that the sandbox does while it answers requests: exports and imports."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from kso_utils.core.log import logger

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logger(__name__)


class Background:
    """Threads that end when the server does.

    Attributes
    ----------
    stopped
        Set when the server stops: whoever works looks at it between two steps, and leaves the rest to the next server.
    """

    def __init__(self) -> None:
        self.stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    def begin(self, work: Callable[..., None], *args: object) -> None:
        """Start `work(*args)` in a thread of its own."""
        thread = threading.Thread(target=self._work, args=(work, *args), name="sandbox-work", daemon=True)
        with self._lock:
            self._threads = [*(t for t in self._threads if t.is_alive()), thread]
            thread.start()

    def wait(self) -> None:
        """Wait until everything that was begun is done."""
        for thread in self._threads:
            thread.join()

    def close(self) -> None:
        """Tell everybody to stop, and wait for them."""
        self.stopped.set()
        self.wait()

    @staticmethod
    def _work(work: Callable[..., None], *args: object) -> None:
        try:
            work(*args)
        except Exception:  # the boundary: what was asked for stays undone, and the next server tries again
            _log.exception("work in the background failed")
