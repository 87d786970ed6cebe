"""Scale and Bias by a second bottom that is one number."""

import numpy as np
import pytest
from check_layer import shapes_of

import zoo
from zoo.errors import ShapeError

RNG = np.random.default_rng(17)


@pytest.mark.parametrize("shape", [(2, 3, 4, 2), (5, 3), (4,), ()], ids=str)
@pytest.mark.parametrize("kind", ["Scale", "Bias"])
def test_one_number_fits_any_blob_whatever_the_axis(tmp_path, kind, shape):
    sizes = " ".join(f"dim: {size}" for size in shape)
    path = tmp_path / "net.prototxt"
    path.write_text(
        f'input: "x" input_shape {{ {sizes} }} input: "one" input_shape {{ }}\n'
        f'layer {{ name: "y" type: "{kind}" bottom: "x" bottom: "one" top: "y" }}\n'
    )
    x, one, diff = RNG.normal(size=shape), np.array(2.5), RNG.normal(size=shape)
    net = zoo.Net.read(path)
    blobs = zoo.run(net, {"x": x, "one": one})
    np.testing.assert_allclose(blobs["y"], x * one if kind == "Scale" else x + one, rtol=1e-5)
    diffs, _ = zoo.gradients(net, {"x": x, "one": one}, {"y": diff}, force_backward=True)
    expected = np.sum(diff * x) if kind == "Scale" else np.sum(diff)
    np.testing.assert_allclose(diffs["one"], expected, rtol=1e-4, atol=1e-5)


def test_a_learned_blob_needs_the_axis_that_is_written():
    with pytest.raises(ShapeError, match="axis 1 is outside a blob of 1 axes"):
        shapes_of('type: "Scale" bottom: "x" top: "y"', (4,))
