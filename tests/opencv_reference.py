"""Values of blobs as OpenCV's dnn module computes them from the same definition and weights."""

import numpy as np

from zoo.caffe.write import write_caffemodel


def opencv_values(net, inputs, blobs, folder):
    """The named blobs of a Net for inputs (N, C, H, W), or skip where OpenCV is not installed."""
    import cv2

    definition, weights = folder / "opencv.prototxt", folder / "opencv.caffemodel"
    definition.write_text(net.to_prototxt())
    write_caffemodel(weights, net.definition, net.params)
    theirs = cv2.dnn.readNetFromCaffe(str(definition), str(weights))
    for name, value in inputs.items():
        theirs.setInput(np.ascontiguousarray(value, np.float32), name)
    makers = {top: layer.name for layer in net.layers for top in layer.tops}
    return dict(zip(blobs, theirs.forward([makers[blob] for blob in blobs]), strict=True))
