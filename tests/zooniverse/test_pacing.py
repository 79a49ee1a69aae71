"""How many workers go on, by what the server answers."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kso_utils.core.errors import RequestFailed
from kso_utils.zooniverse.delivery.pacing import GOOD_ROUNDS, Pace


def fail(status):
    raise RequestFailed("no", status)


def complain(pace, status):
    with pytest.raises(RequestFailed):
        pace.attempt(lambda: fail(status))


@pytest.mark.parametrize("status", [429, 500, 503, 504])
def test_complaints_halve_the_workers(status):
    pace = Pace(8)
    limits = []
    for _ in range(5):
        complain(pace, status)
        limits.append(pace.limit)
    assert limits == [4, 2, 1, 1, 1]


@pytest.mark.parametrize("status", [None, 403, 404, 422])
def test_other_failures_do_not(status):
    pace = Pace(8)
    complain(pace, status)
    assert pace.limit == 8


def test_complaints_about_the_time_before_a_cut_are_one():
    pace, together = Pace(8), threading.Barrier(8)

    def fail_together():
        together.wait()
        fail(503)

    def ask():
        with pytest.raises(RequestFailed):
            pace.attempt(fail_together)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert pace.limit == 4


def test_good_answers_bring_one_worker_back_at_a_time():
    pace = Pace(4)
    complain(pace, 429)
    for _ in range(2 * GOOD_ROUNDS - 1):
        assert pace.attempt(lambda: "good") == "good"
    assert pace.limit == 2
    pace.attempt(lambda: None)
    assert pace.limit == 3


@given(answers=st.lists(st.sampled_from([None, 429, 500, 404]), max_size=300), workers=st.integers(1, 16))
def test_there_is_always_a_worker_and_never_more_than_were_asked_for(answers, workers):
    pace = Pace(workers)
    for status in answers:
        if status is None:
            pace.attempt(lambda: None)
        else:
            complain(pace, status)
        assert 1 <= pace.limit <= workers


def test_no_more_are_at_work_than_there_are_places():
    pace, at_work, most = Pace(8), [], []
    complain(pace, 503)

    def work():
        with pace:
            at_work.append(1)
            most.append(len(at_work))
            threading.Event().wait(0.005)
            at_work.pop()

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 20
    assert max(most) <= 4
