"""Whether the address that a card gives for its weights has the weights that are published."""

from __future__ import annotations

from zoo.errors import DownloadError
from zoo.registry.diagnose import diagnose
from zoo.registry.hashes import Hasher, Hashes
from zoo.registry.storage.requesting import open_url, shown
from zoo.registry.storage.share_links import downloadable

__all__ = ["weights_elsewhere"]


def weights_elsewhere(url: str, hashes: Hashes) -> tuple[list[str], tuple[str, ...]]:
    """What is wrong with an address of weights, and what could not be found out.

    A size that differs is told before anything is downloaded.
    """
    hasher, start = Hasher(), b""
    try:
        with open_url(downloadable(url)) as (pieces, size):
            if size not in (None, hashes.size):
                start = next(pieces, b"")
                return [_wrong(url, f"{size} bytes, not {hashes.size}", start)], ()
            for piece in pieces:
                start = start or piece
                hasher.update(piece)
                if hasher.result().size > hashes.size:
                    return [_wrong(url, f"more than {hashes.size} bytes", start)], ()
    except DownloadError as error:
        reason = error.attempts[0][1] if error.attempts else str(error)
        if reason.startswith("HTTP 4"):
            return [f"caffemodel_url: {shown(url)} answers {reason}; put the weights there."], ()
        return [], (f"{shown(url)} could not be checked ({reason}); it has to have the weights",)
    received = hasher.result()
    if received != hashes:
        return [_wrong(url, f"sha1 {received.sha1}, not {hashes.sha1}", start)], ()
    return [], ()


def _wrong(url: str, what: str, start: bytes) -> str:
    kind = diagnose(start)
    return (
        f"caffemodel_url: {shown(url)} has {what}.{f' {kind}' if kind else ''} Put the weights that"
        " lie here there."
    )
