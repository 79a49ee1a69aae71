"""Errors that the sandbox makes on purpose, so that a client's promises can be tried out."""

from __future__ import annotations

import random
import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from kso_utils.zooniverse.sandbox.messages import Answer, Refused

if TYPE_CHECKING:
    from kso_utils.zooniverse.sandbox.messages import Request

_MESSAGES = {412: "Attempted to update a stale object", 429: "Too many requests"}
_GATEWAY = {502: "Bad Gateway", 504: "Gateway Time-out"}


@dataclass(slots=True)
class Fault:
    """An error that the server makes on purpose, for tests.

    Attributes
    ----------
    match
        A regular expression on `VERB path`, `POST /api/subjects$`.
    status
        The status to answer with; 0 breaks the connection without an answer.
    times
        How many requests it hits; it is counted down.
    after
        Do what was asked and then answer with the error: a lost answer.
    kind
        `"answer"` answers with `status`; `"reset"` breaks the connection off hard (TCP RST); `"slow"` does what was
        asked and lets the answer trickle for `wait_s`; `"truncated"` does it and breaks off in the midst of the body.
    probability
        Of each matching request to be hit; the dice are seeded by `serve(seed=...)`.
    retry_after_s
        What the header Retry-After says, if given.
    wait_s
        How long a slow answer takes.
    """

    match: str
    status: int = 503
    times: int = 1
    after: bool = False
    kind: Literal["answer", "reset", "slow", "truncated"] = "answer"
    probability: float = 1.0
    retry_after_s: int | None = None
    wait_s: float = 1.0

    @property
    def done(self) -> bool:
        """Whether what was asked for is done all the same."""
        return self.after or self.kind in ("slow", "truncated")

    def answer(self) -> Answer:
        """Return the error as an answer; that of a gateway is no JSON."""
        headers = {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}
        if self.status in _GATEWAY:
            text = f"<html><body><h1>{self.status} {_GATEWAY[self.status]}</h1></body></html>"
            return Answer(self.status, text.encode(), "text/html", headers)
        refused = Refused(self.status, _MESSAGES.get(self.status, "A fault made on purpose")).answer()
        return Answer(refused.status, refused.body, refused.mime, headers)


class Chance:
    """Decides which requests are hit, and how long each waits.

    Parameters
    ----------
    faults
        Errors to make; may be appended to at any time.
    latency_s, jitter_s
        Each request waits `latency_s`, and up to `jitter_s` more.
    seed
        Of the dice.
    """

    def __init__(self, faults: list[Fault], latency_s: float, jitter_s: float, seed: int) -> None:
        self.faults = faults
        self._latency_s, self._jitter_s = latency_s, jitter_s
        self._dice = random.Random(seed)  # noqa: S311  (not for secrets)
        self._lock = threading.Lock()

    def wait_s(self) -> float:
        """Return how long the next request waits."""
        if not self._jitter_s:
            return self._latency_s
        with self._lock:
            return self._latency_s + self._dice.uniform(0, self._jitter_s)

    def hit(self, request: Request) -> Fault | None:
        """Return the fault that hits a request, and count it down."""
        if not self.faults:
            return None
        called = f"{request.verb} {request.path}"
        with self._lock:
            for fault in self.faults:
                if fault.times > 0 and re.search(fault.match, called) and self._dice.random() < fault.probability:
                    fault.times -= 1
                    return fault
        return None
