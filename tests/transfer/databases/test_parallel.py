"""Work in threads: in order, errors where they belong, threads only where they pay."""

import threading
import time

import pytest

from zoo.transfer.databases.parallel import in_order


def slowly(item):
    time.sleep(0.002)
    return item, threading.current_thread().name


def test_slow_items_are_made_side_by_side_and_come_in_order():
    made = list(in_order(slowly, range(40), 8))
    assert [item for item, _ in made] == list(range(40))
    assert any(name.startswith("zoo-data") for _, name in made)


def test_quick_items_stay_in_the_thread_of_the_caller():
    made = in_order(lambda item: threading.current_thread(), range(1000), 8)
    assert set(made) == {threading.current_thread()}


def test_slow_items_behind_quick_ones_go_to_threads():
    def mixed(item):
        return slowly(item) if item >= 100 else (item, "")

    made = list(in_order(mixed, range(200), 8))
    assert [item for item, _ in made] == list(range(200))
    assert made[-1][1].startswith("zoo-data")


@pytest.mark.parametrize("work", [lambda item: 1 // (5 - item), slowly])
def test_an_error_is_raised_in_its_place(work):
    def failing(item):
        return work(item) if item != 5 else 1 // 0

    rows = in_order(failing, range(10), 3)
    assert len([next(rows) for _ in range(5)]) == 5
    with pytest.raises(ZeroDivisionError):
        next(rows)


def test_no_more_is_made_than_was_asked_to_wait():
    seen = []
    rows = in_order(lambda item: (seen.append(item), slowly(item)), iter(range(1000)), 6)
    for _ in range(20):
        next(rows)
    time.sleep(0.05)
    assert len(seen) <= 20 + 7
    rows.close()


def test_nothing_gives_nothing():
    assert list(in_order(slowly, [], 3)) == []
