"""Requests that failed and may succeed in a moment."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, TypeVar

from kso_utils.core.errors import RequestFailed

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

ATTEMPTS = 5
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 60.0
LONGEST_SILENCE_S = 90.0
_dice = random.SystemRandom()


def again(call: Callable[[], T], when: Callable[[RequestFailed], bool] = lambda error: error.temporary) -> T:
    """Return what `call` returns; where it fails in a way that may pass, try again up to `ATTEMPTS` times.

    Parameters
    ----------
    call
        One request.
    when
        Which errors are worth another attempt; by default those that `RequestFailed.temporary` names.

    Raises
    ------
    RequestFailed
        The last failure, or the first that will not pass.
    """
    for attempt in range(ATTEMPTS - 1):
        try:
            return call()
        except RequestFailed as error:
            if not when(error):
                raise
            wait(attempt, error.retry_after_s)
    return call()


def unless_silent(longest_s: float = LONGEST_SILENCE_S) -> Callable[[RequestFailed], bool]:
    """Return a `when` of `again` for one request: it gives up where nobody has answered for so long."""
    begun = time.monotonic()
    return lambda error: error.temporary and (error.status is not None or time.monotonic() - begun < longest_s)


def wait(attempt: int, at_least_s: float | None = None) -> None:
    """Sleep for a random time, at most twice as long with each attempt, so that clients do not come back all at once.

    Parameters
    ----------
    attempt
        How many attempts have failed before, from 0.
    at_least_s
        What the server asked for.
    """
    limit_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**attempt)
    time.sleep(min(LONGEST_WAIT_S, max(at_least_s or 0.0, _dice.uniform(0, limit_s))))
