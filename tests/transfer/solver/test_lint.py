"""What is said about a solver before it runs: the line and the reason."""

import pytest

from zoo.errors import ParseError, UsageError
from zoo.transfer.caffe_training import CaffeSolver
from zoo.transfer.solver.lint import check, lint
from zoo.transfer.solver.read import read_solver

GOOD = 'net: "net.prototxt"\nbase_lr: 0.01\nmax_iter: 100\nsnapshot_prefix: "s"\n'
# settings, the word before the reason, a part of the reason, and whether training is refused
FLAWS = [
    ('lr_policy: "step" gamma: 0.1 stepsize: 200', "stepsize", "not below max_iter", False),
    ('lr_policy: "step" stepsize: 20', "solver.prototxt:", "rate is 0 from the first", False),
    ('lr_policy: "step" gamma: 0.1', "solver.prototxt:", "needs a stepsize", True),
    ('lr_policy: "step" gamma: 5 stepsize: 9', "gamma", "above 1", False),
    ('lr_policy: "exp" gamma: -1', "gamma", "0 or more", True),
    ('lr_policy: "inv" gamma: 0.1', "power", "never changes", False),
    ('lr_policy: "poly"', "power", "never changes", False),
    ('lr_policy: "sigmoid" stepsize: 9 gamma: -0.1', "gamma", "0 or more", True),
    ('lr_policy: "multistep" gamma: 0.1', "stepvalue", "no stepvalue", False),
    ('lr_policy: "multistep" gamma: 0.1 stepvalue: 50 stepvalue: 20', "stepvalue", "ascend", False),
    ('lr_policy: "multistep" gamma: 0.1 stepvalue: 100', "stepvalue", "never reached", False),
    ('lr_policy: "fixed" gamma: 0.1', "gamma", "no effect", False),
    ('lr_policy: "step" gamma: 0.1 stepvalue: 9 stepsize: 9', "stepvalue", "no effect", False),
    ('lr_policy: "cosine"', "lr_policy", "There are: fixed", True),
    ("", "lr_policy", "missing", True),
    ('lr_policy: "fixed" type: "Adamm"', "type", "Did you mean Adam?", True),
    ('lr_policy: "fixed" type: "AdaGrad" momentum: 0.9', "momentum", "takes no momentum", True),
    ('lr_policy: "fixed" type: "RMSProp" rms_decay: 1', "rms_decay", "below 1", True),
    ('lr_policy: "fixed" type: "Adam" momentum: 1', "momentum", "below 1", True),
    ('lr_policy: "fixed" type: "Adam" momentum: 0.9 momentum2: 1', "momentum2", "below 1", True),
    ('lr_policy: "fixed" type: "Adam"', "momentum", "0.9 is usual", False),
    ('lr_policy: "fixed" momentum2: 0.9', "momentum2", "no effect with SGD", False),
    ('lr_policy: "fixed" delta: 1e-4', "delta", "no effect with SGD", False),
    ('lr_policy: "fixed" momentum: 1.5', "momentum", "below 1", False),
    ('lr_policy: "fixed" regularization_type: "L3"', "regularization_type", "L1 or L2", False),
    ('lr_policy: "fixed" regularization_type: "L3" weight_decay: 1', "solver", "L1 or L2", True),
    ('lr_policy: "fixed" regularization_type: "L1"', "regul", "without weight_decay", False),
    ('lr_policy: "fixed" weight_decay: -1', "weight_decay", "grow", False),
    ('lr_policy: "fixed" clip_gradients: 0', "clip_gradients", "leave it out", False),
    ('lr_policy: "fixed" test_iter: 3', "test_interval", "1 or more", True),
    ('lr_policy: "fixed" test_interval: 3', "test_interval", "nothing is tested", False),
    ('lr_policy: "fixed" test_iter: 0 test_interval: 9', "test_iter", "received [0]", True),
    ('lr_policy: "fixed" test_net: "a"', "test_iter", "0 test_iter for 1", True),
    (
        'lr_policy: "fixed" test_iter: 1 test_interval: 9 test_state {} test_state {}',
        "test_state",
        "2 test_state for 1",
        True,
    ),
    ('lr_policy: "fixed" train_net: "b"', "train_net", "expected one of them", True),
    ('lr_policy: "fixed" iter_size: 0', "iter_size", "1 or more", True),
    ('lr_policy: "fixed" average_loss: 0', "average_loss", "1 or more", True),
    ('lr_policy: "fixed" snapshot: -1', "snapshot", "below 0", True),
    ('lr_policy: "fixed" display: 0', "display", "no loss is shown", False),
    ('lr_policy: "fixed" snapshot_diff: true', "snapshot_diff", "not supported", False),
]  # fmt: skip


