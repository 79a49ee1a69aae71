from __future__ import annotations

import io
import threading

import pytest

from kso_utils.core import progress
from kso_utils.core.progress import Silent, Terminal, bar, describe, track, use


class Seen:
    """A sink that keeps what it is shown."""

    def __init__(self):
        self.calls = []

    def show(self, label, done, total, elapsed_s, finished):
        self.calls.append((label, done, total, finished))


class Screen(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def seen():
    sink = Seen()
    previous = use(sink)
    yield sink
    use(previous)


@pytest.mark.parametrize(
    ("done", "total", "elapsed_s", "line"),
    [
        (0, 10, 0, "clips [....................] 0/10 in 0:00"),
        (5, 10, 60, "clips [##########..........] 5/10 in 1:00, 1:00 left"),
        (10, 10, 125.9, "clips [####################] 10/10 in 2:05"),
        (11, 10, 1, "clips [####################] 11/10 in 0:01"),
        (3, None, 61, "clips: 3 in 1:01"),
        (0, 0, 1, "clips: 0 in 0:01"),
    ],
)
def test_progress_as_a_line(done, total, elapsed_s, line):
    assert describe("clips", done, total, elapsed_s) == line


def test_tracked_items_come_through_and_are_counted(seen):
    assert list(track([1, 2, 3], "clips")) == [1, 2, 3]
    assert seen.calls[-1] == ("clips", 3, 3, True)


def test_items_without_a_length_have_no_total(seen):
    assert list(track(iter("ab"), "clips")) == ["a", "b"]
    assert seen.calls[-1] == ("clips", 2, None, True)


def test_a_total_that_is_given_counts(seen):
    list(track(iter("ab"), "clips", total=5))
    assert seen.calls[-1] == ("clips", 2, 5, True)


def test_work_that_stops_halfway_is_closed(seen):
    with pytest.raises(RuntimeError), bar("clips", 3) as opened:
        opened.advance()
        raise RuntimeError
    assert seen.calls[-1] == ("clips", 1, 3, True)


def test_a_sink_is_shown_no_more_than_ten_a_second(seen, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with bar("clips", 100) as opened:
        for _ in range(100):
            now[0] += 0.025
            opened.advance()
    assert 20 <= len(seen.calls) <= 27


def test_threads_count_together(seen):
    with bar("clips", 400) as opened:
        threads = [threading.Thread(target=lambda: [opened.advance() for _ in range(100)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert seen.calls[-1] == ("clips", 400, 400, True)


def test_a_screen_gets_one_line_that_changes():
    screen = Screen()
    terminal = Terminal(screen, delay_s=0)
    terminal.show("clips", 1, 2, 1.0, False)
    terminal.show("clips", 2, 2, 2.0, True)
    assert screen.getvalue().count("\n") == 1
    assert screen.getvalue().count("\r") == 2


def test_a_log_gets_the_last_line_only():
    log = io.StringIO()
    terminal = Terminal(log, delay_s=0)
    terminal.show("clips", 1, 2, 1.0, False)
    terminal.show("clips", 2, 2, 2.0, True)
    assert log.getvalue() == "clips [####################] 2/2 in 0:02\n"


def test_short_work_is_not_shown():
    screen = Screen()
    Terminal(screen, delay_s=1.0).show("clips", 2, 2, 0.9, True)
    assert screen.getvalue() == ""


def test_nothing_is_shown_unless_somebody_asked(capsys):
    previous = use(Silent())
    list(track([1], "clips"))
    use(previous)
    assert capsys.readouterr() == ("", "")
