"""The families of kinds that zoo writes to ONNX. Importing them fills the table."""

from zoo.exports import (  # noqa: F401
    onnx_activation,
    onnx_combine,
    onnx_convolution,
    onnx_forks,
    onnx_loss,
    onnx_normalization,
    onnx_pooling,
    onnx_recurrent,
    onnx_shape,
)
