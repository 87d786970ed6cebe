"""Reading ahead: the next batches are made while the network computes."""

from __future__ import annotations

import atexit
from collections.abc import Generator, Iterator
from queue import Full, Queue
from threading import Event, Thread
from typing import Any, TypeVar

__all__ = ["ahead"]

Item = TypeVar("Item")
_DEPTH = 2
_SECONDS = 0.2
"""How long a thread waits at most before it looks whether it is still wanted."""


def ahead(items: Iterator[Item]) -> Generator[Item]:
    """The same items in the same order, made in a thread of its own, two in advance.

    What making an item raises is raised where that item would have come. The thread ends when the
    iterator is closed or dropped, and before the interpreter does.

    Examples
    --------
    >>> list(ahead(iter("abc")))
    ['a', 'b', 'c']
    """
    queue: Queue[tuple[bool, Any]] = Queue(_DEPTH)
    left = Event()
    thread = Thread(target=_fill, args=(items, queue, left), daemon=True)
    thread.start()

    def stop() -> None:
        left.set()
        while not queue.empty():
            queue.get()
        thread.join()

    # A thread that the end of the interpreter kills keeps its locks, HDF5's one for all files too.
    atexit.register(stop)
    try:
        while True:
            made, item = queue.get()
            if not made:
                if item is None:
                    return
                raise item
            yield item
    finally:
        atexit.unregister(stop)
        stop()


def _fill(items: Iterator[Any], queue: Queue[tuple[bool, Any]], left: Event) -> None:
    try:
        for item in items:
            if not _put(queue, (True, item), left):
                return
        _put(queue, (False, None), left)
    except BaseException as error:  # whoever reads the queue has to know
        _put(queue, (False, error), left)


def _put(queue: Queue[tuple[bool, Any]], item: tuple[bool, Any], left: Event) -> bool:
    """Put an item there, unless nobody wants it any more."""
    while not left.is_set():
        try:
            queue.put(item, timeout=_SECONDS)
            return True
        except Full:
            continue
    return False
