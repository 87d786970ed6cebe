"""Networks in the formats of others, each run and compared before it counts as written."""

from zoo.exports.export import EXPORTS, ExportReport, export
from zoo.exports.keras_file import weights_from_keras

__all__ = ["EXPORTS", "ExportReport", "export", "weights_from_keras"]
