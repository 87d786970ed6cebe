"""Files with a few wrong bytes, always the same ones."""

import random

import pytest

COUNTS = [400, pytest.param(100_000, marks=pytest.mark.slow)]


def mutations(content, count, within=None):
    """Yields `content` with 1 to 20 bytes changed in its first `within`, and sometimes cut."""
    for seed in range(count):
        rng = random.Random(seed)
        mutated = bytearray(content)
        for _ in range(rng.choice([1, 2, 20])):
            mutated[rng.randrange(within or len(content))] = rng.choice(
                [0, 255, rng.randrange(256)]
            )
        yield mutated[: rng.randrange(1, len(content))] if rng.random() < 0.1 else mutated
