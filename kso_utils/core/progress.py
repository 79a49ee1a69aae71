"""Progress of work that takes more than a moment, shown wherever the user is.

A function that works through many items says so with `track` or `Bar`; who shows it is decided at the edge:
the command line draws a bar on a terminal, a notebook a widget, a log plain lines, a test nothing.
"""

from __future__ import annotations

import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TextIO, TypeGuard, TypeVar

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

T = TypeVar("T")


class Sink(Protocol):
    """Whoever shows progress; called from any thread."""

    def show(self, label: str, done: int, total: int | None, elapsed_s: float, finished: bool) -> None:
        """Show that `done` of `total` items of `label` are done after `elapsed_s` seconds."""


class Silent:
    """Shows nothing."""

    def show(self, label: str, done: int, total: int | None, elapsed_s: float, finished: bool) -> None:
        """Show nothing."""


class Terminal:
    """A bar on a terminal; one line at the end where the output is not a terminal.

    Work that ends within `delay_s` seconds is not shown at all.
    """

    def __init__(self, stream: TextIO | None = None, delay_s: float = 1.0) -> None:
        self.stream = stream or sys.stderr
        self.delay_s = delay_s
        self._live = self.stream.isatty()

    def show(self, label: str, done: int, total: int | None, elapsed_s: float, finished: bool) -> None:
        """Draw the bar, or close it with a line break when `finished`."""
        if elapsed_s < self.delay_s or not (self._live or finished):
            return
        text = describe(label, done, total, elapsed_s)
        start, end = ("\r\x1b[K", "\n" if finished else "") if self._live else ("", "\n")
        self.stream.write(f"{start}{text}{end}")
        self.stream.flush()


def describe(label: str, done: int, total: int | None, elapsed_s: float) -> str:
    """Return progress as a line of text: label, bar, counts, elapsed and remaining time."""
    if not total:
        return f"{label}: {done} in {_minutes(elapsed_s)}"
    filled = round(20 * min(done, total) / total)
    left = f", {_minutes(elapsed_s / done * (total - done))} left" if 0 < done < total else ""
    return f"{label} [{'#' * filled}{'.' * (20 - filled)}] {done}/{total} in {_minutes(elapsed_s)}{left}"


def _minutes(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


class Bar:
    """Counts the items of one piece of work; safe to advance from several threads."""

    def __init__(self, label: str, total: int | None) -> None:
        self.label, self.total, self.done = label, total, 0
        self._start = time.monotonic()
        self._shown = 0.0
        self._lock = threading.Lock()

    def advance(self, items: int = 1) -> None:
        """Count `items` more as done; shown at most ten times a second."""
        with self._lock:
            self.done += items
            now = time.monotonic()
            if now - self._shown < 0.1:
                return
            self._shown = now
            _sink.show(self.label, self.done, self.total, now - self._start, False)

    def fill(self) -> None:
        """Count what is left as done, for work that may be done with fewer items than were thought."""
        if self.total is not None:
            self.done = max(self.done, self.total)

    def close(self) -> None:
        """Show the final count."""
        with self._lock:
            _sink.show(self.label, self.done, self.total, time.monotonic() - self._start, True)


@contextmanager
def bar(label: str, total: int | None = None) -> Iterator[Bar]:
    """Open a `Bar` for the length of a block."""
    opened = Bar(label, total)
    try:
        yield opened
    finally:
        opened.close()


def track(items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
    """Yield `items` and show how many are done; `total` is their length where they have one."""
    if total is None:
        total = len(items) if _sized(items) else None
    with bar(label, total) as opened:
        for item in items:
            yield item
            opened.advance()


def _sized(items: Iterable[T]) -> TypeGuard[Collection[T]]:
    return hasattr(items, "__len__")


_sink: Sink = Silent()


def use(sink: Sink) -> Sink:
    """Show progress through `sink` from now on; return the one used so far."""
    global _sink
    previous, _sink = _sink, sink
    return previous
