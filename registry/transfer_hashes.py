"""Hashing a part, and bringing it to the disk, while it grows.

SHA-1 and SHA-256 each have a thread, which reads behind the writer what the system still has in
memory. hashlib lets other threads run meanwhile, so both cost no more time than the slower one, and
bytes that came before the process began, or not in their order, are no special case. A third thread
asks the disk to keep what has come, so that there is little to wait for in the end.
"""

from __future__ import annotations

import hashlib
import threading
from typing import TYPE_CHECKING

from zoo.registry.hashes import Hashes
from zoo.registry.transfer_part import Part

if TYPE_CHECKING:
    from hashlib import _Hash

__all__ = ["FollowingHashes"]

_CHUNK = 1 << 18
_FLUSH_EVERY = 1 << 25


class FollowingHashes:
    """Takes both hashes of a part from its beginning to its end; a context manager."""

    def __init__(self, part: Part) -> None:
        self._part = part
        self._stopped = False
        self._size = 0
        self._digests: dict[str, str] = {}
        self._errors: list[OSError] = []
        self._threads = [
            threading.Thread(target=self._follow, args=(name,), daemon=True, name=f"zoo {name}")
            for name in ("sha1", "sha256")
        ]
        self._threads.append(threading.Thread(target=self._flush, daemon=True, name="zoo disk"))

    def __enter__(self) -> FollowingHashes:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopped = True
        self.result(check=False)

    def result(self, *, check: bool = True) -> Hashes:
        """Both hashes, once all that was written is hashed; ends the waiting for more.

        Raises
        ------
        OSError
            when the part cannot be read.
        """
        self._part.end()
        for thread in self._threads:
            thread.join()
        if check and self._errors:
            raise self._errors[0]
        return Hashes(self._digests.get("sha1", ""), self._digests.get("sha256", ""), self._size)

    def _follow(self, name: str) -> None:
        buffer = memoryview(bytearray(_CHUNK))
        digest, position, restarts = _new(name), 0, self._part.restarts
        try:
            while not self._stopped:
                known, whole, ended = self._part.wait(position, restarts, _CHUNK)
                if known != restarts:
                    digest, position, restarts = _new(name), 0, known
                elif ended and position == whole:
                    self._digests[name], self._size = digest.hexdigest(), position
                    return
                else:
                    size = self._part.read(buffer[: min(_CHUNK, whole - position)], position)
                    if self._part.restarts == restarts:
                        digest.update(buffer[:size])
                        position += size
        except OSError as error:
            self._errors.append(error)

    def _flush(self) -> None:
        flushed = restarts = 0
        try:
            while not self._stopped:
                restarts, whole, ended = self._part.wait(flushed, restarts, _FLUSH_EVERY)
                if ended:
                    return
                flushed = whole
                self._part.flush()
        except OSError as error:
            self._errors.append(error)


def _new(name: str) -> _Hash:
    return hashlib.new(name, usedforsecurity=name != "sha1")
