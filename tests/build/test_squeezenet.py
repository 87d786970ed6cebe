"""SqueezeNet with its real ImageNet weights on photographs, against real Caffe."""

import json

import numpy as np
import pytest
from reference import relative_error

from zoo.api import run
from zoo.net import Net


@pytest.fixture(scope="module")
def squeezenet(shared):
    folder = shared / "models" / "squeezenet_v1.0"
    return Net.read(folder / "deploy.prototxt", folder / "squeezenet_v1.0.caffemodel")


@pytest.mark.parametrize("image", ["cat", "fish-bike", "n01440764_tench"])
def test_every_stored_blob_is_that_of_caffe(shared, squeezenet, image):
    stored = np.load(shared / "golden" / "squeezenet" / f"{image}.npz")
    meta = json.loads((shared / "golden" / "squeezenet" / "meta.json").read_text())
    blobs = [key.removeprefix("blob:") for key in stored.files if key.startswith("blob:")]
    stats = {
        name: facts
        for name, facts in meta["intermediate"][f"{image}:stats"].items()
        if name in squeezenet.blobs
    }
    outputs = run(squeezenet, {"data": stored["data"]}, sorted({*blobs, *stats}))
    for blob in blobs:
        expected = stored[f"blob:{blob}"]
        received = outputs[blob]
        if expected.shape != received.shape:
            received = received.reshape(-1)[:: meta["intermediate"][image][blob]["stride"]]
        assert relative_error(received, expected.reshape(received.shape)) <= 1e-4, blob
    for blob, facts in stats.items():
        norm = float(np.linalg.norm(outputs[blob].astype(np.float64)))
        assert norm == pytest.approx(facts["l2"], rel=1e-4), blob
