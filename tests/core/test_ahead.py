import threading

import pytest

from kso_utils.core.ahead import ahead


def test_results_come_in_order_whatever_takes_longest():
    first = threading.Event()

    def work(item):
        if item == 0:
            assert first.wait(10)
        elif item == 3:
            first.set()
        return item

    assert list(ahead(work, range(20), 4)) == list(range(20))


def test_no_more_is_worked_out_than_there_are_threads():
    begun = []
    results = ahead(lambda item: begun.append(item) or item, iter(range(1000)), 3)
    assert next(results) == 0
    results.close()
    assert len(begun) <= 4


def test_what_went_wrong_comes_in_its_place():
    results = ahead(lambda item: 1 // item, [1, 0, 1], 2)
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)
