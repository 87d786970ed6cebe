"""Mixed precision: layers compute in bfloat16, weights and their updates stay in float32.

bfloat16 has the range of float32, so that no loss has to be scaled, as float16 would need it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["building_for"]


@contextmanager
def building_for(precision: str) -> Iterator[None]:
    """Let the Keras layers that are made inside compute as a stage wants: "full" or "mixed"."""
    import keras

    before = keras.config.dtype_policy()
    if precision == "mixed":
        keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
