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


def test_threads_go_on_while_a_result_is_looked_at():
    begun = {item: threading.Event() for item in range(1000)}
    results = ahead(lambda item: begun[item].set(), begun, 3)
    next(results)
    assert all(begun[item].wait(10) for item in range(4))
    results.close()
    assert not any(begun[item].is_set() for item in range(4, 1000))


def test_what_went_wrong_comes_in_its_place():
    results = ahead(lambda item: 1 // item, [1, 0, 1], 2)
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)
