"""How many requests at once a server bears: fewer as soon as it complains, slowly more again."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, TypeVar

from kso_utils.core.errors import RequestFailed
from kso_utils.core.log import logger

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

T = TypeVar("T")

GOOD_ROUNDS = 16
"""So many requests of each worker must go well before there is one worker more."""

_log = logger(__name__)


class Pace:
    """A place for each worker that may be at work; additive increase, multiplicative decrease, as TCP does it.

    A worker takes its place for the length of a `with` block, and waits where all are taken.

    Parameters
    ----------
    workers
        How many places there are at first, and at most.

    Attributes
    ----------
    limit : int
        How many places there are now.
    """

    def __init__(self, workers: int) -> None:
        self.limit = self._most = workers
        self._taken, self._good, self._cut_at = 0, 0, float("-inf")
        self._change = threading.Condition()

    def __enter__(self) -> Self:
        """Take a place, as soon as there is one."""
        with self._change:
            self._change.wait_for(lambda: self._taken < self.limit)
            self._taken += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the place back."""
        with self._change:
            self._taken -= 1
            self._change.notify_all()

    def attempt(self, call: Callable[[], T]) -> T:
        """Return what one request returns, and learn from how it went.

        Raises
        ------
        RequestFailed
            What the request raises.
        """
        begun = time.monotonic()
        try:
            result = call()
        except RequestFailed as error:
            if error.status is not None and (error.status == 429 or error.status >= 500):
                self._slow_down(begun, error.status)
            raise
        self._speed_up()
        return result

    def _slow_down(self, begun: float, status: int) -> None:
        with self._change:
            self._good = 0
            # Requests that were on their way at the last cut complain about the time before it.
            if begun < self._cut_at or self.limit == 1:
                return
            self.limit //= 2
            self._cut_at = time.monotonic()
            _log.info("the server answered %d: %d of %d workers go on", status, self.limit, self._most)

    def _speed_up(self) -> None:
        with self._change:
            self._good += 1
            if self.limit < self._most and self._good >= GOOD_ROUNDS * self.limit:
                self.limit, self._good = self.limit + 1, 0
                self._change.notify_all()
                _log.info("the server answers well: %d of %d workers go on", self.limit, self._most)
