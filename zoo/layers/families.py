"""The families that come with zoo. Importing them fills the registry of kinds."""

from zoo.layers import (  # noqa: F401
    activation,
    combine,
    convolution,
    data,
    inner_product,
    loss,
    normalization,
    pooling,
    shape,
)
