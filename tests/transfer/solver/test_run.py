"""The loop: which networks a solver trains and tests, when, and what is told."""

import re
from pathlib import Path

import numpy as np
import pytest

import zoo
from zoo.caffe.schema.caffe_pb2 import LayerParameter
from zoo.caffe.solver_state import read_solver_state
from zoo.caffe.write import write_caffemodel
from zoo.errors import NetError, ShapeError, UsageError, WeightsError
from zoo.transfer.caffe_training import CaffeSolver, train
from zoo.transfer.databases import open_source
from zoo.transfer.solver.events import AfterTest, Clipped, Displayed, Found
from zoo.transfer.solver.log import caffe_log_lines, plain_lines

TESTED = """\
name: "line"
layer { name: "data" type: "HDF5Data" top: "x" top: "y"
  hdf5_data_param { source: "list.txt" batch_size: 4 } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip"
  inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "aux" type: "InnerProduct" bottom: "x" top: "aux" include { stage: "deep" }
  inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "aux_loss" type: "EuclideanLoss" bottom: "aux" bottom: "y" top: "aux_loss"
  loss_weight: 0.3 include { stage: "deep" } }
layer { name: "loss" type: "EuclideanLoss" bottom: "ip" bottom: "y" top: "loss" }
layer { name: "spread" type: "Power" bottom: "ip" top: "spread" include { phase: TEST } }
"""


def told(folder, kind, **settings):
    events = []
    train("solver.prototxt", folder=folder, listen=events.append, **settings)
    return [event for event in events if isinstance(event, kind)]


def test_tests_come_when_caffe_makes_them(project):
    settings = "test_iter: 2 test_interval: 5"
    tests = told(project(settings, TESTED), AfterTest)
    assert [test.iteration for test in tests] == [0, 5, 10]
    settings += " test_initialization: false"
    assert [test.iteration for test in told(project(settings, TESTED), AfterTest)] == [5, 10]
    settings = "test_iter: 2 test_interval: 6"
    assert [test.iteration for test in told(project(settings, TESTED), AfterTest)] == [0, 6, 12]


def test_a_test_gives_the_means_of_the_weights_of_that_moment(project, rows):
    x, y = rows
    folder = project("test_iter: 3 test_interval: 12 test_compute_loss: true", TESTED)
    events = []
    trained = train("solver.prototxt", folder=folder, listen=events.append)
    first, last = (event for event in events if isinstance(event, AfterTest))
    weight, bias = trained.net.params["ip"]
    # The reader of the test goes on where the first test left it: rows 12 to 23 of 10.
    index = np.arange(12, 24) % 10
    apart = x[index] @ weight.T + bias - y[index]
    assert last.loss == pytest.approx((apart**2).sum() / 24, rel=1e-4)
    names = [(score.name, score.weight) for score in last.outputs]
    assert names == [("loss", 1), *[("spread", 0)] * 8]
    spread = (x[index] @ weight.T + bias).reshape(3, 4, 2).mean(0).ravel()
    assert [score.value for score in last.outputs[1:]] == pytest.approx(spread, rel=1e-4)
    assert first.loss > last.loss


def test_states_of_solver_and_options_choose_the_layers(project):
    folder = project('test_iter: 1 test_interval: 12 test_state { stage: "deep" }', TESTED)
    run = CaffeSolver("solver.prototxt", folder=folder)
    assert "aux" not in run.net.params
    tests = told(folder, AfterTest)
    assert {score.name for score in tests[0].outputs} == {"aux_loss", "loss", "spread"}
    deep = CaffeSolver("solver.prototxt", folder=folder, stages=["deep"])
    assert "aux" in deep.net.params
    folder = project('train_state { stage: "deep" }', TESTED)
    assert "aux" in CaffeSolver("solver.prototxt", folder=folder).net.params


def test_networks_of_their_own_for_training_and_testing(project):
    folder = project(
        net=TESTED,
        solver='train_net: "net.prototxt" test_net: "test.prototxt" test_iter: 2 test_interval: 4'
        ' base_lr: 0.1 lr_policy: "fixed" max_iter: 4 snapshot_prefix: "s"',
    )
    (folder / "test.prototxt").write_text(TESTED.replace("Power", "AbsVal"))
    tests = told(folder, AfterTest)
    assert [test.iteration for test in tests] == [0, 4]
    assert all(score.value >= 0 for score in tests[0].outputs)


