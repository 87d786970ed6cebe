"""The readme that `zoo new` writes: every key with what to write there."""

from __future__ import annotations

__all__ = ["TEMPLATE", "UNFILLED"]

TEMPLATE = """\
---
name:  # the title that people see
task:  # classification, segmentation, detection, ...
tags: []  # words that a search should find it by
caffemodel:  # the file of the weights, beside this one
caffemodel_url:  # https://... of the weights, where they cannot lie beside this file (a gist)
sha1:  # `zoo publish` writes this and the next two
sha256:
size_bytes:
license:  # of the weights: an SPDX id (https://spdx.org/licenses) or LicenseRef-...
license_url:  # where the terms can be read, if SPDX does not know them
derived_from:  # name@sha1:... of the model whose weights it began with; none if there is none
input:  # how a picture becomes the input of the network
  size:  # [height, width] of the input
  channels: BGR  # or RGB, GRAY; the order that the network was trained with
  mean:  # subtracted, one number for each channel in that order
  scale: 1  # multiplied after that
  resize:  # [height, width] that the picture is warped to before its centre is cut out
labels:  # the file with one label a line, in the order of the outputs
---

What the model does, for whom, and what it was trained on.

## Results

Which score on which data, and how it was measured.

## License

Why these terms: those of the data and of the model that it was made from count too.

## Citation

The BibTeX of the paper. Where there is none, put an entry such as `@misc{key, author = {...},
title = {...}, year = {...}}` in the place of these lines: a model that nobody can cite is refused.
"""

UNFILLED = tuple(line for line in TEMPLATE.partition("\n---\n")[2].splitlines() if "." in line)
"""The lines that tell the author what to write; none of them is to be published."""
