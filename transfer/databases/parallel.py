"""Pictures decoded side by side: Pillow and numpy let other threads run while they compute."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from time import perf_counter
from typing import TypeVar

__all__ = ["in_order", "threads"]

Item = TypeVar("Item")
Made = TypeVar("Made")
_MOST = 8
_QUICK, _SLOW = 3e-4, 4  # seconds, and items in a row that take longer


@contextmanager
def threads() -> Iterator[Callable[[Callable[[Item], Made], Sequence[Item]], list[Made]]]:
    """A function that maps as `map` does, in order, in several threads.

    >>> with threads() as each:
    ...     each(abs, [-1, 2])
    [1, 2]
    """
    with _pool() as pool:
        yield lambda function, items: list(pool.map(function, items))


def in_order(
    function: Callable[[Item], Made], items: Iterable[Item], most_waiting: int
) -> Iterator[Made]:
    """What a function makes of each item, in order, in threads, up to so many items in advance.

    Items that are made so quickly that threads would mostly wait for each other are made in the
    thread of the caller, until some in a row take longer.

    >>> list(in_order(abs, [-1, 2, -3], 2))
    [1, 2, 3]
    """
    items, slow = iter(items), 0
    for item in items:
        start = perf_counter()
        made = function(item)
        slow = slow + 1 if perf_counter() - start > _QUICK else 0
        yield made
        if slow == _SLOW:
            break
    pool, waiting = _pool(), deque[Future[Made]]()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > most_waiting:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:  # also when the caller stops early
        pool.shutdown(cancel_futures=True)


def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(min(_MOST, os.cpu_count() or 1), "zoo-data")