def test_a_network_inside_the_solver(project):
    folder = project(
        solver=f"net_param {{ {TESTED} }}"
        ' base_lr: 0.1 lr_policy: "fixed" max_iter: 4 snapshot_prefix: "s"'
    )
    assert train("solver.prototxt", folder=folder).losses.shape == (4,)


def test_the_loss_that_is_shown_is_the_mean_over_average_loss(project):
    events = []
    folder = project("average_loss: 3 display: 5")
    trained = train("solver.prototxt", folder=folder, listen=events.append)
    shown = [event for event in events if isinstance(event, Displayed)]
    means = [trained.losses[0], trained.losses[3:6].mean(), trained.losses[8:11].mean()]
    assert [event.loss for event in shown] == pytest.approx(means, rel=1e-6)
    assert [event.iteration for event in shown] == [0, 5, 10]


def test_iter_size_sums_batches(project):
    """Ten rows twice are five batches: one iteration of five is one of all rows."""
    folder = project("iter_size: 5 random_seed: 1")
    small = CaffeSolver("solver.prototxt", folder=folder)
    small.step(3)
    net = (folder / "net.prototxt").read_text().replace("batch_size: 4", "batch_size: 20")
    big = CaffeSolver("solver.prototxt", folder=project("random_seed: 1", net))
    big.step(3)
    for one, other in zip(small.net.params["ip"], big.net.params["ip"], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_gradients_that_are_clipped_are_told_of(project):
    events = told(project("clip_gradients: 0.01"), Clipped)
    assert len(events) == 12
    assert all(event.norm > event.limit == pytest.approx(0.01) for event in events)


def test_a_network_that_is_wholly_frozen_is_run(project):
    rates = "param { lr_mult: 0 } param { lr_mult: 0 } inner_product_param"
    frozen = TESTED.replace("inner_product_param", rates)
    settings = "clip_gradients: 1 iter_size: 2 debug_info: true display: 1"
    run = CaffeSolver("solver.prototxt", folder=project(settings, frozen))
    before = run.net.params["ip"]
    run.step(3)
    for one, other in zip(before, run.net.params["ip"], strict=True):
        np.testing.assert_array_equal(one, other)


SHARED_WEIGHT = """\
layer { name: "data" type: "HDF5Data" top: "x" top: "y"
  hdf5_data_param { source: "list.txt" batch_size: 10 } }
layer { name: "a" type: "InnerProduct" bottom: "x" top: "a" param { name: "w" FIRST }
  inner_product_param { num_output: 2 bias_term: false weight_filler { type: "xavier" } } }
layer { name: "b" type: "InnerProduct" bottom: "x" top: "b" param { name: "w" SECOND }
  inner_product_param { num_output: 2 OTHER weight_filler { type: "xavier" } } }
layer { name: "loss_a" type: "EuclideanLoss" bottom: "a" bottom: "y" top: "loss_a" }
layer { name: "loss_b" type: "EuclideanLoss" bottom: "b" bottom: "y" top: "loss_b"
  loss_weight: 0.5 }
"""


def shared_net(first="", second="", other="bias_term: false"):
    words = {"FIRST": first, "SECOND": second, "OTHER": other}
    text = SHARED_WEIGHT
    for word, value in words.items():
        text = text.replace(word, value)
    return text


@pytest.mark.parametrize("other", ["bias_term: false", "bias_term: true"])
def test_a_shared_param_gets_the_sum_of_all_gradients(project, rows, other):
    """As one Keras layer where both are alike, and as a variable of its own where not."""
    x, y = rows
    folder = project("random_seed: 2 weight_decay: 0.1", shared_net(other=other))
    run = CaffeSolver("solver.prototxt", folder=folder)
    weight = run.net.params["a"][0].astype(float)
    run.step(1)
    slope = 1.5 * (x @ weight.T - y).T @ x / 10 + 0.1 * weight
    for layer in ("a", "b"):
        np.testing.assert_allclose(run.net.params[layer][0], weight - 0.05 * slope, atol=1e-6)


def test_rates_of_a_shared_param_have_to_agree(project):
    folder = project(net=shared_net("lr_mult: 2", "lr_mult: 3"))
    with pytest.raises(NetError, match=r"'b'.*shared with layer 'a', which says lr_mult 2.*is 3"):
        CaffeSolver("solver.prototxt", folder=folder)
    folder = project("random_seed: 1", shared_net("", "lr_mult: 3"))
    assert [each.rate for each in CaffeSolver("solver.prototxt", folder=folder).learned] == [3]


FROZEN = """\
layer { name: "data" type: "HDF5Data" top: "x" top: "y"
  hdf5_data_param { source: "list.txt" batch_size: 5 } }
layer { name: "first" type: "InnerProduct" bottom: "x" top: "first"
  param { lr_mult: 0 } param { lr_mult: 0 }
  inner_product_param { num_output: 4 weight_filler { type: "xavier" } } }
layer { name: "bn" type: "BatchNorm" bottom: "first" top: "bn" }
layer { name: "ip" type: "InnerProduct" bottom: "bn" top: "ip"
  inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "ip" bottom: "y" }
"""


@pytest.mark.parametrize("rule", ["SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam"])
def test_frozen_params_stay_while_statistics_run(project, rule):
    folder = project(f'type: "{rule}" weight_decay: 0.1 random_seed: 4', FROZEN)
    run = CaffeSolver("solver.prototxt", folder=folder)
    before = run.net.params
    run.step(5)
    after = run.net.params
    for one, other in zip(before["first"], after["first"], strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(before["ip"][0], after["ip"][0])
    assert after["bn"][2] == pytest.approx(sum(0.999**k for k in range(5)), rel=1e-5)
    assert not {(each.owner[0]) for each in run.learned if each.rate} - {"ip"}


def test_statistics_that_are_used_have_no_gradient(project):
    """Neither the norm of the gradients nor the history knows of them."""
    net = FROZEN.replace('"BatchNorm"', '"BatchNorm" batch_norm_param { use_global_stats: true }')
    folder = project('type: "Adam" clip_gradients: 1e-3 random_seed: 4', net)
    run = CaffeSolver("solver.prototxt", folder=folder)
    params = {**run.net.params, "bn": [np.full(4, 2.0), np.full(4, 3.0), np.ones(1)]}
    run.net.with_params(params).save(weights=folder / "w.caffemodel")
    events = []
    run = CaffeSolver("solver.prototxt", ["w.caffemodel"], folder=folder, listen=events.append)
    expected = zoo.gradients(run.net, next(open_rows(folder)))[1]["ip"]
    run.step(1)
    clipped = next(event for event in events if isinstance(event, Clipped))
    assert clipped.norm == pytest.approx(np.sqrt(sum((each**2).sum() for each in expected)))
    (made,) = run.solve().snapshots
    owners = [each.owner[0] for each in run.learned] * 2
    for owner, blob in zip(owners, read_solver_state(made.state).history, strict=True):
        assert blob.any() == (owner == "ip")


def open_rows(folder):
    layer = LayerParameter(name="data", type="HDF5Data", top=["x", "y"])
    layer.hdf5_data_param.source, layer.hdf5_data_param.batch_size = "list.txt", 5
    return open_source(layer, folder, "TRAIN")


def test_statistics_that_are_to_learn_are_refused(project):
    net = FROZEN.replace('"BatchNorm"', '"BatchNorm" param { lr_mult: 1 }')
    with pytest.raises(NetError, match="'bn'.*statistic"):
        CaffeSolver("solver.prototxt", folder=project(net=net))


def test_what_ends_in_silence_decays_too(project):
    net = TESTED + (
        'layer { name: "lost" type: "InnerProduct" bottom: "x" top: "lost" inner_product_param {'
        ' num_output: 2 weight_filler { type: "xavier" } } }\n'
        'layer { name: "silence" type: "Silence" bottom: "lost" }\n'
    )
    run = CaffeSolver("solver.prototxt", folder=project("weight_decay: 0.1", net))
    before = run.net.params["lost"][0]
    run.step(2)
    np.testing.assert_allclose(run.net.params["lost"][0], before * (1 - 0.005) ** 2, rtol=1e-5)


def test_a_network_without_a_loss_is_refused(project):
    net = TESTED[: TESTED.index('layer { name: "loss"')]
    with pytest.raises(UsageError, match="no loss in phase TRAIN"):
        CaffeSolver("solver.prototxt", folder=project(net=net))


def test_a_network_without_data_is_refused(project):
    net = 'layer { name: "data" type: "Input" top: "x" input_param { shape { dim: 4 dim: 3 } } }'
    with pytest.raises(NetError, match="'data'.*Input has no batches.*open_source"):
        CaffeSolver("solver.prototxt", folder=project(net=net))


def test_data_of_ones_own(project):
    """An Input layer gets what a function of the user gives; when that ends it is said."""
    net = TESTED.replace("HDF5Data", "Input").replace(
        'hdf5_data_param { source: "list.txt" batch_size: 4 }',
        "input_param { shape { dim: 1 } }",
    )
    rng = np.random.default_rng(0)
    batches = [{"x": rng.normal(size=(6, 3)), "y": rng.normal(size=(6, 2))} for _ in range(5)]

    def mine(layer, folder, phase, *, seed=0, start=0):
        if layer.type != "Input":
            return open_source(layer, folder, phase, seed=seed, start=start)
        return iter(batches)

    folder = project(net=net)
    run = CaffeSolver("solver.prototxt", folder=folder, open_source=mine)
    run.step(5)
    with pytest.raises(UsageError, match="ended after 5 batches"):
        run.step(1)


def test_weights_of_several_files_are_copied_by_name(project):
    folder = project(net=TESTED)
    deep = CaffeSolver("solver.prototxt", folder=folder, stages=["deep"]).net
    for name in ("ip", "aux"):
        kept = {each: blobs for each, blobs in deep.params.items() if each == name}
        definition = type(deep.definition)()
        definition.layer.extend(layer for layer in deep.definition.layer if layer.name == name)
        write_caffemodel(folder / f"{name}.caffemodel", definition, kept)
    run = CaffeSolver(
        "solver.prototxt",
        ["ip.caffemodel", "aux.caffemodel"],
        folder=folder,
        stages=["deep"],
    )
    for name in ("ip", "aux"):
        np.testing.assert_array_equal(run.net.params[name][0], deep.params[name][0])
    named = project('weights: "ip.caffemodel, aux.caffemodel"', TESTED)
    run = CaffeSolver("solver.prototxt", folder=named, stages=["deep"])
    np.testing.assert_array_equal(run.net.params["aux"][0], deep.params["aux"][0])


def test_the_same_name_with_another_shape_is_an_error_with_both_shapes(project):
    folder = project(net=TESTED)
    net = CaffeSolver("solver.prototxt", folder=folder, stages=["deep"]).net
    net.save(weights=folder / "w.caffemodel")
    other = TESTED.replace("num_output: 2", "num_output: 3", 1)
    other = other.replace('bottom: "y" top: "loss"', 'bottom: "ip" top: "loss"')
    folder = project(net=other)
    with pytest.raises(WeightsError, match=r"ip: needs \[\(3, 3\), \(3,\)\].*\[\(2, 3\), \(2,\)\]"):
        CaffeSolver("solver.prototxt", ["w.caffemodel"], folder=folder, stages=["deep"])


def test_weights_and_a_snapshot_exclude_each_other(project):
    with pytest.raises(UsageError, match="not both"):
        CaffeSolver("solver.prototxt", ["a"], "b", folder=project())


def test_a_batch_that_does_not_fit_is_an_error(project):
    def mine(layer, folder, phase, *, seed=0, start=0):
        yield {"x": np.zeros((4, 3)), "y": np.zeros((4, 2))}
        yield {"x": np.zeros((4, 5)), "y": np.zeros((4, 2))}

    run = CaffeSolver("solver.prototxt", folder=project(), open_source=mine)
    with pytest.raises(ShapeError, match="'x'.*5"):
        run.step(2)


def test_a_seed_gives_the_same_run_again(project):
    runs = [
        train("solver.prototxt", folder=project(f"random_seed: {seed}")).losses
        for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])


def test_a_loss_that_is_no_number_is_told_once(project):
    events = []
    train("solver.prototxt", folder=project(solver=DIVERGING), listen=events.append)
    told_of = [event.finding.name for event in events if isinstance(event, Found)]
    assert told_of.count("diverging") == 1


DIVERGING = (
    'net: "net.prototxt" base_lr: 1e20 lr_policy: "fixed" max_iter: 12 snapshot_prefix: "s"'
    " snapshot_after_train: false"
)


def test_debug_info_prints_the_means_of_caffe(project, rows):
    x, y = rows
    events = []
    folder = project("debug_info: true display: 1 random_seed: 1", TESTED)
    run = CaffeSolver("solver.prototxt", folder=folder, listen=events.append)
    weight, bias = run.net.params["ip"]
    run.step(1)
    apart = (x[:4] @ weight.T + bias - y[:4]) / 4
    slope = np.abs(apart.T @ x[:4])
    lines = next(event for event in events if isinstance(event, Displayed)).debug
    expected = {
        "[Forward] Layer ip, top blob ip data": np.abs(apart * 4 + y[:4]).mean(),
        "[Forward] Layer ip, param blob 0 data": np.abs(weight).mean(),
        "[Backward] Layer loss, bottom blob ip diff": np.abs(apart).mean(),
        "[Backward] Layer ip, param blob 0 diff": slope.mean(),
        "[Backward] Layer ip, param blob 1 diff": np.abs(apart.sum(0)).mean(),
    }
    found = dict(line.strip().rsplit(": ", 1) for line in lines)
    for label, value in expected.items():
        assert float(found[label]) == pytest.approx(value, rel=1e-4, abs=1e-6), label
    assert "All net params (data, diff): L1 norm" in lines[-1]
    order = [line.split(",")[0].strip() for line in lines[:-1]]
    assert order.index("[Backward] Layer loss") < order.index("[Backward] Layer ip")


def test_caffes_log_has_the_lines_that_its_readers_look_for(project):
    events = []
    folder = project("display: 6 test_iter: 1 test_interval: 6 clip_gradients: 0.1", TESTED)
    train("solver.prototxt", folder=folder, listen=events.append)
    lines = [line for event in events for line in caffe_log_lines(event)]
    text = "\n".join(lines)
    header = r"(?m)^I\d{4} \d\d:\d\d:\d\d\.\d{6} +\d+ "
    number = r"[-+.\de]+"
    for pattern in (
        r"caffe.cpp:\d+\] Starting Optimization$",
        r"solver.cpp:\d+\] Solving line$",
        r"solver.cpp:\d+\] Learning Rate Policy: fixed$",
        rf"solver.cpp:\d+\] Iteration 6 \({number} iter/s, {number}s/6 iters\), loss = {number}$",
        rf"solver.cpp:\d+\]     Train net output #0: loss = {number}"
        rf" \(\* 1 = {number} loss\)$",
        r"sgd_solver.cpp:\d+\] Iteration 6, lr = 0.05$",
        r"solver.cpp:\d+\] Iteration 6, Testing net \(#0\)$",
        rf"solver.cpp:\d+\]     Test net output #1: spread = {number}$",
        rf"sgd_solver.cpp:\d+\] Gradient clipping: .*\(L2 norm {number} > 0.1\) by scale factor",
        r"solver.cpp:\d+\] Snapshotting to binary proto file .*s_iter_12.caffemodel$",
        r"sgd_solver.cpp:\d+\] Snapshotting solver state to .*s_iter_12.solverstate$",
        rf"solver.cpp:\d+\] Iteration 12, loss = {number}$",
        r"solver.cpp:\d+\] Optimization Done.$",
    ):
        assert re.search(header + pattern, text), pattern
    assert sum(len(plain_lines(event)) for event in events) > 10


def test_memory_stays_flat(project):
    def in_use():
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])

    run = CaffeSolver("solver.prototxt", folder=project("test_iter: 1 test_interval: 50", TESTED))
    run.step(200)
    before = in_use()
    run.step(1000)
    assert in_use() - before < 5000  # KiB


def test_it_is_a_public_function():
    assert zoo.train is train