@pytest.fixture
def solver(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(text):
        (tmp_path / "solver.prototxt").write_text(text)
        return read_solver("solver.prototxt")

    return write


@pytest.mark.parametrize(("settings", "field", "reason", "refused"), FLAWS)
def test_a_flaw_is_named_with_its_line_and_reason(solver, settings, field, reason, refused):
    file = solver(GOOD + settings)
    if refused:
        with pytest.raises(UsageError) as raised:
            check(file)
        told = str(raised.value)
    else:
        told = "\n".join(check(file))
    line = next(line for line in told.splitlines() if reason in line)
    assert field in line
    assert line.startswith("solver.prototxt:")


@pytest.mark.parametrize(
    "settings",
    [
        'lr_policy: "fixed" momentum: 0.9 weight_decay: 0.0005 regularization_type: "L1"',
        'lr_policy: "step" gamma: 0.1 stepsize: 40',
        'lr_policy: "multistep" gamma: 0.1 stepvalue: 40 stepvalue: 80',
        'lr_policy: "inv" gamma: 0.0001 power: 0.75 type: "AdaGrad" delta: 1e-5',
        'lr_policy: "fixed" type: "Adam" momentum: 0.9 momentum2: 0.99 delta: 1e-8 iter_size: 2',
        'lr_policy: "poly" power: 1 test_iter: 10 test_interval: 50 snapshot: 50 display: 10',
    ],
)
def test_nothing_is_said_about_a_good_solver(solver, settings):
    assert lint(solver(GOOD + settings).param) == []


def test_three_flaws_are_told_on_their_three_lines(solver):
    file = solver(
        'net: "net.prototxt"\n'
        "base_lr: 0.01\n"
        'lr_policy: "fixed"\n'
        "gamma: 0.1  # left over\n"
        "momentum2: 0.9\n"
        "max_iter: 10\n"
        "test_interval: 5\n"
    )
    places = [text.partition(": ")[0] for text in check(file)]
    assert sorted(places) == [f"solver.prototxt:{line}" for line in (4, 5, 7)]


def test_all_that_is_fatal_is_told_at_once(solver):
    file = solver('base_lr: 0.01\nlr_policy: "stp"\ntype: "Adma"\nmax_iter: 9')
    with pytest.raises(UsageError) as raised:
        check(file)
    assert [line.partition(": ")[0] for line in str(raised.value).splitlines()] == [
        "solver.prototxt", "solver.prototxt:2", "solver.prototxt:3",
    ]  # fmt: skip


def test_an_unknown_field_is_refused_with_its_line_and_the_nearest(solver):
    with pytest.raises(ParseError, match=r"solver.prototxt:5:1: .*'momentm'.*Did you mean moment"):
        solver(f"{GOOD}momentm: 0.9")


@pytest.mark.parametrize("text", ["", "   \n", "net"])
def test_what_is_no_solver_is_a_parse_error(solver, text):
    with pytest.raises(ParseError, match="solver.prototxt"):
        solver(text)


def test_a_solver_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"nowhere.prototxt: No such file"):
        read_solver("nowhere.prototxt", tmp_path)


def test_the_old_enum_becomes_the_name(solver):
    file = solver(f"{GOOD}solver_type: RMSPROP")
    assert (file.param.type, file.param.HasField("solver_type")) == ("RMSProp", False)
    with pytest.raises(ParseError, match=r"solver.prototxt:5: both .*Remove solver_type"):
        solver(f'{GOOD}solver_type: ADAM type: "Adam"')


def test_a_prefix_is_made_up_as_caffe_does(solver, tmp_path):
    assert solver('net: "a"').param.snapshot_prefix == "solver"
    (tmp_path / "out").mkdir()
    assert solver('net: "a" snapshot_prefix: "out"').param.snapshot_prefix == "out/solver"
    assert solver('net: "a" snapshot_prefix: "out/x"').param.snapshot_prefix == "out/x"


def test_published_solvers_are_read(shared):
    found = sorted((shared / "prototxt").rglob("*solver*.prototxt"))
    assert len(found) > 20
    for path in found:
        file = read_solver(path.name, path.parent)
        assert not [flaw for flaw in lint(file.param) if flaw.fatal], path


def test_a_missing_network_is_named_with_where_it_was_looked_for(project):
    folder = project()
    (folder / "net.prototxt").unlink()
    with pytest.raises(UsageError, match=rf"no network net.prototxt in {folder}.*current folder"):
        CaffeSolver("solver.prototxt", folder=folder)


def test_warnings_come_before_training(project):
    told = []
    CaffeSolver("solver.prototxt", folder=project("gamma: 0.1"), listen=told.append)
    assert ["no effect" in event.text for event in told if event.kind == "warning"] == [True]
