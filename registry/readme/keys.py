"""The keys of a readme's metadata, and the spellings under which they are met."""

from __future__ import annotations

import re

__all__ = ["CAFFE_KEYS", "KNOWN_KEYS", "WEIGHTS_KEYS", "canonical_key"]

WEIGHTS_KEYS = frozenset({"caffemodel", "caffemodel_url"})
CAFFE_KEYS = WEIGHTS_KEYS | {
    "name",
    "license",
    "sha1",
    "gist_id",
    "caffe_commit",
    "caffe_version",
}
"""What Caffe's model zoo asked for."""

KNOWN_KEYS = CAFFE_KEYS | {
    "sha256",
    "size_bytes",
    "input",
    "labels",
    "prototxt",
    "task",
    "citation",
}
"""And what zoo adds."""

_SPELLINGS = {
    "licence": "license",
    "sha_1": "sha1",
    "sha_256": "sha256",
    "caffe_model": "caffemodel",
    "caffe_model_url": "caffemodel_url",
    "caffemodelurl": "caffemodel_url",
}
_SEPARATORS = re.compile(r"[\s_-]+")


def canonical_key(spelled: str) -> str:
    """The known key that is meant, else the key without Markdown's escapes.

    >>> canonical_key("Caffemodel\\\\_URL"), canonical_key("Licence"), canonical_key("Top-1 error")
    ('caffemodel_url', 'license', 'Top-1 error')
    """
    plain = spelled.replace("\\", "").strip()
    folded = _SEPARATORS.sub("_", plain).strip("_").casefold()
    folded = _SPELLINGS.get(folded, folded)
    return folded if folded in KNOWN_KEYS else plain
