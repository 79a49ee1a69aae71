from __future__ import annotations

from collections.abc import Callable

import pytest

from kso_utils.core import retries
from kso_utils.core.errors import RequestFailed


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were slept, without sleeping them."""
    slept: list[float] = []
    monkeypatch.setattr(retries.time, "sleep", slept.append)
    return slept


def failing(times: int, error: RequestFailed) -> Callable[[], str]:
    left = iter(range(times))

    def call() -> str:
        if next(left, None) is not None:
            raise error
        return "done"

    return call


@pytest.mark.parametrize("status", [None, 408, 425, 429, 500, 503])
def test_what_may_pass_is_tried_again(status: int | None, waits: list[float]) -> None:
    assert retries.again(failing(2, RequestFailed("later", status))) == "done"
    assert len(waits) == 2


@pytest.mark.parametrize("status", [400, 401, 404, 422])
def test_what_will_not_pass_is_raised_at_once(status: int, waits: list[float]) -> None:
    with pytest.raises(RequestFailed, match="never"):
        retries.again(failing(1, RequestFailed("never", status)))
    assert waits == []


def test_the_attempts_are_bounded(waits: list[float]) -> None:
    with pytest.raises(RequestFailed, match="later"):
        retries.again(failing(retries.ATTEMPTS, RequestFailed("later")))
    assert len(waits) == retries.ATTEMPTS - 1


def test_the_caller_may_choose_what_is_tried_again(waits: list[float]) -> None:
    assert retries.again(failing(1, RequestFailed("gone", 404)), when=lambda error: error.status == 404) == "done"
    assert len(waits) == 1


@pytest.mark.parametrize(("asked_s", "most_s"), [(None, 8.0), (12.0, 12.0), (3600.0, retries.LONGEST_WAIT_S)])
def test_a_wait_is_as_long_as_the_server_asks_within_reason(
    asked_s: float | None, most_s: float, waits: list[float]
) -> None:
    retries.wait(3, asked_s)
    assert min(asked_s or 0.0, most_s) <= waits[0] <= most_s


@pytest.mark.parametrize(("status", "tried"), [(None, 3), (503, retries.ATTEMPTS), (404, 1)])
def test_who_does_not_answer_for_long_is_asked_no_more(
    status: int | None, tried: int, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(0, 600, 45))  # each attempt takes as long
    monkeypatch.setattr(retries.time, "monotonic", lambda: next(clock))
    with pytest.raises(RequestFailed):
        retries.again(failing(retries.ATTEMPTS, RequestFailed("no", status)), retries.unless_silent(100.0))
    assert len(waits) == tried - 1
