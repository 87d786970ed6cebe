"""InnerProduct over any axis, against numpy."""

import numpy as np
import pytest

from zoo.api import run
from zoo.net import Net

RNG = np.random.default_rng(29)


@pytest.mark.parametrize("shape", [(4, 6), (4, 3, 2), (4, 3, 2, 5), (2, 3, 2, 2, 3)], ids=str)
@pytest.mark.parametrize("axis", [0, 1, -1, -2])
@pytest.mark.parametrize("transpose", ["true", "false"])
@pytest.mark.parametrize("bias", ["true", "false"])
def test_everything_behind_the_axis_is_multiplied(tmp_path, shape, axis, transpose, bias):
    sizes = " ".join(f"dim: {size}" for size in shape)
    (tmp_path / "net.prototxt").write_text(
        f'input: "x" input_shape {{ {sizes} }}\n'
        'layer { name: "fc" type: "InnerProduct" bottom: "x" top: "fc" inner_product_param {'
        f" num_output: 3 axis: {axis} transpose: {transpose} bias_term: {bias} }} }}"
    )
    x = RNG.normal(size=shape).astype(np.float32)
    rows = x.reshape(*shape[: axis % len(shape)], -1)
    weight = RNG.normal(size=(3, rows.shape[-1])).astype(np.float32)
    params = [weight.T if transpose == "true" else weight]
    params += [RNG.normal(size=3).astype(np.float32)] * (bias == "true")
    net = Net.read(tmp_path / "net.prototxt").with_params({"fc": params})
    expected = rows @ weight.T + sum(params[1:])
    assert net.blobs["fc"] == expected.shape
    np.testing.assert_allclose(run(net, {"x": x})["fc"], expected, rtol=1e-4, atol=1e-4)
